//! `GET /api/jobs/{id}/findings`: what the scanners of all stages have found so far, the worst first.
//!
//! Each step's findings were published by the worker, normalised, and are laid beside those of the run before. Where a step is recorded to have some and they cannot be
//! read, the answer says so: nothing here makes a list look shorter than it is.

use std::cmp::Reverse;

use axum::{
    Json,
    extract::{Query, State, rejection::QueryRejection},
    http::header,
    response::{IntoResponse, Response},
};
use jiff::Timestamp;
use pipelinex_common::{
    baseline::{self, Against, Baseline, Past},
    execution::{Execution, FindingCounts},
    findings::{
        self, Finding, SetAside, Severity,
        diff::Standing,
        export::{self, Format, Row},
    },
    id::JobId,
    metadata::Metadata,
    slug::Slug,
    state::JobState,
    store::{Job, JobView, ProjectKey, Store, StoreError, Verdict},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{path::JobPath, triage::DecisionRow};
use crate::{access::Principal, app::App, bills, error::ApiError};

/// The most findings of an answer; the worst are in it.
const FINDINGS_MAX: usize = 10_000;
/// The words of severities, the worst first.
const SEVERITIES: [&str; 5] = ["critical", "high", "medium", "low", "info"];
/// The answer.
#[derive(Debug, Serialize, JsonSchema)]
pub struct FindingsPage {
    job_id: JobId,
    state: JobState,
    /// When that was so.
    #[serde(skip)]
    at: Timestamp,
    /// Whether no more will be found.
    complete: bool,
    /// How many there are by severity of those that were asked for, also those that are left out of a long list.
    pub counts: FindingCounts,
    /// The run that they are compared with; absent where there is none, and all are new then.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub baseline: Option<Baseline>,
    /// How many there are of each standing beside it, of all stages.
    pub standings: Standings,
    pub findings: Vec<FindingRow>,
    /// What the run before had and this one has not.
    pub fixed: Vec<FindingRow>,
    /// Steps that have findings which cannot be read.
    pub unreadable: Vec<Unreadable>,
}

/// Findings by how they stand beside the run before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Standings {
    pub new: usize,
    pub reopened: usize,
    pub unchanged: usize,
    pub fixed: usize,
}

impl Standings {
    /// In words: `3 new, 9 as before, 2 fixed`. Empty where there are none.
    pub fn words(&self) -> String {
        let told =
            [(self.new, "new"), (self.reopened, "reopened"), (self.unchanged, "as before"), (self.fixed, "fixed")];
        let words = told.into_iter().filter(|(count, _)| *count > 0).map(|(count, word)| format!("{count} {word}"));
        words.collect::<Vec<_>>().join(", ")
    }

    fn add(&mut self, standing: Standing) {
        *match standing {
            Standing::New => &mut self.new,
            Standing::Reopened => &mut self.reopened,
            Standing::Unchanged => &mut self.unchanged,
            Standing::Fixed => &mut self.fixed,
        } += 1;
    }
}

/// One finding, with where it comes from.
#[derive(Debug, Serialize, JsonSchema)]
pub struct FindingRow {
    pub stage: String,
    pub step: Slug,
    /// How it stands beside the run before.
    pub state: Standing,
    #[serde(flatten)]
    pub finding: Finding,
    /// What somebody decided about it, also where that holds no longer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decision: Option<DecisionRow>,
}

impl FindingRow {
    /// Whether it is set aside by a decision that holds.
    pub fn is_accepted(&self) -> bool {
        self.decision.as_ref().is_some_and(|row| !row.expired)
    }
}

/// A step whose findings cannot be read, and why.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Unreadable {
    pub stage: String,
    step: Slug,
    pub reason: String,
}

/// What is asked for: each a list with commas, in any letter case.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Wish {
    severity: Option<String>,
    stage: Option<String>,
    tool: Option<String>,
    state: Option<String>,
    /// The job to compare with.
    baseline: Option<String>,
    /// Json, or a format of others.
    format: Option<String>,
}

/// Which findings are wanted; of what is not named, all.
#[derive(Debug, Default)]
pub struct Filter {
    severities: Option<Vec<Severity>>,
    stages: Option<Vec<String>>,
    tools: Option<Vec<String>>,
    states: Option<Vec<Standing>>,
    against: Option<JobId>,
}

