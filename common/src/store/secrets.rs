//! Secrets of projects: one sealed file each, `.access/secrets/PROJECT-NAME.json`, where PROJECT is a digest of the project's name.
//! They are replaced whole by whoever holds the lock, and are what they were or what they were to be, whatever dies.

use std::{fs, io::ErrorKind, path::PathBuf};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{Store, StoreError, tokens::files_of};
use crate::{
    disk::{self, DiskError, Versioned},
    secrets::{Purpose, Sealed, Secret, SecretKey, UnsealError},
};

/// The lock of all that changes secrets.
const LOCK: &str = "secrets.lock";
/// So many secrets a project has at most.
pub const SECRETS_MAX: usize = 100;
/// So many bytes their files have together: each step of the project is handed all of them.
const FILES_MAX: u64 = 2 * 1024 * 1024;

/// `.access/secrets/PROJECT-NAME.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecretRecord {
    /// Schema version of the file.
    pub schema: u32,
    /// Its name.
    pub name: String,
    /// The project that it is of.
    pub project: String,
    /// What it is for.
    pub purpose: Purpose,
    /// Whether it is taken out of logs and reports.
    pub masked: bool,
    /// Whether it is only for refs that the project trusts.
    pub protected: bool,
    /// When it was set.
    pub created_at: Timestamp,
    /// By whom.
    pub created_by: String,
    /// The value, as nobody reads it without the key.
    pub sealed: Sealed,
}

impl Versioned for SecretRecord {
    const SCHEMA: u32 = 1;
}

impl SecretRecord {
    /// What the value is bound to: none of it can be changed without the key.
    fn bound<'a>(project: &'a str, name: &'a str, purpose: &'a str, masked: bool, protected: bool) -> [&'a str; 5] {
        let word = |is: bool, word: &'static str| if is { word } else { "" };
        [project, name, purpose, word(masked, "masked"), word(protected, "protected")]
    }

    fn open(&self, key: &SecretKey) -> Result<Secret, UnsealError> {
        let Self { name, project, purpose, masked, protected, sealed, .. } = self;
        let told = purpose.to_string();
        let value = key.open_sealed(sealed, &Self::bound(project, name, &told, *masked, *protected))?;
        let (name, purpose) = (name.clone(), purpose.clone());
        Ok(Secret { name, purpose, masked: *masked, protected: *protected, value: value.into() })
    }
}

/// A secret that is to be kept.
#[derive(Clone, Debug)]
pub struct NewSecret<'a> {
    /// The project that it is of.
    pub project: &'a str,
    /// The secret.
    pub secret: &'a Secret,
    /// Who sets it.
    pub by: &'a str,
}

/// The secrets of a folder, closed.
#[derive(Debug, Default)]
pub struct SecretRecords {
    /// Those that can be read, by project and name.
    pub known: Vec<SecretRecord>,
    /// Those that cannot: nobody is given one.
    pub unreadable: Vec<DiskError>,
}

/// Why secrets are not there.
#[derive(Debug, thiserror::Error)]
pub enum SecretStoreError {
    /// The folder.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// One of them.
    #[error("the secret {name} of the project {project} cannot be read: {source}")]
    Sealed {
        /// Which.
        name: String,
        /// Of which project.
        project: String,
        /// Why.
        source: UnsealError,
    },
    /// There are too many.
    #[error("a project has {SECRETS_MAX} secrets at most, and {} KiB of them: remove one first", FILES_MAX / 2048)]
    TooMany,
}

impl From<DiskError> for SecretStoreError {
    fn from(error: DiskError) -> Self {
        Self::Store(error.into())
    }
}

