//! What the server tells the process that clones, on its standard input, and what that tells the server, on its standard
//! output: one line of JSON each. Nothing travels as an argument or a variable, where other users could read it.

use std::path::PathBuf;

use pipelinex_common::{limits::IntakeLimits, pipeline::context::Repository};
use serde::{Deserialize, Serialize};

use super::{
    fault::CloneError,
    url::{Host, RepositoryUrl},
};

/// What is to be cloned, and to where.
#[derive(Serialize, Deserialize)]
pub struct Order {
    /// The repository.
    pub url: RepositoryUrl,
    /// Hosts to which a redirect may lead.
    pub hosts: Vec<Host>,
    /// A branch, a tag or a commit.
    pub git_ref: Option<String>,
    /// User and token for the repository's own host.
    pub credentials: Option<(String, String)>,
    /// Whether the history stays.
    pub history: bool,
    /// How much may come.
    pub limits: IntakeLimits,
    /// An empty folder for the project.
    pub source: PathBuf,
    /// A folder that is removed afterwards.
    pub scratch: PathBuf,
    /// Certificates to trust besides the public ones.
    pub ca_certs: Option<PathBuf>,
    /// The address of the proxy to go through, which may hold a password.
    pub proxy: Option<String>,
    /// Hosts that are reached without the proxy.
    pub direct: Vec<Host>,
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cloned {
    /// The commit whose files are there, as 40 hexadecimal digits.
    pub commit: String,
    /// The branch, where a branch was asked for or is the default.
    pub branch: Option<String>,
    /// Bytes that the host sent.
    pub received: u64,
    /// Files written, links included.
    pub files: u64,
    /// Bytes written.
    pub bytes: u64,
    /// What a person should know.
    pub warnings: Vec<String>,
    /// What is known of the repository.
    #[serde(default)]
    pub repository: Repository,
}

/// The line on standard output.
pub type Report = Result<Cloned, CloneError>;
