//! `POST /api/detect`: what a project is taken for, and what would change that. No job is made, and nothing is kept.

use axum::{
    Json,
    extract::{Request, State},
    http::header,
};
use pipelinex_common::limits::MIB;
use serde_json::Value;
use tokio::task::spawn_blocking;

use crate::{
    access::Principal,
    app::App,
    client::Caller,
    detection::{self, Detected, Project},
    error::ApiError,
    http::lingering_close::ClientSide,
    request::{self, FileList},
    submission,
    submission::body_git::{self, CloneWish},
    submission::body_zip,
};

/// The largest list of files with the heads of some, in bytes.
const LIST_BYTES: u64 = 8 * MIB;

/// 200 with the answer, also where nothing is recognised; other codes where there was nothing to look at. The body is that of
/// an upload, or of a submission by URL, or JSON with `files` and `heads`.
pub async fn detect(State(app): State<App>, who: Principal, request: Request) -> Result<Json<Detected>, ApiError> {
    let kind = request.headers().get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    if kind.trim_start().to_ascii_lowercase().starts_with("multipart/") {
        let (upload, _) = body_zip::receive(&app, request).await?;
        return submission::detect(&app, &who, upload.into()).await.map(Json);
    }
    let client = Caller::of(request.extensions())?.client;
    let client_side = request.extensions().get::<ClientSide>().cloned();
    let text = body_git::receive_text(&app, request, LIST_BYTES).await?;
    let written: Option<Value> = serde_json::from_slice(request::without_bom(&text)).ok();
    if written.is_some_and(|written| written.get("github_url").is_some()) {
        let wish = body_git::wish(&app, &who, client, &text).await?;
        return submission::detect(&app, &who, CloneWish { client_side, ..wish }.into()).await.map(Json);
    }
    of_list(&app, &text).await.map(Json)
}

/// The answer for names and heads that a client has read itself.
async fn of_list(app: &App, text: &[u8]) -> Result<Detected, ApiError> {
    let (FileList { files, heads }, request) = request::parse_list(text)?;
    let most = app.config.intake.files;
    if files.len() as u64 > most {
        return Err(ApiError::TooLarge { detail: format!("`files` names more than {most} files") });
    }
    let _place = app.slots.intakes.acquire().await.map_err(ApiError::internal)?;
    let stacks = app.stacks.clone();
    let look = move || {
        let mut files: Vec<String> = files.iter().map(|path| path.trim_start_matches("./").to_owned()).collect();
        files.sort_unstable();
        let project = Project::new(files, |path| heads.get(path).map(|head| head.clone().into_bytes()));
        detection::detect(&project, &request, &stacks)
    };
    spawn_blocking(look).await.map_err(ApiError::internal)
}
