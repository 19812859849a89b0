//! What a container needs before it is made: folders, script, and on the engine volumes and networks.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use pipelinex_common::{
    disk::{self, DiskError},
    pipeline::model::{Step, StepKind},
    slug::Slug,
    store::{Onto, StoreError, TreeError, make_runner_dir},
};

use super::JobSteps;
use crate::{
    caches,
    engine::{EngineError, VolumeSpec},
    home, inputs, lock,
    spec::{ContainerSpec, Mount, NetworkPlace, TreeKind},
    step::StepError,
    tree,
};

impl JobSteps {
    /// Everything a container needs: its folders and script, and, made once for all steps, volumes and network. `producers`:
    /// the steps whose artifacts are copied for it. `homes`: the containers whose homes are made; none of a step that was taken up.
    pub(super) async fn make_ready(
        &self,
        step: &Step,
        spec: &ContainerSpec,
        producers: Option<Vec<Slug>>,
        homes: Vec<(home::Owner, Vec<Mount>)>,
        fresh: bool,
    ) -> Result<(), StepError> {
        self.still_held()?;
        make_runner_dir(&self.paths.outbox_of(&step.slug)).map_err(TreeError::from)?;
        match self.write_script(step) {
            // A container that runs has its script.
            Err(error) if error.is_full() && !fresh => tracing::warn!(step = %step.slug, %error, "the disk is full"),
            written => written?,
        }
        if fresh {
            self.limit_folders(step).await?;
        }
        let volume = self.volume.get_or_try_init(|| self.engine_volume());
        let network = self.make_network(spec.network.as_ref());
        let (volume, network, tree, inputs, homes) = tokio::join!(
            volume,
            network,
            self.make_tree(step, fresh),
            self.make_inputs(step, producers),
            self.make_homes(step, homes)
        );
        volume?;
        network?;
        tree?;
        inputs?;
        homes
    }

    async fn make_homes(&self, step: &Step, homes: Vec<(home::Owner, Vec<Mount>)>) -> Result<(), StepError> {
        let (worker, tree) = (Arc::clone(&self.worker), self.paths.tree(&step.slug));
        let make =
            move || homes.iter().try_for_each(|(owner, mounts)| home::make(&worker.store, &tree, *owner, mounts));
        self.aside("make the home of", make).await
    }

    /// Written again by every holder, from the definition: whatever a power cut left of it is never run.
    fn write_script(&self, step: &Step) -> Result<(), DiskError> {
        let folder = self.paths.step_scripts();
        disk::make_dir(&folder, 0o755)?;
        for (name, text) in crate::script::files(step) {
            disk::write_unsynced(&folder.join(name), text.as_bytes(), 0o644)?;
        }
        Ok(())
    }

    /// Sets a quota on what the step writes, where the file system keeps them; elsewhere it is counted while the step runs.
    async fn limit_folders(&self, step: &Step) -> Result<(), StepError> {
        let Some(quotas) = self.quotas.clone() else { return Ok(()) };
        let (folders, most) = (self.written_by(step), self.worker.config.limits.disk());
        let slug = step.slug.clone();
        let limit = move || {
            // Nothing may be in them before that.
            folders.iter().try_for_each(|folder| disk::make_dir(folder, 0o711)).map_err(StoreError::from)?;
            let folders: Vec<&Path> = folders.iter().map(PathBuf::as_path).collect();
            if let Err(error) = quotas.limit(&folders, &most) {
                tracing::warn!(step = %slug, error, "no quota could be set: what the step writes is counted");
            }
            Ok(())
        };
        self.aside("limit what is written in", limit).await
    }

    /// The volume that the outbox is bound to, so that reports are collected through our own mount of it.
    async fn engine_volume(&self) -> Result<(), EngineError> {
        let device = self.context.on_engine.outbox().display().to_string();
        let options = [("type", "none".to_owned()), ("o", "bind".to_owned()), ("device", device)];
        let options = options.map(|(key, value)| (key.to_owned(), value)).into_iter().collect();
        let spec = VolumeSpec { name: self.context.reports_volume(), options, labels: self.context.labels() };
        self.engine.create_volume(&spec).await
    }

