//! How many lines of code the tests of a step reached (`coverage`, `artifacts: reports: coverage_report`): one number of its record.

use std::{
    fs::File,
    io::{Read, Seek, SeekFrom},
};

use pipelinex_common::{
    findings::{
        code_coverage::{self, CoveredLines},
        terminal,
    },
    foreign::shown,
    pipeline::model::CoverageReport,
};

use super::{Collected, Collector, ENTRIES_PER_FILE, PARSED_MAX, artifacts::globs};
use crate::tree;

/// So much of the end of a log is searched for what a tool printed, in bytes.
const LOG_MAX: u64 = 8 * 1024 * 1024;

impl Collector<'_> {
    /// What was printed counts before what a report says, as in GitLab. Nothing found is a warning, and never changes a verdict.
    pub(super) fn gather_coverage(&self, collected: &mut Collected) {
        if let Some(written) = &self.step.coverage {
            match self.printed(written) {
                Ok(Some(percent)) => collected.coverage = Some(percent),
                Ok(None) => collected.warn(format!("no line of the log fits coverage: {}", shown(written))),
                Err(why) => collected.warn(format!("coverage: {why}")),
            }
        }
        if let (None, Some(report)) = (collected.coverage, &self.step.artifacts.coverage) {
            match self.reported(report) {
                Ok(lines) => collected.coverage = lines.percent(),
                Err(why) => collected.warn(format!("reports: coverage_report: {why}")),
            }
        }
    }

    fn printed(&self, written: &str) -> Result<Option<f64>, String> {
        let pattern = pipelinex_common::pipeline::regex(written)?;
        let read = || {
            let mut log = File::open(self.paths.log(&self.step.slug))?;
            let bytes = log.metadata()?.len();
            log.seek(SeekFrom::Start(bytes.saturating_sub(LOG_MAX)))?;
            let mut end = Vec::new();
            log.take(LOG_MAX).read_to_end(&mut end)?;
            Ok::<_, std::io::Error>(end)
        };
        let end = read().map_err(|error| format!("the log cannot be read: {error}"))?;
        let text = String::from_utf8_lossy(&end);
        let plain: Vec<String> = text.lines().map(terminal::plain).collect();
        Ok(code_coverage::printed(&pattern, &plain.join("\n")))
    }

    fn reported(&self, report: &CoverageReport) -> Result<CoveredLines, String> {
        let set = globs(std::slice::from_ref(&report.path)).ok_or("its pattern cannot be read")?;
        let limit = ENTRIES_PER_FILE * self.limits.collected_files as usize;
        let tree = tree::open(self.paths, self.tree_owner, self.trees).map_err(|error| error.to_string())?;
        let walk = tree.walk_for(limit, &|path| set.is_match(path)).map_err(|error| error.to_string())?;
        let mut all: Option<CoveredLines> = None;
        for found in walk.files.iter().filter(|found| set.is_match(&found.path)) {
            let why = |why: String| format!("{}: {why}", shown(&found.path));
            let text = tree.read(&found.path, PARSED_MAX).map_err(|error| why(error.to_string()))?;
            let lines = code_coverage::parse(report.format, &text).map_err(|error| why(error.to_string()))?;
            all = Some(all.unwrap_or_default().plus(lines));
        }
        all.ok_or_else(|| format!("no file matches {}", shown(&report.path)))
    }
}
