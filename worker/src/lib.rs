//! The worker side of Pipelinex: claims jobs and runs their steps in hardened containers. A loop around a pure plan.

pub mod advisories;
pub mod board;
pub mod ca;
pub mod collect;
pub mod config;
pub mod consumer;
pub mod definition;
pub mod engine;
pub mod errand;
pub mod images;
pub mod inputs;
pub mod job_step;
pub mod logs;
pub mod modes;
pub mod poison;
pub mod reconcile;
pub mod run;
pub mod script;
pub mod services;
pub mod site;
pub mod spec;
pub mod step;
pub mod sweep;
pub mod take_up;
pub mod trash;
pub mod tree;
pub mod verdict;

use std::sync::{Arc, Mutex};

use pipelinex_common::{
    queue::JobBackend,
    store::{HeartbeatWatch, Store, WorkerIdentity},
};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use crate::{config::WorkerConfig, engine::Engine, reconcile::Desk, site::Site};

/// A worker process.
pub struct Worker {
    pub(crate) config: WorkerConfig,
    pub(crate) store: Store,
    pub(crate) identity: WorkerIdentity,
    pub(crate) runtime: tokio::runtime::Handle,
    pub(crate) shutdown: CancellationToken,
    pub(crate) step_slots: Semaphore,
    pub(crate) desk: Desk,
    engine: tokio::sync::Mutex<Option<Engine>>,
    site: tokio::sync::Mutex<Option<Site>>,
}

impl Worker {
    /// A worker that has not begun. Call it inside of a tokio runtime.
    pub fn new(config: WorkerConfig, store: Store, shutdown: CancellationToken) -> Arc<Self> {
        Self::known_as(WorkerIdentity::of_this_process(), HeartbeatWatch::default(), config, store, shutdown)
    }

    /// A worker that says that it is somebody else, and watches in its own way: for stories about several machines.
    pub fn known_as(
        identity: WorkerIdentity,
        watch: HeartbeatWatch,
        config: WorkerConfig,
        store: Store,
        shutdown: CancellationToken,
    ) -> Arc<Self> {
        Arc::new(Self {
            step_slots: Semaphore::new(config.parallel_steps.max(1)),
            desk: Desk::new(config.parallel.max(1), watch),
            identity,
            runtime: tokio::runtime::Handle::current(),
            config,
            store,
            shutdown,
            engine: tokio::sync::Mutex::default(),
            site: tokio::sync::Mutex::default(),
        })
    }
}

/// Works until told to stop: answers bells, and makes passes over the folders for what no bell rang for. Containers that
/// still run then go on without us; the next worker takes them up.
pub async fn run(config: WorkerConfig, store: Store, bells: JobBackend, shutdown: CancellationToken) {
    let parallel = config.parallel.max(1);
    let worker = Worker::new(config, store, shutdown.clone());
    let mut reconnects = bells.reconnects();
    let after_reconnects = {
        let worker = worker.clone();
        async move {
            // Bells may have been lost while the queue was away.
            while reconnects.changed().await.is_ok() {
                worker.desk.look.notify_one();
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
        consumer::run(bells, consumer::WorkerName::for_this_process(), parallel, handler, shutdown)
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
