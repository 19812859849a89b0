//! Ending a job before its steps have ended by themselves. What runs is ended and CANCELED (or FAILED, when its time is over);
//! what was never started is SKIPPED; both with the reason. The order survives its holder: it is read from the files again.

use std::{sync::Arc, time::Duration};

use pipelinex_common::{
    clock::{Stamp, Witnesses},
    execution::{Execution, StageRecord, StepRecord},
    id::JobId,
    metadata::Metadata,
    pipeline::model::Step,
    slug::Slug,
    state::{JobState, Reason, StepState},
    store::Job,
};
use tokio::{
    sync::{Notify, mpsc},
    time::Instant,
};
use tokio_util::task::AbortOnDropHandle;

use super::{Event, RunError, Running};
use crate::{Worker, definition::Definition, engine::Engine, step::Stop};

/// Pause between two looks at what people wish for a job that runs.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Why a job ends that somebody wished to be canceled, in these words.
pub(super) fn canceled(words: &str) -> Stop {
    Stop::new(Reason::CanceledByUser, format!("asked for {words}").trim())
}

/// Why a job ends that a newer one of its branch has made needless.
fn superseded(by: JobId) -> Stop {
    Stop::new(Reason::Superseded, format!("a newer job of this branch was submitted: {by}"))
}

/// Why a job ends whose time is over.
fn too_long(limit: Duration) -> Stop {
    Stop::timeout(limit, "PIPELINEX_JOB_TIMEOUT of the worker")
}

/// What a job is in that was ended for this reason.
pub(super) fn state_after(stop: &Stop) -> JobState {
    if stop.reason.is_cancellation() { JobState::Canceled } else { JobState::Failed }
}

/// The end of a job that was taken back before anything of it ran.
pub(super) fn never_begun(metadata: &Metadata, stop: &Stop, claim: u64) -> Execution {
    let mut end = metadata.initial_execution();
    for stage in end.stages.values_mut().filter(|stage| stage.status == StepState::Pending) {
        *stage = StageRecord::bare(StepState::Skipped, Some(stop.reason), not_started(stop));
    }
    let now = jiff::Timestamp::now();
    let (reason, error) = (Some(stop.reason), Some(stop.message.clone()));
    Execution { state: state_after(stop), reason, error, updated_at: now, finished_at: Some(now), claim, ..end }
}

/// Tells when the job is to end before its steps have: looks for the wish to cancel, each second and whenever the bell rings, and
/// knows when its time is over.
pub(super) fn watch(
    worker: &Arc<Worker>,
    job: &Job,
    bell: &Arc<Notify>,
    deadline: Instant,
    events: mpsc::UnboundedSender<Event>,
) -> AbortOnDropHandle<()> {
    let limit = worker.config.job_timeout;
    let (job, bell) = (job.clone(), Arc::clone(bell));
    AbortOnDropHandle::new(worker.runtime.spawn(async move {
        let mut told = false;
        let stop = loop {
            if let Some(words) = job.cancel_wish() {
                break canceled(&words);
            }
            if !told && let Some(newer) = job.superseded_by() {
                told = events.send(Event::Superseded(newer)).is_ok();
            }
            tokio::select! {
                () = tokio::time::sleep_until(deadline) => break too_long(limit),
                () = tokio::time::sleep(LOOK_EVERY) => {}
                () = bell.notified() => {}
            }
        };
        // The receiver is gone once the job was let go of.
        let _ = events.send(Event::Stop(stop));
    }))
}

/// When a job's time is over, which runs from its first attempt on, whoever holds it. On the boot on which it began that needs no
/// more than that boot's clock. On another one the engine and the starts of its steps are witnesses of how long ago that was:
/// [`Stamp::until_of_job`] says what each of them bounds.
pub(super) fn deadline(
    worker: &Worker,
    engine: &Engine,
    job: &Job,
    metadata: &Metadata,
    definition: &Definition,
) -> Result<Instant, RunError> {
    let (limit, waited) = (worker.config.job_timeout, job.resume()?);
    let first = job.first_attempt()?;
    let Some((began, under)) = first.and_then(|first| Some((first.clock?, first.engine))) else {
        return Ok(Instant::now() + limit);
    };
    let elapsed = match began.on_one_boot(&Stamp::now()) {
        Some(passed) => passed,
        None => {
            // Only now: a worker that comes back on the same boot asks nobody.
            let run = under.and_then(|earlier| worker.runtime.block_on(engine.current_run())?.follows(&earlier));
            let later = job.starts_of(definition.pipeline.steps.iter().map(|step| &step.slug))?;
            let known = Witnesses { submitted: metadata.created_at, later, restarted: run };
            began.until_of_job(&Stamp::now(), &known)
        }
    };
    // What nobody held because all of it waited is none of the job's time.
    Ok(Instant::now() + limit.saturating_sub(elapsed.saturating_sub(waited)))
}

