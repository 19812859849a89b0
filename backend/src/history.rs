//! What is remembered of all jobs, so that a question about a hundred thousand of them opens those alone that it shows. Kept in memory
//! and made of the folders, which alone are the truth: a server that starts has none of it, and who asks first has it read. A job that has
//! ended never changes, so each is opened for this once.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, PoisonError, RwLock,
        atomic::{AtomicBool, Ordering},
    },
};

use jiff::Timestamp;
use pipelinex_common::{
    access::Owner,
    disk,
    id::JobId,
    metadata::Metadata,
    pipeline::own::Plan,
    state::JobState,
    store::{Job, Store, StoreError},
};

/// So many jobs are opened at once before others may ask again.
const BATCH: usize = 2_000;

/// One job.
#[derive(Clone, Debug)]
pub struct Run {
    /// The job.
    pub id: JobId,
    /// What its pipeline calls itself, else its project.
    pub name: Arc<str>,
    /// Its project.
    pub project: Arc<str>,
    /// Who submitted it.
    pub owner: Owner,
    /// Its number among the runs of its pipeline.
    pub number: u64,
    /// The branch, if one is known.
    pub branch: Option<Arc<str>>,
    /// The commit, if one is known.
    pub commit: Option<Arc<str>>,
    /// As it was when it was looked at.
    pub state: JobState,
    /// When it was submitted.
    pub created_at: Timestamp,
}

/// The history cannot be asked yet: so many of so many jobs have been read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BeingRead {
    /// Jobs that were read.
    pub read: usize,
    /// Jobs that there are.
    pub of: usize,
}

/// Why there is no answer.
#[derive(Debug)]
pub enum HistoryError {
    /// Not yet.
    BeingRead(BeingRead),
    /// The folder cannot be listed.
    Store(StoreError),
}

impl From<StoreError> for HistoryError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

/// All jobs that can be read.
#[derive(Debug, Default)]
pub struct History {
    runs: RwLock<BTreeMap<JobId, Run>>,
    /// Held by whoever reads: two would open the same jobs.
    reading: Mutex<()>,
    is_reading_aside: AtomicBool,
}

impl History {
    /// Reads all there is aside, batch by batch, unless somebody does so already.
    fn read_aside(self: &Arc<Self>, store: &Store) {
        if self.is_reading_aside.swap(true, Ordering::AcqRel) {
            return;
        }
        let (history, store) = (Arc::clone(self), store.clone());
        std::thread::spawn(move || {
            loop {
                let reading = history.reading.lock().unwrap_or_else(PoisonError::into_inner);
                let behind = history.catch_up(&store, BATCH);
                drop(reading);
                match behind {
                    Ok(Some(_)) => {}
                    Ok(None) => break,
                    Err(error) => {
                        tracing::warn!(%error, "the history could not be read; whoever asks for it next reads on");
                        break;
                    }
                }
            }
            history.is_reading_aside.store(false, Ordering::Release);
        });
    }

    /// Those that are wanted, the newest first, as they stand now.
    ///
    /// # Errors
    /// [`HistoryError`].
    pub fn find(self: &Arc<Self>, store: &Store, wanted: &dyn Fn(&Run) -> bool) -> Result<Vec<Run>, HistoryError> {
        let reading = self.reading.lock().unwrap_or_else(PoisonError::into_inner);
        let behind = self.catch_up(store, BATCH)?;
        drop(reading);
        if let Some(behind) = behind {
            self.read_aside(store);
            return Err(HistoryError::BeingRead(behind));
        }
        let runs = self.runs.read().unwrap_or_else(PoisonError::into_inner);
        Ok(runs.values().rev().filter(|run| wanted(run)).cloned().collect())
    }

    /// Looks at what is new or was not over, at most so many. Returns how far it is where something is left to read.
    fn catch_up(&self, store: &Store, most: usize) -> Result<Option<BeingRead>, StoreError> {
        let ids = store.known_ids()?;
        let (unknown, unfinished) = {
            let mut runs = self.runs.write().unwrap_or_else(PoisonError::into_inner);
            // The list is in order, the newest first.
            runs.retain(|id, _| ids.binary_search_by(|known| id.cmp(known)).is_ok());
            let unknown: Vec<JobId> = ids.iter().filter(|id| !runs.contains_key(id)).copied().collect();
            let unfinished: Vec<JobId> = runs.values().filter(|run| !run.state.is_final()).map(|run| run.id).collect();
            (unknown, unfinished)
        };
        for id in unknown.iter().take(most).chain(&unfinished) {
            // What cannot be read is no part of the history until it can be.
            let Ok(run) = store.job(*id).and_then(|job| Run::of(&job)) else { continue };
            self.runs.write().unwrap_or_else(PoisonError::into_inner).insert(*id, run);
        }
        let (read, left) = (ids.len() - unknown.len() + most, unknown.len() > most);
        Ok(left.then_some(BeingRead { read, of: ids.len() }))
    }
}

impl Run {
    fn of(job: &Job) -> Result<Self, StoreError> {
        let view = job.view()?;
        let metadata = view.metadata;
        Ok(Self {
            id: metadata.job_id,
            name: pipeline_name(job, &metadata).into(),
            project: metadata.project.into(),
            owner: metadata.owner,
            number: metadata.run_number,
            branch: metadata.branch.map(Into::into),
            commit: metadata.commit.map(Into::into),
            state: view.execution.state,
            created_at: metadata.created_at,
        })
    }

    /// Whether it is a run of a pipeline of that name, or of a project of that name.
    pub fn is_of(&self, name: &str) -> bool {
        *self.name == *name || *self.project == *name
    }
}

/// What the pipeline of a job calls itself, else its project.
pub fn pipeline_name(job: &Job, metadata: &Metadata) -> String {
    let plan = disk::read_json::<Plan>(&job.paths().plan()).ok().flatten();
    plan.and_then(|plan| plan.name).unwrap_or_else(|| metadata.project.clone())
}
