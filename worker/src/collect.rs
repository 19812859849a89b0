//! What a step leaves: gathered aside in a folder of the claim, made durable, and published by one rename each.
//!
//! Everything read here was written or named by foreign code, so all of it goes through `common::foreign`. The verdict is
//! not in it: that is the engine's exit code, and a report can only add detail.

mod budget;

use std::{
    fs,
    path::{Path, PathBuf},
};

use globset::{GlobBuilder, GlobSet, GlobSetBuilder};
use pipelinex_common::{
    disk::{self, DiskError},
    execution::{FindingCounts, StepRecord, TestCounts},
    findings::{self, Finding},
    foreign::{Beneath, shown},
    layout::JobPaths,
    limits::StepLimits,
    pipeline::model::{ArtifactsWhen, FindingsFormat, Step, StepKind},
    slug::Slug,
    state::StepState,
};
use serde::{Deserialize, Serialize};

use self::budget::Budget;
pub use self::budget::Collected;

use crate::spec::{APP_DIR, TreeKind};

/// The largest report that is parsed, in bytes; a larger one is kept and not counted.
const PARSED_MAX: u64 = 32 * 1024 * 1024;
/// How many entries are looked at for each file that may be collected: a tree has many more files than are kept.
const ENTRIES_PER_FILE: usize = 50;
/// Names below a stage's report folder that are ours.
const OURS: [&str; 3] = ["result.json", "findings.json", "junit"];
/// The largest `result.json` that is read, in bytes.
const RESULT_MAX: u64 = 64 * 1024;

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
    /// Where its reports belong, below `reports/`.
    pub reports_to: PathBuf,
    /// What may be collected.
    pub limits: &'a StepLimits,
    /// The number of the claim.
    pub claim: u64,
}

/// result.json as a step may write it: detail, never the verdict.
#[derive(Debug, Default, Deserialize)]
struct SelfReported {
    message: Option<String>,
}

