//! The steps of one job: what each needs before its container (tree, volumes, network), and what is taken from it after.

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
    disk::DiskError,
    execution::StepRecord,
    layout::JobPaths,
    metadata::Metadata,
    pipeline::{
        Pipeline,
        model::{Network, Step, StepKind},
    },
    slug::Slug,
    state::{Reason, StepState},
    store::{Claim, Job, Store, StoreError, make_runner_dir},
};
use tokio::{sync::OnceCell, task::JoinSet};
use tokio_util::sync::CancellationToken;

use crate::{
    Worker,
    board::milliseconds,
    collect::{Collected, Collector},
    engine::{Engine, EngineError, VolumeSpec},
    lock,
    logs::LogWriter,
    run::RunError,
    spec::{self, JobContext, TreeKind},
    step::{Ending, Run, StepError, verdict},
    tree,
};

/// What a step's task says when it is over.
pub enum StepReport {
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
    paths: JobPaths,
    context: JobContext,
    attempt: AtomicU32,
    /// The step whose tree each step works in.
    owners: BTreeMap<String, Slug>,
    /// Whether a stage has several steps: their reports then lie in folders of their own.
    crowded: BTreeMap<String, bool>,
    claim: Arc<Mutex<Claim>>,
    claim_number: u64,
    /// Containers of a former holder that nobody has taken up yet.
    adopted: Mutex<BTreeMap<Slug, String>>,
    names: Mutex<BTreeMap<Slug, String>>,
    volume: OnceCell<()>,
    networks: [OnceCell<()>; 2],
    trees: Mutex<BTreeMap<Slug, Arc<OnceCell<()>>>>,
    removals: Mutex<JoinSet<()>>,
    let_go: CancellationToken,
}

impl JobSteps {
    /// Finds out everything that the steps share.
    ///
    /// # Errors
    /// [`RunError`].
    #[expect(clippy::too_many_arguments, reason = "called once; a struct would only repeat the fields")]
    pub fn prepare(
        worker: &Arc<Worker>,
        engine: &Engine,
        job: &Job,
        metadata: &Metadata,
        pipeline: &Pipeline,
        claim: Arc<Mutex<Claim>>,
        claim_number: u64,
        attempt: u32,
        adopted: BTreeMap<Slug, String>,
    ) -> Result<Self, RunError> {
        let site = worker.runtime.block_on(worker.site(engine))?;
        let slug_of = |name: &str| pipeline.steps.iter().find(|s| s.name == name).map(|s| s.slug.clone());
        let owners: BTreeMap<String, Slug> = pipeline
            .steps
            .iter()
            .map(|step| (step.name.clone(), slug_of(step.tree_owner()).unwrap_or_else(|| step.slug.clone())))
            .collect();
        let mut crowded = BTreeMap::new();
        for step in &pipeline.steps {
            crowded.entry(step.stage.clone()).and_modify(|several| *several = true).or_insert(false);
        }
        let context = JobContext {
            instance: worker.store.instance().clone(),
            job: job.id(),
            attempt,
            on_engine: JobPaths::at(site.workspaces.join(job.id().to_string())),
            // What a former holder began with decides: half of a job's trees would else be somewhere else.
            trees: tree::begun_with(job.paths()).unwrap_or(site.trees),
            volume_folders: engine.has_volume_folders(),
            ca: site.ca.clone(),
            limits: worker.config.limits.clone(),
            versions: versions(metadata),
        };
        Ok(Self {
            worker: worker.clone(),
            engine: engine.clone(),
            paths: job.paths().clone(),
            trees: Mutex::default(),
            context,
            attempt: AtomicU32::new(attempt),
            owners,
            crowded,
            claim,
            claim_number,
            adopted: Mutex::new(adopted),
            names: Mutex::default(),
            volume: OnceCell::new(),
            networks: [OnceCell::new(), OnceCell::new()],
            removals: Mutex::default(),
            let_go: worker.shutdown.child_token(),
        })
    }

    /// The attempt that is under way.
    pub fn attempt(&self) -> u32 {
        self.attempt.load(Ordering::Acquire)
    }

