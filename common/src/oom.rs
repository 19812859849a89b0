//! Whom the kernel ends first where memory runs out. A server that is ended because a build wanted too much helps nobody.

use std::fs;

/// Where a process reads and says how early it is ended: from -1000, never, to 1000, first.
const SCORE: &str = "/proc/self/oom_score_adj";
/// A server's score.
const SERVER: i16 = -500;
/// That of a process that reads foreign data: like any other's, not as late as its server's.
pub const AS_ANY: i16 = 0;
/// That of a process over which nobody else shall be ended.
pub const FIRST: i16 = 1000;

/// Asks the kernel to end this process, and what it starts, after all others. That takes a right that not every process has; it goes
/// on without.
pub fn be_ended_late() {
    if score().is_none_or(|score| score > SERVER) {
        set(SERVER);
    }
}

/// Asks the kernel to end this process at least this early.
pub fn be_ended_early(at_least: i16) {
    if score().is_none_or(|score| score < at_least) {
        set(at_least);
    }
}

fn score() -> Option<i16> {
    fs::read_to_string(SCORE).ok()?.trim().parse().ok()
}

fn set(score: i16) {
    if let Err(error) = fs::write(SCORE, score.to_string()) {
        tracing::debug!(%error, score, "the kernel keeps this process's score for when memory runs out");
    }
}
