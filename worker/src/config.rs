//! What the operator decides for a worker. Read once, in `main`; nothing below reads the environment.

use std::{collections::BTreeMap, path::PathBuf, time::Duration};

use pipelinex_common::{
    database::DatabaseConfig,
    free_space::Watermark,
    limits::{CacheLimits, StepLimits},
    pipeline::images::{self, IMAGES_FILE},
    policy::Policy,
    secrets::Secret,
    store::Keep,
};
use serde::{Deserialize, Serialize};

/// The operator's settings.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct WorkerConfig {
    /// Jobs that run at the same time.
    pub parallel: usize,
    /// Steps that run at the same time, over all jobs.
    pub parallel_steps: usize,
    /// Runner images by the logical names that definitions use.
    pub images: BTreeMap<String, String>,
    /// Patterns of full image references that a definition may name besides.
    pub allowed_images: Vec<String>,
    /// Limits of one step, which a definition may lower and not raise.
    pub limits: StepLimits,
    /// What no project can switch off.
    pub policy: Policy,
    /// The database that projects may ask for.
    pub database: DatabaseConfig,
    /// The longest that one job may run, all its attempts together.
    pub job_timeout: Duration,
    /// How long a step that is started by hand, and that others wait for, waits for somebody who does.
    pub manual_timeout: Duration,
    /// Attempts a job has, counting from 1, when its containers are lost.
    pub attempt_budget: u32,
    /// Pause between two looks over all folders.
    pub reconcile_every: Duration,
    /// A PEM file of certificates that runner containers trust besides the public ones.
    pub ca_certs: Option<PathBuf>,
    /// The key to the secrets of projects.
    pub secrets_key: Option<PathBuf>,
    /// Secrets that whoever runs this process named, in place of a project's. They are handed to no other process.
    #[serde(skip)]
    pub named_secrets: Vec<Secret>,
    /// The operator's files for the tools of a build: name and path.
    pub stack_files: Vec<(String, PathBuf)>,
    /// Address of the engine; `None`: as the engine's own client finds it (`DOCKER_HOST`, else the usual socket).
    pub docker_host: Option<String>,
    /// The workspaces folder as the engine's host sees it; `None`: found out.
    pub engine_workspaces: Option<PathBuf>,
    /// A file that is written after each pass over the folders, for whoever watches over this process.
    pub health_file: Option<PathBuf>,
    /// What must stay free on the disk of the workspaces: below it the step that grows fastest is ended.
    pub min_free: Watermark,
    /// How old something of ours must be before it is removed as left over, where no end of its job says so.
    pub leftover_grace: Duration,
    /// How much of what has ended is kept.
    pub keep: Keep,
    /// How much of caches is kept.
    pub caches: CacheLimits,
    /// Whether jobs that nobody in particular submitted have caches: where only one person can be meant.
    pub caches_of_anonymous: bool,
    /// Never use an overlay for trees, even where the engine can.
    pub copy_trees: bool,
    /// The command that handles one job in a process of its own: this program, also after its file was replaced. Empty in such a
    /// process.
    pub apart: Vec<String>,
}

impl WorkerConfig {
    /// Whether an image may be pulled where it is missing. Those that `make images` builds are nobody's at a public registry:
    /// whoever took such a name there could run what they like.
    pub fn may_pull(&self, image: &str) -> bool {
        !crate::step::is_ours(image)
    }
}

/// The images that all stacks share. Those of each stack are in its folder, and are added where the stacks are.
const SHARED_IMAGES: &str = include_str!("../../pipelines/global/images.env");

impl Default for WorkerConfig {
    fn default() -> Self {
        Self {
            parallel: 2,
            parallel_steps: 8,
            // The file is part of the program, and a test reads it.
            images: images::read(IMAGES_FILE, SHARED_IMAGES).unwrap_or_default(),
            allowed_images: Vec::new(),
            limits: StepLimits::default(),
            policy: Policy::default(),
            database: DatabaseConfig::default(),
            job_timeout: Duration::from_secs(60 * 60),
            manual_timeout: Duration::from_secs(7 * 24 * 60 * 60),
            attempt_budget: 3,
            reconcile_every: Duration::from_secs(5),
            ca_certs: None,
            secrets_key: None,
            named_secrets: Vec::new(),
            stack_files: Vec::new(),
            docker_host: None,
            engine_workspaces: None,
            health_file: None,
            min_free: Watermark::default(),
            leftover_grace: Duration::from_secs(60 * 60),
            keep: Keep::default(),
            caches: CacheLimits::default(),
            caches_of_anonymous: false,
            copy_trees: false,
            apart: vec!["/proc/self/exe".to_owned(), crate::poison::COMMAND.to_owned()],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_images_that_all_stacks_share_are_known_and_never_pulled() {
        let config = WorkerConfig::default();
        assert!(["scan", "sca", "postgres"].iter().all(|name| config.images.contains_key(*name)));
        assert!(config.images.values().all(|image| !config.may_pull(image)) && config.may_pull("node:24"));
    }
}
