//! Projects that somebody made: `GET` and `POST /api/projects`, and each at `/api/projects/{name}`. Its owner decides who is in and
//! what it asks of its jobs, and whoever administers the server makes and removes one.

use std::collections::BTreeMap;

use axum::{
    Json,
    extract::State,
    http::{HeaderValue, Request, StatusCode, header},
    response::{IntoResponse, Response},
};
use jiff::Timestamp;
use pipelinex_common::{
    access::{Role, check_project},
    rules::ProjectRules,
    store::{InvalidChange, ProjectChange, ProjectRecord},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::path::ProjectPath;
use crate::{access::Principal, app::App, error::ApiError, submission::body_git};

/// The largest body, in bytes.
const BODY_MAX: u64 = 256 * 1024;

/// A project that is to be.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NewProject {
    name: String,
    /// Whose it is; absent: whoever asks.
    #[serde(default)]
    owner: Option<String>,
    /// As [`ProjectChange::settings`].
    #[serde(default)]
    settings: BTreeMap<String, String>,
}

/// A project.
#[derive(Debug, Serialize, JsonSchema)]
pub struct ProjectPage {
    name: String,
    owner: String,
    members: BTreeMap<String, Role>,
    settings: ProjectRules,
    created_at: Timestamp,
}

/// All that somebody may see.
#[derive(Debug, Serialize, JsonSchema)]
pub struct ProjectsPage {
    projects: Vec<ProjectPage>,
}

impl From<ProjectRecord> for ProjectPage {
    fn from(record: ProjectRecord) -> Self {
        let ProjectRecord { name, owner, members, settings, created_at, .. } = record;
        Self { name, owner, members, settings, created_at }
    }
}

/// Those that whoever asks is in, or has a token for.
pub async fn list(State(app): State<App>, who: Principal) -> Result<Json<ProjectsPage>, ApiError> {
    let records = app.read(|store| Ok(store.project_records()?)).await?;
    let seen = records.known.into_iter().filter(|record| who.sees_project(&record.name));
    Ok(Json(ProjectsPage { projects: seen.map(Into::into).collect() }))
}

/// One of them.
pub async fn view(
    State(app): State<App>,
    who: Principal,
    ProjectPath(name): ProjectPath,
) -> Result<Json<ProjectPage>, ApiError> {
    Ok(Json(find(&app, &who, name).await?.into()))
}

/// Makes one.
pub async fn create(
    State(app): State<App>,
    who: Principal,
    request: Request<axum::body::Body>,
) -> Result<Response, ApiError> {
    who.check_named()?;
    let NewProject { name, owner, settings } = read(&app, request).await?;
    check_project(&name).map_err(|error| malformed(error.to_string()))?;
    let mut record = ProjectRecord::new(&name, who.owner().as_str());
    ProjectChange { owner, settings, ..ProjectChange::default() }.apply(&mut record).map_err(refused)?;
    let made = record.clone();
    if !app.read(move |store| Ok(store.create_project(&made)?)).await? {
        return Err(malformed(format!("there is a project {name} already, or as many as there may be")));
    }
    let mut response = (StatusCode::CREATED, Json(ProjectPage::from(record))).into_response();
    if let Some(at) = HeaderValue::from_str(&address(&name)).ok().filter(|at| !at.is_empty()) {
        response.headers_mut().insert(header::LOCATION, at);
    }
    Ok(response)
}

/// Changes one: its owner, members or settings.
pub async fn change(
    State(app): State<App>,
    who: Principal,
    ProjectPath(name): ProjectPath,
    request: Request<axum::body::Body>,
) -> Result<Json<ProjectPage>, ApiError> {
    let record = find(&app, &who, name.clone()).await?;
    who.check_manages(&record)?;
    let change: ProjectChange = read(&app, request).await?;
    let changed = app.read(move |store| Ok(store.change_project(&name, |record| change.apply(record))?)).await?;
    Ok(Json(changed.ok_or_else(nowhere)?.map_err(refused)?.into()))
}

/// Forgets one: its members and settings. Its jobs stay.
pub async fn remove(
    State(app): State<App>,
    who: Principal,
    ProjectPath(name): ProjectPath,
) -> Result<Json<ProjectPage>, ApiError> {
    who.check_named()?;
    let record = find(&app, &who, name.clone()).await?;
    app.read(move |store| Ok(store.remove_project(&name)?)).await?;
    Ok(Json(record.into()))
}

async fn find(app: &App, who: &Principal, name: String) -> Result<ProjectRecord, ApiError> {
    if !who.sees_project(&name) {
        return Err(nowhere());
    }
    app.read(move |store| Ok(store.project_record(&name)?)).await?.ok_or_else(nowhere)
}

async fn read<T: DeserializeOwned>(app: &App, request: Request<axum::body::Body>) -> Result<T, ApiError> {
    let text = body_git::read(app, request.into_body(), BODY_MAX).await?;
    serde_json::from_slice(&text).map_err(|error| malformed(format!("the body is not what it should be: {error}")))
}

/// Where a project is, as an address.
fn address(name: &str) -> String {
    let mut url = reqwest::Url::parse("http://x/api/projects").ok();
    if let Some(mut path) = url.as_mut().and_then(|url| url.path_segments_mut().ok()) {
        path.push(name);
    }
    url.map_or_else(String::new, |url| url.path().to_owned())
}

fn nowhere() -> ApiError {
    ApiError::NotFound {
        detail: "there is no such project that somebody made; `pipelinex project list` shows yours".to_owned(),
    }
}

fn refused(why: InvalidChange) -> ApiError {
    malformed(why.to_string())
}

fn malformed(detail: String) -> ApiError {
    ApiError::Malformed { code: "project", detail }
}
