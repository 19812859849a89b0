//! Every call on one screen.

mod artifacts;
mod cancel;
mod detect;
mod download;
mod events;
mod findings;
mod github;
mod health;
mod job;
pub(crate) mod jobs;
mod log_stream;
pub(crate) mod log_window;
mod logs;
mod path;
mod precheck;
mod query;
mod range;
mod reports;
mod retry;
mod sse;
mod status;
pub(crate) mod test_cases;
mod upload;

pub use self::{findings::gather as gather_findings, path::JobPath};

use std::any::Any;

use axum::{
    Router,
    http::{HeaderName, HeaderValue, Method, header},
    middleware,
    response::{IntoResponse, Response},
    routing::{get, post},
};
use tower_http::{
    catch_panic::CatchPanicLayer,
    cors::{AllowOrigin, CorsLayer},
};

use crate::{app::App, config::Config, error::ApiError, guard, once, web};

/// The whole HTTP side as one service.
pub fn router(app: App) -> Router {
    Router::new()
        .route("/health", get(health::health))
        .route("/readyz", get(health::ready))
        .route("/api/jobs", get(jobs::list))
        .route("/api/jobs/upload", post(upload::upload))
        .route("/api/jobs/github", post(github::github))
        .route("/api/jobs/{id}", get(job::view))
        .route("/api/jobs/{id}/status", get(status::status))
        .route("/api/jobs/{id}/cancel", post(cancel::cancel))
        .route("/api/job/cancel/{id}", post(cancel::seed))
        .route("/api/jobs/{id}/retry", post(retry::retry))
        .route("/api/jobs/{id}/reports", get(reports::reports))
        .route("/api/jobs/{id}/findings", get(findings::findings))
        .route("/api/jobs/{id}/tests", get(test_cases::tests))
        .route("/api/jobs/{id}/artifacts", get(artifacts::list))
        .route("/api/jobs/{id}/artifacts/{step}/{*path}", get(artifacts::download))
        .route("/api/jobs/{id}/events", get(events::events))
        .route("/api/jobs/{id}/{stage}/logs", get(logs::logs))
        .route("/api/jobs/{id}/{stage}/logs/stream", get(log_stream::stream))
        .route("/api/precheck", post(precheck::precheck))
        .route("/api/detect", post(detect::detect))
        .merge(web::routes())
        .route_layer(middleware::from_fn(query::check))
        .fallback(web::nothing_here)
        .method_not_allowed_fallback(web::other_method)
        .layer(CatchPanicLayer::custom(panicked))
        .layer(cors(&app.config))
        .layer(middleware::from_fn_with_state(app.clone(), guard::guard))
        .with_state(app)
}

/// What pages of the allowed origins may do; the guard has refused the others already.
fn cors(config: &Config) -> CorsLayer {
    let origins = config.allowed_origins.iter().filter_map(|origin| HeaderValue::from_str(origin).ok());
    let shown = [
        header::ACCEPT_RANGES,
        header::CONTENT_DISPOSITION,
        header::CONTENT_RANGE,
        header::ETAG,
        header::RETRY_AFTER,
        header::LOCATION,
        NEXT_OFFSET,
        LOG_COMPLETE,
        upload::REPLAYED,
    ];
    CorsLayer::new()
        .allow_origin(AllowOrigin::list(origins))
        .allow_methods([Method::GET, Method::POST])
        .allow_headers([
            header::CONTENT_TYPE,
            header::IF_MATCH,
            header::IF_NONE_MATCH,
            header::IF_RANGE,
            header::RANGE,
            once::KEY,
        ])
        .expose_headers(shown)
}

/// Where the next read of a log begins, in bytes.
const NEXT_OFFSET: HeaderName = HeaderName::from_static("x-log-next-offset");
/// Whether a log has ended.
const LOG_COMPLETE: HeaderName = HeaderName::from_static("x-log-complete");

fn panicked(cause: Box<dyn Any + Send>) -> Response {
    let said = cause.downcast_ref::<String>().map(String::as_str).or(cause.downcast_ref::<&str>().copied());
    ApiError::internal(format!("a handler panicked: {}", said.unwrap_or("without a word"))).into_response()
}
