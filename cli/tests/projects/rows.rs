//! The table: what is submitted, and what has to become of it. `dev/projects/README.md` says how a row is written.

use std::{collections::BTreeMap, fs, path::Path};

use pipelinex_common::testing;
use serde::Deserialize;

/// One project.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Row {
    /// A word for it, in the table and in `PIPELINEX_ROWS`.
    pub name: String,
    /// What is special about it.
    pub what: String,
    /// The example that it is made of.
    #[serde(default)]
    pub from: Option<String>,
    /// More examples, by the folder that each lies in.
    #[serde(default)]
    pub below: BTreeMap<String, String>,
    /// Where a real one comes from, and which of its commits is meant.
    #[serde(default)]
    pub url: Option<String>,
    #[serde(default)]
    pub commit: Option<String>,
    /// Files and folders that are not there.
    #[serde(default)]
    pub remove: Vec<String>,
    /// Files that are there besides.
    #[serde(default)]
    pub write: BTreeMap<String, String>,
    /// Texts of files, each there once, and what stands in place of them.
    #[serde(default)]
    pub edit: BTreeMap<String, BTreeMap<String, String>>,
    /// Symbolic links, and where they lead.
    #[serde(default)]
    pub link: BTreeMap<String, String>,
    /// What is said besides, as flags of `submit`.
    #[serde(default)]
    pub flags: Vec<String>,
    /// What it is taken for, as language/framework/tool.
    #[serde(default)]
    pub stack: Option<String>,
    /// The rule by which it is refused.
    #[serde(default)]
    pub refused: Option<String>,
    /// Texts, each of one warning, or of one reason of the refusal; of warnings there may be no others.
    #[serde(default)]
    pub says: Vec<String>,
    /// What there is to choose from: `FOLDER language/framework/tool`, the likeliest first.
    #[serde(default)]
    pub choices: Vec<String>,
    /// How stages end that do not succeed: `FAILED script_failure`. With an empty list nothing is run.
    #[serde(default)]
    pub ends: BTreeMap<String, String>,
    /// A text of what `status` says of the job.
    #[serde(default)]
    pub reads: Option<String>,
}

/// All rows of the files of a folder of the repository, in the order of their names.
pub fn read(folder: &str) -> Vec<Row> {
    let folder = repository().join(folder);
    let mut files: Vec<_> = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|ending| ending == "yml"));
    files.sort();
    let mut rows: Vec<Row> = Vec::new();
    for path in files {
        let text = fs::read_to_string(&path).unwrap();
        let more: Vec<Row> = testing::from_yaml(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        rows.extend(more);
    }
    for (index, row) in rows.iter().enumerate() {
        let twice = rows[..index].iter().any(|other| other.name == row.name);
        assert!(!twice, "{} is there twice", row.name);
        assert!(row.refused.is_none() || row.ends.is_empty(), "{} is refused, and nothing of it ends", row.name);
    }
    rows
}

/// The top of the repository.
pub fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}
