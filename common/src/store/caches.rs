//! Caches: what steps keep for the steps of later jobs of the same owner, project and kind of refs.
//!
//! `.caches/SCOPE/KEY/N/` is one that was kept, whole and never changed; of several the highest number counts. It is gathered in
//! `.caches/.new/`, synced, and published by one rename. Nobody but the worker gets into `.caches`: a step reads a copy. Whoever
//! reads one holds a shared lock on its folder, and nothing is removed that is read.

use std::{
    fs::{self, File, FileTimes},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::{Store, StoreError};
use crate::{
    access::Owner,
    disk::{self, DiskError, Versioned},
    foreign,
    limits::CacheLimits,
    metadata::{Metadata, SourceKind},
};

/// The part of a cache that lies in the project.
pub const OF_PROJECT: &str = "project";
/// The part of a cache that lies in the step's cache folder.
pub const OF_CACHE_DIR: &str = "cache";
/// What a cache says of itself.
const ABOUT: &str = "about.json";
/// So often a folder is looked for again that somebody removed between two looks.
const LOOKS: usize = 3;

/// Which caches a job may read and write.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CacheScope {
    /// Whose the job is.
    pub owner: Owner,
    /// Its project.
    pub project: String,
    /// The kind of its ref.
    pub refs: Refs,
}

/// Kinds of refs that have caches of their own: what one leaves no other reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Refs {
    /// Those that the project trusts.
    Trusted,
    /// All others of its repository.
    Untrusted,
    /// None: the project was uploaded, or is run on its own machine.
    Upload,
}

impl Refs {
    fn word(self) -> &'static str {
        match self {
            Self::Trusted => "trusted",
            Self::Untrusted => "untrusted",
            Self::Upload => "upload",
        }
    }
}

impl CacheScope {
    /// The caches of a job.
    pub fn of(metadata: &Metadata) -> Self {
        let refs = match metadata.source.kind {
            SourceKind::Zip => Refs::Upload,
            SourceKind::Git if metadata.is_of_trusted_ref() => Refs::Trusted,
            SourceKind::Git => Refs::Untrusted,
        };
        Self { owner: metadata.owner.clone(), project: metadata.project.clone(), refs }
    }

    fn digest(&self) -> String {
        digest(&[self.owner.as_str(), &self.project, self.refs.word()])
    }
}

/// What a cache says of itself; the folder counts, this is for people.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct AboutCache {
    schema: u32,
    scope: CacheScope,
    key: String,
    /// What is in it, in bytes.
    bytes: u64,
}

impl Versioned for AboutCache {
    const SCHEMA: u32 = 1;
}

/// A cache that somebody reads.
#[derive(Debug)]
pub struct KeptCache {
    folder: PathBuf,
    _read: File,
}

impl KeptCache {
    /// The folder of one part: [`OF_PROJECT`] or [`OF_CACHE_DIR`]; it may not be there.
    pub fn part(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }
}

/// A cache that is being gathered; nobody sees it, and what is not published is removed.
#[derive(Debug)]
pub struct CacheDraft<'a> {
    store: &'a Store,
    folder: PathBuf,
    lock: File,
}

/// A cache that goes, or a half of one that somebody died over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct OldCache {
    /// Where it is.
    pub path: PathBuf,
    /// The project that it is of, where it says so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub project: Option<String>,
    /// Its key, where it says so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// Why it goes.
    pub because: CacheGoes,
    /// How long ago it was last read or written, in seconds.
    pub age_seconds: u64,
    /// The room it takes, in bytes.
    pub bytes: u64,
}

/// Why a cache goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum CacheGoes {
    /// Nobody has read it for too long.
    Age,
    /// Those that were read later take all the room.
    Bytes,
    /// There is a later one under the same key.
    Replaced,
    /// Whoever wrote it died.
    Unfinished,
}

