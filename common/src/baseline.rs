//! What a job's findings are compared with: those of the run before it, of the same owner, project and branch. Other jobs are
//! never opened, and of these only the latest.
//!
//! Step by step: a run that left a scan out, or in which it broke, says nothing of it, and the one before it counts. In the
//! project `default`, which nobody named, nothing is comparable but a job and the one that it repeats.

use std::collections::{BTreeMap, HashSet};

use crate::{
    access::DEFAULT_PROJECT,
    execution::{Execution, StepRecord},
    findings::{
        Finding,
        diff::{self, Compared},
    },
    id::JobId,
    metadata::Metadata,
    slug::Slug,
    state::{JobState, Reason, StepState},
    store::{ProjectKey, Store, StoreError},
};

/// So many earlier runs are opened at most.
const RUNS_MAX: usize = 20;
/// So many findings of earlier runs are held at most.
const FINDINGS_MAX: usize = 200_000;
/// Where a branch has no run yet, it is compared with one of these.
const MAIN: [&str; 2] = ["main", "master"];

/// Which run is the one to compare with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Against {
    /// The last that has ended, however.
    Ended,
    /// The last that succeeded: what the gate goes by, since one that it refused must not make its findings old.
    Passed,
    /// This one.
    Job(JobId),
}

/// A run that a job is compared with.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, schemars::JsonSchema)]
pub struct Baseline {
    /// The job.
    pub job_id: JobId,
    /// Its number.
    pub run_number: u64,
    /// Its branch.
    pub branch: Option<String>,
}

/// What earlier runs found, by step.
#[derive(Clone, Debug, Default)]
pub struct Past {
    /// The runs that are compared with, the latest first; mostly one.
    pub runs: Vec<Baseline>,
    steps: BTreeMap<Slug, OfStep>,
}

#[derive(Clone, Debug, Default)]
struct OfStep {
    before: Vec<Finding>,
    /// Fingerprints of the runs before that one.
    earlier: HashSet<String>,
}

/// One step's findings beside the run before.
#[derive(Clone, Debug, Default)]
pub struct StepCompared<'a> {
    /// How each stands; all are new where no run before had this step.
    pub compared: Compared,
    /// Those that are gone.
    pub fixed: Vec<&'a Finding>,
}

impl Past {
    /// Lays the findings of a step beside those of the run before.
    pub fn compare(&self, step: &Slug, now: &[Finding]) -> StepCompared<'_> {
        let nothing = OfStep::default();
        let past = self.steps.get(step);
        let OfStep { before, earlier } = past.unwrap_or(&nothing);
        let compared = diff::compare(now, before, earlier);
        let fixed = past.map(|past| compared.fixed.iter().map(|at| &past.before[*at]).collect()).unwrap_or_default();
        StepCompared { compared, fixed }
    }

    /// Whether there is anything to compare with.
    pub fn is_empty(&self) -> bool {
        self.runs.is_empty()
    }
}

/// The past of a job, for these steps of it.
///
/// # Errors
/// [`StoreError`] when the marks of its project cannot be listed, and where one job is asked for that is none of that owner and
/// project, or has not ended: [`StoreError::NoSuchJob`].
pub fn of(store: &Store, metadata: &Metadata, steps: &[Slug], against: Against) -> Result<Past, StoreError> {
    let mut search = Search { wanted: steps, past: Past::default(), held: 0 };
    match against {
        Against::Job(id) => {
            let (of_job, execution) = comparable(store, metadata, id).ok_or(StoreError::NoSuchJob(id))?;
            search.look(store, id, &of_job, &execution);
            if search.past.is_empty() {
                // Compared with a run that found nothing of what this one looked for, all the same.
                search.past.runs.push(Baseline::of(&of_job));
            }
        }
        Against::Ended | Against::Passed => {
            for id in candidates(store, metadata)?.into_iter() {
                let Some((of_job, execution)) = comparable(store, metadata, id) else { continue };
                if against == Against::Ended || execution.state == JobState::Succeeded {
                    search.look(store, id, &of_job, &execution);
                }
            }
        }
    }
    Ok(search.past)
}

impl Baseline {
    fn of(metadata: &Metadata) -> Self {
        let Metadata { job_id, run_number, branch, .. } = metadata.clone();
        Self { job_id, run_number, branch }
    }
}

/// The runs that may be compared with, the latest first.
fn candidates(store: &Store, metadata: &Metadata) -> Result<Vec<JobId>, StoreError> {
    if metadata.project == DEFAULT_PROJECT {
        return Ok(metadata.retry_of.into_iter().collect());
    }
    let runs = store.runs_of(&ProjectKey::of(metadata))?;
    let of_branch = |branch: Option<&str>| {
        let before = runs.iter().filter(|run| run.id < metadata.job_id && run.may_be_of(&metadata.owner, branch));
        before.map(|run| run.id).take(RUNS_MAX).collect::<Vec<_>>()
    };
    let own = of_branch(metadata.branch.as_deref());
    let ended = |id: &JobId| comparable(store, metadata, *id).is_some();
    if own.iter().any(ended) {
        return Ok(own);
    }
    let main = MAIN.into_iter().map(|main| of_branch(Some(main))).find(|runs| runs.iter().any(ended));
    Ok(main.unwrap_or_default())
}

/// A job of the same owner and project that has ended before this one was made, with its end.
fn comparable(store: &Store, metadata: &Metadata, id: JobId) -> Option<(Metadata, Execution)> {
    let job = store.job(id).ok()?;
    let other = job.metadata().ok()?;
    let same = other.owner == metadata.owner && other.project == metadata.project && other.job_id != metadata.job_id;
    if !same {
        return None;
    }
    Some((other, job.final_record().ok()??))
}

struct Search<'a> {
    wanted: &'a [Slug],
    past: Past,
    held: usize,
}

impl Search<'_> {
    /// Takes from a run what is still wanted.
    fn look(&mut self, store: &Store, id: JobId, metadata: &Metadata, execution: &Execution) {
        let Ok(job) = store.job(id) else { return };
        let steps =
            execution.stages.iter().flat_map(|(stage, record)| record.steps.iter().map(move |step| (stage, step)));
        for (stage, (step, record)) in steps {
            if !self.wanted.contains(step) || !has_looked(record) || self.held > FINDINGS_MAX {
                continue;
            }
            // A list that cannot be read says nothing, as if the scan had not been there.
            let Ok(found) = job.found_by(stage, step) else { continue };
            self.held += found.len();
            if let Some(past) = self.past.steps.get_mut(step) {
                past.earlier.extend(found.into_iter().map(|finding| finding.fingerprint));
                continue;
            }
            self.past.steps.insert(step.clone(), OfStep { before: found, earlier: HashSet::new() });
            if !self.past.runs.iter().any(|run| run.job_id == id) {
                self.past.runs.push(Baseline::of(metadata));
            }
        }
    }
}

/// Whether a step has found all that there was for it to find.
fn has_looked(record: &StepRecord) -> bool {
    let ended = record.status == StepState::Success
        || matches!(record.reason, Some(Reason::PolicyGate | Reason::ScriptFailure));
    record.findings.is_some() && ended
}
