//! Files that older programs wrote, kept here as they were written: whatever changes, they must still be read.
//!
//! Who raises the version of a file adds `fixtures/vN/`, leaves the older ones as they are, and writes the one step from the
//! version before in that file's `Versioned::upgrade`.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says so")]

use std::path::{Path, PathBuf};

use pipelinex_common::{
    advisories::{AdvisoryDb, Current},
    disk::{self, Versioned},
    execution::{Execution, StepEnd},
    limits::IntakeLimits,
    metadata::Metadata,
    pipeline::own::{self, Plan},
    state::{JobState, StepState},
    store::{AttemptRecord, ClaimRecord},
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

fn fixture(version: u32, name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/fixtures/v{version}/{name}.json"))
}

/// Reads a file of every version there was. What was read is written as the current version, and says the same.
fn every_version<T: Versioned + Serialize + DeserializeOwned + PartialEq + std::fmt::Debug>(name: &str) -> Vec<T> {
    let read = |version| {
        let record: T = disk::read_json(&fixture(version, name)).unwrap().unwrap_or_else(|| {
            panic!("{} has version {version} and no file in tests/fixtures/v{version}", name);
        });
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("record.json");
        disk::write_json(&path, &record).unwrap();
        assert_eq!(disk::read_json::<T>(&path).unwrap().unwrap(), record);
        let written: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        assert_eq!(written["schema"], T::SCHEMA, "what is written has the current version");
        record
    };
    (1..=T::SCHEMA).map(read).collect()
}

#[test]
fn every_admission_record_that_was_ever_written_is_read() {
    let records: Vec<Metadata> = every_version("metadata");
    let [first, second] = &records[..] else { panic!("two versions") };
    assert_eq!(first.limits, IntakeLimits::default(), "the first records did not name their limits");
    assert_eq!((first.run_number, first.source.git.as_ref(), first.retry_of), (7, None, None));
    assert!(records.iter().all(|record| record.owner.is_anonymous()), "they named no owner");
    assert_eq!(second.limits.files, 500, "what a record names stays");
    assert_eq!(second.source.git.as_ref().unwrap().git_ref.as_deref(), Some("main"));
}

#[test]
fn every_live_and_final_record_that_was_ever_written_is_read() {
    let live: Vec<Execution> = every_version("state");
    assert_eq!(live[0].stages["BUILD"].status, StepState::Running);
    let ends: Vec<Execution> = every_version("final");
    assert_eq!((ends[0].state, ends[0].stages["TEST"].status), (JobState::Failed, StepState::Failed));
}

#[test]
fn every_end_attempt_and_claim_that_was_ever_written_is_read() {
    assert_eq!(every_version::<StepEnd>("end")[0].record.exit_code, Some(1));
    every_version::<AttemptRecord>("attempt");
    every_version::<ClaimRecord>("claim");
}

#[test]
fn every_record_of_an_import_of_advisories_that_was_ever_written_is_read() {
    every_version::<Current>("advisories-current");
    assert_eq!(every_version::<AdvisoryDb>("advisories-info")[0].ecosystems["Maven"].advisories, 3);
}

#[test]
fn every_plan_of_a_projects_own_pipeline_that_was_ever_written_is_read() {
    let plan = &every_version::<Plan>("plan")[0];
    assert_eq!((plan.file.as_str(), plan.name.as_deref()), (".pipelinex.yml", Some("nightly")));
    assert_eq!((plan.pipeline.steps[0].name.as_str(), own::check(&plan.pipeline)), ("greet", Ok(())));
}
