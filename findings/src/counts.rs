//! What reports add up to: findings by severity, test cases by how they ended.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Finding, Severity};

/// What the JUnit reports of a step add up to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TestCounts {
    /// Test cases that ran or were skipped.
    pub tests: u64,
    /// Assertions that did not hold.
    pub failures: u64,
    /// Tests that broke otherwise, and suites that broke beside their tests.
    pub errors: u64,
    /// Tests that were not run.
    pub skipped: u64,
    /// Tests that failed, and passed when they were run again.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub flaky: u64,
    /// Tests that did not fail and whose class is in no source of the project: they are not among `tests`.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub unknown: u64,
}

impl TestCounts {
    /// How many did not pass.
    pub fn failed(&self) -> u64 {
        self.failures.saturating_add(self.errors)
    }

    /// Both together.
    #[must_use]
    pub fn plus(&self, other: &Self) -> Self {
        Self {
            tests: self.tests.saturating_add(other.tests),
            failures: self.failures.saturating_add(other.failures),
            errors: self.errors.saturating_add(other.errors),
            skipped: self.skipped.saturating_add(other.skipped),
            flaky: self.flaky.saturating_add(other.flaky),
            unknown: self.unknown.saturating_add(other.unknown),
        }
    }

    /// In words: `3 tests, 1 failed`.
    pub fn words(&self) -> String {
        let mut words = if self.tests == 1 { "1 test".to_owned() } else { format!("{} tests", self.tests) };
        for (count, word) in [
            (self.failures, "failed"),
            (self.errors, "broken"),
            (self.skipped, "skipped"),
            (self.flaky, "passed only when run again"),
            (self.unknown, "not counted (class in no source)"),
        ] {
            if count > 0 {
                words.push_str(&format!(", {count} {word}"));
            }
        }
        words
    }
}

/// A test case that failed or broke.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FailedTest {
    /// Its class, or its suite where it names none.
    pub class: String,
    /// Its name; empty for a suite that broke beside its tests.
    pub name: String,
    /// The first line of what it says.
    pub message: String,
    /// The last `Caused by` of its stack trace, where it has one that says more.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub cause: String,
}

impl FailedTest {
    /// Class and name, as people call it: `GreeterTest.greets`.
    pub fn title(&self) -> String {
        // A package is left out where the class has one, and only there: a suite may be named by a sentence or a path.
        let plain = !self.class.contains(|c: char| c.is_whitespace() || matches!(c, '/' | '\\' | ':'));
        let class = self.class.rsplit('.').next().filter(|last| plain && !last.is_empty()).unwrap_or(&self.class);
        match (class.is_empty(), self.name.is_empty()) {
            (true, _) => self.name.clone(),
            (_, true) => class.to_owned(),
            _ => format!("{class}.{}", self.name),
        }
    }

    /// What it says, and what that was caused by in the end; may be empty.
    pub fn said(&self) -> String {
        match (self.message.is_empty(), self.cause.is_empty()) {
            (_, true) => self.message.clone(),
            (true, false) => format!("caused by {}", self.cause),
            (false, false) => format!("{} (caused by {})", self.message, self.cause),
        }
    }

    /// In words: `GreeterTest.greets: expected: <a> but was: <b>`.
    pub fn words(&self) -> String {
        let said = self.said();
        if said.is_empty() { self.title() } else { format!("{}: {said}", self.title()) }
    }
}

/// Results of a scanner that are not findings, and why not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct SetAside {
    /// Somebody suppressed them, and the suppression is accepted.
    #[serde(skip_serializing_if = "is_zero")]
    pub suppressed: u64,
    /// The tool could not decide whether there is a problem.
    #[serde(skip_serializing_if = "is_zero")]
    pub undecided: u64,
    /// They were there in an earlier run, and are gone.
    #[serde(skip_serializing_if = "is_zero")]
    pub absent: u64,
    /// The tool says that there is no problem.
    #[serde(skip_serializing_if = "is_zero")]
    pub passed: u64,
    /// They say word for word what another says of the same place.
    #[serde(skip_serializing_if = "is_zero")]
    pub repeated: u64,
    /// People decided that they are lived with, or are none, and that holds.
    #[serde(skip_serializing_if = "is_zero")]
    pub accepted: u64,
}

impl SetAside {
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Both together.
    #[must_use]
    pub fn plus(&self, other: &Self) -> Self {
        Self {
            suppressed: self.suppressed + other.suppressed,
            undecided: self.undecided + other.undecided,
            absent: self.absent + other.absent,
            passed: self.passed + other.passed,
            repeated: self.repeated + other.repeated,
            accepted: self.accepted + other.accepted,
        }
    }

