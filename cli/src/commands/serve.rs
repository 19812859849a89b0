//! `serve`, `backend`, `worker`: starts what was asked for, and ends it in order.

use std::process;

use anyhow::Context;
use pipelinex_backend::{admission::OwnImages, app::App, config::Config, http::serve, stacks::Stacks};
use pipelinex_common::{queue::Doorbell, store::Store};
use pipelinex_worker::{StopOrders, config::WorkerConfig};
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
};
use tokio_util::sync::CancellationToken;

use super::settings::Settings;
use crate::{
    args::{AuthMode, BackendArgs, WorkerArgs},
    exit::Exit,
    failure::Failure,
    telemetry,
};

/// API and worker in one process.
pub async fn both(settings: Settings, backend: &BackendArgs, worker: &WorkerArgs) -> Result<Exit, Failure> {
    let started = Started::new(&settings, worker.drain)?;
    let config = settings.worker(worker)?;
    let (doorbell, bells) = settings.queue(started.store.instance())?;
    let api = Api::new(&settings, &started, doorbell, backend, Some(own_images(&config))).await?;
    let Started { store, api: api_stops, worker: orders } = started;
    let let_go = orders.let_go.clone();
    // The API's end, for whatever reason, is the order to stop for the worker, too; and who drains is asked until the last job
    // has ended.
    let serving = async move {
        let served = api.run().await;
        let_go.cancel();
        served
    };
    let jobs = async move {
        pipelinex_worker::run(config, store, bells, orders).await;
        api_stops.cancel();
    };
    let (served, ()) = tokio::join!(serving, jobs);
    served
}

/// The API alone.
pub async fn backend(settings: Settings, backend: &BackendArgs) -> Result<Exit, Failure> {
    let started = Started::new(&settings, false)?;
    warn_without_redis(&settings);
    let doorbell = settings.doorbell(started.store.instance())?;
    Api::new(&settings, &started, doorbell, backend, None).await?.run().await
}

/// A worker alone.
pub async fn worker(settings: Settings, worker: &WorkerArgs) -> Result<Exit, Failure> {
    let started = Started::new(&settings, worker.drain)?;
    warn_without_redis(&settings);
    let config = settings.worker(worker)?;
    let bells = settings.bells(started.store.instance())?;
    pipelinex_worker::run(config, started.store, bells, started.worker).await;
    Ok(Exit::Passed)
}

/// What the worker of this process lets in, so that a refusal comes before the job.
fn own_images(worker: &WorkerConfig) -> OwnImages {
    OwnImages { names: worker.images.keys().cloned().collect(), patterns: worker.allowed_images.clone() }
}

fn warn_without_redis(settings: &Settings) {
    if settings.redis_url.is_none() {
        tracing::warn!("no Redis is named: workers find jobs by looking over the folders alone, a few seconds later");
    }
}

/// The HTTP side, ready to answer.
struct Api {
    app: App,
    listener: TcpListener,
    shutdown: CancellationToken,
}

impl Api {
    async fn new(
        settings: &Settings,
        started: &Started,
        doorbell: Doorbell,
        args: &BackendArgs,
        own_images: Option<OwnImages>,
    ) -> Result<Self, Failure> {
        let config = Config { own_images, ..settings.backend(args)? };
        let stacks = Stacks::load(settings.pipelines.as_deref());
        let stacks = stacks.and_then(|stacks| stacks.check_required(&settings.policy).map(|()| stacks));
        let stacks = stacks.context("the API cannot start").map_err(Failure::Server)?;
        let swept = started.store.sweep_staging().map_err(|error| Failure::errored(error.to_string()))?;
        if swept > 0 {
            tracing::info!(swept, "removed what unfinished uploads of an earlier process left");
        }
        let listener = TcpListener::bind(args.listen).await.map_err(|error| {
            let advice = "Is another server running? --listen names another address.";
            Failure::errored(format!("cannot listen on {}: {error}\n{advice}", args.listen))
        })?;
        // Said after the port was taken, so that who reads it can connect; the port may have been ours to choose.
        let address = listener.local_addr().unwrap_or(args.listen);
        let scheme = if config.tls.is_some() { "https" } else { "http" };
        tracing::info!(%address, "listening on {scheme}://{address}");
        if !address.ip().is_loopback() && args.auth == AuthMode::None {
            tracing::warn!(%address, "not a loopback address: whoever reaches it may submit jobs, and so may steps with a way out");
        }
        if args.auth == AuthMode::Token {
            say_without_tokens(&started.store);
        }
        let app = App::new(started.store.clone(), doorbell, stacks, config);
        Ok(Self { app, listener, shutdown: started.api.clone() })
    }

    async fn run(self) -> Result<Exit, Failure> {
        let served = serve::serve(self.app, self.listener, self.shutdown).await;
        served.context("the API ended").map_err(Failure::Server).map(|()| Exit::Passed)
    }
}

/// A server that nobody can use yet says so.
fn say_without_tokens(store: &Store) {
    match store.tokens() {
        Ok(tokens) if tokens.known.is_empty() => {
            tracing::warn!("there is no token yet, so nobody gets in: `pipelinex token create --role admin` makes one");
        }
        Ok(_) => {}
        Err(error) => tracing::error!(%error, "the tokens cannot be read, so nobody gets in"),
    }
}

/// What every server has before it does its work.
struct Started {
    store: Store,
    /// Ends the API.
    api: CancellationToken,
    /// Ends the worker.
    worker: StopOrders,
}

impl Started {
    fn new(settings: &Settings, drain: bool) -> Result<Self, Failure> {
        telemetry::start(settings.log_format)?;
        // Files name their modes themselves; no umask of whoever started us may take the group's right to read away.
        rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o002));
        pipelinex_common::oom::be_ended_late();
        let store = settings.open_store()?;
        let (api, worker) = (CancellationToken::new(), StopOrders::default());
        stop_on_signals(api.clone(), worker.clone(), drain)?;
        tracing::info!(version = env!("PIPELINEX_VERSION"), workspaces = %settings.workspaces.display(), "pipelinex starts");
        Ok(Self { store, api, worker })
    }
}

/// The first signal asks for an orderly end, the last one is obeyed at once. Who drains is asked once more in between: then the
/// jobs that run are left to the next worker.
fn stop_on_signals(api: CancellationToken, worker: StopOrders, drain: bool) -> Result<(), Failure> {
    let listen = |kind| signal(kind).map_err(|error| Failure::errored(format!("cannot listen to signals: {error}")));
    let (mut interrupt, mut terminate) = (listen(SignalKind::interrupt())?, listen(SignalKind::terminate())?);
    let orders = if drain { &[true, false][..] } else { &[false] };
    tokio::spawn(async move {
        let mut told = async || {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
        };
        for drain in orders {
            told().await;
            if *drain {
                tracing::info!(
                    "asked to stop: the jobs that run are finished first; a second signal leaves them to the next worker"
                );
                worker.drain.cancel();
            } else {
                tracing::info!("asked to stop: what is being done is brought to an orderly end");
                worker.let_go.cancel();
                api.cancel();
            }
        }
        told().await;
        process::exit(i32::from(Exit::Interrupted.code()));
    });
    Ok(())
}
