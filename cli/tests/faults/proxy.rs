//! An engine that fails on demand: a socket in front of the real one that hands on every request, except where a rule says
//! how it goes wrong. In front of the real one and not in its place, so that what goes well is real, too; the rest is as
//! deterministic as a fake, because each rule names the request, how often, and what happens.
//!
//! One request a connection (both sides are told so), so that nothing of HTTP has to be understood beyond a request's head,
//! and a stream that is taken over, as attaching does, is handed on byte for byte.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
    time::Duration,
};

use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional},
    net::{UnixListener, UnixStream},
};
use tokio_util::task::AbortOnDropHandle;

use crate::event_log::EventLog;

/// The longest head of a request.
const HEAD_MAX: usize = 64 * 1024;

/// How a request goes wrong.
#[derive(Clone, Debug)]
pub enum Fault {
    /// It is not handed on, and the connection ends.
    Refused,
    /// It is done, and its answer gets lost.
    LostReply,
    /// It is done, and nothing is heard for so long; then the connection ends.
    Hang(Duration),
    /// It is not handed on, and answered like this.
    Answer(u16, &'static str),
    /// It is done, and its answer ends after so many bytes.
    CutAfter(usize),
}

/// Which requests go wrong, how often, and how.
#[derive(Clone, Debug)]
pub struct Rule {
    /// `POST`, `GET`, ...
    pub method: &'static str,
    /// Parts of its path and query, in their order, with `*` between them.
    pub path: &'static str,
    /// Only those that name this job; all of them, if it is empty.
    pub job: String,
    /// The next so many of them.
    pub times: usize,
    /// How.
    pub fault: Fault,
}

/// The socket; closed when dropped.
pub struct Proxy {
    pub host: String,
    state: Arc<State>,
    _serving: AbortOnDropHandle<()>,
}

struct State {
    engine: PathBuf,
    log: EventLog,
    rules: Mutex<Vec<Rule>>,
    /// How many requests went wrong, by the job of the rule.
    made: Mutex<BTreeMap<String, usize>>,
}

impl Proxy {
    /// Listens on a socket at `path`, in front of the engine's. What goes wrong is written down.
    pub fn new(path: &Path, engine: &str, log: EventLog) -> Self {
        let listener = UnixListener::bind(path).unwrap();
        let state = State { engine: engine.into(), log, rules: Mutex::default(), made: Mutex::default() };
        let state = Arc::new(state);
        let serving = tokio::spawn(serve(listener, state.clone()));
        let host = format!("unix://{}", path.display());
        Self { host, state, _serving: AbortOnDropHandle::new(serving) }
    }

    /// Lets requests go wrong from now on.
    pub fn inject(&self, rules: &[Rule]) {
        self.state.rules.lock().unwrap().extend(rules.iter().cloned());
    }

    /// Lets everything go well again; returns how many requests went wrong since the last time, by the jobs of the rules.
    pub fn heal(&self) -> BTreeMap<String, usize> {
        self.state.rules.lock().unwrap().clear();
        std::mem::take(&mut *self.state.made.lock().unwrap())
    }

    /// How many requests went wrong since the last healing.
    pub fn made(&self) -> usize {
        self.state.made.lock().unwrap().values().sum()
    }
}

impl State {
    async fn fault_of(&self, head: &str) -> Option<Fault> {
        let mut words = head.split_whitespace();
        let (method, path) = (words.next()?, words.next()?);
        let path = &self.by_name(path).await;
        let mut rules = self.rules.lock().unwrap();
        let meant = |rule: &&mut Rule| {
            rule.times > 0 && rule.method == method && fits(path, rule.path) && path.contains(&rule.job)
        };
        let rule = rules.iter_mut().find(meant)?;
        rule.times -= 1;
        *self.made.lock().unwrap().entry(rule.job.clone()).or_default() += 1;
        let (request, how) = (format!("{method} {path}"), format!("{:?}", rule.fault));
        self.log.note(&json!({"event": "fault", "what": "engine", "request": request, "how": how}));
        Some(rule.fault.clone())
    }
}

impl State {
    /// A path that names a container by its id, with its name instead: rules know no ids.
    async fn by_name(&self, path: &str) -> String {
        let is_id = |part: &&str| part.len() == 64 && part.bytes().all(|byte| byte.is_ascii_hexdigit());
        let Some(id) = path.split(['/', '?']).find(is_id).filter(|_| !self.rules.lock().unwrap().is_empty()) else {
            return path.to_owned();
        };
        match self.name_of(id).await {
            Ok(Some(name)) => path.replacen(id, &name, 1),
            _ => path.to_owned(),
        }
    }

