//! `/jobs/{id}`: where a job stands, its stages with their logs, what was found, and what can be taken along.

use std::io::{Read, Seek, SeekFrom};

use askama::Template;
use axum::{
    extract::State,
    http::{HeaderMap, StatusCode},
    response::Response,
};
use jiff::Timestamp;
use pipelinex_common::{
    coverage,
    execution::{FailedTest, StageRecord},
    findings::{Finding, Severity},
    foreign::Beneath,
    metadata::Metadata,
    slug::Slug,
    state::StepState,
    store::{Job, JobView},
};

use super::{
    PageError,
    lines::{Lines, host_of},
    words,
};
use crate::{
    access::Principal,
    app::App,
    error::ApiError,
    routes::{JobPath, gather_findings},
};

/// How much of a log's end a page carries, in bytes; the rest is a link away.
const LOG_SHOWN: u64 = 32 * 1024;
/// Findings on a page; the reports have all of them.
const FINDINGS_SHOWN: usize = 200;

#[derive(Template)]
#[template(path = "job.html")]
struct JobPage {
    id: String,
    word: &'static str,
    sentence: String,
    metadata: Metadata,
    created: String,
    ended: bool,
    cancel_wished: bool,
    stages: Vec<StageView>,
    findings: Vec<(String, Finding)>,
    more_findings: usize,
    warnings: Vec<String>,
    lines: Lines,
}

