//! How much a disk must have free before more is begun on it: jobs that run must never be the ones that find it full.

use std::path::Path;

use crate::{
    disk::DiskError,
    limits::{IntakeLimits, MIB},
};

/// Below this no submission is taken in.
#[derive(Clone, Debug, PartialEq, Eq)]
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

    /// As many bytes, and by them as many files as the default asks for its own.
    pub fn of_bytes(bytes: u64) -> Self {
        let default = Self::default();
        Self { bytes, files: default.files.min(bytes / (default.bytes / default.files)) }
    }

    /// What a disk lacks, in a sentence; `None` where it has enough.
    ///
    /// # Errors
    /// [`DiskError::Io`] when it does not say how much is free.
    pub fn lacking(&self, path: &Path) -> Result<Option<String>, DiskError> {
        let stat =
            rustix::fs::statvfs(path).map_err(|error| DiskError::io("look at the disk of", path)(error.into()))?;
        // To whoever is not root a part of both may be kept back.
        let (free, files) = (stat.f_bavail.saturating_mul(stat.f_frsize), stat.f_favail);
        Ok(if free < self.bytes {
            Some(format!("{} MiB are free on the disk of the workspaces, below {} MiB", free / MIB, self.bytes / MIB))
        } else if stat.f_files > 0 && files < self.files {
            Some(format!("{files} more files fit on the disk of the workspaces, below {}", self.files))
        } else {
            None
        })
    }
}
