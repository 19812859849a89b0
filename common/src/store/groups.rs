//! Resource groups: of all steps of one project that name the same, one runs at a time.
//!
//! `.groups/GROUP/holder.json` says which step of which job has it: not which worker, so that whoever takes that job up goes on with
//! it. It is held until the step's end is on disk, its job has ended, or is gone; nobody has to give it back for that. Who takes it
//! looks and writes under the lock of a file.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{Job, ProjectKey, Store, StoreError};
use crate::{
    access::DEFAULT_PROJECT,
    clock::Stamp,
    disk::{self, DiskError, Versioned},
    id::JobId,
    layout::Layout,
    metadata::Metadata,
    slug::Slug,
};

/// A group of a project.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResourceGroup {
    name: String,
    folder: PathBuf,
}

/// Which step has a group.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GroupHolder {
    schema: u32,
    /// Its name, for people.
    group: String,
    /// The job.
    pub job: JobId,
    /// The step of it.
    pub step: Slug,
    /// Since when.
    pub since: Stamp,
}

impl Versioned for GroupHolder {
    const SCHEMA: u32 = 1;
}

/// What came of a wish to take a resource group.
#[derive(Debug)]
pub enum GroupTurn {
    /// The step has it.
    Taken,
    /// Another step has it.
    HeldBy(GroupHolder),
}

impl ResourceGroup {
    /// The group of this name that jobs like this one have. In the project that nobody named each owner has their own.
    pub fn of(layout: &Layout, metadata: &Metadata, name: &str) -> Self {
        let project = ProjectKey::of(metadata).digest();
        let owner = if metadata.project == DEFAULT_PROJECT { metadata.owner.as_str() } else { "" };
        let mut digest = Sha256::new();
        for word in [&project, owner, name] {
            digest.update((word.len() as u64).to_le_bytes());
            digest.update(word);
        }
        let folder = layout.groups().join(hex::encode(&digest.finalize()[..16]));
        Self { name: name.to_owned(), folder }
    }

    /// The group that [`Self::id`] names.
    pub fn known_as(layout: &Layout, id: &str) -> Self {
        Self { name: String::new(), folder: layout.groups().join(id) }
    }

    /// A name for records: 32 hexadecimal digits.
    pub fn id(&self) -> String {
        self.folder.file_name().unwrap_or_default().to_string_lossy().into_owned()
    }

    /// Its name, as people write it.
    pub fn name(&self) -> &str {
        &self.name
    }

    fn record(&self) -> PathBuf {
        self.folder.join("holder.json")
    }

    /// Which step has it just now; none whose end is on disk.
    ///
    /// # Errors
    /// [`StoreError::Disk`].
    pub fn holder(&self, layout: &Layout) -> Result<Option<GroupHolder>, StoreError> {
        let Some(holder) = disk::read_json::<GroupHolder>(&self.record())? else { return Ok(None) };
        Ok((!is_over(&holder, layout)?).then_some(holder))
    }

    /// Takes it for a step, which may have it already.
    ///
    /// # Errors
    /// [`StoreError::Disk`].
    pub fn take(&self, store: &Store, job: &Job, step: &Slug) -> Result<GroupTurn, StoreError> {
        disk::make_dir(&store.layout().groups(), 0o750)?;
        disk::make_dir(&self.folder, 0o750)?;
        let _alone = disk::lock_file(&self.folder.join("lock"))?;
        match self.holder(store.layout())? {
            Some(mine) if mine.job == job.id() && mine.step == *step => Ok(GroupTurn::Taken),
            Some(other) => Ok(GroupTurn::HeldBy(other)),
            None => {
                let (group, job, step) = (self.name.clone(), job.id(), step.clone());
                let holder = GroupHolder { schema: GroupHolder::SCHEMA, group, job, step, since: Stamp::now() };
                disk::write_json(&self.record(), &holder)?;
                crate::fault_event!("group", job = holder.job, step = holder.step);
                crate::fault_point!("worker.group-taken");
                Ok(GroupTurn::Taken)
            }
        }
    }
}

