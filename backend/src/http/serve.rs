//! The accept loop: our own, since each limit of a connection is set here. HTTP/1 only.

use std::{
    convert::Infallible,
    future::{Future, poll_fn},
    io,
    net::IpAddr,
    pin::{Pin, pin},
    sync::Arc,
    time::Duration,
};

use axum::response::Response;
use hyper::{
    Request,
    body::Incoming,
    server::conn::http1::{self, Parts},
    service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use pipelinex_common::store::StoreError;
use tokio::{
    io::AsyncWriteExt,
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{Instant, sleep, timeout},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    app::App,
    client::TrustedProxies,
    config::ConnectionLimits,
    error::ApiError,
    events,
    http::connection_close,
    http::connections::{Connection, Connections},
    http::head_errors::{HeldStream, closing_answer},
    http::lingering_close::PatientStream,
    http::patience::Patience,
    http::shares::hold,
    http::tls::{Channel, Tls},
    routes,
};

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
/// Why the server ended.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The listener broke.
    #[error("the server cannot accept connections any more: {0}")]
    Listener(#[source] io::Error),
    /// An address that nobody is kept from.
    #[error(transparent)]
    Routes(#[from] routes::Unruled),
}

/// Answers requests until `shutdown`; then takes no more, and lets those that are being answered end within the grace.
///
/// # Errors
/// [`ServeError`].
pub async fn serve(app: App, listener: TcpListener, shutdown: CancellationToken) -> Result<(), ServeError> {
    let (tracker, limits) = (TaskTracker::new(), app.config.connections.clone());
    let detail = "the server has as many connections as it may have, or your address its share of them; \
                  come again in a moment";
    let server = Arc::new(Server {
        connections: Connections::new(limits.most),
        proxies: app.config.trusted_proxies.clone(),
        tls: app.config.tls.clone(),
        refusal: closing_answer(ApiError::Unavailable { detail: detail.to_owned() }).await,
        refusals: Arc::new(Semaphore::new(REFUSALS)),
        router: routes::router(app.clone())?,
        draining: shutdown.clone(),
        cut: CancellationToken::new(),
        limits,
    });
    let streams = app.closing.clone();
    let certificates = server.tls.clone().map(|tls| tokio::spawn(tls.follow()));
    let teller = tokio::spawn(events::run(app.clone()));
    let sweeper = tokio::spawn(sweep(app));
    let ended = accept(&server, &listener, &tracker).await;
    drop(listener);
    sweeper.abort();
    teller.abort();
    certificates.inspect(|task| task.abort());
    shutdown.cancel();
    streams.cancel();
    tracker.close();
    if timeout(server.limits.drain, tracker.wait()).await.is_err() {
        tracing::warn!(connections = tracker.len(), "requests were still being answered after the grace");
        server.cut.cancel();
        tracker.wait().await;
    }
    ended
}

struct Server {
    connections: Arc<Connections>,
    proxies: TrustedProxies,
    tls: Option<Arc<Tls>>,
    /// What one connection too many is told.
    refusal: Vec<u8>,
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
            Ok((stream, peer)) => {
                let peer = peer.ip();
                if let Some(place) = server.connections.open(peer.into(), server.proxies.trust(peer)) {
                    tracker.spawn(Arc::clone(server).connection(stream, peer, place));
                } else if let Ok(place) = Arc::clone(&server.refusals).try_acquire_owned() {
                    tracker.spawn(Arc::clone(server).refuse(stream, place));
                }
            }
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
    async fn connection(self: Arc<Self>, stream: TcpStream, peer: IpAddr, place: Connection) {
        let _ = stream.set_nodelay(true);
        let (server, place) = (Arc::clone(&self), Arc::new(place));
        let closing = place.closing().clone();
        let stream = self.patient(stream);
        let client_side = stream.client_side();
        let Some(stream) = self.secured(stream, &closing).await else { return };
        let service = service_fn(move |mut request: Request<Incoming>| {
            let (server, answering) = (Arc::clone(&server), place.answering());
            request.extensions_mut().insert(client_side.clone());
            Box::pin(async move { Ok::<_, Infallible>(hold(server.answer(peer, request).await?, answering)) })
        });
        let mut connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(self.limits.head_timeout)
            .max_header_size(self.limits.head_bytes)
            .max_buf_size(BUFFER_BYTES)
            // A client may close its side once its request is sent, as `nc -N` does, and still wait for the answer.
            .half_close(true)
            .serve_connection(TokioIo::new(HeldStream::new(stream)), service);
        let mut told_to_end = pin!(async {
            tokio::select! {
                () = self.draining.cancelled() => {}
                () = closing.cancelled() => {}
            }
        });
        let mut told = false;
        let done = poll_fn(|cx| {
            if !told && told_to_end.as_mut().poll(cx).is_ready() {
                told = true;
                Pin::new(&mut connection).graceful_shutdown();
            }
            connection.poll_without_shutdown(cx)
        });
        let ended = tokio::select! {
            () = self.cut.cancelled() => return,
            ended = done => ended,
        };
        let Parts { io, read_buf, service, .. } = connection.into_parts();
        let stream = io.into_inner();
        drop(service);
        let stream = match ended {
            Ok(()) => stream.released().await,
            Err(error) => {
                tracing::debug!(%error, "a connection ended early");
                stream.answered(&error, &read_buf, self.limits.head_bytes).await
            }
        };
        // Nothing was answered on one whose place another got.
        if let (Ok(stream), false) = (stream, closing.is_cancelled()) {
            stream.linger(self.limits.linger).await;
        }
    }

    /// The connection, within TLS where the server speaks it. Hands are shaken in the time of a head and no longer, and whoever does
    /// so slowly may lose the place to another as with a head that does not come.
    async fn secured(&self, stream: PatientStream, closing: &CancellationToken) -> Option<Channel> {
        let Some(tls) = &self.tls else { return Some(Channel::Plain(stream)) };
        let shaken = timeout(self.limits.head_timeout, tls.acceptor().accept(stream));
        let shaken = tokio::select! {
            () = self.draining.cancelled() => return None,
            () = closing.cancelled() => return None,
            shaken = shaken => shaken,
        };
        match shaken {
            Ok(Ok(stream)) => Some(Channel::Secure(Box::new(stream))),
            Ok(Err(error)) => {
                tracing::debug!(%error, "a connection that is no TLS, or not one that we speak");
                None
            }
            Err(_) => None,
        }
    }

    async fn answer(&self, peer: IpAddr, mut request: Request<Incoming>) -> Result<Response, Infallible> {
        let mut caller = self.proxies.caller(peer, request.headers());
        // A proxy says how its client came; everybody else came to us.
        caller.https |= self.tls.is_some() && !caller.forwarded;
        request.extensions_mut().insert(caller);
        connection_close::answer(self.router.clone(), request).await
    }

    fn patient(&self, stream: TcpStream) -> PatientStream {
        PatientStream::new(stream, Patience::new(self.limits.send_grace, self.limits.send_bytes_per_second))
    }

    async fn refuse(self: Arc<Self>, mut stream: TcpStream, _place: OwnedSemaphorePermit) {
        // Within TLS it could be told only after as much work as a connection takes.
        if self.tls.is_none() && stream.write_all(&self.refusal).await.is_ok() {
            self.patient(stream).linger(Duration::from_secs(1)).await;
        }
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
            let keys = if with_keys { store.sweep_keys()? + store.sweep_sessions()? } else { 0 };
            store.sweep_report_archives()?;
            Ok::<_, StoreError>((store.sweep_staging()?, keys))
        });
        match swept.await {
            Ok(Ok((0, 0))) | Err(_) => {}
            Ok(Ok((uploads, keys))) => {
                tracing::info!(uploads, keys, "abandoned uploads, old keys and old sessions were removed")
            }
            Ok(Err(error)) => {
                tracing::warn!(%error, "abandoned uploads, old keys and old sessions could not be looked for")
            }
        }
        sleep(SWEEP_EVERY).await;
    }
}
