//! The accept loop: our own, since each limit of a connection is set here. HTTP/1 only.

use std::{
    future::{Future, poll_fn},
    io,
    pin::{Pin, pin},
    sync::Arc,
    time::Duration,
};

use hyper::{server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use pipelinex_common::store::StoreError;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{Instant, sleep, timeout},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{app::App, config::ConnectionLimits, linger::PatientStream, routes, unread};

/// The most that is buffered of a connection, in bytes, each way.
const BUFFER_BYTES: usize = 64 * 1024;
/// Connections over the limit that are told so at once; those over that are closed without a word.
const REFUSALS: usize = 64;
/// How often staging folders are swept whose process died.
const SWEEP_EVERY: Duration = Duration::from_secs(30);
/// How often old keys are swept.
const SWEEP_KEYS_EVERY: Duration = Duration::from_secs(60 * 60);
/// How long to wait when there are no file descriptors left.
const BREATH: Duration = Duration::from_millis(200);
/// What one connection too many is told.
const FULL_HOUSE: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/problem+json\r\n\
retry-after: 5\r\nconnection: close\r\ncontent-length: 193\r\n\r\n\
{\"type\":\"urn:pipelinex:problem:unavailable\",\"title\":\"Service Unavailable\",\"status\":503,\
\"detail\":\"the server has as many connections as it may have; come again in a moment\",\"code\":\"unavailable\"}";

/// Why the server ended.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The listener broke.
    #[error("the server cannot accept connections any more: {0}")]
    Listener(#[source] io::Error),
}

/// Answers requests until `shutdown`; then takes no more, and lets those that are being answered end within the grace.
///
/// # Errors
/// [`ServeError`].
pub async fn serve(app: App, listener: TcpListener, shutdown: CancellationToken) -> Result<(), ServeError> {
    let (tracker, limits) = (TaskTracker::new(), app.config.connections.clone());
    let server = Arc::new(Server {
        places: Arc::new(Semaphore::new(limits.most)),
        refusals: Arc::new(Semaphore::new(REFUSALS)),
        router: routes::router(app.clone()),
        draining: shutdown.clone(),
        cut: CancellationToken::new(),
        limits,
    });
    let sweeper = tokio::spawn(sweep(app));
    let ended = accept(&server, &listener, &tracker).await;
    drop(listener);
    sweeper.abort();
    shutdown.cancel();
    tracker.close();
    if timeout(server.limits.drain, tracker.wait()).await.is_err() {
        tracing::warn!(connections = tracker.len(), "requests were still being answered after the grace");
        server.cut.cancel();
        tracker.wait().await;
    }
    ended
}

struct Server {
    places: Arc<Semaphore>,
    refusals: Arc<Semaphore>,
    router: axum::Router,
    limits: ConnectionLimits,
    /// No new requests.
    draining: CancellationToken,
    /// No more patience either.
    cut: CancellationToken,
}

async fn accept(server: &Arc<Server>, listener: &TcpListener, tracker: &TaskTracker) -> Result<(), ServeError> {
    loop {
        let accepted = tokio::select! {
            () = server.draining.cancelled() => return Ok(()),
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, _)) => match Arc::clone(&server.places).try_acquire_owned() {
                Ok(place) => drop(tracker.spawn(Arc::clone(server).connection(stream, place))),
                Err(_) => {
                    if let Ok(place) = Arc::clone(&server.refusals).try_acquire_owned() {
                        tracker.spawn(refuse(stream, place));
                    }
                }
            },
            Err(error) if is_about_one_connection(&error) => {}
            Err(error) if is_want_of_resources(&error) => {
                tracing::warn!(%error, "no connection can be accepted for a moment");
                sleep(BREATH).await;
            }
            Err(error) => return Err(ServeError::Listener(error)),
        }
    }
}

fn is_about_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted, WouldBlock};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted | WouldBlock)
}

fn is_want_of_resources(error: &io::Error) -> bool {
    use rustix::io::Errno;
    let wanting = [Errno::MFILE, Errno::NFILE, Errno::NOBUFS, Errno::NOMEM, Errno::NETDOWN, Errno::HOSTUNREACH];
    error.raw_os_error().is_some_and(|raw| wanting.iter().any(|errno| errno.raw_os_error() == raw))
}

impl Server {
    async fn connection(self: Arc<Self>, stream: TcpStream, _place: OwnedSemaphorePermit) {
        let _ = stream.set_nodelay(true);
        let router = self.router.clone();
        let service = service_fn(move |request| Box::pin(unread::answer(router.clone(), request)));
        let io = TokioIo::new(PatientStream::new(stream, self.limits.write_patience));
        let mut connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(self.limits.head_timeout)
            .max_header_size(self.limits.head_bytes)
            .max_buf_size(BUFFER_BYTES)
            .serve_connection(io, service);
        let mut draining = pin!(self.draining.cancelled());
        let mut told = false;
        let done = poll_fn(|cx| {
            if !told && draining.as_mut().poll(cx).is_ready() {
                told = true;
                Pin::new(&mut connection).graceful_shutdown();
            }
            connection.poll_without_shutdown(cx)
        });
        tokio::select! {
            () = self.cut.cancelled() => return,
            ended = done => if let Err(error) = ended {
                tracing::debug!(%error, "a connection ended early");
            },
        }
        connection.into_parts().io.into_inner().linger(self.limits.linger).await;
    }
}

async fn refuse(mut stream: TcpStream, _place: OwnedSemaphorePermit) {
    use tokio::io::AsyncWriteExt;
    if stream.write_all(FULL_HOUSE).await.is_ok() {
        PatientStream::new(stream, Duration::from_secs(1)).linger(Duration::from_secs(1)).await;
    }
}

/// Removes what uploads of a process that died have left behind, and keys that nobody will send again.
async fn sweep(app: App) {
    let mut keys_due = Instant::now();
    loop {
        let with_keys = Instant::now() >= keys_due;
        if with_keys {
            keys_due = Instant::now() + SWEEP_KEYS_EVERY;
        }
        let store = app.store.clone();
        let swept = tokio::task::spawn_blocking(move || {
            let keys = if with_keys { store.sweep_keys()? } else { 0 };
            Ok::<_, StoreError>((store.sweep_staging()?, keys))
        });
        match swept.await {
            Ok(Ok((0, 0))) | Err(_) => {}
            Ok(Ok((uploads, keys))) => tracing::info!(uploads, keys, "abandoned uploads and old keys were removed"),
            Ok(Err(error)) => tracing::warn!(%error, "abandoned uploads and old keys could not be looked for"),
        }
        sleep(SWEEP_EVERY).await;
    }
}
