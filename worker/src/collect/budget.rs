//! Copying what foreign code left, up to a budget: what is too much, refused, or named in a way that we cannot store is told
//! and left. Only our own disk can stop it.

use std::{
    fs::{self, OpenOptions},
    io::ErrorKind,
    os::unix::fs::{OpenOptionsExt, symlink},
    path::Path,
};

use pipelinex_common::{
    coverage::{Scanned, Skipped},
    disk::DiskError,
    execution::{FailedTest, FindingCounts, TestCounts},
    findings::Finding,
    foreign::{Beneath, ForeignError, Found, Walk, shown},
};

use crate::mask::Mask;

/// How many warnings a step gets; the rest is counted.
const WARNINGS_MAX: usize = 20;
/// How many artifacts are named in the record; all of them are in the folder.
const NAMED_ARTIFACTS_MAX: usize = 200;

/// What was collected.
#[derive(Debug, Default)]
pub struct Collected {
    /// The step's own words about itself.
    pub message: Option<String>,
    /// Whether it says that the project has nothing for it to do.
    pub not_applicable: bool,
    /// What its JUnit reports add up to.
    pub tests: Option<TestCounts>,
    /// How many lines of code its tests reached, in percent.
    pub coverage: Option<f64>,
    /// The first of the tests that failed.
    pub failed_tests: Vec<FailedTest>,
    /// How many of its JUnit reports were there and were not read.
    pub broken_test_reports: u64,
    /// The first of them, and why.
    pub first_broken_test_report: Option<String>,
    /// What its findings add up to.
    pub findings: Option<FindingCounts>,
    /// The findings themselves.
    pub found: Vec<Finding>,
    /// Artifacts, as paths below `artifacts/<step>/`; of many the first.
    pub artifacts: Vec<String>,
    /// What a person should know; of much the first.
    pub warnings: Vec<String>,
    /// What a scanner tells of its work.
    pub details: Option<serde_json::Map<String, serde_json::Value>>,
    /// How much of the project a scanner of ours read.
    pub scanned: Option<Scanned>,
    /// What it did not read.
    pub skipped: Skipped,
    /// A report that was promised is missing or cannot be believed.
    pub unbelievable: Option<String>,
    /// How many files were copied, reports and artifacts together.
    pub(super) copied: usize,
    told: usize,
    published: usize,
}

impl Collected {
    /// Adds a warning. Past the limit it is only counted, so that no step can make a record that nobody can read.
    pub(crate) fn warn(&mut self, text: impl Into<String>) {
        self.told += 1;
        if self.told <= WARNINGS_MAX {
            self.warnings.push(text.into());
        }
    }

    /// Tells what a walk did not take.
    pub(crate) fn warn_left(&mut self, what: &str, walk: &Walk) {
        for left in &walk.passed_over {
            self.warn(format!("{what}: {left}"));
        }
        self.told += walk.unnamed;
    }

    pub(super) fn add_artifact(&mut self, path: &str) {
        self.published += 1;
        if self.published <= NAMED_ARTIFACTS_MAX {
            self.artifacts.push(path.to_owned());
        }
    }

    /// Says how much was only counted.
    pub(super) fn close(&mut self) {
        if self.published > NAMED_ARTIFACTS_MAX {
            self.warn(format!(
                "{} artifacts were published, the first {NAMED_ARTIFACTS_MAX} are named",
                self.published
            ));
        }
        if self.told > WARNINGS_MAX {
            self.warnings.push(format!("and {} more warnings", self.told - WARNINGS_MAX));
        }
    }
}

/// What came of one file that was to be copied.
pub(super) enum Copied {
    /// It is there.
    Whole,
    /// It was left, and why.
    Left(String),
}

/// How much may still be copied.
pub(super) struct Budget {
    what: &'static str,
    bytes: u64,
    files: u64,
    exhausted: bool,
    keeps_times: bool,
    mask: Mask,
}

impl Budget {
    pub(super) fn new(what: &'static str, bytes: u64, files: u64) -> Self {
        Self { what, bytes, files, exhausted: false, keeps_times: false, mask: Mask::default() }
    }

    /// A copy is as old as what it is of.
    pub(super) fn keeping_times(self) -> Self {
        Self { keeps_times: true, ..self }
    }

