//! The live record of a job: state.json while it runs, and final.json once it has ended.
//!
//! state.json is a drawing of the other files, for readers that want one simple page; final.json has the same shape, is
//! created once, and is laid over it by every reader.

use indexmap::IndexMap;
use jiff::Timestamp;
pub use pipelinex_findings::{FailedTest, FindingCounts, TestCounts};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    coverage::{Scanned, Skipped},
    disk::Versioned,
    id::JobId,
    pipeline::causes::KnownCause,
    slug::Slug,
    state::{JobState, Reason, StepState},
};

/// The live or final record of a job.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Execution {
    /// Schema version of the file.
    pub schema: u32,
    /// What the job is in.
    pub state: JobState,
    /// Why it is FAILED or CANCELED.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub reason: Option<Reason>,
    /// One sentence for a person: what went wrong, where, what to do.
    pub error: Option<String>,
    /// The earliest running stage, in the order of the pipeline.
    pub current_stage: Option<String>,
    /// When this record was drawn.
    pub updated_at: Timestamp,
    /// When the first worker took the job.
    pub started_at: Option<Timestamp>,
    /// When the job ended.
    pub finished_at: Option<Timestamp>,
    /// 1, and one more each time containers were lost; 0 before the first.
    pub attempt: u32,
    /// The number of the claim that drew this record; 0 before the first.
    pub claim: u64,
    /// The stages, in the order of the pipeline.
    pub stages: IndexMap<String, StageRecord>,
    /// What a person should know though it did not change the verdict, found while the job ran.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub warnings: Vec<String>,
}

impl Versioned for Execution {
    const SCHEMA: u32 = 1;
}

/// How one stage stands.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct StageRecord {
    /// Derived from its steps.
    pub status: StepState,
    /// One sentence for a person.
    pub message: String,
    /// Why it is FAILED, SKIPPED or CANCELED.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub reason: Option<Reason>,
    /// When its first step started.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub started_at: Option<Timestamp>,
    /// When its last step ended.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub finished_at: Option<Timestamp>,
    /// From the start of the first step to the end of the last, in milliseconds.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub duration_ms: Option<u64>,
    /// Its steps, by slug.
    #[serde(skip_serializing_if = "IndexMap::is_empty", default)]
    pub steps: IndexMap<Slug, StepRecord>,
}

impl StageRecord {
    /// Whether nothing but a place keeps it from running.
    pub fn waits_for_place(&self) -> bool {
        let waits = |step: &StepRecord| step.waiting == Some(Waiting::Place);
        self.status == StepState::Pending && self.steps.values().any(waits)
    }

    /// How many lines of code its tests reached, in words: of several steps the least.
    pub fn coverage_words(&self) -> Option<String> {
        let least = self.steps.values().filter_map(|step| step.coverage).min_by(f64::total_cmp)?;
        Some(format!("{least} % of lines covered"))
    }

    /// A stage without steps: not started, or skipped before there was anything to run.
    pub fn bare(status: StepState, reason: Option<Reason>, message: impl Into<String>) -> Self {
        Self {
            status,
            message: message.into(),
            reason,
            started_at: None,
            finished_at: None,
            duration_ms: None,
            steps: IndexMap::new(),
        }
    }
}

/// How one step stands, and how it ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct StepRecord {
    /// The name as written in the definition.
    pub name: String,
    /// What it is in.
    pub status: StepState,
    /// Why it is FAILED, SKIPPED or CANCELED.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub reason: Option<Reason>,
    /// What it waits for, while it is PENDING and could run otherwise.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub waiting: Option<Waiting>,
    /// One sentence for a person.
    pub message: String,
    /// The exit code of its container, read from the engine.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub exit_code: Option<i64>,
    /// The definition lets it fail without failing the job.
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    pub allow_failure: bool,
    /// The attempt it ran in.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub attempt: Option<u32>,
    /// Which try it is, where there was one before it.
    #[serde(rename = "try", skip_serializing_if = "Option::is_none", default)]
    pub number: Option<u32>,
    /// The tries before that one: `retry` had another follow each.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub tries: Vec<TryRecord>,
    /// The job in which it ran, where that is another: this job took it over (`retry --failed`).
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub from_job: Option<JobId>,
    /// The runner image it ran in.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub image: Option<String>,
    /// The id of that image, as the engine gives it: what the name meant when the step began.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub image_id: Option<String>,
    /// When its time began: it had a place, and its container was about to be made.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub started_at: Option<Timestamp>,
    /// When its container had ended.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub finished_at: Option<Timestamp>,
    /// Between the two, in milliseconds.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub duration_ms: Option<u64>,
    /// The most memory that its container was seen to use, in bytes.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub peak_memory_bytes: Option<u64>,
    /// Counts of the JUnit reports that were published.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub tests: Option<TestCounts>,
    /// How many lines of code its tests reached, in percent.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub coverage: Option<f64>,
    /// The first of the tests that failed.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub failed_tests: Vec<FailedTest>,
    /// Why it failed, where its log shows something that is known.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub cause: Option<KnownCause>,
    /// Counts of the findings that were published.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub findings: Option<FindingCounts>,
    /// How much a scan read.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub scanned: Option<Scanned>,
    /// What it did not read and should have.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub skipped: Option<Skipped>,
    /// The caches it has, in the order of the definition.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub caches: Vec<CacheRecord>,
    /// Published artifacts, as paths below `artifacts/<step>/`.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub artifacts: Vec<String>,
    /// What a person should know though it did not change the verdict.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub warnings: Vec<String>,
}

