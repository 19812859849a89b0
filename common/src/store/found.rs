//! The findings that a step of a job published, as their readers get them.

use super::{Job, StoreError};
use crate::{
    findings::{self, Finding},
    foreign::{Beneath, ForeignError},
    limits::MIB,
    slug::Slug,
};

/// The largest list of one step that is read, in bytes: the raw reports that it is made of have at most half of it.
const LIST_BYTES: u64 = 64 * MIB;
/// The name that the worker gives the list.
const FILE: &str = "findings.json";

impl Job {
    /// All that its steps have found; a list that cannot be read has nothing.
    ///
    /// # Errors
    /// [`StoreError`] when the job cannot be read.
    pub fn found(&self) -> Result<Vec<Finding>, StoreError> {
        let execution = self.view()?.execution;
        let steps =
            execution.stages.iter().flat_map(|(stage, record)| record.steps.keys().map(move |step| (stage, step)));
        Ok(steps.filter_map(|(stage, step)| self.found_by(stage, step).ok()).flatten().collect())
    }

    /// What a step has found. Findings of an older program get a fingerprint here, without the lines that they are on.
    ///
    /// # Errors
    /// Why the list cannot be read, in words.
    pub fn found_by(&self, stage: &str, step: &Slug) -> Result<Vec<Finding>, String> {
        let reports = Beneath::open(&self.paths().reports()).map_err(|error| match error {
            ForeignError::Missing(_) => "there are no reports".to_owned(),
            error => error.to_string(),
        })?;
        let stage = Slug::of(stage);
        // A stage of several steps has a folder for each.
        let text = match reports.read(&format!("{stage}/{FILE}"), LIST_BYTES) {
            Err(ForeignError::Missing(_)) => reports.read(&format!("{stage}/{step}/{FILE}"), LIST_BYTES),
            other => other,
        };
        let text = text.map_err(|error| error.to_string())?;
        let mut found: Vec<Finding> = serde_json::from_slice(&text)
            .map_err(|error| format!("{stage}/{FILE} is not a list of findings: {error}"))?;
        if found.iter().any(|finding| finding.fingerprint.is_empty()) {
            findings::mark(&mut found, |_, _| None);
        }
        Ok(found)
    }
}
