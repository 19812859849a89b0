//! Flags of `project`: who is in a project, and what it asks of its jobs. A server is asked, or with --workspaces its folder changed.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use pipelinex_common::access::Role;

use super::{
    ServerAddress,
    hooks::HookCommand,
    triggers::{ScheduleCommand, TriggerCommand},
    values,
};

/// What to do with projects and with what belongs to them.
#[derive(Subcommand, Debug)]
pub enum ProjectWord {
    /// The project itself.
    #[command(flatten)]
    Project(ProjectCommand),
    /// Tell others what happens to its jobs: add, list, rm, test
    #[command(subcommand)]
    Hook(HookCommand),
    /// Start jobs for pushes to a repository: add, list, rm
    #[command(subcommand)]
    Trigger(TriggerCommand),
    /// Start jobs at times of the clock: add, list, rm, run
    #[command(subcommand)]
    Schedule(ScheduleCommand),
}

/// What to do with projects.
#[derive(Subcommand, Debug)]
pub enum ProjectCommand {
    /// Make a project, which then has an owner, members and settings
    Create {
        /// Its name, as submissions give it
        #[arg(value_parser = values::project)]
        name: String,
        /// Settings: fail-on=high, fail-on-new=low, require=sast,sca, own-pipelines=no; of them and the operator's the stricter counts
        #[arg(value_name = "SETTING=VALUE", value_parser = values::setting)]
        settings: Vec<(String, String)>,
        /// The account that decides about it [default: whoever asks; with --workspaces it has to be said]
        #[arg(long, env = "PIPELINEX_OWNER", value_name = "ACCOUNT", value_parser = values::account)]
        owner: Option<String>,
        #[command(flatten)]
        place: ProjectPlace,
    },
    /// List the projects that somebody made, with owner, members and settings
    List {
        #[command(flatten)]
        place: ProjectPlace,
    },
    /// Change settings of a project, for jobs that are submitted from then on; or give it to another owner
    Set {
        /// Its name
        #[arg(value_parser = values::project)]
        name: String,
        /// As for `create`; `none` takes a limit back
        #[arg(value_name = "SETTING=VALUE", value_parser = values::setting, required_unless_present = "owner")]
        settings: Vec<(String, String)>,
        /// The account that decides about it from then on
        #[arg(long, env = "PIPELINEX_OWNER", value_name = "ACCOUNT", value_parser = values::account)]
        owner: Option<String>,
        #[command(flatten)]
        place: ProjectPlace,
    },
    /// Show who is in a project; with ACCOUNT=ROLE, change that
    Members {
        /// Its name
        #[arg(value_parser = values::project)]
        name: String,
        /// What an account may do in it: viewer, submitter, operator, or none
        #[arg(value_name = "ACCOUNT=ROLE", value_parser = values::member)]
        members: Vec<(String, Option<Role>)>,
        #[command(flatten)]
        place: ProjectPlace,
    },
    /// Forget members and settings of a project; its jobs stay, and are those of whoever has a token for it
    Rm {
        /// Its name
        #[arg(value_parser = values::project)]
        name: String,
        #[command(flatten)]
        place: ProjectPlace,
    },
}

impl ProjectCommand {
    /// Where they are.
    pub fn place(&self) -> &ProjectPlace {
        match self {
            Self::Create { place, .. }
            | Self::List { place }
            | Self::Set { place, .. }
            | Self::Members { place, .. }
            | Self::Rm { place, .. } => place,
        }
    }
}

/// Where projects are.
#[derive(Args, Clone, Debug)]
pub struct ProjectPlace {
    /// Change them in this folder, where jobs live, and ask no server
    #[arg(long, env = "PIPELINEX_WORKSPACES", value_name = "DIR")]
    pub workspaces: Option<PathBuf>,
    #[command(flatten)]
    pub server: ServerAddress,
}
