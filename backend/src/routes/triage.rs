//! Decisions about findings: `POST /api/jobs/{id}/findings/{fingerprint}/accept` and `/revoke`, and those of the job's project at
//! `GET /api/jobs/{id}/accepted`.
//!
//! They are made by an account whose role allows it. Where there are none, whoever reaches the server is nobody in particular:
//! then only those decide who can write to the workspaces folder.

use axum::{Json, extract::State, http::Request};
use jiff::Timestamp;
use pipelinex_common::{
    id::JobId,
    store::{DecideError, Deciding, Decision, ProjectKey, Undecided, Verdict},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::path::{FindingPath, JobPath};
use crate::{
    access::{Principal, Right},
    app::App,
    error::ApiError,
    submission::body_git,
};

/// The largest body, in bytes.
const BODY_MAX: u64 = 16 * 1024;

/// What is sent.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Body {
    reason: String,
    #[serde(default)]
    until: Option<Timestamp>,
    #[serde(default)]
    false_positive: bool,
}

/// The decisions of a project.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Accepted {
    project: String,
    decisions: Vec<DecisionRow>,
}

/// A decision, and whether it holds.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct DecisionRow {
    /// The decision.
    #[serde(flatten)]
    pub decision: Decision,
    /// Whether its time is over.
    pub expired: bool,
}

impl DecisionRow {
    /// A decision as it stands at a time.
    pub fn at(now: Timestamp, decision: Decision) -> Self {
        Self { expired: decision.has_expired(now), decision }
    }
}

/// Says that a finding is lived with, or is none.
pub async fn accept(
    State(app): State<App>,
    who: Principal,
    FindingPath(id, fingerprint): FindingPath,
    request: Request<axum::body::Body>,
) -> Result<Json<Decision>, ApiError> {
    check(&app, &who, id).await?;
    let text = body_git::read(&app, request.into_body(), BODY_MAX).await?;
    let body: Body = serde_json::from_slice(&text).map_err(|error| ApiError::Malformed {
        code: "body",
        detail: format!("the body is JSON with `reason`, and `until` and `false_positive` where you like: {error}"),
    })?;
    let verdict = if body.false_positive { Verdict::FalsePositive } else { Verdict::Accepted };
    let wish = Wish { fingerprint, verdict: Some(verdict), reason: body.reason, until: body.until };
    Ok(Json(decide(&app, &who, id, wish).await?))
}

/// Takes a decision back; the answer is what it was.
pub async fn revoke(
    State(app): State<App>,
    who: Principal,
    FindingPath(id, fingerprint): FindingPath,
) -> Result<Json<Decision>, ApiError> {
    let wish = Wish { fingerprint, verdict: None, reason: String::new(), until: None };
    Ok(Json(decide(&app, &who, id, wish).await?))
}

/// What was decided about findings of the job's project.
pub async fn accepted(
    State(app): State<App>,
    who: Principal,
    JobPath(id): JobPath,
) -> Result<Json<Accepted>, ApiError> {
    let store = app.store.clone();
    let read = move |job: &pipelinex_common::store::Job| {
        let (project, now) = (ProjectKey::of(&job.metadata().map_err(ApiError::broken)?), Timestamp::now());
        let decisions = store.triage(&project)?.decisions.into_iter().map(|known| DecisionRow::at(now, known));
        Ok(Accepted { decisions: decisions.collect(), project: project.name })
    };
    Ok(Json(app.read_job(&who, id, read).await?))
}

/// Whoever may not decide about a job is told so before anything is read of what they send.
///
/// # Errors
/// 404, and 403 without accounts.
pub async fn check(app: &App, who: &Principal, id: JobId) -> Result<(), ApiError> {
    app.with_job(who, Right::Triage, id, |_| Ok(())).await?;
    if who.grant().is_some() {
        return Ok(());
    }
    let detail = "this server has no accounts (--auth none), so nobody can be named who decides; on its own machine whoever may \
                  write to its folder does: `pipelinex accept JOB FINGERPRINT --reason TEXT --workspaces DIR`";
    Err(ApiError::Forbidden { code: "no-accounts", detail: detail.to_owned() })
}

/// What is wished for.
pub struct Wish {
    /// The finding, or the beginning of its fingerprint.
    pub fingerprint: String,
    /// What it is; `None` takes back what was decided.
    pub verdict: Option<Verdict>,
    /// Why.
    pub reason: String,
    /// Until when.
    pub until: Option<Timestamp>,
}

/// Decides about a finding of a job.
///
/// # Errors
/// 403 without accounts, 404 where there is no such finding, 400 for a reason or a time that will not do.
pub async fn decide(app: &App, who: &Principal, id: JobId, wish: Wish) -> Result<Decision, ApiError> {
    check(app, who, id).await?;
    let (store, by) = (app.store.clone(), who.owner().as_str().to_owned());
    let Wish { fingerprint, verdict, reason, until } = wish;
    let deciding = Deciding { fingerprint, verdict, reason, who: by, until };
    app.with_job(who, Right::Triage, id, move |job| store.decide_about(job, deciding).map_err(undecided)).await
}

fn undecided(error: DecideError) -> ApiError {
    match error {
        DecideError::Refused(why @ (Undecided::NoSuchFinding | Undecided::Nothing)) => {
            ApiError::NotFound { detail: why.to_string() }
        }
        DecideError::Refused(why) => ApiError::Malformed { code: "triage", detail: why.to_string() },
        DecideError::Store(error) => error.into(),
    }
}