    async fn name_of(&self, id: &str) -> std::io::Result<Option<String>> {
        let mut engine = UnixStream::connect(&self.engine).await?;
        let ask = format!("GET /containers/{id}/json HTTP/1.1\r\nHost: engine\r\nConnection: close\r\n\r\n");
        engine.write_all(ask.as_bytes()).await?;
        let mut answer = Vec::new();
        engine.read_to_end(&mut answer).await?;
        let text = String::from_utf8_lossy(&answer);
        let name = text.split_once("\"Name\":\"/").and_then(|(_, rest)| rest.split_once('"'));
        Ok(name.map(|(name, _)| name.to_owned()))
    }
}

/// Whether all parts of a pattern are there, one behind the other.
fn fits(mut path: &str, pattern: &str) -> bool {
    pattern.split('*').all(|part| path.find(part).map(|at| path = &path[at + part.len()..]).is_some())
}

async fn serve(listener: UnixListener, state: Arc<State>) {
    let mut tasks = tokio::task::JoinSet::new();
    while let Ok((client, _)) = listener.accept().await {
        let state = state.clone();
        // A connection that breaks is what this is for.
        tasks.spawn(async move { _ = hand_on(client, &state).await });
    }
}

async fn hand_on(mut client: UnixStream, state: &State) -> std::io::Result<()> {
    let Some((head, rest)) = read_head(&mut client).await? else { return Ok(()) };
    let fault = state.fault_of(&head).await;
    match fault {
        Some(Fault::Refused) => return Ok(()),
        Some(Fault::Answer(status, message)) => {
            let body = json!({ "message": message }).to_string();
            let length = body.len();
            let answer = format!(
                "HTTP/1.1 {status} Injected\r\ncontent-type: application/json\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}"
            );
            client.write_all(answer.as_bytes()).await?;
            // Closed with bytes unread, the answer would be lost as well.
            let mut unread = vec![0; HEAD_MAX];
            while client.read(&mut unread).await? > 0 {}
            return Ok(());
        }
        _ => {}
    }
    let mut engine = UnixStream::connect(&state.engine).await?;
    engine.write_all(alone(&head).as_bytes()).await?;
    engine.write_all(&rest).await?;
    let (budget, pause) = match fault {
        None => return copy_bidirectional(&mut client, &mut engine).await.map(|_| ()),
        Some(Fault::CutAfter(bytes)) => (bytes, Duration::ZERO),
        Some(Fault::Hang(pause)) => (0, pause),
        _ => (0, Duration::ZERO),
    };
    hand_on_so_much(&mut client, &mut engine, budget).await?;
    tokio::time::sleep(pause).await;
    Ok(())
}

/// Hands the request on whole, and its answer until so many bytes of it have come; at least its first ones are waited for,
/// so that what was asked for is done.
async fn hand_on_so_much(client: &mut UnixStream, engine: &mut UnixStream, budget: usize) -> std::io::Result<()> {
    let (mut from_client, mut to_client) = client.split();
    let (mut from_engine, mut to_engine) = engine.split();
    let answer = async {
        let (mut left, mut piece) = (budget, vec![0; 4096]);
        loop {
            let read = from_engine.read(&mut piece).await?;
            to_client.write_all(&piece[..read.min(left)]).await?;
            left -= read.min(left);
            if read == 0 || left == 0 {
                return Ok(());
            }
        }
    };
    let request = async {
        tokio::io::copy(&mut from_client, &mut to_engine).await?;
        std::future::pending::<std::io::Result<()>>().await
    };
    tokio::select! {
        done = answer => done,
        broken = request => broken,
    }
}

/// The head of a request with its last empty line, and what came behind it; nothing if the connection ends before.
async fn read_head(client: &mut UnixStream) -> std::io::Result<Option<(String, Vec<u8>)>> {
    let mut bytes = Vec::new();
    while bytes.len() < HEAD_MAX {
        if client.read_buf(&mut bytes).await? == 0 {
            return Ok(None);
        }
        if let Some(at) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            let rest = bytes.split_off(at + 4);
            return Ok(Some((String::from_utf8_lossy(&bytes).into_owned(), rest)));
        }
    }
    Ok(None)
}

/// A head that asks for the connection's end behind its answer, unless it asks for the connection itself.
fn alone(head: &str) -> String {
    if head.to_ascii_lowercase().contains("\r\nupgrade:") {
        return head.to_owned();
    }
    head.replacen("\r\n", "\r\nConnection: close\r\n", 1)
}
