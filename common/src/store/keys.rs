//! Keys of submissions: whoever sends one twice under one key gets one job.
//!
//! The file of a key names the id that its job has or will have, and is durable before that job's rename. A submission that
//! comes again is staged under the same id, and the rename, which never replaces, decides. So there is no moment at which a
//! crash makes two jobs of one key: before the file there is no job, after it there can only be the one that it names.

use std::{
    fmt,
    fs::{self, File},
    path::PathBuf,
    time::{Duration, SystemTime},
};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{Store, StoreError};
use crate::{
    disk::{self, DiskError, Versioned},
    id::JobId,
};

/// How long a key is kept: whoever got no answer has long tried again by then.
pub const KEPT_FOR: Duration = Duration::from_secs(24 * 60 * 60);

/// A SHA-256 over texts, told apart from each other: the name of a key's file, or what was submitted under it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Fingerprint(String);

impl Fingerprint {
    /// The fingerprint of these texts in this order.
    pub fn of(texts: &[&[u8]]) -> Self {
        let mut digest = Sha256::new();
        for text in texts {
            // With its length before it, no text can look like two.
            digest.update((text.len() as u64).to_be_bytes());
            digest.update(text);
        }
        Self(hex::encode(digest.finalize()))
    }

    /// Reads one.
    pub fn parse(text: &str) -> Option<Self> {
        let digits = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        (text.len() == 64 && text.bytes().all(digits)).then(|| Self(text.to_owned()))
    }

    /// Its 64 lower-case hexadecimal digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// `.keys/<fingerprint>`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyRecord {
    /// Schema version of the file.
    pub schema: u32,
    /// The job of this key, made or to be made.
    pub job_id: JobId,
    /// What was submitted.
    pub body: Fingerprint,
    /// Since when the key is kept.
    pub kept_since: Timestamp,
    /// Whether the job was made: if it is not there any more, it was removed, and is not made again.
    #[serde(default)]
    pub made: bool,
}

impl Versioned for KeyRecord {
    const SCHEMA: u32 = 1;
}

impl KeyRecord {
    fn has_expired(&self) -> bool {
        Timestamp::now().as_second() - self.kept_since.as_second() > KEPT_FOR.as_secs() as i64
    }
}

impl Store {
    /// What is known of a key; `None` when it is new, or older than [`KEPT_FOR`].
    ///
    /// # Errors
    /// [`StoreError::Disk`], also when its file cannot be read: then nobody knows whether there is a job.
    pub fn key(&self, key: &Fingerprint) -> Result<Option<KeyRecord>, StoreError> {
        let record: Option<KeyRecord> = disk::read_json(&self.key_path(key))?;
        Ok(record.filter(|record| !record.has_expired()))
    }

    /// Binds a key to what is submitted, durably, and returns the record that counts. A key is bound anew only while no job
    /// has come of it, by another body, or once its job was removed: then it gets an id of its own. Until then the same body
    /// always gets the same id.
    ///
    /// # Errors
    /// [`StoreError::Disk`].
    pub fn bind_key(&self, key: &Fingerprint, body: &Fingerprint) -> Result<KeyRecord, StoreError> {
        let _lock = self.lock_keys()?;
        if let Some(known) = self.key(key)?
            && ((known.body == *body && !known.made) || self.job_is_there(known.job_id)?)
        {
            return Ok(known);
        }
        let record = KeyRecord {
            schema: KeyRecord::SCHEMA,
            job_id: JobId::generate(),
            body: body.clone(),
            kept_since: Timestamp::now(),
            made: false,
        };
        disk::write_json(&self.key_path(key), &record)?;
        Ok(record)
    }

    /// Says that the job of a key was made.
    ///
    /// # Errors
    /// [`StoreError::Disk`]; the job is there all the same.
    pub fn key_was_used(&self, key: &Fingerprint) -> Result<(), StoreError> {
        let _lock = self.lock_keys()?;
        if let Some(known) = self.key(key)? {
            disk::write_json(&self.key_path(key), &KeyRecord { made: true, ..known })?;
        }
        Ok(())
    }

    /// Removes keys that were bound longer ago than [`KEPT_FOR`], and what a writer that died has left. Returns how many.
    ///
    /// # Errors
    /// [`StoreError::Disk`] when the folder cannot be listed.
    pub fn sweep_keys(&self) -> Result<usize, StoreError> {
        let folder = self.layout.keys();
        let mut swept = 0;
        for entry in fs::read_dir(&folder).map_err(DiskError::io("list", &folder))?.flatten() {
            // Between a look and a removal the key may be bound anew: not while this is held.
            let _lock = self.lock_keys()?;
            let written = entry.metadata().and_then(|meta| meta.modified());
            let age = written.ok().and_then(|written| SystemTime::now().duration_since(written).ok());
            if age.is_some_and(|age| age > KEPT_FOR) && fs::remove_file(entry.path()).is_ok() {
                swept += 1;
            }
        }
        Ok(swept)
    }

    /// Whether a job of that id exists.
    ///
    /// # Errors
    /// [`StoreError::Disk`].
    fn job_is_there(&self, id: JobId) -> Result<bool, StoreError> {
        match self.job(id) {
            Ok(_) => Ok(true),
            Err(StoreError::NoSuchJob(_)) => Ok(false),
            Err(other) => Err(other),
        }
    }

    fn key_path(&self, key: &Fingerprint) -> PathBuf {
        self.layout.keys().join(key.as_str())
    }

    /// One binds or sweeps at a time, in whichever process, on whichever host.
    fn lock_keys(&self) -> Result<File, StoreError> {
        Ok(disk::lock_file(&self.layout.keys_lock())?)
    }
}
