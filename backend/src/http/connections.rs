//! The open connections, by client. Connections are shared as all places are (`shares.rs`); beyond its share a client gets
//! a new one for its oldest on which nothing is being answered, such as one whose request never comes whole. So idle or
//! half-sent requests hold up nobody, not even other programs behind the same address.

use std::{
    collections::{HashMap, VecDeque},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use tokio_util::sync::CancellationToken;

use crate::client::Client;

/// All connections.
#[derive(Debug)]
pub struct Connections {
    most: usize,
    /// The oldest first.
    open: Mutex<HashMap<Client, VecDeque<Arc<Line>>>>,
}

#[derive(Debug, Default)]
struct Line {
    /// Whether a request is being answered.
    busy: AtomicBool,
    /// Its place was given to another.
    closing: CancellationToken,
}

/// A connection that has a place until this is dropped.
#[derive(Debug)]
pub struct Connection {
    all: Arc<Connections>,
    client: Client,
    line: Arc<Line>,
}

/// A request that is being answered until this is dropped.
#[derive(Debug)]
pub struct Answering(Arc<Line>);

impl Connections {
    /// At most so many.
    pub fn new(most: usize) -> Arc<Self> {
        Arc::new(Self { most, open: Mutex::default() })
    }

    /// Takes a place for a connection; `None` when there is none. A proxy has no share: it speaks for many.
    pub fn open(self: &Arc<Self>, client: Client, is_proxy: bool) -> Option<Connection> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let free = self.most.saturating_sub(open.values().map(VecDeque::len).sum());
        let own = open.get(&client).map_or(0, VecDeque::len);
        let fits = if is_proxy { free > 0 } else { own < free };
        if !fits {
            let largest = || open.iter().max_by_key(|(_, lines)| lines.len()).map(|(client, _)| *client);
            let from = if own > 0 { client } else { largest()? };
            close_one(&mut open, from)?;
        }
        let line = Arc::<Line>::default();
        open.entry(client).or_default().push_back(Arc::clone(&line));
        Some(Connection { all: Arc::clone(self), client, line })
    }
}

/// Closes the oldest connection of a client on which nothing is being answered.
fn close_one(open: &mut HashMap<Client, VecDeque<Arc<Line>>>, client: Client) -> Option<()> {
    let lines = open.get_mut(&client)?;
    let idle = lines.iter().position(|line| !line.busy.load(Ordering::Relaxed))?;
    let line = lines.remove(idle)?;
    if lines.is_empty() {
        open.remove(&client);
    }
    line.closing.cancel();
    Some(())
}

impl Connection {
    /// From here on a request is being answered.
    pub fn answering(&self) -> Answering {
        self.line.busy.store(true, Ordering::Relaxed);
        Answering(Arc::clone(&self.line))
    }

    /// Is canceled when the place was given to another connection.
    pub fn closing(&self) -> &CancellationToken {
        &self.line.closing
    }
}

impl Drop for Answering {
    fn drop(&mut self) {
        self.0.busy.store(false, Ordering::Relaxed);
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        let mut open = self.all.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(lines) = open.get_mut(&self.client) {
            lines.retain(|line| !Arc::ptr_eq(line, &self.line));
            if lines.is_empty() {
                open.remove(&self.client);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::*;

    fn client(last: u8) -> Client {
        IpAddr::from([127, 0, 0, last]).into()
    }

    #[test]
    fn beyond_its_share_a_client_loses_its_oldest_idle_connection_and_no_busy_one() {
        let all = Connections::new(4);
        let first = all.open(client(1), false).unwrap();
        let second = all.open(client(1), false).unwrap();
        let answering = first.answering();
        let third = all.open(client(1), false).unwrap();
        assert!(second.closing().is_cancelled() && !first.closing().is_cancelled());
        drop(second);
        let _busy = third.answering();
        assert!(all.open(client(1), false).is_none(), "nothing is idle");
        let _other = all.open(client(2), false).unwrap();
        drop(answering);
        let _fourth = all.open(client(1), false).unwrap();
        assert!(first.closing().is_cancelled(), "it is idle again");
    }

    #[test]
    fn a_newcomer_finds_a_place_where_others_idle_and_a_proxy_has_no_share() {
        let all = Connections::new(2);
        let first = all.open(client(9), true).unwrap();
        let second = all.open(client(9), true).unwrap();
        let _newcomer = all.open(client(1), false).unwrap();
        assert!(first.closing().is_cancelled() && !second.closing().is_cancelled());
        drop((first, second));
        assert_eq!(all.open.lock().unwrap().len(), 1, "who has none is forgotten");
    }
}
