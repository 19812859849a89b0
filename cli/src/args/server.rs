//! Flags of what runs as a server. Each names the same thing in `serve`, `backend` and `worker`.

use std::{fmt, net::SocketAddr, path::PathBuf, time::Duration};

use clap::{Args, ValueEnum, builder::FalseyValueParser};
use pipelinex_backend::{
    access::Auth,
    client::Network,
    intake::git::{GitProxy, Host, InvalidProxy},
};
use pipelinex_common::{
    database::DatabaseConfig,
    limits::{CacheLimits, IntakeLimits, StepLimits},
    pipeline::own::OwnRules,
    policy::{AllowUnread, FailOn, Policy},
    stage::Switch,
    store::Keep,
};
use secrecy::{ExposeSecret, SecretString};

use super::values::{self, GitHost};

/// What `serve`, `backend`, `worker` and `doctor` share.
#[derive(Args, Clone, Debug)]
pub struct CommonServerArgs {
    /// Where jobs live [default: /workspaces where it can be written, else pipelinex/workspaces in the user's data folder]
    #[arg(long, env = "PIPELINEX_WORKSPACES", value_name = "DIR")]
    pub workspaces: Option<PathBuf>,
    /// Redis between backend and workers, such as redis://127.0.0.1:6379; without it the queue is inside the process.
    /// The variable keeps a password out of the list of processes
    #[arg(long, env = "PIPELINEX_REDIS_URL", value_name = "URL", hide_env_values = true, value_parser = values::secret)]
    pub redis_url: Option<SecretString>,
    /// A folder of stacks, in place of those inside the program
    #[arg(long, env = "PIPELINEX_PIPELINES", value_name = "DIR")]
    pub pipelines: Option<PathBuf>,
    #[command(flatten)]
    pub policy: PolicyArgs,
    #[command(flatten)]
    pub database: DatabaseArgs,
    /// Space that must be free where jobs live for one more to be taken in, and files with it (20000 for 512MiB); below it
    /// the step that grows fastest is ended; 0 asks for none [default: 512MiB]
    #[arg(long, env = "PIPELINEX_MIN_FREE", value_name = "SIZE", value_parser = values::bytes_or_none)]
    pub min_free: Option<u64>,
    /// The key to the secrets of projects, as `pipelinex secret key` makes it; it lies outside of the folder where jobs live
    #[arg(long, env = "PIPELINEX_SECRETS_KEY", value_name = "FILE")]
    pub secrets_key: Option<PathBuf>,
    /// How the log on standard error is written; PIPELINEX_LOG or RUST_LOG says how much
    #[arg(long, env = "PIPELINEX_LOG_FORMAT", value_enum, default_value_t)]
    pub log_format: LogFormat,
}

impl CommonServerArgs {
    /// The address of Redis; an empty one is none, as compose files write it.
    pub fn redis_url(&self) -> Option<&SecretString> {
        self.redis_url.as_ref().filter(|url| !url.expose_secret().is_empty())
    }
}

/// What no project can switch off.
#[derive(Args, Clone, Debug)]
pub struct PolicyArgs {
    /// From which severity on a finding fails its stage: none, low, medium, high or critical
    #[arg(long, env = "PIPELINEX_FAIL_ON", value_name = "SEVERITY", default_value = "none", value_parser = values::fail_on)]
    pub fail_on: FailOn,
    /// The same of findings that the last run that passed, of the same owner, project and branch, had not
    #[arg(long, env = "PIPELINEX_FAIL_ON_NEW", value_name = "SEVERITY", default_value = "none", value_parser = values::fail_on)]
    pub fail_on_new: FailOn,
    /// Let findings pass that somebody accepted (`pipelinex accept`); without it they are told apart and count all the same
    #[arg(long, env = "PIPELINEX_PASS_ACCEPTED", value_parser = FalseyValueParser::new())]
    pub pass_accepted: bool,
    /// Stages that every job runs, and that fail it where they cannot, such as sast,sca
    #[arg(long, env = "PIPELINEX_REQUIRE", value_name = "STAGE", value_delimiter = ',', value_parser = values::stage)]
    pub require: Vec<Option<Switch>>,
    /// Files that a required scan may leave unread, as patterns such as legacy/**,**/*.kt; each result says which were
    #[arg(long, env = "PIPELINEX_ALLOW_UNREAD", value_name = "GLOB", value_delimiter = ',', value_parser = values::allow_unread)]
    pub allow_unread: Vec<AllowUnread>,
    /// Let a step succeed whose script forgives failing tests (maven.test.failure.ignore); without it a failed test in a JUnit
    /// report fails its step
    #[arg(long, env = "PIPELINEX_ALLOW_FAILING_TESTS", value_parser = FalseyValueParser::new())]
    pub allow_failing_tests: bool,
    /// Whose projects may bring a pipeline of their own in .pipelinex.yml: none or all. Its steps are code of the project's, as a
    /// build is
    #[arg(long, env = "PIPELINEX_OWN_PIPELINES", value_name = "WHOSE", value_enum, default_value_t)]
    pub own_pipelines: OwnPipelines,
    /// What steps of such pipelines reach: egress (as a build does) or none
    #[arg(long, env = "PIPELINEX_OWN_NETWORK", value_name = "NETWORK", value_enum, default_value_t)]
    pub own_network: OwnNetwork,
}

