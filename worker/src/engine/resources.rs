//! What belongs to a job besides its containers, and finding all of it again by label.

use std::{
    collections::{BTreeMap, HashMap},
    time::Duration,
};

use bollard::{
    models::{Network, VolumeCreateRequest},
    query_parameters as q,
};
use serde::Serialize;
use uuid::Uuid;

use super::{Engine, EngineError, convert, insist};
use crate::spec::NetworkKind;

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
    /// What it is removed by: its name, and of a network, whose name another may have as well, its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// All its labels.
    pub labels: HashMap<String, String>,
}

/// What was found by label, by that by which it is removed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Resources {
    /// Names of containers, running or not.
    pub containers: Vec<String>,
    /// Names of volumes.
    pub volumes: Vec<String>,
    /// Networks, by id or by a name that no other has.
    pub networks: Vec<String>,
}

impl Resources {
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
        let wanted = VolumeCreateRequest {
            name: Some(spec.name.clone()),
            driver: Some("local".to_owned()),
            driver_opts: Some(spec.options.clone().into_iter().collect()),
            labels: Some(spec.labels.clone().into_iter().collect()),
            ..Default::default()
        };
        insist(|| self.docker.create_volume(wanted.clone())).await?;
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

    /// Makes a bridge of its own. One of that name that is there already is fine.
    ///
    /// Engines before API 1.44 let several networks have one name, and then use none of them. So whoever made one and sees another
    /// takes its own away: of two, one at least sees both.
    ///
    /// # Errors
    /// [`EngineError`].
    pub async fn create_network(
        &self,
        name: &str,
        kind: NetworkKind,
        labels: &BTreeMap<String, String>,
    ) -> Result<(), EngineError> {
        while self.networks_named(name).await?.is_empty() {
            let made = match self.docker.create_network(convert::network(name, kind, labels)).await {
                Ok(made) => made.id,
                Err(error) => return EngineError::from(error).or_there_already(),
            };
            if self.networks_named(name).await?.iter().all(|other| *other == made) {
                break;
            }
            self.remove_network(&made).await?;
            // Those who saw each other do not try again at the same time.
            tokio::time::sleep(Duration::from_millis(Uuid::new_v4().as_bytes()[0].into())).await;
        }
        Ok(())
    }

    /// The ids of all networks of a name.
    async fn networks_named(&self, name: &str) -> Result<Vec<String>, EngineError> {
        let filters = HashMap::from([("name".to_owned(), vec![name.to_owned()])]);
        let options = q::ListNetworksOptionsBuilder::default().filters(&filters).build();
        let found = insist(|| self.docker.list_networks(Some(options.clone()))).await?;
        // The filter is for a part of the name.
        let found = found.into_iter().filter(|network| network.name.as_deref() == Some(name));
        Ok(found.filter_map(|network| network.id).collect())
    }

    /// Removes a network by its id, or by a name that no other has. One that is gone is fine.
    ///
    /// # Errors
    /// [`EngineError`].
    pub async fn remove_network(&self, network: &str) -> Result<(), EngineError> {
        match self.docker.remove_network(network).await {
            Ok(()) => Ok(()),
            Err(error) => EngineError::from(error).or_absent(),
        }
    }

    /// Everything that carries all of these labels (`name=value`).
    ///
    /// # Errors
    /// [`EngineError`].
    pub async fn find(&self, labels: &[String]) -> Result<Resources, EngineError> {
        let mut found = Resources::default();
        for thing in self.things(labels).await? {
            match thing.kind {
                Kind::Container => found.containers.push(thing.name),
                Kind::Volume => found.volumes.push(thing.name),
                Kind::Network => found.networks.push(thing.id),
            }
        }
        Ok(found)
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
        let plain = |kind, (name, labels): (String, _)| Thing { kind, id: name.clone(), name, labels };
        let containers = containers.into_iter().map(|pair| plain(Kind::Container, pair));
        let volumes = volumes.into_iter().map(|volume| plain(Kind::Volume, (volume.name, volume.labels)));
        let network = |n: Network| {
            Some(Thing { kind: Kind::Network, id: n.id?, name: n.name?, labels: n.labels.unwrap_or_default() })
        };
        Ok(containers.chain(volumes).chain(networks.into_iter().filter_map(network)).collect())
    }

    /// Removes one thing. One that is gone is fine.
    ///
    /// # Errors
    /// [`EngineError`].
    pub async fn remove_thing(&self, kind: Kind, id: &str) -> Result<(), EngineError> {
        match kind {
            Kind::Container => self.remove_container(id).await,
            Kind::Volume => self.remove_volume(id).await,
            Kind::Network => self.remove_network(id).await,
        }
    }

    /// Removes what [`Self::find`] found: containers first, since they hold the others.
    ///
    /// # Errors
    /// The first [`EngineError`]; the rest is still tried.
    pub async fn remove(&self, found: &Resources) -> Result<(), EngineError> {
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
