//! What a step's container looks like, in words of our own: values in, values out. The engine's words are in
//! `engine/convert.rs`.

mod step;

use std::{
    collections::{BTreeMap, HashMap},
    path::PathBuf,
};

use pipelinex_common::{
    folder::Folder,
    id::{InstanceId, JobId},
    layout::JobPaths,
    limits::StepLimits,
    pipeline::model::{Network, Step},
    slug::Slug,
};

use crate::stack_files::StackFiles;

pub use self::step::{Extras, container, mounts, timeout_seconds};
pub(crate) use self::step::{bind, common_environment, runtime_dir};

/// Home of the runner, and working folder of every step: a folder of the step's own on disk, empty at its start.
pub const HOME: &str = "/home/runner";
/// Where a step finds the project.
pub const APP_DIR: &str = pipelinex_common::pipeline::context::PROJECT_DIR;
/// Where a step finds scripts and definition.
pub const PIPELINES_DIR: &str = "/home/runner/pipelines";
/// Where a step leaves its reports.
pub const REPORTS_DIR: &str = "/home/runner/reports";
/// Where the steps of one tree keep what is worth keeping for the next of them.
pub const CACHE_DIR: &str = "/home/runner/.cache";
/// Where a scan finds what other steps have left.
pub const INPUTS_DIR: &str = "/home/runner/inputs";
/// Where a scan finds the operator's database of advisories.
pub const ADVISORIES_DIR: &str = "/home/runner/advisories";
/// Where programs keep sockets and the like for as long as they run (`XDG_RUNTIME_DIR`): in memory, small.
pub const RUNTIME_DIR: &str = "/run/user/10001";
/// Open files of a process at first: enough for a JVM build.
pub const OPEN_FILES: u64 = 16_384;
/// What a process may raise that to, where the engine can allow it: far below what would starve the host.
pub const OPEN_FILES_MAX: u64 = 65_536;
/// Where the operator's files for the tools of a build are.
pub const STACK_DIR: &str = "/etc/pipelinex/stack";
/// Where extra CA certificates are.
pub const CA_DIR: &str = "/etc/pipelinex/ca";

/// One container: of a step, or of what runs beside it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContainerSpec {
    /// `pipelinex-<job>-a<attempt>-t<try>-<step>`, and for what runs beside a step the same with `.app`, `.db` or `.svcN`.
    pub name: String,
    /// The id of an image, or a full reference.
    pub image: String,
    /// What runs in it.
    pub program: Program,
    /// Environment; nothing of the worker's own is in it.
    pub env: BTreeMap<String, String>,
    /// All it can see of the host.
    pub mounts: Vec<Mount>,
    /// Folders in memory besides /tmp, empty at the start and the runner's alone.
    pub scratch: Vec<Scratch>,
    /// What it may use.
    pub limits: ContainerLimits,
    /// The network it is on; `None`: only loopback.
    pub network: Option<NetworkPlace>,
    /// What the engine runs again and again to see whether it is ready.
    pub health: Option<Vec<String>>,
    /// What the engine keeps of what it prints.
    pub log: KeptLog,
    /// How it is found again.
    pub labels: BTreeMap<String, String>,
}

/// What runs in a container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Program {
    /// A program of ours and its arguments; the image's own entry point is not asked.
    Command(Vec<String>),
    /// The same, of one that waits for what it is sent on its standard input.
    Fed(Vec<String>),
    /// The image's own, of a database: only for images of the operator's.
    OfImage,
    /// The image's own, of a service, as far as the definition does not say otherwise. It is as hard a container as any.
    Service {
        /// The program in place of the image's.
        entrypoint: Option<Vec<String>>,
        /// The arguments in place of the image's.
        command: Option<Vec<String>>,
    },
}

/// A folder in memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scratch {
    /// Where.
    pub target: String,
    /// Its size, in bytes; it counts as memory of the container.
    pub bytes: u64,
}

/// Where a container is on a network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NetworkPlace {
    /// Name of the network.
    pub network: String,
    /// Where it leads.
    pub kind: NetworkKind,
    /// The names by which others on it know this one.
    pub aliases: Vec<String>,
}

/// Where a network leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NetworkKind {
    /// Out, and not from one container on it to another.
    Out,
    /// Out, and to what else is on it: a step and its services.
    OutAndTogether,
    /// Only to what else is on it.
    Internal,
}

