//! What hyper refuses by itself, a head that cannot be read or is too large, is answered in the envelope of all errors.
//!
//! hyper writes such an answer without asking anybody, without a body and without our headers, and then ends with an error.
//! So bytes that look like that answer are held back here until it is known what they are: the end of a connection with
//! that error, whose answer is ours to write, or part of some other answer that only looks like it, which is sent on.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use axum::{
    http::{HeaderValue, StatusCode, header},
    response::IntoResponse,
};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf};

use crate::{error::ApiError, http::guard};

/// The longest answer that hyper writes by itself, in bytes.
const LONGEST: usize = 512;
/// More than our answer to a head has, in bytes.
const ANSWER_MAX: usize = 16 * 1024;

/// A stream to a client that holds back what may be such an answer.
pub struct HeldStream<S> {
    stream: S,
    held: Vec<u8>,
}

impl<S: AsyncWrite + Unpin> HeldStream<S> {
    /// Wraps a stream.
    pub fn new(stream: S) -> Self {
        Self { stream, held: Vec::new() }
    }

    /// The connection ended well: what was held back was something else.
    pub async fn released(mut self) -> io::Result<S> {
        self.stream.write_all(&self.held).await?;
        Ok(self.stream)
    }

    /// The connection ended with an error of hyper; `unread` is what it could not read.
    pub async fn answered(mut self, error: &hyper::Error, unread: &[u8], head_bytes: usize) -> io::Result<S> {
        if let Some(refusal) = refusal(error, &self.held, unread, head_bytes) {
            self.stream.write_all(&closing_answer(refusal).await).await?;
        }
        Ok(self.stream)
    }

    fn poll_release(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.held.is_empty() {
            let sent = ready!(Pin::new(&mut self.stream).poll_write(cx, &self.held))?;
            if sent == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.held.drain(..sent);
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for HeldStream<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        // After an error hyper reads nothing more, so it was none.
        let _ = self.poll_release(cx)?;
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for HeldStream<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        ready!(self.poll_release(cx))?;
        match answer_at_the_end(buf) {
            Some(0) => {
                self.held = buf.to_vec();
                Poll::Ready(Ok(buf.len()))
            }
            Some(before) => Pin::new(&mut self.stream).poll_write(cx, &buf[..before]),
            None => Pin::new(&mut self.stream).poll_write(cx, buf),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_release(cx))?;
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

/// Where what hyper writes by itself begins, if these bytes end with it.
fn answer_at_the_end(bytes: &[u8]) -> Option<usize> {
    let from = bytes.len().saturating_sub(LONGEST);
    let end = bytes[from..].strip_suffix(b"\r\n\r\n")?;
    let start = end.windows(9).rposition(|window| window == b"HTTP/1.1 " || window == b"HTTP/1.0 ")?;
    let mut lines = std::str::from_utf8(&end[start..]).ok()?.split("\r\n");
    let status = status(lines.next()?.as_bytes())?;
    let plain = |line: &str| line == "content-length: 0" || line == "connection: close" || line.starts_with("date: ");
    (matches!(status, 400 | 414 | 431) && lines.all(plain)).then_some(from + start)
}

fn status(line: &[u8]) -> Option<u16> {
    std::str::from_utf8(line.get(9..12)?).ok()?.parse().ok()
}

/// What a client is told of a head; `None` where the connection ended for another reason.
fn refusal(error: &hyper::Error, held: &[u8], unread: &[u8], head_bytes: usize) -> Option<ApiError> {
    if error.is_parse_version_h2() {
        let detail = "this server speaks HTTP/1.1; a proxy in front of it can speak HTTP/2".to_owned();
        return Some(ApiError::Head { status: StatusCode::HTTP_VERSION_NOT_SUPPORTED, code: "http-version", detail });
    }
    let status = error.is_parse().then(|| status(held)).flatten()?;
    let kib = head_bytes / 1024;
    Some(match status {
        // To hyper it is one head that has no end.
        414 | 431 if status == 414 || !unread.contains(&b'\n') => ApiError::Head {
            status: StatusCode::URI_TOO_LONG,
            code: "address-too-long",
            detail: format!("the address of the request is too long: with its headers it may have {kib} KiB"),
        },
        431 => ApiError::Head {
            status: StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            code: "head-too-large",
            detail: format!("the head of the request has more than {kib} KiB, or more than 100 headers"),
        },
        _ => ApiError::Malformed {
            code: "head-broken",
            detail: "the request line or a header of the request cannot be read as HTTP/1.1".to_owned(),
        },
    })
}

/// An error as the last bytes of a connection, with the headers of all answers.
pub async fn closing_answer(error: ApiError) -> Vec<u8> {
    let mut response = error.into_response();
    guard::secure(response.headers_mut());
    let (mut head, body) = response.into_parts();
    let body = axum::body::to_bytes(body, ANSWER_MAX).await.unwrap_or_default();
    head.headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    head.headers.insert(header::CONTENT_LENGTH, HeaderValue::from(body.len()));
    let mut bytes = format!("HTTP/1.1 {}\r\n", head.status).into_bytes();
    let date = jiff::Timestamp::now().strftime("%a, %d %b %Y %H:%M:%S GMT");
    bytes.extend_from_slice(format!("date: {date}\r\n").as_bytes());
    for (name, value) in &head.headers {
        bytes.extend_from_slice(&[name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"].concat());
    }
    bytes.extend_from_slice(b"\r\n");
    bytes.extend_from_slice(&body);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_answer_that_hyper_writes_by_itself_is_held_back() {
        let own = "HTTP/1.1 400 Bad Request\r\nconnection: close\r\ncontent-length: 0\r\ndate: now\r\n\r\n";
        assert_eq!(answer_at_the_end(own.as_bytes()), Some(0));
        assert_eq!(answer_at_the_end(format!("before{own}").as_bytes()), Some(6));
        for other in [
            "",
            "\r\n\r\n",
            "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n",
            "HTTP/1.1 400 Bad Request\r\nx-frame-options: DENY\r\ncontent-length: 0\r\n\r\n",
            &format!("{own}more"),
        ] {
            assert_eq!(answer_at_the_end(other.as_bytes()), None, "{other}");
        }
    }
}
