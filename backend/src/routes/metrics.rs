//! `GET /metrics`: numbers for Prometheus.

use axum::{
    extract::State,
    http::{HeaderValue, header},
    response::{IntoResponse, Response},
};

use crate::{access::Principal, app::App, error::ApiError, metrics};

/// The numbers, as OpenMetrics text.
pub async fn metrics(State(app): State<App>, _who: Principal) -> Result<Response, ApiError> {
    let kind = HeaderValue::from_static("application/openmetrics-text; version=1.0.0; charset=utf-8");
    Ok(([(header::CONTENT_TYPE, kind)], metrics::text(&app).await?).into_response())
}
