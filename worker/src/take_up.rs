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
    spec::{LABEL_INSTANCE, LABEL_JOB, LABEL_STEP},
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
        let attempt = job.begin_attempt(&lock(claim))?;
        return Ok(Left { attempt, running: BTreeMap::new(), lost: Vec::new() });
    }
    let labels = [format!("{LABEL_INSTANCE}={}", store.instance().as_str()), format!("{LABEL_JOB}={}", job.id())];
    let mut found = engine.containers_by(&labels, LABEL_STEP).await?;
    // Of two attempts the later one, whose name sorts behind.
    found.sort();
    let running: BTreeMap<Slug, String> =
        found.into_iter().filter_map(|(step, name)| Some((step.parse::<Slug>().ok()?, name))).collect();
    // A step has a log from the moment on in which its container was made.
    let is_lost = |step: &&Slug| !running.contains_key(*step) && job.paths().log(step).exists();
    Ok(Left { attempt: latest, lost: open.iter().filter(is_lost).cloned().collect(), running })
}
