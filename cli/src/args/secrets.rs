//! Flags of `secret`: what steps of a project are given and nobody else sees. They act on the workspaces folder, so whoever can write
//! there and read the key decides.

use std::path::PathBuf;

use clap::{Args, Subcommand, builder::FalseyValueParser};
use pipelinex_common::{access::DEFAULT_PROJECT, secrets::Purpose};

use super::values;

/// What to do with secrets.
#[derive(Subcommand, Debug)]
pub enum SecretCommand {
    /// Make the key that secrets are sealed with, in a file for its owner alone; servers are given it with --secrets-key
    Key {
        #[command(flatten)]
        place: SealedPlace,
    },
    /// Keep a secret of a project, in place of one of that name; the value is read from standard input or a file, and is never an argument
    Set {
        /// Its name, which is that of the variable
        #[arg(value_parser = values::secret_name)]
        name: String,
        /// The project
        #[arg(long, env = "PIPELINEX_PROJECT", value_name = "NAME", default_value = DEFAULT_PROJECT, value_parser = values::project)]
        project: String,
        /// A file with the value [default: standard input]
        #[arg(long, env = "PIPELINEX_FILE", value_name = "PATH")]
        file: Option<PathBuf>,
        /// What it is for: a variable of the steps of the project's own pipelines, a file whose path the variable has, or the token
        /// for private repositories of a host, as a request names it
        #[arg(long = "for", env = "PIPELINEX_FOR", value_name = "variable|file|git:HOST", default_value = "variable", value_parser = values::purpose)]
        purpose: Purpose,
        /// Leave it in logs and reports where a step prints it
        #[arg(long, env = "PIPELINEX_UNMASKED", value_parser = FalseyValueParser::new())]
        unmasked: bool,
        /// Give it to jobs of a repository's default branch alone, never to a ZIP
        #[arg(long, env = "PIPELINEX_PROTECTED", value_parser = FalseyValueParser::new())]
        protected: bool,
        #[command(flatten)]
        place: SealedPlace,
    },
    /// List the secrets, without what they are
    List {
        /// Only those of this project
        #[arg(long, env = "PIPELINEX_PROJECT", value_name = "NAME", value_parser = values::project)]
        project: Option<String>,
        /// Where jobs live, and the secrets with them [default: as for `serve`]
        #[arg(long, env = "PIPELINEX_WORKSPACES", value_name = "DIR")]
        workspaces: Option<PathBuf>,
    },
    /// Remove a secret; steps that run have it still
    Rm {
        /// Its name
        #[arg(value_parser = values::secret_name)]
        name: String,
        /// The project
        #[arg(long, env = "PIPELINEX_PROJECT", value_name = "NAME", default_value = DEFAULT_PROJECT, value_parser = values::project)]
        project: String,
        /// Where jobs live, and the secrets with them [default: as for `serve`]
        #[arg(long, env = "PIPELINEX_WORKSPACES", value_name = "DIR")]
        workspaces: Option<PathBuf>,
    },
}

/// Where the secrets are, and the key to them.
#[derive(Args, Clone, Debug)]
pub struct SealedPlace {
    /// The file of the key; it lies outside of the folder where jobs live
    #[arg(long, env = "PIPELINEX_SECRETS_KEY", value_name = "FILE")]
    pub secrets_key: PathBuf,
    /// Where jobs live, and the secrets with them [default: as for `serve`]
    #[arg(long, env = "PIPELINEX_WORKSPACES", value_name = "DIR")]
    pub workspaces: Option<PathBuf>,
}
