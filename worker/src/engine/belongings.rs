//! What belongs to a job besides its containers, and finding all of it again by label.

use std::collections::{BTreeMap, HashMap};

use bollard::{models::VolumeCreateRequest, query_parameters as q};
use serde::Serialize;

use super::{Engine, EngineError, convert};

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

/// What something on the engine is. In this order they are removed: containers hold the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A container, running or not.
    Container,
    /// A volume.
    Volume,
    /// A network.
    Network,
}

/// Something on the engine that carries labels.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Thing {
    /// What it is.
    pub kind: Kind,
    /// Its name.
    pub name: String,
    /// All its labels.
    pub labels: HashMap<String, String>,
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

impl Engine {
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

    /// Containers that carry all of these labels: the name of each, and all labels it has.
    ///
    /// # Errors
    /// [`EngineError`].
    pub async fn labelled_containers(
        &self,
        labels: &[String],
    ) -> Result<Vec<(String, HashMap<String, String>)>, EngineError> {
        let filters = convert::label_filter(labels);
        let options = q::ListContainersOptionsBuilder::default().all(true).filters(&filters).build();
        let containers = self.docker.list_containers(Some(options)).await?.into_iter();
        let pair = |container: bollard::models::ContainerSummary| {
            let name = container.names?.first()?.trim_start_matches('/').to_owned();
            Some((name, container.labels.unwrap_or_default()))
        };
        Ok(containers.filter_map(pair).collect())
    }

    /// Everything that carries all of these labels, with all labels it has.
    ///
    /// # Errors
    /// [`EngineError`].
    pub async fn things(&self, labels: &[String]) -> Result<Vec<Thing>, EngineError> {
        let filters = convert::label_filter(labels);
        let volumes = q::ListVolumesOptionsBuilder::default().filters(&filters).build();
        let networks = q::ListNetworksOptionsBuilder::default().filters(&filters).build();
        let containers = self.labelled_containers(labels).await?;
        let volumes = self.docker.list_volumes(Some(volumes)).await?.volumes.unwrap_or_default();
        let networks = self.docker.list_networks(Some(networks)).await?;
        let containers = containers.into_iter().map(|(name, labels)| Thing { kind: Kind::Container, name, labels });
        let volumes = volumes.into_iter().map(|v| Thing { kind: Kind::Volume, name: v.name, labels: v.labels });
        let network = |n: bollard::models::Network| {
            Some(Thing { kind: Kind::Network, name: n.name?, labels: n.labels.unwrap_or_default() })
        };
        Ok(containers.chain(volumes).chain(networks.into_iter().filter_map(network)).collect())
    }

    /// Removes one thing. One that is gone is fine.
    ///
    /// # Errors
    /// [`EngineError`].
    pub async fn remove_thing(&self, kind: Kind, name: &str) -> Result<(), EngineError> {
        match kind {
            Kind::Container => self.remove_container(name).await,
            Kind::Volume => self.remove_volume(name).await,
            Kind::Network => self.remove_network(name).await,
        }
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