    /// What nobody may read is taken out of each copy.
    pub(super) fn masking(self, mask: &Mask) -> Self {
        Self { mask: mask.clone(), ..self }
    }

    /// What it is for.
    pub(super) fn what(&self) -> &'static str {
        self.what
    }

    /// Copies one file if there is room for it.
    pub(super) fn copy(
        &mut self,
        from: &Beneath,
        found: &Found,
        to: &Path,
        collected: &mut Collected,
    ) -> Result<Copied, DiskError> {
        let what = self.what;
        // Before a byte is written: a thousand sparse files of a gibibyte each cost nothing. What is refused counts as a file.
        if self.files == 0 || found.bytes > self.bytes {
            let reason = format!("{} is more than the limit allows", shown(&found.path));
            if !std::mem::replace(&mut self.exhausted, true) {
                collected.warn(format!("not all {what} were collected: {reason}"));
            }
            return Ok(Copied::Left(reason));
        }
        self.files -= 1;
        match self.copy_to(from, found, to) {
            Ok(bytes) => {
                self.mask.file(to)?;
                self.bytes -= bytes;
                collected.copied += 1;
                Ok(Copied::Whole)
            }
            Err(Failed::Ours(error)) => Err(error),
            Err(Failed::Theirs(reason)) => {
                collected.warn(format!("{what}: {reason}"));
                Ok(Copied::Left(reason))
            }
        }
    }

    /// Makes a link, which counts as a file. Says whether it was made.
    pub(super) fn link(
        &mut self,
        path: &str,
        target: &Path,
        to: &Path,
        collected: &mut Collected,
    ) -> Result<bool, DiskError> {
        if self.files == 0 {
            return Ok(false);
        }
        self.files -= 1;
        let failed = |error| Failed::sort(error, path, to);
        let parent = to.parent().map_or(Ok(()), |parent| fs::create_dir_all(parent).map_err(failed));
        match parent.and_then(|()| symlink(target, to).map_err(failed)) {
            Ok(()) => Ok(true),
            Err(Failed::Ours(error)) => Err(error),
            Err(Failed::Theirs(reason)) => {
                collected.warn(format!("{}: {reason}", self.what));
                Ok(false)
            }
        }
    }

    fn copy_to(&self, from: &Beneath, found: &Found, to: &Path) -> Result<u64, Failed> {
        let failed = |error| Failed::sort(error, &found.path, to);
        let source = from.open_found(found).map_err(|error| Failed::of_theirs(error, &found.path, to))?;
        if let Some(parent) = to.parent() {
            fs::create_dir_all(parent).map_err(failed)?;
        }
        // What can be executed stays so: an artifact may be the program that a later step starts.
        let mode = if found.executable { 0o750 } else { 0o640 };
        let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(to).map_err(failed)?;
        let written = source.metadata().and_then(|meta| meta.modified()).ok().filter(|_| self.keeps_times);
        let copied = Beneath::copy(source, &found.path, &mut file, self.bytes).map_err(|error| {
            // Half a file is worth nothing; what cannot be removed goes with the folder of the claim.
            let _ = fs::remove_file(to);
            Failed::of_theirs(error, &found.path, to)
        })?;
        if let Some(written) = written {
            file.set_modified(written).map_err(failed)?;
        }
        Ok(copied)
    }
}

/// Whose fault it is that a file was not copied.
enum Failed {
    Ours(DiskError),
    Theirs(String),
}

impl Failed {
    fn of_theirs(error: ForeignError, path: &str, to: &Path) -> Self {
        match error {
            ForeignError::Io { source, .. } => Self::sort(source, path, to),
            error => Self::Theirs(error.to_string()),
        }
    }

    fn sort(error: std::io::Error, path: &str, to: &Path) -> Self {
        use ErrorKind::{AlreadyExists, InvalidFilename, IsADirectory, NotADirectory};
        match error.kind() {
            // Two names that meet, or one that is too long for us: foreign code chose them.
            AlreadyExists | InvalidFilename | IsADirectory | NotADirectory => {
                Self::Theirs(format!("{} cannot be stored: {error}", shown(path)))
            }
            _ => Self::Ours(DiskError::io("write", to)(error)),
        }
    }
}
