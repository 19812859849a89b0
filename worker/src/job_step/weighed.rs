//! What a step's findings come to for the gate: which somebody accepted, and which the last run that passed had not.

use jiff::Timestamp;
use pipelinex_common::{
    baseline::{self, Against},
    execution::FindingCounts,
    findings::{self, Finding},
    metadata::Metadata,
    pipeline::model::Step,
    store::{ProjectKey, Triage},
};

use super::JobSteps;
use crate::{collect::Collected, verdict::Weighed};

impl JobSteps {
    /// Counts accepted findings apart, and weighs the rest. What cannot be read makes the gate stricter and never milder: nothing
    /// is accepted then, and all are new.
    pub(super) fn weigh(&self, step: &Step, collected: &mut Collected) -> Weighed {
        let found = std::mem::take(&mut collected.found);
        let Some(counted) = collected.findings.filter(|_| !found.is_empty()) else { return Weighed::default() };
        let metadata = match self.job.metadata() {
            Ok(metadata) => metadata,
            Err(error) => {
                tracing::warn!(job = %self.job.id(), %error, "findings are weighed without what came before");
                return Weighed { all: counted, new: counted, beside: None };
            }
        };
        let (now, triage) = (Timestamp::now(), self.triage(&metadata));
        let (accepted, open): (Vec<Finding>, Vec<Finding>) =
            found.into_iter().partition(|finding| triage.sets_aside(&finding.fingerprint, now));
        let mut set_aside = counted.set_aside;
        set_aside.accepted = accepted.len() as u64;
        collected.findings = Some(FindingCounts { set_aside, ..findings::count(&open) });
        let policy = &self.definition.policy;
        let weighed = if policy.pass_accepted { open } else { open.into_iter().chain(accepted).collect() };
        let (new, beside) = if policy.fail_on_new.is_none() {
            <_>::default()
        } else {
            // What was accepted, and is no longer, was never let in for good.
            let expired = |finding: &Finding| triage.about(&finding.fingerprint).is_some_and(|d| d.has_expired(now));
            self.new_of(&metadata, step, &weighed, expired)
        };
        Weighed { all: findings::count(&weighed), new, beside }
    }

    fn triage(&self, metadata: &Metadata) -> Triage {
        self.worker.store.triage(&ProjectKey::of(metadata)).unwrap_or_else(|error| {
            tracing::warn!(job = %self.job.id(), %error, "what was accepted cannot be read, and counts");
            Triage::default()
        })
    }

    fn new_of(
        &self,
        metadata: &Metadata,
        step: &Step,
        found: &[Finding],
        expired: impl Fn(&Finding) -> bool,
    ) -> (FindingCounts, Option<u64>) {
        let steps = [step.slug.clone()];
        let past = baseline::of(&self.worker.store, metadata, &steps, Against::Passed).unwrap_or_else(|error| {
            tracing::warn!(job = %self.job.id(), %error, "earlier runs cannot be read, and all findings are new");
            <_>::default()
        });
        let standings = past.compare(&step.slug, found).compared.standings;
        let new = found.iter().zip(standings).filter(|(finding, standing)| standing.is_new() || expired(finding));
        let new: Vec<Finding> = new.map(|(finding, _)| finding.clone()).collect();
        (findings::count(&new), past.runs.first().map(|run| run.run_number))
    }
}
