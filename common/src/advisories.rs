//! The operator's database of advisories: which one is in force, and how old it is.
//!
//! Each import is a folder of its own below `.advisories/`, never changed again, so that a scan which is under way keeps what
//! it began with; one small file, replaced whole, names the one in force.

use std::{collections::BTreeMap, path::PathBuf};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{
    disk::{self, DiskError, Versioned},
    layout::Layout,
};

/// Name of the file that names the import in force.
pub const CURRENT: &str = "current.json";
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
}

/// The import in force, with its folder; `None` where nothing was imported.
///
/// # Errors
/// [`DiskError`].
pub fn current(layout: &Layout) -> Result<Option<(PathBuf, AdvisoryDb)>, DiskError> {
    let root = layout.advisories();
    let Some(current) = disk::read_json::<Current>(&root.join(CURRENT))? else { return Ok(None) };
    let folder = root.join(&current.folder);
    Ok(disk::read_json::<AdvisoryDb>(&folder.join(INFO))?.map(|db| (folder, db)))
}
