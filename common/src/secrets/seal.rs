//! How a secret is kept on a disk: sealed with the operator's key, which lies in a file of its own outside of the workspaces folder.
//!
//! The cipher is XChaCha20-Poly1305: its nonces are long enough to be taken at random, and it is as fast without help of the CPU. What a
//! secret is called, of which project it is and what may be done with it is bound to it: whoever can write in the folder cannot give
//! one project's secret to another, or take its protection away.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use chacha20poly1305::{
    Key, KeyInit, XChaCha20Poly1305, XNonce,
    aead::{Aead, Generate, Payload},
};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::disk::{self, DiskError};

/// How a key's file begins, so that scanners for secrets know one.
const PREFIX: &str = "plxkey_";
/// Digits of the key in it.
const KEY_DIGITS: usize = 64;
/// Bytes of a nonce.
const NONCE: usize = 24;

/// The operator's key. Nothing of it is printed.
#[derive(Clone)]
pub struct SecretKey {
    cipher: XChaCha20Poly1305,
    id: String,
    path: PathBuf,
}

impl std::fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SecretKey").field("id", &self.id).field("path", &self.path).finish_non_exhaustive()
    }
}

/// What is on the disk of a secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sealed {
    /// Which key: a part of its digest.
    pub key: String,
    /// In hexadecimal digits.
    nonce: String,
    /// In hexadecimal digits.
    text: String,
}

/// Why there is no key.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// There is none.
    #[error("there is no key for secrets at {}: `pipelinex secret key --secrets-key {}` makes one", .0.display(), .0.display())]
    Missing(PathBuf),
    /// Others may read it.
    #[error("others than its owner may read the key for secrets: `chmod 600 {}`", .0.display())]
    Open(PathBuf),
    /// It is something else.
    #[error("{} is no key for secrets: one line, {PREFIX} and {KEY_DIGITS} digits", .0.display())]
    NoKey(PathBuf),
    /// It would lie beside what it seals.
    #[error("the key for secrets does not belong below the workspaces folder, whose backup would then hold both: {}", .0.display())]
    BesideSecrets(PathBuf),
    /// There is a file of that name.
    #[error("{} is there already; without it what it seals cannot be read, so it is not replaced", .0.display())]
    Taken(PathBuf),
    /// It cannot be read or written.
    #[error(transparent)]
    Disk(#[from] DiskError),
}

/// Why a secret cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UnsealError {
    /// With another key it might.
    #[error("it was sealed with another key ({theirs}) than the one in {} ({ours})", path.display())]
    OtherKey {
        /// Which.
        theirs: String,
        /// Ours.
        ours: String,
        /// Where ours is.
        path: PathBuf,
    },
    /// Somebody changed it, or its name, project or protection.
    #[error("its file is damaged, was changed by somebody, or is that of another secret: set it again")]
    Changed,
}

impl SecretKey {
    /// Makes a key and its file, for its owner alone to read.
    ///
    /// # Errors
    /// [`KeyError`]; a file that is there stays as it is.
    pub fn create(path: &Path, workspaces: &Path) -> Result<Self, KeyError> {
        outside(path, workspaces)?;
        let text = format!("{PREFIX}{}\n", hex::encode(Key::generate()));
        disk::write_new(path, text.as_bytes(), 0o600).map_err(|error| match error {
            DiskError::Io { ref source, .. } if source.kind() == std::io::ErrorKind::AlreadyExists => {
                KeyError::Taken(path.to_owned())
            }
            other => other.into(),
        })?;
        if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            disk::sync_dir(folder)?;
        }
        Self::open(path, workspaces)
    }

    /// Reads a key.
    ///
    /// # Errors
    /// [`KeyError`].
    pub fn open(path: &Path, workspaces: &Path) -> Result<Self, KeyError> {
        outside(path, workspaces)?;
        let Some(text) = disk::read_file(path, 1024)? else { return Err(KeyError::Missing(path.to_owned())) };
        let mode = fs::metadata(path).map_err(DiskError::io("look at", path))?.permissions().mode();
        if mode & 0o077 != 0 {
            return Err(KeyError::Open(path.to_owned()));
        }
        let text = String::from_utf8_lossy(&text);
        let digits = text.trim_end().strip_prefix(PREFIX).filter(|digits| digits.len() == KEY_DIGITS);
        let bytes = digits.and_then(|digits| hex::decode(digits).ok());
        let cipher = bytes.as_ref().and_then(|bytes| XChaCha20Poly1305::new_from_slice(bytes).ok());
        let (Some(bytes), Some(cipher)) = (bytes, cipher) else { return Err(KeyError::NoKey(path.to_owned())) };
        let mut digest = Sha256::new_with_prefix("pipelinex key of secrets");
        digest.update(&bytes);
        Ok(Self { cipher, id: hex::encode(&digest.finalize()[..4]), path: path.to_owned() })
    }

    /// Which key it is: no more than a name.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Its file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Seals a value. `bound` has to be the same when it is opened.
    ///
    /// # Errors
    /// A value that no cipher takes, which is larger than any secret.
    pub fn seal(&self, value: &str, bound: &[&str]) -> Result<Sealed, UnsealError> {
        let nonce = XNonce::generate();
        let aad = aad(bound);
        let payload = Payload { msg: value.as_bytes(), aad: &aad };
        let text = self.cipher.encrypt(&nonce, payload).map_err(|_| UnsealError::Changed)?;
        Ok(Sealed { key: self.id.clone(), nonce: hex::encode(nonce), text: hex::encode(text) })
    }

    /// Opens what was sealed with the same words.
    ///
    /// # Errors
    /// [`UnsealError`].
    pub fn open_sealed(&self, sealed: &Sealed, bound: &[&str]) -> Result<String, UnsealError> {
        if sealed.key != self.id {
            let (theirs, ours) = (sealed.key.chars().take(16).collect(), self.id.clone());
            return Err(UnsealError::OtherKey { theirs, ours, path: self.path.clone() });
        }
        let decoded = |text: &str| hex::decode(text).map_err(|_| UnsealError::Changed);
        let (nonce, text) = (decoded(&sealed.nonce)?, decoded(&sealed.text)?);
        let nonce: [u8; NONCE] = nonce.try_into().map_err(|_| UnsealError::Changed)?;
        let aad = aad(bound);
        let value = self.cipher.decrypt(&nonce.into(), Payload { msg: &text, aad: &aad });
        String::from_utf8(value.map_err(|_| UnsealError::Changed)?).map_err(|_| UnsealError::Changed)
    }
}

