//! A newer job of the same branch: the older one is told, and ends if its pipeline says that it may (`interruptible`).
//!
//! `.newest/BRANCH.json` names the newest job of each branch, so that its successor knows whom to tell. The backend tells as soon as
//! the newer job is admitted; whoever begins the newer job tells once more, in case the backend died in between. To tell is a file
//! in the older job's `wishes/`, as every wish is: it outlives all that run, and its worker decides.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{Job, ProjectKey, Store, StoreError, reserve::Room};
use crate::{
    disk::{self, Versioned},
    foreign::Beneath,
    id::JobId,
    layout::Layout,
    metadata::{Metadata, SourceKind},
};

/// The largest wish that is read, in bytes.
const WISH_MAX: u64 = 4096;

/// `.newest/BRANCH.json`.
#[derive(Serialize, Deserialize)]
struct Newest {
    schema: u32,
    job: JobId,
}

impl Versioned for Newest {
    const SCHEMA: u32 = 1;
}

/// `wishes/superseded.json`.
#[derive(Serialize, Deserialize)]
struct SupersededWish {
    schema: u32,
    by: JobId,
}

impl Versioned for SupersededWish {
    const SCHEMA: u32 = 1;
}

/// The folder of the branch that a job was made of. None where there is no such thing: an upload, a job that is another one once
/// more, or one of somebody without an account, for whom everybody is the same.
fn branch_folder(layout: &Layout, metadata: &Metadata) -> Option<PathBuf> {
    let branch = metadata.branch.as_deref().filter(|_| metadata.source.kind == SourceKind::Git)?;
    if metadata.owner.is_anonymous() || metadata.retry_of.is_some() {
        return None;
    }
    let project = ProjectKey::of(metadata).digest();
    let mut digest = Sha256::new();
    for word in [project.as_str(), &metadata.pipeline_name, branch] {
        digest.update((word.len() as u64).to_le_bytes());
        digest.update(word);
    }
    Some(layout.newest().join(hex::encode(&digest.finalize()[..16])))
}

impl Store {
    /// Tells the job before this one on the same branch that it is superseded. Doing it again changes nothing.
    ///
    /// # Errors
    /// [`StoreError::Disk`]: the older job then goes on.
    pub fn supersede_older(&self, metadata: &Metadata) -> Result<(), StoreError> {
        let Some(folder) = branch_folder(self.layout(), metadata) else { return Ok(()) };
        disk::make_dir(&self.layout().newest(), 0o750)?;
        disk::make_dir(&folder, 0o750)?;
        let _alone = disk::lock_file(&folder.join("lock"))?;
        let path = folder.join("newest.json");
        let before = disk::read_json::<Newest>(&path)?;
        match before {
            // Told already, or there is a newer one still: whoever came second to this lock is the older.
            Some(newest) if newest.job >= metadata.job_id => return Ok(()),
            Some(older) => match self.job(older.job) {
                Ok(job) => job.wish_superseded(metadata.job_id)?,
                Err(StoreError::NoSuchJob(_)) => {}
                Err(error) => return Err(error),
            },
            None => {}
        }
        disk::write_json(&path, &Newest { schema: Newest::SCHEMA, job: metadata.job_id })?;
        Ok(())
    }
}

impl Job {
    fn wish_superseded(&self, by: JobId) -> Result<(), StoreError> {
        if self.final_record()?.is_some() {
            return Ok(());
        }
        let folder = self.paths().wishes();
        disk::make_dir(&folder, 0o750)?;
        let wish = SupersededWish { schema: SupersededWish::SCHEMA, by };
        if !self.create(&self.paths().superseded_wish(), &wish, Room::Spare)? {
            disk::sync_dir(&folder)?;
        }
        crate::fault_event!("superseded", job = self.id(), by = by);
        Ok(())
    }

    /// The newer job of its branch, if there is one. The folder is the backend's: what is no id of a job is nothing.
    pub fn superseded_by(&self) -> Option<JobId> {
        std::fs::symlink_metadata(self.paths().superseded_wish()).ok()?;
        let folder = Beneath::open(&self.paths().wishes()).ok()?;
        let text = folder.read("superseded.json", WISH_MAX).ok()?;
        serde_json::from_slice::<SupersededWish>(&text).ok().map(|wish| wish.by)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{access::Owner, testing::sample};

    fn of_branch(branch: &str, owner: &str) -> Metadata {
        let mut metadata = sample::metadata(JobId::generate(), ["S"]);
        metadata.source.kind = SourceKind::Git;
        (metadata.branch, metadata.project) = (Some(branch.to_owned()), "shop".to_owned());
        metadata.owner = Owner::named(owner);
        metadata
    }

    #[test]
    fn the_job_before_it_on_the_same_branch_is_told_and_no_other() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        let job = |metadata: &Metadata| {
            store.admit(store.stage().unwrap(), metadata).unwrap();
            store.supersede_older(metadata).unwrap();
            store.job(metadata.job_id).unwrap()
        };
        let (first, other) = (job(&of_branch("main", "ada")), job(&of_branch("topic", "ada")));
        let newer = of_branch("main", "grace");
        let second = job(&newer);
        assert_eq!((first.superseded_by(), other.superseded_by()), (Some(second.id()), None));
        // Whoever begins it tells once more.
        store.supersede_older(&newer).unwrap();
        assert_eq!(second.superseded_by(), None, "nothing supersedes itself");
        let again = Metadata { retry_of: Some(first.id()), ..of_branch("main", "ada") };
        job(&again);
        job(&Metadata { owner: Owner::anonymous(), ..of_branch("main", "ada") });
        let mut upload = of_branch("main", "ada");
        upload.source.kind = SourceKind::Zip;
        job(&upload);
        assert_eq!(second.superseded_by(), None, "nor a job once more, an upload, or one of nobody known");
    }
}
