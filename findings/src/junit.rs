//! JUnit XML, as many tools write it. Counted from the test cases: the totals in attributes are often wrong. They count in
//! one way only: a suite that says it had more errors than its test cases show has lost some, and did not pass.

#[cfg(test)]
mod tests;

use std::{borrow::Cow, collections::BTreeMap};

use quick_xml::{
    Reader,
    events::{BytesStart, Event},
};

use super::{BadReport, FailedTest, TestCounts, text};

/// How many failed tests of one file are named.
pub const FAILED_MAX: usize = 50;
/// How many classes of one file are told apart; tests of further ones are counted and belong to no class.
const CLASSES_MAX: usize = 20_000;
/// The deepest nesting of elements that is read.
const DEEPEST: usize = 200;
/// Longest name of a test, suite or class that is kept, in characters.
const NAME_MAX: usize = 200;
/// Longest message of a failed test that is kept, in characters.
const MESSAGE_MAX: usize = 300;

/// What one file says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// All of its test cases.
    pub counts: TestCounts,
    /// The first of those that failed or broke.
    pub failed: Vec<FailedTest>,
    /// The test cases that neither failed nor broke, by the class that they name.
    pub classes: BTreeMap<String, TestCounts>,
}

/// Reads one file.
///
/// # Errors
/// [`BadReport`]: not XML, cut off, or no test suite in it.
pub fn parse(bytes: &[u8]) -> Result<Report, BadReport> {
    let decoded = text::xml(bytes);
    let mut reader = Reader::from_str(&decoded);
    reader.config_mut().expand_empty_elements = true;
    // Tools that escape by hand forget some.
    reader.config_mut().allow_dangling_amp = true;
    let mut parser = Parser::default();
    loop {
        match reader.read_event().map_err(|error| bad(error.to_string()))? {
            Event::Start(tag) => parser.open(&tag)?,
            Event::End(_) => parser.close(),
            Event::Text(text) => parser.text(&text.xml10_content()),
            Event::CData(text) => parser.text(&text.xml10_content()),
            Event::GeneralRef(reference) => {
                let character = reference.resolve_char_ref().ok().flatten().map(String::from);
                parser.text(&character.unwrap_or_else(|| predefined(&reference.xml10_content()).to_owned()));
            }
            Event::Eof => return parser.finish(),
            _ => {}
        }
    }
}

fn bad(reason: String) -> BadReport {
    BadReport { format: "JUnit", reason }
}

fn predefined(entity: &str) -> &str {
    quick_xml::escape::resolve_predefined_entity(entity).unwrap_or("?")
}

#[derive(Default)]
struct Parser {
    report: Report,
    /// The elements that are open, the outermost first.
    open: Vec<Element>,
    suites: u64,
}

enum Element {
    Suite(Suite),
    Case(Case),
    /// What says how a case or a suite ended.
    Told(Told),
    Other,
}

/// An open `<testsuite>` or `<testsuites>`.
#[derive(Default)]
struct Suite {
    name: String,
    /// What its attributes say, its inner suites included.
    declared: Shown,
    /// What its test cases and its own elements show, its inner suites included.
    shown: Shown,
    /// The first line of what it wrote on standard error.
    said: String,
}

/// Failures and errors by elements: a test case may have several.
#[derive(Clone, Copy, Default)]
struct Shown {
    failures: u64,
    errors: u64,
    /// Those of a test that was run again. Some tools count them in the attributes.
    retried: u64,
}

/// An open `<testcase>`.
#[derive(Default)]
struct Case {
    class: Option<String>,
    name: String,
    shown: Shown,
    skipped: bool,
    flaky: bool,
    /// The first failure or error, and which of both it is.
    first: Option<(Kind, String)>,
    /// What that was caused by in the end.
    cause: String,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Failure,
    Error,
    Skipped,
    Flaky,
    Rerun,
    StandardError,
}

struct Told {
    kind: Kind,
    message: String,
    /// The type of the exception, where it says one.
    exception: String,
    /// The beginning of what is written in it.
    text: String,
    /// The line that is being read, up to what may be kept of it.
    line: String,
    /// The last line that names a cause.
    cause: String,
}

impl Parser {
    fn open(&mut self, tag: &BytesStart<'_>) -> Result<(), BadReport> {
        if self.open.len() >= DEEPEST {
            return Err(bad(format!("its elements are nested more than {DEEPEST} deep")));
        }
        let name = tag.local_name();
        let name = name.as_ref();
        let element = match (name, self.open.last()) {
            ("testsuite" | "testsuites", _) => {
                self.suites += 1;
                Element::Suite(Suite::new(tag))
            }
            ("testcase", _) if self.open.iter().any(|open| matches!(open, Element::Suite(_))) => {
                Element::Case(Case::new(tag))
            }
            (_, Some(Element::Case(_))) => told_of_case(name).map_or(Element::Other, |kind| Told::element(kind, tag)),
            (_, Some(Element::Suite(_))) => told_of_suite(name).map_or(Element::Other, |kind| Told::element(kind, tag)),
            _ => Element::Other,
        };
        self.open.push(element);
        Ok(())
    }

