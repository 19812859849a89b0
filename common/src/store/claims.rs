//! Who holds a job: numbered claim files, each locked and beaten by its holder.
//!
//! A claim counts as dead when its lock is free (seen from the same boot of the same machine, on a file system whose locks are
//! believed), or when its heartbeat stood still for [`STILL_FOR`] over at least [`STILL_LOOKS`] looks by the watcher's own
//! monotonic clock. No wall clocks are compared, so a clock that jumps cannot take a job from anybody. A holder that stands
//! still on the watcher's own machine is killed before its job is taken: it may only have been stopped.

mod holder;
mod lease;
mod made;
#[cfg(test)]
mod tests;
mod watch;

use std::{
    fs::{self, File},
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    time::{Instant, SystemTime},
};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use self::holder::Put;
pub use self::{
    holder::{ProcessMark, WorkerIdentity},
    lease::Lease,
    watch::{HeartbeatWatch, STILL_FOR, STILL_LOOKS},
};
use super::{Job, Snapshot, StoreError, spare};
use crate::disk::{self, DiskError, Versioned};

/// Width of the heartbeat counter at the end of a claim file: it is overwritten in place, which needs no space on a full disk.
const COUNTER_WIDTH: usize = 20;

/// The text of a claim file, before its counter.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ClaimRecord {
    /// Schema version of the file.
    pub schema: u32,
    /// Who holds the job.
    pub holder: WorkerIdentity,
    /// Since when.
    pub claimed_at: Timestamp,
}

impl Versioned for ClaimRecord {
    const SCHEMA: u32 = 1;
}

impl ClaimRecord {
    /// Refuses the text of a claim that a newer program made; whatever else is wrong with it is no reason to.
    pub(super) fn refuse_newer(path: &Path, text: &[u8]) -> Result<(), DiskError> {
        let line = text.split(|byte| *byte == b'\n').next().unwrap_or_default();
        let record = serde_json::from_slice::<serde_json::Value>(line).ok();
        match record.and_then(|record| record.get("schema")?.as_u64()) {
            Some(found) if found > u64::from(Self::SCHEMA) => {
                Err(DiskError::FutureSchema { path: path.to_owned(), found, known: Self::SCHEMA })
            }
            _ => Ok(()),
        }
    }
}

/// A hold on a job. Its lock is free again when this is dropped, or when the process ends in whatever way.
#[derive(Debug)]
pub struct Claim {
    number: u64,
    file: File,
    counter_at: u64,
    beats: u64,
    /// Whether watchers on other machines see a beat only once it is synced.
    shared: bool,
    own: PathBuf,
    next: PathBuf,
    ended: PathBuf,
}

impl Claim {
    /// Its number: 1 for a job that nobody held before.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// Shows that the holder lives. Blocks for as long as the disk does. Where a disk is full on which nothing is overwritten in
    /// place (btrfs, zfs, bcachefs, nilfs), only the time of the file changes: that takes no block of data.
    ///
    /// # Errors
    /// Those of the system, when the file cannot be written.
    pub fn beat(&mut self) -> std::io::Result<()> {
        self.beats += 1;
        let written = self.file.write_all_at(format!("{:0COUNTER_WIDTH$}", self.beats).as_bytes(), self.counter_at);
        // A client of the network keeps what was written to itself for longer than a heartbeat may stand still.
        match written.and_then(|()| if self.shared { self.file.sync_data() } else { Ok(()) }) {
            Err(error) if disk::is_full(&error) => self.file.set_modified(SystemTime::now()),
            beaten => beaten,
        }
    }

    /// Whether this claim is the latest and the job has not ended: looked at before each create and start, and before anything
    /// is written that a reader believes. What cannot be looked at is not held.
    pub fn holds(&self) -> bool {
        let absent = |path: &Path| matches!(path.try_exists(), Ok(false));
        // The claim after this one may have been moved on to a higher number, so any higher one counts. The next one is looked at
        // first: while it is being moved, a listing may show neither its old name nor its new one.
        let is_latest = |folder: &Path| matches!(latest_claim(folder), Ok(latest) if latest == self.number);
        absent(&self.next) && self.own.parent().is_some_and(is_latest) && absent(&self.ended)
    }
}

/// What came of trying to claim a job.
#[derive(Debug)]
pub enum ClaimOutcome {
    /// It is ours.
    Won(Claim),
    /// Somebody holds it, or was quicker.
    Held {
        /// The number of that claim.
        number: u64,
    },
    /// It has ended.
    Ended,
}

