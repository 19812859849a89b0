//! metadata.json: the admission record of a job, written once, and the answer to a submission.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::{
    access::Owner,
    disk::Versioned,
    execution::{Execution, StageRecord},
    folder::Folder,
    id::JobId,
    limits::IntakeLimits,
    request::{Stack, Switches, Versions},
    rules::ProjectRules,
    state::{JobState, Reason, StepState},
};

/// The admission record. The first group of fields is the predecessors', the rest is ours.
///
/// It is input to a worker, not authority: images, networks, limits and mounts come from the worker's own configuration.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Metadata {
    /// The job.
    pub job_id: JobId,
    /// The verdict of admission.
    pub status: AdmissionStatus,
    /// What the job was in when it was admitted: always QUEUED.
    pub execution_state: JobState,
    /// What kind of project it is.
    pub stack: Stack,
    /// The versions it runs with, defaults filled in.
    pub versions: Versions,
    /// The switches as they were understood, prerequisites turned on.
    pub pipeline: Switches,
    /// Which of several applications is started, where the request says it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub application: Option<String>,
    /// The database beside the application, where the stack asks for one.
    pub database: Option<Value>,
    /// What a person should know though the project was admitted.
    pub warnings: Vec<String>,
    /// When the job was admitted.
    pub created_at: Timestamp,

    /// Schema version of the file.
    pub schema: u32,
    /// What the job belongs to.
    pub project: String,
    /// Name of the pipeline: the folder of the built-in one.
    pub pipeline_name: String,
    /// The branch, as the client or the clone says.
    pub branch: Option<String>,
    /// The commit, as the client or the clone says.
    pub commit: Option<String>,
    /// Number of this run among those of the same project and pipeline, from 1.
    pub run_number: u64,
    /// The job that this one is once more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_of: Option<JobId>,
    /// Steps that succeeded there are taken over, and the rest is run.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub retry_failed: bool,
    /// Whose it is.
    #[serde(default, deserialize_with = "crate::access::read_owner")]
    pub owner: Owner,
    /// What was submitted.
    pub source: SourceInfo,
    /// The folder of it that is built; absent: its top.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub folder: Option<Folder>,
    /// The limits under which it was taken in.
    pub limits: IntakeLimits,
    /// What its project asked of its jobs then, beside the operator; absent: nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rules: Option<ProjectRules>,
    /// The stages in the order in which they are shown.
    pub stages: Vec<PlannedStage>,
}

impl Versioned for Metadata {
    const SCHEMA: u32 = 2;

    fn upgrade(from: u32, mut record: Value) -> Result<Value, String> {
        match (from, record.as_object_mut()) {
            // The first records did not yet name the limits they were taken in under: those were the defaults.
            (1, Some(fields)) => {
                fields.entry("limits").or_insert(json!(IntakeLimits::default()));
                Ok(record)
            }
            _ => Err(format!("no program ever wrote its schema version {from}")),
        }
    }
}

/// The verdict of admission.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum AdmissionStatus {
    /// All rules of the contract hold.
    Accepted,
    /// They hold, and there are warnings.
    AcceptedWithIssues,
}

/// What was submitted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SourceInfo {
    /// Where it came from.
    pub kind: SourceKind,
    /// SHA-256 of an upload, in lower-case hexadecimal digits.
    pub sha256: Option<String>,
    /// Size of what was sent, or received by a clone, in bytes.
    pub sent_bytes: u64,
    /// Files in `source/`.
    pub files: u64,
    /// Bytes in `source/`.
    pub bytes: u64,
    /// The repository of a clone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub git: Option<GitInfo>,
}

/// Where a clone came from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct GitInfo {
    /// Its address, without credentials.
    pub url: String,
    /// What was asked for: a branch, a tag or a commit; absent: the default branch.
    #[serde(rename = "ref")]
    pub git_ref: Option<String>,
    /// Whether `source/` has the history, as a `.git` folder of our making.
    pub history: bool,
    /// The repository's default branch, as its host names it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default_branch: Option<String>,
}

/// Where a source came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum SourceKind {
    /// An uploaded ZIP file.
    Zip,
    /// A clone.
    Git,
}

/// One stage as admission planned it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PlannedStage {
    /// Its name.
    pub name: String,
    /// Whether it will run.
    pub selected: bool,
}

impl Metadata {
    /// Whether it was made of a ref that its project trusts: the default branch of its repository.
    pub fn is_of_trusted_ref(&self) -> bool {
        self.source.git.as_ref().is_some_and(|git| {
            let is_default = git.default_branch.is_some() && git.default_branch == self.branch;
            git.git_ref.is_none() || is_default
        })
    }

    /// The record of a job that nobody has taken yet.
    pub fn initial_execution(&self) -> Execution {
        let stages = self.stages.iter().map(|stage| {
            let record = if stage.selected {
                StageRecord::bare(StepState::Pending, None, "waiting")
            } else {
                StageRecord::bare(StepState::Skipped, Some(Reason::NotSelected), "not selected")
            };
            (stage.name.clone(), record)
        });
        Execution {
            schema: Execution::SCHEMA,
            state: JobState::Queued,
            reason: None,
            error: None,
            current_stage: None,
            updated_at: self.created_at,
            started_at: None,
            finished_at: None,
            attempt: 0,
            claim: 0,
            stages: stages.collect(),
            warnings: Vec::new(),
        }
    }
}