/// Whose projects may bring a pipeline of their own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum OwnPipelines {
    /// Nobody's.
    #[default]
    None,
    /// Everybody's who may submit.
    All,
}

/// What steps of such pipelines reach.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum OwnNetwork {
    /// The outside, over a bridge of the step's own.
    #[default]
    Egress,
    /// Nothing.
    None,
}

impl PolicyArgs {
    /// The rules.
    pub fn policy(&self) -> Policy {
        Policy {
            fail_on: self.fail_on,
            fail_on_new: self.fail_on_new,
            pass_accepted: self.pass_accepted,
            require: self.require.iter().flatten().cloned().collect(),
            allow_unread: self.allow_unread.iter().cloned().collect(),
            allow_failing_tests: self.allow_failing_tests,
            own: OwnRules {
                pipelines: self.own_pipelines == OwnPipelines::All,
                network: self.own_network == OwnNetwork::Egress,
            },
            ..Policy::default()
        }
    }
}

/// The database that projects may ask for with requires_db.
#[derive(Args, Clone, Debug)]
pub struct DatabaseArgs {
    /// Name of the database [default: app_db]
    #[arg(long, env = "PIPELINEX_DATABASE_NAME", value_name = "NAME")]
    pub database_name: Option<String>,
    /// User that owns it [default: postgres]
    #[arg(long, env = "PIPELINEX_DATABASE_USER", value_name = "NAME")]
    pub database_user: Option<String>,
    /// The user's password, known to the job's containers alone [default: postgres]
    #[arg(long, env = "PIPELINEX_DATABASE_PASSWORD", value_name = "TEXT", hide_env_values = true)]
    pub database_password: Option<String>,
    /// Port it listens on [default: 5432]
    #[arg(long, env = "PIPELINEX_DATABASE_PORT", value_name = "PORT", value_parser = clap::value_parser!(u16).range(1..))]
    pub database_port: Option<u16>,
}

impl DatabaseArgs {
    /// The database, defaults filled in.
    pub fn config(&self) -> DatabaseConfig {
        let default = DatabaseConfig::default();
        // An empty variable is none, as compose files write it.
        let given = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
        DatabaseConfig {
            name: given(&self.database_name).unwrap_or(default.name),
            user: given(&self.database_user).unwrap_or(default.user),
            password: given(&self.database_password).unwrap_or(default.password),
            port: self.database_port.unwrap_or(default.port),
        }
    }
}

/// Whether a server has accounts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum AuthMode {
    /// Whoever reaches it may do everything.
    #[default]
    None,
    /// Each request has a token.
    Token,
}

impl From<AuthMode> for Auth {
    fn from(mode: AuthMode) -> Self {
        match mode {
            AuthMode::None => Self::None,
            AuthMode::Token => Self::Token,
        }
    }
}

/// How a server writes its log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line, for machines.
    Json,
}

impl fmt::Display for LogFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Text => "text",
            Self::Json => "json",
        })
    }
}

