//! Projects that somebody made: whose they are, who else is in, and what they ask of their jobs. One file each,
//! `.access/projects/DIGEST.json`, replaced whole by whoever holds the lock. A project that nobody made has none of this, and its
//! jobs are those of whoever has a token for it.

use std::{collections::BTreeMap, fs, io::ErrorKind, os::unix::fs::MetadataExt, path::PathBuf};

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{Store, StoreError, tokens::files_of};
use crate::{
    access::{self, Role},
    disk::{self, DiskError, Versioned},
    rules::{InvalidSetting, ProjectRules},
};

/// The lock of all that changes projects.
const LOCK: &str = "projects.lock";
/// So many members a project has at most.
pub const MEMBERS_MAX: usize = 1_000;
/// So many projects there are at most: all of them are kept in memory.
const PROJECTS_MAX: usize = 10_000;

/// `.access/projects/DIGEST.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProjectRecord {
    /// Schema version of the file.
    pub schema: u32,
    /// Its name, as submissions give it.
    pub name: String,
    /// The account that decides about members and settings; it may do in the project what an operator may.
    pub owner: String,
    /// The others, and what each may do in this project.
    #[serde(default)]
    pub members: BTreeMap<String, Role>,
    /// What it asks of its jobs.
    #[serde(default)]
    pub settings: ProjectRules,
    /// When it was made.
    pub created_at: Timestamp,
}

impl Versioned for ProjectRecord {
    const SCHEMA: u32 = 1;
}

impl ProjectRecord {
    /// One that nobody else is in and that asks for nothing.
    pub fn new(name: &str, owner: &str) -> Self {
        Self {
            schema: Self::SCHEMA,
            name: name.to_owned(),
            owner: owner.to_owned(),
            members: BTreeMap::new(),
            settings: ProjectRules::default(),
            created_at: Timestamp::now(),
        }
    }

    /// What an account may do in it, as far as the project says.
    pub fn role_of(&self, account: &str) -> Option<Role> {
        if self.owner == account { Some(Role::Operator) } else { self.members.get(account).copied() }
    }
}

/// What somebody wants to change of a project.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ProjectChange {
    /// Whose it is to be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// Accounts, and what each may do in the project: viewer, submitter or operator; `null`: nothing any more.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub members: BTreeMap<String, Option<Role>>,
    /// Settings as `project set` takes them: `fail-on`, `fail-on-new`, `require`, `own-pipelines`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub settings: BTreeMap<String, String>,
}

/// Why a project cannot be made or changed: all are of whoever asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidChange {
    /// An account that nobody can have.
    #[error("`{0}` is no account: {1}")]
    Account(String, access::InvalidName),
    /// A role that is no member's.
    #[error("a member is viewer, submitter or operator; who has every project has a token with the role admin")]
    Role,
    /// There are too many.
    #[error("a project has {MEMBERS_MAX} members at most")]
    Members,
    /// A setting that will not do.
    #[error(transparent)]
    Setting(#[from] InvalidSetting),
}

impl ProjectChange {
    /// Changes a record.
    ///
    /// # Errors
    /// [`InvalidChange`]; the record is then half changed, and nobody's.
    pub fn apply(&self, record: &mut ProjectRecord) -> Result<(), InvalidChange> {
        let account = |name: &String| {
            access::check_name(name).map_err(|why| InvalidChange::Account(name.chars().take(80).collect(), why))
        };
        self.owner.iter().chain(self.members.keys()).try_for_each(account)?;
        if let Some(owner) = &self.owner {
            record.owner.clone_from(owner);
        }
        for (name, role) in &self.members {
            match role {
                Some(Role::Admin) => return Err(InvalidChange::Role),
                Some(role) => record.members.insert(name.clone(), *role),
                None => record.members.remove(name),
            };
        }
        if record.members.len() > MEMBERS_MAX {
            return Err(InvalidChange::Members);
        }
        self.settings.iter().try_for_each(|(name, value)| record.settings.set(name, value)).map_err(Into::into)
    }
}

