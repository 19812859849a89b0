//! What a former holder of a job left: containers to go on with, and steps whose containers are gone.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Mutex,
};

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
        return Ok(Left { attempt, running: BTreeMap::new() });
    }
    let labels = [format!("{LABEL_INSTANCE}={}", store.instance().as_str()), format!("{LABEL_JOB}={}", job.id())];
    let mut found = engine.labelled_containers(&labels).await?;
    // Of two attempts the later one.
    found.sort_by_key(|(_, labels)| labels.get(LABEL_ATTEMPT).and_then(|attempt| attempt.parse::<u32>().ok()));
    let of_step = |(name, labels): (String, HashMap<String, String>)| {
        // What runs beside a step is found by its name once the step is taken up.
        let beside = labels.contains_key(LABEL_SERVICE);
        (!beside).then_some(())?;
        Some((labels.get(LABEL_STEP)?.parse::<Slug>().ok()?, name))
    };
    let running: BTreeMap<Slug, String> = found.into_iter().filter_map(of_step).collect();
    Ok(Left { attempt: latest, running })
}
