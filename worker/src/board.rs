//! The drawing of a job: state.json, made from the plan and from how steps stand and ended.

use std::collections::BTreeMap;

use indexmap::IndexMap;
use jiff::Timestamp;
use pipelinex_common::{
    disk::Versioned,
    execution::{Execution, StageRecord, StepRecord},
    metadata::Metadata,
    pipeline::Pipeline,
    slug::Slug,
    state::{JobState, Reason, StepState},
};

/// How a job stands, as its holder knows it.
#[derive(Clone, Debug)]
pub struct Board {
    /// The stages as they are shown, with the slugs of their steps.
    stages: Vec<(String, Vec<Slug>)>,
    steps: BTreeMap<Slug, StepRecord>,
    started_at: Timestamp,
    attempt: u32,
    claim: u64,
}

impl Board {
    /// A board on which every step waits.
    pub fn new(metadata: &Metadata, pipeline: &Pipeline, started_at: Timestamp, claim: u64) -> Self {
        let mut stages: Vec<(String, Vec<Slug>)> =
            metadata.stages.iter().map(|stage| (stage.name.clone(), Vec::new())).collect();
        let mut steps = BTreeMap::new();
        for step in &pipeline.steps {
            match stages.iter_mut().find(|(name, _)| *name == step.stage) {
                Some((_, slugs)) => slugs.push(step.slug.clone()),
                None => stages.push((step.stage.clone(), vec![step.slug.clone()])),
            }
            steps.insert(step.slug.clone(), StepRecord::pending(&step.name));
        }
        Self { stages, steps, started_at, attempt: 0, claim }
    }

    /// The attempt that is under way.
    pub fn set_attempt(&mut self, attempt: u32) {
        self.attempt = attempt;
    }

    /// Puts a step's record on the board.
    pub fn put(&mut self, step: &Slug, record: StepRecord) {
        self.steps.insert(step.clone(), record);
    }

    /// A step's record.
    pub fn get(&self, step: &Slug) -> Option<&StepRecord> {
        self.steps.get(step)
    }

    /// The record of a job that runs.
    pub fn draw(&self) -> Execution {
        let stages: IndexMap<String, StageRecord> =
            self.stages.iter().map(|(name, slugs)| (name.clone(), self.stage(slugs))).collect();
        Execution {
            schema: Execution::SCHEMA,
            state: JobState::Running,
            reason: None,
            error: None,
            current_stage: stages.iter().find(|(_, s)| s.status == StepState::Running).map(|(name, _)| name.clone()),
            updated_at: Timestamp::now(),
            started_at: Some(self.started_at),
            finished_at: None,
            attempt: self.attempt,
            claim: self.claim,
            stages,
            warnings: self.warnings(),
        }
    }

    /// The record of a job that has ended like this.
    pub fn draw_end(&self, state: JobState, reason: Option<Reason>, error: Option<String>) -> Execution {
        let drawn = self.draw();
        let finished_at = Some(drawn.updated_at);
        Execution { state, reason, error, finished_at, current_stage: None, ..drawn }
    }

    /// What did not change the verdict and should be known all the same: a scan that never was.
    fn warnings(&self) -> Vec<String> {
        let in_order = self.stages.iter().flat_map(|(_, slugs)| slugs).filter_map(|slug| self.steps.get(slug));
        let unseen =
            |step: &&StepRecord| step.status == StepState::Skipped && step.reason == Some(Reason::NoAdvisoryDb);
        in_order.filter(unseen).map(|step| format!("{}: {}", step.name, step.message)).collect()
    }

    fn stage(&self, slugs: &[Slug]) -> StageRecord {
        let steps: IndexMap<Slug, StepRecord> =
            slugs.iter().filter_map(|slug| Some((slug.clone(), self.steps.get(slug)?.clone()))).collect();
        if steps.is_empty() {
            return StageRecord::bare(StepState::Skipped, Some(Reason::NotSelected), "not selected");
        }
        let status = stage_status(steps.values());
        // The step that decided speaks for the stage.
        let speaker = steps.values().find(|step| effective(step) == status).or_else(|| steps.values().next());
        let started_at = steps.values().filter_map(|step| step.started_at).min();
        let finished_at = status.is_final().then(|| steps.values().filter_map(|step| step.finished_at).max()).flatten();
        let message = speaker.map(|step| {
            if steps.len() == 1 { step.message.clone() } else { format!("{}: {}", step.name, step.message) }
        });
        StageRecord {
            status,
            message: message.unwrap_or_default(),
            reason: speaker.and_then(|step| step.reason).filter(|_| status != StepState::Success),
            started_at,
            finished_at,
            duration_ms: started_at.zip(finished_at).map(|(from, to)| milliseconds(from, to)),
            steps,
        }
    }
}

/// Milliseconds between two times; 0 when the clock was set back.
pub fn milliseconds(from: Timestamp, to: Timestamp) -> u64 {
    u64::try_from(to.as_millisecond() - from.as_millisecond()).unwrap_or(0)
}

/// What a step counts as for its stage.
fn effective(step: &StepRecord) -> StepState {
    match step.status {
        StepState::Failed if step.allow_failure => StepState::Success,
        status => status,
    }
}

fn stage_status<'a>(steps: impl Iterator<Item = &'a StepRecord> + Clone) -> StepState {
    let any = |state: StepState| steps.clone().any(|step| effective(step) == state);
    let ended = steps.clone().all(|step| step.status.is_final());
    if any(StepState::Running) || (!ended && steps.clone().any(|step| step.status.is_final())) {
        StepState::Running
    } else if !ended {
        StepState::Pending
    } else if any(StepState::Failed) {
        StepState::Failed
    } else if any(StepState::Canceled) {
        StepState::Canceled
    } else if any(StepState::Success) {
        StepState::Success
    } else {
        StepState::Skipped
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stage_is_what_its_steps_are() {
        use StepState::{Canceled, Failed, Pending, Running, Skipped, Success};
        let status = |states: &[StepState]| {
            let steps: Vec<_> = states.iter().map(|s| StepRecord::bare("s", *s, None, "")).collect();
            stage_status(steps.iter())
        };
        for (states, expected) in [
            (&[Pending, Pending][..], Pending),
            (&[Success, Pending], Running),
            (&[Running, Failed], Running),
            (&[Success, Failed, Canceled], Failed),
            (&[Success, Canceled], Canceled),
            (&[Success, Skipped], Success),
            (&[Skipped, Skipped], Skipped),
        ] {
            assert_eq!(status(states), expected, "{states:?}");
        }
        let mut allowed = StepRecord::bare("s", Failed, Some(Reason::ScriptFailure), "");
        allowed.allow_failure = true;
        assert_eq!(stage_status([allowed].iter()), Success);
    }
}
