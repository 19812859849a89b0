//! Finding work: one pass over the folders takes every job that nobody holds, whether a message ever came for it or not.

use std::{
    collections::{HashMap, HashSet, hash_map::Entry},
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Mutex, MutexGuard},
    time::{Duration, Instant},
};

use pipelinex_common::{
    id::JobId,
    store::{Claim, ClaimOutcome, HeartbeatWatch, Job, Snapshot, StoreError},
};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, oneshot};

use crate::{
    Worker,
    engine::Engine,
    lock, poison,
    run::{Left, RunError, run_job},
};

/// Pause between two looks for what jobs that have ended left behind.
const SWEEP_EVERY: Duration = Duration::from_secs(60);
/// Pause before a job is tried again that the disk or the engine did not let us run.
pub(crate) const TRY_AGAIN: Duration = Duration::from_secs(10);
/// Jobs that are ended at the same time because somebody wishes it, besides those that run.
const PARALLEL_ENDS: usize = 4;

/// What this process has in hand.
pub struct Desk {
    slots: Arc<Semaphore>,
    /// Places for jobs that nobody holds and that only have to be ended: none of them waits for those that run.
    ends: Arc<Semaphore>,
    /// Jobs this process runs, and what is rung when their wishes are worth a look.
    mine: Mutex<HashMap<JobId, Arc<Notify>>>,
    /// Jobs known to have ended: never looked at again.
    ended: Mutex<HashSet<JobId>>,
    /// Jobs that could not be run to their end, and when each is tried again: never, where its files cannot be read.
    put_off: Mutex<HashMap<JobId, Option<Instant>>>,
    watch: Mutex<HeartbeatWatch>,
    /// Held by the thread that empties the trash.
    pub(crate) trash: Mutex<()>,
    /// Rung when a pass is worth making before its time.
    pub(crate) look: Notify,
}

impl Desk {
    pub(crate) fn new(parallel: usize, watch: HeartbeatWatch) -> Self {
        Self {
            slots: Arc::new(Semaphore::new(parallel)),
            ends: Arc::new(Semaphore::new(PARALLEL_ENDS)),
            mine: Mutex::default(),
            ended: Mutex::default(),
            put_off: Mutex::default(),
            watch: Mutex::new(watch),
            trash: Mutex::default(),
            look: Notify::new(),
        }
    }

    /// What is remembered of heartbeats.
    pub(crate) fn watch(&self) -> MutexGuard<'_, HeartbeatWatch> {
        lock(&self.watch)
    }

    /// Whether a job is known to have ended.
    pub(crate) fn has_ended(&self, id: JobId) -> bool {
        lock(&self.ended).contains(&id)
    }

    fn waits_for_another_try(&self) -> bool {
        lock(&self.put_off).values().any(Option::is_some)
    }
}

impl Worker {
    /// Makes passes until told to stop, then waits until every job was let go of.
    pub async fn reconcile(self: &Arc<Self>) {
        let mut swept: Option<Instant> = None;
        while !self.shutdown.is_cancelled() {
            if swept.is_none_or(|at| at.elapsed() >= SWEEP_EVERY) {
                self.sweep().await;
                swept = Some(Instant::now());
            }
            if let Err(error) = self.reconcile_once().await {
                tracing::warn!(%error, "a pass over the folders failed; trying again");
            }
            self.show_life();
            let pause = if self.desk.waits_for_another_try() { TRY_AGAIN } else { self.config.reconcile_every };
            tokio::select! {
                () = self.shutdown.cancelled() => {}
                () = self.desk.look.notified() => {}
                () = tokio::time::sleep(pause.min(self.config.reconcile_every)) => {}
            }
        }
        // Every running job holds a slot until it was let go of.
        let _ = self.desk.slots.acquire_many(self.config.parallel.max(1) as u32).await;
        let _ = self.desk.ends.acquire_many(PARALLEL_ENDS as u32).await;
    }

