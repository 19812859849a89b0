//! How long a client may be slow: time in which it moves nothing is spent, and what it moves earns time again.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use tokio::time::{Instant, Sleep, sleep_until};

/// The least rate of one direction of a connection.
pub struct Patience {
    budget: Budget,
    waiting: Option<Pin<Box<Sleep>>>,
}

impl Patience {
    /// Waits at most so long while nothing moves, and for ever while bytes come at that rate.
    pub fn new(most: Duration, bytes_per_second: u64) -> Self {
        Self { budget: Budget::new(most, bytes_per_second), waiting: None }
    }

    /// The client moved so many bytes.
    pub fn moved(&mut self, bytes: usize) {
        self.waiting = None;
        self.budget.moved(bytes as u64, Instant::now());
    }

    /// The client moves nothing at the moment. Ready when the time is used up.
    pub fn poll_spent(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let budget = &mut self.budget;
        let waiting = self.waiting.get_or_insert_with(|| Box::pin(sleep_until(budget.wait(Instant::now()))));
        waiting.as_mut().poll(cx)
    }
}

/// Only time is counted in which we wait for the client: a stream that has nothing to send is not slow, and a fast beginning
/// earns no long pause.
struct Budget {
    most: Duration,
    bytes_per_second: u64,
    left: Duration,
    waiting_since: Option<Instant>,
}

impl Budget {
    fn new(most: Duration, bytes_per_second: u64) -> Self {
        Self { most, bytes_per_second: bytes_per_second.max(1), left: most, waiting_since: None }
    }

    fn moved(&mut self, bytes: u64, now: Instant) {
        let waited = self.waiting_since.take().map(|since| now.saturating_duration_since(since));
        let earned = Duration::from_micros(bytes.saturating_mul(1_000_000) / self.bytes_per_second);
        let left = self.left.saturating_sub(waited.unwrap_or_default());
        self.left = self.most.min(left.saturating_add(earned));
    }

    /// Until when to wait.
    fn wait(&mut self, now: Instant) -> Instant {
        *self.waiting_since.get_or_insert(now) + self.left
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A client that waits so long before each piece; after which piece it is given up.
    fn given_up(pause: Duration, bytes: u64) -> Option<usize> {
        let mut budget = Budget::new(Duration::from_secs(10), 100);
        let mut now = Instant::now();
        (0..1_000).find(|_| {
            let until = budget.wait(now);
            now += pause;
            budget.moved(bytes, now);
            now > until
        })
    }

    #[test]
    fn what_is_slower_than_the_rate_is_given_up_and_what_is_not_never() {
        let seconds = Duration::from_secs;
        assert_eq!(given_up(seconds(5), 500), None);
        assert_eq!(given_up(seconds(1), 1 << 30), None);
        assert_eq!(given_up(seconds(5), 250), Some(3), "half the rate lasts twice the time");
        assert_eq!(given_up(Duration::from_millis(50), 1), Some(249), "one byte at a time earns next to nothing");
        assert_eq!(given_up(seconds(11), 1 << 30), Some(0));
    }

    #[test]
    fn a_fast_beginning_earns_no_long_pause_and_time_without_waiting_costs_nothing() {
        let mut budget = Budget::new(Duration::from_secs(10), 100);
        let now = Instant::now() + Duration::from_secs(3_600);
        budget.moved(1 << 30, now);
        assert_eq!(budget.wait(now), now + Duration::from_secs(10));
        assert_eq!(budget.wait(now + Duration::from_secs(4)), now + Duration::from_secs(10), "it is one wait");
    }
}
