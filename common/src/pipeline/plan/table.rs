//! The steps as they stand, and the rule for each of them.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::{Ended, Freed, Next, SKIPPED, SkipReason, StepOutcome, counts_as_failure};
use crate::{
    pipeline::model::{AllowFailure, Pipeline, Step, When},
    slug::Slug,
};

#[derive(Clone, Copy, PartialEq)]
pub(super) enum State {
    /// Not decided yet.
    Open,
    /// It could run, and waits to be started by hand or for its time.
    Held,
    /// To be started by this call.
    Starting,
    Running,
    Ended(Ended),
}

/// What a step waits for, taken together.
#[derive(Clone, Copy, Default)]
struct Summary {
    waiting: bool,
    /// A step that failed, and the failure counts.
    failed: Option<usize>,
    /// A step because of which a step that wants success does not run, though nothing failed.
    blocked: Option<usize>,
    /// A step that is needed by name and did not run.
    skipped: Option<usize>,
    /// A step that was canceled.
    canceled: Option<usize>,
}

impl Summary {
    fn add(&mut self, other: Summary) {
        self.waiting |= other.waiting;
        self.failed = self.failed.or(other.failed);
        self.blocked = self.blocked.or(other.blocked);
        self.skipped = self.skipped.or(other.skipped);
        self.canceled = self.canceled.or(other.canceled);
    }
}

enum Verdict {
    Wait,
    Start,
    Hold,
    Skip(SkipReason),
}

/// Every step with its state, and the names, stages and selection looked up once.
pub(super) struct Table<'p> {
    pipeline: &'p Pipeline,
    pub states: Vec<State>,
    selected: Vec<bool>,
    ranks: Vec<usize>,
    by_name: HashMap<&'p str, usize>,
    pub running: usize,
}

