//! Steps that wait to be started by hand, for their time or for their resource group, and a job in which nothing else is left: it is let go of, and holds no
//! thread, claim or place until somebody wishes for something or a time has come.

use std::{collections::BTreeMap, time::Duration};

use jiff::{SignedDuration, Timestamp};
use pipelinex_common::{
    clock::Stamp,
    execution::{StepRecord, Waiting},
    layout::Layout,
    metadata::Metadata,
    pipeline::{
        Pipeline,
        model::{Step, When},
        plan::Freed,
    },
    slug::Slug,
    state::StepState,
    store::{GroupTurn, ResourceGroup},
};

use super::{Event, Release, RunError, Running};

/// Pause between two looks for wishes to start a step, while others run.
const LOOK_EVERY: Duration = Duration::from_secs(1);

impl Running<'_> {
    /// Which of the steps that wait may go on now.
    pub(super) fn freed(&self) -> Freed {
        let (mut freed, now) = (Freed::default(), Stamp::now());
        let by_itself = |step: &&Step| !matches!(step.when, When::Manual | When::Delayed);
        for step in self.definition.pipeline.steps.iter().filter(|step| !by_itself(step)) {
            let waited = self.waits.get(&step.slug).map(|since| since.until(&now, None));
            if self.job.is_play_wished(&step.slug) {
                freed.start.insert(step.slug.clone());
            } else if waited.is_some_and(|waited| waited >= self.waits_for(step)) {
                let free = if step.when == When::Delayed { &mut freed.start } else { &mut freed.late };
                free.insert(step.slug.clone());
            }
        }
        freed
    }

    /// How long a step waits at most.
    fn waits_for(&self, step: &Step) -> Duration {
        match step.when {
            When::Delayed => Duration::from_secs(step.start_in_seconds.unwrap_or(0)),
            _ => self.worker.config.manual_timeout,
        }
    }

    /// Notes which steps wait; `true` if one does that did not before.
    pub(super) fn hold(&mut self, held: &[Slug]) -> Result<bool, RunError> {
        let definition = self.definition.clone();
        let mut new = false;
        for step in held.iter().filter_map(|slug| definition.step(slug)) {
            if !self.waits.contains_key(&step.slug) {
                let since = self.job.record_wait(&step.slug)?;
                let record = self.waiting(step, &since);
                self.waits.insert(step.slug.clone(), since);
                self.board.put(&step.slug, record);
                new = true;
            }
        }
        Ok(new)
    }

    fn waiting(&self, step: &Step, since: &Stamp) -> StepRecord {
        let (kind, message) = match step.when {
            When::Delayed => (Waiting::Delayed, format!("starts by itself at {}", self.until(step, since))),
            _ => {
                let asks = step.manual_confirmation.as_ref().map(|asks| format!(": {asks}")).unwrap_or_default();
                (Waiting::Manual, format!("waits to be started by hand{asks}"))
            }
        };
        StepRecord { waiting: Some(kind), ..StepRecord::bare(&step.name, StepState::Pending, None, message) }
    }

    fn until(&self, step: &Step, since: &Stamp) -> Timestamp {
        let waits = SignedDuration::try_from(self.waits_for(step)).unwrap_or(SignedDuration::MAX);
        let until = since.at.saturating_add(waits).unwrap_or(Timestamp::MAX);
        Timestamp::from_second(until.as_second()).unwrap_or(until)
    }

    /// Whether another step has the resource group of one that could run. If not, this one has it from now on, until its end is on
    /// disk.
    pub(super) fn is_blocked(&mut self, slug: &Slug) -> Result<bool, RunError> {
        let (Some(group), Some(step)) = (self.groups.get(slug), self.definition.step(slug)) else { return Ok(false) };
        let GroupTurn::HeldBy(holder) = group.take(&self.worker.store, self.job, slug)? else { return Ok(false) };
        let whose = if holder.job == self.job.id() { String::new() } else { format!(" of job {}", holder.job) };
        let message = format!("waits for the resource group {}, which {}{whose} has", group.name(), holder.step);
        let record = StepRecord::bare(&step.name, StepState::Pending, None, message);
        let record = self.with_tries(slug, StepRecord { waiting: Some(Waiting::ResourceGroup), ..record });
        self.board.put(slug, record);
        self.blocked.insert(slug.clone());
        Ok(true)
    }

    fn is_a_group_free(&self) -> bool {
        let layout = self.worker.store.layout();
        let mut groups = self.blocked.iter().filter_map(|slug| self.groups.get(slug));
        groups.any(|group| !matches!(group.holder(layout), Ok(Some(_))))
    }

    /// The next thing that the loop is told; `None` where that is nothing any more. While steps wait it is also told when one of them
    /// may go on, as an event of its own.
    pub(super) fn told(&mut self) -> Option<Told> {
        let known = self.freed();
        loop {
            let worker = self.worker;
            let heard = worker.runtime.block_on(async {
                let nothing_waits = self.waits.keys().all(|slug| self.ended.contains_key(slug));
                match nothing_waits && self.blocked.is_empty() {
                    true => Ok(self.events.1.recv().await),
                    false => tokio::time::timeout(LOOK_EVERY, self.events.1.recv()).await,
                }
            });
            match heard {
                Ok(event) => return event.map(Told::Event),
                Err(_) if self.freed() != known || self.is_a_group_free() => return Some(Told::Freed),
                Err(_) => {}
            }
        }
    }

    /// Lets go of the job until somebody wishes for something or a time has come; `None` where that is now.
    pub(super) fn park(&mut self, held: &[Slug]) -> Result<Option<Release>, RunError> {
        // In this order: a wish that comes between the two is one more than is known.
        let (wishes, freed) = (self.job.known_wishes(), self.freed());
        let held = || held.iter().filter(|slug| !self.blocked.contains(*slug));
        if held().any(|slug| freed.start.contains(slug) || freed.late.contains(slug)) {
            return Ok(None);
        }
        self.job.draw_state(&self.board.draw())?;
        self.worker.runtime.block_on(self.steps.removed());
        if self.overtaken() {
            return Ok(Some(Release::Open));
        }
        let steps = held().filter_map(|slug| self.definition.step(slug));
        let until = steps.filter_map(|step| Some(self.until(step, self.waits.get(&step.slug)?))).min();
        let groups = self.blocked.iter().filter_map(|slug| Some(self.groups.get(slug)?.id())).collect();
        self.job.park(self.claim, until.unwrap_or(Timestamp::MAX), wishes, groups)?;
        tracing::info!(job = %self.job.id(), "nothing is left but steps that wait: the job is let go of");
        pipelinex_common::fault_point!("worker.parked");
        Ok(Some(Release::Waiting))
    }
}

/// The resource groups of the steps of a job.
pub(super) fn groups(layout: &Layout, metadata: &Metadata, pipeline: &Pipeline) -> BTreeMap<Slug, ResourceGroup> {
    let named = pipeline.steps.iter().filter_map(|step| Some((step, step.resource_group.as_ref()?)));
    named.map(|(step, name)| (step.slug.clone(), ResourceGroup::of(layout, metadata, name))).collect()
}

/// What the loop over a job is told.
pub(super) enum Told {
    /// By its steps, or by whoever ends it.
    Event(Event),
    /// That a step which waited may go on.
    Freed,
}
