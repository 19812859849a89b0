//! `GET /api/jobs/{id}/status`, in the words of the predecessors' clients; what is ours comes after their fields.

use axum::{Json, extract::State};
use indexmap::IndexMap;
use jiff::Timestamp;
use pipelinex_common::{
    access::Owner,
    execution::{Execution, StageRecord},
    headline::{self, Headline},
    id::JobId,
    metadata::AdmissionStatus,
    request::{Stack, Versions},
    state::{JobState, Reason},
    store::JobView,
};
use schemars::JsonSchema;
use serde::Serialize;

use super::path::JobPath;
use crate::{access::Principal, app::App, error::ApiError};

/// The answer.
#[derive(Debug, Serialize, JsonSchema)]
pub struct StatusPage {
    job: JobPart,
    execution: ExecutionPart,
}

#[derive(Debug, Serialize, JsonSchema)]
struct JobPart {
    id: JobId,
    admission_status: AdmissionStatus,
    created_at: Timestamp,
    stack: Stack,
    versions: Versions,
    project: String,
    /// Who submitted it.
    owner: Owner,
    pipeline_name: String,
    run_number: u64,
    branch: Option<String>,
    commit: Option<String>,
    warnings: Vec<String>,
}

/// How a job stands.
#[derive(Debug, Serialize, JsonSchema)]
pub struct ExecutionPart {
    state: JobState,
    current_stage: Option<String>,
    updated_at: Timestamp,
    stages: IndexMap<String, StageRecord>,
    reason: Option<Reason>,
    error: Option<String>,
    attempt: u32,
    started_at: Option<Timestamp>,
    finished_at: Option<Timestamp>,
    /// What was found while the job ran; what admission had to say is in `job`.
    warnings: Vec<String>,
    cancel_wished: bool,
    /// What became of it, and the sentence that says so.
    headline: Headline,
}

impl ExecutionPart {
    /// What of a record is shown.
    pub fn of(execution: Execution, cancel_wished: bool) -> Self {
        let headline = headline::of(&execution);
        let Execution { state, reason, error, current_stage, updated_at, .. } = execution;
        let Execution { started_at, finished_at, attempt, stages, warnings, .. } = execution;
        Self {
            state,
            current_stage,
            updated_at,
            stages,
            reason,
            error,
            attempt,
            started_at,
            finished_at,
            warnings,
            cancel_wished,
            headline,
        }
    }
}

impl From<JobView> for StatusPage {
    fn from(view: JobView) -> Self {
        let metadata = view.metadata;
        let job = JobPart {
            id: metadata.job_id,
            admission_status: metadata.status,
            created_at: metadata.created_at,
            stack: metadata.stack,
            versions: metadata.versions,
            project: metadata.project,
            owner: metadata.owner,
            pipeline_name: metadata.pipeline_name,
            run_number: metadata.run_number,
            branch: metadata.branch,
            commit: metadata.commit,
            warnings: metadata.warnings,
        };
        Self { job, execution: ExecutionPart::of(view.execution, view.cancel_wished) }
    }
}

/// The status of a job, at any time of its life.
pub async fn status(
    State(app): State<App>,
    who: Principal,
    JobPath(id): JobPath,
) -> Result<Json<StatusPage>, ApiError> {
    let view = app.read_job(&who, id, |job| job.view().map_err(ApiError::broken)).await?;
    Ok(Json(view.into()))
}
