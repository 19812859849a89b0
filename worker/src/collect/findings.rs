//! The findings of a step: read from the reports that its definition promises, counted, and kept in one shape.

use std::path::Path;

use pipelinex_common::{
    disk::{self, DiskError},
    execution::FindingCounts,
    findings::{self, Finding, MAX_FINDINGS, SetAside, sarif::Report},
    folder::Folder,
    foreign::{Beneath, shown},
    pipeline::model::{FindingsFormat, FindingsReport, StepKind},
};

use super::{Collected, Collector, ENTRIES_PER_FILE, PARSED_MAX, artifacts::globs, lines};
use crate::{spec::APP_DIR, tree};

/// A file of a step's tree: its path, and its text or why it could not be read.
type FoundFile = (String, Result<Vec<u8>, String>);

impl Collector<'_> {
    /// Reads the reports that were promised. A scan that ended well without one, or with one that cannot be read, has not
    /// shown that it scanned anything. Of one that did not end well, what it found is kept all the same.
    pub(super) fn read_findings(
        &self,
        reports: &Path,
        succeeded: bool,
        collected: &mut Collected,
    ) -> Result<(), DiskError> {
        let gathered =
            Beneath::open(reports).map_err(|error| DiskError::io("read", reports)(std::io::Error::other(error)))?;
        let (mut all, mut set_aside): (Vec<Finding>, _) = (Vec::new(), SetAside::default());
        let mut read = 0;
        for report in &self.step.findings {
            match self.parse(&gathered, report) {
                Ok(parsed) => {
                    read += 1;
                    let apart = parsed.set_aside.words();
                    if !apart.is_empty() {
                        collected.warn(format!("report {}: not counted as findings: {apart}", report.path));
                    }
                    // What a tool found before it failed is kept, and is not all there is.
                    if let Some(failed) = parsed.failed.filter(|_| succeeded) {
                        collected.unbelievable = Some(format!("report {}: {}", report.path, shown(&failed)));
                    }
                    set_aside = set_aside.plus(&parsed.set_aside);
                    all.extend(parsed.findings);
                }
                Err(error) if succeeded => collected.unbelievable = Some(format!("report {}: {error}", report.path)),
                Err(_) => {}
            }
        }
        let own = self.read_own(&mut all, collected);
        if own || read > 0 && (read == self.step.findings.len() || !succeeded) {
            self.mark(&mut all);
            disk::place_json(&reports.join("findings.json"), &all)?;
            collected.findings = Some(FindingCounts { set_aside, ..findings::count(&all) });
            collected.found = all;
        }
        Ok(())
    }

    /// Reads the reports that the project's own tools left in its tree, with `false` where there are none. They add findings; what they
    /// do not say is no verdict of ours, so one that is missing or broken is a warning.
    fn read_own(&self, all: &mut Vec<Finding>, collected: &mut Collected) -> bool {
        let mut read = false;
        for reports in &self.step.artifacts.findings {
            let promised = reports.paths.join(", ");
            let found = match self.found_in_tree(&reports.paths) {
                Ok(found) => found,
                Err(why) => {
                    collected.warn(format!("reports: {promised}: {why}"));
                    continue;
                }
            };
            if found.is_empty() {
                collected.warn(format!("no file matches reports: {promised}; no findings were counted"));
            }
            for (path, text) in found {
                match text.and_then(|text| self.parsed(reports.format, &text)) {
                    Ok(parsed) => {
                        if let Some(failed) = parsed.failed {
                            collected.warn(format!("report {}: {}", shown(&path), shown(&failed)));
                        }
                        all.extend(parsed.findings);
                        read = true;
                    }
                    Err(why) => collected.warn(format!("report {}: {why}", shown(&path))),
                }
            }
        }
        all.truncate(MAX_FINDINGS);
        read
    }

    /// The files of these patterns in the step's tree, each with its text or why it could not be read.
    fn found_in_tree(&self, patterns: &[String]) -> Result<Vec<FoundFile>, String> {
        let set = globs(patterns).ok_or("its pattern cannot be read")?;
        let limit = ENTRIES_PER_FILE * self.limits.collected_files as usize;
        let tree = tree::open(self.paths, self.tree_owner, self.trees).map_err(|error| error.to_string())?;
        let walk = tree.walk_for(limit, &|path| set.is_match(path)).map_err(|error| error.to_string())?;
        let files = walk.files.into_iter().filter(|found| set.is_match(&found.path));
        let text = |path: &str| tree.read(path, PARSED_MAX).map_err(|error| error.to_string());
        Ok(files.map(|found| (found.path.clone(), text(&found.path))).collect())
    }

    /// Gives findings what they are known by in the next run, by the lines of what was submitted.
    fn mark(&self, all: &mut [Finding]) {
        let source = Beneath::open(&self.paths.source());
        let lines = source.map(|source| lines::of(&source, all)).unwrap_or_default();
        findings::mark(all, |path, line| lines.get(&(path.to_owned(), line)).cloned());
    }

    /// Reads one report. A scan sees all that was submitted; what else writes a report works in the folder that is built, and
    /// its paths are told as seen from the top all the same.
    fn parse(&self, gathered: &Beneath, report: &FindingsReport) -> Result<Report, String> {
        let text = gathered.read(&report.path, PARSED_MAX).map_err(|error| error.to_string())?;
        self.parsed(report.format, &text)
    }

    fn parsed(&self, format: FindingsFormat, text: &[u8]) -> Result<Report, String> {
        let folder = self.folder.filter(|_| self.step.kind == StepKind::Normal);
        let app_dir = folder.map_or_else(|| APP_DIR.to_owned(), |folder| format!("{APP_DIR}/{folder}"));
        let parsed = match format {
            FindingsFormat::Sarif => findings::sarif::parse(text, &app_dir),
            FindingsFormat::Osv => findings::osv::parse(text).map(only),
            FindingsFormat::Wapiti => findings::wapiti::parse(text).map(only),
            FindingsFormat::Gitlab => findings::gitlab::parse(text),
            FindingsFormat::CodeQuality => findings::gitlab::code_quality(text),
        };
        let mut parsed = parsed.map_err(|error| error.to_string())?;
        let seen_from_folder = !matches!(format, FindingsFormat::Osv | FindingsFormat::Wapiti);
        if let Some(folder) = folder.filter(|_| seen_from_folder) {
            for path in parsed.findings.iter_mut().filter_map(|finding| finding.path.as_mut()) {
                *path = from_the_top(folder, path);
            }
        }
        Ok(parsed)
    }
}

