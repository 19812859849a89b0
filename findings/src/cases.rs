//! One test as people see it: what it is called, how it ended, where, and what it said.

use std::sync::LazyLock;

use regex::Regex;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{FailedTest, redact, terminal};

/// Longest part of a stack trace that is kept, in characters; its beginning.
pub(crate) const TRACE_MAX: usize = 6_000;
/// Longest part of what a test printed that is kept, in characters; its end.
pub(crate) const OUTPUT_MAX: usize = 3_000;

/// How a test ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum TestState {
    /// An assertion did not hold.
    Failed,
    /// It broke otherwise, or its suite broke beside its tests.
    Error,
    /// It failed, and passed when it was run again.
    Flaky,
    /// It was not run.
    Skipped,
    /// It passed.
    Passed,
}

impl TestState {
    /// Every state, the worst first.
    pub const ALL: [Self; 5] = [Self::Failed, Self::Error, Self::Flaky, Self::Skipped, Self::Passed];

    /// The word on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Failed => "failed",
            Self::Error => "error",
            Self::Flaky => "flaky",
            Self::Skipped => "skipped",
            Self::Passed => "passed",
        }
    }
}

/// One test case. Its texts are bounded, hold no control characters but tabs and line ends, and no secrets as far as their form
/// gives them away.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TestCase {
    /// Its class, or its suite where it names none.
    pub class: String,
    /// Its name; empty for a suite that broke beside its tests.
    pub name: String,
    /// The suite that it stands in.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub suite: String,
    /// How it ended.
    pub state: TestState,
    /// How long it took, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duration_ms: Option<u64>,
    /// The file it is in, as the report or its stack trace names it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// The line of that file, from 1: where it failed, or else where it begins.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<u64>,
    /// The first line of what it says: why it failed, or why it was not run.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub message: String,
    /// The last `Caused by` of its stack trace, where that says more.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub cause: String,
    /// The beginning of what stands in its failure, mostly a stack trace.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub trace: String,
    /// The end of what it printed, where it did not pass.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub output: String,
    /// How often it was run again.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub reruns: u64,
}

impl TestCase {
    /// What a record says of a test that did not pass.
    pub fn failure(&self) -> FailedTest {
        FailedTest {
            class: self.class.clone(),
            name: self.name.clone(),
            message: self.message.clone(),
            cause: self.cause.clone(),
        }
    }

    /// Class and name, as people call it: `GreeterTest.greets`.
    pub fn title(&self) -> String {
        self.failure().title()
    }

    /// Whether it did not pass.
    pub fn has_failed(&self) -> bool {
        matches!(self.state, TestState::Failed | TestState::Error)
    }

    /// The file with its line: `OrderServiceTest.java:48`.
    pub fn place(&self) -> Option<String> {
        let file = self.file.as_ref()?;
        Some(self.line.map_or_else(|| file.clone(), |line| format!("{file}:{line}")))
    }
}

fn is_zero(count: &u64) -> bool {
    *count == 0
}

/// A foreign text for a case: nothing that a terminal obeys, no secret, no more than so many characters of its beginning.
pub(crate) fn clean(text: &str, most: usize) -> String {
    let plain = terminal::plain(text);
    let text = redact(plain.trim_end());
    match text.char_indices().nth(most) {
        Some((end, _)) => format!("{} ...", &text[..end]),
        None => text.into_owned(),
    }
}

/// The same of its end.
pub(crate) fn clean_end(text: &str, most: usize) -> String {
    let plain = terminal::plain(text);
    let text = redact(plain.trim());
    let count = text.chars().count();
    if count <= most {
        return text.into_owned();
    }
    let end: String = text.chars().skip(count - most).collect();
    // A line of which the beginning is gone says less than none.
    format!("...\n{}", end.split_once('\n').map_or(end.as_str(), |(_, whole)| whole))
}

