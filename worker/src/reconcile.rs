//! Finding work: one pass over the folders takes every job that nobody holds, whether a message ever came for it or not.

use std::{
    collections::hash_map::Entry,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    time::{Duration, Instant},
};

use pipelinex_common::{
    id::JobId,
    store::{Claim, ClaimOutcome, Job, Quarantine, Snapshot, StoreError},
};
use tokio::sync::{Notify, OwnedSemaphorePermit, oneshot};
use tokio_util::task::AbortOnDropHandle;

use crate::{
    Worker,
    desk::PARALLEL_ENDS,
    engine::Engine,
    lock, poison,
    put_off::TRY_AGAIN,
    run::{Left, RunError, run_job},
    sweep,
};

/// How long a job may take to be let go of, such as one in whose middle a large artifact is collected.
const LETTING_GO: Duration = Duration::from_secs(20);
impl Worker {
    /// Makes passes until told to stop, then waits until every job was let go of.
    pub async fn reconcile(self: &Arc<Self>) {
        // Beside the passes: to remove what was left may take long, and nobody's job waits for it.
        let _upkeep = AbortOnDropHandle::new(tokio::spawn(self.clone().keep_up()));
        while self.stop.takes_work() {
            if let Err(error) = self.reconcile_once().await {
                tracing::warn!(%error, "a pass over the folders failed; trying again");
            }
            self.show_life();
            let pause = if self.desk.waits_for_another_try() { TRY_AGAIN } else { self.config.reconcile_every };
            tokio::select! {
                () = self.stop.no_more_work() => {}
                () = self.desk.look.notified() => {}
                () = tokio::time::sleep(pause.min(self.config.reconcile_every)) => {}
            }
        }
        // Every running job holds a slot until it was let go of.
        let let_go = async {
            let _ = self.desk.slots.acquire_many(self.config.parallel.max(1) as u32).await;
            let _ = self.desk.ends.acquire_many(PARALLEL_ENDS as u32).await;
        };
        let mut let_go = std::pin::pin!(let_go);
        let mut told = None;
        while tokio::time::timeout(self.config.reconcile_every.min(LETTING_GO), &mut let_go).await.is_err() {
            self.show_life();
            if self.stop.let_go.is_cancelled() && told.get_or_insert_with(Instant::now).elapsed() >= LETTING_GO {
                tracing::warn!("a job is not let go of in time: this process ends, and the next worker takes it up");
                return;
            }
        }
    }

    /// Touches the file by which others see that passes are made.
    fn show_life(&self) {
        let Some(path) = &self.config.health_file else { return };
        if let Err(error) = std::fs::write(path, b"") {
            tracing::warn!(path = %path.display(), %error, "the health file cannot be written");
        }
    }

