//! The steps of one job: what each needs before its container, its container, and what is taken from it after.

mod beside;
mod end;
mod execute;
mod full;
mod lost;
mod ready;
mod record;
mod taken_up;
mod tries;
mod watched;
mod weighed;

use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use jiff::Timestamp;
use pipelinex_common::{
    clock::Stamp,
    execution::{StepRecord, TryRecord},
    layout::JobPaths,
    pipeline::model::Step,
    slug::Slug,
    store::{CacheScope, Claim, Job, shown_tries},
};
use tokio::{
    sync::{OnceCell, OwnedSemaphorePermit, watch},
    task::JoinSet,
    time::timeout,
};
use tokio_util::sync::CancellationToken;

use self::{
    end::Unpublished,
    execute::{Executed, Ran},
};
use crate::{
    Worker,
    adopt::Found,
    definition::Definition,
    engine::{Engine, Resources},
    images::PinnedImages,
    lock,
    quota::Quotas,
    run::RunError,
    secrets::Scope,
    spec::{self, JobContext},
    step::{Ending, Stop},
    tree,
};

/// How long the removal of what nobody goes on with is waited for: a wish to cancel waits behind it.
const REMOVED_WITHIN: Duration = Duration::from_secs(5);

/// What a step's task says: that it has a place, and once, when it is over.
pub enum StepReport {
    /// The step waited for a place, and got it at this time.
    Began(Slug, Timestamp),
    /// The step has ended like this; not recorded yet.
    Ended(Slug, Box<StepRecord>),
    /// Its container, of that attempt, is gone.
    Lost(Slug, u32),
    /// We were told to stop, or another holds the job.
    LetGo,
    /// Our own files or the engine failed: the job is taken up again later.
    Broke(RunError),
}

/// The steps of one job.
pub struct JobSteps {
    worker: Arc<Worker>,
    engine: Engine,
    job: Job,
    paths: JobPaths,
    definition: Arc<Definition>,
    context: JobContext,
    /// The workspaces folder as the engine's host sees it.
    workspaces: PathBuf,
    images: PinnedImages,
    quotas: Option<Quotas>,
    /// The caches that its steps may use.
    caches: Option<CacheScope>,
    /// The secrets that its steps may have.
    secrets: Scope,
    attempt: AtomicU32,
    claim: Arc<Mutex<Claim>>,
    claim_number: u64,
    /// Containers of a former holder that nobody has taken up yet.
    adopted: Mutex<BTreeMap<Slug, String>>,
    /// Containers that it left of tries that are over.
    over: Mutex<Vec<String>>,
    /// Tries of steps that are over, and followed by another.
    tries: Mutex<BTreeMap<Slug, Vec<TryRecord>>>,
    /// What a former holder left beside its steps.
    beside: Mutex<Vec<(Slug, String)>>,
    /// What each step has on the engine for itself alone.
    made: Mutex<BTreeMap<Slug, Resources>>,
    volume: OnceCell<()>,
    networks: Mutex<BTreeMap<String, Arc<OnceCell<()>>>>,
    trees: Mutex<BTreeMap<Slug, Arc<OnceCell<()>>>>,
    removals: Mutex<JoinSet<()>>,
    /// Why all of them are to end now.
    order: watch::Sender<Option<Stop>>,
    let_go: CancellationToken,
}

