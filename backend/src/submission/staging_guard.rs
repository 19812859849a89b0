//! A staging folder that goes when the submission it was made for comes to nothing.

use pipelinex_common::{layout::JobPaths, store::Staging};
use tokio::task::spawn_blocking;

use crate::{app::App, error::ApiError};

/// A staging folder whose removal never blocks a task that serves connections.
pub struct StagingGuard {
    staging: Option<Staging>,
    paths: JobPaths,
}

impl StagingGuard {
    /// A new staging folder.
    ///
    /// # Errors
    /// 507 when the disk is full, or nearly so.
    pub async fn new(app: &App) -> Result<Self, ApiError> {
        let (store, free_space) = (app.store.clone(), app.free_space.clone());
        let stage = move || {
            free_space.check(&store)?;
            Ok::<_, ApiError>(store.stage()?)
        };
        let staging = spawn_blocking(stage).await.map_err(ApiError::internal)??;
        let paths = staging.paths().clone();
        Ok(Self { staging: Some(staging), paths })
    }

    /// The paths of the job to be.
    pub fn paths(&self) -> &JobPaths {
        &self.paths
    }

    /// The folder itself, from here on without the guard.
    pub(super) fn take(&mut self) -> Option<Staging> {
        self.staging.take()
    }
}

impl Drop for StagingGuard {
    fn drop(&mut self) {
        let Some(staging) = self.staging.take() else { return };
        match tokio::runtime::Handle::try_current() {
            Ok(runtime) => drop(runtime.spawn_blocking(move || drop(staging))),
            Err(_) => drop(staging),
        }
    }
}
