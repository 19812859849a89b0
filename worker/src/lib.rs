//! The worker side of Pipelinex: claims jobs and runs their steps in hardened containers. A loop around a pure plan.

pub mod adopt;
pub mod advisories;
pub mod board;
pub mod ca;
mod caches;
pub mod causes;
pub mod collect;
pub mod config;
pub mod consumer;
pub mod definition;
pub mod engine;
pub mod environment;
pub mod gc;
pub mod growth;
pub mod helper;
pub mod home;
pub mod images;
pub mod inputs;
pub mod job_step;
pub mod kernel_log;
pub mod logs;
pub mod mask;
pub mod modes;
pub mod peak;
pub mod poison;
pub mod put_off;
pub mod quota;
pub mod reconcile;
pub mod run;
pub mod script;
pub mod secrets;
pub mod services;
pub mod solo;
pub mod spec;
pub mod stack_files;
pub mod step;
pub mod sweep;
pub mod trash;
pub mod tree;
pub mod upkeep;
pub mod verdict;
mod worker_state;

use std::sync::{Arc, Mutex};

use pipelinex_common::{
    queue::JobBackend,
    store::{HeartbeatWatch, Store, WorkerIdentity},
};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use crate::{config::WorkerConfig, engine::Engine, environment::Environment, growth::Guard, worker_state::WorkerState};

/// How a worker is told to stop.
#[derive(Clone, Debug, Default)]
pub struct StopOrders {
    /// Take no more jobs; those that run go on.
    pub drain: CancellationToken,
    /// Let go of the jobs that run, too: their containers go on, and the next worker takes them up.
    pub let_go: CancellationToken,
}

impl StopOrders {
    /// Whether jobs are still taken.
    pub fn takes_work(&self) -> bool {
        !self.drain.is_cancelled() && !self.let_go.is_cancelled()
    }

    /// Waits until no more jobs are taken.
    pub async fn no_more_work(&self) {
        tokio::select! {
            () = self.drain.cancelled() => {}
            () = self.let_go.cancelled() => {}
        }
    }
}

/// A worker process.
pub struct Worker {
    pub(crate) config: WorkerConfig,
    pub(crate) store: Store,
    pub(crate) identity: WorkerIdentity,
    pub(crate) runtime: tokio::runtime::Handle,
    pub(crate) stop: StopOrders,
    pub(crate) step_slots: Arc<Semaphore>,
    pub(crate) state: WorkerState,
    pub(crate) guard: Guard,
    engine: tokio::sync::Mutex<Option<Engine>>,
    environment: tokio::sync::Mutex<Option<Environment>>,
}

impl Worker {
    /// A worker that has not begun. Call it inside of a tokio runtime.
    pub fn new(config: WorkerConfig, store: Store, stop: StopOrders) -> Arc<Self> {
        Self::known_as(WorkerIdentity::of_this_process(), HeartbeatWatch::default(), config, store, stop)
    }

    /// A worker that says that it is somebody else, and watches in its own way: for stories about several machines.
    pub fn known_as(
        identity: WorkerIdentity,
        watch: HeartbeatWatch,
        config: WorkerConfig,
        store: Store,
        stop: StopOrders,
    ) -> Arc<Self> {
        Arc::new(Self {
            step_slots: Arc::new(Semaphore::new(config.parallel_steps.max(1))),
            state: WorkerState::new(config.parallel.max(1), watch),
            guard: Guard::default(),
            identity,
            runtime: tokio::runtime::Handle::current(),
            config,
            store,
            stop,
            engine: tokio::sync::Mutex::default(),
            environment: tokio::sync::Mutex::default(),
        })
    }
}

/// Works until told to stop, by one of its two orders: answers bells, and makes passes over the folders for what no bell rang
/// for. Returns once every job has ended, or was let go of.
pub async fn run(config: WorkerConfig, store: Store, bells: JobBackend, stop: StopOrders) {
    let parallel = config.parallel.max(1);
    let worker = Worker::new(config, store, stop.clone());
    let mut reconnects = bells.reconnects();
    let after_reconnects = {
        let worker = worker.clone();
        async move {
            // Bells may have been lost while the queue was away.
            while reconnects.changed().await.is_ok() {
                worker.state.look.notify_one();
            }
            std::future::pending::<()>().await;
        }
    };
    let answering = {
        let worker = worker.clone();
        let handler = move |id| {
            let worker = worker.clone();
            async move { worker.answer(id).await }
        };
        let no_more = CancellationToken::new();
        let ended = no_more.clone();
        let told = async move {
            stop.no_more_work().await;
            ended.cancel();
        };
        let consuming = consumer::run(bells, consumer::ConsumerName::for_this_process(), parallel, handler, no_more);
        async { futures::future::join(told, consuming).await }
    };
    tokio::select! {
        _ = futures::future::join(answering, worker.reconcile()) => {}
        () = after_reconnects => {}
    }
}

/// Locks, and goes on with what a panicking holder left: every value behind these locks is whole at any moment.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}