/// result.json as it is published.
#[derive(Debug, Serialize)]
struct PublishedResult<'a> {
    stage: &'a str,
    status: StepState,
    duration_ms: u64,
    message: &'a str,
    step: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    exit_code: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tests: Option<TestCounts>,
    #[serde(skip_serializing_if = "Option::is_none")]
    findings: Option<FindingCounts>,
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
        if self.step.kind == StepKind::Normal {
            self.gather_from_tree(&aside, succeeded, &mut collected)?;
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
    pub fn publish(&self, record: &StepRecord) -> Result<(), DiskError> {
        let aside = self.aside();
        let result = PublishedResult {
            stage: &self.step.stage,
            status: record.status,
            duration_ms: record.duration_ms.unwrap_or(0),
            message: &record.message,
            step: &self.step.name,
            reason: record.reason.map(pipelinex_common::state::Reason::as_str),
            exit_code: record.exit_code,
            tests: record.tests,
            findings: record.findings,
        };
        let reports = aside.join("reports");
        disk::place_json(&reports.join("result.json"), &result)?;
        if let Some(parent) = self.reports_to.parent().filter(|parent| !parent.exists()) {
            disk::make_dir(parent, 0o2750)?;
        }
        publish(&reports, &self.reports_to)?;
        let artifacts = aside.join("artifacts");
        if artifacts.exists() {
            publish(&artifacts, &self.paths.artifacts_of(&self.step.slug))?;
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
            Err(error) => {
                collected.warn(format!("no reports were collected: {error}"));
                return Ok(());
            }
        };
        if walk.cut {
            collected.warn("there are more report files than are looked through");
        }
        for path in &walk.passed_over {
            collected.warn(format!("reports: {path} is not a file"));
        }
        let stage = format!("{}/", Slug::of(&self.step.stage));
        let mut budget = Budget::new("reports", self.limits.report_bytes, self.limits.collected_files);
        for found in &walk.files {
            match found.path.strip_prefix(&stage) {
                // Ours is written when the verdict is known.
                Some("result.json") => {
                    let text = outbox.read(&found.path, RESULT_MAX).unwrap_or_default();
                    let said = serde_json::from_slice::<SelfReported>(&text).unwrap_or_default();
                    collected.message = said.message.map(|message| shown(&message));
                }
                Some(path) if path.split('/').next().is_some_and(|first| OURS.contains(&first)) => {
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

    fn gather_from_tree(&self, aside: &Path, succeeded: bool, collected: &mut Collected) -> Result<(), DiskError> {
        let artifacts = &self.step.artifacts;
        let wanted = match artifacts.when {
            ArtifactsWhen::Always => true,
            ArtifactsWhen::OnSuccess => succeeded,
            ArtifactsWhen::OnFailure => !succeeded,
        };
        if !wanted || (artifacts.paths.is_empty() && artifacts.junit.is_empty()) {
            return Ok(());
        }
        let (Some(paths), Some(exclude), Some(junit)) =
            (globs(&artifacts.paths), globs(&artifacts.exclude), globs(&artifacts.junit))
        else {
            collected.warn("a pattern of artifacts cannot be read; nothing was collected");
            return Ok(());
        };
        let is_artifact = |path: &str| in_set(&paths, path) && !in_set(&exclude, path);
        let limit = ENTRIES_PER_FILE * self.limits.collected_files as usize;
        let opened = crate::tree::open(self.paths, self.tree_owner, self.trees);
        let walked = opened.and_then(|tree| {
            tree.walk_for(limit, &|path| junit.is_match(path) || is_artifact(path)).map(|walk| (tree, walk))
        });
        let (tree, walk) = match walked {
            Ok(both) => both,
            Err(error) => {
                collected.warn(format!("no artifacts were collected: {error}"));
                return Ok(());
            }
        };
        if walk.cut {
            collected.warn("the tree has more files than are looked through");
        }
        let mut reports = Budget::new("JUnit reports", self.limits.report_bytes, self.limits.collected_files);
        let mut kept = Budget::new("artifacts", self.limits.artifact_bytes, self.limits.collected_files);
        for (number, found) in walk.files.iter().enumerate() {
            if junit.is_match(&found.path) {
                let to = aside.join("reports/junit").join(junit_name(number, &found.path));
                if reports.copy(&tree, found, &to, collected)? {
                    count_tests(&to, &found.path, collected);
                }
            }
            if is_artifact(&found.path)
                && kept.copy(&tree, found, &aside.join("artifacts").join(&found.path), collected)?
            {
                collected.add_artifact(&found.path);
            }
        }
        if !artifacts.paths.is_empty() && collected.artifacts.is_empty() && succeeded {
            collected.warn(format!("no file matches artifacts: {}", artifacts.paths.join(", ")));
        }
        Ok(())
    }

    /// Reads the reports that were promised. A scan that ended well without one, or with one that cannot be read, has not
    /// shown that it scanned anything.
    fn read_findings(&self, reports: &Path, succeeded: bool, collected: &mut Collected) -> Result<(), DiskError> {
        if self.step.findings.is_empty() {
            return Ok(());
        }
        let mut all: Vec<Finding> = Vec::new();
        let gathered =
            Beneath::open(reports).map_err(|error| DiskError::io("read", reports)(std::io::Error::other(error)))?;
        for report in &self.step.findings {
            let parsed =
                gathered.read(&report.path, PARSED_MAX).map_err(|error| error.to_string()).and_then(
                    |text| match report.format {
                        FindingsFormat::Sarif => {
                            findings::sarif::parse(&text, APP_DIR).map_err(|error| error.to_string())
                        }
                        FindingsFormat::Osv => findings::osv::parse(&text).map_err(|error| error.to_string()),
                        FindingsFormat::Wapiti => findings::wapiti::parse(&text).map_err(|error| error.to_string()),
                    },
                );
            match parsed {
                Ok(findings) => all.extend(findings),
                Err(error) if succeeded => collected.unbelievable = Some(format!("report {}: {error}", report.path)),
                Err(_) => {}
            }
        }
        if collected.unbelievable.is_none() && succeeded {
            disk::place_json(&reports.join("findings.json"), &all)?;
            collected.findings = Some(findings::count(&all));
        }
        Ok(())
    }
}

/// A name of our own for a copy, with enough of the other one to know it again: two folders may hold files of one name.
fn junit_name(number: usize, path: &str) -> String {
    let last = path.rsplit('/').next().unwrap_or(path);
    let (stem, cut) = last.strip_suffix(".xml").map_or((last, ""), |stem| (stem, ".xml"));
    let stem: String = stem.chars().take(60).collect();
    format!("{number}-{stem}{cut}")
}

fn count_tests(copy: &Path, path: &str, collected: &mut Collected) {
    let counted = disk::read_file(copy, PARSED_MAX).map_err(|error| error.to_string()).and_then(|text| {
        findings::junit::count(&text.unwrap_or_default()).map_err(|e| format!("{}: {e}", shown(path)))
    });
    match counted {
        Err(error) => collected.warn(error),
        Ok(counts) => {
            let sum = collected.tests.get_or_insert_default();
            sum.tests += counts.tests;
            sum.failures += counts.failures;
            sum.errors += counts.errors;
            sum.skipped += counts.skipped;
        }
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

/// Whether a path, or a folder it lies in, is in the set: `artifacts: paths: [target/]` means all below.
fn in_set(set: &GlobSet, path: &str) -> bool {
    Path::new(path).ancestors().any(|part| !part.as_os_str().is_empty() && set.is_match(part))
}

fn globs(patterns: &[String]) -> Option<GlobSet> {
    let mut set = GlobSetBuilder::new();
    for pattern in patterns {
        // A star stays within one folder, as in GitLab.
        set.add(GlobBuilder::new(pattern.trim_end_matches('/')).literal_separator(true).build().ok()?);
    }
    set.build().ok()
}
