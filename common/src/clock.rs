//! How long ago something began, told so that neither a restart of the worker nor a jump of the clock on the wall changes it.

use std::{fs, time::Duration};

use jiff::Timestamp;
use rustix::time::{ClockId, clock_gettime};
use serde::{Deserialize, Serialize};

/// The moment at which something began, by two clocks: one that runs on whatever anybody sets, for readers on the same boot of
/// the same machine; and the one on the wall, for all others.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stamp {
    /// Random id of the boot of the machine; empty where it cannot be read, and then never the same as another's.
    pub boot_id: String,
    /// Milliseconds since that boot, also those in which the machine slept.
    pub since_boot_ms: u64,
    /// By the clock on the wall.
    pub at: Timestamp,
}

impl Stamp {
    /// Now.
    pub fn now() -> Self {
        let boot_id = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
        let since_boot = clock_gettime(ClockId::Boottime);
        let since_boot_ms = since_boot.tv_sec.unsigned_abs() * 1000 + since_boot.tv_nsec.unsigned_abs() / 1_000_000;
        Self { boot_id: boot_id.trim().to_owned(), since_boot_ms, at: Timestamp::now() }
    }

    /// How much time has passed until `now`. Between two boots only the clocks on the wall can say it: then the later of this
    /// stamp and of what the engine knows of the same beginning counts, so that a clock which was behind ends nothing early,
    /// and never less than nothing.
    pub fn until(&self, now: &Self, engine_says: Option<Timestamp>) -> Duration {
        if !self.boot_id.is_empty() && self.boot_id == now.boot_id {
            return Duration::from_millis(now.since_boot_ms.saturating_sub(self.since_boot_ms));
        }
        let began = engine_says.map_or(self.at, |at| at.max(self.at));
        Duration::try_from(now.at.duration_since(began)).unwrap_or_default()
    }

    /// How much time had passed at an end of which only a clock on the wall is known. One jump of that clock does not make it more:
    /// where it was before the end, what has passed until `now` less what has passed since the end is right, and where it was after
    /// the end, the difference between end and beginning is.
    pub fn until_end(&self, ended: Timestamp, now: &Self, engine_says: Option<Timestamp>) -> Duration {
        let between = |from, to: Timestamp| Duration::try_from(to.duration_since(from)).unwrap_or_default();
        let by_boot = self.until(now, engine_says).saturating_sub(between(ended, now.at));
        by_boot.min(between(self.at, ended))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stamp(boot_id: &str, since_boot_ms: u64, at: &str) -> Stamp {
        Stamp { boot_id: boot_id.to_owned(), since_boot_ms, at: format!("2026-01-01T{at}Z").parse().unwrap() }
    }

    #[test]
    fn f42_on_one_boot_no_jump_of_the_clock_on_the_wall_counts() {
        let began = stamp("a", 1_000, "12:00:00");
        for wall in ["11:00:00", "12:00:05", "13:00:00"] {
            let now = stamp("a", 6_000, wall);
            assert_eq!(began.until(&now, Some(now.at)), Duration::from_secs(5), "{wall}");
        }
        let elapsed = Stamp::now().until(&Stamp::now(), None);
        assert!(elapsed < Duration::from_secs(60), "{elapsed:?}");
    }

    #[test]
    fn after_a_reboot_the_wall_counts_bounded_by_what_the_engine_says() {
        let engine = |at: &str| Some(stamp("", 0, at).at);
        for (boot, began, engine_says, now, seconds) in [
            ("b", "12:00:00", None, "12:01:00", 60),
            ("b", "12:00:00", engine("12:00:10"), "12:01:00", 50),
            ("b", "01:00:00", engine("12:00:10"), "12:01:00", 50),
            ("b", "23:00:00", engine("12:00:10"), "12:01:00", 0),
            ("b", "23:00:00", None, "12:01:00", 0),
            ("", "12:00:00", None, "12:00:07", 7),
        ] {
            let elapsed =
                stamp(boot, 5, began).until(&stamp(if boot.is_empty() { "" } else { "c" }, 9, now), engine_says);
            assert_eq!(elapsed, Duration::from_secs(seconds), "{began} {engine_says:?} {now}");
        }
    }

    #[test]
    fn no_single_jump_of_the_clock_on_the_wall_makes_it_longer_until_an_end() {
        let wall = |at: &str| stamp("", 0, at).at;
        for (what, boot, began, ended, now, seconds) in [
            ("no jump", "a", "12:00:00", "12:00:20", "12:01:00", 20),
            ("on before the end", "a", "12:00:00", "13:00:20", "13:01:00", 20),
            ("on after the end", "a", "12:00:00", "12:00:20", "13:01:00", 0),
            ("back before the end", "a", "12:00:00", "11:00:20", "11:01:00", 0),
            ("back after the end", "a", "12:00:00", "12:00:20", "11:01:00", 20),
            ("another boot", "b", "12:00:00", "12:00:20", "12:01:00", 20),
        ] {
            let (began, now) = (stamp("a", 1_000, began), stamp(boot, 61_000, now));
            assert_eq!(began.until_end(wall(ended), &now, None), Duration::from_secs(seconds), "{what}");
        }
        // The clock was behind when it began, and right when its container was started.
        let (began, now) = (stamp("a", 1_000, "01:00:00"), stamp("b", 61_000, "12:01:00"));
        let took = began.until_end(wall("12:00:20"), &now, Some(wall("12:00:05")));
        assert_eq!(took, Duration::from_secs(15));
    }
}
