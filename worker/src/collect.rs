//! What a step leaves: gathered aside in a folder of the claim, made durable, and published by one rename each.
//!
//! Everything read here was written or named by foreign code, so all of it goes through `common::foreign`. The verdict is
//! not in it: that is the engine's exit code, and a report can only add detail.

use std::{
    fs::{self, OpenOptions},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use globset::{GlobBuilder, GlobSet, GlobSetBuilder};
use pipelinex_common::{
    disk::{self, DiskError},
    execution::{FindingCounts, StepRecord, TestCounts},
    findings::{self, Finding},
    foreign::{Beneath, ForeignError, shown},
    layout::JobPaths,
    limits::StepLimits,
    pipeline::model::{ArtifactsWhen, FindingsFormat, Step, StepKind},
    slug::Slug,
    state::StepState,
};
use serde::{Deserialize, Serialize};

use crate::spec::{APP_DIR, TreeKind};

/// The largest report that is parsed, in bytes; a larger one is kept and not counted.
const PARSED_MAX: u64 = 32 * 1024 * 1024;
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

/// What was collected and published.
#[derive(Debug, Default)]
pub struct Collected {
    /// The step's own words about itself.
    pub message: Option<String>,
    /// What its JUnit reports add up to.
    pub tests: Option<TestCounts>,
    /// What its findings add up to.
    pub findings: Option<FindingCounts>,
    /// Artifacts, as paths below `artifacts/<step>/`.
    pub artifacts: Vec<String>,
    /// What a person should know.
    pub warnings: Vec<String>,
    /// A report that was promised is missing or cannot be believed.
    pub unbelievable: Option<String>,
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
            disk::make_dir(parent, 0o750)?;
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
        let stage = Slug::of(&self.step.stage);
        let outbox = match Beneath::open(&self.paths.outbox_of(&self.step.slug)) {
            Ok(outbox) => outbox,
            Err(error) => {
                collected.warnings.push(format!("no reports were collected: {error}"));
                return Ok(());
            }
        };
        let prefix = format!("{stage}/");
        let mut budget = Budget::new(self.limits.report_bytes, self.limits.collected_files);
        match outbox.walk(self.limits.collected_files as usize) {
            Err(error) => collected.warnings.push(format!("not all reports were collected: {error}")),
            Ok(walk) => {
                if walk.cut {
                    collected.warnings.push("there were more report files than are collected".to_owned());
                }
                collected.warnings.extend(walk.passed_over.iter().map(|path| format!("reports: {path} is not a file")));
                for found in walk.files {
                    match found.path.strip_prefix(&prefix) {
                        // Ours is written when the verdict is known.
                        Some("result.json") => {
                            let text = outbox.read(&found.path, RESULT_MAX).unwrap_or_default();
                            let said = serde_json::from_slice::<SelfReported>(&text).unwrap_or_default();
                            collected.message = said.message.map(|message| shown(&message));
                        }
                        Some(path) => budget.copy(&outbox, &found.path, &to.join(path), "reports", collected)?,
                        None => collected.warnings.push(format!(
                            "reports: {} is outside of the stage's own folder {prefix} and was left",
                            shown(&found.path)
                        )),
                    }
                }
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
            collected.warnings.push("a pattern of artifacts cannot be read; nothing was collected".to_owned());
            return Ok(());
        };
        // A tree has many more files than are collected: dependencies, classes.
        let limit = 50 * self.limits.collected_files as usize;
        let opened = crate::tree::open(self.paths, self.tree_owner, self.trees);
        let (tree, walk) = match opened.and_then(|tree| tree.walk(limit).map(|walk| (tree, walk))) {
            Ok(both) => both,
            Err(error) => {
                collected.warnings.push(format!("no artifacts were collected: {error}"));
                return Ok(());
            }
        };
        if walk.cut {
            collected.warnings.push("the tree has more files than are looked through".to_owned());
        }
        let mut report_budget = Budget::new(self.limits.report_bytes, self.limits.collected_files);
        let mut artifact_budget = Budget::new(self.limits.artifact_bytes, self.limits.collected_files);
        for found in &walk.files {
            if junit.is_match(&found.path) {
                let to = aside.join("reports/junit").join(found.path.replace('/', "_"));
                report_budget.copy(&tree, &found.path, &to, "JUnit reports", collected)?;
                self.count_tests(&tree, &found.path, collected);
            }
            if in_set(&paths, &found.path) && !in_set(&exclude, &found.path) {
                let to = aside.join("artifacts").join(&found.path);
                artifact_budget.copy(&tree, &found.path, &to, "artifacts", collected)?;
                if to.exists() {
                    collected.artifacts.push(found.path.clone());
                }
            }
        }
        if !artifacts.paths.is_empty() && collected.artifacts.is_empty() && succeeded {
            collected.warnings.push(format!("no file matches artifacts: {}", artifacts.paths.join(", ")));
        }
        Ok(())
    }

    fn count_tests(&self, tree: &Beneath, path: &str, collected: &mut Collected) {
        let counted = tree
            .read(path, PARSED_MAX)
            .map_err(|error| error.to_string())
            .and_then(|text| findings::junit::count(&text).map_err(|error| format!("{}: {error}", shown(path))));
        match counted {
            Err(error) => collected.warnings.push(error),
            Ok(counts) => {
                let sum = collected.tests.get_or_insert_default();
                sum.tests += counts.tests;
                sum.failures += counts.failures;
                sum.errors += counts.errors;
                sum.skipped += counts.skipped;
            }
        }
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

struct Budget {
    bytes: u64,
    files: u64,
    told: bool,
}

impl Budget {
    fn new(bytes: u64, files: u64) -> Self {
        Self { bytes, files, told: false }
    }

    /// Copies one file if there is room for it; what is too much, or refused, is told and left.
    fn copy(
        &mut self,
        from: &Beneath,
        path: &str,
        to: &Path,
        what: &str,
        collected: &mut Collected,
    ) -> Result<(), DiskError> {
        if self.files == 0 || self.bytes == 0 {
            if !std::mem::replace(&mut self.told, true) {
                collected.warnings.push(format!("not all {what} were collected: there are more than the limit allows"));
            }
            return Ok(());
        }
        if let Some(parent) = to.parent() {
            fs::create_dir_all(parent).map_err(DiskError::io("make the folder", parent))?;
        }
        let created = OpenOptions::new().write(true).create_new(true).mode(0o640).open(to);
        let mut file = created.map_err(DiskError::io("create", to))?;
        let copied = from.copy(path, &mut file, self.bytes);
        match copied {
            Ok(bytes) => {
                self.bytes -= bytes;
                self.files -= 1;
                file.sync_all().map_err(DiskError::io("sync", to))
            }
            Err(error) => {
                drop(file);
                fs::remove_file(to).map_err(DiskError::io("remove", to))?;
                match error {
                    ForeignError::Io { source, .. } if source.kind() == std::io::ErrorKind::StorageFull => {
                        Err(DiskError::io("write", to)(source))
                    }
                    error => {
                        collected.warnings.push(format!("{what}: {error}"));
                        Ok(())
                    }
                }
            }
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
