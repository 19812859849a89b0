//! The databases that a project asks for with `requires_db`: they run beside the application, on the job's internal network.

mod kind;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

pub use kind::{DatabaseKind, Databases, UnknownDatabase};

/// What tells an application of its databases: variables by the kind of database whose they are.
pub type DatabaseVariables = BTreeMap<DatabaseKind, BTreeMap<String, String>>;

/// How the PostgreSQL is set up; the operator's. The defaults are the seed system's.
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
    /// How a database of this kind is set up. The operator's words are for PostgreSQL; what the others are called is fixed, as
    /// nobody else reaches them.
    fn of(&self, kind: DatabaseKind) -> Self {
        let fixed = |port| Self { name: "app_db".into(), user: "app".into(), password: "app".into(), port };
        match kind {
            DatabaseKind::Postgresql => self.clone(),
            DatabaseKind::Mysql | DatabaseKind::Mariadb => fixed(3306),
            DatabaseKind::Redis => fixed(6379),
        }
    }

    /// What the record of a job says of its databases: all but the passwords. One is an object, several are a list of them.
    pub fn public(&self, databases: &Databases) -> Option<Value> {
        let told = |kind: DatabaseKind| {
            let Self { name, user, port, .. } = self.of(kind);
            match kind {
                DatabaseKind::Redis => json!({"image": kind.image(), "port": port, "host": kind.alias()}),
                _ => {
                    json!({"image": kind.image(), "name": name, "user": user, "port": port, "host": kind.alias()})
                }
            }
        };
        let mut all: Vec<Value> = databases.iter().map(told).collect();
        if all.len() > 1 { Some(all.into()) } else { all.pop() }
    }

    /// What the image of a database takes: the variables of the published image, which ours takes as well.
    pub fn server_environment(&self, kind: DatabaseKind) -> BTreeMap<String, String> {
        let Self { name, user, password, port } = self.of(kind);
        let port = port.to_string();
        let variables: &[(&str, &str)] = match kind {
            DatabaseKind::Postgresql => {
                &[("POSTGRES_DB", &name), ("POSTGRES_USER", &user), ("POSTGRES_PASSWORD", &password), ("PGPORT", &port)]
            }
            // Nobody is told the password of root that the published image wants.
            DatabaseKind::Mysql | DatabaseKind::Mariadb => &[
                ("MARIADB_DATABASE", &name),
                ("MARIADB_USER", &user),
                ("MARIADB_PASSWORD", &password),
                ("MARIADB_RANDOM_ROOT_PASSWORD", "1"),
            ],
            DatabaseKind::Redis => &[],
        };
        variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    /// What tells, inside a database's container, whether it answers. Over TCP: while an image sets its database up, it answers on
    /// a socket of its own.
    pub fn ready(&self, kind: DatabaseKind) -> Vec<String> {
        let Self { name, user, password, port } = self.of(kind);
        let (port, password) = (port.to_string(), format!("-p{password}"));
        let command: &[&str] = match kind {
            DatabaseKind::Postgresql => &["pg_isready", "-h", "127.0.0.1", "-p", &port, "-U", &user, "-d", &name],
            DatabaseKind::Mysql | DatabaseKind::Mariadb => {
                &["mariadb-admin", "-h", "127.0.0.1", "-P", &port, "-u", &user, &password, "ping"]
            }
            DatabaseKind::Redis => &["redis-cli", "-h", "127.0.0.1", "-p", &port, "ping"],
        };
        command.iter().map(|word| (*word).to_owned()).collect()
    }

    /// What the application takes: the variables of each database's own clients and an address in one piece, and those that its
    /// stack adds, in which these can be named as `$PGHOST`.
    pub fn client_environment(&self, databases: &Databases, of_stack: &DatabaseVariables) -> BTreeMap<String, String> {
        let mut variables = BTreeMap::new();
        // Of several the first keeps the name that all would have.
        for kind in databases.iter().rev() {
            let plain = self.plain(kind);
            variables.extend(of_stack.get(&kind).into_iter().flatten().map(|(variable, text)| {
                let text =
                    plain.iter().fold(text.clone(), |text, (name, value)| text.replace(&format!("${name}"), value));
                (variable.clone(), text)
            }));
            variables.extend(plain.into_iter().map(|(name, value)| (name.to_owned(), value)));
        }
        variables
    }

    fn plain(&self, kind: DatabaseKind) -> Vec<(&'static str, String)> {
        let Self { name, user, password, port } = self.of(kind);
        let (host, port) = (kind.alias().to_owned(), port.to_string());
        let url = |scheme: &str| {
            format!("{scheme}://{}:{}@{host}:{port}/{}", escaped(&user), escaped(&password), escaped(&name))
        };
        match kind {
            DatabaseKind::Postgresql => vec![
                ("DATABASE_URL", url("postgresql")),
                ("PGDATABASE", name),
                ("PGHOST", host),
                ("PGPASSWORD", password),
                ("PGPORT", port),
                ("PGUSER", user),
            ],
            DatabaseKind::Mysql | DatabaseKind::Mariadb => vec![
                ("DATABASE_URL", url("mysql")),
                ("MYSQL_URL", url("mysql")),
                ("MYSQL_DATABASE", name),
                ("MYSQL_HOST", host),
                ("MYSQL_PASSWORD", password),
                ("MYSQL_PORT", port),
                ("MYSQL_USER", user),
            ],
            DatabaseKind::Redis => {
                vec![("REDIS_URL", format!("redis://{host}:{port}/0")), ("REDIS_HOST", host), ("REDIS_PORT", port)]
            }
        }
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

    fn told(config: &DatabaseConfig, kinds: &str, of_stack: &[(DatabaseKind, &str, &str)]) -> String {
        let mut variables = DatabaseVariables::new();
        for (kind, name, value) in of_stack {
            variables.entry(*kind).or_default().insert((*name).to_owned(), (*value).to_owned());
        }
        let environment = config.client_environment(&kinds.parse().unwrap(), &variables);
        environment.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn a_stack_names_the_database_in_its_own_variables() {
        let config = DatabaseConfig { password: "a/b@c".to_owned(), ..DatabaseConfig::default() };
        let of_stack = [
            (DatabaseKind::Postgresql, "APP_URL", "jdbc:postgresql://$PGHOST:$PGPORT/$PGDATABASE"),
            (DatabaseKind::Postgresql, "APP_SECRET", "$PGPASSWORD"),
            (DatabaseKind::Redis, "APP_CACHE", "$REDIS_HOST"),
        ];
        insta::assert_snapshot!(told(&config, "postgresql", &of_stack), @"APP_SECRET=a/b@c APP_URL=jdbc:postgresql://db:5432/app_db DATABASE_URL=postgresql://postgres:a%2Fb%40c@db:5432/app_db PGDATABASE=app_db PGHOST=db PGPASSWORD=a/b@c PGPORT=5432 PGUSER=postgres");
        insta::assert_snapshot!(told(&config, "redis", &of_stack), @"APP_CACHE=redis REDIS_HOST=redis REDIS_PORT=6379 REDIS_URL=redis://redis:6379/0");
    }

    #[test]
    fn of_several_databases_the_first_has_the_name_that_all_would_have() {
        let config = DatabaseConfig::default();
        let variables = told(&config, "mysql,postgresql", &[]);
        assert!(
            variables.contains("DATABASE_URL=postgresql://")
                && variables.contains("MYSQL_URL=mysql://app:app@mysql:3306/app_db"),
            "{variables}"
        );
        assert!(told(&config, "mariadb", &[]).contains("DATABASE_URL=mysql://app:app@mariadb:3306/app_db"));
        let public = |kinds: &str| config.public(&kinds.parse().unwrap());
        assert_eq!(public(""), None);
        let postgresql = json!({"host": "db", "image": "postgres", "name": "app_db", "port": 5432, "user": "postgres"});
        let redis = json!({"host": "redis", "image": "redis", "port": 6379});
        assert_eq!(public("postgresql,redis"), Some(json!([postgresql, redis])));
    }
}