    /// Those that a person should know of, in words: `2 suppressed, 1 undecided`. Empty where there are none.
    pub fn words(&self) -> String {
        named(&[(self.accepted, "accepted"), (self.suppressed, "suppressed"), (self.undecided, "undecided")])
    }
}

/// How many findings a step published, by severity.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FindingCounts {
    /// Severity critical.
    pub critical: u64,
    /// Severity high.
    pub high: u64,
    /// Severity medium.
    pub medium: u64,
    /// Severity low.
    pub low: u64,
    /// None of these.
    pub info: u64,
    /// What scanners reported besides, and what is no finding.
    #[serde(default, skip_serializing_if = "SetAside::is_empty")]
    pub set_aside: SetAside,
}

impl FindingCounts {
    /// All of them.
    pub fn total(&self) -> u64 {
        self.by_severity().iter().map(|(_, count)| count).sum()
    }

    /// With the words for the severities, the worst first.
    pub fn by_severity(&self) -> [(&'static str, u64); 5] {
        let Self { critical, high, medium, low, info, .. } = *self;
        [("critical", critical), ("high", high), ("medium", medium), ("low", low), ("info", info)]
    }

    /// Both together.
    #[must_use]
    pub fn plus(&self, other: &Self) -> Self {
        Self {
            critical: self.critical + other.critical,
            high: self.high + other.high,
            medium: self.medium + other.medium,
            low: self.low + other.low,
            info: self.info + other.info,
            set_aside: self.set_aside.plus(&other.set_aside),
        }
    }

    /// In words, the worst first: `1 high, 3 low`. Empty where there are none.
    pub fn words(&self) -> String {
        named(&self.by_severity().map(|(word, count)| (count, word)))
    }
}

/// Counts findings by severity.
pub fn count(findings: &[Finding]) -> FindingCounts {
    let mut counts = FindingCounts::default();
    for finding in findings {
        *match finding.severity {
            Severity::Critical => &mut counts.critical,
            Severity::High => &mut counts.high,
            Severity::Medium => &mut counts.medium,
            Severity::Low => &mut counts.low,
            Severity::Info => &mut counts.info,
        } += 1;
    }
    counts
}

fn named(counts: &[(u64, &str)]) -> String {
    let words = counts.iter().filter(|(count, _)| *count > 0).map(|(count, word)| format!("{count} {word}"));
    words.collect::<Vec<_>>().join(", ")
}

fn is_zero(count: &u64) -> bool {
    *count == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_of_an_older_program_are_read_and_written_as_it_wrote_them() {
        let old = r#"{"tests":5,"failures":0,"errors":0,"skipped":1}"#;
        assert_eq!(serde_json::to_string(&serde_json::from_str::<TestCounts>(old).unwrap()).unwrap(), old);
        for old in [
            r#"{"critical":0,"high":1,"medium":0,"low":2,"info":0}"#,
            r#"{"critical":0,"high":1,"medium":0,"low":2,"info":0,"set_aside":{"suppressed":3}}"#,
        ] {
            assert_eq!(serde_json::to_string(&serde_json::from_str::<FindingCounts>(old).unwrap()).unwrap(), old);
        }
    }

    #[test]
    fn counts_are_said_in_words() {
        let tests = TestCounts { tests: 3, failures: 1, unknown: 2, ..TestCounts::default() };
        assert_eq!(tests.words(), "3 tests, 1 failed, 2 not counted (class in no source)");
        assert_eq!(
            TestCounts { tests: 1, errors: 1, flaky: 1, ..tests }.plus(&tests).words().matches("4 tests").count(),
            1
        );
        let found = FindingCounts { high: 2, info: 1, ..FindingCounts::default() };
        assert_eq!((found.words().as_str(), found.plus(&found).total()), ("2 high, 1 info", 6));
    }

    #[test]
    fn a_failed_test_is_called_as_people_call_it() {
        let title = |class: &str, name: &str| {
            FailedTest { class: class.to_owned(), name: name.to_owned(), ..FailedTest::default() }.title()
        };
        assert_eq!(title("com.example.GreeterTest", "greets"), "GreeterTest.greets");
        assert_eq!(title("com.example.GreeterTest$Inner", "greets"), "GreeterTest$Inner.greets");
        assert_eq!(title("src/greeter.test.ts", "greets"), "src/greeter.test.ts.greets");
        assert_eq!(title("A greeter. It greets.", "all"), "A greeter. It greets..all");
        assert_eq!(title("", "greets"), "greets");
        assert_eq!(title("com.example.GreeterTest", ""), "GreeterTest");
    }
}
