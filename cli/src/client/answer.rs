//! What a server answers, as far as a client reads it. Fields that are not needed are not asked for, so that older and
//! newer servers are understood.

use indexmap::IndexMap;
use jiff::Timestamp;
use pipelinex_common::{
    access::Owner,
    execution::{FindingCounts, StageRecord, TestCounts},
    findings::{Finding, diff::Standing},
    id::JobId,
    slug::Slug,
    state::{JobState, Reason, StepState},
    store::Verdict,
};
use serde::Deserialize;
use serde_json::Value;

/// The answer to a submission.
#[derive(Clone, Debug, Deserialize)]
pub struct Admitted {
    /// The job.
    pub job_id: JobId,
    /// What a person should know though the project was admitted.
    #[serde(default)]
    pub warnings: Vec<String>,
}

/// How a job stands.
#[derive(Clone, Debug, Deserialize)]
pub struct Status {
    /// What was admitted.
    pub job: JobHead,
    /// What has become of it.
    pub execution: ExecutionView,
    /// The answer as the server wrote it, for `--json`.
    #[serde(skip)]
    pub document: Value,
}

impl Status {
    /// Reads an answer.
    pub fn read(document: Value) -> Result<Self, serde_json::Error> {
        let status = Self::deserialize(&document)?;
        Ok(Self { document, ..status })
    }
}

/// What was admitted.
#[derive(Clone, Debug, Deserialize)]
pub struct JobHead {
    /// The job.
    pub id: JobId,
    /// When it was admitted.
    pub created_at: Timestamp,
    /// What it belongs to.
    #[serde(default)]
    pub project: String,
    /// Who submitted it.
    #[serde(default)]
    pub owner: Owner,
}

/// What has become of a job.
#[derive(Clone, Debug, Deserialize)]
pub struct ExecutionView {
    /// What it is in.
    pub state: JobState,
    /// Why it is FAILED or CANCELED.
    #[serde(default)]
    pub reason: Option<Reason>,
    /// One sentence for a person.
    #[serde(default)]
    pub error: Option<String>,
    /// When the first worker took it.
    #[serde(default)]
    pub started_at: Option<Timestamp>,
    /// When it ended.
    #[serde(default)]
    pub finished_at: Option<Timestamp>,
    /// Somebody wishes it to be canceled.
    #[serde(default)]
    pub cancel_wished: bool,
    /// What a person should know though it did not change the verdict.
    #[serde(default)]
    pub warnings: Vec<String>,
    /// The stages, in their order.
    #[serde(default)]
    pub stages: IndexMap<String, StageRecord>,
}

impl ExecutionView {
    /// A stage by its name in any letter case, with the name as it is written.
    pub fn stage(&self, name: &str) -> Option<(&str, &StageRecord)> {
        let found = self.stages.iter().find(|(written, _)| written.eq_ignore_ascii_case(name));
        found.map(|(written, record)| (written.as_str(), record))
    }

    /// Whether nothing more will happen to a stage.
    pub fn has_ended(&self, stage: &StageRecord) -> bool {
        stage.status.is_final() || self.state.is_final()
    }
}

/// Whether a stage has, or had, something that prints.
pub fn has_started(stage: &StageRecord) -> bool {
    match stage.status {
        StepState::Running | StepState::Success | StepState::Failed => true,
        StepState::Canceled => stage.started_at.is_some(),
        StepState::Pending | StepState::Skipped => false,
    }
}

/// The tests of all steps of a stage.
pub fn tests_of(stage: &StageRecord) -> Option<TestCounts> {
    let counts = stage.steps.values().filter_map(|step| step.tests);
    counts.reduce(|a, b| a.plus(&b))
}

/// The findings of all steps of a stage.
pub fn findings_of(stage: &StageRecord) -> Option<FindingCounts> {
    let counts = stage.steps.values().filter_map(|step| step.findings);
    counts.reduce(|a, b| a.plus(&b))
}

