//! Webhooks of projects: one file each, `.access/hooks/PROJECT-ID.json`, where PROJECT is a digest of the project's name. Address and
//! secret are sealed: the address of a chat's webhook is all that is needed to write there.

use std::{fs, io::ErrorKind, path::PathBuf};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Store, StoreError, secrets::digest, tokens::files_of};
use crate::{
    disk::{self, DiskError, Versioned},
    hooks::{HookEvent, HookFormat, JobFacts, repository_key},
    secrets::{Sealed, SecretKey, UnsealError},
};

/// The lock of all that changes hooks.
const LOCK: &str = "hooks.lock";
/// So many hooks a project has at most: each is a delivery for each event.
pub const HOOKS_MAX: usize = 20;
/// Digits of the id of a hook.
const ID_DIGITS: usize = 12;

/// `.access/hooks/PROJECT-ID.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HookRecord {
    /// Schema version of the file.
    pub schema: u32,
    /// Its id.
    pub id: String,
    /// The project whose events it tells.
    pub project: String,
    /// Scheme, host and port of the address: what may be shown of it.
    pub origin: String,
    /// The events that it tells.
    pub events: Vec<HookEvent>,
    /// The form in which it tells them.
    pub format: HookFormat,
    /// When it was made.
    pub created_at: Timestamp,
    /// By whom.
    pub created_by: String,
    /// Of which repository states of commits are told; `None`: of jobs it tells, whatever they are made of.
    #[serde(default)]
    pub status: Option<StatusOf>,
    /// A [`HookTarget`], as nobody reads it without the key.
    sealed: Sealed,
}

impl Versioned for HookRecord {
    const SCHEMA: u32 = 1;
}

/// Whose commits have states, and who may say so.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StatusOf {
    /// The repository.
    pub repository: String,
    /// The name of the project's secret that has the token.
    pub token: String,
}

impl HookRecord {
    /// Whether a job is one that this hook tells of: of a hook for commits, one that was made of its repository.
    pub fn is_for(&self, job: &JobFacts) -> bool {
        let Some(StatusOf { repository, .. }) = &self.status else { return true };
        let same = |url: &String| repository_key(url) == repository_key(repository);
        job.commit.is_some() && job.repository.as_ref().is_some_and(same)
    }
}

/// Where a hook sends to.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HookTarget {
    /// The address.
    pub url: String,
    /// What deliveries are signed with; `None`: they are not.
    pub secret: Option<String>,
}

impl std::fmt::Debug for HookTarget {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HookTarget").field("signed", &self.secret.is_some()).finish_non_exhaustive()
    }
}

/// A hook that is to be made.
#[derive(Clone, Debug)]
pub struct NewHook<'a> {
    /// The project.
    pub project: &'a str,
    /// Where to.
    pub target: &'a HookTarget,
    /// Scheme, host and port of that.
    pub origin: &'a str,
    /// Of what.
    pub events: Vec<HookEvent>,
    /// In which form.
    pub format: HookFormat,
    /// Of which repository, where it is the state of commits.
    pub status: Option<StatusOf>,
    /// Who makes it.
    pub by: &'a str,
}

/// The hooks of a folder.
#[derive(Debug, Default)]
pub struct HookRecords {
    /// Those that can be read, by project and id.
    pub known: Vec<HookRecord>,
    /// Those that cannot.
    pub unreadable: Vec<DiskError>,
}

/// Why a hook cannot be made or used.
#[derive(Debug, thiserror::Error)]
pub enum HookError {
    /// The folder.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Its address cannot be read.
    #[error("the address of the hook {id} cannot be read: {source}")]
    Sealed {
        /// Which hook.
        id: String,
        /// Why.
        source: UnsealError,
    },
    /// There are too many.
    #[error("a project has {HOOKS_MAX} hooks at most: remove one first")]
    TooMany,
}

impl HookRecord {
    /// Where it sends to.
    ///
    /// # Errors
    /// [`HookError::Sealed`], also where somebody gave the address to another project.
    pub fn open(&self, key: &SecretKey) -> Result<HookTarget, HookError> {
        let failed = |source| HookError::Sealed { id: self.id.clone(), source };
        let text = key.open_sealed(&self.sealed, &bound(&self.project, &self.id)).map_err(failed)?;
        serde_json::from_str(&text).map_err(|_| failed(UnsealError::Changed))
    }
}

impl Store {
    /// Makes a hook.
    ///
    /// # Errors
    /// [`HookError`].
    pub fn add_hook(&self, key: &SecretKey, new: NewHook<'_>) -> Result<HookRecord, HookError> {
        let id = Uuid::new_v4().as_simple().to_string()[..ID_DIGITS].to_owned();
        let failed = |source| HookError::Sealed { id: id.clone(), source };
        let text = serde_json::to_string(new.target).map_err(|_| failed(UnsealError::Changed))?;
        let sealed = key.seal(&text, &bound(new.project, &id)).map_err(failed)?;
        let _alone = self.access_alone(LOCK)?;
        if self.hook_files(new.project)?.len() >= HOOKS_MAX {
            return Err(HookError::TooMany);
        }
        let record = HookRecord {
            schema: HookRecord::SCHEMA,
            id,
            project: new.project.to_owned(),
            origin: new.origin.to_owned(),
            events: new.events,
            format: new.format,
            status: new.status,
            created_at: Timestamp::now(),
            created_by: new.by.to_owned(),
            sealed,
        };
        self.replace_access_file(&self.layout.hooks(), &self.hook_file(&record), &record)?;
        Ok(record)
    }

