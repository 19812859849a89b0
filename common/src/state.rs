//! What a job, a stage and a step can be in, and the one table that says what may follow what.
//!
//! Each closed set is spelled here and nowhere else: a predecessor of this system wrote `FAILED` in one place, tested for
//! `FAILURE` in another, and so reported broken builds as succeeded. A test below pins every spelling.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The state of a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum JobState {
    /// Admitted; no worker holds it yet.
    Queued,
    /// A worker holds it.
    Running,
    /// Every step that counts succeeded.
    Succeeded,
    /// A step that counts failed, or the job itself could not be run.
    Failed,
    /// Somebody or something took it back.
    Canceled,
}

/// A change of state that the table does not know.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a job that is {from} cannot become {to}")]
pub struct InvalidTransition {
    /// What the job is.
    pub from: JobState,
    /// What it was asked to become.
    pub to: JobState,
}

impl JobState {
    /// Every state.
    pub const ALL: [Self; 5] = [Self::Queued, Self::Running, Self::Succeeded, Self::Failed, Self::Canceled];

    /// Whether nothing may follow.
    pub fn is_final(self) -> bool {
        match self {
            Self::Queued | Self::Running => false,
            Self::Succeeded | Self::Failed | Self::Canceled => true,
        }
    }

    /// The transition table. The same state again is fine: whoever repeats a step after a crash changes nothing.
    ///
    /// # Errors
    /// [`InvalidTransition`] for anything that is not in the table.
    pub fn become_(self, to: Self) -> Result<Self, InvalidTransition> {
        use JobState::{Canceled, Failed, Queued, Running, Succeeded};
        match (self, to) {
            (Queued, Running | Failed | Canceled) | (Running, Succeeded | Failed | Canceled) => Ok(to),
            (from, to) if from == to => Ok(to),
            (from, to) => Err(InvalidTransition { from, to }),
        }
    }

    /// The wire spelling.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "QUEUED",
            Self::Running => "RUNNING",
            Self::Succeeded => "SUCCEEDED",
            Self::Failed => "FAILED",
            Self::Canceled => "CANCELED",
        }
    }
}

impl std::fmt::Display for JobState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The state of a stage or a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum StepState {
    /// Selected, and not started.
    Pending,
    /// Its container is being made or runs.
    Running,
    /// It did what it is for. A scan that found something is a success with a count.
    Success,
    /// It did not; the reason says whose fault that is.
    Failed,
    /// It was never started; the reason says why.
    Skipped,
    /// It was taken back.
    Canceled,
}

impl StepState {
    /// Every state.
    pub const ALL: [Self; 6] =
        [Self::Pending, Self::Running, Self::Success, Self::Failed, Self::Skipped, Self::Canceled];

    /// Whether nothing may follow.
    pub fn is_final(self) -> bool {
        match self {
            Self::Pending | Self::Running => false,
            Self::Success | Self::Failed | Self::Skipped | Self::Canceled => true,
        }
    }

    /// The wire spelling.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "PENDING",
            Self::Running => "RUNNING",
            Self::Success => "SUCCESS",
            Self::Failed => "FAILED",
            Self::Skipped => "SKIPPED",
            Self::Canceled => "CANCELED",
        }
    }
}

impl std::fmt::Display for StepState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Why something is FAILED, CANCELED or SKIPPED: tells the user's fault from the tool's and from ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// The step's own script ended with a code other than 0.
    ScriptFailure,
    /// Findings at or above the operator's threshold.
    PolicyGate,
    /// A scanner or another tool of ours broke, or its report cannot be believed.
    ToolError,
    /// The step or the job ran longer than it may.
    Timeout,
    /// The kernel ended a process of the step for want of memory.
    Oom,
    /// The step wanted more processes than it may have.
    PidsLimit,
    /// The step printed more than it may.
    LogLimit,
    /// The step wrote more than it may, or the disk is full.
    DiskLimit,
    /// The runner image is not there and cannot be pulled.
    ImageUnavailable,
    /// The container engine refused or broke.
    EngineError,
    /// The worker and the job's containers were lost more often than the budget allows.
    WorkerLost,
    /// Handling this job's data ended the worker process again and again.
    Poison,
    /// Something that it needs did not succeed.
    DependencyFailed,
    /// The submission did not ask for it.
    NotSelected,
    /// The project has nothing for it to do: no tests to run, nothing that could be started.
    NotApplicable,
    /// There is no advisory database to check against.
    NoAdvisoryDb,
    /// It is started by hand, and nobody did.
    ManualNotRun,
    /// A person or a program asked for it.
    CanceledByUser,
    /// A newer submission took its place.
    Superseded,
    /// The worker was told to stop before the end.
    Interrupted,
}

