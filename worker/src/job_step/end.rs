//! What is taken from a step once its container has ended: logs of what ran beside it, reports, artifacts, findings; and the
//! record that all of it comes to.

use std::{path::PathBuf, sync::Arc};

use pipelinex_common::{
    disk::DiskError,
    execution::StepRecord,
    foreign::ForeignError,
    pipeline::model::Step,
    slug::Slug,
    state::{Reason, StepState},
    store::{Place, TreeError},
};

use super::{JobSteps, execute::Ran};
use crate::{
    caches::Keeper,
    causes,
    collect::Collector,
    lock,
    mask::Mask,
    run::RunError,
    services,
    step::{StepError, Stop},
    verdict,
};

/// Why a step's end was not published.
pub(super) enum Unpublished {
    /// Another holds the job by now.
    NotMine,
    /// The disk or the engine ended our hold on the job.
    Broke(RunError),
}

impl From<DiskError> for Unpublished {
    fn from(error: DiskError) -> Self {
        Self::Broke(error.into())
    }
}

impl JobSteps {
    /// Collects what a step left and publishes it with its record.
    pub(super) async fn collected(
        self: &Arc<Self>,
        step: Step,
        record: StepRecord,
        ran: Ran,
    ) -> Result<StepRecord, Unpublished> {
        let mut beside = None;
        if let Some(services) = &ran.services {
            let limits = &self.worker.config.limits;
            let failed = record.reason == Some(Reason::ScriptFailure);
            let folder = self.paths.collecting(self.claim_number).join(format!("{}.beside", step.slug));
            let closed = services.close(&folder, limits.report_bytes.min(limits.log_stored_bytes), failed).await;
            match closed.map_err(failure) {
                Ok(()) => beside = Some(folder),
                Err(Err(Unpublished::Broke(full))) if full.is_full() => {
                    tracing::warn!(step = %step.slug, error = %full, "the disk is full: logs were not kept");
                }
                Err(Err(broke)) => return Err(broke),
                // Their logs are a help and no verdict.
                Err(Ok(stop)) => tracing::warn!(step = %step.slug, reason = stop.message, "logs were not kept"),
            }
        }
        let notes = ran.services.map(|services| lock(&services.notes).values().cloned().collect()).unwrap_or_default();
        let (me, bare, mask) = (self.clone(), record.clone(), ran.given.mask);
        let root = self.paths.root();
        match tokio::task::spawn_blocking(move || me.collect(&step, record, beside, (notes, mask))).await {
            Ok(Err(full)) if full.is_full() => self.not_collected(bare, full).await.map_err(Into::into),
            Ok(done) => done?.ok_or(Unpublished::NotMine),
            Err(panic) => Err(DiskError::io("collect the reports of", root)(std::io::Error::other(panic)).into()),
        }
    }

