//! Flags of `db`: the operator's database of advisories.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use pipelinex_common::advisories::Ecosystem;
use reqwest::Url;

use super::values;
use crate::advisories::PUBLIC_ARCHIVE;

/// What to do with the database.
#[derive(Subcommand, Debug)]
pub enum DbCommand {
    /// Take advisories from files: an all.zip of OSV, a ZIP of several, or a folder of such files or of JSON files
    Import {
        #[arg(value_name = "ZIP|FOLDER")]
        path: PathBuf,
        #[command(flatten)]
        place: DbPlace,
    },
    /// Fetch advisories from the public archive of OSV, or from a mirror of it
    Update {
        /// Ecosystems as OSV spells them [default: Maven, and those that are there already]
        #[arg(long, env = "PIPELINEX_ECOSYSTEM", value_name = "NAME", value_delimiter = ',')]
        ecosystem: Vec<Ecosystem>,
        /// Where to fetch from: below it lies NAME/all.zip
        #[arg(long, env = "PIPELINEX_FROM", value_name = "URL", default_value = PUBLIC_ARCHIVE, value_parser = values::archive)]
        from: Url,
        #[command(flatten)]
        place: DbPlace,
    },
    /// Show what is there and how old it is; without a database the exit code is 1
    Info {
        #[command(flatten)]
        place: DbPlace,
    },
}

/// Where the database is.
#[derive(Args, Clone, Debug)]
pub struct DbPlace {
    /// Where jobs live, and the database with them [default: as for `serve`]
    #[arg(long, env = "PIPELINEX_WORKSPACES", value_name = "DIR")]
    pub workspaces: Option<PathBuf>,
}
