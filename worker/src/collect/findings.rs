//! The findings of a step: read from the reports that its definition promises, counted, and kept in one shape.

use std::path::Path;

use pipelinex_common::{
    disk::{self, DiskError},
    execution::FindingCounts,
    findings::{self, Finding, SetAside, sarif::Report},
    folder::Folder,
    foreign::{Beneath, shown},
    pipeline::model::{FindingsFormat, FindingsReport, StepKind},
};

use super::{Collected, Collector, PARSED_MAX, lines};
use crate::spec::APP_DIR;

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
        if read > 0 && (read == self.step.findings.len() || !succeeded) {
            self.mark(&mut all);
            disk::place_json(&reports.join("findings.json"), &all)?;
            collected.findings = Some(FindingCounts { set_aside, ..findings::count(&all) });
            collected.found = all;
        }
        Ok(())
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
        let folder = self.folder.filter(|_| self.step.kind == StepKind::Normal);
        let app_dir = folder.map_or_else(|| APP_DIR.to_owned(), |folder| format!("{APP_DIR}/{folder}"));
        let parsed = match report.format {
            FindingsFormat::Sarif => findings::sarif::parse(&text, &app_dir),
            FindingsFormat::Osv => findings::osv::parse(&text).map(only),
            FindingsFormat::Wapiti => findings::wapiti::parse(&text).map(only),
        };
        let mut parsed = parsed.map_err(|error| error.to_string())?;
        if let (Some(folder), FindingsFormat::Sarif) = (folder, report.format) {
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
