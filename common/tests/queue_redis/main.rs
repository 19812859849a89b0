//! The queue over a real Redis, and what it does when that Redis misbehaves.

#![expect(clippy::unwrap_used, reason = "helpers of tests are not recognised as tests")]

mod faults;
mod proxy;

use std::{future::poll_fn, time::Duration};

use apalis_core::{backend::Backend, worker::context::WorkerContext};
use pipelinex_common::{
    id::{InstanceId, JobId},
    queue::{Doorbell, JobBackend, MOST_WAITING, QueueError, QueueHealth, RING_LIMIT, RedisConfig},
    testing::RedisServer,
};
use secrecy::SecretString;
use tokio::{
    sync::watch,
    time::{Instant, timeout},
};

/// For what should happen at once, on the slowest of machines.
const PATIENCE: Duration = Duration::from_secs(30);

/// Both ends of one queue, each with its own connection, as in two processes.
struct Queue {
    doorbell: Doorbell,
    backend: JobBackend,
    key: String,
}

fn queue(url: &SecretString) -> Queue {
    let instance = InstanceId::generate();
    let config = RedisConfig::new(url, &instance).unwrap();
    let key = format!("pipelinex:{}:bells", instance.as_str());
    Queue { doorbell: Doorbell::redis(config.clone()), backend: JobBackend::redis(config), key }
}

impl Queue {
    /// Waits for the next bell, as a worker with a free hand does.
    async fn next(&mut self) -> JobId {
        let worker = WorkerContext::new("test");
        let next = poll_fn(|context| self.backend.poll_next(context, &worker));
        timeout(PATIENCE, next).await.expect("a bell").expect("no end").expect("no error").args
    }

    async fn ring(&self) -> JobId {
        let id = JobId::generate();
        self.doorbell.ring(id).await.unwrap();
        id
    }

    async fn both_up(&self) {
        until_up(self.doorbell.health()).await;
        until_up(self.backend.health()).await;
    }
}

async fn until_up(mut health: watch::Receiver<QueueHealth>) {
    timeout(PATIENCE, health.wait_for(|health| *health == QueueHealth::Up)).await.expect("up").unwrap();
}

/// Waits until something is wrong that has been found out, and returns the sentence.
async fn until_down_with(mut health: watch::Receiver<QueueHealth>, part: &str) -> String {
    let told = |health: &QueueHealth| matches!(health, QueueHealth::Down { error, .. } if error.contains(part));
    let health = timeout(PATIENCE, health.wait_for(told)).await.expect("down").unwrap();
    match &*health {
        QueueHealth::Down { error, .. } => error.clone(),
        QueueHealth::Up => unreachable!(),
    }
}

#[tokio::test]
async fn a_bell_rung_at_one_end_is_heard_at_the_other() {
    let redis = RedisServer::start();
    let mut queue = queue(&redis.url());
    let first = queue.ring().await;
    let second = queue.ring().await;
    assert_eq!(queue.next().await, first);
    assert_eq!(queue.next().await, second);
    queue.both_up().await;
    assert_eq!(*queue.backend.reconnects().borrow(), 0, "the first connection is no reconnect");
}

#[tokio::test]
async fn redis_killed_and_started_again_heals_by_itself() {
    let mut redis = RedisServer::start();
    let mut queue = queue(&redis.url());
    queue.both_up().await;
    let (mut producer_back, mut consumer_back) = (queue.doorbell.reconnects(), queue.backend.reconnects());

    redis.kill();
    let meanwhile = JobId::generate();
    let error = queue.doorbell.ring(meanwhile).await.unwrap_err();
    assert!(error.to_string().contains("cannot be reached"), "{error}");
    until_down_with(queue.doorbell.health(), "cannot be reached").await;
    until_down_with(queue.backend.health(), "cannot be reached").await;

    redis.start_again();
    timeout(PATIENCE, producer_back.changed()).await.expect("the producer comes back").unwrap();
    timeout(PATIENCE, consumer_back.changed()).await.expect("the consumer comes back").unwrap();
    queue.both_up().await;
    assert_eq!(queue.next().await, meanwhile, "what could not be rung is rung again");
    let id = queue.ring().await;
    assert_eq!(queue.next().await, id);
}

#[tokio::test]
async fn a_restart_that_nobody_notices_costs_no_bell() {
    let mut redis = RedisServer::start();
    let mut queue = queue(&redis.url());
    queue.both_up().await;
    redis.start_again();
    let id = queue.ring().await;
    assert_eq!(queue.next().await, id);
}

#[tokio::test]
async fn an_emptied_redis_loses_bells_and_nothing_else() {
    let redis = RedisServer::start();
    let mut queue = queue(&redis.url());
    queue.ring().await;
    redis.command(&["FLUSHALL"]).await;
    let id = queue.ring().await;
    assert_eq!(queue.next().await, id);
}

