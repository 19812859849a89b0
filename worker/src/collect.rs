//! What a step leaves: gathered aside in a folder of the claim, made durable, and published by one rename each.
//!
//! Everything read here was written or named by foreign code, so all of it goes through `common::foreign`. The verdict is
//! not in it: that is the engine's exit code, and a report can only add detail.

mod artifacts;
mod budget;
mod code_coverage;
pub(crate) mod dotenv;
mod findings;
mod junit;
mod lines;
mod result;

use std::{
    fs,
    path::{Path, PathBuf},
};

use pipelinex_common::{
    disk::{self, DiskError},
    execution::StepRecord,
    folder::Folder,
    foreign::{Beneath, ForeignError, shown},
    layout::JobPaths,
    limits::StepLimits,
    pipeline::model::{Step, StepKind},
    slug::Slug,
};

pub(crate) use self::artifacts::{Kept, globs, in_set, keep_all};
use self::budget::Budget;
pub use self::budget::Collected;

use crate::{mask::Mask, services, spec::TreeKind, verdict::Voice};

/// The largest report that is parsed, in bytes; a larger one is kept and not counted.
const PARSED_MAX: u64 = 32 * 1024 * 1024;
/// How many entries are looked at for each file that may be collected: a tree has many more files than are kept.
const ENTRIES_PER_FILE: usize = 50;
/// Names below a stage's report folder that are ours.
const OURS: [&str; 4] = ["result.json", "findings.json", "junit", dotenv::FILE];

/// What a step is collected with.
pub struct Collector<'a> {
    /// The job's files.
    pub paths: &'a JobPaths,
    /// The step.
    pub step: &'a Step,
    /// The step whose tree it worked in.
    pub tree_owner: &'a Slug,
    /// How trees are made here.
    pub trees: TreeKind,
    /// The folder of the project that is built; `None`: its top.
    pub folder: Option<&'a Folder>,
    /// Where its reports belong, below `reports/`.
    pub reports_to: PathBuf,
    /// Where its artifacts belong.
    pub artifacts_to: PathBuf,
    /// What may be collected.
    pub limits: &'a StepLimits,
    /// The number of the claim.
    pub claim: u64,
    /// How far the step's own words are believed.
    pub voice: Voice,
    /// The folder with the logs of what ran beside the step, if anything did.
    pub beside: Option<PathBuf>,
    /// What nobody may read in its reports, and in the logs of what ran beside it.
    pub mask: Mask,
}

