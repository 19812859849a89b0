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

    /// What the application takes: the variables of PostgreSQL's own clients and an address in one piece, and those that its
    /// stack adds, in which these can be named as `$PGHOST`.
    pub fn client_environment(&self, of_stack: &BTreeMap<String, String>) -> BTreeMap<String, String> {
        let Self { name, user, password, port } = self;
        let url = format!("postgresql://{}:{}@{ALIAS}:{port}/{}", escaped(user), escaped(password), escaped(name));
        let plain = [
            ("DATABASE_URL", url),
            ("PGDATABASE", name.clone()),
            ("PGHOST", ALIAS.to_owned()),
            ("PGPASSWORD", password.clone()),
            ("PGPORT", port.to_string()),
            ("PGUSER", user.clone()),
        ];
        let mut variables: BTreeMap<String, String> = of_stack
            .iter()
            .map(|(variable, text)| {
                (
                    variable.clone(),
                    plain.iter().fold(text.clone(), |text, (name, value)| text.replace(&format!("${name}"), value)),
                )
            })
            .collect();
        variables.extend(plain.map(|(name, value)| (name.to_owned(), value)));
        variables
    }
}

/// A part of an address, with what would end it escaped.
fn escaped(part: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte);
    part.bytes().map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stack_names_the_database_in_its_own_variables() {
        let config = DatabaseConfig { password: "a/b@c".to_owned(), ..DatabaseConfig::default() };
        let of_stack = [("APP_URL", "jdbc:postgresql://$PGHOST:$PGPORT/$PGDATABASE"), ("APP_SECRET", "$PGPASSWORD")];
        let of_stack = of_stack.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        let variables = config.client_environment(&of_stack);
        let told: Vec<_> = variables.iter().map(|(name, value)| format!("{name}={value}")).collect();
        insta::assert_snapshot!(told.join(" "), @"APP_SECRET=a/b@c APP_URL=jdbc:postgresql://db:5432/app_db DATABASE_URL=postgresql://postgres:a%2Fb%40c@db:5432/app_db PGDATABASE=app_db PGHOST=db PGPASSWORD=a/b@c PGPORT=5432 PGUSER=postgres");
    }
}
