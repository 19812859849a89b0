//! Finding work: one pass over the folders takes every job that nobody holds, whether a message ever came for it or not.

mod taking;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use pipelinex_common::{
    id::JobId,
    store::{Snapshot, StoreError},
};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::task::AbortOnDropHandle;

use crate::{Worker, lock, put_off::TRY_AGAIN, sweep, worker_state::PARALLEL_ENDS};

/// Pause between two passes of a worker that has only just begun,
const SOON: Duration = Duration::from_secs(1);
/// and for how long it has.
const YOUNG: Duration = Duration::from_secs(5);
/// How long a job may take to be let go of, such as one in whose middle a large artifact is collected.
const LETTING_GO: Duration = Duration::from_secs(20);
impl Worker {
    /// Makes passes until told to stop, then waits until every job was let go of.
    pub async fn reconcile(self: &Arc<Self>) {
        // Beside the passes: to remove what was left may take long, and nobody's job waits for it.
        let _upkeep = AbortOnDropHandle::new(tokio::spawn(self.clone().keep_up()));
        let _guard = AbortOnDropHandle::new(tokio::spawn(self.clone().keep_free()));
        let begun = Instant::now();
        while self.stop.takes_work() {
            tokio::select! {
                // An engine that does not answer must not hold this back; what the pass still takes up is let go of.
                () = self.stop.no_more_work() => break,
                passed = self.reconcile_once() => if let Err(error) = passed {
                    tracing::warn!(%error, "a pass over the folders failed; trying again");
                }
            }
            self.show_life();
            let pause = match begun.elapsed() < YOUNG {
                // What a worker left that was there before this one may be free a moment later, such as when its child has let go.
                true => SOON,
                false if self.state.waits_for_another_try() => TRY_AGAIN,
                false => self.config.reconcile_every,
            };
            tokio::select! {
                () = self.stop.no_more_work() => {}
                () = self.state.look.notified() => {}
                () = tokio::time::sleep(pause.min(self.config.reconcile_every)) => {}
            }
        }
        // Every running job holds a slot until it was let go of.
        let let_go = async {
            let parallel = self.config.parallel.max(1) as u32;
            let _ = self.state.slots.acquire_many(parallel).await;
            let _ = self.state.orphans.acquire_many(parallel).await;
            let _ = self.state.ends.acquire_many(PARALLEL_ENDS as u32).await;
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
                // Asked once: without it ten thousand jobs would each learn for themselves that it is away. And before there is a place:
                // who waits for an answer must hold none.
                let answers = *engine.get_or_insert_with(|| me.engine_answers());
                if (answers || me.is_wished(id))
                    && let Some(slot) = me.place_for(id)
                {
                    let _ = me.take(id, slot);
                }
            }
            Ok(())
        };
        let passed = tokio::task::spawn_blocking(pass).await;
        passed.unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()))
    }

    /// A place to run a job in; when all are taken, one to go on with what somebody else began, or one to end it in, if that is
    /// all that somebody wishes for.
    fn place_for(&self, id: JobId) -> Option<OwnedSemaphorePermit> {
        let place = |places: &Arc<Semaphore>| places.clone().try_acquire_owned().ok();
        let orphan = || self.is_begun(id).then(|| place(&self.state.orphans)).flatten();
        let end = || self.is_wished(id).then(|| place(&self.state.ends)).flatten();
        place(&self.state.slots).or_else(orphan).or_else(end)
    }

    fn is_begun(&self, id: JobId) -> bool {
        self.store.layout().job(id).claim(1).exists()
    }

    fn is_wished(&self, id: JobId) -> bool {
        self.store.job(id).is_ok_and(|job| job.cancel_wish().is_some())
    }

    fn engine_answers(&self) -> bool {
        let away = self.runtime.block_on(self.engine()).err().map(|error| error.to_string());
        let answers = away.is_none();
        let before = std::mem::replace(&mut *lock(&self.state.engine_away), away.clone());
        if let Some(error) = away.filter(|error| before.as_ref() != Some(error)) {
            tracing::warn!(error, "jobs wait for the container engine");
        }
        answers
    }

    /// The jobs that are not known to have ended and that nobody of us has in hand, oldest first. Nothing is looked at.
    fn not_ended(&self) -> Result<Vec<JobId>, StoreError> {
        lock(&self.state.put_off).look(&self.store);
        let all = self.store.known_ids()?;
        let mut ended = lock(&self.state.ended);
        let mut listed = lock(&self.state.listed);
        if listed.as_ref().is_none_or(|before| !Arc::ptr_eq(before, &all)) {
            // Of jobs that were removed nothing is remembered.
            ended.retain(|id| all.binary_search_by(|other| id.cmp(other)).is_ok());
            *listed = Some(Arc::clone(&all));
        }
        let (mine, put_off) = (lock(&self.state.mine), lock(&self.state.put_off));
        let open = |id: &JobId| !ended.contains(id) && !mine.contains_key(id) && !put_off.contains(*id);
        let ids: Vec<JobId> = all.iter().rev().copied().filter(open).collect();
        self.state.watch().retain(|id| mine.contains_key(&id) || ids.binary_search(&id).is_ok());
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
        lock(&self.state.ended).insert(id);
        false
    }
}
