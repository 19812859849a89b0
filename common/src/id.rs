//! Ids, parsed once at the edge: inner code takes the type and never a string, so no path is ever built from input.

use std::{fmt, str::FromStr};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// The id of a job: a UUIDv7 in its canonical lower-case form.
///
/// In this form it is valid as a folder, container, volume and Kubernetes name, and ids sort by the time they were made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, JsonSchema)]
#[schemars(with = "String", extend("format" = "uuid"))]
pub struct JobId(Uuid);

impl JobId {
    /// A new id, from the clock and random bits.
    pub fn generate() -> Self {
        Self(Uuid::now_v7())
    }

    /// The latest id that could have been made in the same millisecond: it says when this one was made, and no more.
    #[must_use]
    pub fn latest_of_its_time(self) -> Self {
        const RANDOM: u128 = (0x0fff << 64) | 0x3fff_ffff_ffff_ffff;
        Self(Uuid::from_u128(self.0.as_u128() | RANDOM))
    }
}

/// A string that is not the id of a job.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a job id: a job id looks like 0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b (UUID version 7, lower case)")]
pub struct InvalidJobId;

impl FromStr for JobId {
    type Err = InvalidJobId;

    fn from_str(text: &str) -> Result<Self, InvalidJobId> {
        let uuid = Uuid::try_parse(text).map_err(|_| InvalidJobId)?;
        let id = Self(uuid);
        // One spelling only: the library also reads braces, URNs, upper case and missing hyphens.
        if uuid.get_version_num() == 7 && id.to_string() == text { Ok(id) } else { Err(InvalidJobId) }
    }
}

impl fmt::Display for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.as_hyphenated().fmt(f)
    }
}

impl Serialize for JobId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for JobId {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// The random id of one installation (one workspaces folder): every container, volume and network carries it as a label,
/// so that what sweeps never touches what belongs to another installation on the same engine.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct InstanceId(String);

impl InstanceId {
    /// A new random id.
    pub fn generate() -> Self {
        Self(Uuid::new_v4().as_simple().to_string())
    }

    /// Reads what [`Self::as_str`] gave; `None` for anything but 32 lower-case hexadecimal digits.
    pub fn parse(text: &str) -> Option<Self> {
        let valid = text.len() == 32 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        valid.then(|| Self(text.to_owned()))
    }

    /// The 32 digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_reads_back_as_it_was_written() {
        let id = JobId::generate();
        assert_eq!(id.to_string().parse(), Ok(id));
    }

    #[test]
    fn the_latest_id_of_a_time_is_an_id_and_not_before_any_other_of_it() {
        let id = JobId::generate();
        let latest = id.latest_of_its_time();
        assert!(latest > id && latest.to_string().parse() == Ok(latest));
        assert!(latest.to_string().starts_with(&id.to_string()[..15]), "{latest}");
        assert_eq!(latest.latest_of_its_time(), latest);
    }

    #[test]
    fn only_the_canonical_spelling_is_an_id() {
        let id = JobId::generate().to_string();
        for bad in [
            "",
            "..",
            ".staging",
            "/etc",
            "42",
            &id.to_uppercase(),
            &format!("{{{id}}}"),
            &id.replace('-', ""),
            &format!("{id}/.."),
            &Uuid::new_v4().to_string(),
        ] {
            assert_eq!(bad.parse::<JobId>(), Err(InvalidJobId), "{bad}");
        }
    }
}
