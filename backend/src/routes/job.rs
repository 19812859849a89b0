//! `GET /api/jobs/{id}`: everything that is known of a job, and where the rest is.

use axum::{Json, extract::State};
use indexmap::IndexMap;
use pipelinex_common::{id::JobId, metadata::Metadata, slug::Slug, state::StepState, store::JobView};
use schemars::JsonSchema;
use serde::Serialize;

use super::{path::JobPath, status::ExecutionPart};
use crate::{access::Principal, app::App, error::ApiError};

/// The answer.
#[derive(Debug, Serialize, JsonSchema)]
pub struct JobPage {
    metadata: Metadata,
    execution: ExecutionPart,
    links: Links,
}

#[derive(Debug, Serialize, JsonSchema)]
struct Links {
    #[serde(rename = "self")]
    this: String,
    status: String,
    findings: String,
    tests: String,
    artifacts: String,
    /// Absent until the job has ended.
    reports: Option<String>,
    /// By stage, for those that have or will have a log.
    logs: IndexMap<String, String>,
}

impl From<JobView> for JobPage {
    fn from(view: JobView) -> Self {
        let this = address(view.metadata.job_id);
        let with_log = view.execution.stages.iter().filter(|(_, stage)| stage.status != StepState::Skipped);
        let links = Links {
            status: format!("{this}/status"),
            findings: format!("{this}/findings"),
            tests: format!("{this}/tests"),
            artifacts: format!("{this}/artifacts"),
            reports: view.execution.state.is_final().then(|| format!("{this}/reports")),
            logs: with_log.map(|(name, _)| (name.clone(), format!("{this}/{}/logs", Slug::of(name)))).collect(),
            this,
        };
        Self { metadata: view.metadata, execution: ExecutionPart::of(view.execution, view.cancel_wished), links }
    }
}

/// Where a job is.
pub fn address(id: JobId) -> String {
    format!("/api/jobs/{id}")
}

/// One job.
pub async fn view(State(app): State<App>, who: Principal, JobPath(id): JobPath) -> Result<Json<JobPage>, ApiError> {
    let view = app.read_job(&who, id, |job| job.view().map_err(ApiError::broken)).await?;
    Ok(Json(view.into()))
}
