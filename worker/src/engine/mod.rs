//! The container engine, through bollard: the only module that speaks to it.
//!
//! One rule shapes every call: an engine that does not answer says nothing about a container. `None` from [`Engine::inspect`]
//! means that the engine said "no such container"; everything else that goes wrong is an error and is asked again.

pub mod convert;
mod error;
mod host;

use std::{collections::BTreeMap, time::Duration};

use bollard::{
    Docker,
    container::{AttachContainerResults, LogOutput},
    errors::Error,
    models::{ContainerStateStatusEnum, VolumeCreateRequest},
    query_parameters as q,
};
use futures::{StreamExt, TryStreamExt};

pub use self::{error::EngineError, host::HostPathError};
use crate::spec::ContainerSpec;

/// The oldest API version that is tested.
const OLDEST_API: (usize, usize) = (1, 41);
/// From this version on an engine mounts one folder of a volume; older ones ignore the wish and mount the whole.
const VOLUME_FOLDERS_API: (usize, usize) = (1, 45);
/// How long one call may take: starting a container on a busy machine takes seconds.
const CALL_TIMEOUT: Duration = Duration::from_secs(120);

/// A connection to an engine.
#[derive(Clone, Debug)]
pub struct Engine {
    docker: Docker,
    api: (usize, usize),
}

/// What the engine says of a container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContainerStatus {
    /// Where it stands.
    pub phase: Phase,
    /// The code it ended with.
    pub exit_code: i64,
    /// Whether the kernel ended a process of it for want of memory.
    pub oom_killed: bool,
    /// What the engine has to say about a start that failed.
    pub error: String,
    /// When it was started, by the engine's clock.
    pub started_at: Option<jiff::Timestamp>,
}

impl ContainerStatus {
    /// That of a container which ended with code 0.
    pub fn success() -> Self {
        Self { phase: Phase::Ended, exit_code: 0, oom_killed: false, error: String::new(), started_at: None }
    }
}

impl ContainerStatus {
    /// How long ago it was started, by the clock on the wall: a successor goes on counting where the one before it was.
    pub fn ran_for(&self) -> Duration {
        let started = self.started_at.map(|at| jiff::Timestamp::now().duration_since(at));
        started.and_then(|ago| Duration::try_from(ago).ok()).unwrap_or_default()
    }
}

/// Where a container stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Made, never started.
    Created,
    /// Running, paused by somebody, or being removed by somebody.
    Running,
    /// Ended.
    Ended,
}

/// A volume of the driver `local`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VolumeSpec {
    /// Its name.
    pub name: String,
    /// Options of the driver: `type`, `device`, `o`.
    pub options: BTreeMap<String, String>,
    /// How it is found again.
    pub labels: BTreeMap<String, String>,
}

/// Names of what was found by label.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Belongings {
    /// Containers, running or not.
    pub containers: Vec<String>,
    /// Volumes.
    pub volumes: Vec<String>,
    /// Networks.
    pub networks: Vec<String>,
}

impl Belongings {
    /// Whether nothing was found.
    pub fn is_empty(&self) -> bool {
        self.containers.is_empty() && self.volumes.is_empty() && self.networks.is_empty()
    }
}

