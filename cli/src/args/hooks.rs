//! Flags of `project hook`: where a project tells others what happens to its jobs. They act on the workspaces folder.

use std::path::PathBuf;

use clap::Subcommand;
use pipelinex_common::hooks::{HookEvent, HookFormat};

use super::{secrets::SealedPlace, values};

/// What to do with webhooks.
#[derive(Subcommand, Debug)]
pub enum HookCommand {
    /// Tell an address of each job of a project that begins or ends, of those that are submitted from then on
    Add {
        /// The project
        #[arg(value_parser = values::project)]
        project: String,
        /// The address, https://.., of the repository where --format is github or gitlab; `-` reads it from standard input: that of a chat is a secret, and arguments are seen by other users
        url: String,
        /// Of what; states of commits are always told of both [default: ended]
        #[arg(long, env = "PIPELINEX_ON", value_name = "started|ended", value_delimiter = ',')]
        on: Vec<HookEvent>,
        /// In which form: json, slack or matrix; github or gitlab give the commit of each job its state there
        #[arg(long, env = "PIPELINEX_FORMAT", value_name = "json|slack|matrix|github|gitlab", default_value_t)]
        format: HookFormat,
        /// For github and gitlab: the name of the project's secret with the token (`pipelinex secret set --for git:HOST`)
        #[arg(long, env = "PIPELINEX_GIT_TOKEN", value_name = "NAME")]
        git_token: Option<String>,
        /// For github and gitlab: the address of the API [default: api.github.com, or /api/v3 or /api/v4 at the repository's host]
        #[arg(long, env = "PIPELINEX_API", value_name = "URL")]
        api: Option<String>,
        /// A file with the secret that deliveries are signed with, as GitHub's are (X-Hub-Signature-256) [default: they are not signed]
        #[arg(long, env = "PIPELINEX_SECRET_FILE", value_name = "FILE")]
        secret_file: Option<PathBuf>,
        #[command(flatten)]
        place: SealedPlace,
    },
    /// List the hooks, and what came of their last deliveries
    List {
        /// Only those of this project
        #[arg(value_parser = values::project)]
        project: Option<String>,
        /// Where jobs live, and the hooks with them [default: as for `serve`]
        #[arg(long, env = "PIPELINEX_WORKSPACES", value_name = "DIR")]
        workspaces: Option<PathBuf>,
    },
    /// Remove a hook; what it has still to deliver is dropped
    Rm {
        /// Its id, as `list` shows it
        id: String,
        /// Where jobs live, and the hooks with them [default: as for `serve`]
        #[arg(long, env = "PIPELINEX_WORKSPACES", value_name = "DIR")]
        workspaces: Option<PathBuf>,
    },
    /// Have the server that runs over the folder send a test, and say what came of it
    Test {
        /// Its id, as `list` shows it
        id: String,
        /// Where jobs live, and the hooks with them [default: as for `serve`]
        #[arg(long, env = "PIPELINEX_WORKSPACES", value_name = "DIR")]
        workspaces: Option<PathBuf>,
    },
}