impl<'p> Table<'p> {
    pub fn new(
        pipeline: &'p Pipeline,
        selected: &BTreeSet<Slug>,
        ended: &BTreeMap<Slug, Ended>,
        running: &BTreeSet<Slug>,
    ) -> Self {
        let mut slugs = BTreeSet::new();
        let state = |step: &'p Step| match ended.get(&step.slug) {
            Some(end) => State::Ended(*end),
            None if running.contains(&step.slug) => State::Running,
            None => State::Open,
        };
        // Two steps of one slug can only come from a file that was not checked: the second is no step.
        let states: Vec<State> = pipeline
            .steps
            .iter()
            .map(|step| if slugs.insert(&step.slug) { state(step) } else { State::Ended(SKIPPED) })
            .collect();
        let stages: HashMap<&str, usize> = pipeline.stages.iter().enumerate().map(|(i, s)| (s.as_str(), i)).collect();
        let rank = |step: &Step| stages.get(step.stage.as_str()).copied().unwrap_or(pipeline.stages.len());
        Table {
            running: states.iter().filter(|state| **state == State::Running).count(),
            states,
            selected: pipeline.steps.iter().map(|step| selected.contains(&step.slug)).collect(),
            ranks: pipeline.steps.iter().map(rank).collect(),
            by_name: pipeline.steps.iter().enumerate().map(|(index, step)| (step.name.as_str(), index)).collect(),
            pipeline,
        }
    }

    pub fn open(&self) -> impl Iterator<Item = usize> + '_ {
        (0..self.states.len()).filter(|index| self.states[*index] == State::Open)
    }

    /// Steps that wait to be started by hand or for their time.
    pub fn holds(&self) -> impl Iterator<Item = usize> + '_ {
        (0..self.states.len()).filter(|index| self.states[*index] == State::Held)
    }

    /// Whether later steps wait until a step that is held has ended. One by hand that may fail keeps nobody but those that need it by
    /// name.
    pub fn keeps_others(&self, index: usize) -> bool {
        let step = &self.pipeline.steps[index];
        step.when != When::Manual || step.allow_failure != AllowFailure::Yes
    }

    /// Skips every step that is held; true if there was one.
    pub fn skip_the_held(&mut self, next: &mut Next) -> bool {
        let held: Vec<usize> = self.holds().collect();
        for index in &held {
            self.states[*index] = State::Ended(SKIPPED);
            next.skip.push((self.pipeline.steps[*index].slug.clone(), SkipReason::ManualNotRun));
        }
        !held.is_empty()
    }

    /// Decides each open step once; true if something was skipped or is held, which may decide others.
    pub fn pass(&mut self, next: &mut Next, freed: &Freed) -> bool {
        let stages = self.stage_summaries();
        let mut decides = false;
        for index in self.open().collect::<Vec<_>>() {
            match self.judge(index, &stages, freed) {
                Verdict::Wait => {}
                Verdict::Start => self.states[index] = State::Starting,
                Verdict::Hold => {
                    self.states[index] = State::Held;
                    decides = true;
                }
                Verdict::Skip(reason) => {
                    self.states[index] = State::Ended(SKIPPED);
                    next.skip.push((self.pipeline.steps[index].slug.clone(), reason));
                    decides = true;
                }
            }
        }
        decides
    }

    fn judge(&self, index: usize, stages: &[Summary], freed: &Freed) -> Verdict {
        let step = &self.pipeline.steps[index];
        match self.judge_at_once(index, stages) {
            Verdict::Start if !matches!(step.when, When::Manual | When::Delayed) => Verdict::Start,
            Verdict::Start if freed.start.contains(&step.slug) => Verdict::Start,
            Verdict::Start if freed.late.contains(&step.slug) => Verdict::Skip(SkipReason::ManualNotRun),
            Verdict::Start => Verdict::Hold,
            other => other,
        }
    }

    /// As if nothing had to be started by hand or waited for its time.
    fn judge_at_once(&self, index: usize, stages: &[Summary]) -> Verdict {
        let step = &self.pipeline.steps[index];
        if !self.selected[index] {
            return Verdict::Skip(SkipReason::NotSelected);
        }
        let summary = match self.summary(index, stages) {
            Ok(summary) => summary,
            Err(missing) => return Verdict::Skip(SkipReason::DependencyFailed { step: missing.to_owned() }),
        };
        // A step that wants success is decided by the first failure; what else it needs may still be running.
        // GitLab's order of questions; a step that runs in any case waits all the same until what it needs has ended.
        let canceled = if summary.failed.is_none() { summary.canceled } else { None };
        let blocked = match step.when {
            When::OnSuccess | When::Manual | When::Delayed => summary.failed.or(summary.blocked),
            When::OnFailure => summary.skipped,
            When::Always => None,
        };
        match (step.when, blocked) {
            (_, Some(other)) => Verdict::Skip(self.because_of(other)),
            _ if summary.waiting => Verdict::Wait,
            (When::Always, None) if summary.skipped.is_some() => Verdict::Start,
            (When::Always | When::OnFailure, None) if canceled.is_some() => {
                Verdict::Skip(canceled.map_or(SkipReason::NotSelected, |other| self.because_of(other)))
            }
            (When::OnFailure, None) if summary.failed.is_none() => Verdict::Skip(SkipReason::NotSelected),
            _ => Verdict::Start,
        }
    }

    fn because_of(&self, index: usize) -> SkipReason {
        SkipReason::DependencyFailed { step: self.pipeline.steps[index].name.clone() }
    }

    /// What the step waits for; the name of a need that it cannot do without and that is not in the run.
    fn summary(&self, index: usize, stages: &[Summary]) -> Result<Summary, &'p str> {
        let step = &self.pipeline.steps[index];
        let mut summary = Summary::default();
        let Some(needs) = &step.needs else {
            return Ok(stages[self.ranks[index]]);
        };
        for need in needs {
            match self.by_name.get(need.step.as_str()).filter(|needed| self.selected[**needed]) {
                Some(needed) => summary.add(self.of_need(*needed)),
                None if need.optional || matches!(step.when, When::OnFailure | When::Always) => {}
                None => return Err(&need.step),
            }
        }
        Ok(summary)
    }

    /// A step that is needed by name has to have run.
    fn of_need(&self, index: usize) -> Summary {
        let skipped = matches!(self.states[index], State::Ended(Ended { outcome: StepOutcome::Skipped, .. }));
        let mut summary = self.of_earlier(index);
        summary.waiting |= self.states[index] == State::Held;
        summary.blocked = summary.blocked.or(skipped.then_some(index));
        summary.skipped = skipped.then_some(index);
        summary
    }

    /// For a step that waits for whole stages a skipped one does not count, as in GitLab: `when: on_failure` in the middle
    /// of a pipeline must not end it. One by hand that is not allowed to fail does.
    fn of_earlier(&self, index: usize) -> Summary {
        let step = &self.pipeline.steps[index];
        if self.states[index] == State::Held && !self.keeps_others(index) {
            return Summary::default();
        }
        let State::Ended(end) = self.states[index] else {
            return Summary { waiting: true, ..Summary::default() };
        };
        let (failed, blocked) = match end.outcome {
            StepOutcome::Success => (false, false),
            StepOutcome::Failed | StepOutcome::Refused => (counts_as_failure(step, end), false),
            StepOutcome::Skipped => (false, step.when == When::Manual && step.allow_failure != AllowFailure::Yes),
            StepOutcome::Canceled => (false, true),
        };
        let canceled = end.outcome == StepOutcome::Canceled;
        Summary {
            waiting: false,
            failed: failed.then_some(index),
            blocked: blocked.then_some(index),
            skipped: None,
            canceled: canceled.then_some(index),
        }
    }

    /// For each stage, what all stages before it come to.
    fn stage_summaries(&self) -> Vec<Summary> {
        let mut stages = vec![Summary::default(); self.pipeline.stages.len() + 1];
        for (index, rank) in self.ranks.iter().enumerate() {
            if self.selected[index] {
                stages[*rank].add(self.of_earlier(index));
            }
        }
        let mut before = Summary::default();
        for stage in &mut stages {
            let own = *stage;
            *stage = before;
            before.add(own);
        }
        stages
    }

    /// Of the steps that could start, one for each tree that nobody works in.
    pub fn hold_shared_trees(&mut self, next: &mut Next) {
        let steps = &self.pipeline.steps;
        let running = (0..steps.len()).filter(|index| self.states[*index] == State::Running);
        let mut busy: BTreeSet<&str> = running.map(|index| steps[index].tree_owner()).collect();
        for (index, step) in steps.iter().enumerate() {
            if self.states[index] == State::Starting && busy.insert(step.tree_owner()) {
                next.start.push(step.slug.clone());
            }
        }
    }

    pub fn first_unended_need(&self, index: usize) -> Option<String> {
        let needs = self.pipeline.steps[index].needs.as_deref()?;
        let unended =
            |name: &str| self.by_name.get(name).is_some_and(|needed| !matches!(self.states[*needed], State::Ended(_)));
        needs.iter().find(|need| unended(&need.step)).map(|need| need.step.clone())
    }
}
