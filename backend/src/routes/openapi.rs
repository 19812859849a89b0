//! `GET /api/openapi.json`: the contract of the API.

use std::sync::LazyLock;

use axum::{
    http::{HeaderValue, header},
    response::{IntoResponse, Response},
};

use crate::openapi::DOCUMENT;

static TEXT: LazyLock<String> = LazyLock::new(|| DOCUMENT.to_string());

/// The document, as JSON.
pub async fn document() -> Response {
    let kind = HeaderValue::from_static("application/json");
    ([(header::CONTENT_TYPE, kind)], TEXT.as_str()).into_response()
}
