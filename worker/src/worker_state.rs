//! What one worker process has in hand, and what it remembers between two passes.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, MutexGuard},
};

use pipelinex_common::{id::JobId, store::HeartbeatWatch};
use tokio::sync::{Notify, Semaphore};

use crate::{lock, put_off::PutOff};

/// Jobs that are ended at the same time because somebody wishes it, besides those that run.
pub(crate) const PARALLEL_ENDS: usize = 4;

/// What this process has in hand.
pub(crate) struct WorkerState {
    /// Places for jobs that run.
    pub(crate) slots: Arc<Semaphore>,
    /// Places for jobs that somebody began who let go of them: what runs of them runs anyway, and is watched over at once.
    pub(crate) orphans: Arc<Semaphore>,
    /// Places for jobs that nobody holds and that only have to be ended: none of them waits for those that run.
    pub(crate) ends: Arc<Semaphore>,
    /// Jobs this process runs, and what is rung when their wishes are worth a look.
    pub(crate) mine: Mutex<HashMap<JobId, Arc<Notify>>>,
    /// Jobs known to have ended: never looked at again, as long as they are there.
    pub(crate) ended: Mutex<HashSet<JobId>>,
    /// The list of jobs at the last pass.
    pub(crate) listed: Mutex<Option<Arc<Vec<JobId>>>>,
    /// Jobs that could not be run to their end.
    pub(crate) put_off: Mutex<PutOff>,
    /// What the engine last said instead of an answer: told once, not with each pass.
    pub(crate) engine_away: Mutex<Option<String>>,
    watch: Mutex<HeartbeatWatch>,
    /// The room that jobs take which have ended, in bytes, as far as it was looked up.
    pub(crate) sizes: Mutex<HashMap<JobId, u64>>,
    /// Held by the thread that empties the trash.
    pub(crate) trash: Mutex<()>,
    /// Rung when a pass is worth making before its time.
    pub(crate) look: Notify,
}

impl WorkerState {
    pub(crate) fn new(parallel: usize, watch: HeartbeatWatch) -> Self {
        Self {
            slots: Arc::new(Semaphore::new(parallel)),
            orphans: Arc::new(Semaphore::new(parallel)),
            ends: Arc::new(Semaphore::new(PARALLEL_ENDS)),
            mine: Mutex::default(),
            ended: Mutex::default(),
            listed: Mutex::default(),
            put_off: Mutex::default(),
            engine_away: Mutex::default(),
            watch: Mutex::new(watch),
            sizes: Mutex::default(),
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

    /// Whether a job could not be run and is tried again soon.
    pub(crate) fn waits_for_another_try(&self) -> bool {
        lock(&self.put_off).waits()
    }
}
