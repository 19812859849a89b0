//! How long to wait before trying again: longer each time, up to a cap, and never in step with others.

use std::{
    hash::{BuildHasher, RandomState},
    time::Duration,
};

/// The wait after the first failure.
const FIRST: Duration = Duration::from_millis(100);
/// The longest wait: what recovers is noticed within it.
const LONGEST: Duration = Duration::from_secs(5);

/// Exponential back-off with jitter: 100 ms after the first failure, doubled each time, never above 5 s.
#[derive(Debug, Default)]
pub struct Backoff {
    failures: u32,
}

impl Backoff {
    /// The wait after one more failure: between half of the nominal wait and all of it, so that many who lost the
    /// same server at the same moment do not come back at the same moment.
    pub fn next_wait(&mut self) -> Duration {
        let nominal = FIRST.saturating_mul(1 << self.failures.min(10)).min(LONGEST);
        self.failures = self.failures.saturating_add(1);
        let half = nominal / 2;
        half + half.mul_f64(random_fraction())
    }

    /// To be called after a success: the next failure waits for the shortest time again.
    pub fn reset(&mut self) {
        self.failures = 0;
    }
}

/// A number in 0..1 from the keys that the standard library draws for each hasher: good enough for jitter.
fn random_fraction() -> f64 {
    let random = RandomState::new().hash_one(0_u8) >> 40;
    random as f64 / (1_u64 << 24) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_up_to_the_cap_and_start_again_after_a_success() {
        let mut backoff = Backoff::default();
        for nominal_ms in [100, 200, 400, 800, 1600, 3200, 5000, 5000] {
            let nominal = Duration::from_millis(nominal_ms);
            let wait = backoff.next_wait();
            assert!(wait >= nominal / 2 && wait <= nominal, "{wait:?} for {nominal:?}");
        }
        for _ in 0..100 {
            assert!(backoff.next_wait() <= LONGEST);
        }
        backoff.reset();
        assert!(backoff.next_wait() <= FIRST);
    }
}