static PLACE: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(r"([\w./@$+\\-]+\.(?:java|kt|kts|groovy|scala|py|go|js|jsx|ts|tsx|mjs|cjs|mts|rs|rb|cs|php|swift|c|cc|cpp)):(\d{1,7})\b").ok()
});

/// What of a path says that no test of the project is there.
const NOT_OURS: [&str; 6] = ["node_modules/", "site-packages/", "dist-packages/", "node:", "/usr/lib/", "internal/"];

/// Where in its own source a test failed, by its stack trace: the frame of its class, else the last that the runner marks as
/// such (pytest), else the first that is no library's.
pub(crate) fn place(trace: &str, class: &str) -> Option<(String, u64)> {
    let pattern = PLACE.as_ref()?;
    let frames = trace.lines().filter(|line| !NOT_OURS.iter().any(|part| line.contains(part)));
    let mut frames = frames.filter_map(|line| {
        let found = pattern.captures(line)?;
        Some((line, own_path(&found[1]), found[2].parse::<u64>().ok()?))
    });
    let simple = class.rsplit(['.', '$', '/']).next().unwrap_or(class);
    let of_class = |line: &str, file: &str| {
        let stem = file.rsplit('/').next().unwrap_or(file).split('.').next().unwrap_or(file);
        !class.is_empty() && (line.contains(&format!("{class}.")) || stem == simple || class.contains(file))
    };
    let first = frames.next()?;
    if of_class(first.0, &first.1) {
        return Some((first.1, first.2));
    }
    let rest: Vec<_> = frames.collect();
    let marked = |line: &str| line.trim_end().ends_with("Error") || line.contains(": AssertionError");
    let chosen = rest.iter().find(|(line, file, _)| of_class(line, file));
    let chosen = chosen.or(rest.iter().rev().find(|(line, ..)| marked(line))).unwrap_or(&first);
    Some((chosen.1.clone(), chosen.2))
}

/// A path as the project calls it: without the folder that it is mounted at, and without the scheme of a file.
pub(crate) fn own_path(path: &str) -> String {
    let path = path.strip_prefix("//").unwrap_or(path);
    let folders = ["/app/", "/home/runner/app/"];
    folders.iter().find_map(|folder| path.strip_prefix(folder)).unwrap_or(path).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_place_of_a_failure_is_in_the_test_and_not_in_a_library() {
        let of = |trace: &str, class: &str| place(trace, class).map(|(file, line)| format!("{file}:{line}"));
        let java = "org.opentest4j.AssertionFailedError: expected: <1>\n\tat org.junit.jupiter.api.AssertEquals.fail(AssertEquals.java:182)\n\
                    \tat dev.shop.OrderServiceTest.total(OrderServiceTest.java:48)";
        assert_eq!(of(java, "dev.shop.OrderServiceTest").as_deref(), Some("OrderServiceTest.java:48"));
        let pytest = "def test_total():\n>       assert total() == 3\nE       assert 2 == 3\n\ntests/test_total.py:7: AssertionError";
        assert_eq!(of(pytest, "tests.test_total").as_deref(), Some("tests/test_total.py:7"));
        let node = "AssertionError: 2 !== 3\n    at ok (node:assert:399:5)\n    at x (/app/node_modules/a/b.js:1:1)\n    at TestContext.<anonymous> (file:///app/test/total.test.js:9:10)";
        assert_eq!(of(node, "total").as_deref(), Some("test/total.test.js:9"));
        assert_eq!(of("    total_test.go:12: got 2, want 3", "shop").as_deref(), Some("total_test.go:12"));
        assert_eq!(of("no place", "a"), None);
    }

    #[test]
    fn texts_are_bounded_at_the_end_that_says_less() {
        assert_eq!(clean("\u{1b}[31mabc\u{1b}[0m  \n", 2), "ab ...");
        assert_eq!(clean_end("one\ntwo\nthree", 7), "...\nthree");
        assert_eq!(clean_end(" all \n", 7), "all");
    }
}