    /// One pass over all folders, oldest job first, as long as there is a slot. A job that somebody else holds takes none.
    /// What has ended is looked at once in the life of this process, and what waits not before its turn.
    ///
    /// # Errors
    /// [`StoreError`] when the workspaces folder cannot be listed. A job that cannot be read is logged and passed over.
    pub async fn reconcile_once(self: &Arc<Self>) -> Result<(), StoreError> {
        let me = self.clone();
        let pass = move || {
            let mut engine = None;
            for id in me.not_ended()? {
                if !me.is_open(id) {
                    continue;
                }
                let Some(slot) = me.place_for(id) else { continue };
                // Asked once: without it ten thousand jobs would each learn for themselves that it is away.
                if *engine.get_or_insert_with(|| me.engine_answers()) || me.is_wished(id) {
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
        self.is_wished(id).then(|| self.desk.ends.clone().try_acquire_owned().ok()).flatten()
    }

    fn is_wished(&self, id: JobId) -> bool {
        self.store.job(id).is_ok_and(|job| job.cancel_wish().is_some())
    }

    fn engine_answers(&self) -> bool {
        let away = self.runtime.block_on(self.engine()).err().map(|error| error.to_string());
        let answers = away.is_none();
        let before = std::mem::replace(&mut *lock(&self.desk.engine_away), away.clone());
        if let Some(error) = away.filter(|error| before.as_ref() != Some(error)) {
            tracing::warn!(error, "jobs wait for the container engine");
        }
        answers
    }

    /// A bell rang for a job: runs it if it can be claimed, and returns when it was let go of, or no more work is taken. For one
    /// that runs here it means that there is a wish to look at.
    pub async fn answer(self: &Arc<Self>, id: JobId) {
        if let Some(bell) = lock(&self.desk.mine).get(&id) {
            bell.notify_one();
            return;
        }
        let Ok(slot) = self.desk.slots.clone().acquire_owned().await else { return };
        pipelinex_common::fault_point!("worker.bell");
        let me = self.clone();
        if let Ok(Some(done)) = tokio::task::spawn_blocking(move || me.take(id, slot)).await {
            // Jobs that are brought to their end before this process stops keep their places, and need no handler.
            tokio::select! {
                _ = done => {}
                () = self.stop.no_more_work() => {}
            }
        }
    }

    /// Claims a job, and runs it on a thread of its own if it is ours. The receiver ends when the job was let go of.
    fn take(self: &Arc<Self>, id: JobId, slot: OwnedSemaphorePermit) -> Option<oneshot::Receiver<()>> {
        // A bell may ring for one that has ended.
        if !self.stop.takes_work() || (self.desk.has_ended(id) && !self.is_open(id)) {
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
        if let Some(quarantine) = job.quarantine() {
            self.set_aside(id, &quarantine);
            return Ok(None);
        }
        // Without an engine nothing is claimed but what is canceled before it began: the job waits, visibly queued.
        let engine = match job.latest_attempt()? == 0 && job.cancel_wish().is_some() {
            true => None,
            false => Some(self.runtime.block_on(self.engine())?),
        };
        match job.claim(&self.identity, &mut self.desk.watch())? {
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
            Ok(Ok(Left::Apart)) => lock(&self.desk.put_off).for_a_while(id),
            Ok(Err(error)) => self.put_off(id, &error),
            Err(_) => {
                tracing::error!(job = %id, "handling this job panicked");
                lock(&self.desk.put_off).for_a_while(id);
            }
        }
    }

    /// A job that could not be run stays as it is on disk. One that cannot be read is not opened again and again.
    fn put_off(&self, id: JobId, error: &RunError) {
        match error.file_of_the_job(&self.store.layout().job(id)) {
            Some(file) => {
                tracing::error!(job = %id, %error, "a job could not be run to its end, and waits until that file is another one");
                lock(&self.desk.put_off).until_it_changes(id, file);
            }
            None => {
                tracing::error!(job = %id, %error, "a job could not be run to its end; trying again");
                lock(&self.desk.put_off).for_a_while(id);
            }
        }
    }

    fn set_aside(&self, id: JobId, quarantine: &Quarantine) {
        tracing::error!(job = %id, path = %quarantine.path.display(), "a job is set aside: {quarantine}");
        lock(&self.desk.put_off).until_it_changes(id, quarantine.path.clone());
    }

    /// The jobs that are not known to have ended and that nobody of us has in hand, oldest first. Nothing is looked at.
    fn not_ended(&self) -> Result<Vec<JobId>, StoreError> {
        lock(&self.desk.put_off).look(&self.store);
        let all = self.store.known_ids()?;
        let mut ended = lock(&self.desk.ended);
        let mut listed = lock(&self.desk.listed);
        if listed.as_ref().is_none_or(|before| !Arc::ptr_eq(before, &all)) {
            // Of jobs that were removed nothing is remembered.
            ended.retain(|id| all.binary_search_by(|other| id.cmp(other)).is_ok());
            *listed = Some(Arc::clone(&all));
        }
        let (mine, put_off) = (lock(&self.desk.mine), lock(&self.desk.put_off));
        let open = |id: &JobId| !ended.contains(id) && !mine.contains_key(id) && !put_off.contains(*id);
        let ids: Vec<JobId> = all.iter().rev().copied().filter(open).collect();
        self.desk.watch().retain(|id| mine.contains_key(&id) || ids.binary_search(&id).is_ok());
        Ok(ids)
    }

    /// One look at a job; that it has ended is remembered.
    fn is_open(&self, id: JobId) -> bool {
        let Ok(job) = self.store.job(id) else { return false };
        if job.look() == Snapshot::Open {
            return true;
        }
        // What a worker that died right after the end did not get to.
        if job.paths().outbox().exists()
            && let Err(error) = sweep::remove_folders(&self.store, &job)
        {
            tracing::warn!(job = %id, %error, "what is left of an ended job could not be removed");
        }
        lock(&self.desk.ended).insert(id);
        false
    }
}
