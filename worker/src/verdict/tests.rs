use pipelinex_common::{coverage::Unread, execution::TestCounts};

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

#[test]
fn what_a_container_was_seen_to_use_tells_limits_apart() {
    use crate::engine::Usage;
    use Reason::{Oom, PidsLimit, ScriptFailure};
    let allowed = Usage { memory_bytes: 64 * MIB, pids: 20, ..Usage::default() };
    for (code, oom, used, reason, told) in [
        (
            137,
            true,
            Some((64, 3)),
            Some(Oom),
            "that was its end. It may have 64.0 MiB and was seen with 64.0 MiB; PIPELINEX",
        ),
        (7, true, None, Some(Oom), "the rest of it went on. It may have 64.0 MiB; PIPELINEX_MEMORY"),
        (137, false, Some((64, 3)), Some(Oom), "was killed when all of its memory was used"),
        (137, false, Some((30, 3)), Some(ScriptFailure), "code 137 (killed)"),
        (137, false, None, Some(ScriptFailure), "code 137 (killed)"),
        (1, false, Some((64, 3)), Some(ScriptFailure), "code 1"),
        (254, false, Some((9, 20)), Some(PidsLimit), "all of the 20 processes and threads"),
        (254, false, Some((9, 19)), Some(ScriptFailure), "code 254"),
        (0, false, Some((64, 20)), None, "finished"),
    ] {
        let used = used.map(|(mib, pids)| Usage { memory_bytes: mib * MIB, pids, ..Usage::default() });
        let verdict = with_peak(of(&status(code, oom), Voice::Project), &Peak { used, allowed });
        assert_eq!(verdict.reason, reason, "{code} {oom} {used:?}");
        assert!(verdict.message.contains(told), "{}", verdict.message);
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
        gated(&mut record, limit, false);
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
    gated(&mut forgiven, "high", true);
    assert_eq!(forgiven.reason, Some(Reason::PolicyGate), "but where that would not count, its findings do");
}

fn gated(record: &mut StepRecord, limit: &str, allowed: bool) {
    let weighed = Weighed { all: record.findings.unwrap_or_default(), ..Weighed::default() };
    gate(record, &weighed, &Policy { fail_on: limit.parse().unwrap(), ..Policy::default() }, allowed);
}

#[test]
fn the_gate_for_new_findings_names_the_run_that_passed() {
    let policy = Policy { fail_on_new: "high".parse().unwrap(), ..Policy::default() };
    let judged = |new: u64, beside| {
        let mut record = told(0, false, Voice::Scanner, "", (2, 5));
        let new = FindingCounts { high: new, low: 1, ..FindingCounts::default() };
        let all = record.findings.unwrap();
        gate(&mut record, &Weighed { all, new, beside }, &policy, false);
        (record.reason, record.message)
    };
    assert_eq!(judged(0, Some(3)).0, None, "what was there before passes");
    let (reason, message) = judged(1, Some(3));
    assert_eq!(reason, Some(Reason::PolicyGate));
    let had = "1 new finding of severity high or above that run #3, the last that passed, had not; the operator's limit for new ones is high";
    assert_eq!(message, had);
    assert!(judged(2, None).1.contains("2 new findings of severity high or above and no run of this project"));
}

#[test]
fn a_required_scan_that_left_files_unread_has_not_succeeded() {
    let unread = |path: &str| Unread { path: path.to_owned(), reason: "torn".to_owned(), allowed: false };
    let judged = |code: i64, allow: &[&str], required: bool, total: u64| {
        let mut record = told(code, false, Voice::Scanner, "no findings", (0, 0));
        let skipped = Skipped { total, allowed: 0, files: vec![unread("src/A.java"), unread("b.kt")] };
        let mut collected = Collected::default();
        collected.skipped = skipped;
        let allow = AllowUnread::new(allow.iter().map(|pattern| (*pattern).to_owned())).unwrap();
        cover(&mut record, &mut collected, &allow, required);
        (record.reason, record.message, record.warnings.join(" | "))
    };
    let (reason, message, _) = judged(0, &["*.kt"], true, 2);
    assert_eq!(reason, Some(Reason::ToolError));
    assert_eq!(message, "1 file was not read: src/A.java (torn); in the rest: no findings");
    let (reason, message, warnings) = judged(0, &["*.kt", "src/**"], true, 2);
    assert_eq!((reason, message.as_str()), (None, "no findings"));
    assert_eq!(warnings, "2 files were not read, which --allow-unread of the operator allows: src/A.java, b.kt");
    assert_eq!(judged(0, &["**"], true, 3).0, Some(Reason::ToolError), "a file that is only counted is not allowed");
    let (reason, _, warnings) = judged(0, &[], false, 2);
    assert_eq!((reason, warnings.as_str()), (None, "2 files were not read: findings may be missing"));
    assert_eq!(judged(10, &[], true, 2).0, Some(Reason::ScriptFailure), "what failed keeps its reason");
}

#[test]
fn nothing_to_do_is_no_success_and_no_excuse() {
    let judged = |code: i64, tests: Option<TestCounts>| {
        let mut record = told(code, false, Voice::Project, "there are no tests", (0, 0));
        record.findings = None;
        record.tests = tests;
        let mut collected = Collected::default();
        collected.not_applicable = true;
        nothing_to_do(&mut record, &collected);
        (record.status, record.reason)
    };
    assert_eq!(judged(0, None), (StepState::Skipped, Some(Reason::NotApplicable)));
    assert_eq!(judged(1, None), (StepState::Failed, Some(Reason::ScriptFailure)), "a failure stays one");
    assert_eq!(judged(0, Some(TestCounts::default())), (StepState::Success, None), "it shows tests");
}

#[test]
fn a_script_that_never_began_is_the_images_fault() {
    let failed = of(&status(127, false), Voice::Project);
    let never = "[FATAL tini (7)] exec /bin/sh failed: No such file or directory\n";
    let verdict = if_never_begun(failed.clone(), never, Some("hub/none:1"));
    assert_eq!(verdict.reason, Some(Reason::ImageUnavailable));
    assert!(verdict.message.contains("hub/none:1") && verdict.message.contains("No such file or directory"));
    for log in [
        "",
        "$ echo\n[FATAL tini (7)] exec /bin/sh failed: No such file or directory\n",
        "[FATAL tini (7)] exec /bin/sh failed: No such file or directory\nmore\n",
        "[FATAL tini (7)] exec mvn failed: No such file or directory\n",
    ] {
        assert_eq!(if_never_begun(failed.clone(), log, None), failed, "{log}");
    }
    let success = of(&status(0, false), Voice::Project);
    assert_eq!(if_never_begun(success.clone(), never, None), success);
}

#[test]
fn a_process_that_was_killed_is_named() {
    let peak = Peak::default();
    let success = of(&status(0, true), Voice::Project);
    let told = survived_by_the_script(&success, Some("perl"), &peak).unwrap();
    assert!(told.contains("(perl)") && told.contains("the script went on"), "{told}");
    let failed = of(&status(3, true), Voice::Project);
    assert_eq!(survived_by_the_script(&failed, Some("perl"), &peak), None);
    assert!(with_victim(failed, Some("perl")).message.ends_with("(killed: perl)"));
}
