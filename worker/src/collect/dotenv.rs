//! The variables that a step leaves for others (`artifacts: reports: dotenv`): kept as one report of a name that is ours, so that a
//! person can read them and whoever holds the job later hands on the same.

use std::{collections::BTreeMap, path::Path};

use pipelinex_common::{
    disk::{self, DiskError},
    foreign::{Beneath, ForeignError, shown},
    pipeline::dotenv,
};

use super::{Collected, Collector, ENTRIES_PER_FILE, artifacts::globs};
use crate::tree;

/// The report's name.
pub(super) const FILE: &str = "dotenv.env";

impl Collector<'_> {
    /// Keeps them, however the step ended: reports are collected always. A file that cannot be read gives nothing, and is a warning.
    pub(super) fn gather_variables(
        &self,
        reports: &Path,
        succeeded: bool,
        collected: &mut Collected,
    ) -> Result<(), DiskError> {
        let patterns = &self.step.artifacts.dotenv;
        if patterns.is_empty() {
            return Ok(());
        }
        let found = self.variables(patterns);
        let warning = match found {
            Ok(Some(variables)) => {
                disk::write_unsynced(&reports.join(FILE), dotenv::text(&variables).as_bytes(), 0o640)?;
                collected.copied += 1;
                return Ok(());
            }
            Ok(None) if !succeeded => return Ok(()),
            Ok(None) => format!("no file matches reports: dotenv: {}", patterns.join(", ")),
            Err(why) => why,
        };
        collected.warn(format!("{warning}; no variables are handed on"));
        Ok(())
    }

    fn variables(&self, patterns: &[String]) -> Result<Option<BTreeMap<String, String>>, String> {
        let set = globs(patterns).ok_or("a pattern of reports: dotenv cannot be read")?;
        let limit = ENTRIES_PER_FILE * self.limits.collected_files as usize;
        let tree = tree::open(self.paths, self.tree_owner, self.trees).map_err(|error| error.to_string())?;
        let walk = tree.walk_for(limit, &|path| set.is_match(path)).map_err(|error| error.to_string())?;
        let mut all: Option<BTreeMap<String, String>> = None;
        for found in walk.files.iter().filter(|found| set.is_match(&found.path)) {
            let why = |why: String| format!("{} is no dotenv file: {why}", shown(&found.path));
            let bytes = tree.read(&found.path, dotenv::MAX_BYTES as u64 + 1).map_err(|error| why(error.to_string()))?;
            all.get_or_insert_default().extend(dotenv::parse(&bytes).map_err(why)?);
        }
        if all.as_ref().is_some_and(|all| all.len() > dotenv::MAX_VARIABLES) {
            return Err(format!("reports: dotenv has more than {} variables", dotenv::MAX_VARIABLES));
        }
        Ok(all)
    }
}

/// What a step has left, read from its published reports.
///
/// # Errors
/// Our own report cannot be read.
pub(crate) fn left(reports: &Path) -> Result<BTreeMap<String, String>, ForeignError> {
    let read = Beneath::open(reports).and_then(|reports| reports.read(FILE, dotenv::MAX_BYTES as u64 + 1));
    match read {
        Err(ForeignError::Missing(_)) => Ok(BTreeMap::new()),
        // Whatever stands there that is none of ours gives nothing.
        read => Ok(dotenv::parse(&read?).unwrap_or_default()),
    }
}
