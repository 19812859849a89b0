//! The command line. Every flag is also a variable `PIPELINEX_<FLAG>` that names the same thing; a test holds us to it.

mod db;
mod formats;
mod hooks;
mod job_ref;
mod local;
mod projects;
mod runs;
mod secrets;
mod server;
mod submit;
mod token;
mod triggers;
mod values;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum, builder::FalseyValueParser};
use clap_complete::Shell;
use pipelinex_common::state::JobState;

pub use self::{
    db::DbCommand,
    formats::{FindingsFormat, ReportFormat, TestsFormat},
    hooks::HookCommand,
    job_ref::JobRef,
    local::{CheckFormat, InitArgs, LocalArgs, PlanFormat, RunArgs},
    projects::{ProjectCommand, ProjectPlace, ProjectWord},
    runs::RunsArgs,
    secrets::{SealedPlace, SecretCommand},
    server::{AuthMode, BackendArgs, CommonServerArgs, KeepArgs, LogFormat, WorkerArgs},
    submit::{DetectArgs, GitArgs, ProjectArgs},
    token::{AuditCommand, TokenCommand, TokenPlace},
    triggers::{ScheduleCommand, TriggerCommand},
};
use crate::exit::Exit;

/// Build, test and security checks for any project, in runner containers that trust nothing.
#[derive(Parser, Debug)]
#[command(name = "pipelinex", version = env!("PIPELINEX_VERSION"), after_help = Exit::table(), max_term_width = 110)]
#[command(arg_required_else_help = true)]
pub struct Cli {
    #[command(flatten)]
    pub global: GlobalArgs,
    #[command(subcommand)]
    pub command: Command,
}

/// Flags of every command.
#[derive(Args, Clone, Debug)]
pub struct GlobalArgs {
    /// Data as JSON on standard output; what goes on, as one JSON object a line
    #[arg(long, env = "PIPELINEX_JSON", global = true, value_parser = FalseyValueParser::new())]
    pub json: bool,
    /// Say nothing on standard error but errors
    #[arg(long, short, env = "PIPELINEX_QUIET", global = true, value_parser = FalseyValueParser::new())]
    pub quiet: bool,
    /// Certificates to trust besides the system's, as PEM; runner containers trust them, too
    #[arg(long, env = "PIPELINEX_CA_CERTS", value_name = "FILE", global = true)]
    pub ca_certs: Option<PathBuf>,
}

