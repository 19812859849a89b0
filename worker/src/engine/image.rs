//! What an image says of how it is meant to run: what is left of that for a service, which runs as nothing but a runner.

use bollard::models::ImageConfig;

/// What an image says of how it runs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ImageFacts {
    /// The TCP ports that it says it listens on.
    pub ports: Vec<u16>,
    /// The folders that it wants to write: its volumes, and where PostgreSQL is told to have its files.
    pub folders: Vec<String>,
    /// The command that tells whether it is ready.
    pub health: Option<Vec<String>>,
}

impl ImageFacts {
    pub(super) fn of(config: ImageConfig) -> Self {
        let ports = config.exposed_ports.unwrap_or_default();
        let mut ports: Vec<u16> = ports.iter().filter_map(|port| tcp(port)).collect();
        ports.sort_unstable();
        let data =
            config.env.unwrap_or_default().into_iter().filter_map(|it| it.strip_prefix("PGDATA=").map(str::to_owned));
        let mut folders: Vec<String> = config.volumes.unwrap_or_default().into_iter().chain(data).collect();
        folders.sort();
        folders.dedup();
        let test = config.healthcheck.and_then(|health| health.test).unwrap_or_default();
        let health = match test.split_first() {
            Some((word, rest)) if word == "CMD" && !rest.is_empty() => Some(rest.to_vec()),
            Some((word, [line])) if word == "CMD-SHELL" => Some(["/bin/sh", "-c", line].map(str::to_owned).to_vec()),
            _ => None,
        };
        Self { ports, folders, health }
    }
}

/// The number in `5432/tcp`, or in `5432`.
fn tcp(port: &str) -> Option<u16> {
    port.strip_suffix("/tcp").unwrap_or(port).parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_folders_and_the_health_check_of_an_image_are_read() {
        let config = serde_json::json!({
            "ExposedPorts": {"9187/udp": {}, "5432/tcp": {}, "80": {}}, "Volumes": {"/data": {}},
            "Env": ["PATH=/bin", "PGDATA=/pg"], "Healthcheck": {"Test": ["CMD-SHELL", "pg_isready"]}
        });
        let facts = ImageFacts::of(serde_json::from_value(config).unwrap());
        assert_eq!((facts.ports, facts.folders.join(" ")), (vec![80, 5432], "/data /pg".to_owned()));
        assert_eq!(facts.health.unwrap(), ["/bin/sh", "-c", "pg_isready"]);
        let none = serde_json::json!({"Healthcheck": {"Test": ["NONE"]}});
        assert_eq!(ImageFacts::of(serde_json::from_value(none).unwrap()), ImageFacts::default());
    }
}