/// Flags of the HTTP side.
#[derive(Args, Clone, Debug)]
pub struct BackendArgs {
    /// Address and port to listen on
    #[arg(long, env = "PIPELINEX_LISTEN", value_name = "ADDR", default_value = "127.0.0.1:8000")]
    pub listen: SocketAddr,
    /// Who may use the server: none asks nobody, and listens on the loopback alone; token asks for one of `pipelinex token create`
    #[arg(long, env = "PIPELINEX_AUTH", value_enum, default_value_t)]
    pub auth: AuthMode,
    /// Without accounts, listen elsewhere than on the loopback too: whoever reaches the port may do everything
    #[arg(long, env = "PIPELINEX_OPEN_TO_NETWORK", value_parser = FalseyValueParser::new())]
    pub open_to_network: bool,
    /// Names under which browsers and clients may address the server, besides the loopback and the address it listens on
    #[arg(long, env = "PIPELINEX_ALLOWED_HOSTS", value_name = "HOST", value_delimiter = ',')]
    pub allowed_hosts: Vec<String>,
    /// Origins of web pages that may call the API, such as http://localhost:4200
    #[arg(long, env = "PIPELINEX_ALLOWED_ORIGINS", value_name = "ORIGIN", value_delimiter = ',')]
    pub allowed_origins: Vec<String>,
    /// Networks of the proxies in front of the server, such as 127.0.0.1,10.0.0.0/8: they are believed when X-Forwarded-For or
    /// Forwarded says for whom they ask, and whether over TLS
    #[arg(long, env = "PIPELINEX_TRUSTED_PROXIES", value_name = "CIDR", value_delimiter = ',')]
    #[arg(value_parser = values::network)]
    pub trusted_proxies: Vec<Option<Network>>,
    /// A PEM file with the server's certificate and those above it: it then speaks TLS, and nothing else. Read again when it changes
    #[arg(long, env = "PIPELINEX_TLS_CERT", value_name = "FILE", requires = "tls_key")]
    pub tls_cert: Option<PathBuf>,
    /// The PEM file with the key of that certificate
    #[arg(long, env = "PIPELINEX_TLS_KEY", value_name = "FILE", requires = "tls_cert")]
    pub tls_key: Option<PathBuf>,
    /// Networks besides the public Internet that webhooks of projects may be sent to, such as 10.0.7.0/24
    #[arg(long, env = "PIPELINEX_ALLOW_HOOK_ADDRESS", value_name = "CIDR", value_delimiter = ',')]
    #[arg(value_parser = values::network)]
    pub allow_hook_address: Vec<Option<Network>>,
    /// Where people find this server, such as `https://ci.example`: messages of webhooks then have a link
    #[arg(long, env = "PIPELINEX_PUBLIC_URL", value_name = "URL", value_parser = values::public_url)]
    pub public_url: Option<String>,
    /// Folders of this machine of which somebody may submit those below by their path (`isLocal` of /api/pipeline/execute)
    #[arg(long = "local-root", env = "PIPELINEX_LOCAL_ROOT", value_name = "DIR", value_delimiter = ',')]
    pub local_root: Vec<PathBuf>,
    #[command(flatten)]
    pub intake: IntakeArgs,
    #[command(flatten)]
    pub git: GitServerArgs,
}

