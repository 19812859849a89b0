//! The operator's database of advisories, as it is mounted: what it holds, and how old that is.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::{
    report,
    stage::{Failure, Stage},
};

/// Days after which what is known is called old: dozens of advisories appear in a month for the usual dependencies.
const OLD_DAYS: i64 = 30;
/// Largest description of a database that is read, in bytes.
const MAX_INFO: u64 = 1 << 20;

/// `info.json` of an import.
#[derive(Deserialize)]
pub(super) struct Database {
    imported_at: Timestamp,
    ecosystems: BTreeMap<String, Ecosystem>,
}

#[derive(Deserialize)]
struct Ecosystem {
    advisories: u64,
    newest: Option<Timestamp>,
    sha256: String,
}

impl Database {
    /// Reads what is mounted.
    ///
    /// # Errors
    /// There is no database, or none that can be read.
    pub(super) fn open(folder: &Path) -> Result<Self, Failure> {
        let failed = |reason: String| {
            Failure::tool(format!(
                "the advisory database cannot be read ({reason}): import it again with `pipelinex db`"
            ))
        };
        let text = report::bytes(&folder.join("info.json"), MAX_INFO).map_err(|error| failed(error.to_string()))?;
        let mut database: Self = serde_json::from_slice(&text).map_err(|error| failed(error.to_string()))?;
        database.ecosystems.retain(|name, ecosystem| {
            ecosystem.advisories > 0 && folder.join("osv-scalibr").join(name).join("all.zip").is_file()
        });
        Ok(database)
    }

    /// Whether it knows anything of an ecosystem.
    pub(super) fn has(&self, ecosystem: &str) -> bool {
        self.ecosystems.contains_key(ecosystem)
    }

    /// What it knows of these, for programs.
    pub(super) fn details(&self, names: &BTreeSet<String>) -> Value {
        let used = names.iter().filter_map(|name| Some((name.clone(), self.ecosystems.get(name)?)));
        let told = used.map(|(name, ecosystem)| {
            let newest = ecosystem.newest.map(|newest| newest.to_string());
            (
                name,
                json!({
                    "newest": newest,
                    "imported_at": self.imported_at.to_string(),
                    "sha256": ecosystem.sha256,
                    "count": ecosystem.advisories,
                }),
            )
        });
        Value::Object(told.collect::<Map<_, _>>())
    }

    /// How old it is, in words; warns if that is old. The age is that of the ecosystem whose newest advisory is oldest.
    pub(super) fn age(&self, stage: &mut Stage, names: &BTreeSet<String>) -> String {
        let newest = |name: &String| self.ecosystems.get(name).map(|e| e.newest.unwrap_or(self.imported_at));
        let Some(newest) = names.iter().filter_map(newest).min() else {
            return "advisories of unknown age".to_owned();
        };
        let day = newest.strftime("%Y-%m-%d");
        let days = Timestamp::now().duration_since(newest).as_hours() / 24;
        if days > OLD_DAYS {
            stage.warn(format!("the advisories are {days} days old: bring newer ones with `pipelinex db update`"));
        }
        let days = match days {
            ..=0 => "less than a day".to_owned(),
            1 => "1 day".to_owned(),
            more => format!("{more} days"),
        };
        format!("advisories of {day}, {days} old")
    }
}
