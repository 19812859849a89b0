//! A network between us and Redis that a test makes slow, silent or broken; it counts what we try meanwhile.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use secrecy::SecretString;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinSet,
    time::sleep,
};

/// How the network is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Weather {
    /// Everything gets through.
    Fair,
    /// Each piece of an answer comes so late.
    Slow(Duration),
    /// Everything is taken and nothing gets through, without a word: a partition that closes no connection.
    Silent,
    /// Every connection breaks at once.
    Broken,
}

/// A proxy on a port of its own; it ends with the test.
pub struct Proxy {
    port: u16,
    weather: watch::Sender<Weather>,
    connections: Arc<AtomicUsize>,
    sent: Arc<AtomicUsize>,
    // Aborted with all connections when it is dropped.
    _accepting: JoinSet<()>,
}

impl Proxy {
    pub async fn start(to: u16, weather: Weather) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let weather = watch::Sender::new(weather);
        let (connections, sent) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let (sky, count, pieces) = (weather.clone(), connections.clone(), sent.clone());
        let mut accepting = JoinSet::new();
        accepting.spawn(async move {
            let mut open = JoinSet::new();
            loop {
                let (client, _) = listener.accept().await.unwrap();
                count.fetch_add(1, Ordering::Relaxed);
                open.spawn(carry(client, to, sky.subscribe(), pieces.clone()));
            }
        });
        Self { port, weather, connections, sent, _accepting: accepting }
    }

    pub fn url(&self, login: &str) -> SecretString {
        SecretString::from(format!("redis://{login}127.0.0.1:{}", self.port))
    }

    pub fn set(&self, weather: Weather) {
        self.weather.send_replace(weather);
    }

    /// How many connections were made, and how many pieces were sent to Redis, while so much time went by.
    pub async fn tried_within(&self, time: Duration) -> (usize, usize) {
        let look = || (self.connections.load(Ordering::Relaxed), self.sent.load(Ordering::Relaxed));
        let before = look();
        sleep(time).await;
        let after = look();
        (after.0 - before.0, after.1 - before.1)
    }
}

/// Carries one connection for as long as both sides and the weather let it.
async fn carry(client: TcpStream, to: u16, mut weather: watch::Receiver<Weather>, sent: Arc<AtomicUsize>) {
    let Ok(redis) = TcpStream::connect(("127.0.0.1", to)).await else { return };
    let ((mut from_client, mut to_client), (mut from_redis, mut to_redis)) = (client.into_split(), redis.into_split());
    let mut sky = weather.clone();
    let there = async move {
        let mut piece = vec![0; 64 * 1024];
        while let Ok(count @ 1..) = from_client.read(&mut piece).await {
            sent.fetch_add(1, Ordering::Relaxed);
            if *sky.borrow_and_update() != Weather::Silent && to_redis.write_all(&piece[..count]).await.is_err() {
                break;
            }
        }
    };
    let sky = weather.clone();
    let back = async move {
        let mut piece = vec![0; 64 * 1024];
        while let Ok(count @ 1..) = from_redis.read(&mut piece).await {
            let now = *sky.borrow();
            match now {
                Weather::Slow(time) => sleep(time).await,
                Weather::Silent => continue,
                Weather::Fair | Weather::Broken => {}
            }
            if to_client.write_all(&piece[..count]).await.is_err() {
                break;
            }
        }
    };
    tokio::select! {
        () = there => {}
        () = back => {}
        _ = weather.wait_for(|weather| *weather == Weather::Broken) => {}
    }
}
