//! The producer's task: owns the connection over which bells go to Redis.

use std::{collections::VecDeque, time::Duration};

use redis::{Pipeline, pipe};
use tokio::{
    sync::{mpsc, oneshot},
    time::{Instant, timeout, timeout_at},
};

use super::{
    MOST_WAITING, QueueError,
    link::{ANSWER_LIMIT, IDLE_CHECK, Link},
};
use crate::id::JobId;

/// At most this many bells go in one command.
const BATCH: usize = 256;

/// One bell, and whom to tell what became of it.
pub(super) struct Ring {
    pub(super) id: JobId,
    pub(super) done: oneshot::Sender<Result<(), QueueError>>,
}

/// Bells that Redis has not got yet, and those who wait to hear about them.
#[derive(Default)]
struct Unsent {
    ids: VecDeque<JobId>,
    waiting: Vec<oneshot::Sender<Result<(), QueueError>>>,
}

/// Sends bells until nobody can ring any more. What could not be sent is kept, and sent when Redis is back: by then
/// its sender has long been told so, and a bell too many does no harm.
pub(super) async fn run(mut link: Link, mut rings: mpsc::Receiver<Ring>) {
    let mut unsent = Unsent::default();
    loop {
        let open = match send(&mut link, &mut unsent.ids).await {
            Ok(()) => {
                unsent.answer(&Ok(()));
                gather(&mut rings, &mut unsent).await
            }
            Err(sentence) => {
                unsent.answer(&Err(QueueError::Unavailable(sentence.clone())));
                let wait = link.backoff.next_wait();
                refuse_for(wait, &sentence, &mut rings, &mut unsent).await
            }
        };
        if !open {
            return;
        }
    }
}

/// Sends all that is waiting; with nothing to send, only looks whether Redis is there.
async fn send(link: &mut Link, ids: &mut VecDeque<JobId>) -> Result<(), String> {
    if ids.is_empty() {
        return link.check().await;
    }
    while !ids.is_empty() {
        let batch = ids.len().min(BATCH);
        let push = push(&link.config.key, ids.iter().take(batch));
        link.run::<()>(&push, ANSWER_LIMIT).await?;
        ids.drain(..batch);
    }
    Ok(())
}

/// Appends, then cuts the list: who came first is served, whoever comes when it is full is left to the reconciler.
fn push<'a>(key: &str, ids: impl Iterator<Item = &'a JobId>) -> Pipeline {
    let mut commands = pipe();
    commands.cmd("RPUSH").arg(key).arg(ids.map(JobId::to_string).collect::<Vec<_>>()).ignore();
    commands.cmd("LTRIM").arg(key).arg(0).arg(MOST_WAITING - 1).ignore();
    commands
}

/// Waits for the next bells, or until it is time to look whether Redis is still there. False when nobody can ring.
async fn gather(rings: &mut mpsc::Receiver<Ring>, unsent: &mut Unsent) -> bool {
    let mut batch = Vec::with_capacity(BATCH);
    let received = timeout(IDLE_CHECK, rings.recv_many(&mut batch, BATCH)).await;
    for ring in batch {
        unsent.keep(ring.id);
        unsent.waiting.push(ring.done);
    }
    received != Ok(0)
}

/// While Redis is known to be away, tells everyone so at once instead of letting them wait. False when nobody can ring.
async fn refuse_for(wait: Duration, why: &str, rings: &mut mpsc::Receiver<Ring>, unsent: &mut Unsent) -> bool {
    let end = Instant::now() + wait;
    loop {
        match timeout_at(end, rings.recv()).await {
            Ok(Some(ring)) => {
                unsent.keep(ring.id);
                // Whoever stopped waiting has been told by its own time limit.
                let _ = ring.done.send(Err(QueueError::Unavailable(why.to_owned())));
            }
            Ok(None) => return false,
            Err(_) => return true,
        }
    }
}

impl Unsent {
    fn keep(&mut self, id: JobId) {
        if self.ids.len() < MOST_WAITING {
            self.ids.push_back(id);
        }
    }

    fn answer(&mut self, outcome: &Result<(), QueueError>) {
        for waiting in self.waiting.drain(..) {
            // Whoever stopped waiting has been told by its own time limit.
            let _ = waiting.send(outcome.clone());
        }
    }
}
