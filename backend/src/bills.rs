//! Bills of materials: what the scanners of a job found to be built in. Each lies among the reports of its step, as CycloneDX.

use pipelinex_common::{
    findings::cyclonedx,
    foreign::{Beneath, ForeignError},
    limits::MIB,
    slug::Slug,
    store::Job,
};

use serde_json::Value;

use crate::error::ApiError;

/// The name that the scan gives it.
const FILE: &str = "bom.json";
/// The largest that is read, in bytes.
const BILL_BYTES: u64 = 64 * MIB;

/// The components of a job, and why a bill cannot be read where that is so.
#[derive(Debug, Default)]
pub struct Bills {
    /// What is built in, as [`cyclonedx::entries`] gives it. `None`: no bill was made.
    pub components: Option<Vec<Value>>,
    /// Bills that cannot be read, each with its stage.
    pub unreadable: Vec<String>,
}

impl Bills {
    /// The components, for a document that is made of them.
    ///
    /// # Errors
    /// 404 where there are none to tell of; an error of ours where a bill cannot be read: a document of the rest would look whole.
    pub fn whole(self) -> Result<Vec<Value>, ApiError> {
        if let Some(reason) = self.unreadable.first() {
            return Err(ApiError::internal(format!("a bill of materials cannot be read: {reason}")));
        }
        let none = "this job has no bill of materials: SCA makes it, and did not run or has not ended";
        self.components.ok_or_else(|| ApiError::NotFound { detail: none.to_owned() })
    }

    /// How many components there are of each kind (`npm`, `pypi`), the most first.
    pub fn kinds(&self) -> Vec<(String, usize)> {
        let mut kinds: Vec<(String, usize)> = Vec::new();
        for component in self.components.iter().flatten() {
            let component = cyclonedx::component(component);
            let kind = component.kind().unwrap_or("other");
            match kinds.iter_mut().find(|(known, _)| known == kind) {
                Some((_, count)) => *count += 1,
                None => kinds.push((kind.to_owned(), 1)),
            }
        }
        kinds.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        kinds
    }
}

/// Reads the bills of all steps that looked for findings; others may have written files of that name themselves.
///
/// # Errors
/// Those of reading the job.
pub fn of(job: &Job) -> Result<Bills, ApiError> {
    let execution = job.view().map_err(ApiError::broken)?.execution;
    let mut bills = Bills::default();
    let Some(reports) = crate::report_zip::open_or_nothing(Beneath::open(&job.paths().reports()))? else {
        return Ok(bills);
    };
    for (stage, record) in &execution.stages {
        for step in record.steps.iter().filter(|(_, record)| record.findings.is_some()).map(|(step, _)| step) {
            match read(&reports, stage, step) {
                Ok(found) => found.into_iter().for_each(|found| bills.components.get_or_insert_default().extend(found)),
                Err(reason) => bills.unreadable.push(format!("{stage}: {reason}")),
            }
        }
    }
    Ok(bills)
}

/// A stage of several steps has a folder for each.
fn read(reports: &Beneath, stage: &str, step: &Slug) -> Result<Option<Vec<Value>>, String> {
    let stage = Slug::of(stage);
    let alone = reports.read(&format!("{stage}/{FILE}"), BILL_BYTES);
    let text = match alone {
        Err(ForeignError::Missing(_)) => reports.read(&format!("{stage}/{step}/{FILE}"), BILL_BYTES),
        other => other,
    };
    match text {
        Ok(text) => cyclonedx::entries(&text).map(Some).map_err(|error| format!("{FILE}: {error}")),
        Err(ForeignError::Missing(_)) => Ok(None),
        Err(error) => Err(error.to_string()),
    }
}
