//! What is true of this worker's place as long as it runs: where the engine sees the workspaces folder, how trees are made,
//! and the certificates that runners get.

use std::path::{Path, PathBuf};

use pipelinex_common::{
    disk::DiskError,
    free_space::{Disk, Watermark},
    limits::MIB,
};

use crate::{
    Worker, ca,
    engine::{Engine, EngineError},
    quota::Quotas,
    run::RunError,
    spec::{OPEN_FILES, TreeKind},
    stack_files::{self, StackFiles},
    tree,
};

/// What the probe of an overlay needs on the disk.
const NEEDED: Watermark = Watermark { bytes: MIB, files: 32 };

/// What is true of this worker's place.
#[derive(Clone, Debug)]
pub struct Environment {
    /// The workspaces folder as the engine's host sees it.
    pub workspaces: PathBuf,
    /// How trees are made.
    pub trees: TreeKind,
    /// The most open files of a process that the engine can allow.
    pub open_files: u64,
    /// The folder of certificates as the engine's host sees it.
    pub ca: Option<PathBuf>,
    /// The operator's files for the tools of a build, their folder as the engine's host sees it.
    pub stack_files: Option<StackFiles>,
    /// The quotas of the workspaces' file system, if it keeps them.
    pub quotas: Option<Quotas>,
}

impl Worker {
    /// The engine; connected to when it was not yet, or does not answer any more.
    ///
    /// # Errors
    /// [`EngineError`].
    pub async fn engine(&self) -> Result<Engine, EngineError> {
        let mut slot = self.engine.lock().await;
        if let Some(engine) = &*slot
            && engine.ping().await.is_ok()
        {
            return Ok(engine.clone());
        }
        let engine = Engine::connect(self.config.docker_host.as_deref()).await?;
        // A warning and no more: what does not answer now will say so where it matters.
        for finding in engine.runtime_findings().await.unwrap_or_default() {
            tracing::warn!(%finding, "the engine's runtime may have a known hole");
        }
        *slot = Some(engine.clone());
        Ok(engine)
    }

    /// What is true of this place: found out once, as far as it could be.
    ///
    /// # Errors
    /// [`RunError`].
    pub async fn environment(&self, engine: &Engine) -> Result<Environment, RunError> {
        let mut known = self.environment.lock().await;
        if let Some(environment) = &*known {
            return Ok(environment.clone());
        }
        let (environment, for_good) = self.find_out(engine).await?;
        if for_good {
            *known = Some(environment.clone());
        }
        Ok(environment)
    }

    /// The environment, and whether it will stay like this.
    async fn find_out(&self, engine: &Engine) -> Result<(Environment, bool), RunError> {
        let inside = self.store.layout().root();
        let workspaces = match &self.config.engine_workspaces {
            Some(told) => told.clone(),
            None => engine.host_path(inside).await?,
        };
        let probed = match self.config.copy_trees {
            true => Some((TreeKind::Copy, OPEN_FILES)),
            false => self.probe(engine, &workspaces).await,
        };
        let (trees, open_files) = probed.unwrap_or((TreeKind::Copy, OPEN_FILES));
        let ca = match &self.config.ca_certs {
            None => None,
            Some(extra) => {
                let folder = ca::prepare(extra, self.store.layout())
                    .map_err(|error| DiskError::io("use", extra)(std::io::Error::other(error)))?;
                Some(workspaces.join(folder.strip_prefix(inside).unwrap_or(Path::new(""))))
            }
        };
        let mut stack_files = stack_files::prepare(&self.config.stack_files, self.store.layout())
            .map_err(|error| DiskError::io("lay out files in", inside)(std::io::Error::other(error)))?;
        if let Some(files) = &mut stack_files {
            files.folder = workspaces.join(files.folder.strip_prefix(inside).unwrap_or(Path::new("")));
        }
        let quotas = Quotas::probe(inside);
        let limits = quotas.as_ref().map_or_else(|why| format!("counted ({why})"), |_| "hard".to_owned());
        tracing::info!(workspaces = %workspaces.display(), ?trees, limits, "found out where the engine sees our files");
        Ok((Environment { workspaces, trees, open_files, ca, stack_files, quotas: quotas.ok() }, probed.is_some()))
    }

    /// How trees can be made here, and how many open files a step may have; `None` when it could not be tried: no image is there yet, or the engine is away.
    async fn probe(&self, engine: &Engine, workspaces: &Path) -> Option<(TreeKind, u64)> {
        let image = self.some_image(engine).await?;
        match tree::probe(engine, &self.store, workspaces, &image).await {
            Ok(open_files) => Some((TreeKind::Overlay, open_files)),
            Err(reason) => {
                tracing::warn!(reason, "no overlay can be mounted over the workspaces folder: trees are copied");
                let is_full = Disk::of(self.store.layout().root()).is_ok_and(|disk| disk.is_below(&NEEDED));
                // What a full disk did not let us try is tried again.
                (engine.ping().await.is_ok() && !is_full).then_some((TreeKind::Copy, OPEN_FILES))
            }
        }
    }

    /// Any runner image that is there: each of them has a shell.
    pub(crate) async fn some_image(&self, engine: &Engine) -> Option<String> {
        for image in self.config.images.values() {
            if engine.has_image(image).await.unwrap_or(false) {
                return Some(image.clone());
            }
        }
        None
    }
}
