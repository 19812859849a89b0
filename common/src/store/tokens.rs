//! Tokens: who may use this server, one file each, made once and never changed.
//!
//! The file has a digest of the token, never the token. A digest without salt and without cost will do: what is digested is
//! random, and nobody guesses it. A token is revoked by one rename out of the folder, so that a full disk keeps nobody from it;
//! every process over the same folder sees that at its next look.

use std::{
    fs,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use jiff::Timestamp;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use uuid::Uuid;

use super::{Store, StoreError, give_to_owner_of};
use crate::{
    access::{Grant, Owner},
    disk::{self, DiskError, Versioned},
};

/// How every token begins, so that scanners for secrets know one.
const PREFIX: &str = "plx_";
/// Digits of the part that names a token.
const ID_DIGITS: usize = 16;
/// Digits of the part that nobody else knows.
const SECRET_DIGITS: usize = 64;
/// What a writer that died has left is removed after so long.
const LEFT_AFTER: Duration = Duration::from_secs(60 * 60);

/// `.access/tokens/<name>.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenRecord {
    /// Schema version of the file.
    pub schema: u32,
    /// The part of the token that is no secret.
    pub id: String,
    /// The account: who owns what is submitted with it.
    pub name: String,
    /// What it may do.
    #[serde(flatten)]
    pub grant: Grant,
    /// When it was made.
    pub created_at: Timestamp,
    /// From when on it is not taken any more.
    pub expires_at: Option<Timestamp>,
    /// SHA-256 of the whole token, in lower-case hexadecimal digits.
    pub sha256: String,
}

impl Versioned for TokenRecord {
    const SCHEMA: u32 = 1;
}

impl TokenRecord {
    /// Whose is what is submitted with it.
    pub fn owner(&self) -> Owner {
        Owner::named(&self.name)
    }

    /// Whether its time is over.
    pub fn has_expired(&self, now: Timestamp) -> bool {
        self.expires_at.is_some_and(|expires| now >= expires)
    }

    /// Whether this is the token. It takes the same time for every text.
    pub fn is(&self, digest: &str) -> bool {
        self.sha256.as_bytes().ct_eq(digest.as_bytes()).into()
    }
}

/// What a token is to be.
#[derive(Clone, Debug)]
pub struct NewToken {
    /// The account.
    pub name: String,
    /// What it may do.
    pub grant: Grant,
    /// From when on it is not taken any more.
    pub expires_at: Option<Timestamp>,
}

/// The tokens of a folder.
#[derive(Debug, Default)]
pub struct Tokens {
    /// Those that can be read, by name.
    pub known: Vec<TokenRecord>,
    /// Those that cannot: nobody gets in by one.
    pub unreadable: Vec<DiskError>,
}

/// The digest of a token, and the part that names it; `None` for what is no token at all.
pub fn read_token(text: &str) -> Option<(&str, String)> {
    let (id, secret) = text.strip_prefix(PREFIX)?.split_once('_')?;
    let digits =
        |text: &str, most| text.len() == most && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
    (digits(id, ID_DIGITS) && digits(secret, SECRET_DIGITS)).then(|| (id, hex::encode(Sha256::digest(text.as_bytes()))))
}

/// As many random digits: of the system's own generator, by way of two UUIDs (244 random bits).
pub(super) fn random_digits(count: usize) -> String {
    let mut digest = Sha256::new();
    digest.update(Uuid::new_v4().as_bytes());
    digest.update(Uuid::new_v4().as_bytes());
    let mut digits = hex::encode(digest.finalize());
    digits.truncate(count);
    digits
}

impl Store {
    /// Makes a token. `None` where there is one of that name.
    ///
    /// # Errors
    /// [`StoreError::Disk`]: nobody gets in by it then.
    pub fn create_token(&self, new: NewToken) -> Result<Option<(TokenRecord, SecretString)>, StoreError> {
        let NewToken { name, grant, expires_at } = new;
        let id = random_digits(ID_DIGITS);
        let token = format!("{PREFIX}{id}_{}", random_digits(SECRET_DIGITS));
        let record = TokenRecord {
            schema: TokenRecord::SCHEMA,
            id,
            grant,
            created_at: Timestamp::now(),
            expires_at,
            sha256: hex::encode(Sha256::digest(token.as_bytes())),
            name,
        };
        let folder = self.layout.tokens();
        sweep_left(&folder)?;
        let temp = folder.join(format!(".new-{}", Uuid::new_v4().as_simple()));
        disk::write_json(&temp, &record)?;
        // Root makes a token for a backend that runs as somebody else, who has to be able to read it from the first moment on.
        let made = give_to_owner_of(self.layout.root(), &temp)
            .and_then(|()| Ok(disk::publish(&temp, &self.layout.token(&record.name))?));
        if !matches!(made, Ok(true)) {
            let _ = fs::remove_file(&temp);
        }
        let made = made?;
        self.keep_access_folders()?;
        Ok(made.then(|| (record, SecretString::from(token))))
    }

    /// The folders above what is kept for good: nobody waits for them when they are made.
    pub(super) fn keep_access_folders(&self) -> Result<(), StoreError> {
        disk::sync_dir(&self.layout.access())?;
        Ok(disk::sync_dir(self.layout.root())?)
    }

