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

/// One run of a container engine, from its start to its end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EngineRun {
    /// Which engine: an id that it keeps over all its runs.
    pub id: String,
    /// When the run began, by the engine's own clock.
    pub since: Timestamp,
}

impl EngineRun {
    /// When this run began, if it is a later one of the engine whose `earlier` one was written down. Of another engine nothing
    /// follows: that one may have been running for months. (Engines that were copied with their machine share an id, and cannot
    /// be told apart.)
    pub fn follows(&self, earlier: &Self) -> Option<Timestamp> {
        (self.id == earlier.id && self.since != earlier.since).then_some(self.since)
    }
}

/// What is known of a job's time besides the moment at which it began, for who takes it up on another boot.
#[derive(Clone, Debug)]
pub struct Witnesses {
    /// When it was submitted, by the clock on the wall: it did not begin before.
    pub submitted: Timestamp,
    /// Later moments of it that were written down, in any order.
    pub later: Vec<Stamp>,
    /// When the engine was started, if that was after the job began ([`EngineRun::follows`]).
    pub restarted: Option<Timestamp>,
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
        let began = engine_says.map_or(self.at, |at| at.max(self.at));
        self.on_one_boot(now).unwrap_or_else(|| between(began, now.at))
    }

    /// How much time has passed until `now` for a job that began at this stamp. On the boot on which it began, that boot's clock
    /// says it. On another one, after a reboot or on another machine: what that boot's clock saw pass until the last moment that was
    /// written down, and what has passed on the wall since; no more than since the job was submitted, and no less than what was
    /// seen, or than since the engine's start where that was after the job began. (That start is the wall's, too: it counts for no
    /// more than the age of this boot.) So a clock that was far behind ends nothing early, and one that was ahead, or was set back
    /// since, gives the job no more than its whole time from the engine's start on.
    ///
    /// Not known, and believed to the wall: for how long everything was off, and whether the clocks of two machines agree. A clock
    /// that was far behind from the submission until after the last start of a step, and is right now, ends the job. The start of
    /// a step that is run again on a later boot says nothing of the first one any more.
    pub fn until_of_job(&self, now: &Self, known: &Witnesses) -> Duration {
        if let Some(passed) = self.on_one_boot(now) {
            return passed;
        }
        let seen = known.later.iter().filter_map(|moment| Some((self.on_one_boot(moment)?, moment.at)));
        let (seen, last) = seen.max().unwrap_or((Duration::ZERO, self.at));
        let by_the_wall = (seen + between(last, now.at)).min(between(known.submitted, now.at));
        let age_of_boot = Duration::from_millis(now.since_boot_ms);
        let at_least = known.restarted.map_or(Duration::ZERO, |start| between(start, now.at).min(age_of_boot));
        by_the_wall.max(seen).max(at_least)
    }

    /// How much later another moment was, if both are of one boot: no other clock is asked then.
    pub fn on_one_boot(&self, later: &Self) -> Option<Duration> {
        let passed = || Duration::from_millis(later.since_boot_ms.saturating_sub(self.since_boot_ms));
        (!self.boot_id.is_empty() && self.boot_id == later.boot_id).then(passed)
    }

    /// How much time had passed at an end of which only a clock on the wall is known. One jump of that clock does not make it more:
    /// where it was before the end, what has passed until `now` less what has passed since the end is right, and where it was after
    /// the end, the difference between end and beginning is.
    pub fn until_end(&self, ended: Timestamp, now: &Self, engine_says: Option<Timestamp>) -> Duration {
        let by_boot = self.until(now, engine_says).saturating_sub(between(ended, now.at));
        by_boot.min(between(self.at, ended))
    }
}

