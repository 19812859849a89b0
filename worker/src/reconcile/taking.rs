//! Taking a job: from a bell or a pass to its claim, and from there to a thread of its own.

use std::{
    collections::hash_map::Entry,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

use pipelinex_common::{
    id::JobId,
    store::{Claim, ClaimOutcome, Job, Quarantine, StoreError},
};
use tokio::sync::{Notify, OwnedSemaphorePermit, oneshot};

use crate::{
    Worker,
    engine::Engine,
    lock, poison,
    run::{Release, RunError, run_job},
};

impl Worker {
    /// A bell rang for a job: runs the oldest that can be claimed, which mostly is this one, and returns when that was let go of, or
    /// no more work is taken. For one that runs here it means that there is a wish to look at.
    pub async fn answer(self: &Arc<Self>, id: JobId) {
        if let Some(bell) = lock(&self.state.mine).get(&id) {
            bell.notify_one();
            return;
        }
        let me = self.clone();
        let looked = tokio::task::spawn_blocking(move || (me.engine_answers(), me.is_wished(id))).await;
        let Ok((answers, wished)) = looked else { return };
        if !answers && !wished {
            return;
        }
        let Ok(slot) = self.state.slots.clone().acquire_owned().await else { return };
        pipelinex_common::fault_point!("worker.bell");
        let me = self.clone();
        let take = move || if answers { me.take_oldest(id, slot) } else { me.take(id, slot).ok().flatten() };
        if let Ok(Some(done)) = tokio::task::spawn_blocking(take).await {
            // Jobs that are brought to their end before this process stops keep their places, and need no handler.
            tokio::select! {
                _ = done => {}
                () = self.stop.no_more_work() => {}
            }
        }
    }

    /// Takes the oldest job that nobody holds, up to this one. Bells for younger jobs go on ringing while those of older ones may
    /// be lost: whoever went by them alone would let the older wait as long as there is more to do than places.
    fn take_oldest(self: &Arc<Self>, id: JobId, mut slot: OwnedSemaphorePermit) -> Option<oneshot::Receiver<()>> {
        let waiting = self.not_ended().unwrap_or_default();
        let older = waiting.into_iter().take_while(|other| *other < id).filter(|other| self.is_open(*other));
        for next in older.chain([id]) {
            match self.take(next, slot) {
                Ok(done) => return done,
                Err(free) => slot = free,
            }
        }
        None
    }

    /// Claims a job, and runs it on a thread of its own if it is ours: the receiver ends when the job was let go of. One that is
    /// not ours leaves the place free.
    pub(super) fn take(
        self: &Arc<Self>,
        id: JobId,
        slot: OwnedSemaphorePermit,
    ) -> Result<Option<oneshot::Receiver<()>>, OwnedSemaphorePermit> {
        // A bell may ring for one that has ended.
        if !self.stop.takes_work() || (self.state.has_ended(id) && !self.is_open(id)) {
            return Err(slot);
        }
        // Nothing of it is to be done before somebody wishes for it or a time has come.
        if self.store.job(id).is_ok_and(|job| job.is_parked()) {
            return Err(slot);
        }
        let bell = match lock(&self.state.mine).entry(id) {
            Entry::Occupied(_) => return Err(slot),
            Entry::Vacant(free) => free.insert(Arc::default()).clone(),
        };
        let claimed = match self.claim(id) {
            Ok(Some(claimed)) => claimed,
            Ok(None) => {
                lock(&self.state.mine).remove(&id);
                return Err(slot);
            }
            Err(error) => {
                self.put_off(id, &error);
                lock(&self.state.mine).remove(&id);
                // The next is a pass's to try: where it is the engine that fails, all of them would.
                self.state.look.notify_one();
                return Ok(None);
            }
        };
        let (done, waiting) = oneshot::channel();
        let me = self.clone();
        let run = move || {
            me.run(id, claimed, &bell);
            lock(&me.state.mine).remove(&id);
            drop(slot);
            me.state.look.notify_one();
            drop(done);
        };
        if let Err(error) = std::thread::Builder::new().name(format!("job {id}")).spawn(run) {
            tracing::error!(job = %id, %error, "no thread for a job; its claim is free again");
            lock(&self.state.mine).remove(&id);
            return Ok(None);
        }
        Ok(Some(waiting))
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
        // Let go of before anything else is locked: a pass holds those locks and then wants this one.
        let claimed = job.claim(&self.identity, &mut self.state.watch())?;
        match claimed {
            ClaimOutcome::Ended => _ = lock(&self.state.ended).insert(id),
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
            Ok(Ok(Release::Finished)) => _ = lock(&self.state.ended).insert(id),
            Ok(Ok(Release::Open | Release::Waiting)) => {}
            Ok(Ok(Release::Apart)) => lock(&self.state.put_off).for_a_while(id),
            Ok(Err(error)) => self.put_off(id, &error),
            Err(_) => {
                tracing::error!(job = %id, "handling this job panicked");
                lock(&self.state.put_off).for_a_while(id);
            }
        }
    }

    /// A job that could not be run stays as it is on disk. One that cannot be read is not opened again and again.
    fn put_off(&self, id: JobId, error: &RunError) {
        match error.file_of_the_job(&self.store.layout().job(id)) {
            Some(file) => {
                tracing::error!(job = %id, %error, "a job could not be run to its end, and waits until that file is another one");
                lock(&self.state.put_off).until_it_changes(id, file);
            }
            None => {
                tracing::error!(job = %id, %error, "a job could not be run to its end; trying again");
                lock(&self.state.put_off).for_a_while(id);
            }
        }
    }

    fn set_aside(&self, id: JobId, quarantine: &Quarantine) {
        tracing::error!(job = %id, path = %quarantine.path.display(), "a job is set aside: {quarantine}");
        lock(&self.state.put_off).until_it_changes(id, quarantine.path.clone());
    }
}
