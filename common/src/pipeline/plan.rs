//! What may run now. A pure function of the pipeline and of what has ended, so that a worker that was restarted comes to
//! the same answer as the one before it. It is asked after every end of a step, and takes one pass over steps and needs.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::model::{Pipeline, Step};
use crate::slug::Slug;

mod table;
#[cfg(test)]
mod tests;

use table::{State, Table};

/// How a step ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ended {
    /// The way of its end.
    pub outcome: StepOutcome,
    /// What the engine says its container exited with, if it ran to an end.
    pub exit_code: Option<i64>,
}

/// The way a step ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StepOutcome {
    /// It ran and succeeded.
    Success,
    /// It failed, for whatever reason.
    Failed,
    /// It fell to a rule of the operator's, which no definition can allow.
    Refused,
    /// It did not run.
    Skipped,
    /// It was ended from outside.
    Canceled,
}

/// Which of the steps that wait for a person or for a time may go on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Freed {
    /// They were started by hand, or their time has come.
    pub start: BTreeSet<Slug>,
    /// Nobody started them in the time for that.
    pub late: BTreeSet<Slug>,
}

/// What to do now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Next {
    /// Steps to start, in the order of the file.
    pub start: Vec<Slug>,
    /// Steps that will not run, with the reason; to be recorded as ended. Those that follow from these are in it too.
    pub skip: Vec<(Slug, SkipReason)>,
    /// Steps that could run, and wait to be started by hand or for their time. While there is one that others wait for, a job whose
    /// steps have all ended is not done.
    pub hold: Vec<Slug>,
    /// Once `skip` is recorded, nothing is left to start and nothing is running.
    pub done: bool,
}

/// Why a step does not run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SkipReason {
    /// Its switch is off, or it waits for a failure (`when: on_failure`) that did not come.
    NotSelected,
    /// What it needs failed, was canceled or did not run.
    DependencyFailed {
        /// The written name of the step it needs.
        step: String,
    },
    /// `when: manual`.
    ManualNotRun,
}

/// How a job ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JobOutcome {
    /// No failure that counts.
    Succeeded,
    /// At least one.
    Failed,
}

/// What may start now, and what will never run. Steps in `ended` and `running` are left as they are.
pub fn next(
    pipeline: &Pipeline,
    selected: &BTreeSet<Slug>,
    ended: &BTreeMap<Slug, Ended>,
    running: &BTreeSet<Slug>,
    freed: &Freed,
) -> Next {
    let mut table = Table::new(pipeline, selected, ended, running);
    let mut next = Next::default();
    // A skip may decide others, which may stand before it in the file; so may a step that waits and keeps nobody.
    while table.pass(&mut next, freed) {}
    table.hold_shared_trees(&mut next);
    let idle = next.start.is_empty() && table.running == 0;
    if idle && table.holds().any(|index| table.keeps_others(index)) {
        next.hold = table.holds().map(|index| pipeline.steps[index].slug.clone()).collect();
        return next;
    }
    if idle && table.skip_the_held(&mut next) {
        // The job would end: nobody starts these any more, and what needs them is decided.
        while table.pass(&mut next, freed) {}
        table.hold_shared_trees(&mut next);
    }
    next.hold = table.holds().map(|index| pipeline.steps[index].slug.clone()).collect();
    let waiting: Vec<usize> = table.open().collect();
    if next.start.is_empty() && table.running == 0 && !waiting.is_empty() {
        // Only steps in a circle wait for ever. No file that was checked has one; a job must end all the same.
        for index in waiting {
            let step = table.first_unended_need(index).unwrap_or_default();
            next.skip.push((pipeline.steps[index].slug.clone(), SkipReason::DependencyFailed { step }));
            table.states[index] = State::Ended(SKIPPED);
        }
    }
    next.done = next.start.is_empty() && table.running == 0 && next.hold.is_empty();
    next
}

/// How the job ended, once [`next`] says that it is done. A failed or canceled step counts unless it is allowed to fail.
pub fn outcome(pipeline: &Pipeline, ended: &BTreeMap<Slug, Ended>) -> JobOutcome {
    let failed = |step: &Step| ended.get(&step.slug).is_some_and(|end| counts_as_failure(step, *end));
    if pipeline.steps.iter().any(failed) { JobOutcome::Failed } else { JobOutcome::Succeeded }
}

const SKIPPED: Ended = Ended { outcome: StepOutcome::Skipped, exit_code: None };

fn counts_as_failure(step: &Step, end: Ended) -> bool {
    match end.outcome {
        StepOutcome::Failed => !step.allow_failure.allows(end.exit_code),
        StepOutcome::Refused | StepOutcome::Canceled => true,
        StepOutcome::Success | StepOutcome::Skipped => false,
    }
}
