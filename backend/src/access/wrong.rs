//! Wrong tokens, counted per address: whoever tries one after another is told to wait, and nobody else notices. Right tokens are
//! taken from every address at any time, so that nobody behind the same address is kept out.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use crate::client::Client;

/// Wrong tokens of one address within [`WINDOW`] that are told to be wrong.
pub const WRONG_MAX: u32 = 20;
/// After so long an address is forgotten.
pub const WINDOW: Duration = Duration::from_secs(60);
/// The most addresses that are remembered; with more of them, those that come are told to wait.
const ADDRESSES_MAX: usize = 4096;

/// Who sent wrong tokens lately.
#[derive(Debug, Default)]
pub struct WrongTokens {
    seen: Mutex<HashMap<Client, Seen>>,
}

#[derive(Clone, Copy, Debug)]
struct Seen {
    count: u32,
    since: Instant,
}

/// What a wrong token is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// That it is wrong.
    Wrong,
    /// The same for the last time.
    LastWrong,
    /// That there were too many.
    TooMany,
}

impl WrongTokens {
    /// Whether the next wrong token of an address is one too many.
    pub fn are_too_many(&self, client: Client, now: Instant) -> bool {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        match seen.get(&client) {
            Some(seen) => seen.count >= WRONG_MAX && now.duration_since(seen.since) < WINDOW,
            None => seen.len() >= ADDRESSES_MAX,
        }
    }

    /// Counts a wrong token of an address.
    pub fn count(&self, client: Client, now: Instant) -> Verdict {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.len() >= ADDRESSES_MAX && !seen.contains_key(&client) {
            seen.retain(|_, seen| now.duration_since(seen.since) < WINDOW);
            if seen.len() >= ADDRESSES_MAX {
                return Verdict::TooMany;
            }
        }
        let entry = seen.entry(client).or_insert(Seen { count: 0, since: now });
        if now.duration_since(entry.since) >= WINDOW {
            *entry = Seen { count: 0, since: now };
        }
        entry.count = entry.count.saturating_add(1);
        match entry.count {
            count if count < WRONG_MAX => Verdict::Wrong,
            WRONG_MAX => Verdict::LastWrong,
            _ => Verdict::TooMany,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};

    use super::*;

    fn client(number: u32) -> Client {
        IpAddr::from(Ipv4Addr::from(0x0a00_0000 + number)).into()
    }

    #[test]
    fn an_address_is_told_to_wait_after_some_and_forgotten_after_a_while() {
        let (wrong, now) = (WrongTokens::default(), Instant::now());
        assert!(!wrong.are_too_many(client(1), now));
        let said: Vec<_> = (0..WRONG_MAX + 1).map(|_| wrong.count(client(1), now)).collect();
        assert!(said[..19].iter().all(|verdict| *verdict == Verdict::Wrong), "{said:?}");
        assert_eq!(said[19..], [Verdict::LastWrong, Verdict::TooMany]);
        assert!(wrong.are_too_many(client(1), now) && !wrong.are_too_many(client(2), now));
        assert_eq!(wrong.count(client(2), now), Verdict::Wrong, "another address has its own count");
        assert_eq!(wrong.count(client(1), now + WINDOW), Verdict::Wrong);
    }

    #[test]
    fn however_many_addresses_come_so_many_are_remembered() {
        let (wrong, now) = (WrongTokens::default(), Instant::now());
        let told = |number, at| wrong.count(client(number), at);
        for number in 0..ADDRESSES_MAX as u32 {
            assert_eq!(told(number, now), Verdict::Wrong);
        }
        assert_eq!(told(1_000_000, now), Verdict::TooMany);
        assert_eq!(told(1, now), Verdict::Wrong, "who is known is counted on");
        assert_eq!(told(1_000_000, now + WINDOW), Verdict::Wrong);
        assert_eq!(wrong.seen.lock().unwrap().len(), 1);
    }
}
