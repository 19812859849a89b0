//! What every handler may use.

use std::sync::Arc;

use pipelinex_common::{
    id::JobId,
    queue::Doorbell,
    store::{Job, Store},
};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use crate::{
    access::{Book, Principal, Right, WrongTokens},
    config::Config,
    error::ApiError,
    history::History,
    http::free_space::FreeSpace,
    http::shares::Shares,
    metrics::Metrics,
    stacks::Stacks,
    submission::idempotency::Turns,
    watch::Watching,
};

/// The state of the server; clones share it.
#[derive(Clone, Debug)]
pub struct App {
    /// The jobs.
    pub store: Store,
    /// Tells a worker to look.
    pub doorbell: Doorbell,
    /// The stacks that can be submitted.
    pub stacks: Arc<Stacks>,
    /// What the operator decided.
    pub config: Arc<Config>,
    /// What is done at the same time.
    pub slots: Slots,
    /// What is done one after another: submissions of the same key.
    pub turns: Arc<Turns>,
    /// Whether there is space for more.
    pub free_space: Arc<FreeSpace>,
    /// The jobs that somebody reads along.
    pub watching: Arc<Watching>,
    /// Canceled when the server stops: what goes on until a job has ended ends then.
    pub closing: CancellationToken,
    /// The tokens of this folder.
    pub tokens: Arc<Book>,
    /// Who sent wrong ones.
    pub wrong_tokens: Arc<WrongTokens>,
    /// What it counts.
    pub metrics: Metrics,
    /// What it remembers of all jobs.
    pub history: Arc<History>,
}

/// The places of [`crate::config::ParallelLimits`]. Those that clients can hold are shared among them.
#[derive(Clone, Debug)]
pub struct Slots {
    /// Requests that came by a trusted proxy.
    pub forwarded: Arc<Shares>,
    /// Uploads.
    pub uploads: Arc<Shares>,
    /// Clones.
    pub clones: Arc<Shares>,
    /// Files that are being sent.
    pub downloads: Arc<Shares>,
    /// Projects that are unpacked and judged.
    pub intakes: Arc<Semaphore>,
    /// Reads of the disk.
    pub reads: Arc<Semaphore>,
    /// Report archives that are being made.
    pub archives: Arc<Semaphore>,
}

impl App {
    /// A server over one workspaces folder.
    pub fn new(store: Store, doorbell: Doorbell, stacks: Stacks, config: Config) -> Self {
        let places = |most| Arc::new(Semaphore::new(most));
        let slots = Slots {
            forwarded: Shares::new(config.connections.most),
            uploads: Shares::new(config.parallel.uploads),
            clones: Shares::new(config.parallel.clones),
            downloads: Shares::new(config.parallel.downloads),
            intakes: places(config.parallel.intakes),
            reads: places(config.parallel.reads),
            archives: places(config.parallel.archives),
        };
        let free_space = Arc::new(FreeSpace::new(config.min_free.clone()));
        Self {
            store,
            doorbell,
            stacks: Arc::new(stacks),
            config: Arc::new(config),
            slots,
            turns: Arc::default(),
            free_space,
            watching: Arc::default(),
            closing: CancellationToken::new(),
            tokens: Arc::default(),
            wrong_tokens: Arc::default(),
            metrics: Metrics::default(),
            history: Arc::default(),
        }
    }

    /// Reads from the disk aside from the tasks that serve connections, so many at once as the configuration says.
    ///
    /// # Errors
    /// Those of `read`.
    pub async fn read<T, F>(&self, read: F) -> Result<T, ApiError>
    where
        T: Send + 'static,
        F: FnOnce(&Store) -> Result<T, ApiError> + Send + 'static,
    {
        let place = Arc::clone(&self.slots.reads).acquire_owned().await.map_err(ApiError::internal)?;
        let store = self.store.clone();
        let work = move || {
            let _place = place;
            read(&store)
        };
        tokio::task::spawn_blocking(work).await.map_err(ApiError::internal)?
    }

    /// [`Self::read`] of one job, for somebody who has that right on it.
    ///
    /// # Errors
    /// 404 where there is no such job, or none that they may see, and those of `read`.
    pub async fn with_job<T, F>(&self, who: &Principal, right: Right, id: JobId, read: F) -> Result<T, ApiError>
    where
        T: Send + 'static,
        F: FnOnce(&Job) -> Result<T, ApiError> + Send + 'static,
    {
        let who = who.clone();
        self.read(move |store| {
            let job = store.job(id)?;
            who.check(right, &job)?;
            let answer = read(&job);
            // A job that is removed goes by one rename. What was read before it is whole; after it, nothing is.
            store.job(id)?;
            answer
        })
        .await
    }

    /// [`Self::with_job`] for those who only look.
    ///
    /// # Errors
    /// As there.
    pub async fn read_job<T, F>(&self, who: &Principal, id: JobId, read: F) -> Result<T, ApiError>
    where
        T: Send + 'static,
        F: FnOnce(&Job) -> Result<T, ApiError> + Send + 'static,
    {
        self.with_job(who, Right::See, id, read).await
    }
}