    /// Touches the file by which others see that passes are made.
    fn show_life(&self) {
        let Some(path) = &self.config.health_file else { return };
        if let Err(error) = std::fs::write(path, b"") {
            tracing::warn!(path = %path.display(), %error, "the health file cannot be written");
        }
    }

    /// One pass over all folders, oldest job first, as long as there is a slot. A job that somebody else holds takes none.
    ///
    /// # Errors
    /// [`StoreError`] when the workspaces folder cannot be listed. A job that cannot be read is logged and passed over.
    pub async fn reconcile_once(self: &Arc<Self>) -> Result<(), StoreError> {
        let me = self.clone();
        let pass = move || {
            for id in me.open_jobs()? {
                if let Some(slot) = me.place_for(id) {
                    me.take(id, slot);
                }
            }
            Ok(())
        };
        let passed = tokio::task::spawn_blocking(pass).await;
        passed.unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()))
    }

    /// A place to run a job in; when all are taken, one to end it in, if that is all that somebody wishes for.
    fn place_for(&self, id: JobId) -> Option<OwnedSemaphorePermit> {
        if let Ok(slot) = self.desk.slots.clone().try_acquire_owned() {
            return Some(slot);
        }
        let wished = self.store.job(id).is_ok_and(|job| job.cancel_wish().is_some());
        wished.then(|| self.desk.ends.clone().try_acquire_owned().ok()).flatten()
    }

    /// A bell rang for a job: runs it if it can be claimed, and returns when it was let go of. For one that runs here it means
    /// that there is a wish to look at.
    pub async fn answer(self: &Arc<Self>, id: JobId) {
        if let Some(bell) = lock(&self.desk.mine).get(&id) {
            bell.notify_one();
            return;
        }
        let Ok(slot) = self.desk.slots.clone().acquire_owned().await else { return };
        pipelinex_common::fault_point!("worker.bell");
        let me = self.clone();
        if let Ok(Some(done)) = tokio::task::spawn_blocking(move || me.take(id, slot)).await {
            let _ = done.await;
        }
    }

    /// Claims a job, and runs it on a thread of its own if it is ours. The receiver ends when the job was let go of.
    fn take(self: &Arc<Self>, id: JobId, slot: OwnedSemaphorePermit) -> Option<oneshot::Receiver<()>> {
        if self.shutdown.is_cancelled() || lock(&self.desk.ended).contains(&id) {
            return None;
        }
        let bell = match lock(&self.desk.mine).entry(id) {
            Entry::Occupied(_) => return None,
            Entry::Vacant(free) => free.insert(Arc::default()).clone(),
        };
        let claimed = match self.claim(id) {
            Ok(Some(claimed)) => claimed,
            Ok(None) => {
                lock(&self.desk.mine).remove(&id);
                return None;
            }
            Err(error) => {
                self.put_off(id, &error);
                lock(&self.desk.mine).remove(&id);
                return None;
            }
        };
        let (done, waiting) = oneshot::channel();
        let me = self.clone();
        let run = move || {
            me.run(id, claimed, &bell);
            lock(&me.desk.mine).remove(&id);
            drop(slot);
            me.desk.look.notify_one();
            drop(done);
        };
        if let Err(error) = std::thread::Builder::new().name(format!("job {id}")).spawn(run) {
            tracing::error!(job = %id, %error, "no thread for a job; its claim is free again");
            lock(&self.desk.mine).remove(&id);
            return None;
        }
        Some(waiting)
    }

    pub(crate) fn claim(self: &Arc<Self>, id: JobId) -> Result<Option<(Option<Engine>, Job, Claim)>, RunError> {
        let job = match self.store.job(id) {
            Ok(job) => job,
            // Not here, or not yet: a forged bell, or a folder that arrives later than its bell.
            Err(StoreError::NoSuchJob(_)) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        // Without an engine nothing is claimed but what is canceled before it began: the job waits, visibly queued.
        let engine = match job.latest_attempt()? == 0 && job.cancel_wish().is_some() {
            true => None,
            false => Some(self.runtime.block_on(self.engine())?),
        };
        match job.claim(&self.identity, &mut lock(&self.desk.watch))? {
            ClaimOutcome::Ended => _ = lock(&self.desk.ended).insert(id),
            ClaimOutcome::Held { .. } => {}
            ClaimOutcome::Won(claim) => return Ok(Some((engine, job, claim))),
        }
        Ok(None)
    }

    fn run(self: &Arc<Self>, id: JobId, (engine, job, claim): (Option<Engine>, Job, Claim), bell: &Arc<Notify>) {
        tracing::info!(job = %id, claim = claim.number(), "claimed");
        pipelinex_common::fault_event!("claim", job = id, claim = claim.number());
        pipelinex_common::fault_point!("worker.claimed");
        // A panic over one job's data must not take the others along, nor come again at once.
        let ran = catch_unwind(AssertUnwindSafe(|| match (poison::suspected(&job), &engine) {
            (Some(deaths), Some(engine)) => poison::run_apart(self, engine, &job, claim, &deaths),
            _ => run_job(self, engine, &job, claim, bell),
        }));
        match ran {
            Ok(Ok(Left::Finished)) => _ = lock(&self.desk.ended).insert(id),
            Ok(Ok(Left::Open)) => {}
            Ok(Ok(Left::Apart)) => _ = lock(&self.desk.put_off).insert(id, Some(Instant::now() + TRY_AGAIN)),
            Ok(Err(error)) => self.put_off(id, &error),
            Err(_) => {
                tracing::error!(job = %id, "handling this job panicked");
                lock(&self.desk.put_off).insert(id, Some(Instant::now() + TRY_AGAIN));
            }
        }
    }

    /// A job that could not be run stays as it is on disk. One that cannot be read is not opened again and again.
    fn put_off(&self, id: JobId, error: &RunError) {
        let again = if error.is_about_the_job() { None } else { Some(Instant::now() + TRY_AGAIN) };
        if let RunError::Engine(error) = error {
            tracing::warn!(job = %id, %error, "jobs wait for the container engine");
        } else {
            tracing::error!(job = %id, %error, tried_again = again.is_some(), "a job could not be run to its end");
        }
        lock(&self.desk.put_off).insert(id, again);
    }

    /// The jobs that may be waiting for a holder, oldest first.
    fn open_jobs(&self) -> Result<Vec<JobId>, StoreError> {
        let mut ids = self.store.ids()?;
        ids.reverse();
        {
            let (mine, ended) = (lock(&self.desk.mine), lock(&self.desk.ended));
            let mut put_off = lock(&self.desk.put_off);
            put_off.retain(|_, again| again.is_none_or(|again| again > Instant::now()));
            ids.retain(|id| !mine.contains_key(id) && !ended.contains(id) && !put_off.contains_key(id));
        }
        // Looked at without a lock: there may be many, on a slow disk.
        let mut ended = Vec::new();
        ids.retain(|id| match self.store.job(*id) {
            Ok(job) if job.look() == Snapshot::Open => true,
            Ok(job) => {
                ended.push(job);
                false
            }
            Err(_) => false,
        });
        for job in ended {
            // What a worker that died right after the end did not get to.
            if job.paths().outbox().exists()
                && let Err(error) = crate::sweep::remove_folders(&self.store, &job)
            {
                tracing::warn!(job = %job.id(), %error, "what is left of an ended job could not be removed");
            }
            lock(&self.desk.ended).insert(job.id());
        }
        let open: HashSet<JobId> = ids.iter().copied().collect();
        lock(&self.desk.watch).retain(|id| open.contains(&id));
        Ok(ids)
    }

    async fn sweep(self: &Arc<Self>) {
        self.empty_trash();
        let swept = match self.engine().await {
            Ok(engine) => crate::sweep::ended_jobs(&engine, &self.store).await,
            Err(error) => Err(error),
        };
        match swept {
            Ok(0) => {}
            Ok(jobs) => tracing::info!(jobs, "removed what was left of jobs that have ended"),
            Err(error) => tracing::warn!(%error, "the container engine cannot be asked: jobs wait"),
        }
    }
}
