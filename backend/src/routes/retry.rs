//! `POST /api/jobs/{id}/retry`: a new job of the same source and request.

use axum::{
    Json,
    extract::State,
    http::{HeaderName, StatusCode},
};
use pipelinex_common::metadata::Metadata;

use super::{path::JobPath, upload::created};
use crate::{again::Again, app::App, error::ApiError, submit};

/// 201 with the metadata of the new job, whose `retry_of` is the old one.
pub async fn retry(
    State(app): State<App>,
    JobPath(id): JobPath,
) -> Result<(StatusCode, [(HeaderName, String); 1], Json<Metadata>), ApiError> {
    let again = Again::of(&app, id).await?;
    Ok(created(submit::submit(&app, again.into()).await?))
}