impl JobSteps {
    /// Finds out everything that the steps share.
    ///
    /// # Errors
    /// [`RunError`].
    pub fn prepare(
        worker: &Arc<Worker>,
        engine: &Engine,
        (job, caches, secrets): (&Job, Option<CacheScope>, Scope),
        definition: &Arc<Definition>,
        claim: (Arc<Mutex<Claim>>, u64),
        let_go: CancellationToken,
        found: Found,
    ) -> Result<Self, RunError> {
        let environment = worker.runtime.block_on(worker.environment(engine))?;
        let context = JobContext {
            instance: worker.store.instance().clone(),
            job: job.id(),
            attempt: found.attempt,
            number: 1,
            on_engine: JobPaths::at(environment.workspaces.join(job.id().to_string())),
            // What a former holder began with decides: half of a job's trees would else be somewhere else.
            trees: tree::begun_with(job.paths()).unwrap_or(environment.trees),
            volume_folders: engine.has_volume_folders(),
            ca: environment.ca.clone(),
            stack_files: environment.stack_files.clone(),
            limits: worker.config.limits.clone(),
            open_files: environment.open_files,
            versions: definition.versions.clone(),
            folder: definition.folder.clone(),
        };
        Ok(Self {
            worker: worker.clone(),
            engine: engine.clone(),
            job: job.clone(),
            paths: job.paths().clone(),
            definition: definition.clone(),
            attempt: AtomicU32::new(found.attempt),
            context,
            workspaces: environment.workspaces,
            images: PinnedImages::default(),
            quotas: environment.quotas,
            caches,
            secrets,
            claim: claim.0,
            claim_number: claim.1,
            adopted: Mutex::new(found.running),
            over: Mutex::new(found.over),
            tries: Mutex::new(found.tries.iter().map(|(step, tries)| (step.clone(), shown_tries(tries))).collect()),
            beside: Mutex::new(found.beside),
            made: Mutex::default(),
            volume: OnceCell::new(),
            networks: Mutex::default(),
            trees: Mutex::default(),
            removals: Mutex::default(),
            order: watch::Sender::new(None),
            let_go,
        })
    }

    /// The attempt that is under way.
    pub fn attempt(&self) -> u32 {
        self.attempt.load(Ordering::Acquire)
    }

    /// Steps whose containers a former holder started, and that nobody has taken up yet.
    pub fn adopted(&self) -> Vec<Slug> {
        lock(&self.adopted).keys().cloned().collect()
    }

    /// Whether a former holder started a container of this step, and nobody has taken it up yet.
    pub fn is_adopted(&self, step: &Slug) -> bool {
        lock(&self.adopted).contains_key(step)
    }

    /// Ends every step that runs, and what runs beside it: TERM, and after ten seconds KILL. What has not begun does not begin.
    pub fn end_all(&self, stop: Stop) {
        self.order.send_replace(Some(stop));
    }

    /// Waits for the order to end; for ever where none comes.
    async fn ordered(&self) -> Stop {
        let mut order = self.order.subscribe();
        if let Ok(stop) = order.wait_for(Option::is_some).await
            && let Some(stop) = &*stop
        {
            return stop.clone();
        }
        std::future::pending().await
    }

    /// Ends the tasks of all steps. Their containers go on.
    pub fn let_go(&self) {
        self.let_go.cancel();
    }

    /// Runs a step to its end. What it returns is not recorded yet. Without a place it waits for one first, and then says so.
    pub async fn run(
        self: Arc<Self>,
        step: Step,
        place: Option<OwnedSemaphorePermit>,
        has_a_place: impl FnOnce(Slug, Timestamp),
    ) -> StepReport {
        let slug = step.slug.clone();
        let _place = match place {
            Some(place) => Some(place),
            // A container that a former holder started needs none to be ended.
            None => tokio::select! {
                biased;
                () = self.let_go.cancelled() => return StepReport::LetGo,
                place = Arc::clone(&self.worker.step_slots).acquire_owned() => {
                    has_a_place(slug.clone(), Timestamp::now());
                    place.ok()
                }
                stop = self.ordered() => match self.is_adopted(&slug) {
                    true => None,
                    false => return StepReport::Ended(slug, Box::new(record::never_started(&step, &stop))),
                },
            },
        };
        let (had_place, attempt) = (Stamp::now(), self.attempt());
        let executed = tokio::select! {
            biased;
            () = self.let_go.cancelled() => return StepReport::LetGo,
            executed = self.execute(&step, attempt) => executed,
        };
        // A holder that was overtaken publishes nothing.
        if !lock(&self.claim).holds() {
            return StepReport::LetGo;
        }
        let ran = match executed {
            Ok(Executed::Skipped(record)) => return StepReport::Ended(slug, record),
            Ok(Executed::Ran(ran)) => *ran,
            Err(error) => {
                let filled = if full::is_full(&error) { self.filled_by_us().await } else { None };
                match filled.map_or_else(|| end::failure(error), Ok) {
                    Ok(stop) => Ran::not_begun(stop),
                    Err(Unpublished::Broke(broke)) => return StepReport::Broke(broke),
                    Err(Unpublished::NotMine) => return StepReport::LetGo,
                }
            }
        };
        match &ran.ending {
            Ending::Detached => return StepReport::LetGo,
            Ending::Lost => {
                self.remove_all_of(&slug).await;
                return StepReport::Lost(slug, attempt);
            }
            Ending::Exited(_) | Ending::Ended(_) => {}
        }
        pipelinex_common::fault_point!("worker.exited");
        let record = match self.record_of(&step, attempt, had_place, &ran) {
            Ok(record) => record,
            Err(error) => return StepReport::Broke(error.into()),
        };
        match self.collected(step, record, ran).await {
            Ok(record) => StepReport::Ended(slug, Box::new(record)),
            Err(Unpublished::Broke(broke)) => StepReport::Broke(broke),
            Err(Unpublished::NotMine) => StepReport::LetGo,
        }
    }

