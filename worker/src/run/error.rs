//! Why a job could not be brought to an end now.

use std::path::PathBuf;

use pipelinex_common::{disk::DiskError, layout::JobPaths, store::StoreError};

use crate::engine::{EngineError, HostPathError};

/// Why a job could not be brought to an end now. It stays as it is on disk, and is taken up again.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// A file of the job cannot be read or written.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The engine.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// Where the engine sees the workspaces folder is unknown.
    #[error(transparent)]
    HostPath(#[from] HostPathError),
}

impl RunError {
    /// Whether the disk is full.
    pub fn is_full(&self) -> bool {
        matches!(self, Self::Store(StoreError::Disk(error)) if error.is_full())
    }

    /// The job's own file that cannot be read, where it is that: trying again does not help before it is another one.
    pub fn file_of_the_job(&self, job: &JobPaths) -> Option<PathBuf> {
        match self {
            Self::Store(StoreError::Disk(DiskError::Torn { path, .. } | DiskError::FutureSchema { path, .. })) => {
                Some(path.clone())
            }
            Self::Store(StoreError::NoSuchJob(_) | StoreError::Taken(_) | StoreError::Transition(_)) => {
                Some(job.metadata())
            }
            Self::Store(StoreError::Disk(DiskError::Io { .. })) | Self::Engine(_) | Self::HostPath(_) => None,
        }
    }
}

impl From<DiskError> for RunError {
    fn from(error: DiskError) -> Self {
        Self::Store(error.into())
    }
}
