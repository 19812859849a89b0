//! Finding work: one pass over the folders takes every job that nobody holds, whether a message ever came for it or not.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use pipelinex_common::{
    id::JobId,
    store::{ClaimOutcome, HeartbeatWatch, Snapshot, StoreError},
};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};

use crate::{
    Worker, lock,
    run::{Left, run_job},
};

/// Pause before a job is tried again that the disk or the engine did not let us run.
const TRY_AGAIN: Duration = Duration::from_secs(10);

/// What this process has in hand.
pub struct Desk {
    slots: Arc<Semaphore>,
    /// Jobs this process runs.
    mine: Mutex<HashSet<JobId>>,
    /// Jobs known to have ended: never looked at again.
    ended: Mutex<HashSet<JobId>>,
    /// Jobs that could not be run to their end, and when each is tried again: never, where its files cannot be read.
    put_off: Mutex<HashMap<JobId, Option<Instant>>>,
    watch: Mutex<HeartbeatWatch>,
    /// Rung when a pass is worth making before its time.
    pub(crate) look: Notify,
}

impl Desk {
    pub(crate) fn new(parallel: usize) -> Self {
        Self {
            slots: Arc::new(Semaphore::new(parallel)),
            mine: Mutex::default(),
            ended: Mutex::default(),
            put_off: Mutex::default(),
            watch: Mutex::default(),
            look: Notify::new(),
        }
    }
}

impl Worker {
    /// Makes passes until told to stop, then waits until every job was let go of.
    pub async fn reconcile(self: &Arc<Self>) {
        self.sweep().await;
        while !self.shutdown.is_cancelled() {
            if let Err(error) = self.reconcile_once().await {
                tracing::warn!(%error, "a pass over the folders failed; trying again");
            }
            tokio::select! {
                () = self.shutdown.cancelled() => {}
                () = self.desk.look.notified() => {}
                () = tokio::time::sleep(self.config.reconcile_every) => {}
            }
        }
        // Every running job holds a slot until it was let go of.
        let _ = self.desk.slots.acquire_many(self.config.parallel.max(1) as u32).await;
    }

    /// One pass over all folders, oldest job first, as long as there is a slot.
    ///
    /// # Errors
    /// [`StoreError`] when the workspaces folder cannot be listed. A job that cannot be read is logged and passed over.
    pub async fn reconcile_once(self: &Arc<Self>) -> Result<(), StoreError> {
        let me = self.clone();
        let listed = tokio::task::spawn_blocking(move || me.open_jobs()).await;
        let open = listed.unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()))?;
        for id in open {
            let Ok(slot) = self.desk.slots.clone().try_acquire_owned() else { break };
            self.clone().take(id, slot);
        }
        Ok(())
    }

    /// A bell rang for a job: runs it if it can be claimed, and returns when it was let go of. When no slot is free, the pass
    /// after the next job's end finds it.
    pub async fn answer(self: &Arc<Self>, id: JobId) {
        if self.shutdown.is_cancelled() || lock(&self.desk.ended).contains(&id) {
            return;
        }
        let Ok(slot) = self.desk.slots.clone().acquire_owned().await else { return };
        if let Some(handle) = self.clone().take(id, slot) {
            let _ = handle.await;
        }
    }

    /// Claims and runs a job on a thread of its own.
    fn take(self: Arc<Self>, id: JobId, slot: OwnedSemaphorePermit) -> Option<tokio::task::JoinHandle<()>> {
        if self.shutdown.is_cancelled() || !lock(&self.desk.mine).insert(id) {
            return None;
        }
        let runtime = self.runtime.clone();
        Some(runtime.spawn_blocking(move || {
            // A panic over one job's data must not take the others along, nor keep the job for ever.
            let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| self.claim_and_run(id)));
            let ran = result.unwrap_or_else(|_| {
                tracing::error!(job = %id, "handling this job panicked");
                false
            });
            lock(&self.desk.mine).remove(&id);
            drop(slot);
            if ran {
                self.desk.look.notify_one();
            }
        }))
    }

    /// Whether the job was run here.
    fn claim_and_run(self: &Arc<Self>, id: JobId) -> bool {
        match self.try_claim_and_run(id) {
            Ok(ran) => ran,
            Err(error) => {
                // It stays as it is on disk. One that cannot be read is not opened again and again.
                let again = if error.is_about_the_job() { None } else { Some(Instant::now() + TRY_AGAIN) };
                tracing::error!(job = %id, %error, tried_again = again.is_some(), "a job could not be run to its end");
                lock(&self.desk.put_off).insert(id, again);
                false
            }
        }
    }

    fn try_claim_and_run(self: &Arc<Self>, id: JobId) -> Result<bool, crate::run::RunError> {
        // Without an engine nothing is claimed: the job waits, visibly queued.
        let engine = match self.runtime.block_on(self.engine()) {
            Ok(engine) => engine,
            Err(error) => {
                tracing::warn!(%error, "jobs wait for the container engine");
                return Ok(false);
            }
        };
        let job = self.store.job(id)?;
        let outcome = job.claim(&self.identity, &mut lock(&self.desk.watch))?;
        match outcome {
            ClaimOutcome::Ended => _ = lock(&self.desk.ended).insert(id),
            ClaimOutcome::Held { .. } => {}
            ClaimOutcome::Won(claim) => {
                tracing::info!(job = %id, claim = claim.number(), "claimed");
                if run_job(self, engine, &job, claim)? == Left::Finished {
                    lock(&self.desk.ended).insert(id);
                }
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The jobs that may be waiting for a holder, oldest first.
    fn open_jobs(&self) -> Result<Vec<JobId>, StoreError> {
        let mut ids = self.store.ids()?;
        ids.reverse();
        let (mine, mut ended, mut put_off) = (lock(&self.desk.mine), lock(&self.desk.ended), lock(&self.desk.put_off));
        put_off.retain(|_, again| again.is_none_or(|again| again > Instant::now()));
        ids.retain(|id| !mine.contains(id) && !ended.contains(id) && !put_off.contains_key(id));
        ids.retain(|id| match self.store.job(*id).map(|job| job.look()) {
            Ok(Snapshot::Open) => true,
            Ok(Snapshot::Ended) => {
                ended.insert(*id);
                false
            }
            Err(_) => false,
        });
        let open: HashSet<JobId> = ids.iter().copied().collect();
        lock(&self.desk.watch).retain(|id| open.contains(&id));
        Ok(ids)
    }

    async fn sweep(&self) {
        let engine = match self.engine().await {
            Ok(engine) => engine,
            Err(error) => return tracing::warn!(%error, "no container engine yet: jobs will wait"),
        };
        match crate::sweep::ended_jobs(&engine, &self.store).await {
            Ok(0) => {}
            Ok(jobs) => tracing::info!(jobs, "removed what was left of jobs that have ended"),
            Err(error) => tracing::warn!(%error, "what is left of ended jobs could not be removed"),
        }
    }
}
