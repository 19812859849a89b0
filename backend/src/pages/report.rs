//! `GET /api/jobs/{id}/report.html`: what became of a job as one page to mail, print or keep. It has its style in it and loads
//! nothing; no script runs in it, wherever it is opened. Whatever a project wrote is text in it.

use askama::Template;
use jiff::Timestamp;
use pipelinex_common::{
    execution::{Execution, StageRecord, StepRecord},
    foreign::Beneath,
    headline,
    metadata::Metadata,
    state::StepState,
    store::{Job, JobView, Store},
};

use super::{
    job::{bar, decided, grouped, severity, stage_class, stage_told},
    labels::{self, severity_class},
};
use crate::{
    bills::{self, Bills},
    error::ApiError,
    excerpts::{Excerpts, Line},
    routes::{
        findings::{FindingRow, FindingsPage},
        gather_findings,
        test_cases::{self, CaseRow, TestsPage, Wish},
    },
};

/// Failed tests that are told; the reports have all.
const FAILED_SHOWN: usize = 100;
/// Findings that are told: a page that can be mailed.
const FINDINGS_SHOWN: usize = 500;
/// What the page may do where a server sends it; it says the same of itself for when it is opened from a file.
pub const POLICY: &str =
    "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

#[derive(Template)]
#[template(path = "report.html")]
struct Report {
    id: String,
    metadata: Metadata,
    version: &'static str,
    class: &'static str,
    outcome: String,
    detail: String,
    left_out: String,
    ended: bool,
    at: String,
    created: String,
    took: String,
    stages: Vec<Stage>,
    tests: Option<String>,
    failed: Vec<CaseRow>,
    more_failed: u64,
    counts: Vec<(&'static str, u64)>,
    /// The run that findings are compared with, and what that came to.
    compared: Option<(u64, String)>,
    looked: bool,
    groups: Vec<Group>,
    more_findings: usize,
    bills: Bills,
    warnings: Vec<String>,
}

struct Stage {
    name: String,
    class: &'static str,
    word: &'static str,
    time: String,
    message: String,
    told: Vec<String>,
    causes: Vec<(String, String)>,
    steps: Vec<Step>,
    bar: Option<(u64, u64)>,
}

struct Step {
    name: String,
    word: &'static str,
    time: String,
    message: String,
}

struct Group {
    title: &'static str,
    total: usize,
    rows: Vec<Told>,
}

/// A finding with what helps and the lines around it.
struct Told {
    row: FindingRow,
    remedy: Option<String>,
    lines: Vec<Line>,
    /// Whether its line is not shown because a secret is on it.
    secret: bool,
}

/// The report of a job, also while it runs.
///
/// # Errors
/// What is kept of the job cannot be read.
pub fn html(store: &Store, job: &Job) -> Result<String, ApiError> {
    draw(store, job)?.render().map_err(ApiError::internal)
}

fn draw(store: &Store, job: &Job) -> Result<Report, ApiError> {
    let JobView { metadata, execution, quarantine, .. } = job.view().map_err(ApiError::broken)?;
    let found = gather_findings(store, job)?;
    let wish = Wish { state: Some("failed,error".to_owned()), limit: Some(FAILED_SHOWN), ..Wish::default() };
    let tests = test_cases::gather(job, &wish.check()?)?;
    let bills = bills::of(job)?;
    let told = headline::of(&execution);
    let end = execution.finished_at.unwrap_or_else(Timestamp::now);
    let span = (execution.started_at.unwrap_or(metadata.created_at), end);
    let set_aside = quarantine.map(|quarantine| quarantine.to_string());
    let known = metadata.warnings.iter().chain(&execution.warnings).cloned();
    let warnings = set_aside.into_iter().chain(known).chain(unreadable(&found, &tests, &bills)).collect();
    let (failed, more_failed) = told_of_tests(tests);
    let counts = labels::severities(found.counts);
    let compared = found.baseline.as_ref().map(|run| (run.run_number, found.standings.words()));
    let looked = execution.stages.values().any(|stage| labels::findings_of(stage).is_some());
    let all = found.findings.len() + found.fixed.len();
    let groups = groups(job, found);
    let shown: usize = groups.iter().map(|group| group.rows.len()).sum();
    Ok(Report {
        id: job.id().to_string(),
        version: env!("CARGO_PKG_VERSION"),
        class: labels::class(told.outcome),
        outcome: labels::capital(told.outcome.words()),
        detail: told.detail,
        left_out: labels::capital(&told.left_out),
        ended: execution.state.is_final(),
        at: labels::at(end),
        created: labels::at(metadata.created_at),
        took: execution.started_at.map(|from| labels::since(from, end)).unwrap_or_default(),
        stages: stages(&execution, span),
        tests: headline::tests(&execution.stages).map(|counts| counts.words()),
        failed,
        more_failed,
        counts,
        compared,
        looked,
        groups,
        more_findings: all.saturating_sub(shown),
        bills,
        warnings,
        metadata,
    })
}

fn told_of_tests(tests: TestsPage) -> (Vec<CaseRow>, u64) {
    let more = (tests.counts.failed + tests.counts.error).saturating_sub(tests.tests.len() as u64);
    (tests.tests, more)
}

/// What could not be read: a report that is silent about it would look better than the job is.
fn unreadable(found: &FindingsPage, tests: &TestsPage, bills: &Bills) -> Vec<String> {
    let findings =
        found.unreadable.iter().map(|step| format!("Findings of {} cannot be read: {}", step.stage, step.reason));
    let tests = tests.unreadable.iter().map(|step| format!("Tests of {} cannot be read: {}", step.stage, step.reason));
    let bills = bills.unreadable.iter().map(|reason| format!("A bill of materials cannot be read: {reason}"));
    findings.chain(tests).chain(bills).collect()
}

fn stages(execution: &Execution, span: (Timestamp, Timestamp)) -> Vec<Stage> {
    execution.stages.iter().map(|(name, record)| stage(name, record, span)).collect()
}

fn stage(name: &str, record: &StageRecord, span: (Timestamp, Timestamp)) -> Stage {
    let time = |took: Option<u64>, state: StepState, from: Option<Timestamp>| match (state, from, took) {
        (StepState::Running, Some(from), _) => labels::since(from, span.1),
        (_, _, Some(took)) => labels::span(took),
        _ => String::new(),
    };
    let step = |step: &StepRecord| Step {
        name: step.name.clone(),
        word: labels::stage_word(step.status),
        time: time(step.duration_ms, step.status, step.started_at),
        message: step.message.clone(),
    };
    let causes = record.steps.values().filter_map(|step| step.cause.as_ref());
    let told = stage_told(record).into_iter().filter(|part| *part != record.message).collect();
    Stage {
        name: name.to_owned(),
        class: stage_class(record),
        word: labels::stage_word(record.status),
        time: time(record.duration_ms, record.status, record.started_at),
        // A stage that nothing is known of says its state once more.
        message: if record.message == labels::stage_word(record.status) {
            String::new()
        } else {
            record.message.clone()
        },
        told,
        causes: causes.map(|cause| (cause.sentence.clone(), cause.hint.clone())).collect(),
        steps: if record.steps.len() > 1 { record.steps.values().map(step).collect() } else { Vec::new() },
        bar: bar(record, span),
    }
}

fn groups(job: &Job, found: FindingsPage) -> Vec<Group> {
    let compared = found.baseline.is_some();
    // What was submitted may be gone, or no longer ours to read: a finding is told all the same.
    let mut excerpts = Excerpts::new(Beneath::open(&job.paths().source()).ok());
    let mut told = |row: FindingRow, fixed: bool| {
        let finding = &row.finding;
        let secret = finding.is_secret(&row.stage);
        let place = finding.path.as_deref().zip(finding.line).filter(|_| !secret && !fixed);
        let lines = place.map(|(path, line)| excerpts.around(path, line)).unwrap_or_default();
        Told { remedy: finding.remedy(&row.stage).filter(|_| !fixed), lines, secret, row }
    };
    let groups = grouped(found.findings, found.fixed, compared, FINDINGS_SHOWN).into_iter();
    let group = |group: super::job::Group| {
        let fixed = group.title == "Fixed";
        let rows = group.rows.into_iter().map(|row| told(row, fixed)).collect();
        Group { title: group.title, total: group.total, rows }
    };
    groups.map(group).collect()
}
