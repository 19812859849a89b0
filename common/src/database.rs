//! The database that a project asks for with `requires_db`: it runs beside the application, on the job's internal network.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// Its name on the job's internal network.
pub const ALIAS: &str = "db";
/// The logical name of its image in the operator's table.
pub const IMAGE: &str = "postgres";

/// How the database is set up; the operator's. The defaults are the seed system's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DatabaseConfig {
    /// Name of the database.
    pub name: String,
    /// The user that owns it.
    pub user: String,
    /// The user's password. It is no secret: the database lives as long as one step, and only that step can reach it.
    pub password: String,
    /// The TCP port it listens on.
    pub port: u16,
}

impl Default for DatabaseConfig {
    fn default() -> Self {
        Self { name: "app_db".into(), user: "postgres".into(), password: "postgres".into(), port: 5432 }
    }
}

impl DatabaseConfig {
    /// What the record of a job says of it: all but the password.
    pub fn public(&self) -> Value {
        json!({"image": IMAGE, "name": self.name, "user": self.user, "port": self.port, "host": ALIAS})
    }

    /// What the image of PostgreSQL takes: the variables of the published image, which ours takes as well.
    pub fn server_environment(&self) -> BTreeMap<String, String> {
        let port = self.port.to_string();
        let variables = [
            ("POSTGRES_DB", &self.name),
            ("POSTGRES_USER", &self.user),
            ("POSTGRES_PASSWORD", &self.password),
            ("PGPORT", &port),
        ];
        variables.map(|(name, value)| (name.to_owned(), value.clone())).into()
    }

    /// What the application takes: Spring's variables for its data source.
    pub fn client_environment(&self) -> BTreeMap<String, String> {
        let url = format!("jdbc:postgresql://{ALIAS}:{}/{}", self.port, self.name);
        let variables = [
            ("SPRING_DATASOURCE_URL", &url),
            ("SPRING_DATASOURCE_USERNAME", &self.user),
            ("SPRING_DATASOURCE_PASSWORD", &self.password),
        ];
        variables.map(|(name, value)| (name.to_owned(), value.clone())).into()
    }
}
