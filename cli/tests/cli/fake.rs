//! A server on the loopback whose answers a test scripts, down to the byte where a connection breaks off.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
};

/// What a client asked.
#[derive(Clone, Debug, Default)]
pub struct Asked {
    pub method: String,
    pub target: String,
    pub head: String,
    pub body: Vec<u8>,
}

impl Asked {
    pub fn offset(&self) -> Option<usize> {
        self.target.split_once("offset=").and_then(|(_, offset)| offset.parse().ok())
    }

    /// What a header says; its name in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.lines().filter_map(|line| line.split_once(':'));
        lines.find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
    }

    pub fn body_text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// What it gets.
pub enum Reply {
    /// A whole answer.
    Whole(u16, &'static str, Vec<u8>),
    /// An answer that promises more than it sends.
    Torn(Vec<u8>),
    /// Nothing: the connection is closed.
    Nothing,
}

impl Reply {
    pub fn json(status: u16, value: &serde_json::Value) -> Self {
        let kind = if status < 400 { "application/json" } else { "application/problem+json" };
        Self::Whole(status, kind, value.to_string().into_bytes())
    }

    pub fn bytes(bytes: impl Into<Vec<u8>>) -> Self {
        Self::Whole(200, "application/octet-stream", bytes.into())
    }
}

type Script = dyn FnMut(&Asked) -> Reply + Send;

/// A running server; it stops when it is dropped.
pub struct Fake {
    pub address: SocketAddr,
    asked: Arc<Mutex<Vec<Asked>>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Fake {
    pub fn start(script: impl FnMut(&Asked) -> Reply + Send + 'static) -> Self {
        Self::start_at("127.0.0.1:0".parse().unwrap(), script)
    }

    pub fn start_at(address: SocketAddr, mut script: impl FnMut(&Asked) -> Reply + Send + 'static) -> Self {
        let listener = TcpListener::bind(address).unwrap();
        let address = listener.local_addr().unwrap();
        let (asked, stop) = (Arc::new(Mutex::new(Vec::new())), Arc::new(AtomicBool::new(false)));
        let thread = thread::spawn({
            let (asked, stop) = (Arc::clone(&asked), Arc::clone(&stop));
            move || {
                for stream in listener.incoming() {
                    if stop.load(Ordering::SeqCst) {
                        break;
                    }
                    answer(stream.unwrap(), &asked, &mut script);
                }
            }
        });
        Self { address, asked, stop, thread: Some(thread) }
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }
}

impl Drop for Fake {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(self.address);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// One request a connection.
fn answer(stream: TcpStream, asked: &Mutex<Vec<Asked>>, script: &mut Script) {
    let Some(request) = read(&stream) else { return };
    asked.lock().unwrap().push(request.clone());
    let reply = script(&request);
    let mut stream = stream;
    let mut send = |status: u16, kind: &str, promised: usize, body: &[u8]| {
        let head = format!(
            "HTTP/1.1 {status} x\r\ncontent-type: {kind}\r\ncontent-length: {promised}\r\nretry-after: 7\r\nconnection: close\r\n\r\n"
        );
        let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body));
        let _ = stream.shutdown(Shutdown::Write);
    };
    match reply {
        Reply::Whole(status, kind, body) => send(status, kind, body.len(), &body),
        Reply::Torn(body) => send(200, "application/octet-stream", body.len() + 1000, &body),
        Reply::Nothing => {}
    }
}

fn read(stream: &TcpStream) -> Option<Asked> {
    let mut reader = BufReader::new(stream);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if reader.read_line(&mut head).ok()? == 0 {
            return None;
        }
    }
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse().ok())?
    });
    let mut body = vec![0; length.unwrap_or(0)];
    reader.read_exact(&mut body).ok()?;
    let mut words = head.split(' ');
    let (method, target) = (words.next()?.to_owned(), words.next()?.to_owned());
    Some(Asked { method, target, head, body })
}
