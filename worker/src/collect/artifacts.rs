//! What a step's tree holds for others: artifacts, and the JUnit reports of its tests.

use std::path::Path;

use globset::{GlobBuilder, GlobSet, GlobSetBuilder};
use pipelinex_common::{
    disk::{self, DiskError},
    findings,
    foreign::shown,
    pipeline::model::ArtifactsWhen,
};

use super::{Collected, Collector, ENTRIES_PER_FILE, PARSED_MAX, budget::Budget};

impl Collector<'_> {
    /// Copies what the definition names from the tree, and counts tests.
    pub(super) fn gather_from_tree(
        &self,
        aside: &Path,
        succeeded: bool,
        collected: &mut Collected,
    ) -> Result<(), DiskError> {
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
