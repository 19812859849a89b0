//! The verdict over a step: from what the engine says of its container, then from what was collected, then by the operator's
//! rule. What a step says of itself adds words; it never makes a failure a success.

mod cases;
#[cfg(test)]
mod tests;

pub use cases::judge_tests;
use pipelinex_common::{
    coverage::Skipped,
    execution::{FindingCounts, StepRecord},
    pipeline::model::{Step, StepKind},
    policy::{AllowUnread, Policy},
    state::{Reason, StepState},
};

use crate::{
    collect::Collected,
    engine::ContainerStatus,
    modes::ScanMode,
    peak::Peak,
    step::{Ending, Stop},
};

/// The code with which a scanner says that it worked, and that the project did not pass: the application does not come up, or
/// a check of it failed.
const DID_NOT_PASS: i64 = 10;
/// The exit code of a process that was ended by signal 9.
const KILLED: i64 = 128 + 9;
const MIB: u64 = 1024 * 1024;

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
            let state = if reason.is_cancellation() { StepState::Canceled } else { StepState::Failed };
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

/// Lays over a verdict what the container was seen to use: how much memory it had and wanted, and limits that the engine did not
/// tell of. A process that was killed from outside when all memory was used up was killed for that: engines were seen to lose
/// the kernel's word about it.
pub fn with_peak(verdict: Verdict, peak: &Peak) -> Verdict {
    let (used, allowed) = (peak.used.unwrap_or_default(), peak.allowed);
    let script = matches!(verdict.reason, Some(Reason::ScriptFailure | Reason::ToolError));
    let killed = verdict.exit_code == Some(KILLED);
    let all_memory = used.memory_bytes > 0 && used.memory_bytes + MIB >= allowed.memory_bytes;
    if verdict.reason == Some(Reason::Oom) {
        let which = if killed { "; that was its end" } else { "; the rest of it went on" };
        let message = format!("{}{which}. {}", verdict.message, of_memory(peak));
        return Verdict { message, ..verdict };
    }
    if script && killed && all_memory {
        let message = format!("it was killed when all of its memory was used. {}", of_memory(peak));
        return Verdict { reason: Some(Reason::Oom), message, ..verdict };
    }
    if script && used.pids > 0 && used.pids >= allowed.pids {
        let limit = allowed.pids;
        let message = format!(
            "{}, and was seen with all of the {limit} processes and threads it may have; \
             PIPELINEX_PIDS of the worker, and `pids` in the pipeline below that, set how many",
            verdict.message
        );
        return Verdict { reason: Some(Reason::PidsLimit), message, ..verdict };
    }
    verdict
}

/// Adds the name of the process that was killed for want of memory, where it is known.
pub fn with_victim(verdict: Verdict, name: Option<&str>) -> Verdict {
    match (verdict.reason, name) {
        (Some(Reason::Oom), Some(name)) => {
            let message = format!("{} (killed: {name})", verdict.message);
            Verdict { message, ..verdict }
        }
        _ => verdict,
    }
}

/// The warning about a process that was killed for want of memory while the script went on and ended well.
pub fn survived_by_the_script(verdict: &Verdict, name: Option<&str>, peak: &Peak) -> Option<String> {
    let name = name.map(|name| format!(" ({name})")).unwrap_or_default();
    (verdict.state == StepState::Success).then(|| {
        format!(
            "the kernel ended a process of this step{name}, which needed more memory than it may have; the script went on. {}",
            of_memory(peak)
        )
    })
}

/// Whether a container's init ends with this code where it cannot start the container's program: it is not there, cannot be
/// executed, or is of another architecture.
pub fn may_be_of_the_init(exit_code: i64) -> bool {
    matches!(exit_code, 1 | 126 | 127)
}

/// A container whose log is one line of the engine's init never began: its image has no shell that runs here. A script cannot look
/// like that: it prints each of its commands first.
pub fn if_never_begun(verdict: Verdict, log: &str, image: Option<&str>) -> Verdict {
    let words = log.strip_prefix("[FATAL tini (").and_then(|rest| Some(rest.split_once(")] ")?.1.trim_end()));
    match words.filter(|words| words.starts_with("exec /bin/sh failed: ") && !words.contains('\n')) {
        Some(words) if verdict.state == StepState::Failed => {
            let image = image.unwrap_or("of this step");
            let message = format!(
                "the image {image} cannot start a script ({words}): it needs /bin/sh, for the architecture of the engine's host"
            );
            failed(Reason::ImageUnavailable, message, verdict.exit_code)
        }
        _ => verdict,
    }
}

