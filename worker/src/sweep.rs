//! Removing what a job no longer needs: its containers, volumes and networks by label, and the folders only they used.
//! Never what is not this installation's.

mod leftovers;

use std::{
    fs,
    path::{Path, PathBuf},
};

use pipelinex_common::{
    disk::{self, DiskError},
    id::JobId,
    store::{Job, Store, StoreError},
};

pub use self::leftovers::{Leftover, Why, find as leftovers, remove as remove_leftovers};
use crate::{
    engine::{Engine, EngineError, Resources},
    run::RunError,
    spec::{LABEL_INSTANCE, LABEL_JOB},
};

/// Everything on the engine that carries the labels of a job.
///
/// # Errors
/// [`EngineError`].
pub async fn resources(engine: &Engine, store: &Store, job: JobId) -> Result<Resources, EngineError> {
    engine.find(&[format!("{LABEL_INSTANCE}={}", store.instance().as_str()), format!("{LABEL_JOB}={job}")]).await
}

/// Removes everything of a job that has ended and is not its record. The folders go also where the engine fails, unless a container
/// may still write there: what is left on it is found again by [`leftovers`], but if it had done what it was asked for and only its
/// answer got lost, nothing would lead to them any more.
///
/// # Errors
/// [`RunError`].
pub async fn job(engine: &Engine, store: &Store, job: &Job) -> Result<(), RunError> {
    let removed = match resources(engine, store, job.id()).await {
        Ok(found) => engine.remove(&found).await,
        Err(error) => Err(error),
    };
    let are_free = match &removed {
        Ok(()) => true,
        Err(_) => resources(engine, store, job.id()).await.is_ok_and(|left| left.containers.is_empty()),
    };
    if are_free {
        remove_folders(store, job)?;
    }
    Ok(removed?)
}

/// Throws away the folders that only a running job needs.
///
/// # Errors
/// [`StoreError`].
pub fn remove_folders(store: &Store, job: &Job) -> Result<(), StoreError> {
    let paths = job.paths();
    let mut of_a_moment = Vec::new();
    // Not in wishes/, which is the backend's.
    for folder in [paths.root(), &paths.logs(), &paths.claims(), &paths.attempts(), &paths.starts(), &paths.ends()] {
        of_a_moment.extend(left_in(folder)?);
    }
    for folder in of_a_moment.into_iter().chain([paths.reserve(), paths.trees(), paths.inputs()]) {
        store.throw_away(&folder)?;
    }
    // The outbox last: every job that ran a step has one, so as long as it is there something may be left. After a power cut, too.
    if paths.outbox().exists() {
        disk::sync_dir(paths.root())?;
        store.throw_away(&paths.outbox())?;
    }
    Ok(())
}

/// What was to be there for a moment only, and outlived whoever made it.
fn left_in(folder: &Path) -> Result<Vec<PathBuf>, StoreError> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        // There is none of these yet, or the whole job was thrown away meanwhile.
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(DiskError::io("list", folder)(error).into()),
    };
    let of_a_moment = |name: &str| [".collecting-", ".tmp-", ".new-"].iter().any(|start| name.starts_with(start));
    let left = entries.flatten().filter(|entry| of_a_moment(&entry.file_name().to_string_lossy()));
    Ok(left.map(|entry| entry.path()).collect())
}

#[cfg(test)]
mod tests {
    use pipelinex_common::testing::sample;

    use super::*;

    #[test]
    fn what_a_death_left_of_a_log_or_a_record_goes_with_the_end_and_the_logs_stay() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        let id = JobId::generate();
        store.admit(store.stage().unwrap(), &sample::metadata(id, ["BUILD"])).unwrap();
        let job = store.job(id).unwrap();
        remove_folders(&store, &job).unwrap();
        fs::create_dir(job.paths().logs()).unwrap();
        fs::create_dir(job.paths().claims()).unwrap();
        for left in [".tmp-1", ".collecting-1", "logs/.tmp-2", "logs/build.log", "claims/.new-3", "claims/1"] {
            fs::write(job.paths().root().join(left), "").unwrap();
        }
        remove_folders(&store, &job).unwrap();
        let names = |folder: &Path| {
            let mut names: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name()).collect();
            names.sort();
            names
        };
        assert_eq!(names(&job.paths().logs()), ["build.log"]);
        assert_eq!(names(&job.paths().claims()), ["1"]);
        assert_eq!(
            names(job.paths().root()),
            ["claims", "logs", "metadata.json", "pipelines", "source", "state.json", "wishes"]
        );
    }
}
