//! A step whose container is gone: the next attempt, with nothing of the lost one in its way.

use std::path::PathBuf;

use pipelinex_common::{
    disk::DiskError,
    pipeline::model::Step,
    slug::Slug,
    store::{Job, StoreError},
};

use super::JobSteps;
use crate::lock;

impl JobSteps {
    /// A step's container is gone: begins the next attempt, unless another step's loss did so since this one was started,
    /// and clears away what the lost container left. Returns the number of the attempt.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn start_over(&self, job: &Job, step: &Step, ran_in: u32, tree_is_shared: bool) -> Result<u32, StoreError> {
        if ran_in == self.attempt() {
            let number = job.begin_attempt(&lock(&self.claim), ran_in)?;
            self.attempt.store(number, std::sync::atomic::Ordering::Release);
        }
        pipelinex_common::fault_point!("worker.attempt-begun");
        let attempt = self.attempt();
        // Beginning it may have taken its time, and what a successor's container leaves is not ours to clear away.
        if !lock(&self.claim).holds() {
            return Ok(attempt);
        }
        let owner = self.definition.tree_owner(step);
        if !tree_is_shared {
            lock(&self.trees).remove(owner);
        }
        self.clear_lost(step, (!tree_is_shared).then_some(owner))?;
        // Last of all: whoever finds a log and no container starts over, and this attempt has had none to lose yet.
        if attempt <= self.worker.config.attempt_budget {
            self.put_log_aside(step, attempt)?;
        }
        pipelinex_common::fault_point!("worker.starting-over");
        Ok(attempt)
    }

    /// Clears away what a lost container left, so that its step starts clean: reports and artifacts, also those that were published
    /// without an end on record, the rest of its log, what was copied for it, and its tree where no step that has ended works in
    /// the same one.
    fn clear_lost(&self, step: &Step, tree_owner: Option<&Slug>) -> Result<(), StoreError> {
        let paths = &self.paths;
        // What of a try is published where another follows it, and has no end there: it is not over.
        let of_try = paths.try_folder(&step.slug, self.number_of(&step.slug));
        for folder in self.left_by(step, tree_owner).chain(of_try.exists().then_some(of_try)) {
            self.worker.store.throw_away(&folder)?;
        }
        match std::fs::remove_file(paths.log_tail(&step.slug)) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(DiskError::io("remove", paths.log_tail(&step.slug))(error).into())
            }
            _ => Ok(()),
        }
    }

    /// The folders that are the step's own, as far as they are there.
    pub(super) fn left_by(&self, step: &Step, tree_owner: Option<&Slug>) -> impl Iterator<Item = PathBuf> + use<> {
        let paths = &self.paths;
        let own = [
            paths.outbox_of(&step.slug),
            paths.inputs_of(&step.slug),
            self.reports_to(step),
            paths.artifacts_of(&step.slug),
        ];
        let tree = tree_owner.map(|owner| paths.tree(owner));
        own.into_iter().chain(tree).filter(|folder| folder.exists())
    }

    /// A container that is gone took the rest of its log along: what there is stays, under the number of the attempt after it.
    fn put_log_aside(&self, step: &Step, attempt: u32) -> Result<(), DiskError> {
        let (log, index) = (self.paths.log(&step.slug), self.paths.log_index(&step.slug));
        if log.exists() {
            let aside = log.with_extension(format!("before-{attempt}.log"));
            std::fs::rename(&log, &aside).map_err(DiskError::io("move", &log))?;
            let _ = std::fs::remove_file(&index);
        }
        Ok(())
    }
}
