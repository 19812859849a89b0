//! The elements of a JUnit report while they are open, and what each of them tells.

use std::borrow::Cow;

use quick_xml::events::BytesStart;

use super::{MESSAGE_MAX, NAME_MAX};
use crate::{
    TestCase, TestState,
    cases::{self, OUTPUT_MAX, TRACE_MAX},
};

pub(super) enum Element {
    Suite(Suite),
    Case(Case),
    /// What says how a case or a suite ended.
    Told(Told),
    /// What a case printed.
    Output(String),
    Other,
}

/// An open `<testsuite>` or `<testsuites>`.
#[derive(Default)]
pub(super) struct Suite {
    pub(super) name: String,
    /// What its attributes say, its inner suites included.
    pub(super) declared: Shown,
    /// What its test cases and its own elements show, its inner suites included.
    pub(super) shown: Shown,
    /// The first line of what it wrote on standard error.
    pub(super) said: String,
    /// The file that its tests are in.
    pub(super) file: Option<String>,
}

/// Failures and errors by elements: a test case may have several.
#[derive(Clone, Copy, Default)]
pub(super) struct Shown {
    pub(super) failures: u64,
    pub(super) errors: u64,
    /// Those of a test that was run again. Some tools count them in the attributes.
    pub(super) retried: u64,
}

/// An open `<testcase>`.
#[derive(Default)]
pub(super) struct Case {
    pub(super) class: Option<String>,
    pub(super) name: String,
    pub(super) shown: Shown,
    pub(super) skipped: bool,
    pub(super) flaky: bool,
    /// The first failure or error, and which of both it is.
    pub(super) first: Option<(Kind, String)>,
    /// What that was caused by in the end.
    pub(super) cause: String,
    /// What stands in the first failure, or in that of the run before it passed.
    pub(super) trace: String,
    /// Why it was not run.
    pub(super) skip_reason: String,
    /// The end of what it printed.
    pub(super) output: String,
    pub(super) duration_ms: Option<u64>,
    pub(super) file: Option<String>,
    pub(super) line: Option<u64>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Failure,
    Error,
    Skipped,
    Flaky,
    Rerun,
    StandardError,
}

pub(super) struct Told {
    pub(super) kind: Kind,
    pub(super) message: String,
    /// The type of the exception, where it says one.
    pub(super) exception: String,
    /// The beginning of what is written in it.
    pub(super) text: String,
    /// The line that is being read, up to what may be kept of it.
    pub(super) line: String,
    /// The last line that names a cause.
    pub(super) cause: String,
}

/// What the elements below a test case say, in the spellings of Surefire, Gradle, Ant, GoogleTest and pytest.
pub(super) fn told_of_case(name: &str) -> Option<Kind> {
    Some(match name {
        "failure" => Kind::Failure,
        "error" => Kind::Error,
        "skipped" | "disabled" | "ignored" => Kind::Skipped,
        "flakyFailure" | "flakyError" => Kind::Flaky,
        "rerunFailure" | "rerunError" => Kind::Rerun,
        _ => return None,
    })
}

pub(super) fn told_of_suite(name: &str) -> Option<Kind> {
    Some(match name {
        "failure" => Kind::Failure,
        "error" => Kind::Error,
        "system-err" => Kind::StandardError,
        _ => return None,
    })
}

impl Suite {
    pub(super) fn new(tag: &BytesStart<'_>) -> Self {
        let number = |name| attribute(tag, name).and_then(|text| text.trim().parse().ok()).unwrap_or_default();
        let declared = Shown { failures: number("failures"), errors: number("errors"), retried: 0 };
        let file = attribute(tag, "file").or_else(|| attribute(tag, "filepath")).map(|file| cut(&file, NAME_MAX));
        Self { name: name(tag, "name"), declared, file, ..Self::default() }
    }
}

impl Shown {
    pub(super) fn add(&mut self, other: Self) {
        self.failures = self.failures.saturating_add(other.failures);
        self.errors = self.errors.saturating_add(other.errors);
        self.retried = self.retried.saturating_add(other.retried);
    }
}

