//! The verdict over a step: from what the engine says of its container, then from what was collected, then by the operator's
//! rule. What a step says of itself adds words; it never makes a failure a success.

use pipelinex_common::{
    execution::{FindingCounts, StepRecord},
    pipeline::model::{Step, StepKind},
    policy::FailOn,
    state::{Reason, StepState},
};

use crate::{
    collect::Collected,
    engine::ContainerStatus,
    modes::ScanMode,
    step::{Ending, Stop},
};

/// The code with which a scanner says that it worked, and that the project did not pass: the application does not come up, or
/// a check of it failed.
const DID_NOT_PASS: i64 = 10;

/// Whose words a step's container speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Voice {
    /// The project's: its code ran there.
    Project,
    /// Our own program's: no code of the project ran there.
    Scanner,
    /// A scanner's in which a tool ran that the request brought along.
    CustomTool,
}

impl Voice {
    /// Whose words those of a step are.
    pub fn of(step: &Step, mode: Option<&ScanMode>) -> Self {
        match step.kind {
            StepKind::Normal => Self::Project,
            StepKind::Scan if mode.is_some_and(ScanMode::is_custom) => Self::CustomTool,
            StepKind::Scan => Self::Scanner,
        }
    }

    /// Whether a success shows only if nothing of the container was killed: a scanner that goes on without a part of itself
    /// has not seen everything.
    pub fn is_doubted(self) -> bool {
        self != Self::Project
    }
}

/// How a step stands, before anything was collected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// Success or failure.
    pub state: StepState,
    /// Why it is a failure.
    pub reason: Option<Reason>,
    /// A sentence for a person.
    pub message: String,
    /// The exit code, where there was one.
    pub exit_code: Option<i64>,
}

/// The verdict over a container that ended.
pub fn of(ending: &Ending, voice: Voice) -> Verdict {
    match ending {
        Ending::Exited(status) => exited(status, voice),
        Ending::Ended(Stop { reason, message }) => {
            let state = if *reason == Reason::CanceledByUser { StepState::Canceled } else { StepState::Failed };
            Verdict { state, ..failed(*reason, message.clone(), None) }
        }
        Ending::Lost => failed(Reason::WorkerLost, "its container is gone".to_owned(), None),
        Ending::Detached => Verdict {
            state: StepState::Canceled,
            reason: Some(Reason::Interrupted),
            message: "the worker was stopped".to_owned(),
            exit_code: None,
        },
    }
}

fn failed(reason: Reason, message: String, exit_code: Option<i64>) -> Verdict {
    Verdict { state: StepState::Failed, reason: Some(reason), message, exit_code }
}

fn exited(status: &ContainerStatus, voice: Voice) -> Verdict {
    let code = status.exit_code;
    let failed = |reason, message: String| failed(reason, message, Some(code));
    if status.oom_killed && (code != 0 || voice.is_doubted()) {
        let message = "the kernel ended a process of this step: it needed more memory than it may have";
        return failed(Reason::Oom, message.to_owned());
    }
    if code == 0 {
        let message = "finished".to_owned();
        return Verdict { state: StepState::Success, reason: None, message, exit_code: Some(0) };
    }
    if !status.error.is_empty() {
        return failed(Reason::EngineError, format!("the container could not be run: {}", status.error));
    }
    match voice {
        Voice::Project => failed(Reason::ScriptFailure, format!("the script ended with code {code}{}", meaning(code))),
        Voice::Scanner if code == DID_NOT_PASS => {
            failed(Reason::ScriptFailure, "the project did not pass: the log says why".to_owned())
        }
        Voice::Scanner | Voice::CustomTool => {
            let message = format!("the tool ended with code {code}{} and no result: its log says why", meaning(code));
            failed(Reason::ToolError, message)
        }
    }
}

fn meaning(code: i64) -> &'static str {
    match code {
        126 => " (a command cannot be executed)",
        127 => " (a command was not found)",
        137 => " (killed)",
        139 => " (segmentation fault)",
        143 => " (terminated)",
        _ => "",
    }
}

/// Lays what was collected over the verdict. It can add detail, and take a success away that nothing shows; never give one.
pub fn apply(record: &mut StepRecord, collected: &Collected, voice: Voice) {
    record.tests = collected.tests;
    record.findings = collected.findings;
    record.artifacts = collected.artifacts.clone();
    record.warnings.extend(collected.warnings.iter().cloned());
    let counted = record.findings.filter(|findings| findings.total() > 0);
    let said = collected.message.as_deref().filter(|said| !said.is_empty());
    // What ended the container from outside, the program in it does not know.
    let ended_by_itself = matches!(record.reason, None | Some(Reason::ScriptFailure | Reason::ToolError));
    match (voice, said) {
        (Voice::Scanner, Some(said)) if ended_by_itself => {
            // A program that has counted as we did need not hear it twice.
            record.message = match counted.as_ref().map(by_severity) {
                Some(counts) if !said.contains(&counts) => format!("{said} ({counts})"),
                _ => said.to_owned(),
            };
        }
        (_, Some(said)) if record.status == StepState::Success && counted.is_none() => {
            record.message = said.to_owned();
        }
        (_, Some(said)) if record.status != StepState::Success => {
            record.message = format!("{} ({said})", record.message);
        }
        (_, _) => {
            if let Some(counts) = counted.filter(|_| record.status == StepState::Success) {
                record.message = format!("passed with {} ({})", some(counts.total()), by_severity(&counts));
            }
        }
    }
    if let Some(unbelievable) = &collected.unbelievable {
        record.status = StepState::Failed;
        record.reason = Some(Reason::ToolError);
        record.message = format!("the tool ended well but shows no result: {unbelievable}");
    }
}

