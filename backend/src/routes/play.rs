//! `POST /api/jobs/{id}/steps/{step}/play`: starts a step that waits to be started by hand, or for its time.

use axum::{Json, extract::State, http::StatusCode};
use pipelinex_common::{id::JobId, slug::Slug};
use schemars::JsonSchema;
use serde::Serialize;

use super::path::StepPath;
use crate::{access::Principal, app::App, error::ApiError, play};

/// The answer.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Playing {
    job_id: JobId,
    /// The step, by its slug.
    step: Slug,
    /// What it is called in the pipeline.
    name: String,
}

/// 202 once the wish is durable, also when it was before.
pub async fn play(
    State(app): State<App>,
    who: Principal,
    StepPath(id, step): StepPath,
) -> Result<(StatusCode, Json<Playing>), ApiError> {
    let (step, name) = play::play(&app, &who, id, step).await?;
    Ok((StatusCode::ACCEPTED, Json(Playing { job_id: id, step, name })))
}
