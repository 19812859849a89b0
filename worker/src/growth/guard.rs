//! What happens when the disk of the workspaces is nearly full: of this worker's steps the one that grows fastest is ended, before
//! its neighbours find no space. This also bounds what no count sees.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use pipelinex_common::{
    foreign::Taken,
    free_space::{Disk, Watermark},
    limits::MIB,
    state::Reason,
};
use tokio::sync::{Notify, watch};

use crate::{
    Worker, lock,
    step::{Ending, Stop},
};

/// Pause between two looks at the disk.
const TICK: Duration = Duration::from_millis(250);
/// A step is not ended for less than this share of what must stay free,
const SHARE: u64 = 8;
/// or for less than so many bytes.
const BYTES: u64 = 64 * MIB;

/// What was last seen of a step.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Seen {
    pub taken: Taken,
    /// Whether files without a name are in it.
    pub held: bool,
    /// Where they are not: the bytes that the kernel says its processes wrote, to whatever disk, once it was asked.
    pub written: Option<u64>,
}

/// One step that may grow.
pub struct Grower {
    number: u64,
    seen: Mutex<Option<Seen>>,
    ask: Notify,
    tell: watch::Sender<Option<Ending>>,
}

impl Grower {
    pub(super) fn saw(&self, seen: Seen) {
        *lock(&self.seen) = Some(seen);
    }

    /// Waits until a look before its time is wanted.
    pub(super) async fn asked(&self) {
        self.ask.notified().await;
    }
}

/// The steps of this worker that may grow.
#[derive(Default)]
pub struct Guard {
    last: AtomicU64,
    growers: Mutex<BTreeMap<u64, Arc<Grower>>>,
}

/// Keeps a step under watch until it is dropped.
pub struct Entered<'a>(&'a Guard, u64);

impl Drop for Entered<'_> {
    fn drop(&mut self) {
        lock(&self.0.growers).remove(&self.1);
    }
}

impl Guard {
    /// Watches over one more step; `tell` ends it.
    pub fn enter(&self, tell: watch::Sender<Option<Ending>>) -> (Arc<Grower>, Entered<'_>) {
        let number = self.last.fetch_add(1, Ordering::Relaxed);
        let grower = Arc::new(Grower { number, seen: Mutex::default(), ask: Notify::new(), tell });
        lock(&self.growers).insert(number, grower.clone());
        (grower, Entered(self, number))
    }

    /// One look at the disk. `since`: what each step had when space became short.
    fn look(&self, disk: &Disk, mark: &Watermark, since: &mut BTreeMap<u64, Seen>) {
        let growers: Vec<_> = lock(&self.growers).values().cloned().collect();
        if !disk.is_below(mark) {
            return since.clear();
        }
        since.retain(|number, _| growers.iter().any(|grower| grower.number == *number));
        let grown = growers.iter().filter_map(|grower| {
            grower.ask.notify_one();
            // The first look at a step comes after some time, and shows no growth.
            let now = (*lock(&grower.seen))?;
            Some((grower, growth(since.entry(grower.number).or_insert(now), &now)))
        });
        let Some((fastest, grown)) = fastest(grown, mark) else { return };
        let free = disk.free.bytes / MIB;
        let message = format!(
            "the disk of the workspaces was nearly full ({free} MiB and {} files free, --min-free asks for {} MiB and {}), and of the \
             steps that ran this one grew fastest: by {} MiB and {} files",
            disk.free.files,
            mark.bytes / MIB,
            mark.files,
            grown.bytes / MIB,
            grown.files
        );
        tracing::warn!(message, "a step is ended to keep the disk from filling");
        let _ = fastest.tell.send(Some(Ending::Ended(Stop::new(Reason::DiskLimit, message))));
        lock(&self.growers).remove(&fastest.number);
        // The others are judged by what they write from now on.
        since.clear();
    }
}

/// What a step has taken since.
fn growth(before: &mut Seen, now: &Seen) -> Taken {
    before.written = before.written.or(now.written);
    let written = now.written.zip(before.written).filter(|_| !now.held);
    let written = written.map_or(0, |(now, before)| now.saturating_sub(before));
    Taken {
        bytes: now.taken.bytes.saturating_sub(before.taken.bytes).max(written),
        files: now.taken.files.saturating_sub(before.taken.files),
    }
}