impl Case {
    pub(super) fn new(tag: &BytesStart<'_>) -> Self {
        let class = attribute(tag, "classname").map(|class| cut(class.trim(), NAME_MAX));
        let file =
            attribute(tag, "file").filter(|file| !file.is_empty()).map(|file| cases::own_path(&cut(&file, NAME_MAX)));
        let line = attribute(tag, "line").and_then(|line| line.trim().parse().ok());
        let duration_ms = attribute(tag, "time").and_then(|time| milliseconds(&time));
        let mut case = Self { class, name: name(tag, "name"), file, line, duration_ms, ..Self::default() };
        // Some tools say how a test ended in an attribute alone.
        let ended = ["status", "result"].map(|name| attribute(tag, name).unwrap_or_default().to_ascii_lowercase());
        let says = |words: &[&str]| ended.iter().any(|text| words.contains(&text.as_str()));
        case.skipped = says(&["notrun", "skipped", "suppressed", "disabled", "ignored"]);
        if says(&["fail", "failed", "failure"]) {
            case.first = Some((Kind::Failure, String::new()));
        } else if says(&["error", "errored", "broken"]) {
            case.first = Some((Kind::Error, String::new()));
        }
        case
    }

    /// A failure that only an attribute tells is one of those that the suite declares.
    pub(super) fn show_what_its_attribute_says(&mut self) {
        let elements = self.shown.failures + self.shown.errors;
        match &self.first {
            Some((Kind::Failure, _)) if elements == 0 => self.shown.failures = 1,
            Some((Kind::Error, _)) if elements == 0 => self.shown.errors = 1,
            _ => {}
        }
    }

    pub(super) fn ended_with(&self, kind: Kind) -> bool {
        self.first.as_ref().is_some_and(|(first, _)| *first == kind)
    }

    pub(super) fn take(&mut self, told: &Told, line: String) {
        let Told { kind, cause, text, .. } = told;
        let kind = *kind;
        match kind {
            Kind::Failure => self.shown.failures += 1,
            Kind::Error => self.shown.errors += 1,
            Kind::Flaky | Kind::Rerun => self.shown.retried += 1,
            Kind::Skipped | Kind::StandardError => {}
        }
        match kind {
            // An element says more than an attribute did.
            Kind::Failure | Kind::Error if self.first.as_ref().is_none_or(|(_, said)| said.is_empty()) => {
                self.first = Some((kind, line));
                cause.clone_into(&mut self.cause);
                text.clone_into(&mut self.trace);
            }
            Kind::Skipped => (self.skipped, self.skip_reason) = (true, line),
            Kind::Flaky => {
                self.flaky = true;
                if self.trace.is_empty() {
                    (self.skip_reason, self.trace) = (line, text.clone());
                }
            }
            _ => {}
        }
    }

    /// The case as it is shown, of a suite and the file that the suite names.
    pub(super) fn shown_as(self, suite: String, file: Option<String>) -> TestCase {
        let state = match self.first {
            Some((Kind::Failure, _)) => TestState::Failed,
            Some(_) => TestState::Error,
            None if self.skipped => TestState::Skipped,
            None if self.flaky => TestState::Flaky,
            None => TestState::Passed,
        };
        let message = self.first.map_or(self.skip_reason, |(_, message)| message);
        let class = self.class.filter(|class| !class.is_empty()).unwrap_or_else(|| suite.clone());
        let message = cases::clean(&message, MESSAGE_MAX);
        let mut cause = cases::clean(&self.cause, MESSAGE_MAX);
        // What stands in the message already is said once.
        if message.contains(&cause) {
            cause.clear();
        }
        let trace = cases::clean(&self.trace, TRACE_MAX);
        let failed_at = cases::place(&trace, &class);
        let (file, line) = match failed_at {
            Some((file, line)) => (Some(file), Some(line)),
            None => (self.file.or(file), self.line),
        };
        let keeps_output = state != TestState::Passed && state != TestState::Skipped;
        TestCase {
            class,
            name: self.name,
            suite,
            state,
            duration_ms: self.duration_ms,
            file,
            line,
            message,
            cause,
            trace,
            output: if keeps_output { cases::clean_end(&self.output, OUTPUT_MAX) } else { String::new() },
            reruns: self.shown.retried,
        }
    }
}

