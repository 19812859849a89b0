//! Caches of steps: laid into the tree before a step begins, and gathered from it once it has ended. What cannot be read or kept is
//! a warning of the step, and never its failure.
//!
//! A step works in a copy: what is kept is the worker's own, below a folder that nobody else enters. It was written by foreign code
//! all the same, and is read like everything of that kind. No scan has any.

mod keep;

use std::{io, path::Path};

use globset::GlobSet;
use pipelinex_common::{
    disk::{self, DiskError, Versioned},
    execution::CacheRecord,
    foreign::{Beneath, ForeignError, Taken, Walk, shown},
    layout::JobPaths,
    limits::{MIB, StepLimits},
    metadata::Metadata,
    pipeline::model::{Cache, CacheKey, Step, StepKind},
    slug::Slug,
    store::{CacheScope, KeptCache, OF_CACHE_DIR, OF_PROJECT, Onto, Store, TreeError},
};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

pub(crate) use self::keep::Keeper;
use crate::config::WorkerConfig;

/// The variable with one more key to look under, after all others: GitLab's.
const FALLBACK_KEY: &str = "CACHE_FALLBACK_KEY";
/// What of the files that make a key is read at most, in bytes each.
const KEY_FILE_MAX: u64 = 64 * MIB;

/// The caches that a job may use; `None`: there are none for it, for whoever submitted it is nobody in particular, and everybody
/// would read and write them.
pub(crate) fn scope_of(metadata: &Metadata, config: &WorkerConfig) -> Option<CacheScope> {
    let apart = !metadata.owner.is_anonymous() || config.caches_of_anonymous;
    apart.then(|| CacheScope::of(metadata))
}

/// What became of the caches of a step before it began, for whoever collects it: beside its tree, where no step writes.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Restored {
    schema: u32,
    /// In the order of the definition.
    pub caches: Vec<CacheRecord>,
    /// What could not be read.
    pub warnings: Vec<String>,
}

impl Versioned for Restored {
    const SCHEMA: u32 = 1;
}

impl Restored {
    fn path(paths: &JobPaths, owner: &Slug, step: &Slug) -> std::path::PathBuf {
        paths.tree(owner).join(format!(".caches-{step}.json"))
    }

    /// What was written down when the step began; nothing of one that has no caches.
    pub fn of(paths: &JobPaths, owner: &Slug, step: &Slug) -> Self {
        disk::read_json(&Self::path(paths, owner, step)).ok().flatten().unwrap_or_default()
    }
}

/// Where the caches of a step are laid.
pub(crate) struct Place<'a> {
    pub paths: &'a JobPaths,
    /// The step whose tree it is.
    pub owner: &'a Slug,
    /// What artifacts are laid over, too.
    pub onto: Onto<'a>,
}

/// Lays the caches of a step into its tree and its cache folder. Whoever does it again comes to the same.
///
/// # Errors
/// [`DiskError`] of our own files alone.
pub(crate) fn restore(
    store: &Store,
    scope: Option<&CacheScope>,
    step: &Step,
    place: &Place<'_>,
    limits: &StepLimits,
) -> Result<(), DiskError> {
    if step.kind == StepKind::Scan || step.caches.is_empty() {
        return Ok(());
    }
    let mut restored = Restored { schema: Restored::SCHEMA, ..Restored::default() };
    let Some(scope) = scope else { return Ok(()) };
    for (index, cache) in step.caches.iter().enumerate() {
        let mut record = CacheRecord { key: String::new(), restored: None, saved: false };
        match key_of(cache, index, &place.paths.source()) {
            Ok(key) => {
                if cache.policy.reads() {
                    let fallbacks = cache.fallback_keys.iter().chain(step.variables.get(FALLBACK_KEY));
                    for key in std::iter::once(&key).chain(fallbacks) {
                        match one(store, scope, key, place, limits) {
                            Ok(false) => continue,
                            Ok(true) => record.restored = Some(key.clone()),
                            Err(error) if is_ours(&error) => return Err(into_disk(error, place)),
                            Err(error) => {
                                restored.warnings.push(format!("the cache {} was not read: {error}", shown(key)))
                            }
                        }
                        break;
                    }
                }
                record.key = key;
            }
            Err(error) => restored.warnings.push(format!("a cache has no key: {error}")),
        }
        restored.caches.push(record);
    }
    let content = serde_json::to_vec(&restored).map_err(|error| {
        DiskError::io("write", Restored::path(place.paths, place.owner, &step.slug))(io::Error::other(error))
    })?;
    disk::write_unsynced(&Restored::path(place.paths, place.owner, &step.slug), &content, 0o640)
}

