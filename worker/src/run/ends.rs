//! Ends of jobs that no step decides: of one that cannot be run, or that nobody survives handling. Whoever was overtaken writes
//! none of them, and a wish to cancel that was durable before is granted.

use std::sync::Arc;

use jiff::Timestamp;
use pipelinex_common::{
    execution::Execution,
    metadata::Metadata,
    pipeline::Pipeline,
    state::{JobState, StepState},
    store::{Claim, Deaths, Job},
};

use super::{Release, RunError, stopping};
use crate::{Worker, board::Board, engine::Engine, poison, step::Stop, sweep};

/// Ends a job of which nothing is to run, if we still hold it. `engine`: where a former holder may have left something.
pub(super) fn at_once(
    worker: &Arc<Worker>,
    engine: Option<&Engine>,
    job: &Job,
    holds: bool,
    end: &Execution,
) -> Result<Release, RunError> {
    if !holds {
        return Ok(Release::Open);
    }
    let won = job.finish(end)?;
    tracing::info!(job = %job.id(), state = %end.state, won, "the job was ended before it began");
    match engine {
        Some(engine) => worker.runtime.block_on(sweep::job(engine, &worker.store, job))?,
        None => sweep::remove_folders(&worker.store, job)?,
    }
    Ok(Release::Finished)
}

/// The end of a job whose definition cannot be run.
pub(super) fn unrunnable(
    job: &Job,
    metadata: &Metadata,
    refused: Stop,
    claim: u64,
    started_at: Timestamp,
) -> Execution {
    let board = Board::new(metadata, &Pipeline { stages: Vec::new(), steps: Vec::new() }, started_at, claim);
    or_canceled(job, board.draw_end(JobState::Failed, Some(refused.reason), Some(refused.message)))
}

/// Ends a job over whose data too many processes died, the last of them started for that alone. It takes no other along.
///
/// # Errors
/// [`RunError`].
pub fn end_poisoned(
    worker: &Arc<Worker>,
    engine: &Engine,
    job: &Job,
    claim: &Claim,
    deaths: &Deaths,
) -> Result<Release, RunError> {
    let mut live = job.view()?.execution;
    // Steps that were recorded after the last drawing have ended as they did.
    for stage in live.stages.values_mut() {
        for (slug, record) in &mut stage.steps {
            if let Some(end) = job.end_of(slug)? {
                *record = end.record;
            }
        }
        if !stage.steps.is_empty() && stage.steps.values().all(|step| step.status == StepState::Success) {
            stage.status = StepState::Success;
        }
    }
    let end = or_canceled(job, poison::end(live, claim.number(), deaths, Timestamp::now()));
    if !claim.holds() {
        return Ok(Release::Open);
    }
    job.finish(&end)?;
    tracing::warn!(job = %job.id(), place = %deaths.place, "the job was ended: its data ends the process that handles it");
    worker.runtime.block_on(sweep::job(engine, &worker.store, job))?;
    Ok(Release::Finished)
}

fn or_canceled(job: &Job, end: Execution) -> Execution {
    let Some(words) = job.cancel_wish() else { return end };
    let stop = stopping::canceled(&words);
    Execution { state: stopping::state_after(&stop), reason: Some(stop.reason), error: Some(stop.message), ..end }
}