impl Wish {
    /// A severity is one of five, a stage one of the job's; a tool that found nothing cannot be told from one that is unknown.
    fn check(&self, execution: &Execution) -> Result<Filter, ApiError> {
        let severity = |text: &str| -> Result<Severity, ApiError> {
            let known = serde_json::from_value(text.to_ascii_lowercase().into());
            known.map_err(|_| unknown("severity", &SEVERITIES.map(str::to_owned)))
        };
        let names: Vec<String> = execution.stages.keys().cloned().collect();
        let stage = |text: &str| {
            let named =
                |name: &&String| name.eq_ignore_ascii_case(text) || Slug::of(name).as_str().eq_ignore_ascii_case(text);
            names.iter().find(named).cloned().ok_or_else(|| unknown("stage", &names))
        };
        let state = |text: &str| {
            let known = Standing::ALL.into_iter().find(|state| state.as_str().eq_ignore_ascii_case(text));
            known.ok_or_else(|| unknown("state", &Standing::ALL.map(|state| state.as_str().to_owned())))
        };
        let job = |text: &String| {
            let malformed = ApiError::Malformed { code: "query", detail: "`baseline` is the id of a job".to_owned() };
            text.parse::<JobId>().map_err(|_| malformed)
        };
        Ok(Filter {
            states: list(self.state.as_deref(), state)?,
            against: self.baseline.as_ref().map(job).transpose()?,
            severities: list(self.severity.as_deref(), severity)?,
            stages: list(self.stage.as_deref(), stage)?,
            tools: list(self.tool.as_deref(), |text| Ok(text.to_lowercase()))?,
        })
    }
}

fn list<T>(text: Option<&str>, read: impl Fn(&str) -> Result<T, ApiError>) -> Result<Option<Vec<T>>, ApiError> {
    text.map(|text| text.split(',').map(str::trim).map(read).collect()).transpose()
}

fn unknown(name: &str, known: &[String]) -> ApiError {
    ApiError::Malformed { code: "query", detail: format!("`{name}` is one or several of {}", known.join(",")) }
}

impl Filter {
    fn wants_stage(&self, name: &str) -> bool {
        self.stages.as_ref().is_none_or(|stages| stages.iter().any(|stage| stage == name))
    }

    fn wants(&self, finding: &Finding, state: Standing) -> bool {
        self.states.as_ref().is_none_or(|states| states.contains(&state))
            && self.severities.as_ref().is_none_or(|severities| severities.contains(&finding.severity))
            && self.tools.as_ref().is_none_or(|tools| tools.contains(&finding.tool.to_lowercase()))
    }
}

/// What was found so far.
pub async fn findings(
    State(app): State<App>,
    who: Principal,
    JobPath(id): JobPath,
    wish: Result<Query<Wish>, QueryRejection>,
) -> Result<Response, ApiError> {
    let malformed = || ApiError::Malformed {
        code: "query",
        detail: "the query takes severity, stage, tool and state, each once, as lists with commas, and baseline"
            .to_owned(),
    };
    let Query(wish) = wish.map_err(|_| malformed())?;
    let store = app.store.clone();
    let format = format_of(wish.format.as_deref())?;
    let (page, metadata, bill) = app
        .read_job(&who, id, move |job| {
            let bill = if format.is_some_and(Format::needs_bill) { bills::of(job)?.whole()? } else { Vec::new() };
            Ok((gather_wanted(&store, job, &wish)?, job.metadata().map_err(ApiError::broken)?, bill))
        })
        .await?;
    Ok(match format {
        None => Json(page).into_response(),
        Some(format) => exported(&page, &metadata, &bill, format),
    })
}

/// The format of others that is asked for; `None`: our own.
fn format_of(text: Option<&str>) -> Result<Option<Format>, ApiError> {
    let Some(text) = text.filter(|text| *text != "json") else { return Ok(None) };
    let known = Format::ALL.into_iter().find(|format| format.as_str() == text);
    let all: Vec<String> = ["json"].into_iter().chain(Format::ALL.map(Format::as_str)).map(str::to_owned).collect();
    known.map(Some).ok_or_else(|| unknown("format", &all))
}

/// The findings as a file in a format of others.
fn exported(page: &FindingsPage, metadata: &Metadata, bill: &[Value], format: Format) -> Response {
    let title = format!("{} #{}", metadata.project, metadata.run_number);
    let rows = page.findings.iter().chain(&page.fixed).map(|row| Row {
        stage: &row.stage,
        state: row.state,
        finding: &row.finding,
        accepted: row.decision.as_ref().filter(|_| row.is_accepted()).map(|known| known.decision.reason.as_str()),
        false_positive: row.is_accepted()
            && row.decision.as_ref().is_some_and(|known| known.decision.verdict == Verdict::FalsePositive),
    });
    let (id, run) = (page.job_id.to_string(), format!("#{}", metadata.run_number));
    let sheet = export::Sheet {
        title: &title,
        beside: page.baseline.as_ref().map(|run| format!("#{}", run.run_number)),
        at: &page.at.strftime("%Y-%m-%dT%H:%M:%S").to_string(),
        version: env!("CARGO_PKG_VERSION"),
        id: &id,
        project: metadata.project.as_str(),
        revision: metadata.commit.as_deref().unwrap_or(&run),
        bill,
        rows: rows.collect(),
    };
    let name = format!("attachment; filename=\"findings-{}.{}\"", page.job_id, format.extension());
    let headers = [(header::CONTENT_TYPE, format.media_type().to_owned()), (header::CONTENT_DISPOSITION, name)];
    (headers, format.write(&sheet)).into_response()
}