/// The projects of a folder.
#[derive(Debug, Default)]
pub struct ProjectRecords {
    /// Those that can be read, by name.
    pub known: Vec<ProjectRecord>,
    /// Those that cannot: nobody is a member of one.
    pub unreadable: Vec<DiskError>,
}

impl Store {
    /// Makes a project. `false` where there is one of that name, or where there are too many.
    ///
    /// # Errors
    /// [`StoreError::Disk`]; there is none then.
    pub fn create_project(&self, record: &ProjectRecord) -> Result<bool, StoreError> {
        let _alone = self.access_alone(LOCK)?;
        let path = self.project_file(&record.name);
        if fs::symlink_metadata(&path).is_ok() || files_of(&self.layout.project_records())?.len() >= PROJECTS_MAX {
            return Ok(false);
        }
        self.replace_access_file(&self.layout.project_records(), &self.project_file(&record.name), record)?;
        Ok(true)
    }

    /// A project that somebody made.
    ///
    /// # Errors
    /// [`StoreError::Disk`] where its file cannot be read: what it asks for nobody knows then.
    pub fn project_record(&self, name: &str) -> Result<Option<ProjectRecord>, StoreError> {
        Ok(disk::read_json(&self.project_file(name))?)
    }

    /// What a project asks of its jobs, as it stands now; `None`: nothing.
    ///
    /// # Errors
    /// As [`Self::project_record`].
    pub fn project_rules(&self, name: &str) -> Result<Option<ProjectRules>, StoreError> {
        let record = self.project_record(name)?;
        Ok(record.map(|record| record.settings).filter(|settings| !settings.are_none()))
    }

    /// All of them.
    ///
    /// # Errors
    /// [`StoreError::Disk`] when the folder cannot be listed.
    pub fn project_records(&self) -> Result<ProjectRecords, StoreError> {
        let mut records = ProjectRecords::default();
        for path in files_of(&self.layout.project_records())? {
            match disk::read_json(&path) {
                Ok(record) => records.known.extend::<Option<ProjectRecord>>(record),
                Err(error) => records.unreadable.push(error),
            }
        }
        records.known.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(records)
    }

    /// Changes a project, under a lock; `None` where there is none. Where `change` refuses, nothing is changed.
    ///
    /// # Errors
    /// [`StoreError::Disk`]: it is then what it was.
    pub fn change_project<E>(
        &self,
        name: &str,
        change: impl FnOnce(&mut ProjectRecord) -> Result<(), E>,
    ) -> Result<Option<Result<ProjectRecord, E>>, StoreError> {
        let _alone = self.access_alone(LOCK)?;
        let Some(mut record) = self.project_record(name)? else { return Ok(None) };
        if let Err(refused) = change(&mut record) {
            return Ok(Some(Err(refused)));
        }
        self.replace_access_file(&self.layout.project_records(), &self.project_file(&record.name), &record)?;
        Ok(Some(Ok(record)))
    }

    /// Forgets a project: its members and settings. Its jobs stay. `false` where there is none.
    ///
    /// # Errors
    /// [`StoreError::Disk`].
    pub fn remove_project(&self, name: &str) -> Result<bool, StoreError> {
        let _alone = self.access_alone(LOCK)?;
        let path = self.project_file(name);
        match fs::remove_file(&path) {
            Ok(()) => disk::sync_dir(&self.layout.project_records())?,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(false),
            Err(error) => return Err(DiskError::io("remove", path)(error).into()),
        }
        Ok(true)
    }

    /// When a project was last made, changed or removed, in seconds and nanoseconds of the file system's clock.
    ///
    /// # Errors
    /// [`StoreError::Disk`].
    pub fn project_records_changed(&self) -> Result<(i64, i64), StoreError> {
        let folder = self.layout.project_records();
        let meta = fs::metadata(&folder).map_err(DiskError::io("look at", folder))?;
        Ok((meta.mtime(), meta.mtime_nsec()))
    }