/// The one that has grown most, in the measure of what must stay free, if that is worth ending it.
fn fastest<T>(grown: impl Iterator<Item = (T, Taken)>, mark: &Watermark) -> Option<(T, Taken)> {
    let least = Taken { bytes: (mark.bytes / SHARE).min(BYTES), files: (mark.files / SHARE).max(1) };
    let rank = |taken: &Taken| {
        let share = |part: u64, all: u64| part.saturating_mul(1000) / all.max(1);
        share(taken.bytes, mark.bytes).max(share(taken.files, mark.files))
    };
    grown.filter(|(_, taken)| taken.exceeds(&least)).max_by_key(|(_, taken)| rank(taken))
}

impl Worker {
    /// Keeps the disk of the workspaces from filling, until it is dropped.
    pub(crate) async fn keep_free(self: Arc<Self>) {
        let mut since = BTreeMap::new();
        loop {
            tokio::time::sleep(TICK).await;
            if self.config.min_free == Watermark::NONE || lock(&self.guard.growers).is_empty() {
                continue;
            }
            let root = self.store.layout().root().to_owned();
            if let Ok(Ok(disk)) = tokio::task::spawn_blocking(move || Disk::of(&root)).await {
                self.guard.look(&disk, &self.config.min_free, &mut since);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(mib: u64, files: u64) -> Taken {
        Taken { bytes: mib * MIB, files }
    }

    fn disk(free: Taken) -> Disk {
        Disk { all: taken(10_000, 100_000), free, read_only: false }
    }

    #[test]
    fn below_the_mark_the_step_that_grows_fastest_is_ended_and_no_other() {
        let (guard, mark) = (Guard::default(), Watermark { bytes: 512 * MIB, files: 20_000 });
        let steps: Vec<_> = (0..3).map(|_| watch::channel(None)).collect();
        let entered: Vec<_> = steps.iter().map(|(tell, _)| guard.enter(tell.clone())).collect();
        let mut since = BTreeMap::new();
        let see = |step: usize, taken: Taken| entered[step].0.saw(Seen { taken, held: true, written: None });
        let ended = || steps.iter().map(|(_, told)| told.borrow().is_some()).collect::<Vec<_>>();
        (0..3).for_each(|step| see(step, taken(1000, 1000)));
        guard.look(&disk(taken(600, 50_000)), &mark, &mut since);
        see(0, taken(5000, 1000));
        guard.look(&disk(taken(600, 50_000)), &mark, &mut since);
        assert_eq!(ended(), [false; 3], "there is space");
        guard.look(&disk(taken(400, 50_000)), &mark, &mut since);
        (0..2).for_each(|step| see(step, taken(5000, 1000)));
        see(2, taken(1064, 1000));
        guard.look(&disk(taken(400, 50_000)), &mark, &mut since);
        assert_eq!(ended(), [false, true, false]);
        see(2, taken(1100, 3000));
        guard.look(&disk(taken(400, 50_000)), &mark, &mut since);
        assert_eq!(ended(), [false, true, false], "64 MiB are not worth it, and it is judged anew");
        see(2, taken(1100, 6000));
        guard.look(&disk(taken(700, 10_000)), &mark, &mut since);
        assert_eq!(ended(), [false, true, true], "files likewise");
        let told = steps[2].1.borrow().clone();
        let Some(Ending::Ended(stop)) = told else { panic!("{told:?}") };
        assert_eq!(stop.reason, Reason::DiskLimit);
        assert!(stop.message.contains("--min-free asks for 512 MiB and 20000"), "{}", stop.message);
    }

    #[test]
    fn where_files_without_a_name_cannot_be_seen_what_was_written_counts() {
        let seen = |mib, written: Option<u64>| Seen { taken: taken(mib, 1), held: false, written };
        let mut before = seen(10, None);
        assert_eq!(growth(&mut before, &seen(10, Some(500 * MIB))).bytes, 0, "told for the first time");
        assert_eq!(growth(&mut before, &seen(10, Some(700 * MIB))).bytes, 200 * MIB);
        assert_eq!(growth(&mut before, &Seen { held: true, ..seen(15, Some(900 * MIB)) }).bytes, 5 * MIB);
        assert_eq!(growth(&mut seen(10, None), &seen(12, None)).bytes, 2 * MIB);
    }
}
