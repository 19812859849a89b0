//! Removing what a job no longer needs: its containers, volumes and networks by label, and the folders only they used.
//! Never what is not this installation's.

mod leftovers;

use std::fs;

use pipelinex_common::{
    disk::DiskError,
    id::JobId,
    store::{Job, Store, StoreError},
};

pub use self::leftovers::{Leftover, Why, find as leftovers, remove as remove_leftovers};
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
/// [`RunError`]; what is left is found again by [`leftovers`].
pub async fn job(engine: &Engine, store: &Store, job: &Job) -> Result<(), RunError> {
    let found = belongings(engine, store, job.id()).await?;
    engine.remove(&found).await?;
    Ok(remove_folders(store, job)?)
}

/// Throws away the folders that only a running job needs.
///
/// # Errors
/// [`StoreError`].
pub fn remove_folders(store: &Store, job: &Job) -> Result<(), StoreError> {
    let paths = job.paths();
    let entries = match fs::read_dir(paths.root()) {
        Ok(entries) => entries,
        // The whole job was thrown away meanwhile.
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(DiskError::io("list", paths.root())(error).into()),
    };
    let of_a_moment = |name: &str| name.starts_with(".collecting-") || name.starts_with(".tmp-");
    let collecting = entries.flatten().filter(|entry| of_a_moment(&entry.file_name().to_string_lossy()));
    // The outbox last: every job that ran a step has one, so as long as it is there something may be left.
    for folder in
        collecting.map(|entry| entry.path()).chain([paths.reserve(), paths.trees(), paths.inputs(), paths.outbox()])
    {
        store.throw_away(&folder)?;
    }
    Ok(())
}
