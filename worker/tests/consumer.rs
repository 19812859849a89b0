//! From the bell to the handler, in one process and over a real Redis.

#![expect(clippy::unwrap_used, reason = "helpers of tests are not recognised as tests")]

use std::{
    future::pending,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use pipelinex_common::{
    id::{InstanceId, JobId},
    queue::{self, Doorbell, JobBackend, RedisConfig},
    testing::RedisServer,
};
use pipelinex_worker::consumer::{self, ConsumerName, SHUTDOWN_GRACE};
use tokio::{
    sync::{Semaphore, mpsc},
    task::JoinHandle,
    time::{Instant, timeout},
};
use tokio_util::sync::CancellationToken;

const PATIENCE: Duration = Duration::from_secs(30);

/// A worker whose handler says that it has begun, and is done when the test lets it.
struct Worker {
    began: mpsc::UnboundedReceiver<JobId>,
    may_end: Arc<Semaphore>,
    most_at_once: Arc<AtomicUsize>,
    shutdown: CancellationToken,
    task: JoinHandle<()>,
}

fn start(backend: JobBackend, concurrency: usize) -> Worker {
    let (begin, began) = mpsc::unbounded_channel();
    let may_end = Arc::new(Semaphore::new(0));
    let (now, most_at_once) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let shutdown = CancellationToken::new();
    let handler = {
        let (may_end, most, shutdown) = (Arc::clone(&may_end), Arc::clone(&most_at_once), shutdown.clone());
        move |id: JobId| {
            let (begin, may_end, now) = (begin.clone(), Arc::clone(&may_end), Arc::clone(&now));
            let (most, shutdown) = (Arc::clone(&most), shutdown.clone());
            async move {
                most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                begin.send(id).unwrap();
                tokio::select! {
                    permit = may_end.acquire() => permit.unwrap().forget(),
                    () = shutdown.cancelled() => {}
                }
                now.fetch_sub(1, Ordering::SeqCst);
            }
        }
    };
    let run = consumer::run(backend, ConsumerName::for_this_process(), concurrency, handler, shutdown.clone());
    Worker { began, may_end, most_at_once, shutdown, task: tokio::spawn(run) }
}

impl Worker {
    async fn next(&mut self) -> JobId {
        timeout(PATIENCE, self.began.recv()).await.expect("a handler begins").unwrap()
    }

    async fn stop(self) {
        self.shutdown.cancel();
        timeout(PATIENCE, self.task).await.expect("the worker stops").unwrap();
    }
}

async fn ring(doorbell: &Doorbell) -> JobId {
    let id = JobId::generate();
    doorbell.ring(id).await.unwrap();
    id
}

#[tokio::test]
async fn a_bell_in_the_same_process_reaches_the_handler() {
    let (doorbell, backend) = queue::in_process();
    let mut worker = start(backend, 1);
    let id = ring(&doorbell).await;
    assert_eq!(worker.next().await, id);
    worker.stop().await;
}

#[tokio::test]
async fn never_more_handlers_at_once_than_agreed() {
    let (doorbell, backend) = queue::in_process();
    let mut worker = start(backend, 3);
    for _ in 0..20 {
        ring(&doorbell).await;
    }
    for _ in 0..3 {
        worker.next().await;
    }
    worker.may_end.add_permits(17);
    for _ in 0..17 {
        worker.next().await;
    }
    assert_eq!(worker.most_at_once.load(Ordering::SeqCst), 3);
    worker.stop().await;
}

#[tokio::test]
async fn a_panic_ends_one_handler_and_no_more() {
    let (doorbell, backend) = queue::in_process();
    let (begin, mut began) = mpsc::unbounded_channel();
    let bad = ring(&doorbell).await;
    let handler = move |id| {
        let begin = begin.clone();
        async move {
            assert_ne!(id, bad, "this job is poison");
            begin.send(id).unwrap();
        }
    };
    let shutdown = CancellationToken::new();
    let run = consumer::run(backend, ConsumerName::for_this_process(), 1, handler, shutdown.clone());
    let task = tokio::spawn(run);
    let good = ring(&doorbell).await;
    assert_eq!(timeout(PATIENCE, began.recv()).await.expect("the next handler begins"), Some(good));
    shutdown.cancel();
    task.await.unwrap();
}

#[tokio::test]
async fn a_busy_worker_leaves_the_bells_to_an_idle_one() {
    let redis = RedisServer::start();
    let instance = InstanceId::generate();
    let config = RedisConfig::new(&redis.url(), &instance).unwrap();
    let doorbell = Doorbell::redis(config.clone());
    let mut first = start(JobBackend::redis(config.clone()), 1);
    let one = ring(&doorbell).await;
    assert_eq!(first.next().await, one);

    let mut second = start(JobBackend::redis(config), 1);
    let two = ring(&doorbell).await;
    assert_eq!(second.next().await, two, "the first is busy");

    let three = ring(&doorbell).await;
    let key = format!("pipelinex:{}:bells", instance.as_str());
    assert_eq!(format!("{:?}", redis.command(&["LLEN", &key]).await), "int(1)", "both are busy: nobody takes it");
    second.may_end.add_permits(1);
    assert_eq!(second.next().await, three, "it goes to the first with a free hand");
    first.stop().await;
    second.stop().await;
}

#[tokio::test]
async fn a_stopped_worker_takes_no_more_bells() {
    let redis = RedisServer::start();
    let config = RedisConfig::new(&redis.url(), &InstanceId::generate()).unwrap();
    let doorbell = Doorbell::redis(config.clone());
    let mut first = start(JobBackend::redis(config.clone()), 2);
    let one = ring(&doorbell).await;
    assert_eq!(first.next().await, one);
    first.stop().await;
    let two = ring(&doorbell).await;
    let mut second = start(JobBackend::redis(config), 1);
    assert_eq!(second.next().await, two);
    second.stop().await;
}

#[tokio::test]
async fn a_worker_survives_a_restart_of_redis() {
    let mut redis = RedisServer::start();
    let config = RedisConfig::new(&redis.url(), &InstanceId::generate()).unwrap();
    let doorbell = Doorbell::redis(config.clone());
    let mut worker = start(JobBackend::redis(config), 1);
    let one = ring(&doorbell).await;
    assert_eq!(worker.next().await, one);
    redis.start_again();
    worker.may_end.add_permits(1);
    let two = ring(&doorbell).await;
    assert_eq!(worker.next().await, two);
    worker.stop().await;
}

#[tokio::test(start_paused = true)]
async fn an_idle_worker_stops_at_once_and_a_stuck_handler_is_dropped_after_the_grace() {
    let (_doorbell, backend) = queue::in_process();
    let began = Instant::now();
    start(backend, 1).stop().await;
    assert_eq!(began.elapsed(), Duration::ZERO);

    let (doorbell, backend) = queue::in_process();
    let (begin, mut begun) = mpsc::unbounded_channel();
    let handler = move |id| {
        let begin = begin.clone();
        async move {
            begin.send(id).unwrap();
            pending::<()>().await;
        }
    };
    let shutdown = CancellationToken::new();
    let run = consumer::run(backend, ConsumerName::for_this_process(), 1, handler, shutdown.clone());
    let task = tokio::spawn(run);
    ring(&doorbell).await;
    begun.recv().await.unwrap();
    let began = Instant::now();
    shutdown.cancel();
    task.await.unwrap();
    assert!(began.elapsed() >= SHUTDOWN_GRACE && began.elapsed() < SHUTDOWN_GRACE * 2, "{:?}", began.elapsed());
    assert_eq!(begun.recv().await, None, "the handler is gone");
}
