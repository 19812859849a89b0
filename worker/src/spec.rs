//! What a step's container looks like, in words of our own: values in, values out. The engine's words are in
//! `engine/convert.rs`.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use pipelinex_common::{
    id::{InstanceId, JobId},
    layout::JobPaths,
    limits::StepLimits,
    pipeline::model::{Network, Step, StepKind},
    slug::Slug,
};

/// Home of the runner, and working folder of every step.
pub const HOME: &str = "/home/runner";
/// Where a step finds the project.
pub const APP_DIR: &str = "/home/runner/app";
/// Where a step finds scripts and definition.
pub const PIPELINES_DIR: &str = "/home/runner/pipelines";
/// Where a step leaves its reports.
pub const REPORTS_DIR: &str = "/home/runner/reports";
/// Where the steps of one tree keep what is worth keeping for the next of them.
pub const CACHE_DIR: &str = "/home/runner/.cache";
/// Where extra CA certificates are.
pub const CA_DIR: &str = "/etc/pipelinex/ca";

/// One runner container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContainerSpec {
    /// `pipelinex-<job>-a<attempt>-<step>`.
    pub name: String,
    /// A full image reference, resolved by the operator's table.
    pub image: String,
    /// Program and arguments.
    pub command: Vec<String>,
    /// Environment; nothing of the worker's own is in it.
    pub env: BTreeMap<String, String>,
    /// All it can see of the host.
    pub mounts: Vec<Mount>,
    /// What it may use.
    pub limits: ContainerLimits,
    /// Name of the network; `None`: only loopback.
    pub network: Option<String>,
    /// How it is found again.
    pub labels: BTreeMap<String, String>,
}

/// What a container may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ContainerLimits {
    /// Memory in bytes, without swap.
    pub memory_bytes: u64,
    /// CPU time in thousandths of a core.
    pub milli_cpus: u64,
    /// Processes and threads.
    pub pids: u64,
    /// Size of the tmpfs at /tmp, in bytes.
    pub tmp_bytes: u64,
}

/// One mount of a container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mount {
    /// What is mounted.
    pub source: MountSource,
    /// Where.
    pub target: String,
    /// Whether it cannot be written.
    pub read_only: bool,
}

/// What a mount shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MountSource {
    /// A folder of the engine's host.
    Bind(PathBuf),
    /// A volume.
    Volume(String),
    /// One folder of a volume (engines from API 1.45 on; older ones would silently mount the whole).
    VolumeFolder(String, String),
}

/// How the tree of a step is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TreeKind {
    /// A volume of type overlay above `source/`.
    Overlay,
    /// A copy of `source/`.
    Copy,
}

/// What all specs of a job share.
#[derive(Clone, Debug)]
pub struct JobContext {
    /// The installation.
    pub instance: InstanceId,
    /// The job.
    pub job: JobId,
    /// The attempt.
    pub attempt: u32,
    /// The job's files as the engine's host sees them.
    pub on_engine: JobPaths,
    /// How trees are made.
    pub trees: TreeKind,
    /// Whether the engine mounts one folder of a volume.
    pub volume_folders: bool,
    /// The folder of extra CA certificates as the engine's host sees it.
    pub ca: Option<PathBuf>,
    /// The operator's limits.
    pub limits: StepLimits,
    /// Versions asked for, as variables.
    pub versions: BTreeMap<String, String>,
}

impl JobContext {
    /// Name of the container of a step.
    pub fn container_name(&self, step: &Slug) -> String {
        format!("pipelinex-{}-a{}-{step}", self.job, self.attempt)
    }

    /// Name of the volume that the outbox is bound to.
    pub fn reports_volume(&self) -> String {
        format!("reports-{}", self.job)
    }

    /// Name of the volume of a tree.
    pub fn tree_volume(&self, owner: &Slug) -> String {
        format!("tree-{}-{owner}", self.job)
    }

    /// Name of the job's network of that kind; `None` for none.
    pub fn network_name(&self, network: Network) -> Option<String> {
        match network {
            Network::None => None,
            Network::Egress => Some(format!("pipelinex-{}-egress", self.job)),
            Network::Internal => Some(format!("pipelinex-{}-internal", self.job)),
        }
    }

    /// Labels of everything that belongs to the job.
    pub fn labels(&self) -> BTreeMap<String, String> {
        [
            (LABEL_INSTANCE, self.instance.as_str().to_owned()),
            (LABEL_JOB, self.job.to_string()),
            (LABEL_ATTEMPT, self.attempt.to_string()),
            (LABEL_CREATED, jiff::Timestamp::now().as_second().to_string()),
        ]
        .into_iter()
        .map(|(key, value)| (key.to_owned(), value))
        .collect()
    }
}