impl Reason {
    /// Whether somebody or something else made what was ended needless: that is no failure of it.
    pub fn is_cancellation(self) -> bool {
        matches!(self, Self::CanceledByUser | Self::Superseded)
    }

    /// Every reason.
    pub const ALL: [Self; 20] = [
        Self::ScriptFailure,
        Self::PolicyGate,
        Self::ToolError,
        Self::Timeout,
        Self::Oom,
        Self::PidsLimit,
        Self::LogLimit,
        Self::DiskLimit,
        Self::ImageUnavailable,
        Self::EngineError,
        Self::WorkerLost,
        Self::Poison,
        Self::DependencyFailed,
        Self::NotSelected,
        Self::NotApplicable,
        Self::NoAdvisoryDb,
        Self::ManualNotRun,
        Self::CanceledByUser,
        Self::Superseded,
        Self::Interrupted,
    ];

    /// The wire spelling.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ScriptFailure => "script_failure",
            Self::PolicyGate => "policy_gate",
            Self::ToolError => "tool_error",
            Self::Timeout => "timeout",
            Self::Oom => "oom",
            Self::PidsLimit => "pids_limit",
            Self::LogLimit => "log_limit",
            Self::DiskLimit => "disk_limit",
            Self::ImageUnavailable => "image_unavailable",
            Self::EngineError => "engine_error",
            Self::WorkerLost => "worker_lost",
            Self::Poison => "poison",
            Self::DependencyFailed => "dependency_failed",
            Self::NotSelected => "not_selected",
            Self::NotApplicable => "not_applicable",
            Self::NoAdvisoryDb => "no_advisory_db",
            Self::ManualNotRun => "manual_not_run",
            Self::CanceledByUser => "canceled_by_user",
            Self::Superseded => "superseded",
            Self::Interrupted => "interrupted",
        }
    }
}

impl std::fmt::Display for Reason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wire_spelling_is_pinned_and_serde_agrees_with_it() {
        let jobs: Vec<_> = JobState::ALL.iter().map(|s| s.as_str()).collect();
        assert_eq!(jobs, ["QUEUED", "RUNNING", "SUCCEEDED", "FAILED", "CANCELED"]);
        let steps: Vec<_> = StepState::ALL.iter().map(|s| s.as_str()).collect();
        assert_eq!(steps, ["PENDING", "RUNNING", "SUCCESS", "FAILED", "SKIPPED", "CANCELED"]);
        let reasons: Vec<_> = Reason::ALL.iter().map(|s| s.as_str()).collect();
        let pinned = "script_failure policy_gate tool_error timeout oom pids_limit log_limit disk_limit image_unavailable \
                      engine_error worker_lost poison dependency_failed not_selected not_applicable no_advisory_db \
                      manual_not_run canceled_by_user superseded interrupted";
        assert_eq!(reasons.join(" "), pinned);
        for (value, text) in JobState::ALL.iter().map(|s| (serde_json::to_value(s), s.as_str())) {
            assert_eq!(value.unwrap(), text);
        }
        for (value, text) in StepState::ALL.iter().map(|s| (serde_json::to_value(s), s.as_str())) {
            assert_eq!(value.unwrap(), text);
        }
        for (value, text) in Reason::ALL.iter().map(|s| (serde_json::to_value(s), s.as_str())) {
            assert_eq!(value.unwrap(), text);
        }
    }

    #[test]
    fn the_transition_table_lets_through_these_and_nothing_else() {
        let mut allowed = Vec::new();
        for from in JobState::ALL {
            for to in JobState::ALL {
                match from.become_(to) {
                    Ok(state) => {
                        assert_eq!(state, to);
                        if from != to {
                            allowed.push(format!("{from}>{to}"));
                        }
                    }
                    Err(refused) => assert_eq!(refused, InvalidTransition { from, to }),
                }
            }
        }
        let expected = "QUEUED>RUNNING QUEUED>FAILED QUEUED>CANCELED RUNNING>SUCCEEDED RUNNING>FAILED RUNNING>CANCELED";
        assert_eq!(allowed.join(" "), expected);
    }
}
