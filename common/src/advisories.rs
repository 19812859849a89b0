//! The operator's database of advisories: which one is in force, and how old it is.
//!
//! Each import is a folder of its own below `.advisories/`, never changed again, so that a scan which is under way keeps what
//! it began with; one small file, replaced whole, names the one in force. [`Import`] makes them.

mod import;

use std::{collections::BTreeMap, fmt, path::PathBuf, str::FromStr};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

pub use self::import::{Counted, Import, ImportError};
use crate::{
    disk::{self, DiskError, Versioned},
    layout::Layout,
};

/// Name of the file that names the import in force.
pub const CURRENT: &str = "current.json";
/// Name of an ecosystem's file, below a folder of the ecosystem's name.
pub const ARCHIVE: &str = "all.zip";
/// Name of the file in an import that says what it holds.
pub const INFO: &str = "info.json";
/// The folder in an import that osv-scanner reads, with one `<ecosystem>/all.zip` for each ecosystem.
pub const OSV_FOLDER: &str = "osv-scalibr";

/// `current.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Current {
    /// Schema version of the file.
    pub schema: u32,
    /// Name of the folder beside it.
    pub folder: String,
}

impl Versioned for Current {
    const SCHEMA: u32 = 1;
}

/// `info.json`: what an import holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AdvisoryDb {
    /// Schema version of the file.
    pub schema: u32,
    /// When it was imported.
    pub imported_at: Timestamp,
    /// Where it came from, in words.
    pub source: String,
    /// What it holds, by the names that OSV gives ecosystems: `Maven`, `npm`.
    pub ecosystems: BTreeMap<String, EcosystemInfo>,
}

impl Versioned for AdvisoryDb {
    const SCHEMA: u32 = 1;
}

/// What is known of one ecosystem.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EcosystemInfo {
    /// How many advisories there are.
    pub advisories: u64,
    /// When the newest of them was changed: nothing is known of what came later.
    pub newest: Option<Timestamp>,
    /// SHA-256 of `all.zip`, in lower-case hexadecimal digits.
    pub sha256: String,
    /// Size of `all.zip`, in bytes.
    pub bytes: u64,
    /// When it was imported, where that was before the rest.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub imported_at: Option<Timestamp>,
    /// Where it came from, where that is not where the rest came from.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub source: Option<String>,
}

impl EcosystemInfo {
    /// Whole days since the newest advisory was changed; `None` where no advisory says when it was.
    pub fn age_days(&self, now: Timestamp) -> Option<u64> {
        let seconds = now.as_second() - self.newest?.as_second();
        Some(u64::try_from(seconds).unwrap_or(0) / (24 * 60 * 60))
    }
}

/// The name of an ecosystem, as OSV spells it and without a release (`Debian`, not `Debian:12`): it names a folder.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ecosystem(String);

/// A text that names no ecosystem.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an ecosystem is named with at most 60 letters, digits, dots, hyphens and spaces, such as Maven or crates.io")]
pub struct InvalidEcosystem;

impl Ecosystem {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Ecosystem {
    type Err = InvalidEcosystem;

    fn from_str(text: &str) -> Result<Self, InvalidEcosystem> {
        let plain = |c: char| c.is_ascii_alphanumeric() || "._- ".contains(c);
        let valid =
            text.len() <= 60 && text.starts_with(|c: char| c.is_ascii_alphanumeric()) && text.chars().all(plain);
        if valid { Ok(Self(text.to_owned())) } else { Err(InvalidEcosystem) }
    }
}

impl fmt::Display for Ecosystem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The import in force, with its folder; `None` where nothing was imported.
///
/// # Errors
/// [`DiskError`], also where the import that is named is not there.
pub fn current(layout: &Layout) -> Result<Option<(PathBuf, AdvisoryDb)>, DiskError> {
    let path = layout.advisories().join(CURRENT);
    let Some(current) = disk::read_json::<Current>(&path)? else { return Ok(None) };
    let torn = |reason: &str| DiskError::Torn { path: path.clone(), reason: reason.to_owned() };
    current.folder.parse::<Uuid>().map_err(|_| torn("it names no folder of an import"))?;
    let folder = layout.advisories().join(&current.folder);
    match disk::read_json::<AdvisoryDb>(&folder.join(INFO))? {
        Some(db) => Ok(Some((folder, db))),
        None => Err(torn("the import that it names is not there")),
    }
}

#[cfg(test)]
mod tests;
