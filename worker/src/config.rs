//! What the operator decides for a worker. Read once, in `main`; nothing below reads the environment.

use std::{collections::BTreeMap, path::PathBuf, time::Duration};

use pipelinex_common::{database::DatabaseConfig, limits::StepLimits, policy::Policy, room::Watermark, store::Keep};
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
    /// Attempts a job has, counting from 1, when its containers are lost.
    pub attempt_budget: u32,
    /// Pause between two looks over all folders.
    pub reconcile_every: Duration,
    /// A PEM file of certificates that runner containers trust besides the public ones.
    pub ca_certs: Option<PathBuf>,
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
    /// Never use an overlay for trees, even where the engine can.
    pub copy_trees: bool,
    /// The command that handles one job in a process of its own: this program, also after its file was replaced. Empty in such a
    /// process.
    pub apart: Vec<String>,
}

impl WorkerConfig {
    /// Whether an image may be pulled where it is missing. The built-in names are nobody's at a public registry: whoever took
    /// one there could run what they like.
    pub fn may_pull(&self, image: &str) -> bool {
        DEFAULT_IMAGES.iter().all(|(_, built_in)| *built_in != image)
    }
}

/// The runner images that `make images` builds.
pub const DEFAULT_IMAGES: [(&str, &str); 4] = [
    ("java17-maven", "pipelinex/java17-maven:1"),
    ("scan", "pipelinex/scan:1"),
    ("sca", "pipelinex/sca:1"),
    ("postgres", "pipelinex/postgres:15"),
];

impl Default for WorkerConfig {
    fn default() -> Self {
        Self {
            parallel: 2,
            parallel_steps: 8,
            images: DEFAULT_IMAGES.iter().map(|(name, image)| ((*name).to_owned(), (*image).to_owned())).collect(),
            allowed_images: Vec::new(),
            limits: StepLimits::default(),
            policy: Policy::default(),
            database: DatabaseConfig::default(),
            job_timeout: Duration::from_secs(60 * 60),
            attempt_budget: 3,
            reconcile_every: Duration::from_secs(5),
            ca_certs: None,
            docker_host: None,
            engine_workspaces: None,
            health_file: None,
            min_free: Watermark::default(),
            leftover_grace: Duration::from_secs(60 * 60),
            keep: Keep::default(),
            copy_trees: false,
            apart: vec!["/proc/self/exe".to_owned(), crate::poison::COMMAND.to_owned()],
        }
    }
}
