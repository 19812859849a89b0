//! Where bells wait for the worker inside its own process, and where the worker says that it has room for one more.

use std::{
    collections::VecDeque,
    sync::{Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
};

use tokio::sync::{Notify, watch};

use super::MOST_WAITING;
use crate::id::JobId;

/// One lock over the bells, the wish for one and the waker, so that delivering a bell and granting the wish are one
/// step: otherwise a bell more than wished for could be taken from Redis, and lie here behind a busy worker.
#[derive(Debug, Default)]
pub(super) struct Mailbox {
    inside: Mutex<Inside>,
    wished: Notify,
    closed: watch::Sender<bool>,
}

#[derive(Debug, Default)]
struct Inside {
    bells: VecDeque<JobId>,
    wanted: bool,
    worker: Option<Waker>,
}

impl Mailbox {
    /// Hands in a bell. False, and the bell dropped, if too many wait already.
    pub(super) fn put(&self, id: JobId) -> bool {
        let mut inside = self.lock();
        if inside.bells.len() >= MOST_WAITING {
            return false;
        }
        inside.bells.push_back(id);
        inside.wanted = false;
        let worker = inside.worker.take();
        drop(inside);
        if let Some(worker) = worker {
            worker.wake();
        }
        true
    }

    /// The oldest bell; with none, leaves the wish for one. Only a worker with a free hand asks.
    pub(super) fn poll_take(&self, context: &mut Context<'_>) -> Poll<JobId> {
        let mut inside = self.lock();
        if let Some(id) = inside.bells.pop_front() {
            return Poll::Ready(id);
        }
        inside.wanted = true;
        inside.worker = Some(context.waker().clone());
        drop(inside);
        self.wished.notify_one();
        Poll::Pending
    }

    /// Waits until the worker has asked for a bell that it has not been given yet.
    pub(super) async fn wanted(&self) {
        while !self.lock().wanted {
            // A wish between the check and this line has left a permit, so it is not missed.
            self.wished.notified().await;
        }
    }

    /// Tells whoever brings bells to stop.
    pub(super) fn close(&self) {
        self.closed.send_replace(true);
    }

    pub(super) fn is_closed(&self) -> bool {
        *self.closed.borrow()
    }

    /// Waits until the mailbox is closed.
    pub(super) async fn closed(&self) {
        // Never an error: the sender is ours.
        let _ = self.closed.subscribe().wait_for(|closed| *closed).await;
    }

    /// What was handed in and never taken, oldest first.
    pub(super) fn drain(&self) -> Vec<JobId> {
        self.lock().bells.drain(..).collect()
    }

    fn lock(&self) -> MutexGuard<'_, Inside> {
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;
    use std::future::poll_fn;

    use super::*;

    #[test]
    fn a_wish_lasts_until_one_bell_is_in_and_not_longer() {
        let mailbox = Mailbox::default();
        assert!(mailbox.wanted().now_or_never().is_none(), "nobody has asked");
        assert!(poll_fn(|cx| mailbox.poll_take(cx)).now_or_never().is_none());
        assert!(poll_fn(|cx| mailbox.poll_take(cx)).now_or_never().is_none(), "asking twice is one wish");
        assert!(mailbox.wanted().now_or_never().is_some());

        let id = JobId::generate();
        assert!(mailbox.put(id));
        assert!(mailbox.wanted().now_or_never().is_none(), "the wish is granted");
        assert_eq!(poll_fn(|cx| mailbox.poll_take(cx)).now_or_never(), Some(id));
        assert!(mailbox.wanted().now_or_never().is_none(), "taking a bell is no wish for another");
    }

    #[test]
    fn a_full_hatch_drops_the_newest() {
        let mailbox = Mailbox::default();
        let first = JobId::generate();
        assert!(mailbox.put(first));
        while mailbox.put(JobId::generate()) {}
        assert_eq!(mailbox.lock().bells.len(), MOST_WAITING);
        assert_eq!(poll_fn(|cx| mailbox.poll_take(cx)).now_or_never(), Some(first));
    }
}
