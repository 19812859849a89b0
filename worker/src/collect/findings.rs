//! The findings of a step: read from the reports that its definition promises, counted, and kept in one shape.

use std::path::Path;

use pipelinex_common::{
    disk::{self, DiskError},
    execution::FindingCounts,
    findings::{self, Finding, SetAside, sarif::Report},
    foreign::{Beneath, shown},
    pipeline::model::{FindingsFormat, FindingsReport},
};

use super::{Collected, Collector, PARSED_MAX};
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
            match parse(&gathered, report) {
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
            disk::place_json(&reports.join("findings.json"), &all)?;
            collected.findings = Some(FindingCounts { set_aside, ..findings::count(&all) });
        }
        Ok(())
    }
}

fn parse(gathered: &Beneath, report: &FindingsReport) -> Result<Report, String> {
    let text = gathered.read(&report.path, PARSED_MAX).map_err(|error| error.to_string())?;
    let parsed = match report.format {
        FindingsFormat::Sarif => findings::sarif::parse(&text, APP_DIR),
        FindingsFormat::Osv => findings::osv::parse(&text).map(only),
        FindingsFormat::Wapiti => findings::wapiti::parse(&text).map(only),
    };
    parsed.map_err(|error| error.to_string())
}

/// A report of a format in which everything is a finding.
fn only(findings: Vec<Finding>) -> Report {
    Report { findings, ..Report::default() }
}
