//! A page of ours with a hole, which wapiti must find while it attacks the application.
//!
//! It is on the loopback of the scanner's own container, under random names, and only as large as one attack needs: the
//! same program with the same options takes seconds for it, beside the minutes for the application.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use serde_json::Value;

use crate::{random, stage::Failure};

/// Longest time for one request or answer.
const PATIENCE: Duration = Duration::from_secs(5);
/// Longest head of a request, in bytes.
const MAX_HEAD: usize = 64 * 1024;

/// The page; it is there until this is dropped.
pub(super) struct Planted {
    address: SocketAddr,
    path: String,
    parameter: String,
    ended: Arc<AtomicBool>,
    server: Option<JoinHandle<()>>,
}

impl Planted {
    /// Puts it up.
    ///
    /// # Errors
    /// There is no loopback, or no randomness.
    pub(super) fn up() -> Result<Self, Failure> {
        let failed = |error: std::io::Error| Failure::tool(format!("127.0.0.1: {error}"));
        let listener = TcpListener::bind("127.0.0.1:0").map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let (path, parameter) = (random::name()?, random::name()?);
        let ended = Arc::new(AtomicBool::new(false));
        let (done, page) = (Arc::clone(&ended), (path.clone(), parameter.clone()));
        let server = thread::spawn(move || {
            for stream in listener.incoming() {
                if done.load(Ordering::SeqCst) {
                    return;
                }
                // Whoever asks and goes away has no answer.
                let _ = stream.and_then(|stream| answer(stream, &page.0, &page.1));
            }
        });
        Ok(Self { address, path, parameter, ended, server: Some(server) })
    }

    /// Its address, without a `/` at the end.
    pub(super) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Whether a report shows the hole.
    pub(super) fn is_in(&self, report: &Value) -> bool {
        let kinds = report["vulnerabilities"].as_object().into_iter().flat_map(|kinds| kinds.values());
        let mut entries = kinds.filter_map(Value::as_array).flatten();
        let path = format!("/{}", self.path);
        entries.any(|entry| entry["path"] == path.as_str() && entry["parameter"] == self.parameter.as_str())
    }
}

impl Drop for Planted {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::SeqCst);
        // It waits for somebody to ask.
        let _ = TcpStream::connect_timeout(&self.address, PATIENCE);
        let _ = self.server.take().map(JoinHandle::join);
    }
}

fn answer(mut stream: TcpStream, path: &str, parameter: &str) -> std::io::Result<()> {
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let mut head = Vec::new();
    let mut part = [0; 4096];
    while !head.windows(4).any(|end| end == b"\r\n\r\n") && head.len() < MAX_HEAD {
        match stream.read(&mut part)? {
            0 => break,
            read => head.extend_from_slice(&part[..read]),
        }
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    let asked = head.split(' ').nth(1).unwrap_or_default();
    let (place, query) = asked.split_once('?').unwrap_or((asked, ""));
    let body = if place.trim_start_matches('/') == path {
        let values = query.split('&').filter_map(|pair| pair.split_once('='));
        let value = values.filter(|(name, _)| *name == parameter).map(|(_, value)| decoded(value)).next();
        format!("<html><body>found: {}</body></html>", value.unwrap_or_default())
    } else {
        format!("<html><body><a href=\"/{path}?{parameter}=tea\">search</a></body></html>")
    };
    let kind = "Content-Type: text/html; charset=utf-8\r\nConnection: close";
    stream.write_all(format!("HTTP/1.1 200 OK\r\n{kind}\r\nContent-Length: {}\r\n\r\n{body}", body.len()).as_bytes())
}

/// A value of a query, as a program that trusts it reads it.
fn decoded(value: &str) -> String {
    let (mut bytes, mut rest) = (Vec::new(), value.as_bytes());
    while let [first, tail @ ..] = rest {
        let pair = tail.get(..2).and_then(|pair| std::str::from_utf8(pair).ok());
        match pair.filter(|_| *first == b'%').and_then(|pair| u8::from_str_radix(pair, 16).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = &tail[2..];
            }
            None => {
                bytes.push(if *first == b'+' { b' ' } else { *first });
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn get(page: &Planted, path: &str) -> String {
        let mut stream = TcpStream::connect(page.address).unwrap();
        write!(stream, "GET {path} HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        text
    }

    #[test]
    fn the_page_gives_back_what_it_is_asked_for() {
        let page = Planted::up().unwrap();
        let link = format!("/{}?{}=", page.path, page.parameter);
        assert!(get(&page, "/").contains(&link));
        assert!(
            get(&page, &format!("{link}%3Cscript%3Ealert(1)+%3C/script%3E"))
                .contains("found: <script>alert(1) </script>")
        );
        let report = serde_json::json!({"vulnerabilities": {"XSS": [{"path": format!("/{}", page.path), "parameter": page.parameter}]}});
        assert!(page.is_in(&report) && !page.is_in(&serde_json::json!({"vulnerabilities": {"XSS": []}})));
    }
}
