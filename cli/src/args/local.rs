//! Flags of what works on pipelines here, without a server: `run`, `plan`, `check`.

use std::path::PathBuf;

use clap::{Args, ValueEnum, builder::FalseyValueParser};
use pipelinex_common::request::Stack;

use super::{
    server::{CacheArgs, IntakeArgs},
    values,
};

/// A project of this machine, and what of its pipeline is meant.
#[derive(Args, Clone, Debug)]
pub struct LocalArgs {
    /// The project's folder
    #[arg(value_name = "PATH", default_value = ".")]
    pub path: PathBuf,
    /// The pipeline file, as seen from that folder, such as .gitlab-ci.yml [default: .pipelinex.yml; without one, the project's stack]
    #[arg(long, env = "PIPELINEX_FILE", value_name = "FILE")]
    pub file: Option<String>,
    /// Only these stages
    #[arg(long, env = "PIPELINEX_STAGE", value_name = "STAGE", value_delimiter = ',')]
    pub stage: Vec<String>,
    /// Only this step, without what it needs; may be given several times
    #[arg(long, env = "PIPELINEX_STEP", value_name = "STEP")]
    pub step: Vec<String>,
    /// With --step: also what it needs
    #[arg(long, env = "PIPELINEX_NEEDS", value_parser = FalseyValueParser::new(), requires = "step")]
    pub needs: bool,
    /// A variable, which counts more than those of the file; may be given several times
    #[arg(long, short = 'e', env = "PIPELINEX_ENV", value_name = "NAME=VALUE", value_parser = values::variable)]
    pub env: Vec<(String, String)>,
    /// What kind of project it is, where it has no pipeline file [default: recognised by its files]
    #[arg(long, env = "PIPELINEX_STACK", value_name = "LANGUAGE/FRAMEWORK/TOOL", value_parser = values::stack)]
    pub stack: Option<Stack>,
    /// Take files along that Git ignores
    #[arg(long, env = "PIPELINEX_INCLUDE_IGNORED", value_parser = FalseyValueParser::new())]
    pub include_ignored: bool,
    /// A folder of stacks, in place of those inside the program
    #[arg(long, env = "PIPELINEX_PIPELINES", value_name = "DIR")]
    pub pipelines: Option<PathBuf>,
}

/// The project that a pipeline file is written for.
#[derive(Args, Clone, Debug)]
pub struct InitArgs {
    /// The project's folder
    #[arg(value_name = "PATH", default_value = ".")]
    pub path: PathBuf,
    /// What kind of project it is [default: recognised by its files]
    #[arg(long, env = "PIPELINEX_STACK", value_name = "LANGUAGE/FRAMEWORK/TOOL", value_parser = values::stack)]
    pub stack: Option<Stack>,
    /// Print what would be written, and write nothing
    #[arg(long, env = "PIPELINEX_PRINT", value_parser = FalseyValueParser::new())]
    pub print: bool,
    /// A folder of stacks, in place of those inside the program
    #[arg(long, env = "PIPELINEX_PIPELINES", value_name = "DIR")]
    pub pipelines: Option<PathBuf>,
}

/// How a project is run here.
#[derive(Args, Clone, Debug)]
pub struct RunArgs {
    #[command(flatten)]
    pub local: LocalArgs,
    #[command(flatten)]
    pub intake: IntakeArgs,
    /// Start this step, which is started by hand, as soon as it could run; without it it is left out, and what waits for it
    #[arg(long = "play", env = "PIPELINEX_PLAY", value_name = "STEP")]
    pub play: Vec<String>,
    /// Print what would run, and run nothing
    #[arg(long, env = "PIPELINEX_DRY_RUN", value_parser = FalseyValueParser::new())]
    pub dry_run: bool,
    /// Print what the steps print, as it comes, each line with its step before it
    #[arg(long, short, env = "PIPELINEX_FOLLOW", value_parser = FalseyValueParser::new())]
    pub follow: bool,
    /// Remove no older runs; without it the latest 20 are kept
    #[arg(long, env = "PIPELINEX_KEEP", value_parser = FalseyValueParser::new())]
    pub keep: bool,
    /// How many steps run at the same time
    #[arg(long, env = "PIPELINEX_PARALLEL", value_name = "N", default_value_t = 4)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub parallel: u32,
    /// Where runs are kept [default: pipelinex/runs in the user's data folder]
    #[arg(long, env = "PIPELINEX_WORKSPACES", value_name = "DIR")]
    pub workspaces: Option<PathBuf>,
    /// Secrets of the steps, as lines NAME=VALUE of a file that its owner alone may read: they are in no record, and masked in logs
    #[arg(long, env = "PIPELINEX_SECRETS_FILE", value_name = "FILE")]
    pub secrets_file: Option<PathBuf>,
    /// Runner images in place of the built-in ones, as NAME=REFERENCE
    #[arg(long, env = "PIPELINEX_IMAGES", value_name = "NAME=REF", value_delimiter = ',', value_parser = values::image)]
    pub images: Vec<(String, String)>,
    /// The engine [default: DOCKER_HOST, else its usual socket]
    #[arg(long, env = "PIPELINEX_DOCKER_HOST", value_name = "ADDR")]
    pub docker_host: Option<String>,
    #[command(flatten)]
    pub caches: CacheArgs,
}

/// How a check is told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum CheckFormat {
    /// For people.
    #[default]
    Text,
    /// For programs.
    Json,
}

/// How a plan is told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum PlanFormat {
    /// For people.
    #[default]
    Text,
    /// A graph, as Mermaid draws it.
    Mermaid,
    /// For programs.
    Json,
}
