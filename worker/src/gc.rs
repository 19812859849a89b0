//! Clearing up: what is left of nothing that lives, and jobs that have ended and are more than the operator keeps.
//! The worker does it by itself; `pipelinex gc` shows it first, and does it on demand.

use std::{
    collections::HashMap,
    fs,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use pipelinex_common::{
    foreign,
    id::JobId,
    limits::CacheLimits,
    store::{Because, Keep, OldCache, Store, StoreError},
};
use serde::Serialize;

use crate::{
    engine::Engine,
    sweep::{self, Leftover},
};

/// What there is to remove, or was removed.
#[derive(Debug, Default, Serialize)]
pub struct Clearing {
    /// On the engine.
    pub engine: Vec<Leftover>,
    /// Folders that belong to no job, and what was thrown away before.
    pub folders: Vec<Folder>,
    /// Jobs, the latest first.
    pub jobs: Vec<OldJob>,
    /// Caches that are too old or too much, replaced, or half made.
    pub caches: Vec<OldCache>,
}

/// A folder that belongs to no job.
#[derive(Debug, Serialize)]
pub struct Folder {
    /// Where it is.
    pub path: PathBuf,
    /// How long ago something was last put into it or taken out of it, in seconds; none where that cannot be told.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub age_seconds: Option<u64>,
    /// The room it takes, in bytes.
    pub bytes: u64,
}

/// A job that has ended.
#[derive(Debug, Serialize)]
pub struct OldJob {
    /// The job.
    pub job: JobId,
    /// Why it goes.
    pub because: Because,
    /// How long ago it ended, in seconds.
    pub ended_seconds_ago: u64,
    /// The room it takes, in bytes.
    pub bytes: u64,
}

impl Clearing {
    /// Looks at what there is to remove, and removes nothing.
    ///
    /// # Errors
    /// [`StoreError`] when the workspaces folder cannot be listed.
    pub fn of_folders(store: &Store, keep: &Keep, caches: &CacheLimits, grace: Duration) -> Result<Self, StoreError> {
        let paths = store.trash()?.into_iter().chain(store.leftover_folders(grace)?);
        let now = SystemTime::now();
        let folders = paths.map(|path| Folder { age_seconds: age(&path, now), bytes: room(&path), path }).collect();
        let old = store.surplus(keep, &mut HashMap::new())?.into_iter().map(|(job, because)| OldJob {
            job: job.id,
            because,
            ended_seconds_ago: now.duration_since(job.ended).unwrap_or_default().as_secs(),
            bytes: room(store.layout().job(job.id).root()),
        });
        let caches = store.surplus_caches(caches, grace)?;
        Ok(Self { engine: Vec::new(), folders, jobs: old.collect(), caches })
    }

    /// The room that all of it takes on the disk of the workspaces, in bytes.
    pub fn bytes(&self) -> u64 {
        let folders = self.folders.iter().map(|folder| folder.bytes);
        folders.chain(self.jobs.iter().map(|job| job.bytes)).chain(self.caches.iter().map(|old| old.bytes)).sum()
    }

    /// Removes it: what is on the engine first, where there is one; then folders and jobs, each by one rename; then the trash.
    /// What cannot be removed is logged, is not in the answer, and stops nothing else.
    pub async fn remove(self, engine: Option<&Engine>, store: &Store) -> Self {
        let mut removed = Self::default();
        if let Some(engine) = engine {
            removed.engine = sweep::remove_leftovers(engine, store, self.engine).await;
        }
        for folder in self.folders {
            let in_trash = folder.path.starts_with(store.layout().trash());
            if in_trash || logged(store.throw_away(&folder.path), &folder.path) {
                removed.folders.push(folder);
            }
        }
        for old in self.jobs {
            if remove_job(engine, store, old.job).await {
                removed.jobs.push(old);
            }
        }
        for old in self.caches {
            if remove_cache(store, &old) {
                removed.caches.push(old);
            }
        }
        if let Err(error) = store.empty_trash() {
            tracing::warn!(%error, "not everything that was thrown away could be removed; a worker tries again");
        }
        removed.folders.retain(|folder| !folder.path.exists());
        removed
    }
}

/// Removes one job that has ended. Without an engine, what it left there is found later, by its label.
pub async fn remove_job(engine: Option<&Engine>, store: &Store, id: JobId) -> bool {
    let Ok(job) = store.job(id) else { return false };
    if let Some(engine) = engine
        && let Err(error) = sweep::job(engine, store, &job).await
    {
        tracing::warn!(job = %id, %error, "what an old job left on the engine could not be removed");
    }
    match store.remove_ended(&job) {
        Ok(removed) => removed,
        Err(error) => {
            tracing::warn!(job = %id, %error, "an old job could not be removed");
            false
        }
    }
}

/// Removes one cache, unless somebody reads it.
pub fn remove_cache(store: &Store, old: &OldCache) -> bool {
    store.remove_cache(&old.path).unwrap_or_else(|error| {
        tracing::warn!(path = %old.path.display(), %error, "a cache could not be removed");
        false
    })
}

fn room(path: &Path) -> u64 {
    foreign::measure(path).unwrap_or(0)
}

/// One that says it was changed in the future is as young as can be: it says nothing of use to anybody.
fn age(path: &Path, now: SystemTime) -> Option<u64> {
    let changed = fs::symlink_metadata(path).and_then(|meta| meta.modified()).ok()?;
    Some(now.duration_since(changed).unwrap_or_default().as_secs())
}

fn logged(done: Result<(), StoreError>, path: &Path) -> bool {
    if let Err(error) = &done {
        tracing::warn!(path = %path.display(), %error, "a leftover could not be removed");
    }
    done.is_ok()
}
