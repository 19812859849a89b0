//! The queue: a doorbell, not a ledger.
//!
//! The files of a job are the truth. All that travels here is the id of a job, meaning "look at this folder now"; lost,
//! doubled, late and forged bells do no harm, since the worker claims a job in the file system, and a reconciler over
//! the folders runs every job even if no bell ever rings.
//!
//! Both ends go through apalis: [`Doorbell`] pushes into a `TaskSink`, and [`JobBackend`] is the `Backend` of a worker,
//! over Redis or inside one process. What apalis does not do well is ours: one task owns each connection, heals it,
//! and takes a bell out of Redis only when the worker has room for it. No error of Redis ever reaches apalis.

mod backoff;
mod config;
mod ends;
mod health;
mod link;
mod listener;
mod mailbox;
mod ringer;

use std::{fmt, sync::Arc, time::Duration};

use tokio::{
    sync::{mpsc, watch},
    task::AbortHandle,
    time::timeout,
};

pub use self::{
    backoff::Backoff,
    config::{InvalidRedisUrl, RedisConfig},
    health::QueueHealth,
};
use self::{ends::Ringing, health::Reporter, link::Link, mailbox::Mailbox, ringer::Ring};
use crate::id::JobId;

/// At most this many bells wait, in Redis or in a process; the reconciler finds the jobs of the others.
pub const MOST_WAITING: usize = 10_000;
/// [`Doorbell::ring`] is over after this time, whatever Redis does.
pub const RING_LIMIT: Duration = Duration::from_secs(2);
/// [`JobBackend::close`] is over after this time, whatever Redis does.
const CLOSE_LIMIT: Duration = Duration::from_secs(1);
/// So many rings may wait for their turn to be sent.
const MOST_RINGING: usize = 1_000;

/// A bell that did not get through. Never a reason to refuse a job: the reconciler finds it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum QueueError {
    /// Redis is slow or gone without a word; the bell may still get through.
    #[error("Redis did not take the bell within {} s", RING_LIMIT.as_secs())]
    TimedOut,
    /// Redis is away or refuses; the sentence says which, and holds no password.
    #[error("{0}")]
    Unavailable(String),
    /// The process is about to end.
    #[error("the queue is closed")]
    Closed,
}

/// The producer's end: tells the workers that there is something to look at.
#[derive(Clone)]
pub struct Doorbell {
    wire: Wire,
    reporter: Arc<Reporter>,
}

/// Where a bell goes.
#[derive(Clone)]
enum Wire {
    InProcess(Arc<Mailbox>),
    Redis(mpsc::Sender<Ring>),
}

/// The consumer's end: a backend for an apalis worker that yields the ids of jobs to look at.
///
/// Clones share one stream of bells and are there to start an apalis worker anew; only one of them may be polled at a
/// time. The connection closes with the last clone.
#[derive(Clone)]
pub struct JobBackend {
    mailbox: Arc<Mailbox>,
    reporter: Arc<Reporter>,
    listener: Option<Arc<Listener>>,
}

/// Both ends inside one process, without Redis.
pub fn in_process() -> (Doorbell, JobBackend) {
    let mailbox = Arc::new(Mailbox::default());
    let reporter = Arc::new(Reporter::up_from_the_start());
    let doorbell = Doorbell { wire: Wire::InProcess(Arc::clone(&mailbox)), reporter: Arc::clone(&reporter) };
    (doorbell, JobBackend { mailbox, reporter, listener: None })
}

impl Doorbell {
    /// A doorbell that rings through Redis. Starts a task that connects in the background: needs a tokio runtime.
    pub fn redis(config: RedisConfig) -> Self {
        let reporter = Arc::new(Reporter::not_connected_yet());
        let (sender, rings) = mpsc::channel(MOST_RINGING);
        tokio::spawn(ringer::run(Link::new(config, Arc::clone(&reporter)), rings));
        Self { wire: Wire::Redis(sender), reporter }
    }

    /// Tells a worker to look at the job. Takes at most [`RING_LIMIT`]; an error is for the log only, and what could
    /// not be sent is sent once more when Redis is back.
    pub async fn ring(&self, id: JobId) -> Result<(), QueueError> {
        timeout(RING_LIMIT, Ringing::push(self.clone(), id)).await.unwrap_or(Err(QueueError::TimedOut))
    }

    /// Whether bells get through, now and whenever it changes.
    pub fn health(&self) -> watch::Receiver<QueueHealth> {
        self.reporter.health()
    }

    /// Counts how often Redis came back after a failure.
    pub fn reconnects(&self) -> watch::Receiver<u64> {
        self.reporter.reconnects()
    }
}

impl JobBackend {
    /// A backend that listens to Redis. Starts a task that connects in the background: needs a tokio runtime.
    pub fn redis(config: RedisConfig) -> Self {
        let mailbox = Arc::new(Mailbox::default());
        let reporter = Arc::new(Reporter::not_connected_yet());
        let (ends, ended) = watch::channel(());
        let listening = listener::run(Link::new(config, Arc::clone(&reporter)), Arc::clone(&mailbox));
        let task = tokio::spawn(async move {
            listening.await;
            drop(ends);
        });
        Self { mailbox, reporter, listener: Some(Arc::new(Listener { task: task.abort_handle(), ended })) }
    }

    /// Whether bells get through, now and whenever it changes.
    pub fn health(&self) -> watch::Receiver<QueueHealth> {
        self.reporter.health()
    }

    /// Counts how often Redis came back after a failure. Bells may have been lost meanwhile, so a worker looks at all
    /// folders whenever this changes.
    pub fn reconnects(&self) -> watch::Receiver<u64> {
        self.reporter.reconnects()
    }

    /// How many entries were thrown away because they were not the id of a job.
    pub fn rejected(&self) -> u64 {
        self.reporter.rejected()
    }

    /// Takes no more bells out of Redis, and puts back what was taken and not polled: for a worker that is about to
    /// end, so that another one gets them. Over when that is done, or after a second; polling yields no bell afterwards.
    pub async fn close(&self) {
        if let Some(listener) = &self.listener {
            self.mailbox.close();
            // Only ever ends with an error: nothing is sent, the other side goes away.
            let _ = timeout(CLOSE_LIMIT, listener.ended.clone().changed()).await;
            listener.task.abort();
        }
    }
}

impl fmt::Debug for Doorbell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Doorbell").field("health", &*self.health().borrow()).finish_non_exhaustive()
    }
}

impl fmt::Debug for JobBackend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JobBackend").field("health", &*self.health().borrow()).finish_non_exhaustive()
    }
}

/// The task that listens; it ends when nobody needs it any more.
struct Listener {
    task: AbortHandle,
    /// Its other side is dropped when the task has ended.
    ended: watch::Receiver<()>,
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.task.abort();
    }
}
