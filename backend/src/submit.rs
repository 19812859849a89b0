//! The one line from an upload to a job. A job exists from the rename inside of `Store::admit` on, and not before.

use jiff::Timestamp;
use pipelinex_common::{
    disk::Versioned,
    id::JobId,
    layout::JobPaths,
    limits::IntakeLimits,
    metadata::{AdmissionStatus, Metadata, SourceInfo, SourceKind},
    state::JobState,
    store::{Staging, StoreError},
};
use tokio::task::spawn_blocking;
use tokio_util::sync::CancellationToken;

use crate::{
    admission::{self, Accepted},
    app::App,
    error::ApiError,
    extract::Upload,
    intake::{self, Unpacked},
};

/// The project of a request that names none.
const DEFAULT_PROJECT: &str = "default";

/// An upload that admission has let in and that is no job yet.
pub struct Judged {
    upload: Upload,
    unpacked: Unpacked,
    /// What admission says, with everything that a person should know.
    pub verdict: Accepted,
}

/// Makes a job of an upload.
///
/// The work goes on in a task of its own, so that nothing is torn down under a thread that still writes; when the client
/// goes away before the rename, there is no job.
///
/// # Errors
/// 422 with every problem that was found, and nothing is left behind; 507 when the disk is full.
pub async fn submit(app: &App, upload: Upload) -> Result<Metadata, ApiError> {
    let (app, gone) = (app.clone(), CancellationToken::new());
    let _told_when_the_client_goes = gone.clone().drop_guard();
    let line = async move {
        let judged = judge(&app, upload).await?;
        let metadata = admit(&app, judged, gone).await?;
        ring(&app, metadata.job_id);
        Ok(metadata)
    };
    tokio::spawn(line).await.map_err(ApiError::internal)?
}

/// Everything up to the verdict, and no job: what [`submit`] would say.
///
/// # Errors
/// As those of [`submit`].
pub async fn precheck(app: &App, upload: Upload) -> Result<Judged, ApiError> {
    let app = app.clone();
    tokio::spawn(async move { judge(&app, upload).await }).await.map_err(ApiError::internal)?
}

/// Unpacks the project and looks at it.
async fn judge(app: &App, upload: Upload) -> Result<Judged, ApiError> {
    let _place = app.slots.intakes.acquire().await.map_err(ApiError::internal)?;
    app.stacks.find(&upload.request.stack)?;
    let source = upload.staging.paths().source();
    let unpacked = intake::unpack(&upload.archive, &source, &app.config.intake).await?;
    let app = app.clone();
    let work = move || {
        std::fs::remove_file(&upload.archive).map_err(ApiError::io)?;
        let stack = app.stacks.find(&upload.request.stack)?;
        let mut verdict = admission::admit_source(&source, &upload.request, SourceKind::Zip, stack, &app.config)?;
        let noticed = unpacked.warnings.iter().map(ToString::to_string);
        verdict.warnings.splice(0..0, upload.warnings.iter().cloned().chain(noticed));
        if !verdict.warnings.is_empty() {
            verdict.status = AdmissionStatus::AcceptedWithIssues;
        }
        Ok(Judged { upload, unpacked, verdict })
    };
    spawn_blocking(work).await.map_err(ApiError::internal)?
}

/// Completes the staged folder, and makes it a job.
async fn admit(app: &App, mut judged: Judged, gone: CancellationToken) -> Result<Metadata, ApiError> {
    let app = app.clone();
    let work = move || {
        let staging = judged.upload.staging.take().ok_or_else(|| ApiError::internal("the upload was used before"))?;
        let stack = app.stacks.find(&judged.upload.request.stack)?;
        app.stacks.install(stack, &staging.paths().pipelines()).map_err(StoreError::from)?;
        let project = judged.upload.request.project.as_deref().unwrap_or(DEFAULT_PROJECT);
        let run_number = app.store.next_run_number(project, &judged.verdict.pipeline_name)?;
        let metadata = judged.into_metadata(run_number, app.config.intake.clone());
        if gone.is_cancelled() {
            return Err(ApiError::Malformed { code: "client-gone", detail: "the client went away".to_owned() });
        }
        app.store.admit(staging, &metadata)?;
        Ok(metadata)
    };
    spawn_blocking(work).await.map_err(ApiError::internal)?
}

/// A lost bell is found by the reconciler, so nobody waits for it.
fn ring(app: &App, id: JobId) {
    let doorbell = app.doorbell.clone();
    tokio::spawn(async move {
        if let Err(error) = doorbell.ring(id).await {
            tracing::warn!(job = %id, %error, "the bell was not rung; the reconciler will find the job");
        }
    });
}

impl Judged {
    fn into_metadata(self, run_number: u64, limits: IntakeLimits) -> Metadata {
        let Self { upload, unpacked, verdict } = self;
        let now = Timestamp::now();
        Metadata {
            job_id: JobId::generate(),
            status: verdict.status,
            execution_state: JobState::Queued,
            stack: upload.request.stack,
            versions: verdict.versions,
            pipeline: verdict.switches,
            database: verdict.database,
            warnings: verdict.warnings,
            // Whole seconds, as the predecessors' clients read them; the id has the rest.
            created_at: Timestamp::from_second(now.as_second()).unwrap_or(now),
            schema: Metadata::SCHEMA,
            project: upload.request.project.unwrap_or_else(|| DEFAULT_PROJECT.to_owned()),
            pipeline_name: verdict.pipeline_name,
            branch: upload.request.branch,
            commit: upload.request.commit,
            run_number,
            owner: None,
            source: SourceInfo {
                kind: SourceKind::Zip,
                sha256: Some(upload.sha256),
                sent_bytes: upload.bytes,
                files: unpacked.files,
                bytes: unpacked.bytes,
            },
            limits,
            stages: verdict.stages,
        }
    }
}

/// A staging folder whose removal never blocks a task that serves connections.
pub struct StagingGuard {
    staging: Option<Staging>,
    paths: JobPaths,
}

impl StagingGuard {
    /// A new staging folder.
    ///
    /// # Errors
    /// 507 when the disk is full.
    pub async fn new(app: &App) -> Result<Self, ApiError> {
        let store = app.store.clone();
        let staging = spawn_blocking(move || store.stage()).await.map_err(ApiError::internal)??;
        let paths = staging.paths().clone();
        Ok(Self { staging: Some(staging), paths })
    }

    /// The paths of the job to be.
    pub fn paths(&self) -> &JobPaths {
        &self.paths
    }

    /// The folder itself, from here on without the guard.
    fn take(&mut self) -> Option<Staging> {
        self.staging.take()
    }
}

impl Drop for StagingGuard {
    fn drop(&mut self) {
        let Some(staging) = self.staging.take() else { return };
        match tokio::runtime::Handle::try_current() {
            Ok(runtime) => drop(runtime.spawn_blocking(move || drop(staging))),
            Err(_) => drop(staging),
        }
    }
}
