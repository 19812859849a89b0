//! What a former holder left of a step: its container, and when its time began. And how long a step took, whoever began it.

use std::time::{Duration, Instant};

use jiff::Timestamp;
use pipelinex_common::{
    clock::Stamp,
    pipeline::model::Step,
    store::{StoreError, TreeError},
};

use super::JobSteps;
use crate::{
    engine::{ContainerStatus, Phase},
    lock,
    logs::LogPlace,
    mask::Mask,
    step::{Ending, StepError},
};

/// When a step began and ended, and how long that was by the best clock there is.
pub(super) struct Times {
    pub started_at: Timestamp,
    pub finished_at: Timestamp,
    pub took: Duration,
}

/// A container that a former holder started.
pub(super) struct TakenUp {
    /// Its name.
    pub name: String,
    /// What the engine says of it; `None` when it is gone by now.
    pub found: Option<ContainerStatus>,
}

impl JobSteps {
    /// The container to go on with, if a former holder started one. One that was made and never started is removed before anything
    /// else: its step begins as if there had been none, and who made it can start it no more.
    pub(super) async fn take_up(&self, step: &Step) -> Result<Option<TakenUp>, StepError> {
        let Some(name) = lock(&self.adopted).remove(&step.slug) else { return Ok(None) };
        let mask = Mask::default();
        let log = self.log_of(step, &mask);
        let mut found = self.engine.inspect(&name).await?;
        if found.is_none() && !log.is_there() {
            // Removed by a maker who was too late.
            return Ok(None);
        }
        while let Some(unstarted) = found.as_ref().filter(|status| status.phase == Phase::Created) {
            self.still_held()?;
            // First the log, which says that there was a container to be lost.
            log.discard()?;
            self.engine.remove_unstarted(&unstarted.id).await?;
            // It stays where its maker was a moment quicker and has started it.
            found = self.engine.inspect(&name).await?;
            if found.is_none() {
                return Ok(None);
            }
        }
        Ok(Some(TakenUp { name, found }))
    }

    /// The times of a step that has ended just now, or while nobody watched. Whoever started it wrote down when its time began;
    /// one that was never started has only had a place since `had_place`.
    pub(super) fn times(&self, step: &Step, had_place: Stamp, ending: &Ending) -> Result<Times, StoreError> {
        let began = self.job.start_of(&step.slug)?.unwrap_or(had_place);
        let now = Stamp::now();
        let status = if let Ending::Exited(status) = ending { Some(status) } else { None };
        let engine_says = status.and_then(|status| status.started_at);
        // The engine's clock may be another machine's, and then it may be ahead of ours.
        let ended = status.and_then(|status| status.finished_at).filter(|at| *at < now.at);
        let took = match ended {
            Some(ended) => began.until_end(ended, &now, engine_says),
            None => began.until(&now, engine_says),
        };
        Ok(Times { started_at: began.at, finished_at: ended.unwrap_or(now.at), took })
    }

    /// Where a step's log is.
    pub(super) fn log_of<'a>(&'a self, step: &'a Step, mask: &'a Mask) -> LogPlace<'a> {
        LogPlace { paths: &self.paths, step: &step.slug, limits: &self.worker.config.limits, mask }
    }

    /// When the time of a step began. For one whose container a former holder started: as that one wrote it down, or, for a job
    /// of an older program, as the engine tells it.
    pub(super) fn began(&self, step: &Step, found: Option<&ContainerStatus>) -> Result<Instant, StepError> {
        let now = Stamp::now();
        let Some(status) = found else {
            self.still_held()?;
            self.job.record_start(&step.slug, &now).map_err(TreeError::from)?;
            return Ok(Instant::now());
        };
        let started = self.job.start_of(&step.slug).map_err(TreeError::from)?;
        let ran_for = started.map_or_else(|| status.ran_for(), |stamp| stamp.until(&now, status.started_at));
        Ok(Instant::now().checked_sub(ran_for).unwrap_or_else(Instant::now))
    }

    /// Whether a container that ended while nobody watched did so after its time: it ran on too long, or a former holder was ending
    /// it for that. Its exit code does not say so.
    pub(super) fn overran(&self, step: &Step, found: Option<&ContainerStatus>) -> Result<bool, StepError> {
        let Some((status, ended)) = found.and_then(|status| Some((status, status.finished_at?))) else {
            return Ok(false);
        };
        let began = self.job.start_of(&step.slug).map_err(TreeError::from)?;
        let took = began.map(|stamp| stamp.until_end(ended, &Stamp::now(), status.started_at));
        Ok(took.is_some_and(|took| took >= self.timeout(step)))
    }
}
