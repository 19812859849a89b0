//! Sessions of people who signed in on the page: a file each, named by the digest of what their browser keeps.
//!
//! A session says by which token it was opened and no more: it ends with that token, at once, as well as by itself.

use std::{
    fs::{self, File},
    path::PathBuf,
    time::{Duration, SystemTime},
};

use jiff::Timestamp;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};

use super::{Fingerprint, Store, StoreError, tokens::random_digits};
use crate::disk::{self, DiskError, Versioned};

/// A session that nobody used for so long has ended.
pub const IDLE: Duration = Duration::from_secs(12 * 60 * 60);
/// A session that was opened so long ago has ended.
pub const LONGEST: Duration = Duration::from_secs(7 * 24 * 60 * 60);
/// That a session is used is written down as often as this.
const TOUCH_EVERY: Duration = Duration::from_secs(60);
/// Digits of what a browser keeps.
const DIGITS: usize = 64;

/// `.access/sessions/<digest>.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionRecord {
    /// Schema version of the file.
    pub schema: u32,
    /// The part of the token that is no secret.
    pub token_id: String,
    /// When it was opened.
    pub created_at: Timestamp,
}

impl Versioned for SessionRecord {
    const SCHEMA: u32 = 1;
}

impl Store {
    /// Opens a session for a token; gives what the browser is to keep.
    ///
    /// # Errors
    /// [`StoreError::Disk`].
    pub fn open_session(&self, token_id: &str) -> Result<SecretString, StoreError> {
        let secret = random_digits(DIGITS);
        let record = SessionRecord {
            schema: SessionRecord::SCHEMA,
            token_id: token_id.to_owned(),
            created_at: Timestamp::now(),
        };
        disk::create_json(&self.session_path(&secret), &record)?;
        Ok(secret.into())
    }

    /// The session of what a browser has kept, and that it is used; `None` where there is none, or none any more.
    ///
    /// # Errors
    /// [`StoreError::Disk`].
    pub fn session(&self, secret: &str) -> Result<Option<SessionRecord>, StoreError> {
        if secret.len() != DIGITS {
            return Ok(None);
        }
        let path = self.session_path(secret);
        let Some(record) = disk::read_json::<SessionRecord>(&path)? else { return Ok(None) };
        let idle = idle_for(&path);
        let age = Timestamp::now().as_second() - record.created_at.as_second();
        if idle >= IDLE || age >= LONGEST.as_secs() as i64 {
            let _ = fs::remove_file(&path);
            return Ok(None);
        }
        if idle >= TOUCH_EVERY {
            // A session whose use cannot be written down ends earlier: no harm is done.
            let _ = File::options().write(true).open(&path).and_then(|file| file.set_modified(SystemTime::now()));
        }
        Ok(Some(record))
    }

    /// Ends a session.
    ///
    /// # Errors
    /// [`StoreError::Disk`]: it may go on.
    pub fn close_session(&self, secret: &str) -> Result<(), StoreError> {
        let path = self.session_path(secret);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(DiskError::io("remove", path)(error).into())
            }
            _ => Ok(()),
        }
    }

    /// Removes sessions that have ended. Returns how many.
    ///
    /// # Errors
    /// [`StoreError::Disk`] when the folder cannot be listed.
    pub fn sweep_sessions(&self) -> Result<usize, StoreError> {
        let folder = self.layout.sessions();
        let entries = fs::read_dir(&folder).map_err(DiskError::io("list", &folder))?;
        let over = entries.flatten().filter(|entry| idle_for(&entry.path()) >= IDLE);
        Ok(over.filter(|entry| fs::remove_file(entry.path()).is_ok()).count())
    }

    fn session_path(&self, secret: &str) -> PathBuf {
        self.layout.sessions().join(format!("{}.json", Fingerprint::of(&[secret.as_bytes()])))
    }
}

fn idle_for(path: &std::path::Path) -> Duration {
    let used = fs::metadata(path).and_then(|meta| meta.modified()).ok();
    used.and_then(|used| SystemTime::now().duration_since(used).ok()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;

    #[test]
    fn a_session_ends_when_it_is_closed_or_unused_or_old() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        let open = || store.open_session("0123").unwrap().expose_secret().to_owned();
        let (closed, unused, old) = (open(), open(), open());
        assert_eq!(store.session(&unused).unwrap().unwrap().token_id, "0123");
        store.close_session(&closed).unwrap();
        let set_used = |secret: &str, ago| {
            let file = File::options().write(true).open(store.session_path(secret)).unwrap();
            file.set_modified(SystemTime::now() - ago).unwrap();
        };
        set_used(&unused, IDLE - Duration::from_secs(60));
        assert!(store.session(&unused).unwrap().is_some() && idle_for(&store.session_path(&unused)) < TOUCH_EVERY);
        set_used(&unused, IDLE);
        let record = SessionRecord { created_at: Timestamp::now() - LONGEST, ..store.session(&old).unwrap().unwrap() };
        disk::write_json(&store.session_path(&old), &record).unwrap();
        for secret in [&closed, &unused, &old, "", "../tokens/x"] {
            assert_eq!(store.session(secret).unwrap(), None, "{secret}");
        }
        let forgotten = open();
        set_used(&forgotten, IDLE);
        assert_eq!((store.sweep_sessions().unwrap(), store.sweep_sessions().unwrap()), (1, 0));
    }
}