/// A disk that is full is told where a step's own is: what was laid of a cache takes the step's room.
fn is_ours(error: &TreeError) -> bool {
    matches!(error, TreeError::Store(pipelinex_common::store::StoreError::Disk(disk)) if disk.is_full())
}

fn into_disk(error: TreeError, place: &Place<'_>) -> DiskError {
    match error {
        TreeError::Store(pipelinex_common::store::StoreError::Disk(disk)) => disk,
        other => DiskError::io("lay a cache into", place.paths.root())(io::Error::other(other)),
    }
}

/// Lays the cache of one key; `false`: there is none.
fn one(
    store: &Store,
    scope: &CacheScope,
    key: &str,
    place: &Place<'_>,
    limits: &StepLimits,
) -> Result<bool, TreeError> {
    let Some(kept) = store.find_cache(scope, key)? else { return Ok(false) };
    let cache_dir = place.paths.tree(place.owner).join("cache");
    let in_cache_dir = Onto { folder: &cache_dir, is_upper: false };
    let mut parts: Vec<(Beneath, Walk, Onto<'_>)> = Vec::new();
    for (name, onto) in [(OF_PROJECT, place.onto), (OF_CACHE_DIR, in_cache_dir)] {
        parts.extend(part(&kept, name)?.map(|(beneath, walk)| (beneath, walk, onto)));
    }
    let taken = parts.iter().map(|(_, walk, _)| size(walk)).fold(Taken::default(), Taken::plus);
    if taken.exceeds(&limits.disk()) {
        let message = format!("it has {} MiB in {} files, more than a step may have", taken.bytes / MIB, taken.files);
        return Err(ForeignError::TooMuch(message).into());
    }
    for (beneath, walk, onto) in &parts {
        store.lay(beneath, walk, *onto)?;
        pipelinex_common::fault_point!("worker.cache-laid");
    }
    Ok(true)
}

fn part(kept: &KeptCache, name: &str) -> Result<Option<(Beneath, Walk)>, TreeError> {
    match Beneath::open(&kept.part(name)) {
        Err(ForeignError::Missing(_)) => Ok(None),
        beneath => {
            let beneath = beneath?;
            let walk = beneath.walk(usize::MAX)?;
            Ok(Some((beneath, walk)))
        }
    }
}

fn size(walk: &Walk) -> Taken {
    let files = (walk.files.len() + walk.folders.len() + walk.links.len()) as u64;
    Taken { bytes: walk.files.iter().map(|found| found.bytes).fold(0, u64::saturating_add), files }
}

/// The key under which a cache is kept. One of files is of what they are in what was submitted, and so the same before and after.
pub(crate) fn key_of(cache: &Cache, index: usize, source: &Path) -> Result<String, ForeignError> {
    let (prefix, files) = match &cache.key {
        CacheKey::Text(key) => return Ok(key.clone()),
        CacheKey::Files { prefix, files } => (prefix, files),
    };
    let prefix = prefix.clone().unwrap_or_else(|| index.to_string());
    let digest = match crate::collect::globs(files) {
        Some(globs) => digest_of(&globs, &Beneath::open(source)?)?,
        None => None,
    };
    Ok(format!("{prefix}-{}", digest.as_deref().unwrap_or("default")))
}

/// A digest of what is in the files, whatever they are called; `None` where there are none.
fn digest_of(globs: &GlobSet, source: &Beneath) -> Result<Option<String>, ForeignError> {
    let walk = source.walk_for(usize::MAX, &|path| globs.is_match(path))?;
    let mut contents = walk
        .files
        .iter()
        .map(|found| Ok(hex::encode(Sha256::digest(source.read(&found.path, KEY_FILE_MAX)?))))
        .collect::<Result<Vec<String>, ForeignError>>()?;
    contents.sort_unstable();
    contents.dedup();
    let digest = (!contents.is_empty()).then(|| hex::encode(&Sha256::digest(contents.join("-"))[..20]));
    Ok(digest)
}

#[cfg(test)]
mod tests;