    /// All hooks.
    ///
    /// # Errors
    /// [`StoreError::Disk`] when the folder cannot be listed.
    pub fn hooks(&self) -> Result<HookRecords, StoreError> {
        let mut records = HookRecords::default();
        for path in self.hook_files_of_all()? {
            match disk::read_json(&path) {
                Ok(record) => records.known.extend::<Option<HookRecord>>(record),
                Err(error) => records.unreadable.push(error),
            }
        }
        records.known.sort_by(|a, b| (&a.project, &a.created_at, &a.id).cmp(&(&b.project, &b.created_at, &b.id)));
        Ok(records)
    }

    /// The hooks of a project.
    ///
    /// # Errors
    /// [`StoreError::Disk`] where one of them cannot be read: nobody knows what it is for.
    pub fn hooks_of(&self, project: &str) -> Result<Vec<HookRecord>, StoreError> {
        let files = self.hook_files(project)?;
        let read = files.iter().filter_map(|path| disk::read_json::<HookRecord>(path).transpose());
        let mut hooks: Vec<HookRecord> = read.collect::<Result<_, _>>()?;
        hooks.retain(|hook| hook.project == project);
        hooks.sort_by(|a, b| a.id.cmp(&b.id));
        Ok(hooks)
    }

    /// Whether a project has a hook: one look at names.
    ///
    /// # Errors
    /// [`StoreError::Disk`] when the folder cannot be listed.
    pub fn has_hooks(&self, project: &str) -> Result<bool, StoreError> {
        Ok(!self.hook_files(project)?.is_empty())
    }

    /// The hook of this id; `None` where there is none.
    ///
    /// # Errors
    /// [`StoreError::Disk`].
    pub fn hook(&self, id: &str) -> Result<Option<HookRecord>, StoreError> {
        let ends = format!("-{id}.json");
        let mut files = self.hook_files_of_all()?;
        files.retain(|path| path.file_name().is_some_and(|name| name.to_string_lossy().ends_with(&ends)));
        files.first().map_or(Ok(None), |path| Ok(disk::read_json(path)?))
    }

    /// Removes a hook. Deliveries that wait are given up with it. `None` where there is none.
    ///
    /// # Errors
    /// [`StoreError::Disk`]: it may be there still.
    pub fn remove_hook(&self, id: &str) -> Result<Option<HookRecord>, StoreError> {
        let _alone = self.access_alone(LOCK)?;
        let Some(record) = self.hook(id)? else { return Ok(None) };
        let path = self.hook_file(&record);
        fs::remove_file(&path).map_err(DiskError::io("remove", path))?;
        disk::sync_dir(&self.layout.hooks())?;
        Ok(Some(record))
    }

    fn hook_files(&self, project: &str) -> Result<Vec<PathBuf>, StoreError> {
        let begins = format!("{}-", digest(project));
        let mut files = self.hook_files_of_all()?;
        files.retain(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(&begins)));
        Ok(files)
    }

    fn hook_files_of_all(&self) -> Result<Vec<PathBuf>, StoreError> {
        match files_of(&self.layout.hooks()) {
            // A folder of an older program that nothing has opened since.
            Err(StoreError::Disk(DiskError::Io { source, .. })) if source.kind() == ErrorKind::NotFound => {
                Ok(Vec::new())
            }
            files => files,
        }
    }

    fn hook_file(&self, hook: &HookRecord) -> PathBuf {
        self.layout.hooks().join(format!("{}-{}.json", digest(&hook.project), hook.id))
    }
}

/// What address and secret are bound to.
fn bound<'a>(project: &'a str, id: &'a str) -> [&'a str; 3] {
    ["hook", project, id]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hook_is_kept_sealed_for_its_project_and_removed() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("workspaces");
        let store = Store::open(&root).unwrap();
        let key = SecretKey::create(&dir.path().join("key"), &root).unwrap();
        let target = HookTarget { url: "https://chat.example/T0/s3cret".to_owned(), secret: Some("hush".to_owned()) };
        let add = |project: &str| {
            let (origin, events) = ("https://chat.example", vec![HookEvent::Ended]);
            let new = NewHook {
                project,
                target: &target,
                origin,
                events,
                format: HookFormat::Slack,
                status: None,
                by: "ada",
            };
            store.add_hook(&key, new)
        };
        let hook = add("shop").unwrap();
        assert!(store.has_hooks("shop").unwrap() && !store.has_hooks("site").unwrap());
        assert_eq!(store.hook(&hook.id).unwrap(), Some(hook.clone()));
        assert_eq!(hook.open(&key).unwrap(), target);
        let path = store.hook_file(&hook);
        let kept = fs::read_to_string(&path).unwrap();
        assert!(!kept.contains("s3cret") && !kept.contains("hush") && !format!("{target:?}").contains("s3cret"));

        let moved = HookRecord { project: "site".to_owned(), ..hook.clone() };
        assert!(matches!(moved.open(&key), Err(HookError::Sealed { source: UnsealError::Changed, .. })));
        fs::write(&path, &kept[..kept.len() / 2]).unwrap();
        assert!(store.hooks_of("shop").is_err() && store.hooks().unwrap().unreadable.len() == 1);
        fs::write(&path, kept).unwrap();

        let made = (1..).take_while(|_| add("shop").is_ok()).count();
        assert_eq!(made, HOOKS_MAX - 1);
        assert!(matches!(add("shop"), Err(HookError::TooMany)));
        assert_eq!(store.remove_hook(&hook.id).unwrap(), Some(hook.clone()));
        assert_eq!(store.remove_hook(&hook.id).unwrap(), None);
    }
}
