//! Watching heartbeats: which of them have stood still for long enough.

use std::{
    collections::HashMap,
    fs,
    os::unix::fs::MetadataExt,
    path::Path,
    time::{Duration, Instant},
};

use crate::id::JobId;

/// How long a heartbeat must stand still before its claim counts as dead.
pub const STILL_FOR: Duration = Duration::from_secs(20);
/// How many looks must have seen it stand still.
pub const STILL_LOOKS: u32 = 4;
/// Looks that come quicker than this part of the time are one: a watcher that was stopped itself, and then answers a few bells at
/// once, has not looked four times. At 20 seconds that is the pause between two beats.
const LOOKS_APART: u32 = 10;

/// Remembers heartbeats between looks, by the watcher's own monotonic clock. One for each watcher; forgets what it is told to.
#[derive(Debug)]
pub struct HeartbeatWatch {
    still_for: Duration,
    seen: HashMap<(JobId, u64), Sighting>,
}

impl Default for HeartbeatWatch {
    fn default() -> Self {
        Self::new(STILL_FOR)
    }
}

#[derive(Debug)]
struct Sighting {
    counter: Vec<u8>,
    since: Instant,
    looked: Instant,
    looks: u32,
}

impl HeartbeatWatch {
    /// A watch for which a heartbeat is dead after this time. All but tests take [`STILL_FOR`].
    pub fn new(still_for: Duration) -> Self {
        Self { still_for, seen: HashMap::new() }
    }

    /// One look at the counter of a claim; `true` once it has stood still long enough.
    pub(super) fn stands_still(&mut self, job: JobId, claim: u64, counter: Vec<u8>, now: Instant) -> bool {
        let first = || Sighting { counter: counter.clone(), since: now, looked: now, looks: 1 };
        let sighting = self.seen.entry((job, claim)).or_insert_with(first);
        if sighting.counter != counter {
            *sighting = first();
        }
        if now.duration_since(sighting.looked) >= self.still_for / LOOKS_APART {
            sighting.looked = now;
            sighting.looks += 1;
        }
        sighting.looks >= STILL_LOOKS && now.duration_since(sighting.since) >= self.still_for
    }

    /// Forgets every job that `keep` does not name.
    pub fn retain(&mut self, keep: impl Fn(JobId) -> bool) {
        self.seen.retain(|(job, _), _| keep(*job));
    }
}

/// What changes with each beat in a claim: its text, and its time where a full disk has no space for that.
pub(super) fn pulse(claim: &Path, mut text: Vec<u8>) -> Vec<u8> {
    if let Ok(meta) = fs::symlink_metadata(claim) {
        text.extend([meta.mtime(), meta.mtime_nsec()].iter().flat_map(|part| part.to_be_bytes()));
    }
    text
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
        assert!(!look("1", 60) && !look("1", 60) && !look("1", 61), "many looks at once are one");
        assert!(!look("1", 62));
        assert!(look("1", 64));
        assert!(!look("2", 65), "a beat revives it");
        assert!(!look("2", 67) && !look("2", 69) && !look("2", 71) && !look("2", 84), "looks alone do not kill");
        assert!(look("2", 85));
    }
}
