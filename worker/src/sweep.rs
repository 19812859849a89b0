//! Removing what a job no longer needs: its containers, volumes and networks by label, and the folders only they used.
//! Never what is not this installation's.

use std::{collections::BTreeSet, fs};

use pipelinex_common::{
    disk::DiskError,
    id::JobId,
    store::{Job, Snapshot, Store, StoreError},
};

use crate::{
    engine::{Belongings, Engine, EngineError},
    run::RunError,
    spec::{LABEL_INSTANCE, LABEL_JOB},
};

/// Everything on the engine that carries the labels of a job.
///
/// # Errors
/// [`EngineError`].
pub async fn belongings(engine: &Engine, store: &Store, job: JobId) -> Result<Belongings, EngineError> {
    engine.find(&[format!("{LABEL_INSTANCE}={}", store.instance().as_str()), format!("{LABEL_JOB}={job}")]).await
}

/// Removes everything of a job that has ended and is not its record.
///
/// # Errors
/// [`RunError`]; what is left is tried again by [`ended_jobs`].
pub async fn job(engine: &Engine, store: &Store, job: &Job) -> Result<(), RunError> {
    let found = belongings(engine, store, job.id()).await?;
    engine.remove(&found).await?;
    Ok(remove_folders(store, job)?)
}

/// Removes what is left on the engine of jobs that have ended, or that are gone. Returns of how many; what cannot be removed
/// is logged and stops nothing else.
///
/// # Errors
/// [`EngineError`] when the engine cannot be asked at all.
pub async fn ended_jobs(engine: &Engine, store: &Store) -> Result<usize, EngineError> {
    let mine = format!("{LABEL_INSTANCE}={}", store.instance().as_str());
    let labels = engine.labels_with(&mine, LABEL_JOB).await?;
    let ids: BTreeSet<JobId> = labels.into_iter().filter_map(|id| id.parse().ok()).collect();
    let mut removed = 0;
    for id in ids {
        let swept = match store.job(id) {
            Ok(found) if found.look() == Snapshot::Open => continue,
            Ok(found) => job(engine, store, &found).await,
            Err(StoreError::NoSuchJob(_)) => gone(engine, store, id).await,
            Err(error) => Err(error.into()),
        };
        match swept {
            Ok(()) => removed += 1,
            Err(error) => tracing::warn!(job = %id, %error, "what is left of an ended job could not be removed"),
        }
    }
    Ok(removed)
}

async fn gone(engine: &Engine, store: &Store, id: JobId) -> Result<(), RunError> {
    let found = belongings(engine, store, id).await?;
    Ok(engine.remove(&found).await?)
}

/// Throws away the folders that only a running job needs.
///
/// # Errors
/// [`StoreError`].
pub fn remove_folders(store: &Store, job: &Job) -> Result<(), StoreError> {
    let paths = job.paths();
    let entries = fs::read_dir(paths.root()).map_err(DiskError::io("list", paths.root()))?;
    let collecting = entries.flatten().filter(|e| e.file_name().to_string_lossy().starts_with(".collecting-"));
    // The outbox last: every job that ran a step has one, so as long as it is there something may be left.
    for folder in
        collecting.map(|entry| entry.path()).chain([paths.reserve(), paths.trees(), paths.inputs(), paths.outbox()])
    {
        store.throw_away(&folder)?;
    }
    Ok(())
}
