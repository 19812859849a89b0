//! Why a step failed, as far as its logs tell: the rows of `causes.yml` that its stack and all stacks have, laid beside what it
//! printed. It is a help for people and no verdict.

use std::{
    fs::File,
    io::{Read, Seek, SeekFrom},
    path::Path,
};

use pipelinex_common::{
    disk,
    execution::StepRecord,
    foreign::shown,
    layout::JobPaths,
    pipeline::{
        causes::{self, CAUSES_FILE, KnownCause},
        model::Step,
    },
    state::{Reason, StepState},
    store::DEFINITION_MAX,
};

/// How much of the end of a log is looked at, in bytes.
const LOG_END: u64 = 256 * 1024;

/// The end of a log; what is before a line end in it was cut in the middle. Empty where there is none.
pub fn end_of(path: &Path) -> String {
    let mut bytes = Vec::new();
    if let Ok(mut file) = File::open(path)
        && let Ok(length) = file.metadata().map(|meta| meta.len())
    {
        let _ = file.seek(SeekFrom::Start(length.saturating_sub(LOG_END)));
        let _ = file.take(LOG_END).read_to_end(&mut bytes);
    }
    without_colour(&String::from_utf8_lossy(&bytes))
}

/// Whether anybody looks for causes of how a step ended.
pub fn is_asked_for(record: &StepRecord) -> bool {
    record.status == StepState::Failed && matches!(record.reason, Some(Reason::ScriptFailure | Reason::Timeout))
}

/// The first cause that is known of a step that failed. `log` is what it printed, or the application beside it. Where tests failed
/// their reports go before the log, in which tests that passed speak as well; where all of them were only wrong in what they
/// expected, nothing else was in their way.
pub fn of(paths: &JobPaths, step: &Step, record: &StepRecord, log: &str) -> Option<KnownCause> {
    let tests: String = record.failed_tests.iter().map(|test| format!("{}\n", test.said())).collect();
    let broken = record.tests.is_none_or(|tests| tests.failed() == 0 || tests.errors > 0);
    let texts = [tests.as_str(), if broken { log } else { "" }];
    let files = [paths.pipelines().join(CAUSES_FILE), paths.pipelines().join("global").join(CAUSES_FILE)];
    let known: Vec<_> = files.iter().filter_map(|file| read(file)).collect();
    texts.iter().find_map(|text| known.iter().find_map(|causes| causes.find(text, step.network)))
}

fn read(path: &Path) -> Option<causes::Causes> {
    let text = match disk::read_file(path, DEFINITION_MAX) {
        Ok(text) => text?,
        Err(error) => {
            tracing::warn!(%error, "known causes are not read");
            return None;
        }
    };
    let read = causes::read(CAUSES_FILE, &String::from_utf8_lossy(&text));
    read.inspect_err(|error| tracing::warn!(path = %path.display(), %error, "known causes are not read")).ok()
}

/// Adds what is known to the sentence of a step.
pub fn explain(record: &mut StepRecord, cause: Option<KnownCause>) {
    if let Some(cause) = cause {
        record.message = format!("{}; {}", record.message, cause.words());
        record.cause = Some(cause);
    }
}

/// The line of an application's log that says most about why it is not up: the last `Caused by`, or what Spring Boot makes of one,
/// whichever comes last; else the last that begins with an error; else the last that is no part of a stack trace.
pub fn telling(log: &str) -> Option<String> {
    let lines: Vec<&str> = log.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let cause = lines.iter().rposition(|line| line.starts_with("Caused by: "));
    let described = lines.iter().rposition(|line| *line == "Description:").filter(|at| at + 1 < lines.len());
    let found = match (cause, described) {
        (Some(cause), Some(described)) if described > cause => lines.get(described + 1),
        (Some(cause), _) => lines.get(cause),
        (None, Some(described)) => lines.get(described + 1),
        (None, None) => {
            let error = lines.iter().rfind(|line| is_error(line));
            error.or_else(|| lines.iter().rfind(|line| !is_frame(line))).or(lines.last())
        }
    };
    found.map(|line| shown(line.strip_prefix("Caused by: ").unwrap_or(line)))
}

