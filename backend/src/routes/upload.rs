//! `POST /api/jobs/upload`: a project becomes a job.

use axum::{
    Json,
    extract::{Request, State},
    http::{HeaderName, StatusCode, header},
};
use pipelinex_common::metadata::Metadata;

use crate::{app::App, error::ApiError, extract, submit};

/// 201 with the metadata, once the job is durable.
pub async fn upload(
    State(app): State<App>,
    request: Request,
) -> Result<(StatusCode, [(HeaderName, String); 1], Json<Metadata>), ApiError> {
    let upload = extract::receive(&app, request).await?;
    let metadata = submit::submit(&app, upload).await?;
    let location = format!("/api/jobs/{}", metadata.job_id);
    Ok((StatusCode::CREATED, [(header::LOCATION, location)], Json(metadata)))
}