/// A stage as it is shown.
struct StageView {
    name: String,
    slug: String,
    word: &'static str,
    reason: String,
    message: String,
    time: String,
    counts: Vec<(&'static str, u64)>,
    looked: bool,
    tests: String,
    /// How many files a scan read, and how many not.
    coverage: String,
    /// The files that it did not read, with the reasons.
    unread: Vec<String>,
    /// The tests that failed, and what they say.
    failed_tests: Vec<(String, String)>,
    artifacts: Vec<(String, String)>,
    warnings: Vec<String>,
    has_log: bool,
    open: bool,
    log: String,
    log_offset: u64,
    log_cut: bool,
}

/// `GET /jobs/{id}`.
pub async fn page(
    State(app): State<App>,
    who: Principal,
    headers: HeaderMap,
    path: Result<JobPath, ApiError>,
) -> Result<Response, PageError> {
    let JobPath(id) = path?;
    let host = host_of(&headers);
    let drawn = app.read_job(&who, id, move |job| draw(job, &host)).await?;
    Ok(super::page(StatusCode::OK, &drawn))
}

fn draw(job: &Job, host: &str) -> Result<JobPage, ApiError> {
    let JobView { metadata, execution, cancel_wished, quarantine } = job.view().map_err(ApiError::broken)?;
    let now = Timestamp::now();
    let first_bad =
        execution.stages.iter().find(|(_, stage)| stage.status == StepState::Failed).map(|(name, _)| name.clone());
    let open =
        |name: &str, stage: &StageRecord| stage.status == StepState::Running || first_bad.as_deref() == Some(name);
    let page = gather_findings(job)?;
    let more_findings = (page.counts.total() as usize).saturating_sub(FINDINGS_SHOWN);
    let unreadable = page.unreadable.into_iter().map(|step| format!("{}: {}", step.stage, step.reason));
    let found = page.findings.into_iter().take(FINDINGS_SHOWN).map(|row| (row.stage, row.finding));
    let findings: Vec<_> = found.collect();
    let set_aside = quarantine.map(|quarantine| quarantine.to_string());
    let told = metadata.warnings.iter().chain(&execution.warnings).cloned();
    let warnings = set_aside.into_iter().chain(told).chain(unreadable).collect();
    let stages = execution.stages.iter().map(|(name, stage)| StageView::new(job, name, stage, open(name, stage), now));
    let request = sent(&metadata);
    Ok(JobPage {
        id: job.id().to_string(),
        word: words::job_word(execution.state),
        sentence: words::sentence(metadata.created_at, &execution, cancel_wished, now),
        created: words::at(metadata.created_at),
        ended: execution.state.is_final(),
        cancel_wished,
        stages: stages.collect(),
        findings,
        more_findings,
        warnings,
        lines: Lines::new(&request, host),
        metadata,
    })
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

impl StageView {
    fn new(job: &Job, name: &str, stage: &StageRecord, open: bool, now: Timestamp) -> Self {
        let slug = Slug::of(name).to_string();
        let has_log = !matches!(stage.status, StepState::Skipped | StepState::Pending);
        let time = match (stage.status, stage.started_at, stage.duration_ms) {
            (StepState::Running, Some(from), _) => words::since(from, now),
            (_, _, Some(took)) => words::span(took),
            _ => String::new(),
        };
        let log = if has_log { log_end(job, stage) } else { None }.unwrap_or_default();
        let counts = words::findings_of(stage);
        let artifacts = stage.steps.iter().flat_map(|(step, record)| {
            record.artifacts.iter().map(move |path| (path.clone(), format!("{step}/{}", encoded(path))))
        });
        Self {
            name: name.to_owned(),
            slug,
            word: words::stage_word(stage.status),
            reason: words::reason(stage),
            message: stage.message.clone(),
            time,
            looked: counts.is_some(),
            counts: counts.map(words::severities).unwrap_or_default(),
            tests: words::tests(stage).unwrap_or_default(),
            coverage: coverage::words(stage).unwrap_or_default(),
            unread: coverage::lines(stage),
            failed_tests: stage.steps.values().flat_map(|step| &step.failed_tests).map(shown_test).collect(),
            artifacts: artifacts.collect(),
            warnings: stage.steps.values().flat_map(|step| step.warnings.clone()).collect(),
            has_log,
            open,
            log: log.text,
            log_offset: log.offset,
            log_cut: log.cut,
        }
    }
}

fn shown_test(test: &FailedTest) -> (String, String) {
    (test.title(), test.said())
}

#[derive(Default)]
struct LogEnd {
    text: String,
    /// Where the next read begins, in bytes.
    offset: u64,
    /// Whether there is more before it.
    cut: bool,
}

/// The end of the log of a stage's first step, whole lines.
fn log_end(job: &Job, stage: &StageRecord) -> Option<LogEnd> {
    let (step, _) = stage.steps.first()?;
    let mut file = Beneath::open(&job.paths().logs()).ok()?.file(&format!("{step}.log")).ok()?;
    let bytes = file.metadata().ok()?.len();
    let start = bytes.saturating_sub(LOG_SHOWN);
    file.seek(SeekFrom::Start(start)).ok()?;
    let mut raw = Vec::new();
    file.take(bytes - start).read_to_end(&mut raw).ok()?;
    let offset = start + raw.len() as u64;
    let whole = if start == 0 { 0 } else { raw.iter().position(|byte| *byte == b'\n').map_or(0, |at| at + 1) };
    Some(LogEnd { text: words::log_text(&raw[whole..]), offset, cut: start > 0 })
}

/// A path as part of an address.
fn encoded(path: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~/".contains(&byte);
    path.bytes().map(|byte| if plain(byte) { (byte as char).to_string() } else { format!("%{byte:02X}") }).collect()
}

/// The word for how bad a finding is; also a class of the style.
fn severity(severity: &Severity) -> &'static str {
    match severity {
        Severity::Critical => "critical",
        Severity::High => "high",
        Severity::Medium => "medium",
        Severity::Low => "low",
        Severity::Info => "info",
    }
}

/// Where a finding is.
fn place(finding: &Finding) -> String {
    match (&finding.path, finding.line, &finding.package, &finding.url) {
        (Some(path), Some(line), ..) => format!("{path}:{line}"),
        (_, _, Some(package), _) => package.clone(),
        (_, _, _, Some(url)) => url.clone(),
        (Some(path), ..) => path.clone(),
        _ => String::new(),
    }
}
