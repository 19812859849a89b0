//! `GET /api/jobs/{id}/artifacts` and below: what the steps made, such as the jar.
//!
//! Foreign code made and named it. So it is sent as an attachment and never as a page, and reached through the one module
//! that follows no link.

use axum::{Json, extract::State, response::Response};
use pipelinex_common::{
    foreign::{Beneath, ForeignError, Leads},
    id::JobId,
    slug::Slug,
    state::JobState,
    store::Job,
};
use schemars::JsonSchema;
use serde::Serialize;

use super::{
    download::{Asked, Download, ETag},
    path::{ArtifactPath, JobPath},
};
use crate::{access::Principal, app::App, error::ApiError, report_zip::open_or_nothing};

/// The most files that are listed; a worker collects a tenth of it from one step.
const FILES_MAX: usize = 100_000;
/// The longest name under which a file is saved, in characters.
const NAME_MAX: usize = 100;

/// The answer.
#[derive(Debug, Serialize, JsonSchema)]
pub struct ArtifactsPage {
    job_id: JobId,
    state: JobState,
    /// Whether no more will be made.
    complete: bool,
    artifacts: Vec<Artifact>,
    /// Whether there are more than are listed.
    cut: bool,
}

#[derive(Debug, Serialize, JsonSchema)]
struct Artifact {
    step: Slug,
    path: String,
    bytes: u64,
    /// Whether it is a program to be started.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    executable: bool,
    /// The file that a link leads to, below the same step; its content is what one gets.
    #[serde(skip_serializing_if = "Option::is_none")]
    link: Option<String>,
}

/// What there is so far.
pub async fn list(
    State(app): State<App>,
    who: Principal,
    JobPath(id): JobPath,
) -> Result<Json<ArtifactsPage>, ApiError> {
    Ok(Json(app.read_job(&who, id, gather).await?))
}

fn gather(job: &Job) -> Result<ArtifactsPage, ApiError> {
    let execution = job.view().map_err(ApiError::broken)?.execution;
    let (state, complete) = (execution.state, execution.state.is_final());
    let mut page = ArtifactsPage { job_id: job.id(), state, complete, artifacts: Vec::new(), cut: false };
    let Some(folder) = open_or_nothing(Beneath::open(&job.paths().artifacts()))? else { return Ok(page) };
    let walk = folder.walk(FILES_MAX)?;
    page.cut = walk.cut;
    for found in walk.files {
        if let Some((step, path)) = found.path.split_once('/')
            && let Ok(step) = step.parse()
        {
            page.artifacts.push(Artifact {
                step,
                path: path.to_owned(),
                bytes: found.bytes,
                executable: found.executable,
                link: None,
            });
        }
    }
    for link in &walk.links {
        if let Some((step, path)) = link.split_once('/')
            && let Leads::File(found) = folder.leads_to(link, None)?
            && let Some((of, target)) = found.path.split_once('/')
            && of == step
            && let Ok(step) = step.parse()
        {
            let (path, link) = (path.to_owned(), Some(target.to_owned()));
            page.artifacts.push(Artifact { step, path, bytes: found.bytes, executable: found.executable, link });
        }
    }
    Ok(page)
}

/// One of them, as a file.
pub async fn download(
    State(app): State<App>,
    who: Principal,
    artifact: ArtifactPath,
    asked: Asked,
) -> Result<Response, ApiError> {
    let place = asked.place(&app)?;
    let ArtifactPath { id, step, path } = artifact;
    let name = saved_as(&path);
    let opened = move |job: &Job| {
        let folder = Beneath::open(&job.paths().artifacts_of(&step)).map_err(absent)?;
        // A link is never followed by the system: where it leads is found out name by name, beneath the step's own folder.
        let path = match folder.leads_to(&path, None).map_err(absent)? {
            Leads::File(found) => found.path,
            Leads::Folder(_) | Leads::Out | Leads::Nowhere => return Err(nothing()),
        };
        let file = folder.file(&path).map_err(absent)?;
        let bytes = file.metadata().map_err(ApiError::io)?.len();
        let files = vec![(file, bytes)];
        // Artifacts are published whole, and never written to again.
        let etag = Some(ETag::of_files(&format!("{id}/{step}/{path}"), &files)?);
        Ok(Download { kind: "application/octet-stream", name, files, etag })
    };
    app.read_job(&who, id, opened).await?.answer(&asked, place)
}

/// What is not there and what is nothing that we read are the same to who asks.
fn absent(error: ForeignError) -> ApiError {
    match error {
        ForeignError::Io { .. } => ApiError::internal(error),
        ForeignError::Missing(_) | ForeignError::Refused { .. } | ForeignError::TooMuch(_) => nothing(),
    }
}

fn nothing() -> ApiError {
    ApiError::NotFound { detail: "the job has no such artifact; /artifacts lists those it has".to_owned() }
}

/// A name for the header, of plain characters.
fn saved_as(path: &str) -> String {
    let last = path.rsplit('/').next().unwrap_or(path);
    let plain = |c: char| if c.is_ascii_alphanumeric() || "._-".contains(c) { c } else { '_' };
    let name: String = last.chars().take(NAME_MAX).map(plain).collect();
    // A name that begins with a dot would be hidden where it is saved.
    match name.strip_prefix('.') {
        Some(rest) => format!("_{rest}"),
        None => name,
    }
}
