//! `/jobs/{id}`: where a job stands, its stages with their logs, what was found, and what can be taken along.

pub(super) mod log;
mod stage;

pub use self::stage::{bar, class as stage_class, told as stage_told};

use askama::Template;
use axum::{
    extract::State,
    http::{HeaderMap, StatusCode},
    response::Response,
};
use jiff::Timestamp;
use pipelinex_common::{
    baseline::Baseline,
    execution::StageRecord,
    findings::{Severity, diff::Standing, export::Format},
    headline::{self, Outcome},
    metadata::Metadata,
    state::StepState,
    store::{Job, JobView, Store},
};

use self::stage::StageView;
use super::{
    PageError,
    icons::{icon, state},
    labels::{self, severity_class},
    lines::{Lines, server_of},
};
use crate::{
    access::{Principal, Right},
    app::App,
    error::ApiError,
    routes::{
        JobPath,
        findings::FindingRow,
        gather_findings,
        test_cases::{self, CaseRow, Wish},
        triage::DecisionRow,
    },
};

/// Failed tests that are shown whole; the page of tests has all.
const FAILED_SHOWN: usize = 10;
/// Findings on a page; the reports have all of them.
const FINDINGS_SHOWN: usize = 200;

#[derive(Template)]
#[template(path = "job.html")]
struct JobPage {
    id: String,
    /// The class of what became of it, which is also the name of an icon.
    class: &'static str,
    outcome: String,
    detail: String,
    left_out: String,
    metadata: Metadata,
    created: String,
    created_utc: String,
    took: String,
    /// When it began, for a clock that goes on.
    began: String,
    ended: bool,
    cancel_wished: bool,
    stages: Vec<StageView>,
    tests: Option<String>,
    failed: Vec<CaseRow>,
    more_failed: u64,
    groups: Vec<Group>,
    /// What the findings are compared with, and how they stand beside it.
    compared: Option<(Baseline, String)>,
    /// Whether whoever looks may decide about findings here.
    decides: bool,
    /// How many findings somebody accepted.
    accepted: u64,
    counts: Vec<(&'static str, u64)>,
    more_findings: usize,
    warnings: Vec<String>,
    lines: Lines,
}

impl JobPage {
    /// Whether there is something that failed, and something besides that need not be run again.
    fn has_failed(&self) -> bool {
        self.stages.iter().any(|stage| stage.failed) && self.stages.len() > 1
    }
}

/// Findings that stand alike beside the run before.
pub(super) struct Group {
    pub title: &'static str,
    pub total: usize,
    pub rows: Vec<FindingRow>,
}

/// `GET /jobs/{id}`.
pub async fn page(
    State(app): State<App>,
    who: Principal,
    headers: HeaderMap,
    path: Result<JobPath, ApiError>,
) -> Result<Response, PageError> {
    let JobPath(id) = path?;
    let server = server_of(&app, &headers);
    let store = app.store.clone();
    let decides = who.grant().is_some() && who.has(Right::Triage);
    let drawn = app.read_job(&who, id, move |job| draw(&store, job, &server)).await?;
    let drawn = JobPage { decides, ..drawn };
    Ok(super::page(StatusCode::OK, &drawn))
}

fn draw(store: &Store, job: &Job, server: &str) -> Result<JobPage, ApiError> {
    let JobView { metadata, execution, cancel_wished, quarantine } = job.view().map_err(ApiError::broken)?;
    let now = Timestamp::now();
    let first_bad =
        execution.stages.iter().find(|(_, stage)| stage.status == StepState::Failed).map(|(name, _)| name.clone());
    let open =
        |name: &str, stage: &StageRecord| stage.status == StepState::Running || first_bad.as_deref() == Some(name);
    let page = gather_findings(store, job)?;
    let wish = Wish { state: Some("failed,error".to_owned()), limit: Some(FAILED_SHOWN), ..Wish::default() };
    let tests = test_cases::gather(job, &wish.check()?)?;
    let more_failed = (tests.counts.failed + tests.counts.error).saturating_sub(tests.tests.len() as u64);
    let page_counts = page.counts;
    let shown = page.findings.len().min(FINDINGS_SHOWN);
    let more_findings = (page.counts.total() as usize).saturating_sub(shown);
    let unreadable = page.unreadable.into_iter().map(|step| format!("{}: {}", step.stage, step.reason));
    let compared = page.baseline.map(|run| (run, page.standings.words()));
    let groups = grouped(page.findings, page.fixed, compared.is_some(), FINDINGS_SHOWN);
    let set_aside = quarantine.map(|quarantine| quarantine.to_string());
    let told = metadata.warnings.iter().chain(&execution.warnings).cloned();
    let warnings = set_aside.into_iter().chain(told).chain(unreadable).collect();
    let span = (execution.started_at.unwrap_or(metadata.created_at), execution.finished_at.unwrap_or(now));
    let stages = execution.stages.iter().map(|(name, stage)| StageView::new(job, name, stage, open(name, stage), span));
    let request = sent(&metadata);
    let told = headline::of(&execution);
    let waits = execution.state == pipelinex_common::state::JobState::Queued;
    let beside = compared.as_ref().map(|(_, words)| words).filter(|words| !words.is_empty());
    let detail = match (cancel_wished && !execution.state.is_final(), waits) {
        (true, _) => "it is to be canceled".to_owned(),
        (_, true) => "waits for a worker".to_owned(),
        _ => match beside.filter(|_| told.outcome == Outcome::PassedWithFindings) {
            Some(beside) => format!("{} ({beside})", told.detail),
            None => told.detail,
        },
    };
    let took = execution.started_at.map(|from| labels::since(from, span.1)).unwrap_or_default();
    Ok(JobPage {
        id: job.id().to_string(),
        class: labels::class(told.outcome),
        outcome: labels::capital(told.outcome.words()),
        detail,
        left_out: labels::capital(&told.left_out),
        created: labels::ago(metadata.created_at, now),
        created_utc: labels::at(metadata.created_at),
        took,
        began: execution.started_at.map(|from| from.to_string()).unwrap_or_default(),
        ended: execution.state.is_final(),
        cancel_wished,
        stages: stages.collect(),
        tests: headline::tests(&execution.stages).map(|counts| counts.words()),
        failed: tests.tests,
        more_failed,
        counts: labels::severities(page_counts),
        groups,
        compared,
        decides: false,
        accepted: page_counts.set_aside.accepted,
        more_findings,
        warnings,
        lines: Lines::new(&request, server),
        metadata,
    })
}

/// The findings as they are shown, no more than so many: those that are new first, and what is gone last.
pub(super) fn grouped(found: Vec<FindingRow>, fixed: Vec<FindingRow>, compared: bool, most: usize) -> Vec<Group> {
    let mut groups = [
        ("Findings", vec![]),
        ("New", vec![]),
        ("Reopened", vec![]),
        ("Unchanged", vec![]),
        ("Accepted", vec![]),
        ("Fixed", vec![]),
    ];
    for row in found.into_iter().chain(fixed) {
        let at = match (compared, row.state) {
            (_, Standing::Fixed) => 5,
            _ if row.is_accepted() => 4,
            (false, _) => 0,
            (true, Standing::New) => 1,
            (true, Standing::Reopened) => 2,
            (true, Standing::Unchanged) => 3,
        };
        groups[at].1.push(row);
    }
    let mut left = most;
    let group = |(title, mut rows): (&'static str, Vec<FindingRow>)| {
        let total = rows.len();
        rows.truncate(left);
        left -= rows.len();
        Group { title, total, rows }
    };
    groups.into_iter().map(group).filter(|group| group.total > 0).collect()
}

/// The request that makes a job like this one.
fn sent(metadata: &Metadata) -> serde_json::Value {
    let Metadata { stack, versions, pipeline, application, project, branch, commit, source, folder, .. } = metadata;
    let mut request = serde_json::json!({"stack": stack, "versions": versions, "pipeline": pipeline});
    if let Some(folder) = folder {
        request["folder"] = folder.as_str().into();
    }
    if let Some(application) = application {
        request["application"] = application.as_str().into();
    }
    match &source.git {
        Some(git) => (request["github_url"], request["ref"]) = (git.url.as_str().into(), git.git_ref.clone().into()),
        None => {
            request["project"] = project.as_str().into();
            (request["branch"], request["commit"]) = (branch.clone().into(), commit.clone().into());
        }
    }
    request
}

/// A path as part of an address.
pub(super) fn encoded(path: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~/".contains(&byte);
    path.bytes().map(|byte| if plain(byte) { (byte as char).to_string() } else { format!("%{byte:02X}") }).collect()
}

/// The word for how bad a finding is; also a class of the style.
pub(super) fn severity(severity: &Severity) -> &'static str {
    severity.as_str()
}

/// What was decided about a finding, and until when that holds.
pub(super) fn decided(row: &DecisionRow) -> String {
    let words = labels::capital(row.decision.verdict.words());
    match row.decision.until {
        Some(until) if row.expired => format!("{words} until {}, which is over: it counts again", labels::at(until)),
        Some(until) => format!("{words} until {}", labels::at(until)),
        None => words,
    }
}

/// The formats of others.
fn exports() -> [Format; 9] {
    Format::ALL
}

/// What a format is called on a page.
fn export_name(format: &Format) -> &'static str {
    match format {
        Format::Sarif => "SARIF",
        Format::Csv => "CSV",
        Format::Markdown => "Markdown",
        Format::CycloneDx => "CycloneDX",
        Format::Vex => "VEX",
        Format::Spdx => "SPDX",
        Format::GitlabSast => "GitLab SAST",
        Format::GitlabSecretDetection => "GitLab secrets",
        Format::GitlabDependencyScanning => "GitLab dependencies",
    }
}

/// So much of a fingerprint as tells it from the others of a job.
fn beginning(fingerprint: &str) -> &str {
    fingerprint.get(..12).unwrap_or(fingerprint)
}
