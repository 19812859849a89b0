//! A connection that loses patience with a client that reads nothing or too slowly, that closes in a way in which the answer
//! arrives, and that tells who asks whether the client has closed its side.

use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, Interest, ReadBuf},
    net::TcpStream,
    time::{Instant, sleep, timeout},
};

use crate::patience::Patience;

/// How often it is looked whether a client has closed its side, where bytes of it wait unread.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// A TCP connection whose writes fail when the client reads nothing for a while, or too slowly.
pub struct PatientStream {
    stream: Arc<TcpStream>,
    patience: Patience,
}

/// The client's side of the connection of a request.
#[derive(Clone, Debug)]
pub struct ClientSide(Arc<TcpStream>);

impl ClientSide {
    /// Returns when the client has closed its side. It may still wait for the answer: only long work that nobody may be
    /// waiting for is given up then.
    pub async fn closed(&self) {
        while self.0.ready(Interest::READABLE).await.is_ok_and(|ready| !ready.is_read_closed()) {
            sleep(LOOK_EVERY).await;
        }
    }
}

impl PatientStream {
    /// Wraps a connection.
    pub fn new(stream: TcpStream, patience: Patience) -> Self {
        Self { stream: Arc::new(stream), patience }
    }

    /// The client's side of it.
    pub fn client_side(&self) -> ClientSide {
        ClientSide(Arc::clone(&self.stream))
    }

    /// Closes our side and reads on for a while. A system that closes a connection with unread bytes resets it, and a
    /// client that still sends then never sees why it was refused.
    pub async fn linger(self, longest: Duration) {
        let until = Instant::now() + longest;
        // Whoever else looks at it is about to end with the request.
        let Some(mut stream) = Arc::into_inner(self.stream) else { return };
        if stream.shutdown().await.is_err() {
            return;
        }
        let mut thrown_away = vec![0; 16 * 1024];
        while Instant::now() < until {
            match timeout(longest, stream.read(&mut thrown_away)).await {
                Ok(Ok(1..)) => {}
                _ => return,
            }
        }
    }

    fn poll_send(&self, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        loop {
            ready!(self.stream.poll_write_ready(cx))?;
            match self.stream.try_write(buf) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                sent => return Poll::Ready(sent),
            }
        }
    }
}

impl AsyncRead for PatientStream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        loop {
            ready!(self.stream.poll_read_ready(cx))?;
            match self.stream.try_read(buf.initialize_unfilled()) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                read => return Poll::Ready(read.map(|bytes| buf.advance(bytes))),
            }
        }
    }
}

impl AsyncWrite for PatientStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match self.poll_send(cx, buf) {
            Poll::Ready(sent) => {
                self.patience.moved(*sent.as_ref().unwrap_or(&0));
                Poll::Ready(sent)
            }
            Poll::Pending => self.patience.poll_spent(cx).map(|()| Err(io::ErrorKind::TimedOut.into())),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    /// Our side is closed by [`Self::linger`].
    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