    /// A step's container is gone: begins the next attempt, unless another step's loss did so since this one was started,
    /// and clears away what the lost container left. Returns the number of the attempt.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn start_over(&self, job: &Job, step: &Step, ran_in: u32, tree_is_shared: bool) -> Result<u32, StoreError> {
        if ran_in == self.attempt() {
            let number = job.begin_attempt(&lock(&self.claim))?;
            self.attempt.store(number, Ordering::Release);
        }
        let owner = self.owner(step);
        if !tree_is_shared {
            lock(&self.trees).remove(owner);
        }
        clear_lost(&self.worker.store, &self.paths, step, (!tree_is_shared).then_some(owner))?;
        Ok(self.attempt())
    }

    /// Ends the tasks of all steps. Their containers go on.
    pub fn let_go(&self) {
        self.let_go.cancel();
    }

    /// Runs a step to its end. What it returns is not recorded yet.
    pub async fn run(self: Arc<Self>, step: Step) -> StepReport {
        let slug = step.slug.clone();
        let Ok(_slot) = self.worker.step_slots.acquire().await else { return StepReport::LetGo };
        let (started_at, attempt) = (Timestamp::now(), self.attempt());
        let ending = tokio::select! {
            () = self.let_go.cancelled() => Ok(Ending::Detached),
            ending = self.container(&step) => ending,
        };
        // A holder that was overtaken publishes nothing.
        if !lock(&self.claim).holds() {
            return StepReport::LetGo;
        }
        let (state, reason, message, exit_code) = match ending {
            Ok(Ending::Lost) => return StepReport::Lost(slug, attempt),
            Ok(Ending::Detached) | Err(StepError::NotMine) => return StepReport::LetGo,
            Ok(ending) => verdict(&ending, step.kind == StepKind::Scan, self.timeout(&step)),
            Err(error) => match failure(error) {
                Ok((reason, message)) => (StepState::Failed, Some(reason), message, None),
                Err(broke) => return StepReport::Broke(broke),
            },
        };
        let mut record = StepRecord::bare(&step.name, state, reason, message);
        record.exit_code = exit_code;
        record.attempt = Some(attempt);
        record.image = self.worker.image(&step.image).ok();
        record.started_at = Some(started_at);
        record.finished_at = Some(Timestamp::now());
        record.duration_ms = record.finished_at.map(|end| milliseconds(started_at, end));
        let me = self.clone();
        match tokio::task::spawn_blocking(move || me.collect(&step, record)).await {
            Ok(Ok(record)) => StepReport::Ended(slug, Box::new(record)),
            Ok(Err(error)) => StepReport::Broke(error.into()),
            Err(panic) => StepReport::Broke(
                DiskError::io("collect the reports of", self.paths.root())(std::io::Error::other(panic)).into(),
            ),
        }
    }

    /// Removes a step's container in the background; its end is on disk.
    pub fn remove_container(&self, step: &Slug) {
        let name = lock(&self.names).get(step).cloned();
        let Some(name) = name else { return };
        let engine = self.engine.clone();
        let removal = async move {
            if let Err(error) = engine.remove_container(&name).await {
                tracing::warn!(container = name, %error, "a container could not be removed; the sweeper tries again");
            }
        };
        lock(&self.removals).spawn_on(removal, &self.worker.runtime);
    }

    /// Waits until every removal under way is over.
    pub async fn removed(&self) {
        let mut removals = std::mem::take(&mut *lock(&self.removals));
        while removals.join_next().await.is_some() {}
    }

    fn timeout(&self, step: &Step) -> Duration {
        Duration::from_secs(spec::timeout_seconds(step, &self.worker.config.limits))
    }

    fn owner<'a>(&'a self, step: &'a Step) -> &'a Slug {
        self.owners.get(&step.name).unwrap_or(&step.slug)
    }

    async fn container(&self, step: &Step) -> Result<Ending, StepError> {
        let image = self.worker.image(&step.image)?;
        let owner = self.owner(step);
        let context = JobContext { attempt: self.attempt(), ..self.context.clone() };
        let mut container = spec::container(&context, step, owner, image);
        let adopted = lock(&self.adopted).remove(&step.slug);
        let fresh = adopted.is_none();
        match adopted {
            Some(name) => container.name = name,
            None => self.put_old_log_aside(step)?,
        }
        lock(&self.names).insert(step.slug.clone(), container.name.clone());
        self.make_ready(step, owner).await?;
        let claim = self.claim.clone();
        let run = Run {
            engine: &self.engine,
            spec: &container,
            fresh,
            may_pull: self.worker.config.may_pull(&container.image),
            open_log: &|| LogWriter::open(&self.paths, &step.slug, &self.worker.config.limits),
            timeout: self.timeout(step),
            detach: &self.let_go,
            holds: Arc::new(move || lock(&claim).holds()),
        };
        run.to_the_end().await
    }

    /// A container that is gone took the rest of its log along: what there is stays, under the number of its attempt.
    fn put_old_log_aside(&self, step: &Step) -> Result<(), DiskError> {
        let (log, index) = (self.paths.log(&step.slug), self.paths.log_index(&step.slug));
        if log.exists() {
            let aside = log.with_extension(format!("before-{}.log", self.attempt()));
            std::fs::rename(&log, &aside).map_err(DiskError::io("move", &log))?;
            let _ = std::fs::remove_file(&index);
        }
        Ok(())
    }

    /// Everything a container needs: its folders and script, and, made once for all steps, volumes and network.
    async fn make_ready(&self, step: &Step, owner: &Slug) -> Result<(), StepError> {
        make_runner_dir(&self.paths.outbox_of(&step.slug)).map_err(tree::TreeError::from)?;
        self.write_script(step)?;
        let volume = self.volume.get_or_try_init(|| self.engine_volume());
        let network = async {
            match step.network {
                Network::None => Ok(()),
                Network::Egress => {
                    self.networks[0].get_or_try_init(|| self.engine_network(Network::Egress)).await.map(|_| ())
                }
                Network::Internal => {
                    self.networks[1].get_or_try_init(|| self.engine_network(Network::Internal)).await.map(|_| ())
                }
            }
        };
        let (volume, network, tree) = tokio::join!(volume, network, self.make_tree(step, owner));
        volume?;
        network?;
        tree
    }

    /// Written again by every holder, from the definition: whatever a power cut left of it is never run.
    fn write_script(&self, step: &Step) -> Result<(), StepError> {
        use pipelinex_common::disk;
        let folder = self.paths.step_scripts();
        disk::make_dir(&folder, 0o755)?;
        for (name, text) in crate::script::files(step) {
            disk::write_unsynced(&folder.join(name), text.as_bytes(), 0o644)?;
        }
        Ok(())
    }

    /// The volume that the outbox is bound to, so that reports are collected through our own mount of it.
    async fn engine_volume(&self) -> Result<(), EngineError> {
        let device = self.context.on_engine.outbox().display().to_string();
        let options = [("type", "none".to_owned()), ("o", "bind".to_owned()), ("device", device)];
        let options = options.map(|(key, value)| (key.to_owned(), value)).into_iter().collect();
        let spec = VolumeSpec { name: self.context.reports_volume(), options, labels: self.context.labels() };
        self.engine.create_volume(&spec).await
    }

    async fn engine_network(&self, network: Network) -> Result<(), EngineError> {
        let Some(name) = self.context.network_name(network) else { return Ok(()) };
        self.engine.create_network(&name, network == Network::Internal, &self.context.labels()).await
    }

    async fn make_tree(&self, step: &Step, owner: &Slug) -> Result<(), StepError> {
        if step.kind == StepKind::Scan {
            return Ok(());
        }
        let cell = lock(&self.trees).entry(owner.clone()).or_default().clone();
        let made = cell.get_or_try_init(|| async {
            let (paths, tree, kind) = (self.paths.clone(), owner.clone(), self.context.trees);
            let prepared = tokio::task::spawn_blocking(move || tree::prepare(&paths, &tree, kind)).await;
            prepared.map_err(|panic| {
                DiskError::io("make the tree of", self.paths.root())(std::io::Error::other(panic))
            })??;
            if kind == TreeKind::Overlay {
                self.engine.create_volume(&tree::overlay_volume(&self.context, owner)).await?;
            }
            Ok::<(), StepError>(())
        });
        made.await.map(|_| ())
    }

    fn collect(&self, step: &Step, mut record: StepRecord) -> Result<StepRecord, DiskError> {
        let collector = Collector {
            paths: &self.paths,
            step,
            tree_owner: self.owner(step),
            trees: self.context.trees,
            reports_to: self.reports_to(step),
            limits: &self.worker.config.limits,
            claim: self.claim_number,
        };
        let succeeded = record.status == StepState::Success;
        let collected = collector.gather(succeeded)?;
        apply(&mut record, collected);
        record.allow_failure = record.status == StepState::Failed && step.allow_failure.allows(record.exit_code);
        collector.publish(&record)?;
        Ok(record)
    }

    fn reports_to(&self, step: &Step) -> PathBuf {
        let stage = self.paths.reports_of(&Slug::of(&step.stage));
        if self.crowded.get(&step.stage) == Some(&true) { stage.join(step.slug.as_str()) } else { stage }
    }
}