/// What the scanners of a job found.
#[derive(Clone, Debug, Deserialize)]
pub struct Findings {
    /// Whether no more will be found.
    #[serde(default)]
    pub complete: bool,
    /// How many there are, also those that are not in the list.
    pub counts: FindingCounts,
    /// The run that they are compared with.
    #[serde(default)]
    pub baseline: Option<Baseline>,
    /// The worst first.
    pub findings: Vec<FoundIn>,
    /// What the run before had, and this one has not.
    #[serde(default)]
    pub fixed: Vec<FoundIn>,
    /// Steps whose findings the server cannot read.
    #[serde(default)]
    pub unreadable: Vec<Unreadable>,
}

/// A run that findings are compared with.
#[derive(Clone, Debug, Deserialize)]
pub struct Baseline {
    /// The job.
    pub job_id: JobId,
    /// Its number among the runs of its project.
    pub run_number: u64,
}

/// What somebody decided about a finding.
#[derive(Clone, Copy, Debug, Deserialize)]
pub struct Known {
    /// What it is.
    pub verdict: Verdict,
    /// Whether that holds no longer.
    #[serde(default)]
    pub expired: bool,
}

/// A finding, and where it comes from.
#[derive(Clone, Debug, Deserialize)]
pub struct FoundIn {
    /// The stage.
    pub stage: String,
    /// How it stands beside the run before.
    #[serde(default)]
    pub state: Option<Standing>,
    /// What somebody decided about it.
    #[serde(default)]
    pub decision: Option<Known>,
    /// What was found.
    #[serde(flatten)]
    pub finding: Finding,
}

/// A step whose findings the server cannot read.
#[derive(Clone, Debug, Deserialize)]
pub struct Unreadable {
    /// The stage.
    pub stage: String,
    /// Why not.
    pub reason: String,
}

/// What the steps of a job made.
#[derive(Clone, Debug, Deserialize)]
pub struct Artifacts {
    /// In order of steps and paths.
    pub artifacts: Vec<Artifact>,
}

/// A file that a step made.
#[derive(Clone, Debug, Deserialize)]
pub struct Artifact {
    /// The step.
    pub step: Slug,
    /// Where it lay in the project.
    pub path: String,
    /// Its size, in bytes.
    pub bytes: u64,
    /// Whether it is a program to be started.
    #[serde(default)]
    pub executable: bool,
}

/// One row of a list of jobs.
#[derive(Clone, Debug)]
pub struct Listed {
    /// The job.
    pub id: String,
    /// What it belongs to.
    pub project: String,
    /// Who submitted it; absent where there are no accounts.
    pub owner: Option<String>,
    /// Its number among the runs of its project.
    pub run_number: Option<u64>,
    /// What it is in, as the server spells it.
    pub state: String,
    /// What runs now.
    pub current_stage: Option<String>,
    /// Somebody wishes it to be canceled, and it has not ended.
    pub canceling: bool,
    /// When it was admitted.
    pub created_at: Option<Timestamp>,
    /// Why no worker goes on with it, and what to do, where its files are the reason.
    pub broken: Option<String>,
}

impl Listed {
    /// The rows of a page. One that a newer server writes differently is shown as far as it is understood.
    pub fn rows(page: &Value) -> Option<Vec<Self>> {
        page.get("jobs")?.as_array().map(|rows| rows.iter().map(Self::read).collect())
    }

    fn read(row: &Value) -> Self {
        let find = |field: &str| row.get(field).filter(|found| !found.is_null());
        let text = |field: &str| find(field).and_then(Value::as_str).map(str::to_owned);
        let goes_on = find("finished_at").is_none();
        let broken = text("broken");
        Self {
            canceling: goes_on && find("cancel_wished").is_some_and(|wished| wished == true),
            id: text("job_id").unwrap_or_else(|| "?".to_owned()),
            project: text("project").unwrap_or_default(),
            owner: text("owner").filter(|owner| owner != Owner::anonymous().as_str()),
            run_number: find("run_number").and_then(Value::as_u64),
            state: if broken.is_some() { "BROKEN".to_owned() } else { text("state").unwrap_or_else(|| "?".to_owned()) },
            current_stage: text("current_stage"),
            created_at: text("created_at").and_then(|time| time.parse().ok()),
            broken,
        }
    }
}
