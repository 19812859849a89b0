//! The one line from an upload or a repository to a job. A job exists from the rename inside of `Store::admit` on, and not before.

pub(crate) mod body_git;
pub(crate) mod body_zip;
pub(crate) mod idempotency;
pub(crate) mod resubmit;
pub(crate) mod staging_guard;

use std::path::PathBuf;

use jiff::Timestamp;
use pipelinex_common::{
    access::{DEFAULT_PROJECT, Owner},
    disk::{self, Versioned},
    folder::Folder,
    id::JobId,
    limits::IntakeLimits,
    metadata::{AdmissionStatus, GitInfo, Metadata, SourceInfo, SourceKind},
    pipeline::{context::Repository, own::Plan},
    request::{JobRequest, Stack},
    rules::ProjectRules,
    state::JobState,
    store::StoreError,
};
use secrecy::ExposeSecret;
use tokio::{sync::SemaphorePermit, task::spawn_blocking};
use tokio_util::sync::CancellationToken;

use self::{
    body_git::CloneWish,
    body_zip::Upload,
    idempotency::{Made, Turn},
    resubmit::Resubmission,
    staging_guard::StagingGuard,
};
use crate::{
    access::Principal,
    admission::{
        self, Accepted,
        own::{self, Own},
    },
    app::App,
    config::Config,
    detection::{self, Detected},
    error::ApiError,
    http::shares::Place,
    intake::{
        self,
        git::{self, GitProxy, Order},
    },
};

/// Where a project is to come from.
pub enum Source {
    /// A ZIP that was uploaded.
    Zip(Box<Upload>),
    /// A repository.
    Git(Box<CloneWish>),
    /// What an old job was made of.
    Resubmission(Box<Resubmission>),
}

impl Source {
    /// The project that was asked for.
    fn project(&self) -> Option<&str> {
        match self {
            Self::Zip(upload) => upload.request.project.as_deref(),
            Self::Git(wish) => wish.project.as_deref(),
            Self::Resubmission(again) => again.request.project.as_deref(),
        }
    }
}

impl From<Resubmission> for Source {
    fn from(again: Resubmission) -> Self {
        Self::Resubmission(Box::new(again))
    }
}

impl From<Upload> for Source {
    fn from(upload: Upload) -> Self {
        Self::Zip(Box::new(upload))
    }
}

impl From<CloneWish> for Source {
    fn from(wish: CloneWish) -> Self {
        Self::Git(Box::new(wish))
    }
}

/// A submission whose files lie in staging.
struct Fetched {
    request: JobRequest,
    warnings: Vec<String>,
    staging: StagingGuard,
    source: SourceInfo,
    repository: Repository,
    /// The folder that is built, once that is decided.
    folder: Option<Folder>,
    /// The job that this one is once more.
    retry_of: Option<JobId>,
    /// Whether that one's successful steps are taken over.
    retry_failed: bool,
    /// Held until this has become a job or nothing.
    _place: Place,
}

impl Fetched {
    fn project(&self) -> &str {
        self.request.project.as_deref().unwrap_or(DEFAULT_PROJECT)
    }
}

/// A submission that admission has let in and that is no job yet.
pub struct Judged {
    fetched: Fetched,
    /// What admission says, with everything that a person should know.
    pub verdict: Accepted,
    /// What runs, where the project brings its own pipeline.
    pub plan: Option<Plan>,
    /// What its project asks of it beside the operator.
    rules: Option<ProjectRules>,
}

/// Makes a job of a source.
///
/// The work goes on in a task of its own, so that nothing is torn down under a thread that still writes; when its connection
/// breaks before the rename, or is closed while it is cloned, there is no job.
///
/// Of the same key there is no other submission as long as this one has its turn.
///
/// # Errors
/// 422 with every problem that was found, and nothing is left behind; 507 when the disk is full. Of a repository also 413,
/// 502 and 504.
pub async fn submit(app: &App, who: &Principal, source: Source, turn: Option<Turn>) -> Result<Made, ApiError> {
    let project = who.project_for(source.project())?;
    let (app, owner, gone) = (app.clone(), who.owner().clone(), CancellationToken::new());
    let _told_when_the_client_goes = gone.clone().drop_guard();
    let line = async move {
        let judged = judge(&app, source, project, &gone).await?;
        let made = admit(&app, judged, owner, turn, gone).await?;
        ring(&app, made.metadata.job_id);
        Ok(made)
    };
    tokio::spawn(line).await.map_err(ApiError::internal)?
}

