//! The container of a step: what it mounts, what it is told, and what it may use.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use pipelinex_common::{
    limits::{MIB, StepLimits},
    pipeline::model::{Network, Step, StepKind},
    slug::Slug,
};

use super::{
    ADVISORIES_DIR, APP_DIR, CA_DIR, CACHE_DIR, ContainerLimits, ContainerSpec, HOME, INPUTS_DIR, JobContext, KeptLog,
    LABEL_STEP, Mount, MountSource, PIPELINES_DIR, Program, REPORTS_DIR, RUNTIME_DIR, STACK_DIR, Scratch, TreeKind,
};
use crate::{home, modes::ScanMode};

/// What a step gets beyond its definition.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Extras {
    /// Whether what other steps left was copied for it.
    pub inputs: bool,
    /// The database of advisories as the engine's host sees it.
    pub advisories: Option<PathBuf>,
    /// Whether it waits for secrets.
    pub secrets: bool,
    /// In which mode a scanner runs.
    pub mode: Option<ScanMode>,
}

/// A mount of a folder of the engine's host.
pub(crate) fn bind(path: PathBuf, target: &str, read_only: bool) -> Mount {
    Mount { source: MountSource::Bind(path), target: target.to_owned(), read_only }
}

/// What a step mounts, and nothing else: its home, scripts read-only, its own folder of the reports volume, and either the
/// submitted source read-only (scans) or its tree and the tree's cache.
pub fn mounts(context: &JobContext, step: &Step, tree_owner: &Slug, extras: &Extras) -> Vec<Mount> {
    let job = &context.on_engine;
    // The home first: most of the others lie below it.
    let mut mounts: Vec<Mount> = home::mounts(&job.tree(&step.slug), home::Owner::Step).collect();
    mounts.push(bind(job.pipelines(), PIPELINES_DIR, true));
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
    mounts.extend(extras.inputs.then(|| bind(job.inputs_of(&step.slug), INPUTS_DIR, true)));
    mounts.extend(extras.advisories.as_ref().map(|folder| bind(folder.clone(), ADVISORIES_DIR, true)));
    if step.kind == StepKind::Normal {
        mounts.extend(context.stack_files.as_ref().map(|files| bind(files.folder.clone(), STACK_DIR, true)));
    }
    mounts.extend(context.ca.as_deref().map(|ca| bind(ca.to_owned(), CA_DIR, true)));
    mounts
}

/// The container of a step.
pub fn container(
    context: &JobContext,
    step: &Step,
    tree_owner: &Slug,
    image: String,
    extras: &Extras,
) -> ContainerSpec {
    let mut labels = context.labels();
    labels.insert(LABEL_STEP.to_owned(), step.slug.to_string());
    ContainerSpec {
        name: context.container_name(&step.slug),
        image,
        program: match extras.secrets {
            true => Program::Fed(crate::script::command(step, true)),
            false => Program::Command(crate::script::command(step, false)),
        },
        env: environment(context, step, extras),
        mounts: mounts(context, step, tree_owner, extras),
        scratch: vec![runtime_dir()],
        limits: ContainerLimits {
            // A definition may ask for less than the operator allows, never for more.
            memory_bytes: lower(step.memory_bytes, context.limits.memory_bytes),
            milli_cpus: lower(step.milli_cpus, context.limits.milli_cpus),
            pids: lower(step.pids, context.limits.pids),
            tmp_bytes: context.limits.tmp_bytes,
            open_files: context.open_files,
        },
        network: context.network(step),
        health: None,
        log: KeptLog::All,
        labels,
    }
}

/// The folder at [`RUNTIME_DIR`].
pub(crate) fn runtime_dir() -> Scratch {
    Scratch { target: RUNTIME_DIR.to_owned(), bytes: 16 * MIB }
}

/// The time a step has, in seconds.
pub fn timeout_seconds(step: &Step, limits: &StepLimits) -> u64 {
    lower(step.timeout_seconds, limits.timeout_seconds)
}

fn lower(asked: Option<u64>, allowed: u64) -> u64 {
    asked.map_or(allowed, |asked| asked.min(allowed))
}

fn environment(context: &JobContext, step: &Step, extras: &Extras) -> BTreeMap<String, String> {
    let mut env = common_environment(context, step);
    if context.ca.is_some() {
        env.extend(crate::ca::environment(Path::new(CA_DIR)));
    }
    if let (StepKind::Normal, Some(files)) = (step.kind, &context.stack_files) {
        env.extend(files.variables.clone());
        if step.network == Network::Egress {
            env.extend(files.of_network.clone());
        }
    }
    let mut set = |name: &str, value: &str| _ = env.insert(name.to_owned(), value.to_owned());
    set("REPORTS_DIR", REPORTS_DIR);
    set("STAGE", &step.stage);
    set("STEP", &step.name);
    set("PIPELINEX_TRY", &context.number.to_string());
    if step.kind == StepKind::Normal {
        set("APP_DIR", &context.folder_dir());
        set("CACHE_DIR", CACHE_DIR);
    }
    if extras.inputs {
        set("INPUTS_DIR", INPUTS_DIR);
    }
    if extras.advisories.is_some() {
        set("ADVISORIES_DIR", ADVISORIES_DIR);
    }
    if let Some(target) = &step.target {
        set("TARGET_URL", &format!("http://{}:{}", target.alias, target.port));
        set("TARGET_HEALTH", &target.health);
        set("TARGET_STARTUP_SECONDS", &target.startup_seconds.to_string());
    }
    env.extend(extras.mode.iter().flat_map(ScanMode::environment));
    env
}

/// What a step and the application beside it both get. What is ours stands above what a definition says. Language, time zone and
/// terminal are set by the launcher, where neither definition nor image sets them.
pub(crate) fn common_environment(context: &JobContext, step: &Step) -> BTreeMap<String, String> {
    let mut env = step.variables.clone();
    env.extend(context.versions.clone());
    let ours = [
        ("APP_DIR", APP_DIR),
        ("PIPELINES_DIR", PIPELINES_DIR),
        ("HOME", HOME),
        ("XDG_RUNTIME_DIR", RUNTIME_DIR),
        ("CI", "true"),
    ];
    env.extend(ours.map(|(name, value)| (name.to_owned(), value.to_owned())));
    env
}
