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
    humanize::counted,
    limits::MIB,
};

use super::{
    Collected, Collector, ENTRIES_PER_FILE, PARSED_MAX,
    artifacts::globs,
    budget::{Budget, Copied},
};
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
    /// Reports that were there and were not read.
    broken: u64,
    /// The first of them, and why.
    first_broken: Option<String>,
    /// Reports that were there before the step began.
    old: Vec<String>,
}

impl Collector<'_> {
    /// Keeps and counts the JUnit reports that the definition promises, however the step ended.
    pub(super) fn gather_tests(
        &self,
        aside: &Path,
        succeeded: bool,
        collected: &mut Collected,
    ) -> Result<(), DiskError> {
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
        let mut tests = Tests::default();
        if walk.cut {
            let why = "the tree has more files than are looked through for test reports";
            collected.warn(why);
            tests.lose(why.to_owned());
        }
        let began = tree::begun_at(self.paths, self.tree_owner, &self.step.slug);
        for left in walk.passed_over.iter().filter(|left| junit.is_match(&left.path)) {
            let why = format!("{}: {}", shown(&left.path), left.reason);
            collected.warn(format!("JUnit reports: {why}"));
            tests.lose(why);
        }
        // What a link leads to is a report of its own where it matches a pattern.
        let links: Vec<_> = walk.links.iter().filter(|link| junit.is_match(link)).collect();
        for link in &links {
            collected.warn(format!("JUnit reports: {}: it is a link", shown(link)));
        }
        let mut budget =
            Budget::new("JUnit reports", self.limits.report_bytes, self.limits.collected_files).masking(&self.mask);
        for (number, found) in walk.files.iter().enumerate().filter(|(_, found)| junit.is_match(&found.path)) {
            if is_older(&tree, found, began) {
                tests.old.push(shown(&found.path));
                continue;
            }
            let to = aside.join("reports/junit").join(name_of_copy(number, &found.path));
            match budget.copy(&tree, found, &to, collected)? {
                Copied::Whole => tests.read(&to, found, collected),
                Copied::Left(why) => tests.lose(why),
            }
        }
        let sources = walk.files.iter().map(|found| found.path.as_str()).filter(|path| !junit.is_match(path));
        let nothing = tests.read == 0 && tests.broken == 0 && tests.old.is_empty() && links.is_empty();
        if nothing
            && succeeded
            && let Some(test) = sources.clone().find(|path| classes::is_test(path) && self.is_built(path))
        {
            let promised = patterns.join(", ");
            let test = shown(test);
            collected.warn(format!("no test was counted: no file matches {promised}, though there are tests ({test})"));
        }
        tests.tell_apart(&classes::unknown(&tests.classes, &tree, sources), collected);
        tests.finish(collected);
        Ok(())
    }
}

impl Collector<'_> {
    /// Whether a file lies in the folder that is built: tests of another are not run.
    fn is_built(&self, path: &str) -> bool {
        self.folder.is_none_or(|folder| folder.strip(path).is_some())
    }
}

impl Tests {
    /// Remembers that a report was not read: tests that failed may be in it.
    fn lose(&mut self, why: String) {
        self.broken += 1;
        self.first_broken.get_or_insert(why);
    }

    fn read(&mut self, copy: &Path, found: &Found, collected: &mut Collected) {
        let report = match disk::read_file(copy, PARSED_MAX) {
            _ if found.bytes > PARSED_MAX => {
                Err(format!("it is larger than the {} MiB that are read", PARSED_MAX / MIB))
            }
            Ok(text) => findings::junit::parse(&text.unwrap_or_default()).map_err(|error| error.to_string()),
            Err(error) => Err(error.to_string()),
        };
        match report {
            Err(error) => {
                let why = format!("{}: {error}", shown(&found.path));
                collected.warn(why.clone());
                self.lose(why);
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
            let number = counted(u64::try_from(self.old.len()).unwrap_or(u64::MAX), "JUnit report");
            let (are, were) = if self.old.len() == 1 { ("is", "was") } else { ("are", "were") };
            let names = first_of(&self.old);
            collected.warn(format!("{number} {are} older than this step and {were} not counted: {names}"));
        }
        if self.read + usize::try_from(self.broken).unwrap_or(usize::MAX) > 0 {
            collected.tests = Some(self.counts);
        }
        collected.failed_tests = self.failed;
        collected.broken_test_reports = self.broken;
        collected.first_broken_test_report = self.first_broken;
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
        cause: shown_up_to(&test.cause, MESSAGE_MAX),
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