impl Store {
    /// The cache that is kept under this key; nobody removes it while the answer lives. `None`: there is none.
    ///
    /// # Errors
    /// [`StoreError::Disk`].
    pub fn find_cache(&self, scope: &CacheScope, key: &str) -> Result<Option<KeptCache>, StoreError> {
        let of_key = self.of_key(scope, key);
        for _ in 0..LOOKS {
            let Some(latest) = numbers(&of_key)?.into_iter().max() else { return Ok(None) };
            let folder = of_key.join(latest.to_string());
            let lock = match File::open(&folder) {
                Ok(lock) => lock,
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
                Err(error) => return Err(DiskError::io("open", &folder)(error).into()),
            };
            lock.lock_shared().map_err(DiskError::io("lock", &folder))?;
            if is_still(&folder, &lock) {
                // Whoever clears up goes by this.
                if let Err(error) = lock.set_times(FileTimes::new().set_modified(SystemTime::now())) {
                    tracing::warn!(path = %folder.display(), %error, "a cache was read, and its time could not be set");
                }
                return Ok(Some(KeptCache { folder, _read: lock }));
            }
        }
        Ok(None)
    }

    /// A folder to gather a new cache in.
    ///
    /// # Errors
    /// [`StoreError::Disk`].
    pub fn draft_cache(&self) -> Result<CacheDraft<'_>, StoreError> {
        for folder in [self.layout().caches(), self.layout().cache_drafts()] {
            disk::make_dir(&folder, 0o700)?;
        }
        let folder = self.layout().cache_drafts().join(Uuid::new_v4().to_string());
        disk::make_dir(&folder, 0o755)?;
        let lock = File::open(&folder).map_err(DiskError::io("open", &folder))?;
        lock.lock().map_err(DiskError::io("lock", &folder))?;
        Ok(CacheDraft { store: self, folder, lock })
    }

    fn of_key(&self, scope: &CacheScope, key: &str) -> PathBuf {
        self.layout().caches_of(&scope.digest()).join(digest(&[key]))
    }

    /// The caches that go: too old, too much together, replaced, or left half made longer ago than `grace`.
    ///
    /// # Errors
    /// [`StoreError::Disk`] when they cannot be listed.
    pub fn surplus_caches(&self, keep: &CacheLimits, grace: Duration) -> Result<Vec<OldCache>, StoreError> {
        let (mut old, mut latest, now) = (Vec::new(), Vec::new(), SystemTime::now());
        for draft in folders(&self.layout().cache_drafts())? {
            let found = look(&draft, CacheGoes::Unfinished, now);
            old.extend(found.filter(|found| found.age_seconds >= grace.as_secs() && is_unread(&draft)));
        }
        for scope in folders(&self.layout().caches())? {
            for of_key in folders(&scope)? {
                let all = numbers(&of_key)?;
                let highest = all.iter().max().copied();
                for number in all {
                    let folder = of_key.join(number.to_string());
                    if Some(number) == highest {
                        latest.extend(look(&folder, CacheGoes::Bytes, now));
                    } else {
                        old.extend(look(&folder, CacheGoes::Replaced, now));
                    }
                }
            }
        }
        old.extend(too_many(latest, keep));
        Ok(old)
    }

    /// Removes a cache, by one rename. `false` where somebody reads it, or it is gone.
    ///
    /// # Errors
    /// [`StoreError::Disk`].
    pub fn remove_cache(&self, old: &Path) -> Result<bool, StoreError> {
        let Ok(lock) = File::open(old) else { return Ok(false) };
        if lock.try_lock().is_err() || !is_still(old, &lock) {
            return Ok(false);
        }
        self.throw_away(old)?;
        // The folders above it, once they are empty; a writer who is just there makes them again.
        let above = old.ancestors().skip(1).take_while(|folder| *folder != self.layout().caches());
        above.filter(|folder| *folder != self.layout().cache_drafts()).all(|folder| fs::remove_dir(folder).is_ok());
        Ok(true)
    }
}

impl CacheDraft<'_> {
    /// Where it is gathered: the folders [`OF_PROJECT`] and [`OF_CACHE_DIR`].
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Makes it the cache of this key. `bytes`: what is in it.
    ///
    /// # Errors
    /// [`StoreError::Disk`]; the one before it then stays.
    pub fn publish(self, scope: &CacheScope, key: &str, bytes: u64) -> Result<(), StoreError> {
        let about = AboutCache { schema: AboutCache::SCHEMA, scope: scope.clone(), key: key.to_owned(), bytes };
        disk::place_json(&self.folder.join(ABOUT), &about)?;
        let of_key = self.store.of_key(scope, key);
        for _ in 0..LOOKS {
            // Again each time: whoever clears up removes them while they are empty.
            of_key.parent().map_or(Ok(()), |of_scope| disk::make_dir(of_scope, 0o755))?;
            disk::make_dir(&of_key, 0o755)?;
            disk::sync_file_system(&self.folder)?;
            crate::fault_point!("worker.cache-synced");
            loop {
                let next = numbers(&of_key)?.into_iter().max().unwrap_or(0) + 1;
                match disk::publish(&self.folder, &of_key.join(next.to_string())) {
                    Ok(true) => {
                        drop(self);
                        return Ok(());
                    }
                    Ok(false) => {}
                    Err(error) if error.is_missing() => break,
                    Err(error) => return Err(error.into()),
                }
            }
        }
        let gone = std::io::Error::from(std::io::ErrorKind::NotFound);
        Err(DiskError::io("publish", &of_key)(gone).into())
    }
}

