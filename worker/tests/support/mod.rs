//! A world for stories about the worker: a workspaces folder, a real engine, and jobs with definitions of their own.
//! When a story is over, nothing of it may be left on the engine.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says so")]

use std::{
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    path::Path,
    sync::Arc,
    time::Duration,
};

use pipelinex_common::{
    execution::Execution,
    id::JobId,
    metadata::Metadata,
    store::{HeartbeatWatch, Job, STILL_FOR, Store, WorkerIdentity},
    testing::sample,
};
use pipelinex_worker::{StopOrders, Worker, config::WorkerConfig, engine::Engine, spec::LABEL_INSTANCE};

/// A story's surroundings.
pub struct World {
    pub store: Store,
    pub engine: Engine,
    pub config: WorkerConfig,
    folder: tempfile::TempDir,
}

/// A worker that runs until it is stopped.
pub struct Working {
    orders: StopOrders,
    task: tokio::task::JoinHandle<()>,
}

impl Working {
    /// Tells it to stop, and waits until it has let go of everything.
    pub async fn stop(self) {
        self.orders.let_go.cancel();
        self.task.await.unwrap();
    }

    /// Tells it to take no more jobs, and waits until those that run have ended.
    #[allow(dead_code, reason = "not every story drains")]
    pub async fn drain(self) {
        self.orders.drain.cancel();
        self.task.await.unwrap();
    }

    /// Tells it to take no more jobs.
    #[allow(dead_code, reason = "not every story drains")]
    pub fn begin_to_drain(&self) {
        self.orders.drain.cancel();
    }
}

/// Runs a story. Whatever it leaves on the engine fails it.
pub fn story(run: impl AsyncFnOnce(&mut World)) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let told = catch_unwind(AssertUnwindSafe(|| {
        runtime.block_on(async {
            let mut world = World::new().await;
            run(&mut world).await;
            let label = format!("{LABEL_INSTANCE}={}", world.store.instance().as_str());
            let left = world.engine.find(&[label]).await.unwrap();
            world.engine.remove(&left).await.unwrap();
            assert!(left.is_empty(), "left on the engine: {left:?}");
            world.remove_folder().await;
        })
    }));
    // A thread that hangs fails its story, and not everybody's.
    runtime.shutdown_timeout(Duration::from_secs(10));
    told.unwrap_or_else(|panic| resume_unwind(panic));
}

impl World {
    async fn new() -> Self {
        let folder = tempfile::Builder::new().prefix("pipelinex-test-").tempdir_in("/var/tmp").unwrap();
        let store = Store::open(folder.path()).unwrap();
        let engine =
            Engine::connect(None).await.expect("these tests need a container engine: `make test` brings one up");
        let mut config = WorkerConfig { reconcile_every: Duration::from_millis(200), ..WorkerConfig::default() };
        let of_stack = include_str!("../../../pipelines/java-spring-boot-maven/images.env");
        config.images.extend(pipelinex_common::pipeline::images::read("images.env", of_stack).unwrap());
        Self { store, engine, config, folder }
    }

    /// A thread of the worker's that nobody waits for may be emptying the trash in it at the same time.
    async fn remove_folder(self) {
        let folder = self.folder.keep();
        until("the folder is removed", async || {
            let _ = std::fs::remove_dir_all(&folder);
            (!folder.exists()).then_some(())
        })
        .await;
    }

    /// Admits a job with this definition and these source files.
    pub fn submit(&self, definition: &str, files: &[(&str, &str)]) -> Job {
        self.submit_with(definition, files, |_| {})
    }

    /// The same, with an admission record that says something else than the sample.
    pub fn submit_with(&self, definition: &str, files: &[(&str, &str)], change: impl FnOnce(&mut Metadata)) -> Job {
        let pipeline = pipelinex_common::pipeline::read("pipeline.yml", definition).unwrap_or_else(|e| panic!("{e}"));
        let staging = self.store.stage().unwrap();
        for (path, content) in files {
            let path = staging.paths().source().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, content).unwrap();
        }
        std::fs::write(staging.paths().definition(), definition).unwrap();
        let id = JobId::generate();
        let mut metadata = sample::metadata(id, pipeline.stages.iter().map(String::as_str));
        change(&mut metadata);
        self.store.admit(staging, &metadata).unwrap();
        self.store.job(id).unwrap()
    }

    /// Starts a worker.
    pub fn work(&self) -> Working {
        self.work_as(WorkerIdentity::of_this_process(), STILL_FOR)
    }

    /// Starts a worker that says who it is, and for which a heartbeat is dead after that time.
    pub fn work_as(&self, identity: WorkerIdentity, still_for: Duration) -> Working {
        let (config, store, orders) = (self.config.clone(), self.store.clone(), StopOrders::default());
        let watch = HeartbeatWatch::new(still_for);
        let worker: Arc<Worker> = Worker::known_as(identity, watch, config, store, orders.clone());
        Working { orders, task: tokio::spawn(async move { worker.reconcile().await }) }
    }

    /// Runs a job to its end with a worker of its own.
    #[allow(dead_code, reason = "not every story runs one job alone")]
    pub async fn run(&self, job: &Job) -> Execution {
        let working = self.work();
        let end = self.end_of(job).await;
        working.stop().await;
        end
    }

    /// Waits for the end of a job.
    pub async fn end_of(&self, job: &Job) -> Execution {
        until("the job ends", async || job.final_record().unwrap()).await
    }
}

/// Looks again and again until there is an answer; a generous deadline keeps a broken test from hanging.
pub async fn until<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    for _ in 0..2400 {
        if let Some(answer) = look().await {
            return answer;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("waited two minutes until {what}");
}

/// The text of a file of a job.
pub fn text(path: impl AsRef<Path>) -> String {
    let path = path.as_ref();
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The names in a folder of a job.
#[allow(dead_code, reason = "not every story counts files")]
pub fn names(path: impl AsRef<Path>) -> Vec<String> {
    let mut names: Vec<String> =
        std::fs::read_dir(path).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}