    fn text(&mut self, text: &str) {
        if let Some(Element::Told(told)) = self.open.last_mut() {
            told.add(text);
        }
    }

    fn close(&mut self) {
        match self.open.pop() {
            Some(Element::Told(mut told)) => {
                told.end_line();
                self.close_told(&told);
            }
            Some(Element::Case(case)) => self.close_case(case),
            Some(Element::Suite(suite)) => self.close_suite(suite),
            Some(Element::Other) | None => {}
        }
    }

    fn close_told(&mut self, told: &Told) {
        let line = told.line();
        match self.open.last_mut() {
            Some(Element::Case(case)) => case.take(told.kind, line, &told.cause),
            Some(Element::Suite(suite)) => {
                let name = suite.name.clone();
                match told.kind {
                    Kind::Failure => {
                        suite.shown.failures += 1;
                        self.report.counts.failures += 1;
                    }
                    Kind::Error => {
                        suite.shown.errors += 1;
                        self.report.counts.errors += 1;
                    }
                    Kind::StandardError if suite.said.is_empty() => {
                        suite.said = line;
                        return;
                    }
                    _ => return,
                }
                let cause = told.cause.clone();
                self.name_failed(FailedTest { class: name, name: String::new(), message: line, cause });
            }
            _ => {}
        }
    }

    fn close_case(&mut self, mut case: Case) {
        case.show_what_its_attribute_says();
        let suite = self.suite().map(|suite| {
            suite.shown.add(case.shown);
            suite.name.clone()
        });
        let counts = TestCounts {
            tests: 1,
            failures: u64::from(case.ended_with(Kind::Failure)),
            errors: u64::from(case.ended_with(Kind::Error)),
            skipped: u64::from(case.first.is_none() && case.skipped),
            flaky: u64::from(case.first.is_none() && case.flaky),
            unknown: 0,
        };
        self.report.counts = self.report.counts.plus(&counts);
        if let Some((_, message)) = case.first {
            let class = case.class.or(suite).unwrap_or_default();
            self.name_failed(FailedTest { class, name: case.name, message, cause: case.cause });
        } else if let Some(class) = case.class {
            let full = self.report.classes.len() >= CLASSES_MAX;
            if !full || self.report.classes.contains_key(&class) {
                let of_class = self.report.classes.entry(class).or_default();
                *of_class = of_class.plus(&counts);
            }
        }
    }

    /// A suite that declares more than its test cases show broke beside them: before the first, or between two.
    fn close_suite(&mut self, suite: Suite) {
        let Suite { name, declared, mut shown, said } = suite;
        let all = |counts: Shown| counts.failures.saturating_add(counts.errors).saturating_add(counts.retried);
        let missing = all(declared).saturating_sub(all(shown));
        if missing > 0 {
            let errors = missing.min(declared.errors.saturating_sub(shown.errors));
            let failures = missing - errors;
            shown.add(Shown { failures, errors, retried: 0 });
            self.report.counts = self.report.counts.plus(&TestCounts { failures, errors, ..TestCounts::default() });
            let beside = format!("the suite says that it had {missing} more than its test cases show");
            let message = if said.is_empty() { beside } else { said };
            self.name_failed(FailedTest { class: name, message, ..FailedTest::default() });
        }
        if let Some(parent) = self.suite() {
            parent.shown.add(shown);
        }
    }

    /// The innermost suite that is open.
    fn suite(&mut self) -> Option<&mut Suite> {
        self.open.iter_mut().rev().find_map(|element| match element {
            Element::Suite(suite) => Some(suite),
            _ => None,
        })
    }

    fn name_failed(&mut self, mut test: FailedTest) {
        if self.report.failed.len() < FAILED_MAX {
            // What stands in the message already is said once.
            if test.message.contains(&test.cause) {
                test.cause.clear();
            }
            self.report.failed.push(test);
        }
    }

    fn finish(self) -> Result<Report, BadReport> {
        match self.suites {
            _ if !self.open.is_empty() => Err(bad("it is cut off: its last elements do not end".to_owned())),
            0 => Err(bad("it has no test suite".to_owned())),
            _ => Ok(self.report),
        }
    }
}

/// What the elements below a test case say, in the spellings of Surefire, Gradle, Ant, GoogleTest and pytest.
fn told_of_case(name: &str) -> Option<Kind> {
    Some(match name {
        "failure" => Kind::Failure,
        "error" => Kind::Error,
        "skipped" | "disabled" | "ignored" => Kind::Skipped,
        "flakyFailure" | "flakyError" => Kind::Flaky,
        "rerunFailure" | "rerunError" => Kind::Rerun,
        _ => return None,
    })
}

