//! The outbox of webhooks: what is to be told to others, in files, so that nothing of it is lost whoever dies.
//!
//! A job of a project with hooks gets an empty mark `.events/jobs/ID`, durable before the job. A pass over the marks, of open jobs
//! alone, finds what happened to them, and makes a delivery for each hook and event, whose name says of what it is: there is one,
//! however often the pass dies. Only then is the mark renamed, or removed after the job's end.

use std::{
    fs::{self, File},
    io::ErrorKind,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Fingerprint, HookRecord, Job, Snapshot, Store, StoreError, tokens::files_of};
use crate::{
    disk::{self, DiskError, Versioned},
    hooks::{HookEvent, JobFacts},
    id::JobId,
    metadata::Metadata,
};

/// What is added to the name of a mark once the start of its job was told.
const STARTED: &str = ".started";
/// A mark without a job is that of a submission that came to nothing, once it is this old.
const ABANDONED_AFTER: Duration = Duration::from_secs(24 * 60 * 60);

/// `.events/outbox/NAME.json`: something that is to be sent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Delivery {
    /// Schema version of the file.
    pub schema: u32,
    /// Its id, the same in all tries.
    pub id: String,
    /// The hook that it is for.
    pub hook: String,
    /// The project.
    pub project: String,
    /// What happened.
    pub event: HookEvent,
    /// To which job; `None`: it is a test.
    pub job: Option<JobFacts>,
    /// When it was found.
    pub made_at: Timestamp,
    /// How often it was sent in vain.
    pub tries: u32,
    /// When it is to be sent, or sent again.
    pub next_at: Timestamp,
}

impl Versioned for Delivery {
    const SCHEMA: u32 = 1;
}

impl Delivery {
    /// The name of its file.
    fn name(&self) -> String {
        let about = self.job.as_ref().map_or_else(|| self.id.clone(), |job| job.job_id.to_string());
        format!("{about}.{}.{}.json", self.event, self.hook)
    }
}

/// `.events/last/HOOK.json`: what came of the last deliveries of a hook.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HookStanding {
    /// Schema version of the file.
    pub schema: u32,
    /// The last delivery that was tried.
    pub delivery: String,
    /// When a delivery was last taken.
    pub taken_at: Option<Timestamp>,
    /// When one last failed.
    pub failed_at: Option<Timestamp>,
    /// Why; `None` once one was taken after it.
    pub error: Option<String>,
    /// Deliveries that were given up.
    pub given_up: u64,
}

impl Versioned for HookStanding {
    const SCHEMA: u32 = 1;
}

impl Store {
    /// Marks a job whose project has hooks; nothing is synced.
    pub(super) fn mark_for_hooks(&self, metadata: &Metadata) -> Result<(), StoreError> {
        if !self.has_hooks(&metadata.project)? {
            return Ok(());
        }
        match disk::write_new_unsynced(&self.layout.hooked_jobs().join(metadata.job_id.to_string()), b"", 0o640) {
            Err(DiskError::Io { source, .. }) if source.kind() == ErrorKind::AlreadyExists => Ok(()),
            written => Ok(written?),
        }
    }

    /// The right to make and send deliveries, until it is dropped; `None` while another process has it.
    ///
    /// # Errors
    /// [`StoreError::Disk`].
    pub fn hold_outbox(&self) -> Result<Option<File>, StoreError> {
        Ok(disk::try_lock_file(&self.layout.events().join("lock"))?)
    }

    /// The right to make jobs of wishes, until it is dropped; `None` while another process has it.
    ///
    /// # Errors
    /// [`StoreError::Disk`].
    pub fn hold_starts(&self) -> Result<Option<File>, StoreError> {
        Ok(disk::try_lock_file(&self.layout.events().join("starts.lock"))?)
    }