impl Drop for CacheDraft<'_> {
    fn drop(&mut self) {
        // Nothing is there any more where it was published.
        if let Err(error) = self.store.throw_away(&self.folder) {
            tracing::warn!(path = %self.folder.display(), %error, "a cache that was given up could not be removed");
        }
        let _ = self.lock.unlock();
    }
}

/// Of the latest cache of each key those that are too old, or too much together: what was read last stays.
fn too_many(mut all: Vec<OldCache>, keep: &CacheLimits) -> Vec<OldCache> {
    all.sort_by(|a, b| (a.age_seconds, &a.path).cmp(&(b.age_seconds, &b.path)));
    let (mut bytes, mut old) = (0u64, Vec::new());
    for cache in all {
        bytes = bytes.saturating_add(cache.bytes);
        if cache.age_seconds > keep.unread_seconds {
            old.push(OldCache { because: CacheGoes::Age, ..cache });
        } else if bytes > keep.bytes {
            bytes -= cache.bytes;
            old.push(OldCache { because: CacheGoes::Bytes, ..cache });
        }
    }
    old
}

fn look(folder: &Path, because: CacheGoes, now: SystemTime) -> Option<OldCache> {
    let touched = fs::symlink_metadata(folder).and_then(|meta| meta.modified()).ok()?;
    // One that cannot be read is as large as it is, and goes in its turn.
    let about: Option<AboutCache> = disk::read_json(&folder.join(ABOUT)).ok().flatten();
    let bytes = about.as_ref().map_or_else(|| foreign::measure(folder).unwrap_or(0), |about| about.bytes);
    let age_seconds = now.duration_since(touched).unwrap_or_default().as_secs();
    let (project, key) = about.map(|about| (about.scope.project, about.key)).unzip();
    Some(OldCache { path: folder.to_owned(), project, key, because, age_seconds, bytes })
}

fn is_unread(folder: &Path) -> bool {
    File::open(folder).is_ok_and(|lock| lock.try_lock().is_ok())
}

/// Whether the folder of this name is still the one that was opened.
fn is_still(folder: &Path, opened: &File) -> bool {
    let same = |a: &fs::Metadata, b: &fs::Metadata| (a.dev(), a.ino()) == (b.dev(), b.ino());
    fs::symlink_metadata(folder).is_ok_and(|meta| opened.metadata().is_ok_and(|opened| same(&meta, &opened)))
}

fn numbers(of_key: &Path) -> Result<Vec<u64>, StoreError> {
    Ok(folders(of_key)?.iter().filter_map(|path| path.file_name()?.to_str()?.parse().ok()).collect())
}

/// The folders in a folder of ours, but for those with a dot. Whoever may not look there has nothing to do there.
fn folders(folder: &Path) -> Result<Vec<PathBuf>, StoreError> {
    use std::io::ErrorKind::{NotFound, PermissionDenied};
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries.flatten(),
        Err(error) if matches!(error.kind(), NotFound | PermissionDenied) => return Ok(Vec::new()),
        Err(error) => return Err(DiskError::io("list", folder)(error).into()),
    };
    let plain = entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
    Ok(plain.map(|entry| entry.path()).filter(|path| !is_hidden(path)).collect())
}

fn is_hidden(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."))
}

/// A name for files: 32 hexadecimal digits, the same for the same words.
fn digest(words: &[&str]) -> String {
    let mut digest = Sha256::new();
    for word in words {
        digest.update((word.len() as u64).to_le_bytes());
        digest.update(word);
    }
    hex::encode(&digest.finalize()[..16])
}

#[cfg(test)]
mod tests;