/// All findings of a job so far, the worst first.
///
/// # Errors
/// Those of reading the job.
pub fn gather(store: &Store, job: &Job) -> Result<FindingsPage, ApiError> {
    gather_wanted(store, job, &Wish::default())
}

fn gather_wanted(store: &Store, job: &Job, wish: &Wish) -> Result<FindingsPage, ApiError> {
    let JobView { metadata, execution, .. } = job.view().map_err(ApiError::broken)?;
    let filter = wish.check(&execution)?;
    let past = past_of(store, &metadata, &execution, filter.against)?;
    let (triage, now) = (store.triage(&ProjectKey::of(&metadata))?, Timestamp::now());
    let mut sheet = Sheet::default();
    for (stage, record) in execution.stages.iter().filter(|(name, _)| filter.wants_stage(name)) {
        for (step, counted) in record.steps.iter().filter_map(|(step, record)| Some((step, record.findings?))) {
            // What is accepted is counted as it is now, and not as it was when the job ran.
            let set_aside = SetAside { accepted: 0, ..counted.set_aside };
            sheet.counts = sheet.counts.plus(&FindingCounts { set_aside, ..FindingCounts::default() });
            match job.found_by(stage, step) {
                Ok(found) => {
                    let decided = |mark: &str| triage.about(mark).cloned().map(|known| DecisionRow::at(now, known));
                    sheet.take(&filter, &past, (stage, step), found, decided);
                }
                Err(reason) => sheet.unreadable.push(Unreadable { stage: stage.clone(), step: step.clone(), reason }),
            }
        }
    }
    let Sheet { mut rows, mut fixed, unreadable, counts, standings } = sheet;
    for rows in [&mut rows, &mut fixed] {
        // The order of stages, and within one that of the files, stays among the equally bad.
        rows.sort_by_key(|row| Reverse(row.finding.severity));
        rows.truncate(FINDINGS_MAX);
    }
    let at = execution.finished_at.unwrap_or(execution.updated_at);
    let (state, complete, baseline) = (execution.state, execution.state.is_final(), past.runs.into_iter().next());
    Ok(FindingsPage {
        job_id: job.id(),
        state,
        at,
        complete,
        counts,
        baseline,
        standings,
        findings: rows,
        fixed,
        unreadable,
    })
}

fn past_of(
    store: &Store,
    metadata: &Metadata,
    execution: &Execution,
    against: Option<JobId>,
) -> Result<Past, ApiError> {
    let steps = execution.stages.values().flat_map(|stage| &stage.steps);
    let steps: Vec<Slug> =
        steps.filter(|(_, record)| record.findings.is_some()).map(|(step, _)| step.clone()).collect();
    if steps.is_empty() && against.is_none() {
        return Ok(Past::default());
    }
    baseline::of(store, metadata, &steps, against.map_or(Against::Ended, Against::Job)).map_err(|error| match error {
        StoreError::NoSuchJob(id) => ApiError::NotFound {
            detail: format!("there is no job {id} of the same owner and project that has ended, to compare with"),
        },
        error => error.into(),
    })
}

/// What is read so far.
#[derive(Default)]
struct Sheet {
    rows: Vec<FindingRow>,
    fixed: Vec<FindingRow>,
    unreadable: Vec<Unreadable>,
    counts: FindingCounts,
    standings: Standings,
}

impl Sheet {
    fn take(
        &mut self,
        filter: &Filter,
        past: &Past,
        (stage, step): (&str, &Slug),
        found: Vec<Finding>,
        decided: impl Fn(&str) -> Option<DecisionRow>,
    ) {
        let row = |finding: Finding, state| {
            let decision = decided(&finding.fingerprint);
            FindingRow { stage: stage.to_owned(), step: step.clone(), state, finding, decision }
        };
        let beside = past.compare(step, &found);
        let gone = beside.fixed.into_iter().cloned().map(|finding| (finding, Standing::Fixed));
        let here = found.into_iter().zip(beside.compared.standings);
        for (finding, state) in here.chain(gone) {
            self.standings.add(state);
            if !filter.wants(&finding, state) {
                continue;
            }
            let row = row(finding, state);
            if state == Standing::Fixed {
                self.fixed.push(row);
                continue;
            }
            if row.is_accepted() {
                self.counts.set_aside.accepted += 1;
            } else {
                self.counts = self.counts.plus(&findings::count(std::slice::from_ref(&row.finding)));
            }
            self.rows.push(row);
        }
    }
}