    fn project_file(&self, name: &str) -> PathBuf {
        self.layout.project_records().join(format!("{}.json", hex::encode(&Sha256::digest(name.as_bytes())[..16])))
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use super::*;

    #[test]
    fn a_project_is_made_once_changed_whole_and_removed_for_every_process() {
        let dir = tempfile::tempdir().unwrap();
        let (store, other) = (Store::open(dir.path()).unwrap(), Store::open(dir.path()).unwrap());
        let name = "https://github.com/acme/shop";
        assert!(store.create_project(&ProjectRecord::new(name, "ada")).unwrap());
        assert!(!other.create_project(&ProjectRecord::new(name, "eve")).unwrap(), "a name has one owner");
        let add = |record: &mut ProjectRecord| -> Result<(), Infallible> {
            record.members.insert("bob".to_owned(), Role::Submitter);
            Ok(())
        };
        let Ok(changed) = other.change_project(name, add).unwrap().unwrap();
        assert_eq!(store.project_record(name).unwrap().unwrap(), changed);
        let roles = ["ada", "bob", "eve"].map(|account| changed.role_of(account));
        assert_eq!(roles, [Some(Role::Operator), Some(Role::Submitter), None]);
        let refused = store.change_project(name, |record| {
            record.owner = "eve".to_owned();
            Err("no")
        });
        assert_eq!(refused.unwrap(), Some(Err("no")));
        assert_eq!(other.project_records().unwrap().known, [changed]);
        assert!(store.remove_project(name).unwrap() && !other.remove_project(name).unwrap());
        assert!(other.project_record(name).unwrap().is_none());
    }

    #[test]
    fn a_change_names_accounts_roles_and_settings_that_there_are() {
        let change = |text: &str| serde_json::from_str::<ProjectChange>(text).unwrap();
        let mut record = ProjectRecord::new("shop", "ada");
        let good =
            change(r#"{"owner": "bob", "members": {"ci": "submitter", "x": null}, "settings": {"fail-on": "high"}}"#);
        good.apply(&mut record).unwrap();
        assert_eq!((record.owner.as_str(), record.role_of("ci")), ("bob", Some(Role::Submitter)));
        assert_eq!(record.settings.to_string(), "fail-on=high");
        change(r#"{"members": {"ci": null}}"#).apply(&mut record).unwrap();
        assert_eq!(record.role_of("ci"), None);
        for bad in [
            r#"{"owner": "anonymous"}"#,
            r#"{"members": {"../x": "viewer"}}"#,
            r#"{"members": {"ci": "admin"}}"#,
            r#"{"settings": {"x": "y"}}"#,
        ] {
            assert!(change(bad).apply(&mut record.clone()).is_err(), "{bad}");
        }
        let many: BTreeMap<_, _> = (0..=MEMBERS_MAX).map(|n| (format!("a{n}"), Some(Role::Viewer))).collect();
        let many = ProjectChange { members: many, ..ProjectChange::default() };
        assert_eq!(many.apply(&mut record), Err(InvalidChange::Members));
        assert!(serde_json::from_str::<ProjectChange>(r#"{"member": {}}"#).is_err());
    }

    #[test]
    fn what_a_death_leaves_is_no_project_and_a_torn_file_is_told() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        let left = store.layout().project_records().join(".new-x");
        fs::write(&left, "{\"schema\": 1").unwrap();
        assert!(store.project_records().unwrap().known.is_empty());
        store.create_project(&ProjectRecord::new("shop", "ada")).unwrap();
        assert!(!left.exists(), "the next writer clears up");
        fs::write(store.project_file("torn"), "{\"schema\": 1, \"na").unwrap();
        let records = store.project_records().unwrap();
        assert_eq!((records.known.len(), records.unreadable.len()), (1, 1));
        assert!(store.project_record("torn").is_err());
    }
}
