//! Tries of a step: whether another follows, and what makes way for it.

use pipelinex_common::{
    execution::{StepRecord, TryRecord},
    pipeline::model::Step,
    slug::Slug,
    store::{StoreError, TreeError},
};

use super::JobSteps;
use crate::{lock, step::StepError};

impl JobSteps {
    /// The tries of a step that are over and followed by another.
    pub fn tries_of(&self, step: &Slug) -> Vec<TryRecord> {
        lock(&self.tries).get(step).cloned().unwrap_or_default()
    }

    /// Steps that had a try which another follows.
    pub fn tried(&self) -> Vec<Slug> {
        lock(&self.tries).keys().cloned().collect()
    }

    /// The number of the try that is under way or comes next.
    pub fn number_of(&self, step: &Slug) -> u32 {
        1 + lock(&self.tries).get(step).map_or(0, |tries| tries.len() as u32)
    }

    /// Whether another try follows one that ended like this: nothing but that end decides it, so every holder comes to the same.
    pub fn is_followed(&self, step: &Step, record: &StepRecord) -> bool {
        let StepRecord { status, reason, exit_code, .. } = *record;
        step.retry.as_ref().is_some_and(|retry| retry.follows(self.number_of(&step.slug), status, reason, exit_code))
    }

    /// A try is on record, and the next one is due.
    pub fn count_try(&self, step: &Slug, over: TryRecord) {
        lock(&self.tries).entry(step.clone()).or_default().push(over);
    }

    /// Clears away what the try before this one left, so that this one starts clean. Its container first, and its log last of all:
    /// from then on the log under that name is this one's.
    pub(super) async fn clear_earlier_try(&self, step: &Step) -> Result<(), StepError> {
        let before = self.number_of(&step.slug) - 1;
        if self.job.is_put_aside(&step.slug, before) {
            return Ok(());
        }
        self.remove_all_of(&step.slug).await;
        self.still_held()?;
        let owner = self.definition.tree_owner(step);
        // Only a built-in pipeline has trees of several steps: what others have built there stays.
        let others = |other: &&Step| other.slug != step.slug && self.definition.tree_owner(other) == owner;
        let is_shared = self.definition.pipeline.steps.iter().any(|other| others(&other));
        if !is_shared {
            lock(&self.trees).remove(owner);
        }
        self.make_way(step, before, (!is_shared).then_some(owner)).map_err(TreeError::from)?;
        pipelinex_common::fault_point!("worker.between-tries");
        Ok(())
    }

    fn make_way(&self, step: &Step, before: u32, tree_owner: Option<&Slug>) -> Result<(), StoreError> {
        for folder in self.left_by(step, tree_owner) {
            self.worker.store.throw_away(&folder)?;
        }
        self.job.put_try_aside(&step.slug, before)
    }
}
