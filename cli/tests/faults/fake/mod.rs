//! An engine that is none: it speaks as much of Docker's API as the worker asks for, on a unix socket, and its containers are
//! made up. So each request of a job can go wrong in each way there is, exactly where a plan says it, as often as one likes; and
//! it has seen everything that was asked of it. `proxy.rs` stands in front of a real engine instead.

mod answers;
mod asked;
mod stream;
mod things;

use std::{
    collections::BTreeMap,
    path::Path,
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use http_body_util::{BodyExt, combinators::BoxBody};
use hyper::{Request, Response, body::Bytes, body::Incoming, service::service_fn};
use hyper_util::rt::TokioIo;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;
use tokio::{
    net::UnixListener,
    sync::{Notify, watch},
};

pub use self::things::LINES;
use self::{asked::Asked, things::Things};
use crate::event_log::EventLog;

/// What a response is made of. An error ends the connection without a word.
type Body = BoxBody<Bytes, std::io::Error>;

/// How a request goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It is not done, and the connection ends.
    Refused,
    /// It is not done, and answered 500.
    Status500,
    /// It is done, and the connection ends instead of an answer.
    LostReply,
    /// It is done, nothing is heard for so long, and the connection ends.
    Hang(Duration),
    /// Its answer ends after so many bytes.
    CutAfter(usize),
    /// Before it is done, somebody removes every container of the job.
    Vanish,
    /// It is not done before the story lets it go on: see [`FakeEngine::held`].
    Held,
    /// The worker dies before it is done,
    KillBefore,
    /// or when it was, without having heard of it.
    KillAfter,
}

/// Which request of a job goes wrong.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Call {
    /// What is asked for, of which step: `start build`.
    pub what: String,
    /// The first of these in this job is 1.
    pub number: usize,
}

/// The engine. It goes on until the story's runtime ends: whoever looks for what is left behind asks it, too.
pub struct FakeEngine {
    pub host: String,
    state: Arc<State>,
}

struct State {
    things: Arc<Things>,
    log: EventLog,
    plans: Mutex<BTreeMap<String, (Call, Fault)>>,
    calls: Mutex<BTreeMap<String, Vec<Call>>>,
    worker: Mutex<Option<u32>>,
    /// Requests that are held, and the story's word to go on.
    held: watch::Sender<usize>,
    go_on: Notify,
}

impl FakeEngine {
    /// Listens on a socket at `path`, and writes down what happens to its containers.
    pub fn new(path: &Path, log: EventLog) -> Self {
        let listener = UnixListener::bind(path).unwrap();
        let state = Arc::new(State {
            things: Arc::new(Things::new(log.clone())),
            log,
            plans: Mutex::default(),
            calls: Mutex::default(),
            worker: Mutex::default(),
            held: watch::Sender::new(0),
            go_on: Notify::new(),
        });
        tokio::spawn(serve(listener, state.clone()));
        Self { host: format!("unix://{}", path.display()), state }
    }

    /// From now on each container prints so many lines.
    pub fn prints(&self, lines: usize) {
        self.state.things.lines.store(lines, std::sync::atomic::Ordering::Relaxed);
    }

    /// Lets one request of a job go wrong.
    pub fn plan(&self, job: &str, call: Call, fault: Fault) {
        lock(&self.state.plans).insert(job.to_owned(), (call, fault));
    }

    /// Waits until a request is held.
    pub async fn held(&self) {
        self.state.held.subscribe().wait_for(|held| *held > 0).await.unwrap();
    }

    /// Lets the request that is held go on.
    pub fn go_on(&self) {
        self.state.held.send_modify(|held| *held -= 1);
        self.state.go_on.notify_one();
    }

    /// Somebody removes every container of a job.
    pub fn vanish(&self, job: &str) {
        self.state.things.vanish(job);
    }

    /// Makes a container with these labels, and does not start it.
    pub fn made(&self, name: &str, labels: &serde_json::Value) {
        self.state.things.create(name, json!({ "Labels": labels })).unwrap();
    }