/// Fails a step that succeeded, or whose failure would not count, for findings that the operator lets nobody pass with.
pub fn gate(record: &mut StepRecord, fail_on: FailOn, allowed_to_fail: bool) {
    if record.status == StepState::Canceled {
        return;
    }
    let judged = record.findings.and_then(|findings| fail_on.judge(&findings));
    if let Some((count, threshold)) = judged.filter(|_| record.status == StepState::Success || allowed_to_fail) {
        let threshold = format!("{threshold:?}").to_lowercase();
        record.status = StepState::Failed;
        record.reason = Some(Reason::PolicyGate);
        record.message =
            format!("{} of severity {threshold} or above, and the operator's limit is {threshold}", some(count));
    }
}

fn some(count: u64) -> String {
    if count == 1 { "1 finding".to_owned() } else { format!("{count} findings") }
}

fn by_severity(counts: &FindingCounts) -> String {
    let FindingCounts { critical, high, medium, low, info } = *counts;
    let named = [(critical, "critical"), (high, "high"), (medium, "medium"), (low, "low"), (info, "info")];
    let parts = named.iter().filter(|(count, _)| *count > 0).map(|(count, name)| format!("{count} {name}"));
    parts.collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(exit_code: i64, oom_killed: bool) -> Ending {
        Ending::Exited(ContainerStatus { exit_code, oom_killed, ..ContainerStatus::success() })
    }

    #[test]
    fn the_engine_says_how_a_container_ended_and_whose_fault_that_is() {
        use Reason::{Oom, ScriptFailure, ToolError};
        use Voice::{CustomTool, Project, Scanner};
        for (code, oom, voice, expected) in [
            (0, false, Project, None),
            (0, false, Scanner, None),
            (0, true, Project, None),
            (0, true, Scanner, Some(Oom)),
            (0, true, CustomTool, Some(Oom)),
            (2, true, Scanner, Some(Oom)),
            (137, true, Project, Some(Oom)),
            (1, false, Project, Some(ScriptFailure)),
            (10, false, Project, Some(ScriptFailure)),
            (10, false, Scanner, Some(ScriptFailure)),
            (10, false, CustomTool, Some(ToolError)),
            (1, false, Scanner, Some(ToolError)),
            (2, false, CustomTool, Some(ToolError)),
        ] {
            assert_eq!(of(&status(code, oom), voice).reason, expected, "{code} {oom} {voice:?}");
        }
    }

    /// The record of a step that ended with this code and said this, with so many high and low findings.
    fn told(code: i64, oom: bool, voice: Voice, said: &str, (high, low): (u64, u64)) -> StepRecord {
        let verdict = of(&status(code, oom), voice);
        let mut record = StepRecord::bare("s", verdict.state, verdict.reason, verdict.message);
        let findings = Some(FindingCounts { high, low, ..FindingCounts::default() });
        let mut collected = Collected::default();
        (collected.message, collected.findings) = (Some(said.to_owned()), findings);
        apply(&mut record, &collected, voice);
        record
    }

    #[test]
    fn a_scanner_is_believed_in_words_and_a_project_beside_them() {
        use Voice::{CustomTool, Project, Scanner};
        for (code, oom, voice, said, counts, expected) in [
            (0, false, Scanner, "12 files", (0, 0), "12 files"),
            (0, false, Scanner, "12 files", (1, 2), "12 files (1 high, 2 low)"),
            (0, false, Scanner, "", (1, 2), "passed with 3 findings (1 high, 2 low)"),
            (0, false, CustomTool, "clean", (1, 0), "passed with 1 finding (1 high)"),
            (10, false, Scanner, "/health answered 503", (0, 0), "/health answered 503"),
            (2, false, Scanner, "2 of 9 packages", (1, 0), "2 of 9 packages (1 high)"),
            (0, false, Scanner, "passed with findings: 1 high", (1, 0), "passed with findings: 1 high"),
            (1, false, Project, "all is well", (0, 0), "the script ended with code 1 (all is well)"),
        ] {
            assert_eq!(told(code, oom, voice, said, counts).message, expected);
        }
        let killed = told(2, true, Scanner, "all is well", (0, 0));
        assert!(killed.message.ends_with("than it may have (all is well)"), "{}", killed.message);
    }

    #[test]
    fn the_gate_takes_successes_alone_and_keeps_the_counts() {
        let judged = |code: i64, limit: &str, counts| {
            let mut record = told(code, false, Voice::Scanner, "", counts);
            gate(&mut record, limit.parse().unwrap(), false);
            (record.reason, record.message, record.findings.map(|findings| findings.total()))
        };
        let (reason, message, total) = judged(0, "high", (2, 5));
        assert_eq!((reason, total), (Some(Reason::PolicyGate), Some(7)));
        assert_eq!(message, "2 findings of severity high or above, and the operator's limit is high");
        assert!(judged(0, "low", (0, 1)).1.starts_with("1 finding of severity low"));
        assert_eq!(judged(0, "critical", (2, 5)).0, None);
        assert_eq!(judged(0, "none", (2, 5)).0, None);
        assert_eq!(judged(2, "high", (2, 5)).0, Some(Reason::ToolError), "a scan that broke stays one that broke");
        let mut forgiven = told(2, false, Voice::Scanner, "", (2, 5));
        gate(&mut forgiven, "high".parse().unwrap(), true);
        assert_eq!(forgiven.reason, Some(Reason::PolicyGate), "but where that would not count, its findings do");
    }
}
