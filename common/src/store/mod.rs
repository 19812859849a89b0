//! The file store: stage, admit, load, list. What a worker alone does (claim, record, finish) is in the files beside this one.

mod access_files;
mod audit;
mod caches;
mod claims;
mod copies;
mod entries;
mod found;
mod groups;
mod handling;
mod handover;
mod hooks;
mod ids;
mod job_wishes;
mod keys;
mod laid;
mod leftovers;
mod outbox;
mod projects;
mod quarantine;
mod read;
mod record;
mod registry;
mod reserve;
mod retention;
mod schedules;
mod secrets;
mod sessions;
mod spare;
mod staging;
mod supersede;
mod takeover;
mod tokens;
mod triage;
mod tries;
mod triggers;
mod waits;
mod wish;

use std::{path::Path, sync::Arc};

pub use audit::AuditLine;
pub use caches::{CacheDraft, CacheGoes, CacheScope, KeptCache, OF_CACHE_DIR, OF_PROJECT, OldCache, Refs};
pub use claims::{
    Claim, ClaimOutcome, ClaimRecord, HeartbeatWatch, Lease, ProcessMark, STILL_FOR, STILL_LOOKS, WorkerIdentity,
};
pub use copies::{Copying, Links, TreeError, Whose, copy_tree};
pub use entries::DEFINITION_MAX;
pub use groups::{GroupHolder, GroupTurn, ResourceGroup};
pub use handling::{Deaths, Handling, Place};
use handover::give_to_runner;
pub use handover::{RUNNER_GID, RUNNER_UID, make_runner_dir};
pub use hooks::{HOOKS_MAX, HookError, HookRecord, HookRecords, HookTarget, NewHook, StatusOf};
pub use job_wishes::JobWish;
pub use keys::{Fingerprint, KEPT_FOR, KeyRecord};
pub use laid::Onto;
pub use outbox::{Delivery, HookStanding};
pub use projects::{ProjectKey, Run};
pub use quarantine::{Quarantine, QuarantineKind};
pub use read::{Job, JobView, Snapshot};
pub use record::AttemptRecord;
pub use registry::{InvalidChange, MEMBERS_MAX, ProjectChange, ProjectRecord, ProjectRecords};
pub use retention::{Because, EndedJob, Keep, surplus};
pub use schedules::{Missed, NewSchedule, ScheduleRecord};
pub use secrets::{NewSecret, SECRETS_MAX, SecretRecord, SecretRecords, SecretStoreError};
pub use sessions::{IDLE, LONGEST, SessionRecord};
pub use staging::Staging;
pub use tokens::{NewToken, TokenRecord, Tokens, read_token};
pub use triage::{DecideError, Deciding, Decision, REASON_MAX, Triage, Undecided, Verdict};
pub use tries::shown as shown_tries;
pub use triggers::{NewTrigger, PushHost, TRIGGERS_MAX, TriggerError, TriggerRecord};
pub use waits::WaitRecord;
pub use wish::{CancelWish, Wished};

use crate::{
    disk::{self, DiskError},
    id::{InstanceId, JobId},
    layout::Layout,
    state::InvalidTransition,
};

