//! Whether the server lives, and whether it can do its work.

use axum::{
    Json,
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use pipelinex_common::{queue::QueueHealth, store::Store};
use schemars::JsonSchema;
use serde::Serialize;

use crate::{app::App, error::ApiError};

/// The answer of `/health`.
#[derive(Serialize, JsonSchema)]
pub struct Health {
    status: &'static str,
}

/// `GET /health`: answers without looking at anything.
pub async fn health() -> Json<Health> {
    Json(Health { status: "UP" })
}

#[derive(Serialize, JsonSchema)]
pub struct Readiness {
    status: &'static str,
    workspaces: Part,
    queue: Part,
}

#[derive(Serialize, JsonSchema)]
struct Part {
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<String>,
}

const UP: Part = Part { status: "UP", detail: None };

/// `GET /readyz`: 503 when no job can be admitted. Without Redis jobs are admitted and found later, so that is 200 DEGRADED.
pub async fn ready(State(app): State<App>) -> Response {
    let free_space = app.free_space.clone();
    let look = move |store: &Store| {
        free_space.check(store)?;
        Ok(store.stage().map(drop)?)
    };
    let workspaces = match app.read(look).await {
        Ok(()) => UP,
        Err(error @ (ApiError::LowSpace { .. } | ApiError::Full)) => {
            Part { status: "DOWN", detail: Some(error.tell().detail) }
        }
        Err(error) => {
            drop(error.into_response());
            Part { status: "DOWN", detail: Some("the workspaces folder cannot be written to".to_owned()) }
        }
    };
    let queue = match &*app.doorbell.health().borrow() {
        QueueHealth::Up => UP,
        QueueHealth::Down { since, error } => Part { status: "DOWN", detail: Some(format!("since {since}: {error}")) },
    };
    let (code, status) = match (workspaces.status, queue.status) {
        ("UP", "UP") => (StatusCode::OK, "UP"),
        ("UP", _) => (StatusCode::OK, "DEGRADED"),
        _ => (StatusCode::SERVICE_UNAVAILABLE, "DOWN"),
    };
    (code, Json(Readiness { status, workspaces, queue })).into_response()
}
