//! When to look again at what a step has written.

use std::time::Duration;

use pipelinex_common::foreign::Taken;
use tokio::time::Instant;

/// The shortest pause between two looks at a disk that does not fill.
const SHORTEST: Duration = Duration::from_secs(1);
/// The longest, however large the tree is.
const LONGEST: Duration = Duration::from_secs(5);
/// Within these bounds looks take at most this part of the time.
const SHARE: u32 = 20;
/// Growth of the disk below this part of the limit is no reason for a look before its time.
const PART: u64 = 64;

pub(super) struct Pace {
    most: Taken,
    last: Option<Last>,
}

struct Last {
    at: Instant,
    took: Duration,
    /// What was in use on the disk when it began.
    used: Taken,
    /// What it counted.
    counted: Taken,
}

impl Pace {
    pub(super) fn new(most: Taken) -> Self {
        Self { most, last: None }
    }

    /// Notes a look that began then and ends now.
    pub(super) fn looked(&mut self, began: Instant, used: Taken, counted: Taken) {
        let now = Instant::now();
        self.last = Some(Last { at: now, took: now - began, used, counted });
    }

    /// Whether it is time: the pause is over, or the disk has filled by half of what the step may still write. `hurried`: the disk is
    /// nearly full.
    pub(super) fn is_due(&self, now: Instant, used: Taken, hurried: bool) -> bool {
        let Some(last) = &self.last else { return true };
        let since = now - last.at;
        let filled = |used: u64, before: u64, counted: u64, most: u64| {
            used.saturating_sub(before) >= (most.saturating_sub(counted) / 2).max(most / PART).max(1)
        };
        (hurried && since >= last.took)
            || since >= (last.took * SHARE).clamp(SHORTEST, LONGEST)
            || filled(used.bytes, last.used.bytes, last.counted.bytes, self.most.bytes)
            || filled(used.files, last.used.files, last.counted.files, self.most.files)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_large_tree_is_looked_at_rarely_and_one_that_fills_the_disk_at_once() {
        let taken = |bytes: u64, files: u64| Taken { bytes, files };
        let mut pace = Pace::new(taken(6400, 640));
        let due = |pace: &Pace, after: f64, used: Taken| {
            pace.is_due(Instant::now() + Duration::from_secs_f64(after), used, false)
        };
        assert!(due(&pace, 0.0, taken(0, 0)), "the first look");
        pace.looked(Instant::now(), taken(1000, 1000), taken(400, 40));
        assert!(!due(&pace, 0.9, taken(1000, 1000)));
        assert!(due(&pace, 1.1, taken(1000, 1000)));
        assert!(!due(&pace, 0.1, taken(3900, 1000)), "less than half of the 6000 that it may still write");
        assert!(due(&pace, 0.1, taken(4000, 1000)));
        assert!(due(&pace, 0.1, taken(1000, 1300)), "files likewise");
        let began = Instant::now();
        tokio::time::advance(Duration::from_secs(3)).await;
        pace.looked(began, taken(1000, 1000), taken(6390, 40));
        assert!(!due(&pace, 4.9, taken(1099, 1000)));
        assert!(due(&pace, 5.1, taken(1000, 1000)), "a look of three seconds has a pause of five");
        assert!(due(&pace, 0.1, taken(1100, 1000)), "a 64th of the limit");
        assert!(pace.is_due(Instant::now() + Duration::from_secs(3), taken(0, 0), true));
    }

    /// Of a step that writes at this rate on end, how much it has beyond its limit once a look has told: looks of that length, each of
    /// which sees what was there when it began.
    async fn beyond(most: u64, bytes_per_second: u64, look: Duration) -> u64 {
        let (begin, most_of) = (Instant::now(), Taken { bytes: most, files: u64::MAX });
        let written = || (begin.elapsed().as_secs_f64() * bytes_per_second as f64) as u64;
        let taken = |bytes: u64| Taken { bytes, files: 0 };
        let mut pace = Pace::new(most_of);
        loop {
            tokio::time::advance(super::super::TICK).await;
            let (began, used) = (Instant::now(), written());
            if !pace.is_due(began, taken(used), false) {
                continue;
            }
            tokio::time::advance(look).await;
            if used > most {
                return written() - most;
            }
            pace.looked(began, taken(used), taken(used));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_step_gets_no_further_than_it_writes_in_two_looks_and_a_tick() {
        const MIB: u64 = 1 << 20;
        for look in [0, 20, 100, 400, 1500, 4000].map(Duration::from_millis) {
            for rate in [10, 200, 1000].map(|mib| mib * MIB) {
                for most in [64, 1000, 10_240].map(|mib| mib * MIB) {
                    let time = look * 2 + super::super::TICK;
                    let bound = most / PART + (time.as_secs_f64() * rate as f64) as u64 + 1;
                    let beyond = beyond(most, rate, look).await;
                    assert!(beyond <= bound, "{beyond} of {bound}: {rate} a second, limit {most}, looks of {look:?}");
                }
            }
        }
    }
}