/// Each word with its length before it: no two lists of words are the same bytes.
fn aad(bound: &[&str]) -> Vec<u8> {
    let word = |word: &&str| [&(word.len() as u64).to_be_bytes(), word.as_bytes()].concat();
    bound.iter().flat_map(word).collect()
}

fn outside(path: &Path, workspaces: &Path) -> Result<(), KeyError> {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let parent = parent.canonicalize().map_err(DiskError::io("find", parent))?;
    let workspaces = workspaces.canonicalize().unwrap_or_else(|_| workspaces.to_owned());
    if parent.starts_with(workspaces) { Err(KeyError::BesideSecrets(path.to_owned())) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_its_owners_lies_elsewhere_and_is_never_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let (path, workspaces) = (dir.path().join("key"), dir.path().join("workspaces"));
        fs::create_dir(&workspaces).unwrap();
        assert!(matches!(SecretKey::open(&path, &workspaces), Err(KeyError::Missing(_))));
        let key = SecretKey::create(&path, &workspaces).unwrap();
        assert!(matches!(SecretKey::create(&path, &workspaces), Err(KeyError::Taken(_))));
        assert_eq!(SecretKey::open(&path, &workspaces).unwrap().id(), key.id());
        let digits = fs::read_to_string(&path).unwrap();
        assert!(digits.starts_with(PREFIX) && !format!("{key:?}").contains(&digits[7..20]));
        let inside = workspaces.join("key");
        assert!(matches!(SecretKey::create(&inside, &workspaces), Err(KeyError::BesideSecrets(_))));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        assert!(matches!(SecretKey::open(&path, &workspaces), Err(KeyError::Open(_))));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        fs::write(&path, "plxkey_12").unwrap();
        assert!(matches!(SecretKey::open(&path, &workspaces), Err(KeyError::NoKey(_))));
    }

    #[test]
    fn what_is_sealed_opens_with_the_same_key_and_words_alone() {
        let dir = tempfile::tempdir().unwrap();
        let workspaces = dir.path().join("workspaces");
        let make = |name: &str| SecretKey::create(&dir.path().join(name), &workspaces).unwrap();
        let (key, other) = (make("one"), make("two"));
        let sealed = key.seal("hunter2", &["shop", "KEY"]).unwrap();
        assert_eq!(key.open_sealed(&sealed, &["shop", "KEY"]).unwrap(), "hunter2");
        assert_ne!(key.seal("hunter2", &["shop", "KEY"]).unwrap(), sealed, "nobody sees that two are the same");
        let json = serde_json::to_string(&sealed).unwrap();
        assert!(!json.contains("hunter2") && !json.contains(&hex::encode("hunter2")));
        for bound in [&["shop", "KEZ"][..], &["site", "KEY"], &["shopK", "EY"], &["shop"], &[]] {
            assert_eq!(key.open_sealed(&sealed, bound), Err(UnsealError::Changed), "{bound:?}");
        }
        let changed = |at: usize, field: &str| {
            let mut value = serde_json::to_value(&sealed).unwrap();
            let mut digits = value[field].as_str().unwrap().to_owned().into_bytes();
            digits[at] = if digits[at] == b'0' { b'1' } else { b'0' };
            value[field] = String::from_utf8(digits).unwrap().into();
            serde_json::from_value::<Sealed>(value).unwrap()
        };
        for broken in [changed(0, "text"), changed(9, "text"), changed(3, "nonce")] {
            assert_eq!(key.open_sealed(&broken, &["shop", "KEY"]), Err(UnsealError::Changed));
        }
        let error = other.open_sealed(&sealed, &["shop", "KEY"]).unwrap_err().to_string();
        assert!(error.contains("another key") && error.contains(other.id()), "{error}");
    }
}