/// Where clones come from, and what one may take.
#[derive(Args, Clone, Debug)]
pub struct GitServerArgs {
    /// Hosts from which may be cloned, over https, such as github.com,git.example.org:8443
    #[arg(long, env = "PIPELINEX_GIT_HOSTS", value_name = "HOST", value_delimiter = ',', default_value = "github.com")]
    #[arg(value_parser = values::git_host)]
    pub git_hosts: Vec<GitHost>,
    /// A folder of secrets for private repositories: requests name a file, which holds https://USER:TOKEN@HOST, or the token
    /// alone where a single host is allowed. With --auth token `pipelinex secret set NAME --for git:HOST` keeps one for a project
    #[arg(long, env = "PIPELINEX_GIT_TOKENS", value_name = "DIR")]
    pub git_tokens: Option<PathBuf>,
    /// The proxy that clones go through, such as `http://proxy.example:3128`; HTTPS_PROXY is not looked at. The variable keeps a
    /// password out of the list of processes
    #[arg(long, env = "PIPELINEX_GIT_PROXY", value_name = "URL", hide_env_values = true, value_parser = values::secret)]
    pub git_proxy: Option<SecretString>,
    /// Those of the hosts that are reached without the proxy
    #[arg(long, env = "PIPELINEX_GIT_NO_PROXY", value_name = "HOST", value_delimiter = ',')]
    #[arg(value_parser = values::git_host)]
    pub git_no_proxy: Vec<GitHost>,
    /// The longest that one clone may take [default: 60s]
    #[arg(long, env = "PIPELINEX_CLONE_TIMEOUT", value_name = "TIME", value_parser = values::duration)]
    pub clone_timeout: Option<Duration>,
    /// The most that a host may send for one clone [default: 200MiB]
    #[arg(long, env = "PIPELINEX_CLONE_LIMIT", value_name = "SIZE", value_parser = values::bytes)]
    pub clone_limit: Option<u64>,
    /// The most objects of one clone [default: 200000]
    #[arg(long, env = "PIPELINEX_CLONE_OBJECT_LIMIT", value_name = "N")]
    pub clone_object_limit: Option<u64>,
}

impl GitServerArgs {
    /// Puts the limits of a clone to those of every intake.
    pub fn limits(&self, intake: IntakeLimits) -> IntakeLimits {
        IntakeLimits {
            clone_seconds: self.clone_timeout.map_or(intake.clone_seconds, |time| time.as_secs()),
            clone_bytes: self.clone_limit.unwrap_or(intake.clone_bytes),
            clone_objects: self.clone_object_limit.unwrap_or(intake.clone_objects),
            ..intake
        }
    }

    /// The hosts; an empty list, as compose files write it, allows none.
    pub fn hosts(&self) -> Vec<Host> {
        given(&self.git_hosts)
    }

    /// The proxy, if any; an empty one is none, as compose files write it.
    pub fn proxy(&self) -> Result<Option<GitProxy>, InvalidProxy> {
        let named = self.git_proxy.as_ref().filter(|url| !url.expose_secret().is_empty());
        named.map(|url| GitProxy::new(url, given(&self.git_no_proxy))).transpose()
    }
}

fn given(hosts: &[GitHost]) -> Vec<Host> {
    hosts.iter().filter_map(|host| host.0.clone()).collect()
}

/// Limits of what is taken in; the client checks the same ones before it sends.
#[derive(Args, Clone, Debug)]
pub struct IntakeArgs {
    /// The largest upload [default: 50MiB]
    #[arg(long, env = "PIPELINEX_UPLOAD_LIMIT", value_name = "SIZE", value_parser = values::bytes)]
    pub upload_limit: Option<u64>,
    /// The largest project when unpacked [default: 200MiB]
    #[arg(long, env = "PIPELINEX_UNPACKED_LIMIT", value_name = "SIZE", value_parser = values::bytes)]
    pub unpacked_limit: Option<u64>,
    /// The most files and folders of a project [default: 10000]
    #[arg(long, env = "PIPELINEX_FILE_LIMIT", value_name = "N")]
    pub file_limit: Option<u64>,
    /// The deepest path of a project, in components [default: 25]
    #[arg(long, env = "PIPELINEX_DEPTH_LIMIT", value_name = "N")]
    pub depth_limit: Option<u32>,
}

impl IntakeArgs {
    /// The limits, defaults filled in.
    pub fn limits(&self) -> IntakeLimits {
        let default = IntakeLimits::default();
        IntakeLimits {
            upload_bytes: self.upload_limit.unwrap_or(default.upload_bytes),
            unpacked_bytes: self.unpacked_limit.unwrap_or(default.unpacked_bytes),
            files: self.file_limit.unwrap_or(default.files),
            depth: self.depth_limit.unwrap_or(default.depth),
            ..default
        }
    }
}