/// Everything up to the verdict, and no job: what [`submit`] would say.
///
/// # Errors
/// As those of [`submit`].
pub async fn precheck(app: &App, who: &Principal, source: Source) -> Result<Judged, ApiError> {
    let project = who.project_for(source.project())?;
    let (app, gone) = (app.clone(), CancellationToken::new());
    let _told_when_the_client_goes = gone.clone().drop_guard();
    tokio::spawn(async move { judge(&app, source, project, &gone).await }).await.map_err(ApiError::internal)?
}

/// What a source is taken for: no job, and nothing is kept.
///
/// # Errors
/// As those of [`submit`], but for what admission would say.
pub async fn detect(app: &App, who: &Principal, source: Source) -> Result<Detected, ApiError> {
    who.project_for(None)?;
    let (app, gone) = (app.clone(), CancellationToken::new());
    let _told_when_the_client_goes = gone.clone().drop_guard();
    let line = async move {
        let (fetched, _place) = fetch(&app, source, &gone).await?;
        let stacks = app.stacks.clone();
        let look = move || detection::of_folder(&fetched.staging.paths().source(), &fetched.request, &stacks);
        spawn_blocking(look).await.map_err(ApiError::internal)?.map_err(ApiError::from)
    };
    tokio::spawn(line).await.map_err(ApiError::internal)?
}

/// Fetches the project, and takes a place among those that are looked at.
async fn fetch<'a>(
    app: &'a App,
    source: Source,
    gone: &CancellationToken,
) -> Result<(Fetched, SemaphorePermit<'a>), ApiError> {
    Ok(match source {
        Source::Zip(upload) => {
            let place = app.slots.intakes.acquire().await.map_err(ApiError::internal)?;
            (unpack(app, *upload).await?, place)
        }
        Source::Git(wish) => {
            // A clone waits for its host most of the time: it takes a place of this server only when it is there.
            let fetched = clone(app, *wish, gone).await?;
            (fetched, app.slots.intakes.acquire().await.map_err(ApiError::internal)?)
        }
        Source::Resubmission(again) => {
            let Resubmission { of, failed, request, source, repository, staging, place } = *again;
            let fetched = Fetched {
                request,
                warnings: Vec::new(),
                staging,
                source,
                repository,
                folder: None,
                retry_of: Some(of),
                retry_failed: failed,
                _place: place,
            };
            (fetched, app.slots.intakes.acquire().await.map_err(ApiError::internal)?)
        }
    })
}

/// Fetches the project and looks at it, as one of this project where accounts decide that.
async fn judge(
    app: &App,
    source: Source,
    project: Option<String>,
    gone: &CancellationToken,
) -> Result<Judged, ApiError> {
    let (mut fetched, _place) = fetch(app, source, gone).await?;
    if project.is_some() {
        fetched.request.project = project;
    }
    let app = app.clone();
    let work = move || {
        let source = fetched.staging.paths().source();
        let rules = app.store.project_rules(fetched.project())?;
        let config = &Config { policy: app.config.policy.with_project(rules.as_ref()), ..Config::clone(&app.config) };
        if let Some(own) = own::find(&source, &fetched.request, (&fetched.source, &fetched.repository), config)? {
            return Ok(Judged { rules, ..judge_own(&app, config, fetched, own)? });
        }
        let admitted = admission::admit(&source, &fetched.request, fetched.source.kind, &app.stacks, config)?;
        fetched.request = admitted.request;
        fetched.folder = admitted.folder;
        fetched.warnings.extend(admitted.warnings);
        fetched.source.files = fetched.source.files.saturating_sub(admitted.files_left_out);
        fetched.source.bytes = fetched.source.bytes.saturating_sub(admitted.bytes_left_out);
        let mut verdict = admitted.verdict;
        verdict.warnings.splice(0..0, fetched.warnings.iter().cloned());
        if !verdict.warnings.is_empty() {
            verdict.status = AdmissionStatus::AcceptedWithIssues;
        }
        Ok(Judged { fetched, verdict, plan: None, rules })
    };
    spawn_blocking(work).await.map_err(ApiError::internal)?
}