    /// `None`: another holds the job by now, and nothing was published.
    fn collect(
        &self,
        step: &Step,
        mut record: StepRecord,
        beside: Option<PathBuf>,
        (notes, mask): (Vec<String>, Mask),
    ) -> Result<Option<StepRecord>, DiskError> {
        let _handling = self.job.handling(self.claim_number, Place::Collect(step.slug.clone()));
        let voice = self.voice(step);
        // Gathering takes it away.
        let of_application = beside
            .as_ref()
            .filter(|_| step.target.is_some())
            .map(|folder| causes::end_of(&folder.join(services::APPLICATION_LOG)));
        let mut collector = Collector {
            paths: &self.paths,
            step,
            tree_owner: self.definition.tree_owner(step),
            trees: self.context.trees,
            folder: self.definition.folder.as_ref(),
            reports_to: self.reports_to(step),
            artifacts_to: self.paths.artifacts_of(&step.slug),
            limits: &self.worker.config.limits,
            claim: self.claim_number,
            voice,
            beside,
            mask,
        };
        let mut collected = collector.gather(record.status == StepState::Success)?;
        notes.into_iter().for_each(|note| collected.warn(note));
        let weighed = self.weigh(step, &mut collected);
        verdict::apply(&mut record, &collected, voice);
        let (policy, required) = (&self.definition.policy, self.definition.required.contains(&step.slug));
        verdict::cover(&mut record, &mut collected, &policy.allow_unread, required);
        verdict::judge_tests(&mut record, &collected, policy.allow_failing_tests);
        verdict::nothing_to_do(&mut record, &collected);
        self.explain(step, &mut record, of_application.as_deref());
        let allowed = step.allow_failure.allows(record.exit_code);
        verdict::gate(&mut record, &weighed, policy, allowed);
        // Gathering may have taken its time.
        if !lock(&self.claim).holds() {
            return Ok(None);
        }
        self.keep_caches(step, &mut record);
        if self.is_followed(step, &record) {
            let number = self.number_of(&step.slug);
            self.job.make_try_folder(&step.slug, number)?;
            collector.reports_to = self.paths.try_reports(&step.slug, number);
            collector.artifacts_to = self.paths.try_artifacts(&step.slug, number);
        }
        collector.publish(&record, &collected)?;
        Ok(Some(record))
    }

    fn keep_caches(&self, step: &Step, record: &mut StepRecord) {
        let limits = &self.worker.config.limits;
        let keeper = Keeper {
            store: &self.worker.store,
            scope: self.caches.as_ref(),
            paths: &self.paths,
            step,
            owner: self.definition.tree_owner(step),
            trees: self.context.trees,
            is_own: self.definition.is_own,
            bytes: self.worker.config.caches.bytes,
            files: limits.disk_files,
        };
        keeper.keep(record);
    }

    /// Says why a step failed, where its log or that of its application shows it.
    fn explain(&self, step: &Step, record: &mut StepRecord, of_application: Option<&str>) {
        if !causes::is_asked_for(record) {
            return;
        }
        let log = match of_application {
            Some(log) => {
                let telling = causes::telling(log).filter(|_| log.contains("Caused by: "));
                if let Some(line) = telling.filter(|line| !record.message.contains(line.as_str())) {
                    record.message = format!("{}; the application says: {line}", record.message);
                }
                log.to_owned()
            }
            None => causes::end_of(&self.paths.log(&step.slug)),
        };
        let cause = causes::of(&self.paths, step, record, &log);
        causes::explain(record, cause);
    }

    /// Where the reports of a step belong.
    pub(super) fn reports_to(&self, step: &Step) -> PathBuf {
        let stage = self.paths.reports_of(&Slug::of(&step.stage));
        if self.definition.is_crowded(&step.stage) { stage.join(step.slug.as_str()) } else { stage }
    }
}

/// Whose fault an error is: a reason for the step, or something that ends our hold on the job.
pub(super) fn failure(error: StepError) -> Result<Stop, Unpublished> {
    match error {
        StepError::NoImage { .. } | StepError::ImageNotAllowed { .. } | StepError::Unstartable { .. } => {
            Ok(Stop::new(Reason::ImageUnavailable, error.to_string()))
        }
        StepError::Engine(engine) if engine.is_unreachable() => Err(Unpublished::Broke(engine.into())),
        StepError::Engine(engine) => Ok(Stop::new(Reason::EngineError, engine.to_string())),
        StepError::Tree(TreeError::Foreign(ForeignError::TooMuch(message))) => {
            Ok(Stop::new(Reason::DiskLimit, message))
        }
        StepError::Tree(TreeError::Foreign(error)) => {
            Ok(Stop::new(Reason::EngineError, format!("the folders of the step could not be made: {error}")))
        }
        StepError::Tree(TreeError::Store(error)) => Err(Unpublished::Broke(error.into())),
        StepError::Disk(error) => Err(error.into()),
        StepError::NotMine => Err(Unpublished::NotMine),
    }
}