    async fn make_network(&self, place: Option<&NetworkPlace>) -> Result<(), EngineError> {
        let Some(NetworkPlace { network, kind, .. }) = place else { return Ok(()) };
        let cell = lock(&self.networks).entry(network.clone()).or_default().clone();
        let labels = self.context.labels();
        cell.get_or_try_init(|| self.engine.create_network(network, *kind, &labels)).await?;
        Ok(())
    }

    async fn make_tree(&self, step: &Step, fresh: bool) -> Result<(), StepError> {
        if step.kind == StepKind::Scan {
            return Ok(());
        }
        let owner = self.definition.tree_owner(step);
        let cell = lock(&self.trees).entry(owner.clone()).or_default().clone();
        let made = cell.get_or_try_init(|| async {
            let (paths, tree, kind) = (self.paths.clone(), owner.clone(), self.context.trees);
            self.aside("make the tree of", move || tree::prepare(&paths, &tree, kind)).await?;
            if kind == TreeKind::Overlay {
                self.engine.create_volume(&tree::overlay_volume(&self.context, owner)).await?;
            }
            Ok::<(), StepError>(())
        });
        made.await?;
        if fresh && !step.caches.is_empty() {
            // Before artifacts, which win.
            self.restore_caches(step, owner).await?;
        }
        let producers = inputs::laid(&self.definition.pipeline, step);
        // Before there is a container that mounts the tree, and again after the death of a holder that had not made one. No other step
        // of the tree runs: the order of the pipeline sees to that.
        if fresh && !producers.is_empty() { self.lay_artifacts(owner, producers).await } else { Ok(()) }
    }

    async fn restore_caches(&self, step: &Step, tree: &Slug) -> Result<(), StepError> {
        let (worker, paths, kind) = (Arc::clone(&self.worker), self.paths.clone(), self.context.trees);
        let (step, owner, scope) = (step.clone(), tree.clone(), self.caches.clone());
        let folder = tree::written(&self.paths, tree, kind);
        let restore = move || {
            let onto = Onto { folder: &folder, is_upper: kind == TreeKind::Overlay };
            let place = caches::Place { paths: &paths, owner: &owner, onto };
            let limits = &worker.config.limits;
            caches::restore(&worker.store, scope.as_ref(), &step, &place, limits).map_err(TreeError::from)
        };
        self.aside("lay the caches into the tree of", restore).await
    }

    async fn lay_artifacts(&self, tree: &Slug, producers: Vec<Slug>) -> Result<(), StepError> {
        let (worker, paths, kind) = (Arc::clone(&self.worker), self.paths.clone(), self.context.trees);
        let folder = tree::written(&self.paths, tree, kind);
        let lay = move || {
            let onto = Onto { folder: &folder, is_upper: kind == TreeKind::Overlay };
            inputs::lay(&worker.store, &paths, &producers, onto, &worker.config.limits)
        };
        self.aside("lay what others left into the tree of", lay).await
    }

    async fn make_inputs(&self, step: &Step, producers: Option<Vec<Slug>>) -> Result<(), StepError> {
        let Some(producers) = producers else { return Ok(()) };
        let (worker, paths, step) = (Arc::clone(&self.worker), self.paths.clone(), step.slug.clone());
        let folder = self.definition.folder.clone();
        let copy =
            move || inputs::prepare(&worker.store, &paths, &step, &producers, folder.as_ref(), &worker.config.limits);
        self.aside("copy what others left for", copy).await
    }

    /// A holder that was overtaken makes nothing ready: its successor may be at it.
    pub(super) fn still_held(&self) -> Result<(), StepError> {
        if lock(&self.claim).holds() { Ok(()) } else { Err(StepError::NotMine) }
    }

    /// Does work on files on a thread for that.
    async fn aside(
        &self,
        action: &'static str,
        work: impl FnOnce() -> Result<(), TreeError> + Send + 'static,
    ) -> Result<(), StepError> {
        self.still_held()?;
        let done = tokio::task::spawn_blocking(work).await;
        done.map_err(|panic| DiskError::io(action, self.paths.root())(std::io::Error::other(panic)))??;
        Ok(())
    }
}
