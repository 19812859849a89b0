//! `POST /api/jobs/{id}/retry`: a new job of the same source and request.

use axum::{
    Json,
    extract::State,
    http::{HeaderName, StatusCode},
};
use pipelinex_common::metadata::Metadata;

use super::{path::JobPath, upload::created};
use crate::{again::run_again, app::App, error::ApiError};

/// 201 with the metadata of the new job, whose `retry_of` is the old one.
pub async fn retry(
    State(app): State<App>,
    JobPath(id): JobPath,
) -> Result<(StatusCode, [(HeaderName, String); 1], Json<Metadata>), ApiError> {
    Ok(created(run_again(&app, id).await?))
}