    /// The names of everything there is.
    pub fn everything(&self) -> Vec<String> {
        self.state.things.with(|inside| {
            let containers = inside.containers.iter().map(|thing| thing.name.clone());
            containers.chain(inside.volumes.keys().cloned()).chain(inside.networks.keys().cloned()).collect()
        })
    }

    /// The names of a job's containers.
    pub fn containers(&self, job: &str) -> Vec<String> {
        let of_job = |thing: &&things::Thing| thing.name.contains(job);
        self.state
            .things
            .with(|inside| inside.containers.iter().filter(of_job).map(|thing| thing.name.clone()).collect())
    }

    /// The jobs whose plans did not come about: nothing of that name was asked for.
    pub fn not_made(&self) -> Vec<String> {
        lock(&self.state.plans).iter().map(|(job, plan)| format!("{job}: {plan:?}")).collect()
    }

    /// What was asked for of a job, in its order.
    pub fn calls(&self, job: &str) -> Vec<Call> {
        lock(&self.state.calls).get(job).cloned().unwrap_or_default()
    }

    /// Who dies where a plan says so.
    pub fn is_asked_by(&self, worker: u32) {
        *lock(&self.state.worker) = Some(worker);
    }
}

impl State {
    /// Counts a request, and tells whether it is to go wrong.
    fn due(&self, asked: &Asked) -> Option<Fault> {
        let job = asked.job.clone()?;
        let call = {
            let mut calls = lock(&self.calls);
            let before = calls.entry(job.clone()).or_default();
            let number = 1 + before.iter().filter(|call| call.what == asked.what).count();
            before.push(Call { what: asked.what.clone(), number });
            before.last()?.clone()
        };
        let mut plans = lock(&self.plans);
        let (_, fault) = plans.get(&job).filter(|(planned, _)| *planned == call)?.clone();
        plans.remove(&job);
        drop(plans);
        self.log.fault(&format!("{} of {job}", call.what), &format!("{fault:?}"));
        Some(fault)
    }

    fn kill_worker(&self) {
        let Some(worker) = lock(&self.worker).take() else { return };
        self.log.note(&json!({"event": "kill", "victim": worker.to_string()}));
        let _ = Pid::from_raw(worker as i32).map(|pid| kill_process(pid, Signal::KILL));
    }

    async fn answer(&self, request: Request<Incoming>) -> Result<Response<Body>, std::io::Error> {
        let (asked, upgrade) = Asked::read(request, &self.things).await?;
        let fault = self.due(&asked);
        match fault {
            Some(Fault::Refused) => return Err(broken()),
            Some(Fault::Status500) => return Ok(answers::error(500, "injected")),
            Some(Fault::Vanish) => self.things.vanish(asked.job.as_deref().unwrap_or_default()),
            Some(Fault::Held) => {
                self.held.send_modify(|held| *held += 1);
                self.go_on.notified().await;
            }
            Some(Fault::KillBefore) => {
                self.kill_worker();
                return Err(broken());
            }
            _ => {}
        }
        let budget = if let Some(Fault::CutAfter(bytes)) = fault { bytes } else { usize::MAX };
        let answer = answers::to(&asked, &self.things, upgrade, budget).await;
        match fault {
            Some(Fault::LostReply) => Err(broken()),
            Some(Fault::Hang(pause)) => {
                tokio::time::sleep(pause).await;
                Err(broken())
            }
            Some(Fault::KillAfter) => {
                self.kill_worker();
                Err(broken())
            }
            _ => Ok(answer),
        }
    }
}

async fn serve(listener: UnixListener, state: Arc<State>) {
    let mut connections = tokio::task::JoinSet::new();
    while let Ok((socket, _)) = listener.accept().await {
        let state = state.clone();
        let service = service_fn(move |request| {
            let state = state.clone();
            async move { state.answer(request).await }
        });
        connections.spawn(async move {
            let connection = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(socket), service);
            // A connection that breaks is what this is for.
            let _ = connection.with_upgrades().await;
        });
    }
}

fn broken() -> std::io::Error {
    std::io::Error::new(std::io::ErrorKind::ConnectionAborted, "as planned")
}

fn whole(bytes: impl Into<Bytes>) -> Body {
    http_body_util::Full::new(bytes.into()).map_err(|never| match never {}).boxed()
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}
