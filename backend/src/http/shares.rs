//! Places that clients share, so that one alone never leaves the others without any.
//!
//! A client may hold as many places as are still free. The first to come gets at most half of them, a second at most half of
//! the rest, and so on: whatever one client does, there is a place for the next.

use std::{
    collections::HashMap,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
};

use axum::{body::Body, response::Response};
use bytes::Bytes;
use hyper::body::{Body as HttpBody, Frame, SizeHint};

use crate::client::Client;

/// The places of one kind.
#[derive(Debug)]
pub struct Shares {
    most: usize,
    held: Mutex<HashMap<Client, usize>>,
}

/// Why there is no place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoPlace {
    /// The client holds its share already.
    Share,
    /// All places are taken.
    All,
}

/// A place that a client holds until this is dropped.
#[derive(Debug)]
pub struct Place {
    shares: Arc<Shares>,
    client: Client,
}

impl Shares {
    /// So many places.
    pub fn new(most: usize) -> Arc<Self> {
        Arc::new(Self { most, held: Mutex::default() })
    }

    /// How many are taken.
    pub fn taken(&self) -> usize {
        self.held.lock().unwrap_or_else(PoisonError::into_inner).values().sum()
    }

    /// Takes a place for a client; never waits.
    ///
    /// # Errors
    /// [`NoPlace`].
    pub fn take(self: &Arc<Self>, client: Client) -> Result<Place, NoPlace> {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let free = self.most.saturating_sub(held.values().sum());
        if free == 0 {
            return Err(NoPlace::All);
        }
        let own = held.entry(client).or_default();
        if *own >= free {
            return Err(NoPlace::Share);
        }
        *own += 1;
        Ok(Place { shares: Arc::clone(self), client })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut held = self.shares.held.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(own) = held.get_mut(&self.client) {
            *own -= 1;
            if *own == 0 {
                held.remove(&self.client);
            }
        }
    }
}

/// Holds something until an answer has been handed over whole, or was given up.
pub fn hold<T: Send + Unpin + 'static>(response: Response, held: T) -> Response {
    response.map(|body| Body::new(Holding { body, _held: held }))
}

struct Holding<T> {
    body: Body,
    _held: T,
}

impl<T: Unpin> HttpBody for Holding<T> {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
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
    fn one_client_gets_half_the_next_half_of_the_rest_and_each_new_one_finds_a_place() {
        let shares = Shares::new(16);
        let mut places = Vec::new();
        let mut grab = |last: u8| {
            let before = places.len();
            while let Ok(place) = shares.take(client(last)) {
                places.push(place);
            }
            places.len() - before
        };
        assert_eq!([1, 2, 3, 4, 5, 6].map(&mut grab), [8, 4, 2, 1, 1, 0]);
        assert_eq!(shares.take(client(1)).unwrap_err(), NoPlace::All);
        places.truncate(8);
        assert_eq!(shares.take(client(1)).unwrap_err(), NoPlace::Share);
        places.clear();
        assert!(shares.held.lock().unwrap().is_empty(), "who holds nothing is forgotten");
    }

    #[test]
    fn a_single_place_is_there_for_anybody() {
        let shares = Shares::new(1);
        let place = shares.take(client(1)).unwrap();
        assert_eq!(shares.take(client(2)).unwrap_err(), NoPlace::All);
        drop(place);
        assert!(shares.take(client(2)).is_ok());
        assert_eq!(Shares::new(0).take(client(1)).unwrap_err(), NoPlace::All);
    }
}
