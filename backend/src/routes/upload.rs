//! `POST /api/jobs/upload`: a project becomes a job.

use axum::{
    Json,
    extract::{Request, State},
    http::{HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};

use super::job::address;
use crate::{
    access::Principal,
    app::App,
    error::ApiError,
    submission,
    submission::body_zip,
    submission::idempotency::{Key, Made, once},
};

/// Says that the answer is that of an earlier request with the same key.
pub const REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");

/// 201 with the metadata, once the job is durable.
pub async fn upload(State(app): State<App>, who: Principal, request: Request) -> Result<Response, ApiError> {
    let key = Key::of(&who, request.headers(), "upload")?;
    let (upload, body) = body_zip::receive(&app, request).await?;
    let make = |turn| submission::submit(&app, &who, upload.into(), turn);
    Ok(created(once(&app, key, body, make).await?))
}

/// A job that is there now, and where.
pub fn created(Made { metadata, replayed }: Made) -> Response {
    let location = address(metadata.job_id);
    let mut response = (StatusCode::CREATED, [(header::LOCATION, location)], Json(metadata)).into_response();
    if replayed {
        response.headers_mut().insert(REPLAYED, HeaderValue::from_static("true"));
    }
    response
}
