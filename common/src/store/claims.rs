//! Who holds a job: numbered claim files, each locked and beaten by its holder.
//!
//! A claim counts as dead when its lock is free (seen from the same boot of the same machine), or when its heartbeat stood
//! still for [`STILL_FOR`] over at least [`STILL_LOOKS`] looks by the watcher's own monotonic clock. No wall clocks are
//! compared, so a clock that jumps cannot take a job from anybody.

use std::{
    collections::HashMap,
    fs::{self, File, OpenOptions},
    io::Write,
    os::unix::fs::{FileExt, OpenOptionsExt},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Job, Snapshot, StoreError};
use crate::{
    disk::{self, DiskError, Versioned},
    id::JobId,
};

/// How long a heartbeat must stand still before its claim counts as dead.
pub const STILL_FOR: Duration = Duration::from_secs(20);
/// How many looks must have seen it stand still.
pub const STILL_LOOKS: u32 = 4;
/// Width of the heartbeat counter at the end of a claim file: it is overwritten in place, which needs no space on a full disk.
const COUNTER_WIDTH: usize = 20;

/// Who a worker process is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkerIdentity {
    /// Unique to this process.
    pub worker: String,
    /// Name of the machine, for people.
    pub host: String,
    /// Random id of this boot of the machine.
    pub boot_id: String,
    /// Process id, in the process's own namespace.
    pub pid: u32,
}

impl WorkerIdentity {
    /// The identity of this process.
    pub fn of_this_process() -> Self {
        let read = |path: &str| fs::read_to_string(path).map(|text| text.trim().to_owned()).ok();
        let host = read("/proc/sys/kernel/hostname").unwrap_or_else(|| "unknown".to_owned());
        let pid = std::process::id();
        let unique = Uuid::new_v4().as_simple().to_string();
        Self {
            worker: format!("{host}-{pid}-{}", &unique[..12]),
            host,
            // Without a boot id no lock is believed: a random one never equals another's.
            boot_id: read("/proc/sys/kernel/random/boot_id").unwrap_or(unique),
            pid,
        }
    }
}

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
    next: PathBuf,
    ended: PathBuf,
}

impl Claim {
    /// Its number: 1 for a job that nobody held before.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// Shows that the holder lives.
    ///
    /// # Errors
    /// Those of the system, when the file cannot be written.
    pub fn beat(&mut self) -> std::io::Result<()> {
        self.beats += 1;
        self.file.write_all_at(format!("{:0COUNTER_WIDTH$}", self.beats).as_bytes(), self.counter_at)
    }

    /// Whether this claim is the latest and the job has not ended: looked at before each create and start.
    pub fn holds(&self) -> bool {
        !self.next.exists() && !self.ended.exists()
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

/// Remembers heartbeats between looks. One for each watcher; forgets what it is told to.
#[derive(Debug, Default)]
pub struct HeartbeatWatch {
    seen: HashMap<(JobId, u64), Sighting>,
}

#[derive(Debug)]
struct Sighting {
    counter: Vec<u8>,
    since: Instant,
    looks: u32,
}

impl HeartbeatWatch {
    /// One look at the counter of a claim; `true` once it has stood still long enough.
    fn stands_still(&mut self, job: JobId, claim: u64, counter: Vec<u8>, now: Instant) -> bool {
        let sighting = self.seen.entry((job, claim)).or_insert_with(|| Sighting {
            counter: counter.clone(),
            since: now,
            looks: 0,
        });
        if sighting.counter != counter {
            *sighting = Sighting { counter, since: now, looks: 0 };
        }
        sighting.looks += 1;
        sighting.looks >= STILL_LOOKS && now.duration_since(sighting.since) >= STILL_FOR
    }

    /// Forgets every job that `keep` does not name.
    pub fn retain(&mut self, keep: impl Fn(JobId) -> bool) {
        self.seen.retain(|(job, _), _| keep(*job));
    }
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
        disk::make_dir(&folder, 0o2750)?;
        let latest = latest_claim(&folder)?;
        if latest > 0 && !self.is_dead(latest, me, watch)? {
            return Ok(ClaimOutcome::Held { number: latest });
        }
        let number = latest + 1;
        let Some(claim) = self.create_claim(number, me)? else {
            return Ok(ClaimOutcome::Held { number });
        };
        // Between the first look and the claim the former holder may have written the end.
        if self.look() == Snapshot::Ended {
            return Ok(ClaimOutcome::Ended);
        }
        Ok(ClaimOutcome::Won(claim))
    }

    fn create_claim(&self, number: u64, me: &WorkerIdentity) -> Result<Option<Claim>, StoreError> {
        let (folder, path) = (self.paths().claims(), self.paths().claim(number));
        let temp = folder.join(format!(".new-{}", Uuid::new_v4().as_simple()));
        let record = ClaimRecord { schema: ClaimRecord::SCHEMA, holder: me.clone(), claimed_at: Timestamp::now() };
        let mut text = serde_json::to_vec(&record).map_err(|e| DiskError::io("write", &temp)(e.into()))?;
        text.push(b'\n');
        let counter_at = text.len() as u64;
        text.extend(format!("{:0COUNTER_WIDTH$}\n", 0).into_bytes());
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create_new(true)
            .mode(0o640)
            .open(&temp)
            .map_err(DiskError::io("create", &temp))?;
        // Locked before anybody can see it: there is no moment in which a live claim looks dead.
        file.lock().map_err(DiskError::io("lock", &temp))?;
        let written = file.write_all(&text).and_then(|()| file.sync_all());
        if let Err(error) = written {
            let _ = fs::remove_file(&temp);
            return Err(DiskError::io("write", &temp)(error).into());
        }
        let linked = fs::hard_link(&temp, &path);
        fs::remove_file(&temp).map_err(DiskError::io("remove", &temp))?;
        match linked {
            Ok(()) => disk::sync_dir(&folder)?,
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => return Ok(None),
            Err(error) => return Err(DiskError::io("create", path)(error).into()),
        }
        let (next, ended) = (self.paths().claim(number + 1), self.paths().final_record());
        Ok(Some(Claim { number, file, counter_at, beats: 0, next, ended }))
    }

    fn is_dead(&self, number: u64, me: &WorkerIdentity, watch: &mut HeartbeatWatch) -> Result<bool, StoreError> {
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
        let same_boot = serde_json::from_slice::<ClaimRecord>(line).is_ok_and(|r| r.holder.boot_id == me.boot_id);
        if same_boot && lock_is_free(&path)? {
            return Ok(true);
        }
        Ok(watch.stands_still(self.id(), number, text, Instant::now()))
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
    let entries = fs::read_dir(folder).map_err(DiskError::io("list", folder))?;
    Ok(entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<u64>().ok()).max().unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_heartbeat_is_dead_only_after_enough_looks_and_enough_time() {
        let (job, start) = (JobId::generate(), Instant::now());
        let mut watch = HeartbeatWatch::default();
        let mut look = |counter: &str, seconds: u64| {
            watch.stands_still(job, 1, counter.as_bytes().to_vec(), start + Duration::from_secs(seconds))
        };
        assert!(!look("1", 0));
        assert!(!look("1", 60), "time alone does not kill: this process itself may have been stopped");
        assert!(!look("1", 61));
        assert!(look("1", 62));
        assert!(!look("2", 63), "a beat revives it");
        assert!(!look("2", 64) && !look("2", 65) && !look("2", 66), "looks alone do not kill");
        assert!(look("2", 83));
    }
}
