//! The container engine, through bollard: the only module that speaks to it.
//!
//! One rule shapes every call: an engine that does not answer says nothing about a container. `None` from [`Engine::inspect`]
//! means that the engine said "no such container"; everything else that goes wrong is an error and is asked again.

mod containers;
pub mod convert;
mod error;
mod host;
mod image;
mod resources;
mod runtime;
mod usage;

use std::time::Duration;

use bollard::{Docker, query_parameters as q};
use futures::TryStreamExt;
use pipelinex_common::clock::EngineRun;

pub use self::{
    containers::{ContainerStatus, Output, Phase},
    error::EngineError,
    host::HostPathError,
    image::ImageFacts,
    resources::{Kind, Resources, Thing, VolumeSpec},
    runtime::{Runtime, RuntimeFinding},
    usage::Usage,
};

/// The oldest API version that is tested.
const OLDEST_API: (usize, usize) = (1, 41);
/// From this version on an engine mounts one folder of a volume; older ones ignore the wish and mount the whole.
const VOLUME_FOLDERS_API: (usize, usize) = (1, 45);
/// How long one call may take: starting a container on a busy machine takes seconds.
const CALL_TIMEOUT: Duration = Duration::from_secs(120);

/// How long is waited for an engine to say that it is there,
const ANSWERS_WITHIN: Duration = Duration::from_secs(10);
/// and for an answer that is only good to have, while a job waits.
const TELLS_WITHIN: Duration = Duration::from_secs(2);

/// How often an engine is asked to do something that it says it cannot, for a reason of its own.
const TRIES: u32 = 3;
/// Pause between two tries.
const TRY_AGAIN: Duration = Duration::from_secs(1);

/// Asks again for what failed on the engine's side (a status from 500 on), a few times: under load, or about to stop, it says
/// so of things that it does a moment later. Only for what may be asked twice.
async fn insist<T, F>(call: impl Fn() -> F) -> Result<T, EngineError>
where
    F: Future<Output = Result<T, bollard::errors::Error>>,
{
    let mut tried = 1;
    loop {
        match call().await.map_err(EngineError::from) {
            Err(EngineError::Answered { status: 500.., message }) if tried < TRIES => {
                tracing::warn!(message, tried, "the container engine failed; asking again");
                tokio::time::sleep(TRY_AGAIN).await;
                tried += 1;
            }
            answer => return answer,
        }
    }
}

/// A connection to an engine.
#[derive(Clone, Debug)]
pub struct Engine {
    docker: Docker,
    host: Option<String>,
    api: (usize, usize),
}

impl Engine {
    /// Connects and agrees on an API version.
    ///
    /// # Errors
    /// [`EngineError`]: nothing answers, or it is too old.
    pub async fn connect(host: Option<&str>) -> Result<Self, EngineError> {
        let docker = match host {
            Some(host) => Docker::connect_with_host(host),
            None => Docker::connect_with_defaults(),
        };
        let docker = docker.map_err(EngineError::from)?.with_timeout(CALL_TIMEOUT);
        let docker = docker.negotiate_version().await?;
        let version = docker.client_version();
        let api = (version.major_version, version.minor_version);
        if api < OLDEST_API {
            return Err(EngineError::TooOld { found: api, needed: OLDEST_API });
        }
        Ok(Self { docker, host: host.map(str::to_owned), api })
    }

    /// A connection of its own to the same engine: one that is about to stop takes no new ones, while it still answers on
    /// those it has.
    ///
    /// # Errors
    /// [`EngineError`].
    pub async fn anew(&self) -> Result<Self, EngineError> {
        Self::connect(self.host.as_deref()).await
    }

    /// Since when this engine has been running, by its own clock: it makes its default bridge at each start. `None` for one
    /// that has no such bridge.
    ///
    /// # Errors
    /// [`EngineError`].
    pub async fn running_since(&self) -> Result<Option<jiff::Timestamp>, EngineError> {
        match self.docker.inspect_network("bridge", None).await {
            Ok(bridge) => Ok(bridge.created.and_then(|at| at.to_string().parse().ok())),
            Err(error) => EngineError::from(error).or_absent().map(|()| None),
        }
    }

    /// Which run of which engine this is; `None` where it does not tell, or not soon: nothing waits for this, and nothing fails.
    pub async fn current_run(&self) -> Option<EngineRun> {
        let asked = async {
            let info = async { Ok(self.docker.info().await?) };
            let (info, since) = tokio::try_join!(info, self.running_since())?;
            Ok::<_, EngineError>(info.id.zip(since).map(|(id, since)| EngineRun { id, since }))
        };
        match tokio::time::timeout(TELLS_WITHIN, asked).await.map_err(|_| EngineError::NoAnswer).flatten() {
            Ok(run) => run,
            Err(error) => {
                tracing::warn!(%error, "the engine does not tell since when it runs: a deadline is counted without that");
                None
            }
        }
    }

    /// The API version agreed on.
    pub fn api(&self) -> (usize, usize) {
        self.api
    }

    /// Whether one folder of a volume can be mounted.
    pub fn has_volume_folders(&self) -> bool {
        self.api >= VOLUME_FOLDERS_API
    }

    /// The engine's own version and its runtime's, for people.
    ///
    /// # Errors
    /// [`EngineError`].
    pub async fn version(&self) -> Result<String, EngineError> {
        let version = self.docker.version().await?;
        Ok(version.version.unwrap_or_else(|| "of unknown version".to_owned()))
    }

    /// Whether it answers.
    ///
    /// # Errors
    /// [`EngineError`].
    pub async fn ping(&self) -> Result<(), EngineError> {
        tokio::time::timeout(ANSWERS_WITHIN, self.docker.ping()).await.map_err(|_| EngineError::NoAnswer)??;
        Ok(())
    }

    /// Whether an image is there.
    ///
    /// # Errors
    /// [`EngineError`].
    pub async fn has_image(&self, image: &str) -> Result<bool, EngineError> {
        Ok(self.image_id(image).await?.is_some())
    }

    /// What an image's name means now: the id of its content, which stays when the name is given to another image.
    ///
    /// # Errors
    /// [`EngineError`].
    pub async fn image_id(&self, image: &str) -> Result<Option<String>, EngineError> {
        match self.docker.inspect_image(image).await {
            Ok(found) => Ok(Some(found.id.unwrap_or_else(|| image.to_owned()))),
            Err(error) => EngineError::from(error).or_absent().map(|()| None),
        }
    }

    /// What an image says of how it runs; nothing where it is not there.
    ///
    /// # Errors
    /// [`EngineError`].
    pub async fn image_facts(&self, image: &str) -> Result<ImageFacts, EngineError> {
        match self.docker.inspect_image(image).await {
            Ok(found) => Ok(ImageFacts::of(found.config.unwrap_or_default())),
            Err(error) => EngineError::from(error).or_absent().map(|()| ImageFacts::default()),
        }
    }

    /// Pulls an image.
    ///
    /// # Errors
    /// [`EngineError`].
    pub async fn pull(&self, image: &str) -> Result<(), EngineError> {
        let (name, tag) = convert::name_and_tag(image);
        let options = q::CreateImageOptionsBuilder::default().from_image(name).tag(tag).build();
        self.docker.create_image(Some(options), None, None).try_for_each(|_| async { Ok(()) }).await?;
        Ok(())
    }
}