/// The verdict over a project that brings its own pipeline.
fn judge_own(app: &App, config: &Config, mut fetched: Fetched, own: Own) -> Result<Judged, ApiError> {
    let source = fetched.staging.paths().source();
    let recognised = admission::for_own(&source, &fetched.request, &app.stacks)?;
    let requires_db = fetched.request.stack.requires_db.clone();
    fetched.request.stack = Stack { requires_db, ..recognised.stack };
    fetched.request.versions = recognised.versions;
    let (folder, request, stack) = (recognised.folder, &fetched.request, app.stacks.find(&fetched.request.stack)?);
    let mut verdict = own::admit(&own, &source, folder.as_ref(), request, fetched.source.kind, stack, config)?;
    verdict.warnings.splice(0..0, fetched.warnings.iter().cloned());
    if !verdict.warnings.is_empty() {
        verdict.status = AdmissionStatus::AcceptedWithIssues;
    }
    Ok(Judged { fetched, verdict, plan: Some(own.plan), rules: None })
}

async fn unpack(app: &App, upload: Upload) -> Result<Fetched, ApiError> {
    app.stacks.check_named(&upload.request.stack)?;
    let unpacked = intake::unpack(&upload.archive, &upload.staging.paths().source(), &app.config.intake).await?;
    let archive = upload.archive;
    let removed = spawn_blocking(move || std::fs::remove_file(archive)).await.map_err(ApiError::internal)?;
    removed.map_err(ApiError::io)?;
    let mut warnings = upload.warnings;
    warnings.extend(unpacked.warnings.iter().map(ToString::to_string));
    let source = SourceInfo {
        kind: SourceKind::Zip,
        sha256: Some(upload.sha256),
        sent_bytes: upload.bytes,
        files: unpacked.files,
        bytes: unpacked.bytes,
        git: None,
    };
    Ok(Fetched {
        request: upload.request,
        warnings,
        staging: upload.staging,
        source,
        repository: upload.repository,
        folder: None,
        retry_of: None,
        retry_failed: false,
        _place: upload.place,
    })
}

async fn clone(app: &App, wish: CloneWish, gone: &CancellationToken) -> Result<Fetched, ApiError> {
    let config = &app.config.git;
    let paths = wish.staging.paths();
    let scratch = paths.root().join("clone");
    let order = Order {
        url: wish.url.clone(),
        hosts: config.hosts.clone(),
        git_ref: wish.git_ref.clone(),
        credentials: wish.credentials.map(|known| (known.user, known.password.expose_secret().to_owned())),
        history: wish.history,
        limits: app.config.intake.clone(),
        source: paths.source(),
        scratch: scratch.clone(),
        ca_certs: config.ca_certs.clone(),
        proxy: config.proxy.as_ref().map(GitProxy::url),
        direct: config.proxy.as_ref().map(|proxy| proxy.direct().to_vec()).unwrap_or_default(),
    };
    make_dir(scratch.clone()).await?;
    // A clone may take long: it ends with the connection of whoever asked for it, also where only one side of it was closed.
    let left = async {
        match &wish.client_side {
            Some(client_side) => client_side.closed().await,
            None => std::future::pending().await,
        }
        gone.cancel();
        std::future::pending().await
    };
    let cloned = tokio::select! {
        cloned = git::clone(&config.program, &order, gone) => cloned?,
        () = left => return Err(ApiError::client_gone()),
    };
    spawn_blocking(move || std::fs::remove_dir_all(scratch))
        .await
        .map_err(ApiError::internal)?
        .map_err(ApiError::io)?;
    let mut warnings = wish.warnings;
    warnings.extend(cloned.warnings);
    let mut request = wish.request;
    request.project = Some(wish.url.project());
    request.branch = cloned.branch.or(wish.branch);
    request.commit = Some(cloned.commit);
    let source = SourceInfo {
        kind: SourceKind::Git,
        sha256: None,
        sent_bytes: cloned.received,
        files: cloned.files,
        bytes: cloned.bytes,
        git: Some(GitInfo {
            url: wish.url.project(),
            git_ref: wish.git_ref,
            history: wish.history,
            default_branch: cloned.repository.default_branch.clone(),
        }),
    };
    let (staging, _place) = (wish.staging, wish.place);
    let repository = cloned.repository;
    Ok(Fetched {
        request,
        warnings,
        staging,
        source,
        repository,
        folder: None,
        retry_of: None,
        retry_failed: false,
        _place,
    })
}

async fn make_dir(path: PathBuf) -> Result<(), ApiError> {
    let made = spawn_blocking(move || disk::make_dir(&path, 0o700)).await.map_err(ApiError::internal)?;
    made.map_err(|error| StoreError::from(error).into())
}