#[tokio::test]
async fn a_wrong_password_is_told_without_telling_the_password() {
    let redis = RedisServer::start_with_password("correct-horse");
    let wrong = queue(&redis.url_with_password("battery-staple"));
    for health in [wrong.doorbell.health(), wrong.backend.health()] {
        let sentence = until_down_with(health, "refused the login").await;
        assert!(!sentence.contains("battery"), "{sentence}");
    }
    let error = wrong.doorbell.ring(JobId::generate()).await.unwrap_err();
    assert!(error.to_string().contains("check user name and password"), "{error}");
    assert!(!format!("{error:?} {:?} {:?}", wrong.doorbell, wrong.backend).contains("battery"));

    let none = queue(&SecretString::from(format!("redis://127.0.0.1:{}", redis.port())));
    until_down_with(none.backend.health(), "wants a login").await;
    until_up(queue(&redis.url()).backend.health()).await;
}

#[tokio::test]
async fn forged_entries_are_thrown_away_and_counted() {
    let redis = RedisServer::start();
    let mut queue = queue(&redis.url());
    let huge = "a".repeat(8 << 20);
    let upper = JobId::generate().to_string().to_uppercase();
    let forged = ["", "../..", "{\"id\":1}", "line\nbreak", &upper, &huge];
    for entry in forged {
        redis.command(&["RPUSH", &queue.key, entry]).await;
    }
    let id = queue.ring().await;
    assert_eq!(queue.next().await, id);
    assert_eq!(queue.backend.rejected(), forged.len() as u64);
    queue.both_up().await;
}

#[tokio::test]
async fn something_else_under_our_key_is_cleared_away_by_either_end() {
    let redis = RedisServer::start();
    let mut queue = queue(&redis.url());
    queue.both_up().await;
    redis.command(&["SET", &queue.key, "not a list"]).await;
    let id = queue.ring().await;
    assert_eq!(queue.next().await, id);

    redis.command(&["SET", &queue.key, "not a list"]).await;
    let (doorbell, key, later) = (queue.doorbell.clone(), queue.key.clone(), JobId::generate());
    let (bell, ()) = tokio::join!(queue.next(), async {
        // The consumer's turn: it finds the string as soon as it asks.
        while redis.command(&["EXISTS", &key]).await != redis::Value::Int(0) {
            tokio::task::yield_now().await;
        }
        doorbell.ring(later).await.unwrap();
    });
    assert_eq!(bell, later);
    assert_eq!(queue.backend.rejected(), 1);
}

#[tokio::test]
async fn a_slow_redis_is_not_a_dead_one() {
    let redis = RedisServer::start();
    let mut queue = queue(&redis.url());
    queue.both_up().await;
    for _ in 0..3 {
        redis.command(&["CLIENT", "PAUSE", "600"]).await;
        let id = queue.ring().await;
        assert_eq!(queue.next().await, id);
    }
    assert_eq!(*queue.doorbell.reconnects().borrow(), 0);
    assert_eq!(*queue.backend.reconnects().borrow(), 0);
}

#[tokio::test]
async fn a_redis_that_accepts_and_never_answers_holds_nobody_up() {
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = silent.local_addr().unwrap().port();
    let queue = queue(&SecretString::from(format!("redis://:secret@127.0.0.1:{port}")));
    let began = Instant::now();
    assert_eq!(queue.doorbell.ring(JobId::generate()).await, Err(QueueError::TimedOut));
    assert!(began.elapsed() < RING_LIMIT * 2, "{:?}", began.elapsed());
    until_down_with(queue.doorbell.health(), "did not answer").await;
    until_down_with(queue.backend.health(), "did not answer").await;
}

#[tokio::test]
async fn a_full_redis_is_told_and_the_bell_comes_later() {
    let redis = RedisServer::start();
    let mut queue = queue(&redis.url());
    queue.both_up().await;
    redis.command(&["CONFIG", "SET", "maxmemory", "1"]).await;
    let id = JobId::generate();
    let error = queue.doorbell.ring(id).await.unwrap_err();
    assert!(error.to_string().contains("OOM"), "{error}");
    until_down_with(queue.doorbell.health(), "OOM").await;
    redis.command(&["CONFIG", "SET", "maxmemory", "0"]).await;
    assert_eq!(queue.next().await, id);
    until_up(queue.doorbell.health()).await;
}

#[tokio::test]
async fn the_list_does_not_grow_without_end() {
    let redis = RedisServer::start();
    let queue = queue(&redis.url());
    let fill = "for i = 1, 10500 do redis.call('RPUSH', KEYS[1], i) end";
    redis.command(&["EVAL", fill, "1", &queue.key]).await;
    queue.ring().await;
    assert_eq!(redis.command(&["LLEN", &queue.key]).await, redis::Value::Int(MOST_WAITING as i64));
}
