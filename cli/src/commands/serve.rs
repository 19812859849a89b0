//! `serve`, `backend`, `worker`: what the flags say becomes the configuration of each side, here and nowhere else.

use std::{
    env,
    path::{Path, PathBuf},
    process,
};

use pipelinex_common::store::Store;
use rustix::fs::{Access, access};
use secrecy::SecretString;
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
};
use tokio_util::sync::CancellationToken;

use crate::{
    args::{BackendArgs, CommonServerArgs, LogFormat, WorkerArgs},
    exit::Exit,
    failure::Failure,
    telemetry,
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
    log_format: LogFormat,
}

impl Settings {
    /// Finds the places that the flags leave open.
    pub fn new(common: &CommonServerArgs, ca_certs: Option<&Path>) -> Result<Self, Failure> {
        let workspaces = match &common.workspaces {
            Some(path) => path.clone(),
            None => default_workspaces()?,
        };
        Ok(Self {
            workspaces,
            pipelines: common.pipelines.clone(),
            redis_url: common.redis_url().cloned(),
            ca_certs: ca_certs.map(Path::to_owned),
            log_format: common.log_format,
        })
    }

    fn open_store(&self) -> Result<Store, Failure> {
        Store::open(&self.workspaces)
            .map_err(|error| Failure::errored(format!("{error}\nName a folder that can be written with --workspaces.")))
    }
}

/// `/workspaces` where it is ours to write (the image has it), else a place of the user's own.
fn default_workspaces() -> Result<PathBuf, Failure> {
    let shared = Path::new("/workspaces");
    if shared.is_dir() && access(shared, Access::WRITE_OK | Access::EXEC_OK).is_ok() {
        return Ok(shared.to_owned());
    }
    let absolute = |name| env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let data = absolute("XDG_DATA_HOME").or_else(|| Some(absolute("HOME")?.join(".local/share")));
    let data =
        data.ok_or_else(|| Failure::usage("there is no /workspaces and no HOME: name a folder with --workspaces"))?;
    Ok(data.join("pipelinex/workspaces"))
}

/// API and worker in one process.
pub async fn both(settings: Settings, backend: &BackendArgs, worker: &WorkerArgs) -> Result<Exit, Failure> {
    let _ = (backend, worker);
    let Started { .. } = Started::new(&settings)?;
    let _ = bind(backend).await?;
    Err(not_wired("serve"))
}

/// The API alone.
pub async fn backend(settings: Settings, backend: &BackendArgs) -> Result<Exit, Failure> {
    need_redis(&settings, "backend")?;
    let Started { .. } = Started::new(&settings)?;
    let _ = bind(backend).await?;
    Err(not_wired("backend"))
}

/// A worker alone.
pub async fn worker(settings: Settings, worker: &WorkerArgs) -> Result<Exit, Failure> {
    let _ = worker.limits();
    need_redis(&settings, "worker")?;
    let Started { .. } = Started::new(&settings)?;
    Err(not_wired("worker"))
}

fn not_wired(command: &str) -> Failure {
    Failure::errored(format!("`pipelinex {command}` is not part of this build yet"))
}

/// Without Redis a worker still finds every job by looking over the folders, only later.
fn need_redis(settings: &Settings, command: &str) -> Result<(), Failure> {
    if settings.redis_url.is_some() {
        return Ok(());
    }
    Err(Failure::usage(format!(
        "`pipelinex {command}` needs Redis between backend and worker: set PIPELINEX_REDIS_URL, or run `pipelinex serve`, \
         which needs none"
    )))
}

/// What every server has before it does its work.
struct Started {
    store: Store,
    shutdown: CancellationToken,
}

impl Started {
    fn new(settings: &Settings) -> Result<Self, Failure> {
        telemetry::start(settings.log_format)?;
        let store = settings.open_store()?;
        let shutdown = CancellationToken::new();
        stop_on_signals(shutdown.clone())?;
        tracing::info!(version = env!("PIPELINEX_VERSION"), workspaces = %settings.workspaces.display(), "pipelinex starts");
        Ok(Self { store, shutdown })
    }
}

/// The first signal asks for an orderly end, the second one is obeyed at once.
fn stop_on_signals(shutdown: CancellationToken) -> Result<(), Failure> {
    let listen = |kind| signal(kind).map_err(|error| Failure::errored(format!("cannot listen to signals: {error}")));
    let (mut interrupt, mut terminate) = (listen(SignalKind::interrupt())?, listen(SignalKind::terminate())?);
    tokio::spawn(async move {
        for first in [true, false] {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
            if first {
                tracing::info!("asked to stop: what is being done is brought to an orderly end");
                shutdown.cancel();
            }
        }
        process::exit(i32::from(Exit::Interrupted.code()));
    });
    Ok(())
}

async fn bind(args: &BackendArgs) -> Result<TcpListener, Failure> {
    TcpListener::bind(args.listen).await.map_err(|error| {
        let advice = "Is another server running? --listen names another address.";
        Failure::errored(format!("cannot listen on {}: {error}\n{advice}", args.listen))
    })
}