fn of_memory(peak: &Peak) -> String {
    let mib = |bytes: u64| format!("{:.1} MiB", bytes as f64 / MIB as f64);
    let seen = peak.used.map(|used| format!(" and was seen with {}", mib(used.memory_bytes))).unwrap_or_default();
    let set = "PIPELINEX_MEMORY of the worker, and `memory` in the pipeline below that, set how much";
    format!("It may have {}{seen}; {set}", mib(peak.allowed.memory_bytes))
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
    record.coverage = collected.coverage;
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
            record.message = match counted.as_ref().map(FindingCounts::words) {
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
                record.message = format!("passed with {} ({})", some(counts.total(), ""), counts.words());
            }
        }
    }
    if let Some(unbelievable) = &collected.unbelievable {
        record.status = StepState::Failed;
        record.reason = Some(Reason::ToolError);
        record.message = format!("the tool ended well but shows no result: {unbelievable}");
    }
}

/// Says what a scan did not read. Where the operator requires the scan, that fails it, unless each of the files is allowed: who
/// submits a project chooses its files, and would choose those that nobody reads.
pub fn cover(record: &mut StepRecord, collected: &mut Collected, allow: &AllowUnread, required: bool) {
    record.scanned = collected.scanned;
    let told = std::mem::take(&mut collected.skipped);
    collected.skipped = Skipped::new(told.files, told.total, allow);
    let skipped = &collected.skipped;
    record.skipped = skipped.for_record();
    record.warnings.extend(skipped.allowed_words());
    match (skipped.not_allowed() > 0, record.status) {
        (false, _) => {}
        (true, StepState::Success) if required => {
            record.status = StepState::Failed;
            record.reason = Some(Reason::ToolError);
            record.message = format!("{}; in the rest: {}", skipped.sentence(), record.message);
        }
        (true, _) => record.warnings.push(format!("{}: findings may be missing", skipped.counted_words())),
    }
}

/// A step that ended well and says that the project has nothing for it to do was skipped, unless it shows that it did something.
/// Where the operator requires it, the job falls to that.
pub fn nothing_to_do(record: &mut StepRecord, collected: &Collected) {
    let idle = record.tests.is_none() && record.findings.is_none() && record.artifacts.is_empty();
    if collected.not_applicable && idle && record.status == StepState::Success {
        record.status = StepState::Skipped;
        record.reason = Some(Reason::NotApplicable);
    }
}

/// What the gate looks at of a step's findings.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Weighed {
    /// Those that count.
    pub all: FindingCounts,
    /// Those of them that the last run that passed had not.
    pub new: FindingCounts,
    /// The number of that run; `None`: there is none, and all are new.
    pub beside: Option<u64>,
}

/// Fails a step that succeeded, or whose failure would not count, for findings that operator or project let nobody pass with.
pub fn gate(record: &mut StepRecord, weighed: &Weighed, policy: &Policy, allowed_to_fail: bool) {
    if record.status == StepState::Canceled || record.findings.is_none() {
        return;
    }
    if record.status != StepState::Success && !allowed_to_fail {
        return;
    }
    let of_all = policy.fail_on.judge(&weighed.all).map(|(count, threshold)| {
        let threshold = threshold.as_str();
        let (some, who) = (some(count, ""), policy.who_limits());
        format!("{some} of severity {threshold} or above, and the {who}'s limit is {threshold}")
    });
    let of_new = || {
        let (count, threshold) = policy.fail_on_new.judge(&weighed.new)?;
        let threshold = threshold.as_str();
        let beside = match weighed.beside {
            Some(run) => format!("that run #{run}, the last that passed, had not"),
            None => "and no run of this project and branch passed before".to_owned(),
        };
        let (new, who) = (some(count, "new "), policy.who_limits_new());
        Some(format!("{new} of severity {threshold} or above {beside}; the {who}'s limit for new ones is {threshold}"))
    };
    if let Some(message) = of_all.or_else(of_new) {
        record.status = StepState::Failed;
        record.reason = Some(Reason::PolicyGate);
        record.message = message;
    }
}

fn some(count: u64, which: &str) -> String {
    if count == 1 { format!("1 {which}finding") } else { format!("{count} {which}findings") }
}