/// What to do.
#[derive(Subcommand, Debug)]
#[expect(clippy::large_enum_variant, reason = "there is one, and it is made once")]
pub enum Command {
    /// Run API and worker in one process
    Serve {
        #[command(flatten)]
        common: CommonServerArgs,
        #[command(flatten)]
        backend: BackendArgs,
        #[command(flatten)]
        worker: WorkerArgs,
    },
    /// Run the API alone; workers take its jobs through Redis
    Backend {
        #[command(flatten)]
        common: CommonServerArgs,
        #[command(flatten)]
        backend: BackendArgs,
    },
    /// Run a worker alone
    Worker {
        #[command(flatten)]
        common: CommonServerArgs,
        #[command(flatten)]
        worker: WorkerArgs,
    },
    /// Run a project's pipeline here, without a server: .pipelinex.yml where there is one, else what its stack does
    Run {
        #[command(flatten)]
        run: RunArgs,
    },
    /// Write a pipeline file that the project at hand can begin with; one that is there stays
    Init {
        #[command(flatten)]
        init: InitArgs,
    },
    /// Look for mistakes in pipeline files; each is told with its line
    Check {
        /// Pipeline files, or folders with a .pipelinex.yml
        #[arg(value_name = "FILE|DIR", default_value = ".")]
        paths: Vec<PathBuf>,
        /// How what was found is told
        #[arg(long, env = "PIPELINEX_FORMAT", value_enum, default_value_t)]
        format: CheckFormat,
    },
    /// Show what of a project's pipeline would run, in which order, and in which images
    Plan {
        #[command(flatten)]
        local: LocalArgs,
        /// How it is told
        #[arg(long, env = "PIPELINEX_FORMAT", value_enum, default_value_t)]
        format: PlanFormat,
    },
    /// Send a project, or have a Git repository cloned; prints the id of its job
    Submit {
        #[command(flatten)]
        project: ProjectArgs,
        #[command(flatten)]
        git: GitArgs,
        /// Follow the job to its end, and end with its exit code
        #[arg(long, short, env = "PIPELINEX_WAIT", value_parser = FalseyValueParser::new())]
        wait: bool,
    },
    /// Ask whether a project would be admitted; makes no job
    Precheck {
        #[command(flatten)]
        project: ProjectArgs,
    },
    /// Say what a project is taken for, by which of its files, and what would change that; asks no server but for a URL
    Detect {
        #[command(flatten)]
        project: DetectArgs,
        #[command(flatten)]
        git: GitArgs,
    },
    /// Show how a job stands
    Status {
        id: JobRef,
        /// Follow the job to its end, and end with its exit code
        #[arg(long, short, env = "PIPELINEX_WATCH", value_parser = FalseyValueParser::new())]
        watch: bool,
        #[command(flatten)]
        server: ServerAddress,
    },
    /// Cancel a job: one that waits is never started, one that runs is ended within seconds
    Cancel {
        id: JobRef,
        #[command(flatten)]
        server: ServerAddress,
    },
    /// Start a step that waits to be started by hand, or for its time
    Play {
        id: JobRef,
        /// The step, by its name or its slug
        step: String,
        #[command(flatten)]
        server: ServerAddress,
    },
    /// Make a job once more: a new one of the same source and request; prints its id
    Retry {
        id: JobRef,
        /// Run only what did not succeed; the other steps are taken over with their reports and artifacts
        #[arg(long, env = "PIPELINEX_FAILED", value_parser = FalseyValueParser::new())]
        failed: bool,
        /// Follow the new job to its end, and end with its exit code
        #[arg(long, short, env = "PIPELINEX_WAIT", value_parser = FalseyValueParser::new())]
        wait: bool,
        #[command(flatten)]
        server: ServerAddress,
    },
    /// Print the log of a stage, byte by byte; or of all stages, each line with its stage before it
    Logs {
        id: JobRef,
        /// BUILD, TEST ..., in any letter case
        stage: Option<String>,
        /// Only of this step, where the stage has several
        #[arg(long, env = "PIPELINEX_STEP", requires = "stage")]
        step: Option<String>,
        /// Of this try, where the step had several; else of the last
        #[arg(long = "try", env = "PIPELINEX_TRY", value_name = "N", requires = "stage", conflicts_with = "follow", value_parser = clap::value_parser!(u32).range(1..))]
        number: Option<u32>,
        /// Only of the stages that failed
        #[arg(long, env = "PIPELINEX_FAILED", conflicts_with_all = ["stage", "follow"], value_parser = FalseyValueParser::new())]
        failed: bool,
        /// Go on until the stage, or the job, has ended
        #[arg(long, short, env = "PIPELINEX_FOLLOW", value_parser = FalseyValueParser::new())]
        follow: bool,
        #[command(flatten)]
        server: ServerAddress,
    },
    /// List jobs, newest first
    List {
        /// Only jobs in this state
        #[arg(long, env = "PIPELINEX_STATE", value_enum, ignore_case = true)]
        state: Option<StateFilter>,
        /// Only jobs of this project
        #[arg(long, env = "PIPELINEX_PROJECT", value_name = "NAME")]
        project: Option<String>,
        /// Only jobs of this branch
        #[arg(long, env = "PIPELINEX_BRANCH", value_name = "NAME")]
        branch: Option<String>,
        /// At most so many
        #[arg(long, short = 'n', env = "PIPELINEX_LIMIT", value_name = "N", default_value_t = 20)]
        #[arg(value_parser = clap::value_parser!(u32).range(1..=1000))]
        limit: u32,
        #[command(flatten)]
        server: ServerAddress,
    },
    /// Save the reports of a job that has ended, as a ZIP file; prints its name
    Reports {
        id: JobRef,
        /// Where to, `-` for standard output (by default ID-reports.zip)
        #[arg(long, short, env = "PIPELINEX_OUTPUT", value_name = "FILE")]
        output: Option<PathBuf>,
        #[command(flatten)]
        server: ServerAddress,
    },
    /// Tell what became of a job in one piece: how it stands, the tests that failed, what was found; also as a page to mail or print
    #[command(
        after_help = "pipelinex report --pipeline shop --stage test   past runs of a pipeline or a project, the newest first"
    )]
    Report {
        /// The job; or --pipeline
        #[arg(required_unless_present = "pipeline")]
        id: Option<JobRef>,
        #[command(flatten)]
        runs: RunsArgs,
        /// How it is told
        #[arg(long, env = "PIPELINEX_FORMAT", value_enum, default_value_t)]
        format: ReportFormat,
        /// With --format html: where to, `-` for standard output
        #[arg(long, short, env = "PIPELINEX_OUTPUT", value_name = "FILE")]
        output: Option<PathBuf>,
        #[command(flatten)]
        server: ServerAddress,
    },
    /// List what the scanners of a job found, the worst first
    Findings {
        id: JobRef,
        /// Only those that the run before had not
        #[arg(long, env = "PIPELINEX_NEW", value_parser = FalseyValueParser::new())]
        new: bool,
        /// The job to compare with [default: the last that ended of the same owner, project and branch]
        #[arg(long, env = "PIPELINEX_BASELINE", value_name = "ID")]
        baseline: Option<JobRef>,
        /// How they are told; the others are files for other programs, on standard output
        #[arg(long, env = "PIPELINEX_FORMAT", value_enum, default_value_t)]
        format: FindingsFormat,
        #[command(flatten)]
        server: ServerAddress,
    },
    /// Decide about a finding, for all jobs of its project: it is accepted, or is none; or list what was decided
    Accept {
        /// A job that has it
        id: JobRef,
        /// The finding, by its fingerprint or the beginning of it
        #[arg(required_unless_present = "list")]
        fingerprint: Option<String>,
        /// Why
        #[arg(long, env = "PIPELINEX_REASON", value_name = "TEXT", required_unless_present_any = ["list", "remove"])]
        reason: Option<String>,
        /// The last day on which it holds, in UTC, such as 2027-02-28 [default: until it is taken back]
        #[arg(long, env = "PIPELINEX_UNTIL", value_name = "DAY", conflicts_with_all = ["list", "remove"])]
        until: Option<jiff::civil::Date>,
        /// It is no fault at all
        #[arg(long, env = "PIPELINEX_FALSE_POSITIVE", value_parser = FalseyValueParser::new())]
        false_positive: bool,
        /// Take back what was decided
        #[arg(long, env = "PIPELINEX_REMOVE", value_parser = FalseyValueParser::new())]
        remove: bool,
        /// Show what was decided about findings of the job's project
        #[arg(long, env = "PIPELINEX_LIST", value_parser = FalseyValueParser::new())]
        list: bool,
        /// Decide in this folder, where jobs live, and ask no server: for one that runs without accounts
        #[arg(long, env = "PIPELINEX_WORKSPACES", value_name = "DIR")]
        workspaces: Option<PathBuf>,
        #[command(flatten)]
        server: ServerAddress,
    },
    /// List the tests of a job, those that failed first with what they say
    Tests {
        id: JobRef,
        /// Only those that failed
        #[arg(long, env = "PIPELINEX_FAILED", value_parser = FalseyValueParser::new())]
        failed: bool,
        /// Only those with this text in a name, a file or a message
        #[arg(long, short = 't', env = "PIPELINEX_TEXT", value_name = "TEXT")]
        text: Option<String>,
        /// How they are told; JUnit is a file for other programs, on standard output
        #[arg(long, env = "PIPELINEX_FORMAT", value_enum, default_value_t)]
        format: TestsFormat,
        #[command(flatten)]
        server: ServerAddress,
    },
    /// List what the steps of a job made, such as the jar; with --to, save it
    Artifacts {
        id: JobRef,
        /// A folder to save all of it in, below one folder for each step; prints the names
        #[arg(long, env = "PIPELINEX_TO", value_name = "DIR")]
        to: Option<PathBuf>,
        #[command(flatten)]
        server: ServerAddress,
    },
    /// The database of advisories that SCA goes by: import, update, info
    #[command(subcommand)]
    Db(DbCommand),
    /// Who may use a server that runs with --auth token: create, list, revoke
    #[command(subcommand)]
    Token(TokenCommand),
    /// What steps of a project are given and nobody else sees: key, set, list, rm
    #[command(subcommand)]
    Secret(SecretCommand),
    /// Who is in a project, what it asks of its jobs and whom it tells of them: create, list, set, members, rm, hook, trigger, schedule
    #[command(subcommand)]
    Project(ProjectWord),
    /// Who did what to which job from where, and who was refused: tail
    #[command(subcommand)]
    Audit(AuditCommand),
    /// Keep a token for a server: it is read from standard input, and tried first
    Login {
        #[command(flatten)]
        server: ServerAddress,
    },
    /// Forget the token that was kept for a server
    Logout {
        #[command(flatten)]
        server: ServerAddress,
    },
    /// Show who a server takes us for
    Whoami {
        #[command(flatten)]
        server: ServerAddress,
    },
    /// Look at what a server needs here: each line is ok, or says what to do
    Doctor {
        #[command(flatten)]
        common: CommonServerArgs,
        #[command(flatten)]
        worker: WorkerArgs,
        #[command(flatten)]
        server: ServerAddress,
    },
    /// Remove what is left of nothing that lives, and old jobs as far as --keep-* says so. Workers do it by themselves
    Gc {
        /// Only say what would be removed
        #[arg(long, env = "PIPELINEX_DRY_RUN", value_parser = FalseyValueParser::new())]
        dry_run: bool,
        #[command(flatten)]
        keep: KeepArgs,
        /// The folder where jobs live, as the server names it
        #[arg(long, env = "PIPELINEX_WORKSPACES", value_name = "DIR")]
        workspaces: Option<PathBuf>,
        /// The engine [default: DOCKER_HOST, else its usual socket]
        #[arg(long, env = "PIPELINEX_DOCKER_HOST", value_name = "ADDR")]
        docker_host: Option<String>,
    },
    /// Ask whether a server, or a worker, is well: for health checks of containers and services
    Health {
        /// The file that the worker writes after each pass; without it the server is asked
        #[arg(long, env = "PIPELINEX_HEALTH_FILE", value_name = "FILE")]
        health_file: Option<PathBuf>,
        #[command(flatten)]
        server: ServerAddress,
    },
    /// Print the version of this program
    Version,
    /// Print the JSON Schema of pipeline files, for editors
    Schema,
    /// Print a completion script for a shell
    Completions { shell: Shell },
    /// Clone one repository as the server orders on standard input; the server runs this
    #[command(hide = true)]
    GitClone,
    /// Handle one job as the worker orders on standard input; the worker runs this when other processes died over that job
    #[command(hide = true)]
    HandleJob {
        /// How the log on standard error is written
        #[arg(long, env = "PIPELINEX_LOG_FORMAT", value_enum, default_value_t)]
        log_format: LogFormat,
    },
}