/// Whether a line begins with the name of an error: `TypeError: x`, `java.lang.IllegalStateException: x`.
fn is_error(line: &str) -> bool {
    let first = line.split_whitespace().next().unwrap_or_default();
    first.strip_suffix(':').is_some_and(|name| name.ends_with("Error") || name.ends_with("Exception"))
}

fn is_frame(line: &str) -> bool {
    line.starts_with("at ") || line.starts_with("... ")
}

/// A text without the sequences that colour a terminal, in the middle of which words would not be found.
fn without_colour(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("\u{1b}[") {
        plain.push_str(before);
        let end = after.find(|c: char| !(c.is_ascii_digit() || c == ';'));
        rest = end.and_then(|end| after.get(end + 1..)).unwrap_or_default();
    }
    plain.push_str(rest);
    plain
}

#[cfg(test)]
mod tests {
    use pipelinex_common::execution::{FailedTest, TestCounts};

    use super::*;

    #[test]
    fn the_line_that_says_most_is_told() {
        for (log, expected) in [
            ("", None),
            ("one\ntwo\n\n", Some("two")),
            (
                "a.B: x\n\tat c.d\nCaused by: e.F: y\n\tat g\nCaused by: h.I: z\n\t... 57 common frames omitted\n",
                Some("h.I: z"),
            ),
            (
                "Caused by: x\nAPPLICATION FAILED TO START\n***\n\nDescription:\n\nPort 1 was in use.\n\nAction:\n\nStop it.\n",
                Some("Port 1 was in use."),
            ),
            ("Description:\nold\nCaused by: new", Some("new")),
            (
                "throw err;\n\nError: Cannot find module 'x'\n    at y\n\nNode.js v24.1.0\n",
                Some("Error: Cannot find module 'x'"),
            ),
            ("started\n\tat a.b\n\tat c.d\n", Some("started")),
        ] {
            assert_eq!(telling(log).as_deref(), expected, "{log}");
        }
        assert_eq!(without_colour("\u{1b}[1;31mERROR\u{1b}[m end \u{1b}["), "ERROR end ");
    }

    #[test]
    fn what_failed_tests_say_goes_before_the_log_and_a_wrong_expectation_has_no_other_cause() {
        let dir = tempfile::tempdir().unwrap();
        let paths = JobPaths::at(dir.path().to_owned());
        std::fs::create_dir_all(paths.pipelines().join("global")).unwrap();
        for (file, word) in [("causes.yml", "own"), ("global/causes.yml", "shared")] {
            let row = format!("causes: [{{id: {word}, log: {word}, says: says {word}, hint: do, example: {word}}}]\n");
            std::fs::write(paths.pipelines().join(file), row).unwrap();
        }
        let step = pipelinex_common::pipeline::read("p.yml", "a: {image: i, script: x}\n").unwrap().steps.remove(0);
        let told = |failed: &[&str], errors: u64, log: &str| {
            let mut record = StepRecord::bare("a", StepState::Failed, Some(Reason::ScriptFailure), "failed");
            let failures = failed.len() as u64 - errors;
            record.tests =
                (!failed.is_empty()).then(|| TestCounts { tests: 9, failures, errors, ..TestCounts::default() });
            let test = |said: &&str| FailedTest { message: (*said).to_owned(), ..FailedTest::default() };
            record.failed_tests = failed.iter().map(test).collect();
            let cause = of(&paths, &step, &record, log);
            explain(&mut record, cause);
            record.message
        };
        assert_eq!(told(&[], 0, "shared own"), "failed; says own: do", "the stack's own first");
        assert_eq!(told(&[], 0, "nothing"), "failed");
        assert_eq!(told(&["shared"], 0, "own"), "failed; says shared: do");
        assert_eq!(told(&["expected 1"], 0, "own"), "failed", "another test's words");
        assert_eq!(told(&["no context"], 1, "own"), "failed; says own: do");
    }
}