/// What became of a cache of a step.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CacheRecord {
    /// Its key, variables put in.
    pub key: String,
    /// The key of the one that was laid into the tree: that one, or one of its `fallback_keys`; absent: none was there, or asked for.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub restored: Option<String>,
    /// Whether what the step left was kept under the key.
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    pub saved: bool,
}

/// What a step waits for that nothing else keeps from running.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Waiting {
    /// A place: as many steps run as the worker may run at the same time.
    Place,
    /// Somebody who starts it.
    Manual,
    /// Its time.
    Delayed,
    /// Its resource group, which a step of this job or another has.
    ResourceGroup,
}

impl StepRecord {
    /// A step that waits for a place.
    pub fn waiting_for_place(name: impl Into<String>, places: usize) -> Self {
        let message =
            format!("waits for a place: {places} steps run, and no more may at the same time (--parallel-steps)");
        Self { waiting: Some(Waiting::Place), ..Self::bare(name, StepState::Pending, None, message) }
    }

    /// A step that has not started.
    pub fn pending(name: impl Into<String>) -> Self {
        Self::bare(name, StepState::Pending, None, "waiting")
    }

    /// A step of which nothing but its state is known.
    pub fn bare(
        name: impl Into<String>,
        status: StepState,
        reason: Option<Reason>,
        message: impl Into<String>,
    ) -> Self {
        Self {
            name: name.into(),
            status,
            reason,
            waiting: None,
            message: message.into(),
            exit_code: None,
            allow_failure: false,
            attempt: None,
            from_job: None,
            number: None,
            tries: Vec::new(),
            image: None,
            image_id: None,
            started_at: None,
            finished_at: None,
            duration_ms: None,
            peak_memory_bytes: None,
            tests: None,
            coverage: None,
            failed_tests: Vec::new(),
            cause: None,
            findings: None,
            scanned: None,
            skipped: None,
            caches: Vec::new(),
            artifacts: Vec::new(),
            warnings: Vec::new(),
        }
    }
}

/// How a try of a step ended that was followed by another.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TryRecord {
    /// Its number, from 1 on.
    #[serde(rename = "try")]
    pub number: u32,
    /// What it came to.
    pub status: StepState,
    /// Why.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub reason: Option<Reason>,
    /// One sentence for a person.
    pub message: String,
    /// The exit code of its container, read from the engine.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub exit_code: Option<i64>,
    /// When its time began.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub started_at: Option<Timestamp>,
    /// When its container had ended.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub finished_at: Option<Timestamp>,
    /// Between the two, in milliseconds.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub duration_ms: Option<u64>,
}

impl TryRecord {
    /// What a record comes to, as the try of this number.
    pub fn of(number: u32, record: &StepRecord) -> Self {
        Self {
            number,
            status: record.status,
            reason: record.reason,
            message: record.message.clone(),
            exit_code: record.exit_code,
            started_at: record.started_at,
            finished_at: record.finished_at,
            duration_ms: record.duration_ms,
        }
    }
}

/// How a step ended: `ends/<step>.json`, created once and exclusively, before its container or tree is removed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StepEnd {
    /// Schema version of the file.
    pub schema: u32,
    /// The stage it belongs to.
    pub stage: String,
    /// The claim that recorded it.
    pub claim: u64,
    /// The record as it goes into state.json.
    pub record: StepRecord,
}

impl Versioned for StepEnd {
    const SCHEMA: u32 = 1;
}