impl Collector<'_> {
    /// Gathers reports and artifacts aside. Nothing is published yet: the verdict may still depend on what is found.
    ///
    /// # Errors
    /// [`DiskError`] when our own files cannot be written.
    pub fn gather(&self, succeeded: bool) -> Result<Collected, DiskError> {
        let aside = self.aside();
        let _ = fs::remove_dir_all(&aside);
        fs::create_dir_all(aside.join("reports")).map_err(DiskError::io("make the folder", &aside))?;
        let mut collected = Collected::default();
        self.gather_reports(&aside.join("reports"), &mut collected)?;
        self.gather_logs(&aside.join("reports"), &mut collected)?;
        if self.step.kind == StepKind::Normal {
            self.gather_from_tree(&aside, succeeded, &mut collected)?;
            self.gather_tests(&aside, succeeded, &mut collected)?;
            self.gather_coverage(&mut collected);
            self.gather_variables(&aside.join("reports"), succeeded, &mut collected)?;
        }
        self.read_findings(&aside.join("reports"), succeeded, &mut collected)?;
        if collected.copied > 0 {
            // One call for the folders and files of all that was gathered.
            disk::sync_file_system(&aside)?;
        }
        collected.close();
        Ok(collected)
    }

    /// Publishes what was gathered, with the result that the step has in the end.
    ///
    /// # Errors
    /// [`DiskError`].
    pub fn publish(&self, record: &StepRecord, collected: &Collected) -> Result<(), DiskError> {
        let aside = self.aside();
        self.place_result(record, collected)?;
        let reports = aside.join("reports");
        // A stage of several steps has a folder for them, whose own name must last, too.
        if let Some(parent) = self.reports_to.parent().filter(|parent| *parent != self.paths.reports()) {
            disk::make_dir(parent, 0o2750)?;
            disk::sync_dir(&self.paths.reports())?;
        }
        publish(&reports, &self.reports_to)?;
        pipelinex_common::fault_point!("worker.mid-collect");
        let artifacts = aside.join("artifacts");
        if artifacts.exists() {
            publish(&artifacts, &self.artifacts_to)?;
        }
        fs::remove_dir_all(&aside).map_err(DiskError::io("remove", &aside))
    }

    fn aside(&self) -> PathBuf {
        self.paths.collecting(self.claim).join(self.step.slug.as_str())
    }

    /// The step's own folder of the outbox, and in it only the folder of its own stage: what it writes elsewhere is nobody's
    /// report.
    fn gather_reports(&self, to: &Path, collected: &mut Collected) -> Result<(), DiskError> {
        let opened = Beneath::open(&self.paths.outbox_of(&self.step.slug));
        let limit = ENTRIES_PER_FILE * self.limits.collected_files as usize;
        let (outbox, walk) = match opened.and_then(|outbox| outbox.walk(limit).map(|walk| (outbox, walk))) {
            Ok(both) => both,
            // The step got no further than that.
            Err(ForeignError::Missing(_)) => return Ok(()),
            Err(error) => {
                collected.warn(format!("no reports were collected: {error}"));
                return Ok(());
            }
        };
        if walk.cut {
            collected.warn("there are more report files than are looked through");
        }
        collected.warn_left("reports", &walk);
        for link in &walk.links {
            collected.warn(format!("reports: {}: it is a link", shown(link)));
        }
        let stage = format!("{}/", Slug::of(&self.step.stage));
        let mut budget =
            Budget::new("reports", self.limits.report_bytes, self.limits.collected_files).masking(&self.mask);
        for found in &walk.files {
            match found.path.strip_prefix(&stage) {
                // Ours is written when the verdict is known.
                Some("result.json") => {
                    let read = outbox.read(&found.path, result::RESULT_MAX);
                    self.take_result(read.map(|bytes| self.mask.bytes(&bytes)), collected);
                }
                Some(path) if path.split('/').next().is_some_and(|first| self.is_ours(first)) => {
                    collected.warn(format!("reports: {} has a name that is ours and was left", shown(&found.path)));
                }
                Some(path) => _ = budget.copy(&outbox, found, &to.join(path), collected)?,
                None => collected.warn(format!(
                    "reports: {} is outside of the stage's own folder {stage} and was left",
                    shown(&found.path)
                )),
            }
        }
        Ok(())
    }

    fn is_ours(&self, name: &str) -> bool {
        OURS.contains(&name) || (self.beside.is_some() && services::is_log(name))
    }

    /// What the application, its database and services printed.
    fn gather_logs(&self, to: &Path, collected: &mut Collected) -> Result<(), DiskError> {
        let Some(beside) = &self.beside else { return Ok(()) };
        let entries = fs::read_dir(beside).map_err(DiskError::io("list", beside))?;
        for entry in entries {
            let log = entry.map_err(DiskError::io("list", beside))?;
            self.mask.file(&log.path())?;
            fs::rename(log.path(), to.join(log.file_name())).map_err(DiskError::io("move", log.path()))?;
            collected.copied += 1;
        }
        Ok(())
    }
}

/// Publishes a folder, never over anything: what a former holder published stays and counts.
fn publish(from: &Path, to: &Path) -> Result<(), DiskError> {
    disk::sync_dir(from)?;
    if !disk::publish(from, to)? {
        tracing::debug!(path = %to.display(), "was published already");
    }
    Ok(())
}