/// What went wrong in the store.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// A file could not be read or written.
    #[error(transparent)]
    Disk(#[from] DiskError),
    /// There is no job of that id.
    #[error("there is no job {0}")]
    NoSuchJob(JobId),
    /// The table of states does not know such a change.
    #[error(transparent)]
    Transition(#[from] InvalidTransition),
    /// The id is taken: nothing was changed.
    #[error("job {0} is there already")]
    Taken(JobId),
}

/// One workspaces folder.
#[derive(Clone, Debug)]
pub struct Store {
    layout: Layout,
    instance: InstanceId,
    known: Arc<ids::IdList>,
}

impl Store {
    /// Opens a workspaces folder, and makes what is missing of it: the folder, its id, its index.
    ///
    /// # Errors
    /// [`StoreError::Disk`] with the path that could not be made or read.
    pub fn open(root: &Path) -> Result<Self, StoreError> {
        std::fs::create_dir_all(root).map_err(DiskError::io("make the folder", root))?;
        let root = root.canonicalize().map_err(DiskError::io("find", root))?;
        let layout = Layout::new(root);
        let runs = layout.index().join("runs");
        let derived = [runs, layout.report_archives(), layout.projects()];
        let work = [layout.staging(), layout.trash(), layout.keys(), layout.index(), layout.spare()];
        let audit = layout.root().join(".audit");
        let access = [layout.access(), layout.tokens(), layout.revoked_tokens(), layout.sessions()];
        let decided = [layout.project_records(), layout.secrets(), layout.hooks(), layout.triage(), audit];
        let events = [layout.events(), layout.hooked_jobs(), layout.outbox(), layout.events().join("last")];
        let asked =
            [layout.triggers(), layout.schedules(), layout.fired(), layout.job_wishes(), layout.settled_wishes()];
        for folder in work.into_iter().chain(derived).chain(access).chain(decided).chain(events).chain(asked) {
            let fresh = !folder.exists();
            disk::make_dir(&folder, 0o750)?;
            if fresh {
                give_to_owner_of(layout.root(), &folder)?;
            }
        }
        let instance = open_instance(&layout)?;
        let store = Self { layout, instance, known: Arc::default() };
        // A store whose disk is full is opened all the same: its jobs can be read, and ended.
        if let Err(error) = store.complete_projects() {
            tracing::warn!(%error, "earlier jobs of projects are not all known");
        }
        if let Err(error) = store.restock() {
            tracing::warn!(%error, "files for a full disk could not be made ready");
        }
        Ok(store)
    }

    /// Opens a workspaces folder that is there, and changes nothing; `None` where there is none.
    ///
    /// # Errors
    /// [`StoreError::Disk`] when its id cannot be read.
    pub fn find(root: &Path) -> Result<Option<Self>, StoreError> {
        let Ok(root) = root.canonicalize() else { return Ok(None) };
        let layout = Layout::new(root);
        let instance = read_instance(&layout)?;
        Ok(instance.map(|instance| Self { layout, instance, known: Arc::default() }))
    }

    /// The paths.
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// The id of this installation.
    pub fn instance(&self) -> &InstanceId {
        &self.instance
    }

    /// A job that is there.
    ///
    /// # Errors
    /// [`StoreError::NoSuchJob`].
    pub fn job(&self, id: JobId) -> Result<Job, StoreError> {
        let paths = self.layout.job(id);
        match std::fs::symlink_metadata(paths.root()) {
            Ok(meta) if meta.is_dir() => Ok(Job::new(id, paths)),
            Ok(_) => Err(StoreError::NoSuchJob(id)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Err(StoreError::NoSuchJob(id)),
            Err(error) => Err(DiskError::io("look at", paths.root())(error).into()),
        }
    }

    /// The ids of all jobs, newest first: the folder is read.
    ///
    /// # Errors
    /// [`StoreError::Disk`] when the folder cannot be read.
    pub fn ids(&self) -> Result<Vec<JobId>, StoreError> {
        ids::list(self.layout.root())
    }

    /// The same from memory, as long as the folder did not change. Of a folder so large that reading it takes long, it may
    /// miss what other processes did in the last seconds.
    ///
    /// # Errors
    /// [`StoreError::Disk`] when the folder cannot be read.
    pub fn known_ids(&self) -> Result<Arc<Vec<JobId>>, StoreError> {
        self.known.get(self.layout.root())
    }
}

/// A worker that runs as root may open a workspaces folder before its backend does, which runs as the folder's owner and must
/// be able to write there.
fn give_to_owner_of(root: &Path, folder: &Path) -> Result<(), StoreError> {
    use std::os::unix::fs::MetadataExt;
    let owner = std::fs::metadata(root).map_err(DiskError::io("look at", root))?;
    if rustix::process::geteuid().is_root() && owner.uid() != 0 {
        std::os::unix::fs::lchown(folder, Some(owner.uid()), Some(owner.gid()))
            .map_err(DiskError::io("chown", folder))?;
    }
    Ok(())
}

fn read_instance(layout: &Layout) -> Result<Option<InstanceId>, StoreError> {
    let path = layout.instance();
    let Some(text) = disk::read_file(&path, 1024)? else { return Ok(None) };
    let text = String::from_utf8_lossy(&text);
    let torn = || DiskError::Torn { path, reason: "it should hold 32 hexadecimal digits".to_owned() };
    Ok(Some(InstanceId::parse(text.trim()).ok_or_else(torn)?))
}

fn open_instance(layout: &Layout) -> Result<InstanceId, StoreError> {
    let path = layout.instance();
    loop {
        if let Some(instance) = read_instance(layout)? {
            return Ok(instance);
        }
        // Made aside and linked, so that two processes that start at once agree on one id.
        let temp = path.with_file_name(format!(".instance-{}", InstanceId::generate().as_str()));
        disk::write_new(&temp, format!("{}\n", InstanceId::generate().as_str()).as_bytes(), 0o644)?;
        let linked = std::fs::hard_link(&temp, &path);
        std::fs::remove_file(&temp).map_err(DiskError::io("remove", &temp))?;
        match linked {
            Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => {
                return Err(DiskError::io("create", &path)(error).into());
            }
            _ => disk::sync_dir(layout.root())?,
        }
    }
}
