//! How jobs are told on pages: states, time spans and counts in the words of a person.

use jiff::Timestamp;
use pipelinex_common::{
    execution::{FindingCounts, StageRecord},
    findings::Severity,
    headline::Outcome,
    state::StepState,
};

pub use pipelinex_common::humanize::{between as since, span};

/// A time for people: UTC, to the second.
pub fn at(time: Timestamp) -> String {
    time.strftime("%Y-%m-%d %H:%M:%S UTC").to_string()
}

/// How long ago that was.
pub fn ago(time: Timestamp, now: Timestamp) -> String {
    let seconds = (now.as_second() - time.as_second()).max(0);
    match seconds {
        0..10 => "just now".to_owned(),
        10..60 => format!("{seconds} s ago"),
        60..3600 => format!("{} min ago", seconds / 60),
        3600..86_400 => format!("{} h ago", seconds / 3600),
        _ => time.strftime("%Y-%m-%d").to_string(),
    }
}

/// The class of the style for what became of a job; also the name of an icon.
pub fn class(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Queued => "queue",
        Outcome::Running => "run",
        Outcome::Passed => "pass",
        Outcome::PassedWithFindings => "find",
        Outcome::Failed | Outcome::FailedByGate => "fail",
        Outcome::ToolBroke | Outcome::WeBroke => "broke",
        Outcome::Canceled => "cancel",
    }
}

/// The word for a stage's state.
pub fn stage_word(state: StepState) -> &'static str {
    match state {
        StepState::Pending => "waiting",
        StepState::Running => "running",
        StepState::Success => "passed",
        StepState::Failed => "failed",
        StepState::Skipped => "skipped",
        StepState::Canceled => "canceled",
    }
}

/// Why a stage failed or was left out, or what it waits for.
pub fn reason(stage: &StageRecord) -> String {
    match stage.reason {
        Some(reason) => reason.as_str().replace('_', " "),
        None if stage.waits_for_place() => "for a place".to_owned(),
        None => String::new(),
    }
}

/// A sentence begins with a capital.
pub fn capital(text: &str) -> String {
    let mut rest = text.chars();
    rest.next().map(|first| first.to_uppercase().chain(rest).collect()).unwrap_or_default()
}

/// What the findings of a stage's steps add up to; `None` where nothing was looked for.
pub fn findings_of(stage: &StageRecord) -> Option<FindingCounts> {
    stage.steps.values().filter_map(|step| step.findings).reduce(|sum, next| sum.plus(&next))
}

/// The class of the style for how bad a finding is.
pub fn severity_class(severity: &Severity) -> &'static str {
    match severity {
        Severity::Critical | Severity::High => "fail",
        Severity::Medium => "find",
        Severity::Low | Severity::Info => "queue",
    }
}

/// Counts by severity, the worst first; nothing where there are none.
pub fn severities(counts: FindingCounts) -> Vec<(&'static str, u64)> {
    counts.by_severity().into_iter().filter(|(_, count)| *count > 0).collect()
}

/// What a stage's tests came to.
pub fn tests(stage: &StageRecord) -> Option<String> {
    let counts = stage.steps.values().filter_map(|step| step.tests);
    counts.reduce(|sum, next| sum.plus(&next)).map(|counts| counts.words())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_told_as_people_tell_them() {
        let now: Timestamp = "2026-01-02T12:00:00Z".parse().unwrap();
        let told = |time: &str| ago(time.parse().unwrap(), now);
        assert_eq!(
            [
                "2026-01-02T11:59:58Z",
                "2026-01-02T11:59:15Z",
                "2026-01-02T11:01:00Z",
                "2026-01-02T09:00:00Z",
                "2025-12-24T09:00:00Z"
            ]
            .map(told),
            ["just now", "45 s ago", "59 min ago", "3 h ago", "2025-12-24"]
        );
    }
}
