//! Which databases there are, and how a request names those that it wants: `true`, one by its name, or a list of names.

use std::{borrow::Cow, collections::BTreeSet, fmt, str::FromStr};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// A database that a job can have beside it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum DatabaseKind {
    /// PostgreSQL; what `true` means.
    Postgresql,
    /// MySQL, served by a MariaDB: for projects that have MySQL's driver.
    Mysql,
    /// MariaDB.
    Mariadb,
    /// Redis.
    Redis,
}

impl DatabaseKind {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Postgresql, Self::Mysql, Self::Mariadb, Self::Redis];

    /// The word for it in requests and in the files of a stack.
    pub fn word(self) -> &'static str {
        match self {
            Self::Postgresql => "postgresql",
            Self::Mysql => "mysql",
            Self::Mariadb => "mariadb",
            Self::Redis => "redis",
        }
    }

    /// As people write it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Postgresql => "PostgreSQL",
            Self::Mysql => "MySQL",
            Self::Mariadb => "MariaDB",
            Self::Redis => "Redis",
        }
    }

    /// Its name on the job's internal network, and the end of its container's name.
    pub fn alias(self) -> &'static str {
        match self {
            Self::Postgresql => "db",
            other => other.word(),
        }
    }

    /// The logical name of its image in the operator's table.
    pub fn image(self) -> &'static str {
        match self {
            Self::Postgresql => "postgres",
            Self::Mysql | Self::Mariadb => "mariadb",
            Self::Redis => "redis",
        }
    }
}

impl fmt::Display for DatabaseKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A text that names no database that there is.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no database `{0}`: a job can have postgresql, mysql, mariadb and redis")]
pub struct UnknownDatabase(String);

impl FromStr for DatabaseKind {
    type Err = UnknownDatabase;

    fn from_str(text: &str) -> Result<Self, UnknownDatabase> {
        Self::ALL.into_iter().find(|kind| kind.word() == text).ok_or_else(|| UnknownDatabase(text.to_owned()))
    }
}

/// The databases that a request asks for; none, where it asks for none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Databases(BTreeSet<DatabaseKind>);

impl Databases {
    /// Whether none is asked for.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether this one is asked for.
    pub fn has(&self, kind: DatabaseKind) -> bool {
        self.0.contains(&kind)
    }

    /// All of them, in the order in which they are started.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = DatabaseKind> + '_ {
        self.0.iter().copied()
    }

    /// Their words, with a comma between two.
    pub fn words(&self) -> String {
        self.iter().map(DatabaseKind::word).collect::<Vec<_>>().join(",")
    }
}

impl FromIterator<DatabaseKind> for Databases {
    fn from_iter<I: IntoIterator<Item = DatabaseKind>>(kinds: I) -> Self {
        Self(kinds.into_iter().collect())
    }
}

impl From<bool> for Databases {
    fn from(wanted: bool) -> Self {
        wanted.then_some(DatabaseKind::Postgresql).into_iter().collect()
    }
}

impl FromStr for Databases {
    type Err = UnknownDatabase;

    /// Words with a comma between two; an empty text is none.
    fn from_str(text: &str) -> Result<Self, UnknownDatabase> {
        text.split(',').map(str::trim).filter(|word| !word.is_empty()).map(str::parse).collect()
    }
}

impl Serialize for Databases {
    /// As the predecessors' clients know it as long as it is what they can mean: `false`, or `true` for a PostgreSQL.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0.iter().collect::<Vec<_>>()[..] {
            [] => serializer.serialize_bool(false),
            [DatabaseKind::Postgresql] => serializer.serialize_bool(true),
            [kind] => kind.serialize(serializer),
            _ => self.0.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Databases {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Written;
        impl<'de> de::Visitor<'de> for Written {
            type Value = Databases;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("true, false, the name of a database or a list of names")
            }

            fn visit_bool<E: de::Error>(self, wanted: bool) -> Result<Databases, E> {
                Ok(wanted.into())
            }

            fn visit_str<E: de::Error>(self, word: &str) -> Result<Databases, E> {
                let kind: DatabaseKind = word.parse().map_err(E::custom)?;
                Ok([kind].into_iter().collect())
            }

            fn visit_seq<A: de::SeqAccess<'de>>(self, mut list: A) -> Result<Databases, A::Error> {
                let mut kinds = BTreeSet::new();
                while let Some(word) = list.next_element::<Cow<'_, str>>()? {
                    kinds.insert(word.parse().map_err(de::Error::custom)?);
                }
                Ok(Databases(kinds))
            }
        }
        deserializer.deserialize_any(Written)
    }
}

impl JsonSchema for Databases {
    fn schema_name() -> Cow<'static, str> {
        "Databases".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let kind = generator.subschema_for::<DatabaseKind>();
        json_schema!({"anyOf": [{"type": "boolean"}, kind, {"type": "array", "items": kind, "uniqueItems": true}]})
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn databases_are_asked_for_as_a_word_a_list_or_as_ever() {
        let again = |text: &str| {
            serde_json::from_str::<Databases>(text)
                .map(|databases| serde_json::to_string(&databases).unwrap())
                .map_err(|error| error.to_string())
        };
        for (written, kept) in [
            ("true", "true"),
            ("false", "false"),
            ("[]", "false"),
            (r#"["postgresql"]"#, "true"),
            (r#""mysql""#, r#""mysql""#),
            (r#"["redis", "mariadb", "redis"]"#, r#"["mariadb","redis"]"#),
        ] {
            assert_eq!(again(written).unwrap(), kept, "{written}");
        }
        for (written, told) in [
            (r#""oracle""#, "there is no database `oracle`: a job can have postgresql, mysql, mariadb and redis"),
            (r#"["redis", ""]"#, "there is no database ``"),
            ("1", "expected true, false, the name of a database or a list of names"),
        ] {
            let error = again(written).unwrap_err();
            assert!(error.contains(told), "{error}");
        }
        assert_eq!("redis, mysql".parse::<Databases>().unwrap().words(), "mysql,redis");
    }
}
