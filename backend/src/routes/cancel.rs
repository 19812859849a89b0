//! `POST /api/jobs/{id}/cancel`, and the same in the words of a predecessor: `POST /api/job/cancel/{jobId}`.

use axum::{Json, extract::State, http::StatusCode};
use pipelinex_common::{id::JobId, state::JobState};
use schemars::JsonSchema;
use serde::Serialize;

use super::{path::JobPath, runs};
use crate::{access::Principal, app::App, cancel, error::ApiError};

/// What the job's record says after this.
const WORDS: &str = "by a call to the API";

/// The answer.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Canceling {
    job_id: JobId,
    state: JobState,
    cancel_wished: bool,
}

/// The predecessor's answer.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SeedCanceling {
    job_id: JobId,
    status: &'static str,
}

/// 202 once the wish is durable, also when it was before.
pub async fn cancel(
    State(app): State<App>,
    who: Principal,
    JobPath(id): JobPath,
) -> Result<(StatusCode, Json<Canceling>), ApiError> {
    let view = cancel::cancel(&app, &who, id, WORDS).await?;
    let answer = Canceling { job_id: id, state: view.execution.state, cancel_wished: true };
    Ok((StatusCode::ACCEPTED, Json(answer)))
}

/// The same in the words of the predecessor.
pub async fn seed(
    State(app): State<App>,
    who: Principal,
    JobPath(id): JobPath,
) -> Result<(StatusCode, Json<SeedCanceling>), ApiError> {
    let view = cancel::cancel(&app, &who, id, WORDS).await?;
    Ok((StatusCode::ACCEPTED, Json(SeedCanceling { job_id: id, status: runs::word(view.execution.state) })))
}
