//! Jobs that could not be run, and when each is looked at again: after a while, or once somebody has changed what was wrong.

use std::{
    collections::HashMap,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use pipelinex_common::{id::JobId, store::Store};

/// Pause before a job is tried again that the disk or the engine did not let us run.
pub const TRY_AGAIN: Duration = Duration::from_secs(10);

/// Jobs that could not be run.
#[derive(Debug, Default)]
pub struct PutOff(HashMap<JobId, Later>);

#[derive(Debug)]
enum Later {
    /// The disk or the engine: it may go better in a while.
    At(Instant),
    /// A file of the job: it is not opened again before it is another one.
    Changed(PathBuf, Option<Stamp>),
}

/// What of a file changes with its content: its number, its time of change and its length.
type Stamp = (u64, i64, i64, u64);

fn stamp(path: &Path) -> Option<Stamp> {
    let meta = std::fs::symlink_metadata(path).ok()?;
    Some((meta.ino(), meta.ctime(), meta.ctime_nsec(), meta.len()))
}

impl PutOff {
    /// The job is tried again after [`TRY_AGAIN`].
    pub fn for_a_while(&mut self, job: JobId) {
        self.0.insert(job, Later::At(Instant::now() + TRY_AGAIN));
    }

    /// The job is tried again once this file of it has changed, or the job has ended.
    pub fn until_it_changes(&mut self, job: JobId, file: PathBuf) {
        let seen = stamp(&file);
        self.0.insert(job, Later::Changed(file, seen));
    }

    /// Whether the job is not to be tried now.
    pub fn contains(&self, job: JobId) -> bool {
        self.0.contains_key(&job)
    }

    /// Whether one of them only waits for its time.
    pub fn waits(&self) -> bool {
        self.0.values().any(|later| matches!(later, Later::At(_)))
    }

    /// Forgets those whose time has come: one look at one file for each, nothing opened.
    pub fn look(&mut self, store: &Store) {
        self.0.retain(|job, later| match later {
            Later::At(again) => *again > Instant::now(),
            Later::Changed(file, seen) => {
                let paths = store.layout().job(*job);
                let is_there = |path: &Path| std::fs::symlink_metadata(path).is_ok();
                is_there(paths.root()) && !is_there(&paths.final_record()) && stamp(file) == *seen
            }
        });
    }
}
