//! Which jobs a project has: an empty mark for each, `.index/projects/PROJECT/JOB.OWNER.BRANCH`, the last two as digests. A mark
//! is durable before its job exists, so that no job lacks one; a mark without a job says nothing. The folder may be deleted, and
//! is then made again.

use std::{fs, io::ErrorKind, path::PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{Job, Store, StoreError, give_to_owner_of};
use crate::{
    access::Owner,
    disk::{self, DiskError},
    id::JobId,
    metadata::Metadata,
};

/// The file that says that every job has its mark.
const COMPLETE: &str = "complete";
/// The file with the name of a project, beside its marks.
const NAME: &str = "project.json";
/// The largest such file, in bytes.
const NAME_MAX: u64 = 64 * 1024;

/// A project as its jobs, and what is kept for it, are found by. One that was named without an account is not the one of the same
/// name that accounts have.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ProjectKey {
    /// Whether it is named by those who have no account.
    pub anonymous: bool,
    /// Its name.
    pub name: String,
}

impl ProjectKey {
    /// The project of a job.
    pub fn of(metadata: &Metadata) -> Self {
        Self { anonymous: metadata.owner.is_anonymous(), name: metadata.project.clone() }
    }

    /// A name for files: 32 hexadecimal digits.
    pub fn digest(&self) -> String {
        digest_of(&[if self.anonymous { "0" } else { "1" }, &self.name], 16)
    }
}

/// A job of a project, as its mark tells. The job may be gone, or not be there yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    /// The job.
    pub id: JobId,
    owner: String,
    branch: String,
}

impl Run {
    /// Whether it may be of this owner and branch; the job's own record says whether it is.
    pub fn may_be_of(&self, owner: &Owner, branch: Option<&str>) -> bool {
        self.owner == of_owner(owner) && self.branch == of_branch(branch)
    }

    fn read(name: &str) -> Option<Self> {
        let mut parts = name.split('.');
        let (id, owner, branch) = (parts.next()?.parse().ok()?, parts.next()?.to_owned(), parts.next()?.to_owned());
        Some(Self { id, owner, branch })
    }
}

impl Store {
    /// Marks a job as one of its project; nothing is synced.
    pub(super) fn mark_run(&self, metadata: &Metadata) -> Result<(), StoreError> {
        let project = ProjectKey::of(metadata);
        let folder = self.layout.project_runs(&project.digest());
        if fs::symlink_metadata(&folder).is_err() {
            disk::make_dir(&folder, 0o750)?;
            give_to_owner_of(self.layout.root(), &folder)?;
        }
        let name = folder.join(NAME);
        if fs::symlink_metadata(&name).is_err() {
            disk::place_json(&name, &project)?;
        }
        match disk::write_new_unsynced(&folder.join(mark(metadata)), b"", 0o640) {
            Err(DiskError::Io { source, .. }) if source.kind() == ErrorKind::AlreadyExists => Ok(()),
            written => Ok(written?),
        }
    }

    /// Removes the mark of a job that is being removed. One that stays does no harm.
    pub(super) fn unmark_run(&self, job: &Job) {
        if let Ok(metadata) = job.metadata() {
            let folder = self.layout.project_runs(&ProjectKey::of(&metadata).digest());
            let _ = fs::remove_file(folder.join(mark(&metadata)));
        }
    }

    /// Marks every job, where nobody has done so: a folder of an older program's, or one whose index was deleted.
    pub(super) fn complete_projects(&self) -> Result<(), StoreError> {
        let complete = self.layout.projects().join(COMPLETE);
        if fs::symlink_metadata(&complete).is_ok() {
            return Ok(());
        }
        let ids = self.ids()?;
        for id in &ids {
            // A job that cannot be read has no project that anybody knows.
            if let Ok(metadata) = self.job(*id).and_then(|job| job.metadata()) {
                self.mark_run(&metadata)?;
            }
        }
        // Not before the marks are on the disk; where there are none, nothing waits for it. Should a power cut take it, it is made anew.
        if !ids.is_empty() {
            disk::sync_file_system(&self.layout.projects())?;
        }
        match disk::write_new_unsynced(&complete, b"", 0o640) {
            Err(DiskError::Io { source, .. }) if source.kind() == ErrorKind::AlreadyExists => Ok(()),
            written => Ok(written?),
        }
    }

    /// The jobs of a project, the newest first, also those that are gone.
    ///
    /// # Errors
    /// [`StoreError::Disk`] when the marks cannot be listed.
    pub fn runs_of(&self, project: &ProjectKey) -> Result<Vec<Run>, StoreError> {
        let folder = self.layout.project_runs(&project.digest());
        let names = names_in(folder)?;
        let mut runs: Vec<Run> = names.iter().filter_map(|name| Run::read(name)).collect();
        runs.sort_unstable_by_key(|run| std::cmp::Reverse(run.id));
        Ok(runs)
    }

    /// The projects that have a job, or had one, by name.
    ///
    /// # Errors
    /// [`StoreError::Disk`] when they cannot be listed.
    pub fn projects(&self) -> Result<Vec<ProjectKey>, StoreError> {
        let folder = self.layout.projects();
        let read = |name: String| {
            let text = disk::read_file(&folder.join(name).join(NAME), NAME_MAX).ok()??;
            serde_json::from_slice::<ProjectKey>(&text).ok()
        };
        let mut projects: Vec<ProjectKey> = names_in(folder.clone())?.into_iter().filter_map(read).collect();
        projects.sort_unstable_by(|a, b| (&a.name, a.anonymous).cmp(&(&b.name, b.anonymous)));
        Ok(projects)
    }
}

fn names_in(folder: PathBuf) -> Result<Vec<String>, StoreError> {
    let entries = match fs::read_dir(&folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(DiskError::io("list", folder)(error).into()),
    };
    Ok(entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok()).collect())
}

fn mark(metadata: &Metadata) -> String {
    let branch = of_branch(metadata.branch.as_deref());
    format!("{}.{}.{branch}", metadata.job_id, of_owner(&metadata.owner))
}

fn of_owner(owner: &Owner) -> String {
    digest_of(&[owner.as_str()], 4)
}

fn of_branch(branch: Option<&str>) -> String {
    digest_of(&branch.map_or(vec![], |branch| vec!["branch", branch]), 4)
}

/// A digest of some texts, as twice so many hexadecimal digits.
fn digest_of(texts: &[&str], bytes: usize) -> String {
    let digest =
        texts.iter().fold(Sha256::new(), |digest, text| digest.chain_update(text).chain_update([0])).finalize();
    hex::encode(&digest[..bytes])
}
