//! The findings of a step: read from the reports that its definition promises, counted, and kept in one shape.

use std::path::Path;

use pipelinex_common::{
    disk::{self, DiskError},
    findings::{self, Finding},
    foreign::Beneath,
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
        let mut all: Vec<Finding> = Vec::new();
        let mut read = 0;
        for report in &self.step.findings {
            match parse(&gathered, report) {
                Ok(findings) => {
                    read += 1;
                    all.extend(findings);
                }
                Err(error) if succeeded => collected.unbelievable = Some(format!("report {}: {error}", report.path)),
                Err(_) => {}
            }
        }
        if read > 0 && collected.unbelievable.is_none() {
            disk::place_json(&reports.join("findings.json"), &all)?;
            collected.findings = Some(findings::count(&all));
        }
        Ok(())
    }
}

fn parse(gathered: &Beneath, report: &FindingsReport) -> Result<Vec<Finding>, String> {
    let text = gathered.read(&report.path, PARSED_MAX).map_err(|error| error.to_string())?;
    let parsed = match report.format {
        FindingsFormat::Sarif => findings::sarif::parse(&text, APP_DIR),
        FindingsFormat::Osv => findings::osv::parse(&text),
        FindingsFormat::Wapiti => findings::wapiti::parse(&text),
    };
    parsed.map_err(|error| error.to_string())
}