    /// Makes the deliveries of what happened since the last time. Whoever calls it holds the outbox.
    ///
    /// # Errors
    /// [`StoreError::Disk`] when the marks cannot be listed. A job whose files or hooks cannot be read keeps its mark.
    pub fn gather_deliveries(&self) -> Result<(), StoreError> {
        for mark in files_or_none(&self.layout.hooked_jobs())? {
            if let Err(error) = self.gather(&mark) {
                tracing::warn!(mark = %mark.display(), %error, "what happened to a job cannot be told yet");
            }
        }
        Ok(())
    }

    fn gather(&self, mark: &Path) -> Result<(), StoreError> {
        let name = mark.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let (id, told) = name.strip_suffix(STARTED).map_or((name.as_str(), false), |id| (id, true));
        let Ok(id) = id.parse::<JobId>() else { return Ok(()) };
        let job = match self.job(id) {
            Ok(job) => job,
            Err(StoreError::NoSuchJob(_)) => return self.forget_mark_if(is_old(mark), mark),
            Err(other) => return Err(other),
        };
        let (begun, ended) = (fs::symlink_metadata(job.paths().attempt(1)).is_ok(), job.look() == Snapshot::Ended);
        if begun && !told {
            self.make_deliveries(&job, HookEvent::Started)?;
        }
        if ended {
            self.make_deliveries(&job, HookEvent::Ended)?;
            crate::fault_point!("events.gathered");
            return self.forget_mark_if(true, mark);
        }
        if begun && !told {
            let to = mark.with_file_name(format!("{id}{STARTED}"));
            fs::rename(mark, &to).map_err(DiskError::io("rename", mark))?;
            disk::sync_dir(&self.layout.hooked_jobs())?;
        }
        Ok(())
    }

    fn make_deliveries(&self, job: &Job, event: HookEvent) -> Result<(), StoreError> {
        let view = job.view()?;
        let hooks = self.hooks_of(&view.metadata.project)?;
        for hook in hooks.iter().filter(|hook| hook.events.contains(&event)) {
            let mut facts = JobFacts::of(&view);
            if event == HookEvent::Started && facts.state.is_final() {
                // It ended before anybody looked: its start is told as that.
                facts.state = crate::state::JobState::Running;
                (facts.reason, facts.finished_at) = (None, None);
                (facts.outcome, facts.headline) = ("running".into(), "running".to_owned());
            }
            if !hook.is_for(&facts) {
                continue;
            }
            let id = job.id().to_string();
            self.create_delivery(&self.new_delivery(hook, event, &id, Some(facts)))?;
        }
        Ok(())
    }

    /// Puts a test into the outbox.
    ///
    /// # Errors
    /// [`StoreError::Disk`].
    pub fn test_hook(&self, hook: &HookRecord) -> Result<Delivery, StoreError> {
        let delivery = self.new_delivery(hook, HookEvent::Test, &JobId::generate().to_string(), None);
        self.create_delivery(&delivery)?;
        super::give_to_owner_of(self.layout.root(), &self.delivery_file(&delivery))?;
        Ok(delivery)
    }

    fn new_delivery(&self, hook: &HookRecord, event: HookEvent, about: &str, job: Option<JobFacts>) -> Delivery {
        let now = Timestamp::now();
        let words = [self.instance.as_str(), about, event.as_str(), &hook.id].map(str::as_bytes);
        Delivery {
            schema: Delivery::SCHEMA,
            id: Fingerprint::of(&words).as_str()[..32].to_owned(),
            hook: hook.id.clone(),
            project: hook.project.clone(),
            event,
            job,
            made_at: now,
            tries: 0,
            next_at: now,
        }
    }

    fn create_delivery(&self, delivery: &Delivery) -> Result<(), StoreError> {
        disk::create_json(&self.delivery_file(delivery), delivery)?;
        Ok(())
    }

    /// The deliveries whose time has come, the oldest first.
    ///
    /// # Errors
    /// [`StoreError::Disk`] when they cannot be listed; one that cannot be read is told in the log and stays.
    pub fn due_deliveries(&self, now: Timestamp) -> Result<Vec<Delivery>, StoreError> {
        let mut due = Vec::new();
        for path in files_or_none(&self.layout.outbox())? {
            match disk::read_json::<Delivery>(&path) {
                Ok(Some(delivery)) if delivery.next_at <= now => due.push(delivery),
                Ok(_) => {}
                Err(error) => tracing::warn!(%error, "a delivery of a hook cannot be read"),
            }
        }
        due.sort_by_key(|delivery| (delivery.made_at, delivery.event));
        Ok(due)
    }

