//! From flags to the configuration of each side: here and nowhere else, so that a flag that does nothing is easy to see.

use std::{
    env,
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::Context;
use pipelinex_backend::{
    client::TrustedProxies,
    config::{Config, GitConfig, HooksConfig},
    http::tls::Tls,
    stacks::Stacks,
};
use pipelinex_common::{
    database::DatabaseConfig,
    free_space::Watermark,
    id::InstanceId,
    policy::Policy,
    queue::{self, Doorbell, JobBackend, RedisConfig},
    secrets::SecretKey,
    store::Store,
};
use pipelinex_worker::config::WorkerConfig;
use rustix::fs::{Access, access};
use secrecy::SecretString;

use crate::{
    args::{AuthMode, BackendArgs, CommonServerArgs, LogFormat, WorkerArgs},
    failure::Failure,
};

/// What both sides share, places found.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where jobs live.
    pub workspaces: PathBuf,
    /// A folder of stacks; `None`: those inside the program.
    pub pipelines: Option<PathBuf>,
    /// Redis, if any.
    pub redis_url: Option<SecretString>,
    /// Certificates to trust besides the public ones.
    pub ca_certs: Option<PathBuf>,
    /// What no project can switch off.
    pub policy: Policy,
    /// The database that projects may ask for.
    pub database: DatabaseConfig,
    /// What must be free where jobs live for one more to be taken in.
    pub min_free: Watermark,
    /// The key to the secrets of projects.
    pub secrets_key: Option<SecretKey>,
    /// How the log is written.
    pub log_format: LogFormat,
}

impl Settings {
    /// Finds the places that the flags leave open.
    pub fn new(common: &CommonServerArgs, ca_certs: Option<&Path>) -> Result<Self, Failure> {
        let workspaces = workspaces(common.workspaces.as_deref())?;
        let key = common.secrets_key.as_deref().map(|path| SecretKey::open(path, &workspaces));
        Ok(Self {
            secrets_key: key.transpose().map_err(|error| Failure::usage(format!("--secrets-key: {error}")))?,
            workspaces,
            pipelines: common.pipelines.clone(),
            redis_url: common.redis_url().cloned(),
            ca_certs: ca_certs.map(Path::to_owned),
            policy: common.policy.policy(),
            database: common.database.config(),
            min_free: common.min_free.map_or_else(Watermark::default, Watermark::of_bytes),
            log_format: common.log_format,
        })
    }

    /// Opens the workspaces folder, and makes what is missing of it.
    pub fn open_store(&self) -> Result<Store, Failure> {
        open_store(&self.workspaces)
    }

    /// Where Redis is, if anywhere.
    pub fn redis(&self, instance: &InstanceId) -> Result<Option<RedisConfig>, Failure> {
        let config = self.redis_url.as_ref().map(|url| RedisConfig::new(url, instance)).transpose();
        config.map_err(|error| Failure::usage(format!("PIPELINEX_REDIS_URL or --redis-url: {error}")))
    }

    /// Both ends of the queue: over Redis, or inside the process. Needs a tokio runtime.
    pub fn queue(&self, instance: &InstanceId) -> Result<(Doorbell, JobBackend), Failure> {
        Ok(match self.redis(instance)? {
            Some(config) => (Doorbell::redis(config.clone()), JobBackend::redis(config)),
            None => queue::in_process(),
        })
    }

    /// The backend's end alone: it must take no bell away from a worker.
    pub fn doorbell(&self, instance: &InstanceId) -> Result<Doorbell, Failure> {
        Ok(self.redis(instance)?.map_or_else(|| queue::in_process().0, Doorbell::redis))
    }

    /// The worker's end alone.
    pub fn bells(&self, instance: &InstanceId) -> Result<JobBackend, Failure> {
        Ok(self.redis(instance)?.map_or_else(|| queue::in_process().1, JobBackend::redis))
    }

    /// What the HTTP side goes by.
    pub fn backend(&self, args: &BackendArgs) -> Result<Config, Failure> {
        // An empty one is none, as compose files write it.
        let given = |names: &[String]| names.iter().filter(|name| !name.is_empty()).cloned().collect::<Vec<_>>();
        let mut allowed_hosts = given(&args.allowed_hosts);
        if !args.listen.ip().is_unspecified() {
            allowed_hosts.push(args.listen.ip().to_string());
        }
        check_open(args)?;
        let proxy = args.git.proxy();
        let proxy = proxy.map_err(|error| Failure::usage(format!("PIPELINEX_GIT_PROXY or --git-proxy: {error}")))?;
        Ok(Config {
            auth: args.auth.into(),
            intake: args.git.limits(args.intake.limits()),
            allowed_hosts,
            allowed_origins: given(&args.allowed_origins),
            trusted_proxies: TrustedProxies(args.trusted_proxies.iter().copied().flatten().collect()),
            tls: tls(args)?,
            policy: self.policy.clone(),
            database: self.database.clone(),
            min_free: self.min_free.clone(),
            git: GitConfig {
                hosts: args.git.hosts(),
                tokens: args.git.git_tokens.clone(),
                secrets_key: self.secrets_key.clone(),
                ca_certs: self.ca_certs.clone(),
                proxy,
                ..GitConfig::default()
            },
            local_roots: local_roots(&args.local_root)?,
            hooks: HooksConfig {
                allowed_addresses: args.allow_hook_address.iter().copied().flatten().collect(),
                public_url: args.public_url.clone().filter(|url| !url.is_empty()),
                ..HooksConfig::default()
            },
            ..Config::default()
        })
    }