    /// Removes what a step has on the engine in the background; its end is on disk.
    pub fn remove_container(self: &Arc<Self>, step: &Slug) {
        // Taken now: what the next try has is remembered under the same name.
        let Some(made) = lock(&self.made).remove(step) else { return };
        let (me, step) = (self.clone(), step.clone());
        let removal = async move { me.remove_made(&step, &made).await };
        lock(&self.removals).spawn_on(removal, &self.worker.runtime);
    }

    /// Removes what a former holder left and nobody goes on with, before anything else: containers of steps whose ends are on disk,
    /// and what was to run beside those and beside steps that have no container. One of them may have been made by a holder that
    /// sleeps right before its start, and nothing is started once the job has ended.
    pub fn remove_left<T>(&self, ended: &BTreeMap<Slug, T>) {
        let mut left: Vec<String> = std::mem::take(&mut *lock(&self.over));
        let mut adopted = lock(&self.adopted);
        left.extend(adopted.extract_if(.., |step, _| ended.contains_key(step)).map(|(_, name)| name));
        left.extend(lock(&self.beside).drain(..).filter(|(step, _)| !adopted.contains_key(step)).map(|(_, name)| name));
        drop(adopted);
        let removals = left.iter().map(|name| async move {
            let removed = timeout(REMOVED_WITHIN, self.engine.remove_container(name)).await;
            if !matches!(removed, Ok(Ok(()))) {
                tracing::warn!(container = name, ?removed, "it could not be removed; the sweeper tries again");
            }
        });
        self.worker.runtime.block_on(futures::future::join_all(removals));
    }

    async fn remove_all_of(&self, step: &Slug) {
        let made = lock(&self.made).remove(step);
        if let Some(made) = made {
            self.remove_made(step, &made).await;
        }
    }

    async fn remove_made(&self, step: &Slug, made: &Resources) {
        if let Err(error) = self.engine.remove(made).await {
            tracing::warn!(job = %self.context.job, %step, %error, "a container could not be removed; the sweeper tries again");
        }
    }

    /// Waits until every removal under way is over.
    pub async fn removed(&self) {
        let mut removals = std::mem::take(&mut *lock(&self.removals));
        while removals.join_next().await.is_some() {}
    }

    fn timeout(&self, step: &Step) -> Duration {
        Duration::from_secs(spec::timeout_seconds(step, &self.worker.config.limits))
    }

    fn too_long(&self, step: &Step) -> Stop {
        let limit = self.timeout(step);
        let own = step.timeout_seconds.is_some_and(|own| own < self.worker.config.limits.timeout_seconds);
        let set_by = if own { "`timeout` in the pipeline" } else { "PIPELINEX_STEP_TIMEOUT of the worker" };
        Stop::timeout(limit, set_by)
    }
}
