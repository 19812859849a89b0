//! `POST /api/hooks/{id}`: a host of repositories tells of a push. Who it is from, its signature says; what is cloned, and of which branches,
//! is the trigger's own setting. The job is made later: 202 says that it will be, whoever dies.

use axum::{
    Json,
    extract::{Request, State},
    http::StatusCode,
    response::{IntoResponse, Response},
};
use jiff::Timestamp;
use pipelinex_common::{
    disk::Versioned,
    limits::MIB,
    store::{JobWish, TriggerRecord},
};
use schemars::JsonSchema;
use serde::Serialize;

use super::path::HookPath;
use crate::{
    app::App,
    client::Caller,
    error::ApiError,
    events::incoming::{self, Push, Told},
    submission::body_git,
};

/// The largest body, in bytes: a push of two thousand commits has a tenth of it.
const BODY_MAX: u64 = 5 * MIB;

/// What comes of what was told.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Heard {
    /// Whether a job is made.
    pub accepted: bool,
    /// Of which branch, or why not.
    pub detail: String,
}

/// 202 with what comes of it.
pub async fn take(State(app): State<App>, HookPath(id): HookPath, request: Request) -> Result<Response, ApiError> {
    let client = Caller::of(request.extensions())?.client;
    let _place = app.slots.uploads.take(client).map_err(|why| ApiError::too_many("uploads", why))?;
    let nowhere = || ApiError::NotFound { detail: "there is no hook at this address".to_owned() };
    let trigger = app.read(move |store| Ok(store.trigger(&id)?)).await?.ok_or_else(nowhere)?;
    let key = app.config.git.secrets_key.clone();
    let key = key.ok_or_else(|| ApiError::internal("hooks need --secrets-key"))?;
    let secret = trigger.secret(&key).map_err(ApiError::internal)?;
    let (head, body) = request.into_parts();
    let body = body_git::read(&app, body, BODY_MAX).await?;
    if !incoming::is_signed(trigger.host, &secret, &head.headers, &body) {
        let detail = "the signature is not that of the secret that this hook was made with".to_owned();
        return Err(ApiError::Unauthorized { detail });
    }
    let told = incoming::read(&trigger, &head.headers, &body);
    let heard = match told.map_err(|detail| ApiError::Malformed { code: "not-a-push", detail })? {
        Told::Nothing(detail) => Heard { accepted: false, detail },
        Told::Push(push) => wish(&app, &trigger, &push).await?,
    };
    Ok((StatusCode::ACCEPTED, Json(heard)).into_response())
}

/// Makes the wish for a job, durably.
async fn wish(app: &App, trigger: &TriggerRecord, push: &Push) -> Result<Heard, ApiError> {
    let now = Timestamp::now();
    let wish = JobWish {
        schema: JobWish::SCHEMA,
        by: format!("hook:{}", trigger.id),
        project: trigger.project.clone(),
        url: trigger.url.clone(),
        git_ref: Some(push.branch.clone()),
        token: trigger.token.clone(),
        wished_at: now,
        tries: 0,
        next_at: now,
        job: None,
        made: false,
        error: None,
    };
    let name = push.name(&trigger.id);
    let new = app.read(move |store| Ok(store.wish_job(&name, &wish)?)).await?;
    pipelinex_common::fault_point!("events.wished");
    let detail = match new {
        true => format!("a job of the branch {} is made", pipelinex_common::foreign::shown(&push.branch)),
        false => "this push was told before".to_owned(),
    };
    Ok(Heard { accepted: new, detail })
}
