//! A job that runs again what failed of another (`retry --failed`): steps that succeeded there are recorded here as they ended, with
//! their reports and artifacts, before anything is planned. The old job is only read.
//!
//! What is published goes first and never over anything, and the end of the step last: whoever dies in between is followed by somebody
//! who does the same again.

use std::fs;

use pipelinex_common::{
    disk::{self, DiskError},
    execution::StepEnd,
    foreign::{Beneath, ForeignError},
    metadata::Metadata,
    pipeline::model::Step,
    slug::Slug,
    state::StepState,
    store::{Copying, Job, Links, StoreError, TreeError, Whose, copy_tree},
};

use super::RunError;
use crate::{
    Worker,
    definition::{Definition, DefinitionError},
};

/// Takes over what the job that this one is once more has done, as far as it would be done alike.
///
/// # Errors
/// [`RunError`].
pub(super) fn take_over(
    worker: &Worker,
    job: &Job,
    metadata: &Metadata,
    definition: &Definition,
    claim: u64,
) -> Result<(), RunError> {
    let Some(of) = metadata.retry_of.filter(|_| metadata.retry_failed) else { return Ok(()) };
    let old = match worker.store.job(of) {
        Ok(old) => old,
        // Removed meanwhile: all of it is run.
        Err(StoreError::NoSuchJob(_)) => return Ok(()),
        Err(error) => return Err(error.into()),
    };
    let before = old.metadata()?;
    let same = before.owner == metadata.owner && before.project == metadata.project;
    // The backend's word is not enough to hand on what belongs to somebody else.
    if !same || old.final_record()?.is_none() {
        return Ok(());
    }
    let then = match Definition::read(old.paths(), &before, &worker.config.policy) {
        Ok(then) => then,
        Err(DefinitionError::Refused(_)) => return Ok(()),
        Err(DefinitionError::Disk(error)) => return Err(error.into()),
    };
    for step in &definition.pipeline.steps {
        if job.end_of(&step.slug)?.is_some() || !is_done(&old, &then, definition, step)? {
            continue;
        }
        if let Some(end) = old.end_of(&step.slug)? {
            hand_on(&old, job, definition, step, claim).map_err(broke)?;
            let record = pipelinex_common::execution::StepRecord { from_job: Some(of), ..end.record };
            job.record_end(&step.slug, &StepEnd { claim, record, ..end })?;
        }
    }
    Ok(())
}

/// Whether a step succeeded there, was the same as here, and left nothing that only its tree had. What the operator requires is run
/// again: what counts is today's rule.
fn is_done(old: &Job, then: &Definition, now: &Definition, step: &Step) -> Result<bool, StoreError> {
    if now.required.contains(&step.slug) || !now.selected.contains(&step.slug) {
        return Ok(false);
    }
    let owner = now.tree_owner(step);
    // Steps that share a tree are taken over together, or none of them is.
    let beside = now.pipeline.steps.iter().filter(|other| now.tree_owner(other) == owner);
    for other in beside.filter(|other| now.selected.contains(&other.slug)) {
        let end = old.end_of(&other.slug)?;
        let succeeded = end.is_some_and(|end| end.record.status == StepState::Success);
        if !succeeded || !then.step(&other.slug).is_some_and(|was| is_same(was, other)) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Variables differ: the number of the run is among them.
fn is_same(was: &Step, is: &Step) -> bool {
    let plain = |step: &Step| Step { variables: <_>::default(), ..step.clone() };
    plain(was) == plain(is)
}

fn hand_on(old: &Job, job: &Job, definition: &Definition, step: &Step, claim: u64) -> Result<(), TreeError> {
    let (from, to, slug) = (old.paths(), job.paths(), &step.slug);
    let aside = to.collecting(claim).join(format!("{slug}.handed-on"));
    let _ = fs::remove_dir_all(&aside);
    fs::create_dir_all(&aside).map_err(DiskError::io("make the folder", &aside))?;
    let stage = Slug::of(&step.stage);
    let below = |reports: std::path::PathBuf| {
        if definition.is_crowded(&step.stage) { reports.join(slug.as_str()) } else { reports }
    };
    if definition.is_crowded(&step.stage) {
        disk::make_dir(&to.reports_of(&stage), 0o2750)?;
        disk::sync_dir(&to.reports())?;
    }
    for (name, from, to) in [
        ("reports", below(from.reports_of(&stage)), below(to.reports_of(&stage))),
        ("artifacts", from.artifacts_of(slug), to.artifacts_of(slug)),
    ] {
        let how = Copying { whose: Whose::Ours, links: Links::Inside, file_bytes: u64::MAX };
        match Beneath::open(&from) {
            Ok(from) => copy_tree(&from, &aside.join(name), how)?,
            Err(ForeignError::Missing(_)) => continue,
            Err(error) => return Err(error.into()),
        }
        disk::sync_file_system(&aside)?;
        disk::publish(&aside.join(name), &to)?;
    }
    for (from, to) in [(from.log(slug), to.log(slug)), (from.log_tail(slug), to.log_tail(slug))] {
        if from.exists() && !to.exists() {
            let copy = aside.join("log");
            fs::copy(&from, &copy).map_err(DiskError::io("copy", &from))?;
            disk::sync_file_system(&aside)?;
            disk::publish(&copy, &to)?;
        }
    }
    fs::remove_dir_all(&aside).map_err(DiskError::io("remove", &aside))?;
    Ok(())
}

fn broke(error: TreeError) -> RunError {
    match error {
        TreeError::Store(error) => error.into(),
        TreeError::Foreign(error) => DiskError::io("take over", "artifacts")(std::io::Error::other(error)).into(),
    }
}
