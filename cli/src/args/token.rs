//! Flags of `token`: who may use a server. They act on its workspaces folder, so whoever can write there decides.

use std::{path::PathBuf, time::Duration};

use clap::{Args, Subcommand, builder::FalseyValueParser};
use pipelinex_common::access::Role;

use super::values;

/// What to do with tokens.
#[derive(Subcommand, Debug)]
pub enum TokenCommand {
    /// Make a token; it alone is printed on standard output, this once
    Create {
        /// What it may do: viewer sees jobs, submitter makes and ends them, operator sees the server's numbers as well, admin has
        /// every project
        #[arg(long, env = "PIPELINEX_ROLE", value_name = "viewer|submitter|operator|admin")]
        role: Role,
        /// Projects that it is for; a submission that names none goes to the first [default: default]
        #[arg(long, env = "PIPELINEX_PROJECT", value_name = "NAME", value_delimiter = ',', value_parser = values::project)]
        project: Vec<String>,
        /// How long it is taken, such as 90d or 12h [default: until it is revoked]
        #[arg(long, env = "PIPELINEX_EXPIRES", value_name = "TIME", value_parser = values::lifetime)]
        expires: Option<Duration>,
        /// The account: whose the jobs are that are submitted with it [default: the role and some digits]
        #[arg(long, env = "PIPELINEX_NAME", value_name = "NAME", value_parser = values::account)]
        name: Option<String>,
        #[command(flatten)]
        place: TokenPlace,
    },
    /// List the tokens that are not revoked; none of them is shown
    List {
        #[command(flatten)]
        place: TokenPlace,
    },
    /// Revoke a token: no server over this folder takes it from the next second on
    Revoke {
        /// The account
        #[arg(value_parser = values::account)]
        name: String,
        #[command(flatten)]
        place: TokenPlace,
    },
}

/// Where the tokens are.
#[derive(Args, Clone, Debug)]
pub struct TokenPlace {
    /// Where jobs live, and the tokens with them [default: as for `serve`]
    #[arg(long, env = "PIPELINEX_WORKSPACES", value_name = "DIR")]
    pub workspaces: Option<PathBuf>,
}

/// What to do with the record of who did what.
#[derive(Subcommand, Debug)]
pub enum AuditCommand {
    /// Print the last lines of the record, the oldest first
    Tail {
        /// So many of them
        #[arg(long, short = 'n', env = "PIPELINEX_LINES", value_name = "N", default_value_t = 20)]
        #[arg(value_parser = clap::value_parser!(u32).range(1..=10_000))]
        lines: u32,
        /// Go on with those that come, until Ctrl-C
        #[arg(long, short, env = "PIPELINEX_FOLLOW", value_parser = FalseyValueParser::new())]
        follow: bool,
        /// Where jobs live, and the record with them [default: as for `serve`]
        #[arg(long, env = "PIPELINEX_WORKSPACES", value_name = "DIR")]
        workspaces: Option<PathBuf>,
    },
}