    /// What the worker goes by.
    pub fn worker(&self, args: &WorkerArgs) -> Result<WorkerConfig, Failure> {
        let default = WorkerConfig::default();
        let stacks = Stacks::load(self.pipelines.as_deref()).context("the worker cannot start");
        let mut images = default.images.clone();
        images.extend(stacks.map_err(Failure::Server)?.images().clone());
        images.extend(args.images.iter().cloned());
        Ok(WorkerConfig {
            parallel: args.parallel as usize,
            parallel_steps: args.parallel_steps as usize,
            images,
            allowed_images: args.allowed_images.clone(),
            limits: args.limits(),
            policy: self.policy.clone(),
            database: self.database.clone(),
            job_timeout: args.job_timeout.unwrap_or(default.job_timeout),
            manual_timeout: args.manual_timeout.unwrap_or(default.manual_timeout),
            attempt_budget: args.attempts,
            reconcile_every: args.reconcile_every,
            ca_certs: self.ca_certs.clone(),
            secrets_key: self.secrets_key.as_ref().map(|key| key.path().to_owned()),
            named_secrets: Vec::new(),
            stack_files: checked(&args.stack_files)?,
            docker_host: args.docker_host.clone(),
            engine_workspaces: args.engine_workspaces.clone(),
            copy_trees: args.copy_trees,
            health_file: args.health_file.clone(),
            apart: default
                .apart
                .iter()
                .cloned()
                .chain(["--log-format".to_owned(), self.log_format.to_string()])
                .collect(),
            min_free: self.min_free.clone(),
            leftover_grace: args.keep.grace,
            keep: args.keep.keep(),
            caches: args.keep.caches.limits(),
            caches_of_anonymous: false,
        })
    }
}

/// A file that cannot be used is told when a worker starts, and not by its first job.
fn checked(named: &[(String, PathBuf)]) -> Result<Vec<(String, PathBuf)>, Failure> {
    pipelinex_worker::stack_files::read(named).map_err(|error| Failure::usage(error.to_string()))?;
    Ok(named.to_vec())
}

/// Without accounts a server is for this machine alone, unless its operator says otherwise.
fn check_open(args: &BackendArgs) -> Result<(), Failure> {
    if args.auth == AuthMode::Token || args.open_to_network || args.listen.ip().is_loopback() {
        return Ok(());
    }
    Err(Failure::usage(format!(
        "{} is no address of this machine alone, and without accounts whoever reaches it may do everything: name --auth token, \
         and make a token with `pipelinex token create`; or --open-to-network, where something else decides who reaches it",
        args.listen
    )))
}

/// The workspaces folder: the one that was named, or the usual one.
pub fn workspaces(named: Option<&Path>) -> Result<PathBuf, Failure> {
    named.map_or_else(default_workspaces, |path| Ok(path.to_owned()))
}

/// Certificate and key, where both are named; clap refuses one alone.
fn tls(args: &BackendArgs) -> Result<Option<Arc<Tls>>, Failure> {
    let (Some(certificate), Some(key)) = (&args.tls_cert, &args.tls_key) else { return Ok(None) };
    Tls::load(certificate, key).map(Some).map_err(|error| Failure::usage(format!("--tls-cert, --tls-key: {error}")))
}

/// Folders that are there, by their real paths: what is asked for is compared with these.
fn local_roots(named: &[PathBuf]) -> Result<Vec<PathBuf>, Failure> {
    let real = |root: &PathBuf| match root.canonicalize() {
        Ok(root) if root.is_dir() => Ok(root),
        Ok(_) => Err(Failure::usage(format!("--local-root: {} is no folder", root.display()))),
        Err(error) => Err(Failure::usage(format!("--local-root: {}: {error}", root.display()))),
    };
    named.iter().filter(|root| !root.as_os_str().is_empty()).map(real).collect()
}

/// Where runs without a server are kept: the folder that was named, or one of the user's own, which no server looks at.
pub fn runs(named: Option<&Path>) -> Result<PathBuf, Failure> {
    match named {
        Some(path) => Ok(path.to_owned()),
        None => Ok(data_folder()?.join("pipelinex/runs")),
    }
}

/// Opens a workspaces folder, and makes what is missing of it.
pub fn open_store(workspaces: &Path) -> Result<Store, Failure> {
    Store::open(workspaces)
        .map_err(|error| Failure::errored(format!("{error}\nName a folder that can be written with --workspaces.")))
}

/// `/workspaces` where it is ours to write (the image has it), else a place of the user's own.
fn default_workspaces() -> Result<PathBuf, Failure> {
    let shared = Path::new("/workspaces");
    if shared.is_dir() && access(shared, Access::WRITE_OK | Access::EXEC_OK).is_ok() {
        return Ok(shared.to_owned());
    }
    Ok(data_folder()?.join("pipelinex/workspaces"))
}

fn data_folder() -> Result<PathBuf, Failure> {
    let absolute = |name| env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let data = absolute("XDG_DATA_HOME").or_else(|| Some(absolute("HOME")?.join(".local/share")));
    data.ok_or_else(|| Failure::usage("there is no HOME to keep anything in: name a folder with --workspaces"))
}
