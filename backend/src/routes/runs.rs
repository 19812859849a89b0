//! A job in the words of the predecessor that called it a run of a pipeline: its stages, their jobs (here: steps), and each try of one.

use jiff::Timestamp;
use pipelinex_common::{
    execution::{Execution, StageRecord, StepRecord},
    id::JobId,
    slug::Slug,
    state::{JobState, StepState},
    store::{Job, JobView, StoreError},
};
use schemars::JsonSchema;
use serde::Serialize;

use crate::history;

/// One run with all that is known of it.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PipelineRun {
    id: JobId,
    name: String,
    run_number: u64,
    commit_hash: Option<String>,
    status: &'static str,
    start_time: Option<Timestamp>,
    completion_time: Option<Timestamp>,
    stages: Vec<StageRun>,
}

#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct StageRun {
    id: String,
    name: String,
    status: &'static str,
    start_time: Option<Timestamp>,
    completion_time: Option<Timestamp>,
    jobs: Vec<StepRuns>,
}

#[derive(Debug, Serialize, JsonSchema)]
struct StepRuns {
    name: String,
    /// Each try, the first one first.
    executions: Vec<TryRun>,
}

#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct TryRun {
    id: String,
    status: &'static str,
    start_time: Option<Timestamp>,
    completion_time: Option<Timestamp>,
    allow_failure: bool,
}

/// How a run stands.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RunStatus {
    execution_id: JobId,
    pipeline_name: String,
    status: &'static str,
    commit_hash: Option<String>,
    start_time: Option<Timestamp>,
    completion_time: Option<Timestamp>,
    stages: Vec<StageStatus>,
}

/// How a stage of it stands.
#[derive(Debug, Serialize, JsonSchema)]
pub struct StageStatus {
    name: String,
    status: &'static str,
    jobs: Vec<StepStatus>,
}

#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct StepStatus {
    name: String,
    status: &'static str,
    allow_failure: bool,
}

/// The predecessor's word for the state of a job.
pub fn word(state: JobState) -> &'static str {
    match state {
        JobState::Queued => "PENDING",
        JobState::Running => "RUNNING",
        JobState::Succeeded => "SUCCESS",
        JobState::Failed => "FAILED",
        JobState::Canceled => "CANCELED",
    }
}

/// The state of a job, in the predecessor's words or in ours.
pub fn state_of(text: &str) -> Option<JobState> {
    JobState::ALL.into_iter().find(|state| [word(*state), state.as_str()].iter().any(|w| w.eq_ignore_ascii_case(text)))
}

/// The predecessor's word for the state of a stage or a step; it has none for what is left out.
fn step_word(state: StepState) -> &'static str {
    match state {
        StepState::Pending => "PENDING",
        StepState::Running => "RUNNING",
        StepState::Success => "SUCCESS",
        StepState::Failed => "FAILED",
        StepState::Skipped | StepState::Canceled => "CANCELED",
    }
}

/// Whether a stage or a step is the one that somebody names: as it is written, or as it stands in addresses.
fn is_called(name: &str, asked: &str) -> bool {
    name == asked || Slug::of(name) == Slug::of(asked)
}

/// A part of runs that is asked for.
#[derive(Clone, Debug, Default)]
pub struct Part {
    /// This stage alone.
    pub stage: Option<String>,
    /// This step of it alone.
    pub job: Option<String>,
}

impl PipelineRun {
    /// That part of a job; `None` where the job has nothing of the kind.
    ///
    /// # Errors
    /// [`StoreError`] of a job that cannot be read.
    pub fn of(job: &Job, part: &Part) -> Result<Option<Self>, StoreError> {
        let JobView { metadata, execution, .. } = job.view()?;
        let wanted = |asked: &Option<String>, name: &str| asked.as_ref().is_none_or(|asked| is_called(name, asked));
        let stages = execution.stages.iter().filter(|(name, _)| wanted(&part.stage, name));
        let stages: Vec<StageRun> = stages
            .map(|(name, record)| StageRun::of(job.id(), name, record, &|step| wanted(&part.job, step)))
            .filter(|stage| part.job.is_none() || !stage.jobs.is_empty())
            .collect();
        let asked_for_a_part = part.stage.is_some() || part.job.is_some();
        if asked_for_a_part && stages.is_empty() {
            return Ok(None);
        }
        Ok(Some(Self {
            id: metadata.job_id,
            name: history::pipeline_name(job, &metadata),
            run_number: metadata.run_number,
            commit_hash: metadata.commit,
            status: word(execution.state),
            start_time: execution.started_at,
            completion_time: execution.finished_at,
            stages,
        }))
    }
}

impl StageRun {
    fn of(id: JobId, name: &str, record: &StageRecord, wanted: &dyn Fn(&str) -> bool) -> Self {
        let steps = record.steps.iter().filter(|(_, step)| wanted(&step.name));
        Self {
            id: format!("{id}/{}", Slug::of(name)),
            name: name.to_owned(),
            status: step_word(record.status),
            start_time: record.started_at,
            completion_time: record.finished_at,
            jobs: steps.map(|(slug, step)| StepRuns::of(&format!("{id}/{slug}"), step)).collect(),
        }
    }
}

impl StepRuns {
    fn of(id: &str, step: &StepRecord) -> Self {
        let run = |number: u32, status, start_time, completion_time| TryRun {
            id: format!("{id}/{number}"),
            status: step_word(status),
            start_time,
            completion_time,
            allow_failure: step.allow_failure,
        };
        let earlier = step.tries.iter().map(|one| run(one.number, one.status, one.started_at, one.finished_at));
        let last = run(step.number.unwrap_or(1), step.status, step.started_at, step.finished_at);
        Self { name: step.name.clone(), executions: earlier.chain([last]).collect() }
    }
}

impl RunStatus {
    /// How a job stands.
    ///
    /// # Errors
    /// [`StoreError`] of a job that cannot be read.
    pub fn of(job: &Job) -> Result<Self, StoreError> {
        let JobView { metadata, execution, .. } = job.view()?;
        Ok(Self {
            execution_id: metadata.job_id,
            pipeline_name: history::pipeline_name(job, &metadata),
            status: word(execution.state),
            commit_hash: metadata.commit,
            start_time: execution.started_at,
            completion_time: execution.finished_at,
            stages: execution.stages.iter().map(|(name, record)| StageStatus::of(name, record)).collect(),
        })
    }
}

impl StageStatus {
    /// How the stage of that name stands.
    pub fn named(execution: &Execution, asked: &str) -> Option<Self> {
        let found = execution.stages.iter().find(|(name, _)| is_called(name, asked));
        found.map(|(name, record)| Self::of(name, record))
    }

    fn of(name: &str, record: &StageRecord) -> Self {
        let steps = record.steps.values().map(|step| StepStatus {
            name: step.name.clone(),
            status: step_word(step.status),
            allow_failure: step.allow_failure,
        });
        Self { name: name.to_owned(), status: step_word(record.status), jobs: steps.collect() }
    }
}