fn told_of_suite(name: &str) -> Option<Kind> {
    Some(match name {
        "failure" => Kind::Failure,
        "error" => Kind::Error,
        "system-err" => Kind::StandardError,
        _ => return None,
    })
}

impl Suite {
    fn new(tag: &BytesStart<'_>) -> Self {
        let number = |name| attribute(tag, name).and_then(|text| text.trim().parse().ok()).unwrap_or_default();
        let declared = Shown { failures: number("failures"), errors: number("errors"), retried: 0 };
        Self { name: name(tag, "name"), declared, ..Self::default() }
    }
}

impl Shown {
    fn add(&mut self, other: Self) {
        self.failures = self.failures.saturating_add(other.failures);
        self.errors = self.errors.saturating_add(other.errors);
        self.retried = self.retried.saturating_add(other.retried);
    }
}

impl Case {
    fn new(tag: &BytesStart<'_>) -> Self {
        let class = attribute(tag, "classname").map(|class| cut(class.trim(), NAME_MAX));
        let mut case = Self { class, name: name(tag, "name"), ..Self::default() };
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
    fn show_what_its_attribute_says(&mut self) {
        let elements = self.shown.failures + self.shown.errors;
        match &self.first {
            Some((Kind::Failure, _)) if elements == 0 => self.shown.failures = 1,
            Some((Kind::Error, _)) if elements == 0 => self.shown.errors = 1,
            _ => {}
        }
    }

    fn ended_with(&self, kind: Kind) -> bool {
        self.first.as_ref().is_some_and(|(first, _)| *first == kind)
    }

    fn take(&mut self, kind: Kind, line: String, cause: &str) {
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
            }
            Kind::Skipped => self.skipped = true,
            Kind::Flaky => self.flaky = true,
            _ => {}
        }
    }
}

impl Told {
    fn element(kind: Kind, tag: &BytesStart<'_>) -> Element {
        let text = |name| attribute(tag, name).unwrap_or_default();
        Element::Told(Self { message: text("message"), exception: text("type"), ..Self::of(kind) })
    }

    fn of(kind: Kind) -> Self {
        let (message, exception, text, line, cause) = Default::default();
        Self { kind, message, exception, text, line, cause }
    }

    /// Looks for causes in every line, however much of it is kept: the last one is at the end of a long trace.
    fn follow(&mut self, text: &str) {
        for piece in text.split_inclusive('\n') {
            if self.line.len() < 4 * MESSAGE_MAX {
                self.line.push_str(piece);
            }
            if piece.ends_with('\n') {
                self.end_line();
            }
        }
    }

    fn end_line(&mut self) {
        if let Some(cause) = self.line.trim().strip_prefix("Caused by: ") {
            self.cause = cut(cause, MESSAGE_MAX);
        }
        self.line.clear();
    }

    /// Keeps as much as a first line needs, after any blank ones.
    fn add(&mut self, text: &str) {
        self.follow(text);
        let text = if self.text.is_empty() { text.trim_start() } else { text };
        let room = (4 * MESSAGE_MAX).saturating_sub(self.text.len());
        let end = text.char_indices().map(|(at, c)| at + c.len_utf8()).take_while(|end| *end <= room).last();
        self.text.push_str(&text[..end.unwrap_or_default()]);
    }

    /// What it says, in a line: its message, else what is written in it, else the exception.
    fn line(&self) -> String {
        let lines = [&self.message, &self.text, &self.exception].map(|text| first_line(text));
        cut(lines.into_iter().find(|line| !line.is_empty()).unwrap_or_default(), MESSAGE_MAX)
    }
}

fn first_line(text: &str) -> &str {
    text.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default()
}

fn name(tag: &BytesStart<'_>, attribute_name: &str) -> String {
    cut(first_line(&attribute(tag, attribute_name).unwrap_or_default()), NAME_MAX)
}

/// An attribute; what cannot be unescaped stays as it is written.
fn attribute(tag: &BytesStart<'_>, name: &str) -> Option<String> {
    let found = tag.attributes().with_checks(false).flatten().find(|found| found.key.local_name().as_ref() == name)?;
    // Not normalized: XML would make a space of a line end, and the first line of a message is what is shown.
    Some(match quick_xml::escape::unescape(&found.value) {
        Ok(text) => text.into_owned(),
        Err(_) => found.value.into_owned(),
    })
}

fn cut(text: &str, most: usize) -> String {
    let cut: Cow<'_, str> = match text.char_indices().nth(most) {
        Some((end, _)) => format!("{} ...", &text[..end]).into(),
        None => text.into(),
    };
    cut.into_owned()
}