/// Label: the installation.
pub const LABEL_INSTANCE: &str = "pipelinex.instance";
/// Label: the job.
pub const LABEL_JOB: &str = "pipelinex.job";
/// Label: the attempt.
pub const LABEL_ATTEMPT: &str = "pipelinex.attempt";
/// Label: the step.
pub const LABEL_STEP: &str = "pipelinex.step";
/// Label: when it was made, in seconds since 1970.
pub const LABEL_CREATED: &str = "pipelinex.created";

/// What a step mounts, and nothing else: scripts read-only, its own folder of the reports volume, and either the submitted
/// source read-only (scans) or its tree and the tree's cache.
pub fn mounts(context: &JobContext, step: &Step, tree_owner: &Slug) -> Vec<Mount> {
    let bind = |path: PathBuf, target: &str, read_only: bool| Mount {
        source: MountSource::Bind(path),
        target: target.to_owned(),
        read_only,
    };
    let job = &context.on_engine;
    let mut mounts = vec![bind(job.pipelines(), PIPELINES_DIR, true)];
    mounts.push(if context.volume_folders {
        let source = MountSource::VolumeFolder(context.reports_volume(), step.slug.to_string());
        Mount { source, target: REPORTS_DIR.to_owned(), read_only: false }
    } else {
        bind(job.outbox_of(&step.slug), REPORTS_DIR, false)
    });
    match (step.kind, context.trees) {
        (StepKind::Scan, _) => mounts.push(bind(job.source(), APP_DIR, true)),
        (StepKind::Normal, TreeKind::Overlay) => mounts.push(Mount {
            source: MountSource::Volume(context.tree_volume(tree_owner)),
            target: APP_DIR.to_owned(),
            read_only: false,
        }),
        (StepKind::Normal, TreeKind::Copy) => mounts.push(bind(job.tree(tree_owner).join("copy"), APP_DIR, false)),
    }
    if step.kind == StepKind::Normal {
        mounts.push(bind(job.tree(tree_owner).join("cache"), CACHE_DIR, false));
    }
    mounts.extend(context.ca.as_deref().map(|ca| bind(ca.to_owned(), CA_DIR, true)));
    mounts
}

/// The container of a step.
pub fn container(context: &JobContext, step: &Step, tree_owner: &Slug, image: String) -> ContainerSpec {
    let mut labels = context.labels();
    labels.insert(LABEL_STEP.to_owned(), step.slug.to_string());
    ContainerSpec {
        name: context.container_name(&step.slug),
        image,
        command: crate::script::command(&step.slug),
        env: environment(context, step),
        mounts: mounts(context, step, tree_owner),
        limits: ContainerLimits {
            // A definition may ask for less than the operator allows, never for more.
            memory_bytes: lower(step.memory_bytes, context.limits.memory_bytes),
            milli_cpus: lower(step.milli_cpus, context.limits.milli_cpus),
            pids: lower(step.pids, context.limits.pids),
            tmp_bytes: context.limits.tmp_bytes,
        },
        network: context.network_name(step.network),
        labels,
    }
}

/// The time a step has, in seconds.
pub fn timeout_seconds(step: &Step, limits: &StepLimits) -> u64 {
    lower(step.timeout_seconds, limits.timeout_seconds)
}

fn lower(asked: Option<u64>, allowed: u64) -> u64 {
    asked.map_or(allowed, |asked| asked.min(allowed))
}

fn environment(context: &JobContext, step: &Step) -> BTreeMap<String, String> {
    let mut env = step.variables.clone();
    env.extend(context.versions.clone());
    if context.ca.is_some() {
        env.extend(crate::ca::environment(Path::new(CA_DIR)));
    }
    for (name, value) in [
        ("APP_DIR", APP_DIR),
        ("PIPELINES_DIR", PIPELINES_DIR),
        ("REPORTS_DIR", REPORTS_DIR),
        ("STAGE", step.stage.as_str()),
        ("STEP", step.name.as_str()),
        ("HOME", HOME),
        ("CI", "true"),
        ("LANG", "C.UTF-8"),
    ] {
        env.insert(name.to_owned(), value.to_owned());
    }
    if step.kind == StepKind::Normal {
        env.insert("CACHE_DIR".to_owned(), CACHE_DIR.to_owned());
    }
    env
}
