//! Every call on one screen.

pub(crate) mod artifacts;
mod badge;
pub(crate) mod cancel;
mod detect;
mod download;
mod events;
pub(crate) mod execute;
mod feed;
pub(crate) mod findings;
mod github;
pub(crate) mod health;
pub(crate) mod history;
pub(crate) mod incoming;
pub(crate) mod job;
pub(crate) mod jobs;
mod log_files;
mod log_stream;
pub(crate) mod log_window;
mod logs;
mod metrics;
mod openapi;
mod path;
pub(crate) mod play;
pub(crate) mod precheck;
mod project_runs;
pub(crate) mod projects;
pub(crate) mod query;
mod range;
mod report;
mod reports;
mod retry;
pub(crate) mod rows;
pub(crate) mod runs;
pub(crate) mod sse;
pub(crate) mod status;
pub(crate) mod test_cases;
pub(crate) mod triage;
mod upload;
pub(crate) mod whoami;

use self::rows::Routes;
pub use self::{
    findings::gather as gather_findings,
    path::{JobPath, ProjectPath, StepPath},
    rows::Unruled,
};

use std::any::Any;

use axum::{
    Router,
    http::{HeaderName, HeaderValue, Method, header},
    middleware,
    response::{IntoResponse, Response},
};
use tower_http::{
    catch_panic::CatchPanicLayer,
    cors::{AllowOrigin, CorsLayer},
};

use crate::{access::entry, app::App, config::Config, error::ApiError, http::guard, pages, submission::idempotency};

/// The whole HTTP side as one service.
///
/// # Errors
/// [`Unruled`].
pub fn router(app: App) -> Result<Router, Unruled> {
    let api = Routes::default()
        .get("/health", health::health)
        .get("/readyz", health::ready)
        .get("/metrics", metrics::metrics)
        .get("/api/openapi.json", openapi::document)
        .get("/openapi.json", openapi::document)
        .get("/api/whoami", whoami::whoami)
        .get("/api/jobs", jobs::list)
        .post("/api/jobs/upload", upload::upload)
        .post("/api/jobs/github", github::github)
        .get("/api/jobs/{id}", job::view)
        .get("/api/jobs/{id}/status", status::status)
        .post("/api/jobs/{id}/cancel", cancel::cancel)
        .post("/api/job/cancel/{id}", cancel::seed)
        .post("/api/jobs/{id}/retry", retry::retry)
        .post("/api/jobs/{id}/steps/{step}/play", play::play)
        .get("/api/jobs/{id}/reports", reports::reports)
        .get("/api/jobs/{id}/report.html", report::html)
        .get("/api/jobs/{id}/findings", findings::findings)
        .post("/api/jobs/{id}/findings/{fingerprint}/accept", triage::accept)
        .post("/api/jobs/{id}/findings/{fingerprint}/revoke", triage::revoke)
        .get("/api/jobs/{id}/accepted", triage::accepted)
        .get("/api/jobs/{id}/tests", test_cases::tests)
        .get("/api/jobs/{id}/artifacts", artifacts::list)
        .get("/api/jobs/{id}/artifacts/{step}/{*path}", artifacts::download)
        .get("/api/jobs/{id}/events", events::events)
        .get("/api/jobs/{id}/{stage}/logs", logs::logs)
        .get("/api/jobs/{id}/{stage}/logs/stream", log_stream::stream)
        .post("/api/pipeline/execute", execute::execute)
        .post("/api/pipeline/run", execute::execute)
        .get("/api/pipeline/status/{id}", execute::status)
        .get("/api/stage/status/{id}/{stage}", execute::stage)
        .get("/api/report/pipelines", history::pipelines)
        .get("/api/report/pipeline/{name}", history::pipeline)
        .get("/api/report/pipeline/history/{name}", history::pipeline)
        .get("/api/report/pipeline/{name}/stage/{stage}", history::pipeline)
        .get("/api/report/pipeline/{name}/stage/{stage}/job/{job}", history::pipeline)
        .get("/api/report/pipeline/{name}/run/{run}", history::pipeline)
        .get("/api/report/pipeline/{name}/run/{run}/stage/{stage}", history::pipeline)
        .get("/api/report/pipeline/{name}/run/{run}/stage/{stage}/job/{job}", history::pipeline)
        .get("/api/projects", projects::list)
        .post("/api/projects", projects::create)
        .get("/api/projects/{name}", projects::view)
        .post("/api/projects/{name}", projects::change)
        .post("/api/projects/{name}/remove", projects::remove)
        .get("/api/projects/{name}/badge.svg", badge::badge)
        .get("/api/projects/{name}/feed.atom", feed::feed)
        .post("/api/hooks/{id}", incoming::take)
        .post("/api/precheck", precheck::precheck)
        .post("/api/detect", detect::detect);
    let router = pages::routes(api)
        .finish()?
        .route_layer(middleware::from_fn(query::check))
        .route_layer(middleware::from_fn_with_state(app.clone(), entry::enter))
        .route_layer(middleware::from_fn_with_state(app.clone(), crate::metrics::count))
        .fallback(pages::nothing_here)
        .method_not_allowed_fallback(pages::other_method)
        .layer(CatchPanicLayer::custom(panicked))
        .layer(cors(&app.config))
        .layer(middleware::from_fn_with_state(app.clone(), guard::guard))
        .with_state(app);
    Ok(router)
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
        history::TOTAL,
    ];
    CorsLayer::new()
        .allow_origin(AllowOrigin::list(origins))
        .allow_methods([Method::GET, Method::POST])
        .allow_headers([
            header::AUTHORIZATION,
            header::CONTENT_TYPE,
            header::IF_MATCH,
            header::IF_NONE_MATCH,
            header::IF_RANGE,
            header::RANGE,
            idempotency::KEY,
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