/// Flags of the side that runs jobs.
#[derive(Args, Clone, Debug)]
pub struct WorkerArgs {
    /// How many jobs run at the same time
    #[arg(long, env = "PIPELINEX_PARALLEL", value_name = "N", default_value_t = 2)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub parallel: u32,
    /// How many steps run at the same time, over all jobs
    #[arg(long, env = "PIPELINEX_PARALLEL_STEPS", value_name = "N", default_value_t = 8)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub parallel_steps: u32,
    /// Attempts that a job has when its containers are lost
    #[arg(long, env = "PIPELINEX_ATTEMPTS", value_name = "N", default_value_t = 3)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=100))]
    pub attempts: u32,
    /// The longest that one job may run, all its attempts together [default: 60m]
    #[arg(long, env = "PIPELINEX_JOB_TIMEOUT", value_name = "TIME", value_parser = values::duration)]
    pub job_timeout: Option<Duration>,
    /// How long a step that is started by hand, and that others wait for, waits for somebody who does [default: 7d]
    #[arg(long, env = "PIPELINEX_MANUAL_TIMEOUT", value_name = "TIME", value_parser = values::lifetime)]
    pub manual_timeout: Option<Duration>,
    /// When asked to stop, finish the jobs that run first and take no others; a second signal leaves them to the next worker
    #[arg(long, env = "PIPELINEX_DRAIN", value_parser = FalseyValueParser::new())]
    pub drain: bool,
    /// Pause between two looks over all folders for work that no message told of
    #[arg(long, env = "PIPELINEX_RECONCILE_EVERY", value_name = "TIME", default_value = "5s", value_parser = values::duration)]
    pub reconcile_every: Duration,
    /// Runner images in place of the built-in ones, as NAME=REFERENCE
    #[arg(long, env = "PIPELINEX_IMAGES", value_name = "NAME=REF", value_delimiter = ',', value_parser = values::image)]
    pub images: Vec<(String, String)>,
    /// Runner images that projects may name besides the built-in ones, as patterns
    #[arg(long, env = "PIPELINEX_ALLOWED_IMAGES", value_name = "PATTERN", value_delimiter = ',')]
    pub allowed_images: Vec<String>,
    /// Files that the tools of every build read, as NAME=PATH: maven/settings.xml, npm/npmrc, pip/pip.conf, uv/uv.toml, go/env,
    /// cargo/config.toml, proxy/env; refused with a secret inside
    #[arg(long = "stack-file", env = "PIPELINEX_STACK_FILE", value_name = "NAME=PATH", value_delimiter = ',', value_parser = values::stack_file)]
    pub stack_files: Vec<(String, PathBuf)>,
    /// The engine [default: DOCKER_HOST, else its usual socket]
    #[arg(long, env = "PIPELINEX_DOCKER_HOST", value_name = "ADDR")]
    pub docker_host: Option<String>,
    /// The workspaces folder as the engine's host sees it [default: found out]
    #[arg(long, env = "PIPELINEX_ENGINE_WORKSPACES", value_name = "DIR")]
    pub engine_workspaces: Option<PathBuf>,
    /// A file to write after each pass over the folders; `pipelinex health` looks at it
    #[arg(long, env = "PIPELINEX_HEALTH_FILE", value_name = "FILE")]
    pub health_file: Option<PathBuf>,
    /// Copy a project for its steps even where the engine can overlay it
    #[arg(long, env = "PIPELINEX_COPY_TREES", value_parser = FalseyValueParser::new())]
    pub copy_trees: bool,
    /// Memory of one step, without swap [default: 4GiB]
    #[arg(long, env = "PIPELINEX_MEMORY", value_name = "SIZE", value_parser = values::bytes)]
    pub memory: Option<u64>,
    /// Cores of one step [default: 2]
    #[arg(long, env = "PIPELINEX_CPUS", value_name = "CORES", value_parser = values::milli_cpus)]
    pub cpus: Option<u64>,
    /// Processes and threads of one step [default: 512]
    #[arg(long, env = "PIPELINEX_PIDS", value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub pids: Option<u64>,
    /// The longest that one step may run [default: 15m]
    #[arg(long, env = "PIPELINEX_STEP_TIMEOUT", value_name = "TIME", value_parser = values::duration)]
    pub step_timeout: Option<Duration>,
    /// Log of one step that is stored; at four times that the step is ended [default: 64MiB]
    #[arg(long, env = "PIPELINEX_LOG_LIMIT", value_name = "SIZE", value_parser = values::bytes)]
    pub log_limit: Option<u64>,
    /// Size of /tmp in a step; it counts as memory [default: 512MiB]
    #[arg(long, env = "PIPELINEX_TMP", value_name = "SIZE", value_parser = values::bytes)]
    pub tmp: Option<u64>,
    /// What one step may write on the disk; beyond that it is ended [default: 10GiB]
    #[arg(long, env = "PIPELINEX_STEP_DISK", value_name = "SIZE", value_parser = values::bytes)]
    pub step_disk: Option<u64>,
    /// Files and folders that one step may make on the disk; beyond that it is ended [default: 200000]
    #[arg(long, env = "PIPELINEX_STEP_FILES", value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub step_files: Option<u64>,
    #[command(flatten)]
    pub keep: KeepArgs,
}

