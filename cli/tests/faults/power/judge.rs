//! What the readers of the store make of a tree that a power cut has left.

use std::{
    fs,
    path::{Path, PathBuf},
};

use pipelinex_common::{
    slug::Slug,
    state::{JobState, StepState},
    store::{ClaimOutcome, HeartbeatWatch, Job, Store, StoreError, WorkerIdentity},
    testing::history::Event,
};

use super::disk::{self, Tree};
use crate::{
    trial::QUICK,
    world::{names, text},
};

/// Lines that each step prints.
pub const LINES: usize = 4;
const STEPS: [&str; 2] = ["build", "test"];

/// The jobs of the record.
pub struct Jobs {
    pub succeeds: String,
    pub canceled: String,
}

fn must(what: &str, is: bool) -> Result<(), String> {
    if is { Ok(()) } else { Err(what.to_owned()) }
}

fn words(error: StoreError) -> String {
    error.to_string()
}

/// A sentence where something is not what somebody was told, or is half there.
pub fn judge(tree: &Tree, told: &[Event], jobs: &Jobs) -> Result<(), String> {
    let dir = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
    disk::lay_out(tree, dir.path());
    let store = Store::open(dir.path()).map_err(words)?;
    let there = store.ids().map_err(words)?;
    for (id, end) in [(&jobs.succeeds, JobState::Succeeded), (&jobs.canceled, JobState::Canceled)] {
        let told: Vec<&Event> = told.iter().filter(|event| event.job() == id.as_str()).collect();
        let id = id.parse().unwrap();
        if !there.contains(&id) {
            must("a job is not there that was admitted", !told.iter().any(|event| event.name == "admit"))?;
            continue;
        }
        let job = store.job(id).map_err(words)?;
        of_job(&job, &told, end).map_err(|wrong| format!("{wrong}; {end} was told {told:?}"))?;
    }
    // It was bound before the job was there, or a client that comes again makes a second one.
    let keys: Vec<PathBuf> =
        names(&store.layout().keys()).iter().map(|name| store.layout().keys().join(name)).collect();
    let is_bound = keys.iter().any(|key| text(key).contains(&jobs.succeeds));
    must("a job is there, and its key is not", is_bound || !there.iter().any(|id| id.to_string() == jobs.succeeds))
}

/// The same once a worker has brought the jobs that are there to their ends: a wish that was durable was granted.
pub fn ended(root: &Path, told: &[Event], jobs: &Jobs) -> Result<(), String> {
    let store = Store::open(root).map_err(words)?;
    for id in store.ids().map_err(words)? {
        let job = store.job(id).map_err(words)?;
        let state = job.final_record().map_err(words)?.map(|last| last.state);
        let wished = told.iter().any(|event| event.name == "wish" && event.job() == jobs.canceled);
        let may_succeed = id.to_string() == jobs.succeeds || !wished;
        match state {
            Some(JobState::Succeeded) if may_succeed => {
                STEPS.iter().try_for_each(|step| of_step(&job, step, true, true))?
            }
            Some(JobState::Canceled) if id.to_string() == jobs.canceled => {}
            state => return Err(format!("{id} ended {state:?}")),
        }
    }
    Ok(())
}

fn of_job(job: &Job, told: &[&Event], end: JobState) -> Result<(), String> {
    let was_told = |name: &str| told.iter().any(|event| event.name == name);
    let view = job.view().map_err(words)?;
    must("the live record cannot be read", view.execution.error.is_none() || view.execution.finished_at.is_some())?;
    must("the source is not what was sent", text(job.paths().source().join("run.sh")) == QUICK)?;
    must("the definition is not there", text(job.paths().definition()).contains("stages"))?;
    must("nobody wishes its end", job.cancel_wish().is_some() || !was_told("wish"))?;
    let last = job.final_record().map_err(words)?;
    must("another end", last.as_ref().is_none_or(|last| last.state == end))?;
    must("it has not ended", last.is_some() || !was_told("final"))?;
    for step in STEPS {
        let ended = told.iter().any(|event| event.name == "end" && event.text("step") == step);
        of_step(job, step, ended && end == JobState::Succeeded, last.is_some() && end == JobState::Succeeded)?;
    }
    let attempts = told.iter().filter(|event| event.name == "attempt").count() as u32;
    let latest = job.latest_attempt().map_err(words)?;
    must("an attempt is not there", latest >= attempts && latest <= 1)?;
    // A claim under which nothing was done yet may be gone, and its number come again.
    let used = told.iter().filter(|event| event.name != "claim").filter_map(|event| event.text("claim").parse().ok());
    let claims: u64 = used.max().unwrap_or(0);
    match job.claim(&WorkerIdentity::of_this_process(), &mut HeartbeatWatch::default()).map_err(words)? {
        ClaimOutcome::Ended => must("nobody ended it", last.is_some()),
        ClaimOutcome::Held { .. } => must("somebody holds it after a power cut", false),
        ClaimOutcome::Won(claim) => must("a claim that somebody had", claim.number() > claims),
    }
}

/// Where a step's end is recorded, all that it left is there, and whole.
fn of_step(job: &Job, step: &str, was_told: bool, has_ended: bool) -> Result<(), String> {
    let slug = Slug::of(step);
    let Some(end) = job.end_of(&slug).map_err(words)? else {
        return must("the end of a step is not there", !was_told && !has_ended);
    };
    if end.record.status != StepState::Success {
        return Ok(());
    }
    let stage = step.to_uppercase();
    let lines: String = (2..LINES).map(|n| format!("line {n} of {stage}\n")).collect();
    must(
        "the log of a step that has ended is not whole",
        text(job.paths().log(&slug)) == format!("begun\n{lines}done\n"),
    )?;
    let read = |path: PathBuf| fs::read_to_string(path).unwrap_or_default();
    must("its report is not whole", read(job.paths().reports_of(&slug).join("note.txt")) == "note\n")?;
    let made = job.paths().artifacts_of(&slug).join("made").join(&stage);
    must("its artifact is not whole", step != "build" || read(made) == "thing\n")
}
