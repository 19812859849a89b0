//! What starts jobs of a project by itself: pushes that a host tells of, `.access/triggers/PROJECT-ID.json`, and times,
//! `.access/schedules/PROJECT-ID.json`. What is cloned is set here, and is no word of whoever tells of a push.

use std::{
    fs,
    io::ErrorKind,
    path::{Path, PathBuf},
};

use jiff::Timestamp;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use uuid::Uuid;

use super::{Store, StoreError, secrets::digest, tokens::files_of};
use crate::{
    disk::{self, DiskError, Versioned},
    secrets::{Sealed, SecretKey, UnsealError},
};

/// The lock of all that changes triggers and schedules.
const LOCK: &str = "triggers.lock";
/// So many of either a project has at most.
pub const TRIGGERS_MAX: usize = 50;
/// Digits of an id.
const ID_DIGITS: usize = 12;

/// Who tells of a push, and how they show that they are it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PushHost {
    /// GitHub: `X-Hub-Signature-256`.
    Github,
    /// GitLab: `X-Gitlab-Token`.
    Gitlab,
    /// Gitea and Forgejo: `X-Gitea-Signature`.
    Gitea,
}

impl PushHost {
    /// Every host.
    pub const ALL: [Self; 3] = [Self::Github, Self::Gitlab, Self::Gitea];

    /// The spelling in files and flags.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Github => "github",
            Self::Gitlab => "gitlab",
            Self::Gitea => "gitea",
        }
    }
}

impl std::fmt::Display for PushHost {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

impl std::str::FromStr for PushHost {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let known = Self::ALL.into_iter().find(|host| host.as_str() == text);
        known.ok_or_else(|| "pushes come from `github`, `gitlab` or `gitea` (also for Forgejo)".to_owned())
    }
}

/// `.access/triggers/PROJECT-ID.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TriggerRecord {
    /// Schema version of the file.
    pub schema: u32,
    /// Its id, which is the last part of its address.
    pub id: String,
    /// The project of its jobs.
    pub project: String,
    /// Who tells of pushes.
    pub host: PushHost,
    /// The repository that is cloned.
    pub url: String,
    /// Globs over names of branches; a push of another starts nothing.
    pub refs: Vec<String>,
    /// The name of the token for a private repository, as a request names it.
    pub token: Option<String>,
    /// When it was made.
    pub created_at: Timestamp,
    /// By whom.
    pub created_by: String,
    /// The secret that the host shares, as nobody reads it without the key.
    sealed: Sealed,
}

impl Versioned for TriggerRecord {
    const SCHEMA: u32 = 1;
}

impl TriggerRecord {
    /// The secret that the host shares.
    ///
    /// # Errors
    /// [`UnsealError`].
    pub fn secret(&self, key: &SecretKey) -> Result<String, UnsealError> {
        key.open_sealed(&self.sealed, &["trigger", &self.project, &self.id])
    }
}

/// A trigger that is to be made.
#[derive(Clone, Debug)]
pub struct NewTrigger<'a> {
    /// The project.
    pub project: &'a str,
    /// Who tells of pushes.
    pub host: PushHost,
    /// The repository.
    pub url: &'a str,
    /// Globs over names of branches.
    pub refs: Vec<String>,
    /// The name of a token.
    pub token: Option<String>,
    /// The secret that the host shares.
    pub secret: &'a str,
    /// Who makes it.
    pub by: &'a str,
}

/// Why a trigger or a schedule cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum TriggerError {
    /// The folder.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The secret.
    #[error("the secret cannot be sealed: {0}")]
    Sealed(#[from] UnsealError),
    /// There are too many.
    #[error("a project has {TRIGGERS_MAX} of them at most: remove one first")]
    TooMany,
}