    /// Writes down that a delivery is to be sent again.
    ///
    /// # Errors
    /// [`StoreError::Disk`].
    pub fn postpone_delivery(&self, delivery: &Delivery) -> Result<(), StoreError> {
        Ok(disk::write_json(&self.delivery_file(delivery), delivery)?)
    }

    /// Takes a delivery out of the outbox: it was taken, or is given up.
    ///
    /// # Errors
    /// [`StoreError::Disk`].
    pub fn remove_delivery(&self, delivery: &Delivery) -> Result<(), StoreError> {
        remove(&self.delivery_file(delivery))?;
        Ok(disk::sync_dir(&self.layout.outbox())?)
    }

    /// Whether a delivery was neither taken nor given up yet.
    pub fn is_waiting(&self, delivery: &Delivery) -> bool {
        fs::symlink_metadata(self.delivery_file(delivery)).is_ok()
    }

    /// Whether a start is told after the end of its job.
    ///
    /// # Errors
    /// [`StoreError::Disk`] when the job cannot be looked at.
    pub fn is_overtaken(&self, delivery: &Delivery) -> Result<bool, StoreError> {
        let started = delivery.job.as_ref().filter(|_| delivery.event == HookEvent::Started);
        match started.map(|job| self.job(job.job_id)) {
            None => Ok(false),
            Some(Ok(job)) => Ok(job.look() == Snapshot::Ended),
            Some(Err(StoreError::NoSuchJob(_))) => Ok(true),
            Some(Err(error)) => Err(error),
        }
    }

    /// What came of the last deliveries of a hook; `None` before the first.
    ///
    /// # Errors
    /// [`StoreError::Disk`].
    pub fn hook_standing(&self, hook: &str) -> Result<Option<HookStanding>, StoreError> {
        Ok(disk::read_json(&self.standing_file(hook))?)
    }

    /// Writes that down.
    ///
    /// # Errors
    /// [`StoreError::Disk`].
    pub fn set_hook_standing(&self, hook: &str, standing: &HookStanding) -> Result<(), StoreError> {
        Ok(disk::write_json(&self.standing_file(hook), standing)?)
    }

    /// How many deliveries of a hook wait.
    ///
    /// # Errors
    /// [`StoreError::Disk`].
    pub fn waiting_deliveries(&self, hook: &str) -> Result<usize, StoreError> {
        let ends = format!(".{hook}.json");
        let files = files_or_none(&self.layout.outbox())?;
        Ok(files.iter().filter(|path| path.to_string_lossy().ends_with(&ends)).count())
    }

    fn delivery_file(&self, delivery: &Delivery) -> PathBuf {
        self.layout.outbox().join(delivery.name())
    }

    fn standing_file(&self, hook: &str) -> PathBuf {
        self.layout.events().join("last").join(format!("{hook}.json"))
    }

    fn forget_mark_if(&self, over: bool, mark: &Path) -> Result<(), StoreError> {
        if over {
            remove(mark)?;
        }
        Ok(())
    }
}

fn is_old(mark: &Path) -> bool {
    let written = fs::symlink_metadata(mark).and_then(|meta| meta.modified()).ok();
    let age = written.and_then(|written| SystemTime::now().duration_since(written).ok());
    age.is_some_and(|age| age > ABANDONED_AFTER)
}

fn remove(path: &Path) -> Result<(), StoreError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(DiskError::io("remove", path)(error).into()),
        _ => Ok(()),
    }
}

fn files_or_none(folder: &Path) -> Result<Vec<PathBuf>, StoreError> {
    match files_of(folder) {
        Err(StoreError::Disk(error)) if error.is_missing() => Ok(Vec::new()),
        files => files,
    }
}