/// A path as seen from the folder, as one seen from the top of what was submitted. What lies elsewhere stays as it is.
fn from_the_top(folder: &Folder, path: &str) -> String {
    if let Some(path) = path.strip_prefix(APP_DIR).and_then(|rest| rest.strip_prefix('/')) {
        return path.to_owned();
    }
    if path.starts_with('/') || path.contains("://") {
        return path.to_owned();
    }
    let (mut parts, mut rest): (Vec<&str>, &str) = (folder.as_str().split('/').collect(), path);
    while let Some(above) = rest.strip_prefix("../") {
        if parts.pop().is_none() {
            return path.to_owned();
        }
        rest = above;
    }
    if rest != "." {
        parts.push(rest);
    }
    parts.join("/")
}

/// A report of a format in which everything is a finding.
fn only(findings: Vec<Finding>) -> Report {
    Report { findings, ..Report::default() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_told_as_seen_from_the_top() {
        let folder: Folder = "services/api".parse().unwrap();
        for (path, expected) in [
            ("src/a.go", "services/api/src/a.go"),
            (".", "services/api"),
            ("../web/a.js", "services/web/a.js"),
            ("../../a.js", "a.js"),
            ("../../../a.js", "../../../a.js"),
            ("/home/runner/app/web/a.js", "web/a.js"),
            ("/usr/lib/a.js", "/usr/lib/a.js"),
            ("https://a/b", "https://a/b"),
        ] {
            assert_eq!(from_the_top(&folder, path), expected, "{path}");
        }
    }
}
