//! Flags of what sends a project: `submit` and `precheck`.

use std::path::PathBuf;

use clap::{Args, ValueEnum, builder::FalseyValueParser};
use pipelinex_common::request::{BUILT_IN_STAGES, Stack};

use super::{ServerAddress, server::IntakeArgs, values};

/// A project, and what is said about it.
#[derive(Args, Clone, Debug)]
pub struct ProjectArgs {
    /// A folder, or a ZIP file; for submit also the https URL of a Git repository
    #[arg(value_name = "PATH|ZIP|URL")]
    pub path: PathBuf,
    /// What kind of project it is [default: recognised by its files]
    #[arg(long, env = "PIPELINEX_STACK", value_name = "LANGUAGE/FRAMEWORK/TOOL", value_parser = values::stack)]
    pub stack: Option<Stack>,
    /// The Java version to build with [default: the stack's]
    #[arg(long, env = "PIPELINEX_JAVA", value_name = "VERSION")]
    pub java: Option<String>,
    /// The version of the build tool [default: the stack's]
    #[arg(long, env = "PIPELINEX_BUILD_TOOL", value_name = "VERSION")]
    pub build_tool: Option<String>,
    /// Run these stages and what they need; without --only and --skip, the stack's default set
    #[arg(long, env = "PIPELINEX_ONLY", value_name = "STAGE", value_delimiter = ',', value_enum, ignore_case = true)]
    pub only: Vec<StageName>,
    /// Run all stages but these
    #[arg(long, env = "PIPELINEX_SKIP", value_name = "STAGE", value_delimiter = ',', value_enum, ignore_case = true)]
    #[arg(conflicts_with = "only")]
    pub skip: Vec<StageName>,
    /// What the job belongs to, for run numbers and history
    #[arg(long, env = "PIPELINEX_PROJECT", value_name = "NAME")]
    pub project: Option<String>,
    /// The branch it was taken from, for the record
    #[arg(long, env = "PIPELINEX_BRANCH", value_name = "NAME")]
    pub branch: Option<String>,
    /// The commit it was taken from, for the record
    #[arg(long, env = "PIPELINEX_COMMIT", value_name = "ID")]
    pub commit: Option<String>,
    /// The whole request as a JSON file, sent as it is
    #[arg(long, env = "PIPELINEX_METADATA", value_name = "FILE.json")]
    #[arg(conflicts_with_all = ["stack", "java", "build_tool", "only", "skip", "project", "branch", "commit"])]
    pub metadata: Option<PathBuf>,
    /// Send files of a folder that Git ignores, too
    #[arg(long, env = "PIPELINEX_INCLUDE_IGNORED", value_parser = FalseyValueParser::new())]
    pub include_ignored: bool,
    #[command(flatten)]
    pub intake: IntakeArgs,
    #[command(flatten)]
    pub server: ServerAddress,
}

impl ProjectArgs {
    /// The URL, if it is one: no path has `://` in it that was not meant as one.
    pub fn url(&self) -> Option<&str> {
        self.path.to_str().filter(|text| text.contains("://"))
    }
}

/// What of a Git repository is cloned.
#[derive(Args, Clone, Debug)]
pub struct GitArgs {
    /// Branch, tag or commit of a repository [default: its default branch]
    #[arg(long = "ref", env = "PIPELINEX_REF", value_name = "REF")]
    pub git_ref: Option<String>,
    /// Name of the secret with which the server opens a private repository; its operator keeps it
    #[arg(long, env = "PIPELINEX_TOKEN_NAME", value_name = "NAME")]
    pub token_name: Option<String>,
}

/// A stage of the built-in pipelines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum StageName {
    /// Secrets in the source.
    Secrets,
    /// Compile.
    Build,
    /// Unit tests.
    Test,
    /// Static analysis.
    Sast,
    /// Known vulnerabilities of dependencies.
    Sca,
    /// Make what ships.
    Package,
    /// Start it and ask for its health.
    #[value(alias = "smoke")]
    SmokeTest,
    /// Scan it while it runs.
    Dast,
}

impl StageName {
    /// The field of the request that turns it on.
    pub fn switch(self) -> &'static str {
        let index = match self {
            Self::Secrets => 0,
            Self::Build => 1,
            Self::Test => 2,
            Self::Sast => 3,
            Self::Sca => 4,
            Self::Package => 5,
            Self::SmokeTest => 6,
            Self::Dast => 7,
        };
        BUILT_IN_STAGES[index].1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stages_are_those_of_the_wire() {
        for (stage, (name, switch)) in StageName::value_variants().iter().zip(BUILT_IN_STAGES) {
            let flag = stage.to_possible_value().unwrap();
            assert_eq!(flag.get_name().to_uppercase(), name);
            assert_eq!(stage.switch(), switch);
        }
        assert_eq!(StageName::value_variants().len(), BUILT_IN_STAGES.len());
    }
}
