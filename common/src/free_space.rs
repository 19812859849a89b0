//! How much a disk must have free before more is begun on it: jobs that run must never be the ones that find it full.

use std::path::Path;

use crate::{
    disk::DiskError,
    foreign::Taken,
    limits::{IntakeLimits, MIB},
};

/// What a file system has and what of it is free for whoever is not root.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Disk {
    /// All of it; no files where the file system does not count them.
    pub all: Taken,
    /// What is free.
    pub free: Taken,
    /// Whether it is mounted read-only.
    pub read_only: bool,
}

impl Disk {
    /// Looks at the file system of a path. Of a folder under a project quota it is what that quota allows.
    ///
    /// # Errors
    /// [`DiskError::Io`] when it does not say.
    pub fn of(path: &Path) -> Result<Self, DiskError> {
        let stat =
            rustix::fs::statvfs(path).map_err(|error| DiskError::io("look at the disk of", path)(error.into()))?;
        let bytes = |blocks: u64| blocks.saturating_mul(stat.f_frsize);
        Ok(Self {
            all: Taken { bytes: bytes(stat.f_blocks), files: stat.f_files },
            // Part of both may be reserved for root.
            free: Taken { bytes: bytes(stat.f_bavail), files: stat.f_favail },
            read_only: stat.f_flag.contains(rustix::fs::StatVfsMountFlags::RDONLY),
        })
    }

    /// What is in use.
    pub fn used(&self) -> Taken {
        Taken {
            bytes: self.all.bytes.saturating_sub(self.free.bytes),
            files: self.all.files.saturating_sub(self.free.files),
        }
    }

    /// Whether less is free than this; files count where the file system counts them.
    pub fn is_below(&self, mark: &Watermark) -> bool {
        self.free.bytes < mark.bytes || (self.all.files > 0 && self.free.files < mark.files)
    }
}

/// Below this no submission is taken in, and no step of a worker goes on growing.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Watermark {
    /// Free space, in bytes; 0 asks for nothing.
    pub bytes: u64,
    /// Free inodes, where the file system counts them.
    pub files: u64,
}

impl Default for Watermark {
    /// Twice what one submission may take by the default limits (50 MiB as a ZIP, 200 MiB and 10,000 files unpacked), rounded.
    fn default() -> Self {
        Self { bytes: 512 * MIB, files: 2 * IntakeLimits::default().files }
    }
}

impl Watermark {
    /// No watermark.
    pub const NONE: Self = Self { bytes: 0, files: 0 };

    /// As many bytes, and as many files as the default asks for so many bytes, at most 20,000.
    pub fn of_bytes(bytes: u64) -> Self {
        let default = Self::default();
        Self { bytes, files: default.files.min(bytes / (default.bytes / default.files)) }
    }

    /// What a disk lacks, in a sentence; `None` where it has enough.
    ///
    /// # Errors
    /// [`DiskError::Io`] when it does not say how much is free.
    pub fn lacking(&self, path: &Path) -> Result<Option<String>, DiskError> {
        let disk = Disk::of(path)?;
        let Taken { bytes, files } = disk.free;
        Ok(if disk.read_only {
            Some("the disk of the workspaces is mounted read-only".to_owned())
        } else if bytes < self.bytes {
            Some(format!("{} MiB are free on the disk of the workspaces, below {} MiB", bytes / MIB, self.bytes / MIB))
        } else if disk.is_below(self) {
            Some(format!("{files} more files fit on the disk of the workspaces, below {}", self.files))
        } else {
            None
        })
    }
}