impl Told {
    pub(super) fn element(kind: Kind, tag: &BytesStart<'_>) -> Element {
        let text = |name| attribute(tag, name).unwrap_or_default();
        Element::Told(Self { message: text("message"), exception: text("type"), ..Self::of(kind) })
    }

    pub(super) fn of(kind: Kind) -> Self {
        let (message, exception, text, line, cause) = Default::default();
        Self { kind, message, exception, text, line, cause }
    }

    /// Looks for causes in every line, however much of it is kept: the last one is at the end of a long trace.
    pub(super) fn follow(&mut self, text: &str) {
        for piece in text.split_inclusive('\n') {
            if self.line.len() < 4 * MESSAGE_MAX {
                self.line.push_str(piece);
            }
            if piece.ends_with('\n') {
                self.end_line();
            }
        }
    }

    pub(super) fn end_line(&mut self) {
        if let Some(cause) = self.line.trim().strip_prefix("Caused by: ") {
            self.cause = cut(cause, MESSAGE_MAX);
        }
        self.line.clear();
    }

    /// Keeps as much as is shown of a trace, after any blank lines.
    pub(super) fn add(&mut self, text: &str) {
        self.follow(text);
        let text = if self.text.is_empty() { text.trim_start() } else { text };
        let room = (2 * TRACE_MAX).saturating_sub(self.text.len());
        let end = text.char_indices().map(|(at, c)| at + c.len_utf8()).take_while(|end| *end <= room).last();
        self.text.push_str(&text[..end.unwrap_or_default()]);
    }

    /// What it says, in a line: its message, else what is written in it, else the exception.
    pub(super) fn line(&self) -> String {
        let lines = [&self.message, &self.text, &self.exception].map(|text| sentence(text));
        cut(&lines.into_iter().find(|line| !line.is_empty()).unwrap_or_default(), MESSAGE_MAX)
    }
}

/// Seconds, as some tools write them with a comma between the thousands.
pub(super) fn milliseconds(time: &str) -> Option<u64> {
    let seconds: f64 = time.trim().replace(',', "").parse().ok()?;
    // A float converts to the nearest number that there is: one that is no time is none.
    (seconds.is_finite() && seconds >= 0.0).then_some((seconds * 1000.0).round() as u64)
}

/// Adds to what was printed, of which the end is kept.
pub(super) fn keep_end(kept: &mut String, more: &str) {
    kept.push_str(more);
    let most = 8 * OUTPUT_MAX;
    if kept.len() > 2 * most {
        let from = (kept.len() - most..).find(|at| kept.is_char_boundary(*at)).unwrap_or_default();
        kept.drain(..from);
    }
}

/// The first line, and those after it where it announces them with a colon.
fn sentence(text: &str) -> String {
    let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let first = lines.next().unwrap_or_default();
    if first.ends_with(':') {
        return std::iter::once(first).chain(lines.take(3)).collect::<Vec<_>>().join(" ");
    }
    first.to_owned()
}

pub(super) fn first_line(text: &str) -> &str {
    text.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default()
}

pub(super) fn name(tag: &BytesStart<'_>, attribute_name: &str) -> String {
    cut(first_line(&attribute(tag, attribute_name).unwrap_or_default()), NAME_MAX)
}

/// An attribute; what cannot be unescaped stays as it is written.
pub(crate) fn attribute(tag: &BytesStart<'_>, name: &str) -> Option<String> {
    let found = tag.attributes().with_checks(false).flatten().find(|found| found.key.local_name().as_ref() == name)?;
    // Not normalized: XML would make a space of a line end, and the first line of a message is what is shown.
    Some(match quick_xml::escape::unescape(&found.value) {
        Ok(text) => text.into_owned(),
        Err(_) => found.value.into_owned(),
    })
}

pub(super) fn cut(text: &str, most: usize) -> String {
    let cut: Cow<'_, str> = match text.char_indices().nth(most) {
        Some((end, _)) => format!("{} ...", &text[..end]).into(),
        None => text.into(),
    };
    cut.into_owned()
}