/// Completes the staged folder, and makes it a job.
async fn admit(
    app: &App,
    mut judged: Judged,
    owner: Owner,
    turn: Option<Turn>,
    gone: CancellationToken,
) -> Result<Made, ApiError> {
    let app = app.clone();
    let work = move || {
        let staging =
            judged.fetched.staging.take().ok_or_else(|| ApiError::internal("the submission was used before"))?;
        let stack = app.stacks.find(&judged.fetched.request.stack)?;
        app.stacks.install(stack, &staging.paths().pipelines()).map_err(StoreError::from)?;
        if let Some(plan) = &judged.plan {
            disk::place_json(&staging.paths().plan(), plan).map_err(StoreError::from)?;
            let repository = Repository { schema: Repository::SCHEMA, ..judged.fetched.repository.clone() };
            disk::place_json(&staging.paths().repository(), &repository).map_err(StoreError::from)?;
        }
        let (project, pipeline) = (judged.fetched.project(), judged.verdict.pipeline_name.as_str());
        let run_number = match turn.as_ref().and_then(Turn::run_number) {
            Some(number) => app.store.take_run_number(number, &owner, project, pipeline)?,
            None => app.store.next_run_number(&owner, project, pipeline)?,
        };
        if gone.is_cancelled() {
            return Err(ApiError::client_gone());
        }
        let id = turn.as_ref().map_or_else(|| Ok(JobId::generate()), |turn| turn.bind(&app.store))?;
        let metadata = judged.into_metadata(id, owner, run_number, app.config.intake.clone());
        let admitted = app.store.admit(staging, &metadata);
        if let (Ok(()), Some(turn)) = (&admitted, &turn) {
            turn.used(&app.store);
        }
        match admitted {
            // Another server made the job of this key meanwhile.
            Err(StoreError::Taken(id)) if turn.is_some() => {
                let metadata = app.store.job(id)?.metadata().map_err(ApiError::broken)?;
                Ok(Made { metadata, replayed: true })
            }
            admitted => {
                admitted?;
                pipelinex_common::fault_point!("intake.before-superseding");
                // Whoever begins this job tells the older one as well.
                if let Err(error) = app.store.supersede_older(&metadata) {
                    tracing::warn!(job = %id, %error, "the older job of this branch was not told of this one");
                }
                Ok(Made { metadata, replayed: false })
            }
        }
    };
    spawn_blocking(work).await.map_err(ApiError::internal)?
}

/// A lost bell is found by the reconciler, so nobody waits for it.
fn ring(app: &App, id: JobId) {
    let doorbell = app.doorbell.clone();
    tokio::spawn(async move {
        pipelinex_common::fault_point!("intake.bell-waits");
        pipelinex_common::fault_point!("intake.before-bell");
        if let Err(error) = doorbell.ring(id).await {
            tracing::warn!(job = %id, %error, "the bell was not rung; the reconciler will find the job");
        }
        pipelinex_common::fault_point!("intake.after-bell");
    });
}

impl Judged {
    /// What the project is taken for.
    pub fn stack(&self) -> &Stack {
        &self.fetched.request.stack
    }

    /// The folder of it that would be built; `None`: the top.
    pub fn folder(&self) -> Option<&Folder> {
        self.fetched.folder.as_ref()
    }

    fn into_metadata(self, job_id: JobId, owner: Owner, run_number: u64, limits: IntakeLimits) -> Metadata {
        let Self { fetched: Fetched { request, source, folder, retry_of, retry_failed, .. }, verdict, rules, .. } =
            self;
        let now = Timestamp::now();
        Metadata {
            job_id,
            status: verdict.status,
            execution_state: JobState::Queued,
            stack: request.stack,
            versions: verdict.versions,
            pipeline: verdict.switches,
            application: request.application,
            database: verdict.database,
            warnings: verdict.warnings,
            // Whole seconds, as the predecessors' clients read them; the id has the rest.
            created_at: Timestamp::from_second(now.as_second()).unwrap_or(now),
            schema: Metadata::SCHEMA,
            project: request.project.unwrap_or_else(|| DEFAULT_PROJECT.to_owned()),
            pipeline_name: verdict.pipeline_name,
            branch: request.branch,
            commit: request.commit,
            run_number,
            retry_of,
            retry_failed,
            owner,
            source,
            folder,
            limits,
            rules,
            stages: verdict.stages,
        }
    }
}
