//! JUnit XML, as many tools write it. Counted from the test cases: the totals in attributes are often wrong. They count in
//! one way only: a suite that says it had more errors than its test cases show has lost some, and did not pass.

mod elements;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use quick_xml::{
    Reader,
    events::{BytesStart, Event},
};

pub(crate) use self::elements::attribute;
use self::elements::{Case, Element, Kind, Shown, Suite, Told, keep_end, told_of_case, told_of_suite};
use super::{BadReport, FailedTest, TestCase, TestCounts, text};

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

/// Reads one file for what it adds up to.
///
/// # Errors
/// [`BadReport`]: not XML, cut off, or no test suite in it.
pub fn parse(bytes: &[u8]) -> Result<Report, BadReport> {
    read(bytes, &mut |_| ())
}

/// Reads one file, and hands over each of its test cases in its order: no file is so long that all of them are in memory.
///
/// # Errors
/// As [`parse`]. The cases before the place where the file breaks off have been handed over by then.
pub fn read(bytes: &[u8], each: &mut dyn FnMut(TestCase)) -> Result<Report, BadReport> {
    let decoded = text::xml(bytes);
    let mut reader = Reader::from_str(&decoded);
    reader.config_mut().expand_empty_elements = true;
    // Tools that escape by hand forget some.
    reader.config_mut().allow_dangling_amp = true;
    let mut parser = Parser { report: Report::default(), open: Vec::new(), suites: 0, each };
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

struct Parser<'a> {
    report: Report,
    /// The elements that are open, the outermost first.
    open: Vec<Element>,
    suites: u64,
    /// Who takes the cases.
    each: &'a mut dyn FnMut(TestCase),
}

impl Parser<'_> {
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
            ("system-out" | "system-err", Some(Element::Case(_))) => Element::Output(String::new()),
            (_, Some(Element::Case(_))) => told_of_case(name).map_or(Element::Other, |kind| Told::element(kind, tag)),
            (_, Some(Element::Suite(_))) => told_of_suite(name).map_or(Element::Other, |kind| Told::element(kind, tag)),
            _ => Element::Other,
        };
        self.open.push(element);
        Ok(())
    }

    fn text(&mut self, text: &str) {
        match self.open.last_mut() {
            Some(Element::Told(told)) => told.add(text),
            Some(Element::Output(output)) => keep_end(output, text),
            _ => {}
        }
    }

    fn close(&mut self) {
        match self.open.pop() {
            Some(Element::Told(mut told)) => {
                told.end_line();
                self.close_told(&told);
            }
            Some(Element::Output(output)) => {
                if let Some(Element::Case(case)) = self.open.last_mut() {
                    keep_end(&mut case.output, &output);
                }
            }
            Some(Element::Case(case)) => self.close_case(case),
            Some(Element::Suite(suite)) => self.close_suite(suite),
            Some(Element::Other) | None => {}
        }
    }

    fn close_told(&mut self, told: &Told) {
        let line = told.line();
        match self.open.last_mut() {
            Some(Element::Case(case)) => case.take(told, line),
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
                self.hand_over_suite(FailedTest { class: name, name: String::new(), message: line, cause }, &told.text);
            }
            _ => {}
        }
    }

    fn close_case(&mut self, mut case: Case) {
        case.show_what_its_attribute_says();
        let suite = self.suite().map(|suite| {
            suite.shown.add(case.shown);
            (suite.name.clone(), suite.file.clone())
        });
        let (suite, file) = suite.unwrap_or_default();
        let counts = TestCounts {
            tests: 1,
            failures: u64::from(case.ended_with(Kind::Failure)),
            errors: u64::from(case.ended_with(Kind::Error)),
            skipped: u64::from(case.first.is_none() && case.skipped),
            flaky: u64::from(case.first.is_none() && case.flaky),
            unknown: 0,
        };
        self.report.counts = self.report.counts.plus(&counts);
        let class = case.class.clone();
        let shown = case.shown_as(suite, file);
        if shown.has_failed() {
            self.name_failed(shown.failure());
            (self.each)(shown);
            return;
        }
        (self.each)(shown);
        if let Some(class) = class {
            let full = self.report.classes.len() >= CLASSES_MAX;
            if !full || self.report.classes.contains_key(&class) {
                let of_class = self.report.classes.entry(class).or_default();
                *of_class = of_class.plus(&counts);
            }
        }
    }

    /// A suite that declares more than its test cases show broke beside them: before the first, or between two.
    fn close_suite(&mut self, suite: Suite) {
        let Suite { name, declared, mut shown, said, .. } = suite;
        let all = |counts: Shown| counts.failures.saturating_add(counts.errors).saturating_add(counts.retried);
        let missing = all(declared).saturating_sub(all(shown));
        if missing > 0 {
            let errors = missing.min(declared.errors.saturating_sub(shown.errors));
            let failures = missing - errors;
            shown.add(Shown { failures, errors, retried: 0 });
            self.report.counts = self.report.counts.plus(&TestCounts { failures, errors, ..TestCounts::default() });
            let beside = format!("the suite says that it had {missing} more than its test cases show");
            let message = if said.is_empty() { beside } else { said };
            self.hand_over_suite(FailedTest { class: name, message, ..FailedTest::default() }, "");
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

    /// A suite that broke beside its tests is a case without a name.
    fn hand_over_suite(&mut self, told: FailedTest, trace: &str) {
        let case = Case { first: Some((Kind::Error, told.message)), cause: told.cause, ..Case::default() };
        let case = Case { class: Some(told.class.clone()), trace: trace.to_owned(), ..case };
        let shown = case.shown_as(told.class, None);
        self.name_failed(shown.failure());
        (self.each)(shown);
    }

    fn name_failed(&mut self, test: FailedTest) {
        if self.report.failed.len() < FAILED_MAX {
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
