//! The test reports that a step left in its tree: which of them are its own, what they add up to, and which tests failed.
//!
//! A project may have submitted reports with its source, or kept those of an earlier step: what is older than the step says
//! nothing about it. And a report may name tests of classes that nobody wrote: those are told apart, see [`classes`].

mod classes;

use std::{collections::BTreeMap, path::Path, time::SystemTime};

use pipelinex_common::{
    disk::{self, DiskError},
    execution::{FailedTest, TestCounts},
    findings,
    foreign::{Beneath, Found, shown, shown_up_to},
};

use super::{Collected, Collector, ENTRIES_PER_FILE, PARSED_MAX, artifacts::globs, budget::Budget};
use crate::tree;

/// How many failed tests a record names.
const FAILED_MAX: usize = 50;
/// Longest name of a class or test in a record, in characters.
const NAME_MAX: usize = 150;
/// Longest message of a failed test in a record, in characters.
const MESSAGE_MAX: usize = 200;
/// How many files or classes are named in a warning.
const NAMED_MAX: usize = 3;

/// What the reports read so far come to.
#[derive(Default)]
struct Tests {
    counts: TestCounts,
    failed: Vec<FailedTest>,
    classes: BTreeMap<String, TestCounts>,
    read: usize,
    /// Reports that cannot be read.
    broken: u64,
    /// Reports that were there before the step began.
    old: Vec<String>,
}

impl Collector<'_> {
    /// Keeps and counts the JUnit reports that the definition promises, however the step ended.
    pub(super) fn gather_tests(&self, aside: &Path, collected: &mut Collected) -> Result<(), DiskError> {
        let patterns = &self.step.artifacts.junit;
        if patterns.is_empty() {
            return Ok(());
        }
        let Some(junit) = globs(patterns) else {
            collected.warn("a pattern of JUnit reports cannot be read; no tests were counted");
            return Ok(());
        };
        let limit = ENTRIES_PER_FILE * self.limits.collected_files as usize;
        let opened = tree::open(self.paths, self.tree_owner, self.trees);
        let walked = opened.and_then(|tree| {
            tree.walk_for(limit, &|path| junit.is_match(path) || classes::is_source(path)).map(|walk| (tree, walk))
        });
        let (tree, walk) = match walked {
            Ok(both) => both,
            Err(error) => {
                collected.warn(format!("no tests were counted: {error}"));
                return Ok(());
            }
        };
        if walk.cut {
            collected.warn("the tree has more files than are looked through for test reports");
        }
        let began = tree::begun_at(self.paths, self.tree_owner, &self.step.slug);
        let left = walk.passed_over.iter().map(|left| (&left.path, left.reason.as_str()));
        let links = walk.links.iter().map(|link| (link, "it is a link"));
        for (path, reason) in left.chain(links).filter(|(path, _)| junit.is_match(path)) {
            collected.warn(format!("JUnit reports: {}: {reason}", shown(path)));
        }
        let mut tests = Tests::default();
        let mut budget = Budget::new("JUnit reports", self.limits.report_bytes, self.limits.collected_files);
        for (number, found) in walk.files.iter().enumerate().filter(|(_, found)| junit.is_match(&found.path)) {
            if is_older(&tree, found, began) {
                tests.old.push(shown(&found.path));
                continue;
            }
            let to = aside.join("reports/junit").join(name_of_copy(number, &found.path));
            if budget.copy(&tree, found, &to, collected)? {
                tests.read(&to, &found.path, collected);
            }
        }
        let sources = walk.files.iter().map(|found| found.path.as_str()).filter(|path| !junit.is_match(path));
        tests.tell_apart(&classes::unknown(&tests.classes, &tree, sources), collected);
        tests.finish(collected);
        Ok(())
    }
}

impl Tests {
    fn read(&mut self, copy: &Path, path: &str, collected: &mut Collected) {
        let text = disk::read_file(copy, PARSED_MAX).map_err(|error| error.to_string());
        let report = text.and_then(|text| {
            findings::junit::parse(&text.unwrap_or_default()).map_err(|error| format!("{}: {error}", shown(path)))
        });
        match report {
            Err(error) => {
                self.broken += 1;
                collected.warn(error);
            }
            Ok(report) => {
                self.read += 1;
                self.counts = self.counts.plus(&report.counts);
                let room = FAILED_MAX.saturating_sub(self.failed.len());
                self.failed.extend(report.failed.into_iter().take(room).map(safe_to_show));
                for (class, counts) in report.classes {
                    let sum = self.classes.entry(class).or_default();
                    *sum = sum.plus(&counts);
                }
            }
        }
    }

    /// Takes the tests of classes that are in no source out of the sums. Those that failed stay: nobody invents these.
    fn tell_apart(&mut self, unknown: &[String], collected: &mut Collected) {
        let of_unknown = unknown.iter().filter_map(|class| self.classes.get(class));
        let apart = of_unknown.fold(TestCounts::default(), |sum, counts| sum.plus(counts));
        if apart.tests == 0 {
            return;
        }
        self.counts.tests -= apart.tests;
        self.counts.skipped -= apart.skipped;
        self.counts.flaky -= apart.flaky;
        self.counts.unknown = apart.tests;
        collected.warn(format!(
            "{} of the reported tests are not counted: their classes are in no source of the project ({})",
            apart.tests,
            first_of(unknown)
        ));
    }

    fn finish(self, collected: &mut Collected) {
        if !self.old.is_empty() {
            let (number, names) = (self.old.len(), first_of(&self.old));
            collected.warn(format!("{number} JUnit reports are older than this step and were not counted: {names}"));
        }
        if self.read + usize::try_from(self.broken).unwrap_or(usize::MAX) > 0 {
            collected.tests = Some(self.counts);
        }
        collected.failed_tests = self.failed;
        collected.broken_test_reports = self.broken;
    }
}

/// Whether a file was written before the step began. Both times are of the same file system and so of one clock; what has the
/// time of the beginning itself is not older, however coarse that clock is. Where the beginning is not known, nothing is old.
fn is_older(tree: &Beneath, found: &Found, began: Option<SystemTime>) -> bool {
    let written = || tree.open_found(found).ok()?.metadata().ok()?.modified().ok();
    began.is_some_and(|began| written().is_some_and(|written| written < began))
}

fn safe_to_show(test: FailedTest) -> FailedTest {
    FailedTest {
        class: shown_up_to(&test.class, NAME_MAX),
        name: shown_up_to(&test.name, NAME_MAX),
        message: shown_up_to(&test.message, MESSAGE_MAX),
    }
}

fn first_of(names: &[String]) -> String {
    let named: Vec<String> = names.iter().take(NAMED_MAX).map(|name| shown(name)).collect();
    let more = names.len().saturating_sub(NAMED_MAX);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    format!("{}{more}", named.join(", "))
}

/// A name of our own for a copy, with enough of the other one to know it again: two folders may hold files of one name.
fn name_of_copy(number: usize, path: &str) -> String {
    let last = path.rsplit('/').next().unwrap_or(path);
    let (stem, cut) = last.strip_suffix(".xml").map_or((last, ""), |stem| (stem, ".xml"));
    let stem: String = stem.chars().take(60).collect();
    format!("{number}-{stem}{cut}")
}
