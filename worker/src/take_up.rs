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
    spec::{LABEL_INSTANCE, LABEL_JOB, LABEL_SERVICE, LABEL_STEP},
};

/// What was found.
pub struct Left {
    /// The attempt that is under way.
    pub attempt: u32,
    /// Containers by step, running or ended.
    pub running: BTreeMap<Slug, String>,
    /// Steps that had a container which is gone.
    pub lost: Vec<Slug>,
}

/// Looks for the containers of the steps that have not ended. The first holder begins the first attempt.
///
/// # Errors
/// [`RunError`].
pub async fn find(
    engine: &Engine,
    store: &Store,
    job: &Job,
    open: &[Slug],
    claim: &Mutex<Claim>,
) -> Result<Left, RunError> {
    let latest = job.latest_attempt()?;
    if latest == 0 {
        let attempt = job.begin_attempt(&lock(claim), 0)?;
        return Ok(Left { attempt, running: BTreeMap::new(), lost: Vec::new() });
    }
    let labels = [format!("{LABEL_INSTANCE}={}", store.instance().as_str()), format!("{LABEL_JOB}={}", job.id())];
    let mut found = engine.labelled_containers(&labels).await?;
    // Of two attempts the later one, whose name sorts behind.
    found.sort_by(|(name, _), (other, _)| name.cmp(other));
    let of_step = |(name, labels): (String, HashMap<String, String>)| {
        // What runs beside a step is found by its name once the step is taken up.
        let beside = labels.contains_key(LABEL_SERVICE);
        (!beside).then_some(())?;
        Some((labels.get(LABEL_STEP)?.parse::<Slug>().ok()?, name))
    };
    let running: BTreeMap<Slug, String> = found.into_iter().filter_map(of_step).collect();
    // A step has a log from the moment on in which its container was made.
    let is_lost = |step: &&Slug| !running.contains_key(*step) && job.paths().log(step).exists();
    Ok(Left { attempt: latest, lost: open.iter().filter(is_lost).cloned().collect(), running })
}
