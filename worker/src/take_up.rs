//! What a former holder of a job left: containers to go on with, and steps whose containers are gone.

use std::{collections::BTreeMap, sync::Mutex};

use pipelinex_common::{
    slug::Slug,
    store::{Claim, Job, Store},
};

use crate::{
    engine::Engine,
    lock,
    run::RunError,
    spec::{LABEL_ATTEMPT, LABEL_INSTANCE, LABEL_JOB, LABEL_SERVICE, LABEL_STEP},
};

/// What was found.
pub struct Left {
    /// The attempt that is under way.
    pub attempt: u32,
    /// Containers by step, running or ended.
    pub running: BTreeMap<Slug, String>,
    /// What runs beside steps, with the step of each.
    pub beside: Vec<(Slug, String)>,
}

impl Left {
    /// Which of these steps had a container that is gone. To be asked of steps whose ends were looked for after the containers
    /// were: a holder that sleeps through all of this removes one only once its end is on disk.
    pub fn lost(&self, job: &Job, open: impl Iterator<Item = Slug>) -> Vec<Slug> {
        // A step has a log from the moment on in which its container was made.
        open.filter(|step| !self.running.contains_key(step) && job.paths().log(step).exists()).collect()
    }
}

/// Looks for the containers of a job. The first holder begins the first attempt.
///
/// # Errors
/// [`RunError`].
pub async fn find(engine: &Engine, store: &Store, job: &Job, claim: &Mutex<Claim>) -> Result<Left, RunError> {
    let latest = job.latest_attempt()?;
    if latest == 0 {
        let run = engine.current_run().await;
        let attempt = job.begin(&lock(claim), run)?;
        return Ok(Left { attempt, running: BTreeMap::new(), beside: Vec::new() });
    }
    let labels = [format!("{LABEL_INSTANCE}={}", store.instance().as_str()), format!("{LABEL_JOB}={}", job.id())];
    let mut found = engine.labelled_containers(&labels).await?;
    // Of two attempts the later one.
    found.sort_by_key(|(_, labels)| labels.get(LABEL_ATTEMPT).and_then(|attempt| attempt.parse::<u32>().ok()));
    let (mut running, mut beside) = (BTreeMap::new(), Vec::new());
    for (name, labels) in found {
        let Some(step) = labels.get(LABEL_STEP).and_then(|step| step.parse::<Slug>().ok()) else { continue };
        match labels.contains_key(LABEL_SERVICE) {
            true => beside.push((step, name)),
            false => _ = running.insert(step, name),
        }
    }
    Ok(Left { attempt: latest, running, beside })
}
