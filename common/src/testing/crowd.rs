//! Many jobs at once, as a server has them after months: written without a sync for each, for benchmarks and tests of scale.

use std::fs;

use jiff::Timestamp;

use super::sample;
use crate::{
    disk,
    execution::{Execution, StageRecord, StepRecord},
    id::JobId,
    layout::JobPaths,
    slug::Slug,
    stage::BUILT_IN,
    state::{JobState, StepState},
    store::{Store, StoreError},
};

/// Adds jobs that wait. Returns their ids, oldest first.
///
/// # Errors
/// [`StoreError::Disk`].
pub fn waiting(store: &Store, count: usize) -> Result<Vec<JobId>, StoreError> {
    (0..count).map(|_| add(store, None)).collect()
}

/// Adds jobs that have ended, without what they were made of and what they left. Returns their ids, oldest first.
///
/// # Errors
/// [`StoreError::Disk`].
pub fn ended(store: &Store, count: usize) -> Result<Vec<JobId>, StoreError> {
    (0..count).map(|_| add(store, Some(JobState::Succeeded))).collect()
}

fn add(store: &Store, end: Option<JobState>) -> Result<JobId, StoreError> {
    let id = JobId::generate();
    let metadata = sample::metadata(id, BUILT_IN.iter().map(|stage| stage.name));
    // Made aside, as all jobs are: whoever looks meanwhile sees a whole one. Not staged: what nobody locks is swept there.
    let paths = JobPaths::at(store.layout().root().join(format!(".crowd-{id}")));
    let target = store.layout().job(id);
    disk::make_dir(paths.root(), 0o750)?;
    let mut execution = metadata.initial_execution();
    place(&paths.metadata(), &metadata)?;
    if let Some(state) = end {
        finish(&mut execution, state);
        place(&paths.final_record(), &execution)?;
    }
    place(&paths.state(), &execution)?;
    fs::rename(paths.root(), target.root()).map_err(disk::DiskError::io("publish", target.root()))?;
    Ok(id)
}

fn finish(execution: &mut Execution, state: JobState) {
    let now = Some(Timestamp::now());
    (execution.state, execution.started_at, execution.finished_at) = (state, now, now);
    (execution.attempt, execution.claim) = (1, 1);
    for (name, stage) in &mut execution.stages {
        let step = StepRecord { started_at: now, finished_at: now, exit_code: Some(0), ..StepRecord::pending(name) };
        *stage =
            StageRecord { started_at: now, finished_at: now, ..StageRecord::bare(StepState::Success, None, "done") };
        stage.steps.insert(Slug::of(name), step);
    }
}

fn place<T: serde::Serialize>(path: &std::path::Path, value: &T) -> Result<(), StoreError> {
    let text = serde_json::to_vec_pretty(value).map_err(|e| disk::DiskError::io("write", path)(e.into()))?;
    Ok(disk::write_new_unsynced(path, &text, 0o640)?)
}
