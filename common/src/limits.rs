//! What a submission and a run may use. Every number has a unit in its name, and its origin beside it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::foreign::Taken;

/// One mebibyte, in bytes.
pub const MIB: u64 = 1024 * 1024;

/// Limits of what is taken in. The first four are the defaults of the seed system.
///
/// What a record of an older program does not name has its default.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct IntakeLimits {
    /// The largest upload, in bytes as sent.
    pub upload_bytes: u64,
    /// The largest project, in bytes when unpacked.
    pub unpacked_bytes: u64,
    /// The most files and folders a project may have.
    pub files: u64,
    /// The deepest path, in components.
    pub depth: u32,
    /// The longest path component, in bytes: what ext4 and xfs hold.
    pub name_bytes: usize,
    /// The longest path inside the project, in bytes: leaves room for the host's own prefix below PATH_MAX (4096).
    pub path_bytes: usize,
    /// The largest `metadata` part, in bytes.
    pub metadata_bytes: u64,
    /// The most that a Git server may send for one clone, in bytes: as much as a project may have unpacked, so that there is
    /// room for a history of several times the compressed project.
    pub clone_bytes: u64,
    /// The most objects of one clone: a project of 10,000 files with about ten versions of each.
    pub clone_objects: u64,
    /// How long one clone may take, in seconds: the seed system's.
    pub clone_seconds: u64,
}

impl Default for IntakeLimits {
    fn default() -> Self {
        Self {
            upload_bytes: 50 * MIB,
            unpacked_bytes: 200 * MIB,
            files: 10_000,
            depth: 25,
            name_bytes: 255,
            path_bytes: 1024,
            metadata_bytes: 64 * 1024,
            clone_bytes: 200 * MIB,
            clone_objects: 200_000,
            clone_seconds: 60,
        }
    }
}

/// How much of what steps keep for later jobs stays.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CacheLimits {
    /// What all caches together may take on the disk, in bytes; no more is written at once either.
    pub bytes: u64,
    /// After how many seconds without a reader one goes.
    pub unread_seconds: u64,
}

impl Default for CacheLimits {
    fn default() -> Self {
        // Dependencies of some dozen projects; two weeks are what a project rests between two of its commits.
        Self { bytes: 10 * 1024 * MIB, unread_seconds: 14 * 24 * 60 * 60 }
    }
}

/// Limits of one step; the operator's, which a definition may lower and not raise.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepLimits {
    /// Memory of the container, in bytes, without swap.
    pub memory_bytes: u64,
    /// CPU time, in thousandths of a core.
    pub milli_cpus: u64,
    /// Processes and threads.
    pub pids: u64,
    /// Wall-clock time, in seconds.
    pub timeout_seconds: u64,
    /// Bytes of log that are stored; what follows is counted, and a tail of it kept.
    pub log_stored_bytes: u64,
    /// Bytes of the engine's own record of the log after which the step is ended with `log_limit`: a JSON object a line.
    pub log_raw_bytes: u64,
    /// Bytes of all reports of one step.
    pub report_bytes: u64,
    /// Bytes of all artifacts of one step.
    pub artifact_bytes: u64,
    /// Files that are collected from one step, reports and artifacts each.
    pub collected_files: u64,
    /// Size of the tmpfs at /tmp, in bytes (it counts as memory of the container).
    pub tmp_bytes: u64,
    /// What its tree and its reports may take on the disk, in bytes, before it is ended with `disk_limit`.
    pub disk_bytes: u64,
    /// How many files and folders it may make there, before it is ended with `disk_limit`.
    #[serde(default = "default_disk_files")]
    pub disk_files: u64,
}

fn default_disk_files() -> u64 {
    StepLimits::default().disk_files
}

impl StepLimits {
    /// What a step may take on the disk.
    pub fn disk(&self) -> Taken {
        Taken { bytes: self.disk_bytes, files: self.disk_files }
    }
}

impl Default for StepLimits {
    fn default() -> Self {
        Self {
            memory_bytes: 4096 * MIB,
            milli_cpus: 2000,
            pids: 512,
            timeout_seconds: 15 * 60,
            log_stored_bytes: 64 * MIB,
            log_raw_bytes: 4 * 64 * MIB,
            report_bytes: 64 * MIB,
            artifact_bytes: 512 * MIB,
            collected_files: 10_000,
            tmp_bytes: 512 * MIB,
            // A Maven build with its repository stays below 1 GiB.
            disk_bytes: 10 * 1024 * MIB,
            // A large front end with its packages has about 100,000.
            disk_files: 200_000,
        }
    }
}