/// Which server a client talks to.
#[derive(Args, Clone, Debug)]
pub struct ServerAddress {
    /// The server to talk to
    #[arg(long = "server", env = "PIPELINEX_SERVER", value_name = "URL", default_value = "http://127.0.0.1:8000")]
    #[arg(value_parser = values::server)]
    pub url: String,
}

/// A job state as a flag.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
#[allow(missing_docs, reason = "the states are documented where they are defined")]
pub enum StateFilter {
    Queued,
    Running,
    Succeeded,
    Failed,
    Canceled,
}

impl From<StateFilter> for JobState {
    fn from(filter: StateFilter) -> Self {
        match filter {
            StateFilter::Queued => Self::Queued,
            StateFilter::Running => Self::Running,
            StateFilter::Succeeded => Self::Succeeded,
            StateFilter::Failed => Self::Failed,
            StateFilter::Canceled => Self::Canceled,
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn clap_finds_no_mistake() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_flag_is_also_a_variable_of_the_same_name() {
        let mut command = Cli::command();
        command.build();
        let subcommands: Vec<_> =
            command.get_subcommands().flat_map(|sub| sub.get_subcommands().chain([sub])).collect();
        assert!(subcommands.len() >= 17);
        for sub in subcommands {
            for arg in sub.get_arguments() {
                let Some(long) = arg.get_long().filter(|long| !["help", "version"].contains(long)) else { continue };
                let expected = format!("PIPELINEX_{}", long.to_uppercase().replace('-', "_"));
                let found = arg.get_env().and_then(|name| name.to_str());
                assert_eq!(found, Some(expected.as_str()), "--{long} of {}", sub.get_name());
            }
        }
    }

    #[test]
    fn an_address_of_redis_is_in_no_text() {
        let parse = |args: &[&str]| Cli::try_parse_from(args);
        let cli = parse(&["pipelinex", "worker", "--redis-url", "redis://:s3cret@h"]).unwrap();
        assert!(!format!("{cli:?}").contains("s3cret"));
        let error = parse(&["pipelinex", "worker", "--redis-url", "redis://:s3cret@h", "--pids", "x"]).unwrap_err();
        assert!(!error.to_string().contains("s3cret"));
    }
}