/// By the clock on the wall, and never less than nothing.
fn between(from: Timestamp, to: Timestamp) -> Duration {
    Duration::try_from(to.duration_since(from)).unwrap_or_default()
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

    /// A job that began at 12:00 by that clock, an hour after its boot.
    struct Case {
        began: &'static str,
        later: &'static [(&'static str, u64, &'static str)],
        submitted: &'static str,
        restarted: Option<&'static str>,
        /// The wall, and the minutes since that boot.
        now: (&'static str, u64),
    }

    const AS_EVER: Case =
        Case { began: "12:00:00", later: &[], submitted: "11:50:00", restarted: None, now: ("13:00:00", 40) };

    fn minutes_of(case: &Case, boot: &str) -> u64 {
        let wall = |at: &str| stamp("", 0, at).at;
        let minutes = |minutes: u64| minutes * 60_000;
        let later = case.later.iter().map(|(boot, minute, at)| stamp(boot, minutes(*minute), at)).collect();
        let known = Witnesses { submitted: wall(case.submitted), later, restarted: case.restarted.map(wall) };
        let began = stamp("a", minutes(60), case.began);
        began.until_of_job(&stamp(boot, minutes(case.now.1), case.now.0), &known).as_secs() / 60
    }

    #[test]
    fn f42_after_a_reboot_a_job_s_time_is_the_wall_s_between_what_was_seen_and_what_can_be() {
        let cases = [
            ("a reboot, all clocks right", Case { restarted: Some("12:25:00"), ..AS_EVER }, 60),
            ("another machine, and one engine that ran on", AS_EVER, 60),
            ("an old program that wrote no engine down", Case { began: "11:55:00", ..AS_EVER }, 65),
            ("ahead at the beginning", Case { began: "22:00:00", restarted: Some("12:25:00"), ..AS_EVER }, 35),
            ("ahead, and nothing is known", Case { began: "22:00:00", ..AS_EVER }, 0),
            ("set back since", Case { restarted: Some("10:20:00"), now: ("11:00:00", 40), ..AS_EVER }, 40),
            (
                "the engine's start before the clock was right: no more than the boot's age",
                Case { began: "22:00:00", restarted: Some("00:00:00"), ..AS_EVER },
                40,
            ),
            ("the engine's start by a clock that was ahead", Case { restarted: Some("20:00:00"), ..AS_EVER }, 60),
            (
                "behind at the beginning: no longer than since it was submitted",
                Case { began: "00:00:00", restarted: Some("12:25:00"), ..AS_EVER },
                70,
            ),
            (
                "behind at the beginning, and right at a later step",
                Case { began: "00:00:00", later: &[("a", 70, "12:10:00")], ..AS_EVER },
                60,
            ),
            (
                "ahead at the beginning, and right at a later step",
                Case { began: "22:00:00", later: &[("a", 65, "22:05:00"), ("a", 70, "12:10:00")], ..AS_EVER },
                60,
            ),
            (
                "set back since, to before its submission: what was seen to pass has passed",
                Case { later: &[("a", 85, "12:25:00")], now: ("11:00:00", 1), ..AS_EVER },
                25,
            ),
            (
                "a step of yet another boot says nothing of the first one",
                Case { later: &[("c", 999, "12:10:00")], ..AS_EVER },
                60,
            ),
        ];
        for (what, case, minutes) in cases {
            assert_eq!(minutes_of(&case, "b"), minutes, "{what}");
        }
        let jumped = Case { began: "22:00:00", restarted: Some("00:00:00"), now: ("01:00:00", 65), ..AS_EVER };
        assert_eq!(minutes_of(&jumped, "a"), 5, "on one boot nothing else is asked");
    }

    #[test]
    fn only_a_later_run_of_the_same_engine_is_known_to_follow() {
        let run = |id: &str, at: &str| EngineRun { id: id.to_owned(), since: stamp("", 0, at).at };
        let first = run("e", "10:00:00");
        assert_eq!(run("e", "12:00:00").follows(&first), Some(stamp("", 0, "12:00:00").at));
        assert_eq!(run("e", "09:00:00").follows(&first), Some(stamp("", 0, "09:00:00").at), "its clock was behind");
        assert_eq!(run("e", "10:00:00").follows(&first), None, "it ran on");
        assert_eq!(run("other", "12:00:00").follows(&first), None);
    }
}
