//! `POST /api/jobs/github`: a repository becomes a job. On whichever host it is: the address is the predecessors'.

use axum::{
    Json,
    extract::{Request, State},
    http::{HeaderName, StatusCode},
};
use pipelinex_common::metadata::Metadata;

use super::upload::created;
use crate::{app::App, error::ApiError, extract_url, submit};

/// 201 with the metadata, once the repository is cloned and the job is durable.
pub async fn github(
    State(app): State<App>,
    request: Request,
) -> Result<(StatusCode, [(HeaderName, String); 1], Json<Metadata>), ApiError> {
    let wish = extract_url::receive(&app, request).await?;
    Ok(created(submit::submit(&app, wish.into()).await?))
}
