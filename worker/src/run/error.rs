//! Why a job could not be brought to an end now.

use pipelinex_common::{disk::DiskError, store::StoreError};

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
    /// Whether it is the job's own files that cannot be read: trying again does not help.
    pub fn is_about_the_job(&self) -> bool {
        match self {
            Self::Store(StoreError::Disk(DiskError::Torn { .. } | DiskError::FutureSchema { .. })) => true,
            Self::Store(
                StoreError::NoMetadata(_) | StoreError::NoSuchJob(_) | StoreError::Taken(_) | StoreError::Transition(_),
            ) => true,
            Self::Store(StoreError::Disk(DiskError::Io { .. })) | Self::Engine(_) | Self::HostPath(_) => false,
        }
    }
}

impl From<DiskError> for RunError {
    fn from(error: DiskError) -> Self {
        Self::Store(error.into())
    }
}