impl Running<'_> {
    /// Ends the job, if somebody wishes that now.
    pub(super) fn heed_wish(&mut self) {
        if let Some(words) = self.job.cancel_wish() {
            self.stop(canceled(&words));
        }
    }

    /// Ends the job, if a newer one of its branch is there and its pipeline lets that be: some step is `interruptible`, and none
    /// that is not has begun. Whoever takes the job up comes to the same.
    pub(super) fn heed_newer(&mut self) {
        if let Some(newer) = self.job.superseded_by() {
            self.supersede(newer);
        }
    }

    /// See [`Self::heed_newer`].
    pub(super) fn supersede(&mut self, newer: JobId) {
        let may_end = |step: &Step| step.interruptible || self.definition.required.contains(&step.slug);
        // What began is on disk, whoever began it; what cannot be read counts as begun.
        let has_begun = |slug: &Slug| !matches!(self.job.start_of(slug), Ok(None));
        let steps =
            || self.definition.pipeline.steps.iter().filter(|step| self.definition.selected.contains(&step.slug));
        if steps().any(|step| step.interruptible) && steps().all(|step| may_end(step) || !has_begun(&step.slug)) {
            self.stop(superseded(newer));
        }
    }

    /// Ends the job, if its time is over.
    pub(super) fn heed_deadline(&mut self) {
        if Instant::now() >= self.deadline {
            self.stop(too_long(self.worker.config.job_timeout));
        }
    }

    /// Begins to end the job: the first reason counts.
    pub(super) fn stop(&mut self, stop: Stop) {
        if self.stop.is_none() {
            tracing::info!(job = %self.job.id(), reason = %stop.reason, "the job is ended");
            self.steps.end_all(Stop::new(stop.reason, of_step(&stop)));
            self.stop = Some(stop);
        }
    }

    /// A job that is being ended and has a past: its containers are taken up to be ended in order.
    pub(super) fn take_up_to_end(&mut self, stop: &Stop, lost: &[Slug]) -> Result<(), RunError> {
        for step in lost {
            self.record_ended(step, stop)?;
        }
        let open = |step: &Slug| !self.ended.contains_key(step);
        for step in self.steps.adopted().into_iter().filter(open).collect::<Vec<_>>() {
            self.start(&step)?;
        }
        Ok(())
    }

    /// Records a step that ran, and whose container is gone.
    pub(super) fn record_ended(&mut self, slug: &Slug, stop: &Stop) -> Result<(), RunError> {
        self.running.remove(slug);
        if self.overtaken() {
            return Ok(());
        }
        let Some(name) = self.definition.step(slug).map(|step| step.name.clone()) else { return Ok(()) };
        let state = if stop.reason.is_cancellation() { StepState::Canceled } else { StepState::Failed };
        self.record(slug, StepRecord::bare(name, state, Some(stop.reason), of_step(stop)))
    }

    /// Skips what was never started.
    pub(super) fn skip_the_rest(&mut self, stop: &Stop) -> Result<(), RunError> {
        let definition = self.definition.clone();
        for step in &definition.pipeline.steps {
            if self.ended.contains_key(&step.slug) {
                continue;
            }
            let (reason, message) = match definition.selected.contains(&step.slug) {
                true => (stop.reason, not_started(stop)),
                false => (Reason::NotSelected, "not selected".to_owned()),
            };
            self.record(&step.slug, StepRecord::bare(&step.name, StepState::Skipped, Some(reason), message))?;
        }
        Ok(())
    }
}

fn of_step(stop: &Stop) -> String {
    match stop.reason {
        Reason::CanceledByUser => "the job was canceled".to_owned(),
        Reason::Superseded => "the job was superseded".to_owned(),
        _ => format!("the job was ended: {}", stop.message),
    }
}

fn not_started(stop: &Stop) -> String {
    format!("not started: {}", of_step(stop))
}