impl Store {
    /// Keeps a secret, in place of one of that name. `true` where there was one.
    ///
    /// # Errors
    /// [`SecretStoreError`]; what was there stays then.
    pub fn set_secret(&self, key: &SecretKey, new: &NewSecret<'_>) -> Result<bool, SecretStoreError> {
        let NewSecret { project, secret, by } = *new;
        let Secret { name, purpose, masked, protected, .. } = secret;
        let told = purpose.to_string();
        let sealed = key.seal(secret.expose(), &SecretRecord::bound(project, name, &told, *masked, *protected));
        let sealed = sealed.map_err(|source| sealed_error(project, name, source))?;
        let record = SecretRecord {
            schema: SecretRecord::SCHEMA,
            name: name.clone(),
            project: project.to_owned(),
            purpose: purpose.clone(),
            masked: *masked,
            protected: *protected,
            created_at: Timestamp::now(),
            created_by: by.to_owned(),
            sealed,
        };
        let _alone = self.access_alone(LOCK)?;
        let path = self.secret_file(project, name);
        let others: Vec<PathBuf> = self.secret_files(project)?.into_iter().filter(|other| *other != path).collect();
        let bytes: u64 = others.iter().filter_map(|other| fs::metadata(other).ok()).map(|meta| meta.len()).sum();
        if others.len() >= SECRETS_MAX || bytes + 2 * secret.expose().len() as u64 > FILES_MAX {
            return Err(SecretStoreError::TooMany);
        }
        let was_there = path.exists();
        self.replace_access_file(&self.layout.secrets(), &path, &record)?;
        Ok(was_there)
    }

    /// All secrets, closed.
    ///
    /// # Errors
    /// [`StoreError::Disk`] when the folder cannot be listed.
    pub fn secrets(&self) -> Result<SecretRecords, StoreError> {
        let mut records = SecretRecords::default();
        let files = match files_of(&self.layout.secrets()) {
            // A folder of an older program that nothing has opened since.
            Err(StoreError::Disk(error)) if error.is_missing() => return Ok(records),
            files => files?,
        };
        for path in files {
            match disk::read_json(&path) {
                Ok(record) => records.known.extend::<Option<SecretRecord>>(record),
                Err(error) => records.unreadable.push(error),
            }
        }
        records.known.sort_by(|a, b| (&a.project, &a.name).cmp(&(&b.project, &b.name)));
        Ok(records)
    }

    /// The secrets of a project that are for what `wanted` says, closed, by name.
    ///
    /// # Errors
    /// [`StoreError::Disk`] where one of the project's files cannot be read: what it is for nobody knows then.
    pub fn secrets_of(
        &self,
        project: &str,
        wanted: impl Fn(&SecretRecord) -> bool,
    ) -> Result<Vec<SecretRecord>, StoreError> {
        let files = match self.secret_files(project) {
            Err(StoreError::Disk(error)) if error.is_missing() => return Ok(Vec::new()),
            files => files?,
        };
        let records = files.iter().map(|path| disk::read_json::<SecretRecord>(path));
        let mut records: Vec<_> = records.filter_map(Result::transpose).collect::<Result<_, _>>()?;
        // A file that was given another's name is not believed: it is not opened under that name either.
        records.retain(|record| record.project == project && wanted(record));
        records.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(records)
    }

    /// Opens them.
    ///
    /// # Errors
    /// [`SecretStoreError::Sealed`] names the first that cannot be opened.
    pub fn open_secrets(&self, key: &SecretKey, records: &[SecretRecord]) -> Result<Vec<Secret>, SecretStoreError> {
        let open = |record: &SecretRecord| {
            record.open(key).map_err(|source| sealed_error(&record.project, &record.name, source))
        };
        records.iter().map(open).collect()
    }

    /// Removes a secret. `false` where there is none.
    ///
    /// # Errors
    /// [`StoreError::Disk`]: it may be there still.
    pub fn remove_secret(&self, project: &str, name: &str) -> Result<bool, StoreError> {
        let _alone = self.access_alone(LOCK)?;
        let path = self.secret_file(project, name);
        match fs::remove_file(&path) {
            Ok(()) => disk::sync_dir(&self.layout.secrets())?,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(false),
            Err(error) => return Err(DiskError::io("remove", path)(error).into()),
        }
        Ok(true)
    }

    fn secret_files(&self, project: &str) -> Result<Vec<PathBuf>, StoreError> {
        let begins = format!("{}-", digest(project));
        let mut files = files_of(&self.layout.secrets())?;
        files.retain(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(&begins)));
        Ok(files)
    }

    fn secret_file(&self, project: &str, name: &str) -> PathBuf {
        self.layout.secrets().join(format!("{}-{name}.json", digest(project)))
    }
}

