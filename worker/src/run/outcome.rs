//! What the ends of steps come to: for the plan, and for the job.

use std::collections::BTreeMap;

use pipelinex_common::{
    execution::StepRecord,
    pipeline::{
        model::Step,
        plan::{self, Ended, JobOutcome, StepOutcome},
    },
    slug::Slug,
    state::{JobState, Reason, StepState},
};

use crate::{board::Board, definition::Definition};

/// A step's end, as the plan goes by it.
pub(super) fn of(record: &StepRecord) -> Ended {
    let outcome = match record.status {
        StepState::Success => StepOutcome::Success,
        // What had nothing to do keeps nobody away who waits for it.
        StepState::Skipped if record.reason == Some(Reason::NotApplicable) => StepOutcome::Success,
        StepState::Skipped => StepOutcome::Skipped,
        StepState::Canceled => StepOutcome::Canceled,
        StepState::Failed if record.reason == Some(Reason::PolicyGate) => StepOutcome::Refused,
        StepState::Failed | StepState::Pending | StepState::Running => StepOutcome::Failed,
    };
    Ended { outcome, exit_code: record.exit_code }
}

/// Whether the definition lets a step fail like this. The operator's rules it cannot lift.
pub(super) fn is_allowed(step: &Step, record: &StepRecord) -> bool {
    record.status == StepState::Failed
        && record.reason != Some(Reason::PolicyGate)
        && step.allow_failure.allows(record.exit_code)
}

/// How the job ends, once all of its steps have.
pub(super) fn of_job(
    definition: &Definition,
    ended: &BTreeMap<Slug, Ended>,
    board: &Board,
) -> (JobState, Option<Reason>, Option<String>) {
    let records = || definition.pipeline.steps.iter().filter_map(|step| Some((step, board.get(&step.slug)?)));
    match plan::outcome(&definition.pipeline, ended) {
        JobOutcome::Failed => {
            let failed = records().filter(|(_, record)| record.status == StepState::Failed && !record.allow_failure);
            let first = failed.min_by_key(|(_, record)| record.finished_at);
            let error = first.map(|(step, record)| format!("{}: {}", step.name, record.message));
            (JobState::Failed, first.and_then(|(_, record)| record.reason), error)
        }
        JobOutcome::Succeeded => {
            // Whatever kept a required stage from running: without it nobody passes.
            let mut required = records().filter(|(step, _)| definition.required.contains(&step.slug));
            match required.find(|(_, record)| record.status != StepState::Success) {
                None => (JobState::Succeeded, None, None),
                Some((step, record)) => {
                    let message = format!("the operator requires {}, which did not run: {}", step.name, record.message);
                    (JobState::Failed, Some(Reason::PolicyGate), Some(message))
                }
            }
        }
    }
}
