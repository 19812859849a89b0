//! What the image that a definition names is: by the operator's table and allow-list first, and then by the id of its
//! content, found out once, so that all of a job runs in the image that it began with.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use pipelinex_common::pipeline::images::is_allowed;
use tokio::sync::OnceCell;

use crate::{Worker, config::WorkerConfig, engine::Engine, lock, step::StepError};

impl Worker {
    /// The full reference of an image that a definition names, by the operator's table and allow-list.
    ///
    /// # Errors
    /// [`StepError::ImageNotAllowed`].
    pub(crate) fn image(&self, name: &str) -> Result<String, StepError> {
        if let Some(image) = self.config.images.get(name) {
            return Ok(image.clone());
        }
        if is_allowed(&self.config.allowed_images, name) {
            return Ok(name.to_owned());
        }
        let known = self.config.images.keys().cloned().collect::<Vec<_>>().join(", ");
        Err(StepError::ImageNotAllowed { image: name.to_owned(), known })
    }
}

/// The ids of the images of one job, by reference.
#[derive(Debug, Default)]
pub struct PinnedImages(Mutex<BTreeMap<String, Arc<OnceCell<String>>>>);

impl PinnedImages {
    /// The id of what this reference means, or meant when it was asked for first. Pulls what is missing and may be pulled.
    ///
    /// # Errors
    /// [`StepError::NoImage`], [`StepError::Engine`].
    pub async fn id(&self, engine: &Engine, config: &WorkerConfig, image: &str) -> Result<String, StepError> {
        let cell = lock(&self.0).entry(image.to_owned()).or_default().clone();
        cell.get_or_try_init(|| find(engine, config, image)).await.cloned()
    }
}

async fn find(engine: &Engine, config: &WorkerConfig, image: &str) -> Result<String, StepError> {
    if let Some(id) = engine.image_id(image).await? {
        return Ok(id);
    }
    let missing = |cause: String| StepError::NoImage { image: image.to_owned(), cause };
    if !config.may_pull(image) {
        return Err(missing("built-in images are not pulled from anywhere".to_owned()));
    }
    engine.pull(image).await.map_err(|cause| missing(cause.to_string()))?;
    engine.image_id(image).await?.ok_or_else(|| missing("it was pulled and is not there".to_owned()))
}
