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

use crate::http::patience::Patience;

/// How often it is looked whether a client has closed its side, where bytes of it wait unread.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// How much of an answer the system holds for a client that does not read it, in bytes. Left to itself it would grow to megabytes, and
/// the system lets us write again once a third of that was read: too late for a client that is not much quicker than the least rate.
/// 256 KiB in the time that an answer takes there and back is 2.5 MiB a second to the other side of an ocean.
const SEND_BUFFER_BYTES: usize = 256 * 1024;

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
        if let Err(error) = socket2::SockRef::from(&stream).set_send_buffer_size(SEND_BUFFER_BYTES) {
            tracing::debug!(%error, "the system holds more of an answer than it should");
        }
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

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;
    use crate::config::ConnectionLimits;

    /// No time is measured: what a reader of twice the least rate reads in half of the time that it has is enough for the system to
    /// let us write again.
    #[tokio::test]
    async fn a_reader_at_twice_the_least_rate_is_seen_to_read() {
        let limits = ConnectionLimits::default();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let patience = Patience::new(limits.send_grace, limits.send_bytes_per_second);
        let server = PatientStream::new(listener.accept().await.unwrap().0, patience);
        let piece = vec![0; 64 * 1024];
        let fill = async || {
            let mut sent = 0;
            // Until nothing was taken for a while: what was sent is on its way to the client's side of the system.
            while timeout(Duration::from_millis(300), server.stream.writable()).await.is_ok() {
                sent += server.stream.try_write(&piece).unwrap_or_default();
            }
            sent
        };
        let sent = fill().await;
        let read = limits.send_bytes_per_second * limits.send_grace.as_secs();
        client.read_exact(&mut vec![0; sent.min(usize::try_from(read).unwrap())]).await.unwrap();
        let seen = timeout(Duration::from_secs(30), server.stream.writable()).await;
        seen.expect("it is seen that the client has read").unwrap();
        assert!(fill().await > 0);
    }
}
