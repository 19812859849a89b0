//! What the outside may know of a queue: whether it works, when it came back, and how much it threw away.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use jiff::Timestamp;
use tokio::sync::watch;

/// Whether bells get through. The system works without, only later: the reconciler finds every job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum QueueHealth {
    /// Redis took the last command; always so in-process.
    Up,
    /// Redis cannot be reached, does not answer or refuses.
    Down {
        /// Since when.
        since: Timestamp,
        /// What is wrong, in a sentence for an operator; never with a password.
        error: String,
    },
}

/// Told by the task that owns a connection; read by everyone else.
#[derive(Debug)]
pub(super) struct Reporter {
    health: watch::Sender<QueueHealth>,
    reconnects: watch::Sender<u64>,
    down_was_logged: AtomicBool,
    rejected: AtomicU64,
}

impl Reporter {
    /// For a queue that is always there.
    pub(super) fn up_from_the_start() -> Self {
        Self::starting_with(QueueHealth::Up)
    }

    /// For a queue that has yet to answer for the first time.
    pub(super) fn not_connected_yet() -> Self {
        let error = "Redis has not answered yet".to_owned();
        Self::starting_with(QueueHealth::Down { since: Timestamp::now(), error })
    }

    fn starting_with(health: QueueHealth) -> Self {
        Self {
            health: watch::Sender::new(health),
            reconnects: watch::Sender::new(0),
            down_was_logged: AtomicBool::new(false),
            rejected: AtomicU64::new(0),
        }
    }

    pub(super) fn health(&self) -> watch::Receiver<QueueHealth> {
        self.health.subscribe()
    }

    pub(super) fn reconnects(&self) -> watch::Receiver<u64> {
        self.reconnects.subscribe()
    }

    pub(super) fn rejected(&self) -> u64 {
        self.rejected.load(Ordering::Relaxed)
    }

    /// Redis did what was asked. Logs, and counts a reconnect, only after a failure.
    pub(super) fn up(&self) {
        self.health.send_if_modified(|health| {
            let changed = *health != QueueHealth::Up;
            *health = QueueHealth::Up;
            changed
        });
        if self.down_was_logged.swap(false, Ordering::Relaxed) {
            tracing::info!("Redis is back");
            self.reconnects.send_modify(|count| *count += 1);
        }
    }

    /// Something failed. Logs the first time only; the latest error stays readable in the health.
    pub(super) fn down(&self, sentence: &str) {
        if self.down_was_logged.swap(true, Ordering::Relaxed) {
            tracing::debug!(error = sentence, "Redis is still not usable");
        } else {
            tracing::warn!(
                error = sentence,
                "Redis is not usable: jobs are found by looking at their folders until it is back"
            );
        }
        self.health.send_if_modified(|health| match health {
            QueueHealth::Down { error, .. } if error == sentence => false,
            QueueHealth::Down { error, .. } => {
                sentence.clone_into(error);
                true
            }
            QueueHealth::Up => {
                *health = QueueHealth::Down { since: Timestamp::now(), error: sentence.to_owned() };
                true
            }
        });
    }

    /// Counts what was thrown away; logs the 1st, 2nd, 4th, 8th ... so that a flood cannot fill a disk.
    pub(super) fn reject(&self, what: &str) {
        let count = self.rejected.fetch_add(1, Ordering::Relaxed) + 1;
        if count.is_power_of_two() {
            tracing::warn!(what, count, "threw away something in the queue that is not the id of a job");
        }
    }
}
