//! `POST /api/jobs/{id}/retry`: a new job of the same source and request.

use axum::{extract::State, http::HeaderMap, response::Response};
use pipelinex_common::store::Fingerprint;

use super::{path::JobPath, upload::created};
use crate::{
    access::Principal,
    again::run_again,
    app::App,
    client::Caller,
    error::ApiError,
    once::{Key, once},
};

/// 201 with the metadata of the new job, whose `retry_of` is the old one.
pub async fn retry(
    State(app): State<App>,
    who: Principal,
    JobPath(id): JobPath,
    caller: Caller,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let key = Key::of(&who, &headers, "retry")?;
    let body = Fingerprint::of(&[id.to_string().as_bytes()]);
    Ok(created(once(&app, key, body, |turn| run_again(&app, &who, caller.client, id, turn)).await?))
}