/// What a container prints, in the order in which it prints it.
pub type Output = futures::stream::BoxStream<'static, Result<bytes::Bytes, EngineError>>;

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
        Ok(Self { docker, api })
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
        tokio::time::timeout(Duration::from_secs(10), self.docker.ping())
            .await
            .map_err(|_| EngineError::NoAnswer)??;
        Ok(())
    }

    /// Whether an image is there.
    ///
    /// # Errors
    /// [`EngineError`].
    pub async fn has_image(&self, image: &str) -> Result<bool, EngineError> {
        match self.docker.inspect_image(image).await {
            Ok(_) => Ok(true),
            Err(error) => EngineError::from(error).or_absent().map(|()| false),
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

    /// Makes a container; `false` when one of that name is there already.
    ///
    /// # Errors
    /// [`EngineError`]; [`EngineError::is_missing_image`] when the image is not there.
    pub async fn create(&self, spec: &ContainerSpec) -> Result<bool, EngineError> {
        let options = q::CreateContainerOptionsBuilder::default().name(&spec.name).build();
        match self.docker.create_container(Some(options), convert::container(spec)).await {
            Ok(_) => Ok(true),
            Err(error) => EngineError::from(error).or_there_already().map(|()| false),
        }
    }

    /// Attaches to a container that has not started, so that no byte is missed.
    ///
    /// # Errors
    /// [`EngineError`].
    pub async fn attach(&self, name: &str) -> Result<Output, EngineError> {
        let options = q::AttachContainerOptionsBuilder::default().stream(true).stdout(true).stderr(true).build();
        let AttachContainerResults { output, input } = self.docker.attach_container(name, Some(options)).await?;
        // The writing half is kept as long as the reading one: they are one connection.
        Ok(output.map(move |item| (&input, item).1).map(bytes_of).boxed())
    }

    /// What a container has printed since its start, and goes on to print.
    pub fn logs(&self, name: &str) -> Output {
        let options = q::LogsOptionsBuilder::default().follow(true).stdout(true).stderr(true).tail("all").build();
        self.docker.logs(name, Some(options)).map(bytes_of).boxed()
    }

    /// Starts a container; one that runs already is fine.
    ///
    /// # Errors
    /// [`EngineError`].
    pub async fn start(&self, name: &str) -> Result<(), EngineError> {
        Ok(self.docker.start_container(name, None).await?)
    }

    /// Waits until a started container does not run any more; `true` when the engine says that it ended with code 0. What else
    /// there is to know, [`Self::inspect`] says.
    pub async fn wait(&self, name: &str) -> bool {
        let options = q::WaitContainerOptionsBuilder::default().condition("not-running").build();
        let answer = self.docker.wait_container(name, Some(options)).next().await;
        matches!(answer, Some(Ok(ended)) if ended.status_code == 0 && ended.error.is_none())
    }

    /// What the engine says of a container; `None` when it says that there is none of that name.
    ///
    /// # Errors
    /// [`EngineError`].
    pub async fn inspect(&self, name: &str) -> Result<Option<ContainerStatus>, EngineError> {
        let container = match self.docker.inspect_container(name, None).await {
            Ok(container) => container,
            Err(error) => return EngineError::from(error).or_absent().map(|()| None),
        };
        let state = container.state.unwrap_or_default();
        let phase = match state.status {
            Some(ContainerStateStatusEnum::CREATED) => Phase::Created,
            Some(ContainerStateStatusEnum::EXITED | ContainerStateStatusEnum::DEAD) => Phase::Ended,
            _ => Phase::Running,
        };
        Ok(Some(ContainerStatus {
            phase,
            exit_code: state.exit_code.unwrap_or(-1),
            oom_killed: state.oom_killed.unwrap_or(false),
            error: state.error.unwrap_or_default(),
            started_at: state.started_at.and_then(|at| at.parse().ok()),
        }))
    }

    /// Asks a container to end, and ends it after `grace`. One that is gone or has ended is fine.
    ///
    /// # Errors
    /// [`EngineError`].
    pub async fn stop(&self, name: &str, grace: Duration) -> Result<(), EngineError> {
        let options = q::StopContainerOptionsBuilder::default().t(grace.as_secs() as i32).build();
        match self.docker.stop_container(name, Some(options)).await {
            Ok(()) => Ok(()),
            Err(error) => EngineError::from(error).or_absent(),
        }
    }

    /// Removes a container, running or not, with its anonymous volumes. One that is gone is fine.
    ///
    /// # Errors
    /// [`EngineError`].
    pub async fn remove_container(&self, name: &str) -> Result<(), EngineError> {
        let options = q::RemoveContainerOptionsBuilder::default().force(true).v(true).build();
        match self.docker.remove_container(name, Some(options)).await {
            Ok(()) => Ok(()),
            Err(error) => EngineError::from(error).or_absent(),
        }
    }

    /// Makes a volume; one of that name that is there already is fine.
    ///
    /// # Errors
    /// [`EngineError`].
    pub async fn create_volume(&self, spec: &VolumeSpec) -> Result<(), EngineError> {
        self.docker
            .create_volume(VolumeCreateRequest {
                name: Some(spec.name.clone()),
                driver: Some("local".to_owned()),
                driver_opts: Some(spec.options.clone().into_iter().collect()),
                labels: Some(spec.labels.clone().into_iter().collect()),
                ..Default::default()
            })
            .await?;
        Ok(())
    }

    /// Removes a volume. One that is gone is fine.
    ///
    /// # Errors
    /// [`EngineError`].
    pub async fn remove_volume(&self, name: &str) -> Result<(), EngineError> {
        match self.docker.remove_volume(name, None::<q::RemoveVolumeOptions>).await {
            Ok(()) => Ok(()),
            Err(error) => EngineError::from(error).or_absent(),
        }
    }

    /// Makes a bridge of its own; `internal`: without a way out. One of that name that is there already is fine.
    ///
    /// # Errors
    /// [`EngineError`].
    pub async fn create_network(
        &self,
        name: &str,
        internal: bool,
        labels: &BTreeMap<String, String>,
    ) -> Result<(), EngineError> {
        // Names of networks are not unique to the engine: two would be made.
        match self.docker.inspect_network(name, None).await {
            Ok(_) => return Ok(()),
            Err(error) => EngineError::from(error).or_absent()?,
        }
        self.docker.create_network(convert::network(name, internal, labels)).await?;
        Ok(())
    }

    /// Removes a network. One that is gone is fine.
    ///
    /// # Errors
    /// [`EngineError`].
    pub async fn remove_network(&self, name: &str) -> Result<(), EngineError> {
        match self.docker.remove_network(name).await {
            Ok(()) => Ok(()),
            Err(error) => EngineError::from(error).or_absent(),
        }
    }

    /// Everything that carries all of these labels (`name=value`).
    ///
    /// # Errors
    /// [`EngineError`].
    pub async fn find(&self, labels: &[String]) -> Result<Belongings, EngineError> {
        let filters = convert::label_filter(labels);
        let containers = q::ListContainersOptionsBuilder::default().all(true).filters(&filters).build();
        let volumes = q::ListVolumesOptionsBuilder::default().filters(&filters).build();
        let networks = q::ListNetworksOptionsBuilder::default().filters(&filters).build();
        let containers = self.docker.list_containers(Some(containers)).await?;
        let volumes = self.docker.list_volumes(Some(volumes)).await?.volumes.unwrap_or_default();
        let networks = self.docker.list_networks(Some(networks)).await?;
        let name_of = |names: Option<Vec<String>>| Some(names?.first()?.trim_start_matches('/').to_owned());
        Ok(Belongings {
            containers: containers.into_iter().filter_map(|c| name_of(c.names)).collect(),
            volumes: volumes.into_iter().map(|v| v.name).collect(),
            networks: networks.into_iter().filter_map(|n| n.name).collect(),
        })
    }

    /// Containers that carry all of these labels: the value of the label `key` of each, and its name.
    ///
    /// # Errors
    /// [`EngineError`].
    pub async fn containers_by(&self, labels: &[String], key: &str) -> Result<Vec<(String, String)>, EngineError> {
        let filters = convert::label_filter(labels);
        let options = q::ListContainersOptionsBuilder::default().all(true).filters(&filters).build();
        let containers = self.docker.list_containers(Some(options)).await?.into_iter();
        let pair = |container: bollard::models::ContainerSummary| {
            let name = container.names?.first()?.trim_start_matches('/').to_owned();
            Some((container.labels?.remove(key)?, name))
        };
        Ok(containers.filter_map(pair).collect())
    }

    /// The values of the label `key` among everything that carries `label`.
    ///
    /// # Errors
    /// [`EngineError`].
    pub async fn labels_with(&self, label: &str, key: &str) -> Result<Vec<String>, EngineError> {
        let filters = convert::label_filter(&[label.to_owned()]);
        let containers = q::ListContainersOptionsBuilder::default().all(true).filters(&filters).build();
        let volumes = q::ListVolumesOptionsBuilder::default().filters(&filters).build();
        let networks = q::ListNetworksOptionsBuilder::default().filters(&filters).build();
        let containers = self.docker.list_containers(Some(containers)).await?.into_iter().filter_map(|c| c.labels);
        let volumes = self.docker.list_volumes(Some(volumes)).await?.volumes.unwrap_or_default().into_iter();
        let networks = self.docker.list_networks(Some(networks)).await?.into_iter().filter_map(|n| n.labels);
        let all = containers.chain(volumes.map(|v| v.labels)).chain(networks);
        Ok(all.filter_map(|mut labels| labels.remove(key)).collect())
    }

    /// Removes what [`Self::find`] found: containers first, since they hold the others.
    ///
    /// # Errors
    /// The first [`EngineError`]; the rest is still tried.
    pub async fn remove(&self, found: &Belongings) -> Result<(), EngineError> {
        let mut result = Ok(());
        for name in &found.containers {
            result = result.and(self.remove_container(name).await);
        }
        for name in &found.volumes {
            result = result.and(self.remove_volume(name).await);
        }
        for name in &found.networks {
            result = result.and(self.remove_network(name).await);
        }
        result
    }
}

fn bytes_of(item: Result<LogOutput, Error>) -> Result<bytes::Bytes, EngineError> {
    item.map(LogOutput::into_bytes).map_err(EngineError::from)
}
