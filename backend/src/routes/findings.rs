//! `GET /api/jobs/{id}/findings`: what the scanners of all stages have found so far, the worst first.
//!
//! Each step's findings were published by the worker, normalised. Where a step is recorded to have some and they cannot be
//! read, the answer says so: nothing here makes a list look shorter than it is.

use std::cmp::Reverse;

use axum::{Json, extract::State};
use pipelinex_common::{
    execution::FindingCounts,
    findings::{self, Finding},
    foreign::{Beneath, ForeignError},
    id::JobId,
    limits::MIB,
    slug::Slug,
    state::JobState,
    store::Job,
};
use serde::Serialize;

use super::{path::JobPath, reports::open_or_nothing};
use crate::{app::App, error::ApiError};

/// The largest list of one step that is read, in bytes: the raw reports that it is made of have at most half of it.
const FINDINGS_BYTES: u64 = 64 * MIB;
/// The most findings of an answer; the worst are in it.
const FINDINGS_MAX: usize = 10_000;
/// The name that the worker gives the list.
const FILE: &str = "findings.json";

/// The answer.
#[derive(Debug, Serialize)]
pub struct FindingsPage {
    job_id: JobId,
    state: JobState,
    /// Whether no more will be found.
    complete: bool,
    /// How many there are by severity, also those that are left out of a long list.
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

/// What was found so far.
pub async fn findings(State(app): State<App>, JobPath(id): JobPath) -> Result<Json<FindingsPage>, ApiError> {
    Ok(Json(app.read_job(id, gather).await?))
}

/// All findings of a job so far, the worst first.
///
/// # Errors
/// Those of reading the job.
pub fn gather(job: &Job) -> Result<FindingsPage, ApiError> {
    let execution = job.view().map_err(ApiError::broken)?.execution;
    let reports = open_or_nothing(Beneath::open(&job.paths().reports()))?;
    let (mut rows, mut unreadable, mut counts) = (Vec::new(), Vec::new(), FindingCounts::default());
    for (stage, record) in &execution.stages {
        for step in record.steps.iter().filter(|(_, record)| record.findings.is_some()).map(|(step, _)| step) {
            match read(reports.as_ref(), stage, step) {
                Ok(found) => {
                    add(&mut counts, findings::count(&found));
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

fn add(sum: &mut FindingCounts, more: FindingCounts) {
    let FindingCounts { critical, high, medium, low, info } = more;
    sum.critical += critical;
    sum.high += high;
    sum.medium += medium;
    sum.low += low;
    sum.info += info;
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
