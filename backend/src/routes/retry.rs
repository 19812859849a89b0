//! `POST /api/jobs/{id}/retry`: a new job of the same source and request.

use axum::{
    extract::{Query, State, rejection::QueryRejection},
    http::HeaderMap,
    response::Response,
};
use pipelinex_common::store::Fingerprint;
use serde::Deserialize;

use super::{path::JobPath, upload::created};
use crate::{
    access::Principal,
    app::App,
    client::Caller,
    error::ApiError,
    submission::idempotency::{Key, once},
    submission::resubmit::run_again,
};

/// What is asked for.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Wish {
    /// Only what did not succeed is run; the rest is taken over.
    #[serde(default)]
    failed: bool,
}

/// 201 with the metadata of the new job, whose `retry_of` is the old one.
pub async fn retry(
    State(app): State<App>,
    who: Principal,
    JobPath(id): JobPath,
    wish: Result<Query<Wish>, QueryRejection>,
    caller: Caller,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let malformed = |_| ApiError::Malformed { code: "query", detail: "`failed` is true or false".to_owned() };
    let Query(Wish { failed }) = wish.map_err(malformed)?;
    let key = Key::of(&who, &headers, "retry")?;
    let all = id.to_string();
    let body = if failed { Fingerprint::of(&[all.as_bytes(), b"failed"]) } else { Fingerprint::of(&[all.as_bytes()]) };
    Ok(created(once(&app, key, body, |turn| run_again(&app, &who, caller.client, (id, failed), turn)).await?))
}