/// What the engine keeps of what a container prints.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeptLog {
    /// All of it.
    All,
    /// What was printed last.
    Latest,
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
    /// Open files that a process may raise its limit to.
    pub open_files: u64,
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
    /// The try of the step; 1 for what serves the whole job.
    pub number: u32,
    /// The job's files as the engine's host sees them.
    pub on_engine: JobPaths,
    /// How trees are made.
    pub trees: TreeKind,
    /// Whether the engine mounts one folder of a volume.
    pub volume_folders: bool,
    /// The folder of extra CA certificates as the engine's host sees it.
    pub ca: Option<PathBuf>,
    /// The operator's files for the tools of a build.
    pub stack_files: Option<StackFiles>,
    /// The operator's limits.
    pub limits: StepLimits,
    /// The most open files of a process that the engine can allow.
    pub open_files: u64,
    /// Versions asked for, as variables.
    pub versions: BTreeMap<String, String>,
    /// The folder of the project that is built; `None`: its top.
    pub folder: Option<Folder>,
}

impl JobContext {
    /// Where a step that builds works, and where an application runs: in the folder that is built, with the whole of what was
    /// submitted around it.
    pub fn folder_dir(&self) -> String {
        self.folder.as_ref().map_or_else(|| APP_DIR.to_owned(), |folder| format!("{APP_DIR}/{folder}"))
    }

    /// Name of the container of a step.
    pub fn container_name(&self, step: &Slug) -> String {
        format!("pipelinex-{}-a{}-t{}-{step}", self.job, self.attempt, self.number)
    }

    /// Name of the volume that the outbox is bound to.
    pub fn reports_volume(&self) -> String {
        format!("reports-{}", self.job)
    }

    /// Name of the volume of a tree.
    pub fn tree_volume(&self, owner: &Slug) -> String {
        format!("tree-{}-{owner}", self.job)
    }

    /// The network that a step is on; `None` for none. One with a target or services has a network of its own: two applications
    /// would else answer to one name, and what one of them does would reach the checks of the other.
    pub fn network(&self, step: &Step) -> Option<NetworkPlace> {
        let has_services = !step.services.is_empty();
        let has_company = step.target.is_some() || step.database.is_some() || has_services;
        let own = || self.container_name(&step.slug);
        let (network, kind) = match step.network {
            Network::None if has_services => (own(), NetworkKind::Internal),
            Network::None => return None,
            Network::Egress if has_services => (own(), NetworkKind::OutAndTogether),
            Network::Egress => (format!("pipelinex-{}-egress", self.job), NetworkKind::Out),
            Network::Internal if has_company => (own(), NetworkKind::Internal),
            Network::Internal => (format!("pipelinex-{}-internal", self.job), NetworkKind::Internal),
        };
        Some(NetworkPlace { network, kind, aliases: Vec::new() })
    }

    /// Labels of everything that belongs to the job.
    pub fn labels(&self) -> BTreeMap<String, String> {
        [
            (LABEL_INSTANCE, self.instance.as_str().to_owned()),
            (LABEL_JOB, self.job.to_string()),
            (LABEL_ATTEMPT, self.attempt.to_string()),
            (LABEL_TRY, self.number.to_string()),
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
/// Label: the try of the step.
pub const LABEL_TRY: &str = "pipelinex.try";
/// Label: the step.
pub const LABEL_STEP: &str = "pipelinex.step";
/// Label of what runs beside a step: `app`, `db` or `svcN`.
pub const LABEL_SERVICE: &str = "pipelinex.service";
/// Label: when it was made, in seconds since 1970.
pub const LABEL_CREATED: &str = "pipelinex.created";

/// The attempt and the try that a container is of. One that an older program made says no try: it is the first.
pub fn attempt_and_try(labels: &HashMap<String, String>) -> Option<(u32, u32)> {
    let number = labels.get(LABEL_TRY).map_or(Some(1), |number| number.parse().ok())?;
    Some((labels.get(LABEL_ATTEMPT)?.parse().ok()?, number))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_container_that_an_older_program_made_is_of_the_first_try() {
        let labels = |of: &[(&str, &str)]| of.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        assert_eq!(attempt_and_try(&labels(&[(LABEL_ATTEMPT, "2")])), Some((2, 1)));
        assert_eq!(attempt_and_try(&labels(&[(LABEL_ATTEMPT, "2"), (LABEL_TRY, "3")])), Some((2, 3)));
        assert_eq!(attempt_and_try(&labels(&[(LABEL_ATTEMPT, "2"), (LABEL_TRY, "x")])), None);
    }
}