impl Store {
    /// Makes a trigger.
    ///
    /// # Errors
    /// [`TriggerError`].
    pub fn add_trigger(&self, key: &SecretKey, new: NewTrigger<'_>) -> Result<TriggerRecord, TriggerError> {
        let id = new_id();
        let record = TriggerRecord {
            schema: TriggerRecord::SCHEMA,
            sealed: key.seal(new.secret, &["trigger", new.project, &id])?,
            id,
            project: new.project.to_owned(),
            host: new.host,
            url: new.url.to_owned(),
            refs: new.refs,
            token: new.token,
            created_at: Timestamp::now(),
            created_by: new.by.to_owned(),
        };
        self.add_of_project(&self.layout.triggers(), &record.project, &record.id, &record)?;
        Ok(record)
    }

    /// All triggers; one that cannot be read is told in the log, and starts nothing.
    ///
    /// # Errors
    /// [`StoreError::Disk`] when the folder cannot be listed.
    pub fn triggers(&self) -> Result<Vec<TriggerRecord>, StoreError> {
        let mut all: Vec<TriggerRecord> = read_all(&self.layout.triggers())?;
        all.sort_by(|a, b| (&a.project, a.created_at).cmp(&(&b.project, b.created_at)));
        Ok(all)
    }

    /// The trigger of this id; `None` where there is none.
    ///
    /// # Errors
    /// [`StoreError::Disk`].
    pub fn trigger(&self, id: &str) -> Result<Option<TriggerRecord>, StoreError> {
        find(&self.layout.triggers(), id)?.map_or(Ok(None), |path| Ok(disk::read_json(&path)?))
    }

    /// Removes a trigger. `false` where there is none.
    ///
    /// # Errors
    /// [`StoreError::Disk`].
    pub fn remove_trigger(&self, id: &str) -> Result<bool, StoreError> {
        self.remove_of_project(&self.layout.triggers(), id)
    }

    /// Adds a file to those of a project in this folder.
    pub(super) fn add_of_project<T: Serialize>(
        &self,
        folder: &Path,
        project: &str,
        id: &str,
        record: &T,
    ) -> Result<(), TriggerError> {
        let _alone = self.access_alone(LOCK)?;
        let begins = format!("{}-", digest(project));
        let others = list(folder)?.into_iter().filter(|path| name_of(path).starts_with(&begins)).count();
        if others >= TRIGGERS_MAX {
            return Err(TriggerError::TooMany);
        }
        Ok(self.replace_access_file(folder, &folder.join(format!("{begins}{id}.json")), record)?)
    }

    /// Removes the file of this id.
    pub(super) fn remove_of_project(&self, folder: &Path, id: &str) -> Result<bool, StoreError> {
        let _alone = self.access_alone(LOCK)?;
        let Some(path) = find(folder, id)? else { return Ok(false) };
        remove_file(&path)?;
        disk::sync_dir(folder)?;
        remove_file(&self.last_wish_of(id))?;
        Ok(true)
    }
}

/// Removes a file that may be gone.
pub(super) fn remove_file(path: &Path) -> Result<(), StoreError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(DiskError::io("remove", path)(error).into()),
        _ => Ok(()),
    }
}

/// An id for a new one.
pub(super) fn new_id() -> String {
    Uuid::new_v4().as_simple().to_string()[..ID_DIGITS].to_owned()
}

/// Everything in a folder that can be read.
pub(super) fn read_all<T: DeserializeOwned + Versioned>(folder: &Path) -> Result<Vec<T>, StoreError> {
    let mut all = Vec::new();
    for path in list(folder)? {
        match disk::read_json(&path) {
            Ok(record) => all.extend::<Option<T>>(record),
            Err(error) => tracing::warn!(%error, "what starts jobs of a project cannot be read"),
        }
    }
    Ok(all)
}

/// The file of this id.
pub(super) fn find(folder: &Path, id: &str) -> Result<Option<PathBuf>, StoreError> {
    let ends = format!("-{id}.json");
    Ok(list(folder)?.into_iter().find(|path| name_of(path).ends_with(&ends)))
}

fn name_of(path: &Path) -> String {
    path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

/// The files of a folder; none where an older program never made it.
pub(super) fn list(folder: &Path) -> Result<Vec<PathBuf>, StoreError> {
    match files_of(folder) {
        Err(StoreError::Disk(error)) if error.is_missing() => Ok(Vec::new()),
        files => files,
    }
}
