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
    let folders = job.clone();
    let removed = tokio::task::spawn_blocking(move || remove_folders(&folders)).await;
    Ok(removed.map_err(|panic| DiskError::io("clean up", job.paths().root())(std::io::Error::other(panic)))??)
}

/// Removes what is left of jobs that have ended, or that are gone: on the engine, and of folders. Returns of how many.
///
/// # Errors
/// [`RunError`].
pub async fn ended_jobs(engine: &Engine, store: &Store) -> Result<usize, RunError> {
    let mine = format!("{LABEL_INSTANCE}={}", store.instance().as_str());
    let labels = engine.jobs_with(&mine, LABEL_JOB).await?;
    let mut ids: BTreeSet<JobId> = labels.into_iter().filter_map(|id| id.parse().ok()).collect();
    ids.extend(ended_with_folders(store)?);
    let mut removed = 0;
    for id in ids {
        match store.job(id) {
            Ok(found) if found.look() == Snapshot::Open => {}
            Ok(found) => {
                job(engine, store, &found).await?;
                removed += 1;
            }
            Err(StoreError::NoSuchJob(_)) => {
                let found = belongings(engine, store, id).await?;
                engine.remove(&found).await?;
                removed += 1;
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(removed)
}

/// Jobs that ended and whose worker died between the engine's part of cleaning up and ours: no label leads to them any more.
fn ended_with_folders(store: &Store) -> Result<Vec<JobId>, StoreError> {
    let mut ids = store.ids()?;
    ids.retain(|id| {
        let paths = store.layout().job(*id);
        paths.outbox().exists() && paths.final_record().exists()
    });
    Ok(ids)
}

/// The outbox goes last: every job that ran a step has one, so as long as it is there something may be left.
fn remove_folders(job: &Job) -> Result<(), DiskError> {
    let paths = job.paths();
    let collecting = fs::read_dir(paths.root()).map_err(DiskError::io("list", paths.root()))?;
    let collecting = collecting.flatten().filter(|e| e.file_name().to_string_lossy().starts_with(".collecting-"));
    for folder in collecting.map(|entry| entry.path()).chain([paths.trees(), paths.outbox()]) {
        match fs::remove_dir_all(&folder) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(DiskError::io("remove", &folder)(error));
            }
            _ => {}
        }
    }
    Ok(())
}