pub(super) fn digest(project: &str) -> String {
    hex::encode(&Sha256::digest(project.as_bytes())[..16])
}

fn sealed_error(project: &str, name: &str, source: UnsealError) -> SecretStoreError {
    SecretStoreError::Sealed { name: name.to_owned(), project: project.to_owned(), source }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_kept_sealed_replaced_whole_opened_for_its_project_and_removed() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("workspaces");
        let (store, other) = (Store::open(&root).unwrap(), Store::open(&root).unwrap());
        let key = SecretKey::create(&dir.path().join("key"), &root).unwrap();
        let set = |project: &str, name: &str, value: &str| {
            let secret = Secret::new(name, Purpose::Variable, true, true, value.into()).unwrap();
            store.set_secret(&key, &NewSecret { project, secret: &secret, by: "ada" }).unwrap()
        };
        assert!(!set("shop", "KEY", "hunter2hunter2") && set("shop", "KEY", "correct horse"));
        assert!(!set("site", "KEY", "battery staple") && !set("shop", "OTHER", "twelve bytes"));
        let open = |project: &str| {
            let records = other.secrets_of(project, |record| record.purpose.is_of_steps()).unwrap();
            let opened = other.open_secrets(&key, &records);
            opened.map(|all| all.iter().map(|it| format!("{}={}", it.name, it.expose())).collect::<Vec<_>>())
        };
        assert_eq!(open("shop").unwrap(), ["KEY=correct horse", "OTHER=twelve bytes"]);
        assert_eq!(open("site").unwrap(), ["KEY=battery staple"]);
        assert!(open("shop-").unwrap().is_empty());
        let listed = other.secrets().unwrap();
        assert_eq!((listed.known.len(), listed.unreadable.len(), listed.known[0].created_by.as_str()), (3, 0, "ada"));

        // Whoever can write in the folder gives nobody another project's secret, and takes no protection away.
        let (shop, site) = (store.secret_file("shop", "KEY"), store.secret_file("site", "KEY"));
        let kept = fs::read_to_string(&shop).unwrap();
        assert!(!kept.contains("correct horse"));
        fs::write(&shop, fs::read_to_string(&site).unwrap().replace("\"site\"", "\"shop\"")).unwrap();
        assert!(open("shop").unwrap_err().to_string().contains("KEY of the project shop cannot be read"));
        fs::copy(&site, &shop).unwrap();
        assert_eq!(open("shop").unwrap(), ["OTHER=twelve bytes"], "what says that it is of another is not believed");
        fs::write(&shop, kept.replace("\"protected\": true", "\"protected\": false")).unwrap();
        assert!(matches!(open("shop"), Err(SecretStoreError::Sealed { source: UnsealError::Changed, .. })));
        fs::write(&shop, &kept[..kept.len() / 2]).unwrap();
        assert!(
            store.secrets_of("shop", |_| true).is_err() && open("site").is_ok(),
            "a torn one is its project's alone"
        );

        assert!(store.remove_secret("shop", "KEY").unwrap() && !store.remove_secret("shop", "KEY").unwrap());
        assert_eq!(open("shop").unwrap(), ["OTHER=twelve bytes"]);
    }

    #[test]
    fn a_project_has_as_many_secrets_as_a_step_can_be_handed() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("workspaces");
        let store = Store::open(&root).unwrap();
        let key = SecretKey::create(&dir.path().join("key"), &root).unwrap();
        let set = |number: usize| {
            let value = vec![b'x'; crate::secrets::VALUE_MAX];
            let secret = Secret::new(&format!("K{number}"), Purpose::File, true, false, value).unwrap();
            store.set_secret(&key, &NewSecret { project: "shop", secret: &secret, by: "ada" })
        };
        let kept = (0..SECRETS_MAX).take_while(|number| set(*number).is_ok()).count();
        assert!((10..20).contains(&kept), "{kept}");
        assert!(matches!(set(99), Err(SecretStoreError::TooMany)));
        assert!(set(0).unwrap(), "one that is there can be replaced");
    }
}