/// What cannot be read is not over: two at once would be worse than one that waits for a person.
fn is_over(holder: &GroupHolder, layout: &Layout) -> Result<bool, StoreError> {
    let paths = layout.job(holder.job);
    match std::fs::symlink_metadata(paths.root()) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(true),
        found => found.map_err(DiskError::io("look at", paths.root()))?,
    };
    let job = Job::new(holder.job, paths);
    Ok(job.end_of(&holder.step)?.is_some() || job.final_record()?.is_some())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        access::Owner,
        execution::{StepEnd, StepRecord},
        state::StepState,
        store::{ClaimOutcome, HeartbeatWatch, WorkerIdentity},
        testing::sample,
    };

    fn job(store: &Store) -> Job {
        let id = JobId::generate();
        store.admit(store.stage().unwrap(), &sample::metadata(id, ["S"])).unwrap();
        store.job(id).unwrap()
    }

    fn group(store: &Store, name: &str) -> ResourceGroup {
        ResourceGroup::of(store.layout(), &sample::metadata(JobId::generate(), ["S"]), name)
    }

    #[test]
    fn one_step_has_it_until_its_end_is_on_disk_or_its_job_is_gone() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        let (first, second, group) = (job(&store), job(&store), group(&store, "production"));
        let (step, other) = (Slug::of("deploy"), Slug::of("deploy-too"));
        let takes = |job: &Job, step: &Slug| match group.take(&store, job, step).unwrap() {
            GroupTurn::Taken => Ok(()),
            GroupTurn::HeldBy(holder) => Err(holder.job),
        };
        let holder = || group.holder(store.layout()).unwrap().map(|holder| holder.job);
        assert_eq!(holder(), None);
        assert_eq!(takes(&first, &step), Ok(()));
        // Whoever takes up that job after the death of its worker has it.
        assert_eq!(takes(&first, &step), Ok(()));
        assert_eq!(takes(&second, &step), Err(first.id()));
        assert_eq!(takes(&first, &other), Err(first.id()), "also another step of the same job waits");
        let until = "2100-01-01T00:00:00Z".parse().unwrap();
        let me = WorkerIdentity::of_this_process();
        let ClaimOutcome::Won(claim) = second.claim(&me, &mut HeartbeatWatch::default()).unwrap() else { panic!() };
        second.park(claim.number(), until, 0, vec![group.id()]).unwrap();
        assert!(second.is_parked(), "nobody looks at a job that waits for it");
        let record = StepRecord::bare("deploy", StepState::Failed, None, "");
        let end = StepEnd { schema: StepEnd::SCHEMA, stage: "S".to_owned(), claim: 1, record };
        first.record_end(&step, &end).unwrap();
        assert_eq!(holder(), None, "nobody has to give it back");
        assert!(!second.is_parked());
        assert_eq!(takes(&second, &step), Ok(()));
        assert_eq!(takes(&first, &other), Err(second.id()));
        store.throw_away(second.paths().root()).unwrap();
        assert_eq!(takes(&first, &other), Ok(()));
    }

    #[test]
    fn groups_of_other_names_projects_and_owners_are_others() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        let of = |owner: Owner, project: &str, name: &str| {
            let mut metadata = sample::metadata("01890a5d-ac96-774b-bcce-b302099a8057".parse().unwrap(), ["S"]);
            (metadata.owner, metadata.project) = (owner, project.to_owned());
            ResourceGroup::of(store.layout(), &metadata, name).folder
        };
        let (ann, bob) = (Owner::named("ann"), Owner::named("bob"));
        assert_eq!(of(ann.clone(), "shop", "p"), of(bob.clone(), "shop", "p"), "a project is all of its members'");
        assert_ne!(of(ann.clone(), "shop", "p"), of(ann.clone(), "shop", "q"));
        assert_ne!(of(ann.clone(), "shop", "p"), of(ann.clone(), "shop2", "p"));
        assert_ne!(of(ann.clone(), "shop", "p"), of(Owner::anonymous(), "shop", "p"));
        assert_ne!(of(ann, DEFAULT_PROJECT, "p"), of(bob, DEFAULT_PROJECT, "p"), "nobody named that project");
    }
}
