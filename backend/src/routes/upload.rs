//! `POST /api/jobs/upload`: a project becomes a job.

use axum::{
    Json,
    extract::{Request, State},
    http::{HeaderName, StatusCode, header},
};
use pipelinex_common::metadata::Metadata;

use super::job::address;
use crate::{app::App, error::ApiError, extract, submit};

/// 201 with the metadata, once the job is durable.
pub async fn upload(
    State(app): State<App>,
    request: Request,
) -> Result<(StatusCode, [(HeaderName, String); 1], Json<Metadata>), ApiError> {
    let upload = extract::receive(&app, request).await?;
    Ok(created(submit::submit(&app, upload.into()).await?))
}

/// A job that is there now, and where.
pub fn created(metadata: Metadata) -> (StatusCode, [(HeaderName, String); 1], Json<Metadata>) {
    let location = address(metadata.job_id);
    (StatusCode::CREATED, [(header::LOCATION, location)], Json(metadata))
}