impl Job {
    /// Tries to become the holder of this job.
    ///
    /// # Errors
    /// [`StoreError::Disk`].
    pub fn claim(&self, me: &WorkerIdentity, watch: &mut HeartbeatWatch) -> Result<ClaimOutcome, StoreError> {
        if self.look() == Snapshot::Ended {
            return Ok(ClaimOutcome::Ended);
        }
        let folder = self.paths().claims();
        match disk::make_dir(&folder, 0o2750) {
            Err(full) if full.is_full() && spare::take_folder(&self.paths().workspaces(), &folder) => {}
            made => made?,
        }
        let lease = Lease::of(&folder)?;
        let latest = latest_claim(&folder)?;
        if latest > 0 && !self.is_dead(latest, me, watch, &lease)? {
            return Ok(ClaimOutcome::Held { number: latest });
        }
        let number = latest + 1;
        let Some(claim) = self.create_claim(number, me, &lease)? else {
            return Ok(ClaimOutcome::Held { number });
        };
        // Between the first look and the claim the former holder may have written the end.
        if self.look() == Snapshot::Ended {
            return Ok(ClaimOutcome::Ended);
        }
        Ok(ClaimOutcome::Won(claim))
    }

    fn create_claim(&self, number: u64, me: &WorkerIdentity, lease: &Lease) -> Result<Option<Claim>, StoreError> {
        let own = self.paths().claim(number);
        let record = ClaimRecord { schema: ClaimRecord::SCHEMA, holder: me.clone(), claimed_at: Timestamp::now() };
        let mut text = serde_json::to_vec(&record).map_err(|e| DiskError::io("write", &own)(e.into()))?;
        text.push(b'\n');
        let counter_at = text.len() as u64;
        text.extend(format!("{:0COUNTER_WIDTH$}\n", 0).into_bytes());
        let Some(file) = self.make_claim(number, &text)? else { return Ok(None) };
        let (next, ended) = (self.paths().claim(number + 1), self.paths().final_record());
        Ok(Some(Claim { number, file, counter_at, beats: 0, shared: !lease.is_lock(), own, next, ended }))
    }

    /// Whether the holder of a claim does nothing any more; one that might wake up on this machine does not after this.
    fn is_dead(
        &self,
        number: u64,
        me: &WorkerIdentity,
        watch: &mut HeartbeatWatch,
        lease: &Lease,
    ) -> Result<bool, StoreError> {
        let path = self.paths().claim(number);
        let text = match disk::read_file(&path, 64 * 1024) {
            Ok(text) => text.unwrap_or_default(),
            // A link or a folder: nobody can beat in it.
            Err(DiskError::Torn { .. }) => {
                return Ok(watch.stands_still(self.id(), number, Vec::new(), Instant::now()));
            }
            Err(error) => return Err(error.into()),
        };
        let line = text.split(|byte| *byte == b'\n').next().unwrap_or_default();
        // A claim that cannot be read still has a heartbeat; only its lock is not believed.
        let holder = serde_json::from_slice::<ClaimRecord>(line).map(|record| record.holder).ok();
        let same_boot = holder.as_ref().is_some_and(|holder| holder.boot_id == me.boot_id);
        if same_boot && lease.is_lock() && lock_is_free(&path)? {
            return Ok(true);
        }
        if !watch.stands_still(self.id(), number, watch::pulse(&path, text), Instant::now()) {
            return Ok(false);
        }
        if let Some(holder) = holder {
            match holder.put_down(me) {
                Put::Down => {
                    tracing::warn!(job = %self.id(), holder = holder.worker, "a holder that stood still was killed")
                }
                Put::Untouched => {
                    tracing::warn!(job = %self.id(), holder = holder.worker, "a holder stands still: its job is taken over");
                }
            }
        }
        Ok(true)
    }
}

fn lock_is_free(path: &Path) -> Result<bool, StoreError> {
    let file = File::open(path).map_err(DiskError::io("open", path))?;
    match file.try_lock_shared() {
        Ok(()) => Ok(true),
        Err(fs::TryLockError::WouldBlock) => Ok(false),
        Err(fs::TryLockError::Error(error)) => Err(DiskError::io("lock", path)(error).into()),
    }
}

pub(super) fn latest_claim(folder: &Path) -> Result<u64, StoreError> {
    let mut latest = 0;
    for entry in fs::read_dir(folder).map_err(DiskError::io("list", folder))? {
        let name = entry.map_err(DiskError::io("list", folder))?.file_name();
        latest = latest.max(name.to_str().and_then(|name| name.parse().ok()).unwrap_or(0));
    }
    Ok(latest)
}
