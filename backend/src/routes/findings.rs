//! `GET /api/jobs/{id}/findings`: what the scanners of all stages have found so far, the worst first.
//!
//! Each step's findings were published by the worker, normalised. Where a step is recorded to have some and they cannot be
//! read, the answer says so: nothing here makes a list look shorter than it is.

use std::cmp::Reverse;

use axum::{
    Json,
    extract::{Query, State, rejection::QueryRejection},
};
use pipelinex_common::{
    execution::{Execution, FindingCounts},
    findings::{self, Finding, Severity},
    foreign::{Beneath, ForeignError},
    id::JobId,
    limits::MIB,
    slug::Slug,
    state::JobState,
    store::Job,
};
use serde::{Deserialize, Serialize};

use super::path::JobPath;
use crate::{access::Principal, app::App, error::ApiError, report_zip::open_or_nothing};

/// The largest list of one step that is read, in bytes: the raw reports that it is made of have at most half of it.
const FINDINGS_BYTES: u64 = 64 * MIB;
/// The most findings of an answer; the worst are in it.
const FINDINGS_MAX: usize = 10_000;
/// The words of severities, the worst first.
const SEVERITIES: [&str; 5] = ["critical", "high", "medium", "low", "info"];
/// The name that the worker gives the list.
const FILE: &str = "findings.json";

/// The answer.
#[derive(Debug, Serialize)]
pub struct FindingsPage {
    job_id: JobId,
    state: JobState,
    /// Whether no more will be found.
    complete: bool,
    /// How many there are by severity of those that were asked for, also those that are left out of a long list.
    pub counts: FindingCounts,
    pub findings: Vec<FindingRow>,
    /// Steps that have findings which cannot be read.
    pub unreadable: Vec<Unreadable>,
}

/// One finding, with where it comes from.
#[derive(Debug, Serialize)]
pub struct FindingRow {
    pub stage: String,
    step: Slug,
    #[serde(flatten)]
    pub finding: Finding,
}

/// A step whose findings cannot be read, and why.
#[derive(Debug, Serialize)]
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
}

/// Which findings are wanted; of what is not named, all.
#[derive(Debug, Default)]
pub struct Filter {
    severities: Option<Vec<Severity>>,
    stages: Option<Vec<String>>,
    tools: Option<Vec<String>>,
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
        Ok(Filter {
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

    fn wants(&self, finding: &Finding) -> bool {
        self.severities.as_ref().is_none_or(|severities| severities.contains(&finding.severity))
            && self.tools.as_ref().is_none_or(|tools| tools.contains(&finding.tool.to_lowercase()))
    }
}

/// What was found so far.
pub async fn findings(
    State(app): State<App>,
    who: Principal,
    JobPath(id): JobPath,
    wish: Result<Query<Wish>, QueryRejection>,
) -> Result<Json<FindingsPage>, ApiError> {
    let malformed = || ApiError::Malformed {
        code: "query",
        detail: "the query takes severity, stage and tool, each once, as lists with commas".to_owned(),
    };
    let Query(wish) = wish.map_err(|_| malformed())?;
    Ok(Json(app.read_job(&who, id, move |job| gather_wanted(job, &wish)).await?))
}

/// All findings of a job so far, the worst first.
///
/// # Errors
/// Those of reading the job.
pub fn gather(job: &Job) -> Result<FindingsPage, ApiError> {
    gather_wanted(job, &Wish::default())
}

fn gather_wanted(job: &Job, wish: &Wish) -> Result<FindingsPage, ApiError> {
    let execution = job.view().map_err(ApiError::broken)?.execution;
    let filter = wish.check(&execution)?;
    let reports = open_or_nothing(Beneath::open(&job.paths().reports()))?;
    let (mut rows, mut unreadable, mut counts) = (Vec::new(), Vec::new(), FindingCounts::default());
    for (stage, record) in execution.stages.iter().filter(|(name, _)| filter.wants_stage(name)) {
        for (step, counted) in record.steps.iter().filter_map(|(step, record)| Some((step, record.findings?))) {
            match read(reports.as_ref(), stage, step) {
                Ok(mut found) => {
                    found.retain(|finding| filter.wants(finding));
                    let set_aside = counted.set_aside;
                    counts = counts.plus(&FindingCounts { set_aside, ..findings::count(&found) });
                    let row = |finding| FindingRow { stage: stage.clone(), step: step.clone(), finding };
                    rows.extend(found.into_iter().map(row));
                }
                Err(reason) => unreadable.push(Unreadable { stage: stage.clone(), step: step.clone(), reason }),
            }
        }
    }
    // The order of stages, and within one that of the files, stays among the equally bad.
    rows.sort_by_key(|row| Reverse(row.finding.severity));
    rows.truncate(FINDINGS_MAX);
    let (state, complete) = (execution.state, execution.state.is_final());
    Ok(FindingsPage { job_id: job.id(), state, complete, counts, findings: rows, unreadable })
}

/// A stage of several steps has a folder for each.
fn read(reports: Option<&Beneath>, stage: &str, step: &Slug) -> Result<Vec<Finding>, String> {
    let reports = reports.ok_or("there are no reports")?;
    let stage = Slug::of(stage);
    let alone = reports.read(&format!("{stage}/{FILE}"), FINDINGS_BYTES);
    let text = match alone {
        Err(ForeignError::Missing(_)) => reports.read(&format!("{stage}/{step}/{FILE}"), FINDINGS_BYTES),
        other => other,
    };
    let text = text.map_err(|error| error.to_string())?;
    serde_json::from_slice(&text).map_err(|error| format!("{stage}/{FILE} is not a list of findings: {error}"))
}
