//! Flags of what sends a project: `submit` and `precheck`.

use std::path::PathBuf;

use clap::{Args, builder::FalseyValueParser};
use pipelinex_common::{
    database::Databases,
    request::{JobRequest, Stack},
};

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
    /// The folder of the project that is built, `.` for its top [default: found by its files]
    #[arg(long, env = "PIPELINEX_FOLDER", value_name = "FOLDER")]
    pub folder: Option<String>,
    /// Versions to build with, such as node=24,npm=11 [default: the stack's]
    #[arg(long, env = "PIPELINEX_VERSIONS", value_name = "TOOL=VERSION", value_delimiter = ',', value_parser = values::version)]
    pub versions: Vec<Option<(String, String)>>,
    /// The same as --versions java=VERSION
    #[arg(long, env = "PIPELINEX_JAVA", value_name = "VERSION")]
    pub java: Option<String>,
    /// The version of whichever tool builds the project [default: the stack's]
    #[arg(long, env = "PIPELINEX_BUILD_TOOL", value_name = "VERSION")]
    pub build_tool: Option<String>,
    /// Run these stages of the stack and what they need, such as build,test; without --only and --skip, all of them
    #[arg(long, env = "PIPELINEX_ONLY", value_name = "STAGE", value_delimiter = ',')]
    pub only: Vec<String>,
    /// Run all stages but these
    #[arg(long, env = "PIPELINEX_SKIP", value_name = "STAGE", value_delimiter = ',')]
    #[arg(conflicts_with = "only")]
    pub skip: Vec<String>,
    /// Run the project's stack, and not the pipeline that the project brings itself
    #[arg(long, env = "PIPELINEX_WITHOUT_OWN_PIPELINE", value_parser = FalseyValueParser::new())]
    pub without_own_pipeline: bool,
    /// The file of the project's own pipeline, such as .gitlab-ci.yml [default: .pipelinex.yml]
    #[arg(long, env = "PIPELINEX_FILE", value_name = "FILE")]
    #[arg(conflicts_with = "without_own_pipeline")]
    pub file: Option<String>,
    /// Run databases beside the tests and beside the application while it is checked: postgresql, mysql (served by a MariaDB),
    /// mariadb, redis; several with commas; without a word postgresql
    #[arg(long, env = "PIPELINEX_REQUIRES_DB", value_name = "DATABASE", num_args = 0..=1, require_equals = true)]
    #[arg(default_missing_value = "postgresql", value_parser = values::databases)]
    pub requires_db: Option<Databases>,
    /// Which of several applications that are built is started: a module or a file [default: the one there is]
    #[arg(long, env = "PIPELINEX_APPLICATION", value_name = "NAME")]
    pub application: Option<String>,
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
    #[arg(conflicts_with_all = ["stack", "folder", "versions", "java", "build_tool", "only", "skip", "requires_db", "application", "project", "branch", "commit", "without_own_pipeline", "file"])]
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

/// A project that is looked at, and what is said about it.
#[derive(Args, Clone, Debug)]
pub struct DetectArgs {
    /// A folder, a ZIP file, or the https URL of a Git repository, which the server clones
    #[arg(value_name = "PATH|ZIP|URL", default_value = ".")]
    pub path: PathBuf,
    /// What kind of project it is [default: recognised by its files]
    #[arg(long, env = "PIPELINEX_STACK", value_name = "LANGUAGE/FRAMEWORK/TOOL", value_parser = values::stack)]
    pub stack: Option<Stack>,
    /// The folder of the project that would be built, `.` for its top [default: found by its files]
    #[arg(long, env = "PIPELINEX_FOLDER", value_name = "FOLDER")]
    pub folder: Option<String>,
    /// Versions to build with, such as node=24,npm=11 [default: those that the project asks for, else the stack's]
    #[arg(long, env = "PIPELINEX_VERSIONS", value_name = "TOOL=VERSION", value_delimiter = ',', value_parser = values::version)]
    pub versions: Vec<Option<(String, String)>>,
    /// Look at files of a folder that Git ignores, too
    #[arg(long, env = "PIPELINEX_INCLUDE_IGNORED", value_parser = FalseyValueParser::new())]
    pub include_ignored: bool,
    /// A folder of stacks, in place of those inside the program
    #[arg(long, env = "PIPELINEX_PIPELINES", value_name = "DIR")]
    pub pipelines: Option<PathBuf>,
    #[command(flatten)]
    pub intake: IntakeArgs,
    #[command(flatten)]
    pub server: ServerAddress,
}

impl DetectArgs {
    /// The URL, if it is one.
    pub fn url(&self) -> Option<&str> {
        self.path.to_str().filter(|text| text.contains("://"))
    }

    /// The request that the flags make.
    pub fn request(&self) -> JobRequest {
        JobRequest {
            stack: self.stack.clone().unwrap_or_default(),
            folder: self.folder.clone(),
            versions: self.versions.iter().flatten().cloned().collect(),
            ..JobRequest::default()
        }
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