    /// All tokens that are not revoked, also those whose time is over.
    ///
    /// # Errors
    /// [`StoreError::Disk`] when the folder cannot be listed.
    pub fn tokens(&self) -> Result<Tokens, StoreError> {
        let mut tokens = Tokens::default();
        for path in files_of(&self.layout.tokens())? {
            match disk::read_json::<TokenRecord>(&path) {
                Ok(Some(record)) => tokens.known.push(record),
                // Revoked since the folder was listed.
                Ok(None) => {}
                Err(error) => tokens.unreadable.push(error),
            }
        }
        tokens.known.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(tokens)
    }

    /// Revokes the token of an account: durably, and without needing space. `false` where there is none.
    ///
    /// # Errors
    /// [`StoreError::Disk`]: the token may be taken still.
    pub fn revoke_token(&self, name: &str) -> Result<bool, StoreError> {
        let from = self.layout.token(name);
        let to = self.layout.revoked_tokens().join(format!("{name}-{}.json", random_digits(8)));
        match fs::rename(&from, &to) {
            Ok(()) => {
                disk::sync_dir(&self.layout.tokens())?;
                disk::sync_dir(&self.layout.revoked_tokens())?;
                Ok(true)
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(DiskError::io("revoke", from)(error).into()),
        }
    }

    /// When a token was last made or revoked, in seconds and nanoseconds of the file system's clock.
    ///
    /// # Errors
    /// [`StoreError::Disk`].
    pub fn tokens_changed(&self) -> Result<(i64, i64), StoreError> {
        let folder = self.layout.tokens();
        let meta = fs::metadata(&folder).map_err(DiskError::io("look at", folder))?;
        Ok((meta.mtime(), meta.mtime_nsec()))
    }
}

/// The files of a folder that are whole.
pub(super) fn files_of(folder: &Path) -> Result<Vec<PathBuf>, StoreError> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).map_err(DiskError::io("list", folder))? {
        let entry = entry.map_err(DiskError::io("list", folder))?;
        if !entry.file_name().as_encoded_bytes().starts_with(b".") {
            files.push(entry.path());
        }
    }
    Ok(files)
}

fn sweep_left(folder: &Path) -> Result<(), StoreError> {
    for entry in fs::read_dir(folder).map_err(DiskError::io("list", folder))?.flatten() {
        let written = entry.metadata().and_then(|meta| meta.modified()).ok();
        let age = written.and_then(|written| SystemTime::now().duration_since(written).ok());
        if entry.file_name().as_encoded_bytes().starts_with(b".") && age.is_some_and(|age| age > LEFT_AFTER) {
            let _ = fs::remove_file(entry.path());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;
    use crate::access::Role;

    fn new(name: &str) -> NewToken {
        let grant = Grant { role: Role::Submitter, projects: vec!["shop".to_owned()] };
        NewToken { name: name.to_owned(), grant, expires_at: None }
    }

    #[test]
    fn a_token_is_made_once_kept_as_a_digest_and_revoked_for_every_process() {
        let dir = tempfile::tempdir().unwrap();
        let (store, other) = (Store::open(dir.path()).unwrap(), Store::open(dir.path()).unwrap());
        let (record, token) = store.create_token(new("ci")).unwrap().unwrap();
        assert!(store.create_token(new("ci")).unwrap().is_none(), "one token an account");
        let kept = fs::read_to_string(store.layout().token("ci")).unwrap();
        assert!(!kept.contains(token.expose_secret()), "the token itself is nowhere");
        let (id, digest) = read_token(token.expose_secret()).unwrap();
        assert_eq!(other.tokens().unwrap().known, std::slice::from_ref(&record));
        assert!(record.id == id && record.is(&digest) && !record.is(&digest.replace('a', "b")) && !record.is(""));

        assert!(store.revoke_token("ci").unwrap() && !store.revoke_token("ci").unwrap());
        assert!(other.tokens().unwrap().known.is_empty());
        assert_eq!(store.create_token(new("ci")).unwrap().unwrap().0.owner(), record.owner(), "the account stays");
    }

    #[test]
    fn what_a_death_leaves_is_no_token_and_a_torn_file_lets_nobody_in_and_keeps_nobody_out() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        store.create_token(new("whole")).unwrap().unwrap();
        let left = store.layout().tokens().join(".new-x");
        fs::copy(store.layout().token("whole"), &left).unwrap();
        fs::write(store.layout().token("torn"), "{\"schema\": 1, \"na").unwrap();
        let tokens = store.tokens().unwrap();
        assert_eq!((tokens.known.len(), tokens.unreadable.len()), (1, 1));
        let old = SystemTime::now() - 2 * LEFT_AFTER;
        fs::File::options().write(true).open(&left).unwrap().set_modified(old).unwrap();
        store.create_token(new("next")).unwrap().unwrap();
        assert!(!left.exists());
    }

    #[test]
    fn what_is_no_token_is_known_without_a_look() {
        let good = format!("plx_{}_{}", "0".repeat(16), "f".repeat(64));
        assert!(read_token(&good).is_some());
        for text in
            ["", "plx_", "plx_1_2", &good[1..], &good.replace('f', "F"), &format!("{good}0"), &good.replace('_', "-")]
        {
            assert!(read_token(text).is_none(), "{text}");
        }
    }
}