/// Clears away what a lost container left, so that its step starts clean: reports, the rest of its log, and its tree where no
/// step that has ended works in the same one.
///
/// # Errors
/// [`StoreError`].
pub fn clear_lost(store: &Store, paths: &JobPaths, step: &Step, tree_owner: Option<&Slug>) -> Result<(), StoreError> {
    let folders = [Some(paths.outbox_of(&step.slug)), tree_owner.map(|owner| paths.tree(owner))];
    for folder in folders.into_iter().flatten().filter(|folder| folder.exists()) {
        store.throw_away(&folder)?;
    }
    match std::fs::remove_file(paths.log_tail(&step.slug)) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(DiskError::io("remove", paths.log_tail(&step.slug))(error).into())
        }
        _ => Ok(()),
    }
}

/// Lays what was collected over the verdict. It can add detail, and take a success away that nothing shows; never give one.
fn apply(record: &mut StepRecord, collected: Collected) {
    record.tests = collected.tests;
    record.findings = collected.findings;
    record.artifacts = collected.artifacts;
    record.warnings.extend(collected.warnings);
    if let Some(message) = collected.message.filter(|m| !m.is_empty()) {
        record.message =
            if record.status == StepState::Success { message } else { format!("{} ({message})", record.message) };
    }
    if let Some(findings) = record.findings.filter(|findings| findings.total() > 0) {
        record.message = format!("passed with {} findings", findings.total());
    }
    if let Some(unbelievable) = collected.unbelievable {
        record.status = StepState::Failed;
        record.reason = Some(Reason::ToolError);
        record.message = format!("the tool ended well but shows no result: {unbelievable}");
    }
}

/// Whose fault an error is: a reason for the step, or something that ends our hold on the job.
fn failure(error: StepError) -> Result<(Reason, String), RunError> {
    match error {
        StepError::NoImage { .. } => Ok((Reason::ImageUnavailable, error.to_string())),
        StepError::Engine(engine) if engine.is_unreachable() => Err(engine.into()),
        StepError::Engine(engine) => Ok((Reason::EngineError, engine.to_string())),
        StepError::Tree(tree::TreeError::Foreign(error)) => {
            Ok((Reason::EngineError, format!("the tree could not be made: {error}")))
        }
        StepError::Tree(tree::TreeError::Store(error)) => Err(error.into()),
        StepError::Disk(error) => Err(error.into()),
        // Taken care of where it happens; a step that is not ours has no reason.
        StepError::NotMine => Ok((Reason::Interrupted, error.to_string())),
    }
}

fn versions(metadata: &Metadata) -> BTreeMap<String, String> {
    let versions = [("JAVA_VERSION", &metadata.versions.java), ("BUILD_TOOL_VERSION", &metadata.versions.build_tool)];
    versions.into_iter().filter_map(|(name, version)| Some((name.to_owned(), version.clone()?))).collect()
}
