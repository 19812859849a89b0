//! What became of each step, on disk first and then on the board.

use pipelinex_common::{
    disk::Versioned,
    execution::{StepEnd, StepRecord, TryRecord},
    pipeline::plan::SkipReason,
    slug::Slug,
    state::{Reason, StepState},
    store::StoreError,
};

use super::{RunError, Running, outcome};

impl Running<'_> {
    pub(super) fn skip(&mut self, slug: &Slug, reason: &SkipReason) -> Result<(), RunError> {
        let Some(step) = self.definition.step(slug) else { return Ok(()) };
        let (reason, message) = match reason {
            SkipReason::NotSelected => (Reason::NotSelected, "not selected".to_owned()),
            SkipReason::DependencyFailed { step } => (Reason::DependencyFailed, format!("{step} did not succeed")),
            SkipReason::ManualNotRun => (Reason::ManualNotRun, "it is started by hand, and nobody did".to_owned()),
        };
        let record = StepRecord::bare(&step.name, StepState::Skipped, Some(reason), message);
        self.record(slug, record)
    }

    pub(super) fn take_in(&mut self, slug: &Slug, record: StepRecord) -> Result<(), RunError> {
        pipelinex_common::fault_point!("worker.recording");
        // It may have been long until it ended: a holder that was overtaken meanwhile records and draws nothing.
        if self.overtaken() {
            return Ok(());
        }
        self.running.remove(slug);
        if self.definition.step(slug).is_some_and(|step| self.steps.is_followed(step, &record)) {
            return self.take_in_try(slug, record);
        }
        let too_much = record.reason == Some(Reason::DiskLimit);
        self.record(slug, record)?;
        if self.groups.contains_key(slug) {
            // Others of this worker may wait for its group.
            self.worker.state.look.notify_one();
        }
        pipelinex_common::fault_point!("worker.end-recorded");
        // Only now may its container go: the end is on disk.
        match too_much {
            true => self.steps.drop_written(slug, &self.running)?,
            false => self.steps.remove_container(slug),
        }
        pipelinex_common::fault_point!("worker.between-steps");
        Ok(())
    }

    /// A try is over, and another follows: its end is durable before anything of it goes.
    fn take_in_try(&mut self, slug: &Slug, record: StepRecord) -> Result<(), RunError> {
        let number = self.steps.number_of(slug);
        let end = self.end_of_step(slug, record);
        let won = self.written(slug, || self.job.record_try(slug, number, &end))?;
        pipelinex_common::fault_point!("worker.try-recorded");
        let stands = if won { None } else { self.job.tries_of(slug)?.into_iter().nth(number as usize - 1) };
        let over = TryRecord::of(number, &stands.unwrap_or(end).record);
        tracing::info!(job = %self.job.id(), step = %slug, number, "a try of a step failed, and another follows");
        self.steps.count_try(slug, over);
        if let Some(stop) = self.stop.clone() {
            return self.record_ended(slug, &stop);
        }
        self.put_open(slug);
        Ok(())
    }

    /// A step that waits, with the tries that it had.
    pub(super) fn put_open(&mut self, slug: &Slug) {
        let Some(name) = self.definition.step(slug).map(|step| step.name.clone()) else { return };
        let record = self.with_tries(slug, StepRecord::pending(name));
        self.board.put(slug, record);
    }

    /// The record with the tries before it.
    pub(super) fn with_tries(&self, slug: &Slug, record: StepRecord) -> StepRecord {
        let tries = self.steps.tries_of(slug);
        let number = (!tries.is_empty()).then(|| self.steps.number_of(slug));
        StepRecord { number, tries, ..record }
    }

    fn end_of_step(&self, slug: &Slug, record: StepRecord) -> StepEnd {
        let stage = self.definition.step(slug).map(|step| step.stage.clone()).unwrap_or_default();
        StepEnd { schema: StepEnd::SCHEMA, stage, claim: self.claim, record: self.with_tries(slug, record) }
    }

    /// Writes the end of a step or try, where need be into the space of what was thrown away.
    fn written(&self, slug: &Slug, write: impl Fn() -> Result<bool, StoreError>) -> Result<bool, StoreError> {
        match write() {
            // Its reserve is used up as well. What was thrown away is needed by nobody.
            Err(StoreError::Disk(full)) if full.is_full() => {
                tracing::warn!(job = %self.job.id(), step = %slug, %full, "the end of a step finds no space: emptying the trash");
                let emptied = self.worker.store.empty_trash();
                write().inspect_err(|_| tracing::warn!(?emptied, "still no space"))
            }
            written => written,
        }
    }

    pub(super) fn record(&mut self, slug: &Slug, mut record: StepRecord) -> Result<(), RunError> {
        record.allow_failure = self.definition.step(slug).is_some_and(|step| outcome::is_allowed(step, &record));
        let mut end = self.end_of_step(slug, record);
        // It has run, though not in this try.
        if end.record.number.is_some() && end.record.status == StepState::Skipped {
            let canceled = end.record.reason.is_some_and(Reason::is_cancellation);
            end.record.status = if canceled { StepState::Canceled } else { StepState::Failed };
        }
        let recorded = self.written(slug, || self.job.record_end(slug, &end))?;
        let record = if recorded {
            end.record
        } else {
            // Another holder was first: what stands there counts.
            self.job.end_of(slug)?.map_or(end.record, |end| end.record)
        };
        self.put_end(slug, record);
        Ok(())
    }

    pub(super) fn put_end(&mut self, slug: &Slug, record: StepRecord) {
        self.ended.insert(slug.clone(), outcome::of(&record));
        self.board.put(slug, record);
    }

    /// A step's container is gone: it is run again in the next attempt, as long as the budget lasts.
    pub(super) fn try_again(&mut self, slug: &Slug, ran_in: u32) -> Result<(), RunError> {
        if self.overtaken() {
            return Ok(());
        }
        if let Some(end) = self.job.end_of(slug)? {
            // An older holder recorded it after we had looked, and only then removed the container.
            self.running.remove(slug);
            self.put_end(slug, end.record);
            return Ok(());
        }
        let tries = self.job.tries_of(slug)?;
        if let Some(end) = tries.get(self.steps.tries_of(slug).len()) {
            // The same with a try that another follows.
            self.running.remove(slug);
            self.steps.count_try(slug, TryRecord::of(self.steps.number_of(slug), &end.record));
            self.put_open(slug);
            return Ok(());
        }
        tracing::warn!(job = %self.job.id(), step = %slug, "the container of a step is gone");
        let definition = self.definition.clone();
        let Some(step) = definition.step(slug) else { return Ok(()) };
        // What others have built in the same tree must stay.
        let shared = definition.pipeline.steps.iter().any(|other| {
            other.slug != *slug && other.tree_owner() == step.tree_owner() && self.ended.contains_key(&other.slug)
        });
        let attempt = self.steps.start_over(self.job, step, ran_in, shared)?;
        self.board.set_attempt(attempt);
        self.running.remove(slug);
        if attempt > self.worker.config.attempt_budget {
            let message = format!("its container was lost; {} attempts were made", attempt - 1);
            let record = StepRecord::bare(&step.name, StepState::Failed, Some(Reason::WorkerLost), message);
            return self.record(slug, record);
        }
        Ok(())
    }
}
