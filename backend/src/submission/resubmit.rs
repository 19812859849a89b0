//! A job once more: a new job of the same source and request, which names the old one. The source is copied, never shared:
//! what happens to one job's folder must not reach another.

use std::path::Path;

use pipelinex_common::{
    disk,
    folder::TOP,
    foreign::Beneath,
    id::JobId,
    metadata::{Metadata, SourceInfo},
    pipeline::context::Repository,
    request::JobRequest,
    state::JobState,
    store::{Copying, Job, Links, StoreError, TreeError, Whose, copy_tree},
};
use tokio::task::spawn_blocking;

use crate::{
    access::{Principal, Right},
    app::App,
    client::Client,
    error::ApiError,
    http::shares::Place,
    submission::idempotency::{Made, Turn},
    submission::{self, staging_guard::StagingGuard},
};

/// A job that is to be made again.
pub struct Resubmission {
    /// The old job.
    pub of: JobId,
    /// Whether only what did not succeed there is run.
    pub failed: bool,
    /// What it was asked for.
    pub request: JobRequest,
    /// What was submitted then.
    pub source: SourceInfo,
    /// What was known of its repository.
    pub repository: Repository,
    /// Where the new one will be.
    pub staging: StagingGuard,
    /// One of the places for uploads, held until this has become a job or nothing.
    pub place: Place,
}

/// Makes a job once more. The work goes on in a task of its own, so that nothing is torn down under a copy that still writes.
///
/// # Errors
/// 404 where there is no such job; 409 while it goes on: it may still succeed; 429 at too much at once; 507 when the disk is
/// full.
pub async fn run_again(
    app: &App,
    who: &Principal,
    client: Client,
    (id, failed): (JobId, bool),
    turn: Option<Turn>,
) -> Result<Made, ApiError> {
    let (app, who) = (app.clone(), who.clone());
    let line = async move {
        submission::submit(&app, &who, Resubmission::of(&app, &who, client, (id, failed)).await?.into(), turn).await
    };
    tokio::spawn(line).await.map_err(ApiError::internal)?
}

impl Resubmission {
    async fn of(app: &App, who: &Principal, client: Client, (id, failed): (JobId, bool)) -> Result<Self, ApiError> {
        let place = app.slots.uploads.take(client).map_err(|why| ApiError::too_many("submissions", why))?;
        let (metadata, repository) = app
            .with_job(who, Right::Retry, id, move |job| {
                let repository = disk::read_json(&job.paths().repository()).map_err(StoreError::from)?;
                Ok((ended(job, failed)?, repository.unwrap_or_default()))
            })
            .await?;
        let staging = StagingGuard::new(app).await?;
        let (from, to) = (app.store.layout().job(id).source(), staging.paths().source());
        // It takes a place of those who write, not of those who read.
        let intake = app.slots.intakes.acquire().await.map_err(ApiError::internal)?;
        spawn_blocking(move || copy(&from, &to)).await.map_err(ApiError::internal)??;
        drop(intake);
        let project = who.project_of_again(&metadata);
        let Metadata { stack, versions, pipeline, application, branch, commit, source, folder, .. } = metadata;
        // What was decided then counts, whatever is recognised today.
        let folder = Some(folder.map_or_else(|| TOP.to_owned(), String::from));
        let (pipeline, project) = (Some(pipeline), Some(project));
        let request = JobRequest { stack, folder, versions, pipeline, application, project, branch, commit };
        Ok(Self { of: id, failed, request, source, repository, staging, place })
    }
}

fn ended(job: &Job, failed: bool) -> Result<Metadata, ApiError> {
    let view = job.view().map_err(ApiError::broken)?;
    if failed && view.execution.state == JobState::Succeeded {
        let detail = "nothing of the job failed; without `failed` all of it is run again".to_owned();
        return Err(ApiError::NotYet { detail });
    }
    if view.execution.state.is_final() {
        return Ok(view.metadata);
    }
    let detail = format!("the job is {}; it can be run again once it has ended", view.execution.state);
    Err(ApiError::NotYet { detail })
}

/// Copies what was submitted; its links as they are, followed by nobody.
fn copy(from: &Path, to: &Path) -> Result<(), TreeError> {
    let how = Copying { whose: Whose::Ours, links: Links::Kept, file_bytes: u64::MAX };
    copy_tree(&Beneath::open(from)?, to, how)
}
