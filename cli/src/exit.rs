//! The exit codes: one closed set, published as a table and pinned by a test, because scripts branch on them.

use std::process::ExitCode;

use pipelinex_common::state::{JobState, Reason};

/// How the program ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// The job passed, or the command did what it is for.
    Passed,
    /// The job failed by the project's own fault: a script, a test, a limit.
    Failed,
    /// A tool of ours, the engine, the server or the network is at fault.
    Errored,
    /// The job was canceled.
    Canceled,
    /// The project was not admitted, or the job to cancel had ended otherwise.
    Refused,
    /// Findings reached the operator's threshold.
    PolicyGate,
    /// A step or the job ran longer than it may.
    TimedOut,
    /// The command line cannot be understood.
    Usage,
    /// Ctrl-C.
    Interrupted,
}

impl Exit {
    /// Every code, in the order of the published table.
    pub const ALL: [Self; 9] = [
        Self::Passed,
        Self::Failed,
        Self::Errored,
        Self::Canceled,
        Self::Refused,
        Self::PolicyGate,
        Self::TimedOut,
        Self::Usage,
        Self::Interrupted,
    ];

    /// The number that the shell sees.
    pub fn code(self) -> u8 {
        match self {
            Self::Passed => 0,
            Self::Failed => 1,
            Self::Errored => 2,
            Self::Canceled => 3,
            Self::Refused => 4,
            Self::PolicyGate => 5,
            Self::TimedOut => 6,
            Self::Usage => 64,
            Self::Interrupted => 130,
        }
    }

    /// What it means, for the help.
    pub fn meaning(self) -> &'static str {
        match self {
            Self::Passed => "passed, or the command did what it is for",
            Self::Failed => "failed: a script, a test, or a limit that the project ran into",
            Self::Errored => "errored: a tool, the engine, the server or the network, not the project",
            Self::Canceled => "canceled",
            Self::Refused => {
                "refused: the project was not admitted, or the job has ended otherwise before it could be canceled"
            }
            Self::PolicyGate => "policy gate: findings at or above the operator's threshold",
            Self::TimedOut => "timed out",
            Self::Usage => "usage: the command line cannot be understood, or names something that is not there",
            Self::Interrupted => "interrupted with Ctrl-C",
        }
    }

    /// The verdict on a job; `None` while it has not ended.
    pub fn of_job(state: JobState, reason: Option<Reason>) -> Option<Self> {
        match state {
            JobState::Queued | JobState::Running => None,
            JobState::Succeeded => Some(Self::Passed),
            JobState::Failed => Some(reason.map_or(Self::Failed, Self::of_failure)),
            JobState::Canceled => Some(Self::Canceled),
        }
    }

    fn of_failure(reason: Reason) -> Self {
        match reason {
            Reason::ScriptFailure
            | Reason::Oom
            | Reason::PidsLimit
            | Reason::LogLimit
            | Reason::DiskLimit
            | Reason::DependencyFailed
            | Reason::NotSelected
            | Reason::NotApplicable
            | Reason::ManualNotRun => Self::Failed,
            Reason::PolicyGate => Self::PolicyGate,
            Reason::Timeout => Self::TimedOut,
            Reason::ToolError
            | Reason::ImageUnavailable
            | Reason::EngineError
            | Reason::WorkerLost
            | Reason::Poison
            | Reason::NoAdvisoryDb
            | Reason::Interrupted => Self::Errored,
            Reason::CanceledByUser | Reason::Superseded => Self::Canceled,
        }
    }

    /// The published table.
    pub fn table() -> String {
        let rows = Self::ALL.iter().map(|exit| format!("  {:>3}  {}", exit.code(), exit.meaning()));
        std::iter::once("Exit codes:".to_owned()).chain(rows).collect::<Vec<_>>().join("\n")
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        ExitCode::from(exit.code())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_numbers_are_pinned() {
        let codes: Vec<_> = Exit::ALL.iter().map(|exit| exit.code()).collect();
        assert_eq!(codes, [0, 1, 2, 3, 4, 5, 6, 64, 130]);
        assert_eq!(Exit::table().lines().count(), 10);
    }

    #[test]
    fn every_end_of_a_job_has_its_code() {
        let pinned = "script_failure=1 policy_gate=5 tool_error=2 timeout=6 oom=1 pids_limit=1 log_limit=1 \
                      disk_limit=1 image_unavailable=2 engine_error=2 worker_lost=2 poison=2 dependency_failed=1 \
                      not_selected=1 not_applicable=1 no_advisory_db=2 manual_not_run=1 canceled_by_user=3 \
                      superseded=3 interrupted=2";
        let failed = |reason| Exit::of_job(JobState::Failed, Some(reason)).map(Exit::code);
        let found: Vec<_> = Reason::ALL.iter().map(|r| format!("{r}={}", failed(*r).unwrap())).collect();
        assert_eq!(found.join(" "), pinned);
        assert_eq!(Exit::of_job(JobState::Failed, None), Some(Exit::Failed));
        for reason in Reason::ALL {
            assert_eq!(Exit::of_job(JobState::Canceled, Some(reason)), Some(Exit::Canceled));
            assert_eq!(Exit::of_job(JobState::Succeeded, Some(reason)), Some(Exit::Passed));
            assert_eq!(Exit::of_job(JobState::Queued, Some(reason)), None);
            assert_eq!(Exit::of_job(JobState::Running, Some(reason)), None);
        }
    }
}