/// What is cleared up, and how much of what has ended is kept.
#[derive(Args, Clone, Debug)]
pub struct KeepArgs {
    /// Remove jobs that ended more than so many days ago [default: keep them]
    #[arg(long, env = "PIPELINEX_KEEP_DAYS", value_name = "DAYS", value_parser = clap::value_parser!(u32).range(1..))]
    pub keep_days: Option<u32>,
    /// Of the jobs that have ended, keep the latest so many [default: all]
    #[arg(long, env = "PIPELINEX_KEEP_JOBS", value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub keep_jobs: Option<u32>,
    /// Of the jobs that have ended, keep the latest that take no more room than this [default: all]
    #[arg(long, env = "PIPELINEX_KEEP_BYTES", value_name = "SIZE", value_parser = values::bytes)]
    pub keep_bytes: Option<u64>,
    /// How old something of ours on the engine or aside must be before it is removed, where no end of its job says so
    #[arg(long, env = "PIPELINEX_GRACE", value_name = "TIME", default_value = "1h", value_parser = values::duration)]
    pub grace: Duration,
    #[command(flatten)]
    pub caches: CacheArgs,
}

/// How much of caches is kept.
#[derive(Args, Clone, Debug)]
pub struct CacheArgs {
    /// What the caches of all projects may take on the disk; those that were read last stay [default: 10GiB]
    #[arg(long, env = "PIPELINEX_CACHE_SIZE", value_name = "SIZE", value_parser = values::bytes)]
    pub cache_size: Option<u64>,
    /// Remove caches that nobody has read for this long [default: 14d]
    #[arg(long, env = "PIPELINEX_CACHE_AGE", value_name = "TIME", value_parser = values::lifetime)]
    pub cache_age: Option<Duration>,
}

impl CacheArgs {
    /// The limits, defaults filled in.
    pub fn limits(&self) -> CacheLimits {
        let default = CacheLimits::default();
        CacheLimits {
            bytes: self.cache_size.unwrap_or(default.bytes),
            unread_seconds: self.cache_age.map_or(default.unread_seconds, |age| age.as_secs()),
        }
    }
}

impl KeepArgs {
    /// What is kept.
    pub fn keep(&self) -> Keep {
        Keep {
            age: self.keep_days.map(|days| Duration::from_secs(u64::from(days) * 24 * 60 * 60)),
            jobs: self.keep_jobs.map(|jobs| jobs as usize),
            bytes: self.keep_bytes,
        }
    }
}

impl WorkerArgs {
    /// The limits of a step, defaults filled in.
    pub fn limits(&self) -> StepLimits {
        let default = StepLimits::default();
        let stored = self.log_limit.unwrap_or(default.log_stored_bytes);
        StepLimits {
            memory_bytes: self.memory.unwrap_or(default.memory_bytes),
            milli_cpus: self.cpus.unwrap_or(default.milli_cpus),
            pids: self.pids.unwrap_or(default.pids),
            timeout_seconds: self.step_timeout.map_or(default.timeout_seconds, |time| time.as_secs()),
            log_stored_bytes: stored,
            log_raw_bytes: stored.saturating_mul(4),
            tmp_bytes: self.tmp.unwrap_or(default.tmp_bytes),
            disk_bytes: self.step_disk.unwrap_or(default.disk_bytes),
            disk_files: self.step_files.unwrap_or(default.disk_files),
            ..default
        }
    }
}
