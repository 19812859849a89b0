//! What a former holder of a job left: containers to go on with, and steps whose containers are gone.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Mutex,
};

use pipelinex_common::{
    execution::StepEnd,
    slug::Slug,
    store::{Claim, Job, Store},
};

use crate::{
    engine::Engine,
    lock,
    run::RunError,
    spec::{self, LABEL_INSTANCE, LABEL_JOB, LABEL_SERVICE, LABEL_STEP},
};

/// What was found.
pub struct Found {
    /// The attempt that is under way.
    pub attempt: u32,
    /// Containers by step, running or ended: of its current try.
    pub running: BTreeMap<Slug, String>,
    /// Containers of tries that are over, with the step of each, and what ran beside them.
    pub over: Vec<String>,
    /// How the tries of steps ended that another follows.
    pub tries: BTreeMap<Slug, Vec<StepEnd>>,
    /// What runs beside steps, with the step of each.
    pub beside: Vec<(Slug, String)>,
}

impl Found {
    /// Which of these steps had a container that is gone. To be asked of steps whose ends were looked for after the containers
    /// were: a holder that sleeps through all of this removes one only once its end is on disk.
    pub fn lost(&self, job: &Job, open: impl Iterator<Item = Slug>) -> Vec<Slug> {
        // A step has a log from the moment on in which its container was made. One of the try before may still lie there.
        let is_of_this_try =
            |step: &Slug| self.tries.get(step).is_none_or(|tries| job.is_put_aside(step, tries.len() as u32));
        let has_log = |step: &Slug| is_of_this_try(step) && job.paths().log(step).exists();
        open.filter(|step| !self.running.contains_key(step) && has_log(step)).collect()
    }
}

/// Looks for the containers of a job. The first holder begins the first attempt.
///
/// # Errors
/// [`RunError`].
pub async fn find(engine: &Engine, store: &Store, job: &Job, claim: &Mutex<Claim>) -> Result<Found, RunError> {
    let latest = job.latest_attempt()?;
    if latest == 0 {
        let run = engine.current_run().await;
        let attempt = job.begin(&lock(claim), run)?;
        return Ok(Found {
            attempt,
            running: BTreeMap::new(),
            over: Vec::new(),
            tries: BTreeMap::new(),
            beside: Vec::new(),
        });
    }
    let labels = [format!("{LABEL_INSTANCE}={}", store.instance().as_str()), format!("{LABEL_JOB}={}", job.id())];
    let mut found = engine.labelled_containers(&labels).await?;
    // Of two attempts the later one.
    found.sort_by_key(|(_, labels)| spec::attempt_and_try(labels));
    // Looked for after the containers were: one goes only once the end of its try is on disk.
    let tries = job.all_tries()?;
    let is_over = |step: &Slug, labels: &HashMap<String, String>| {
        let number = spec::attempt_and_try(labels).map_or(1, |(_, number)| number);
        tries.get(step).is_some_and(|tries| number as usize <= tries.len())
    };
    let (mut running, mut over, mut beside) = (BTreeMap::new(), Vec::new(), Vec::new());
    for (name, labels) in found {
        let Some(step) = labels.get(LABEL_STEP).and_then(|step| step.parse::<Slug>().ok()) else { continue };
        match labels.contains_key(LABEL_SERVICE) {
            _ if is_over(&step, &labels) => over.push(name),
            true => beside.push((step, name)),
            false => _ = running.insert(step, name),
        }
    }
    Ok(Found { attempt: latest, running, over, tries, beside })
}
