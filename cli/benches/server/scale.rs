//! A folder as it is after months: a hundred thousand jobs that have ended, ten thousand that wait.
//!
//! No engine answers here: it would run what waits. What a restart and a pass cost is all that comes before an engine is asked.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

use pipelinex_common::{
    store::Store,
    testing::{
        bench::{Row, percentile},
        crowd,
    },
};
use pipelinex_worker::{StopOrders, Worker, config::WorkerConfig};

use crate::{Place, milliseconds, server::Server, timed};

pub const RESTART: &str = "scale: a restarted server is ready and has made a pass";
pub const PASS: &str = "scale: one pass over all folders";
pub const LIST: &str = "scale: p99 of GET /api/jobs";
pub const LIST_P50: &str = "scale: p50 of GET /api/jobs";
pub const HOME: &str = "scale: p99 of the page of jobs";
pub const LIST_BUSY: &str = "scale: p99 of GET /api/jobs, a job made each 200 ms";
pub const HEALTH: &str = "scale: p99 of /health, which opens nothing";
pub const MEMORY: &str = "scale: memory of the server, after all that was asked";
pub const GROWN: &str = "scale: memory grown since it was ready";
pub const NAMES: [&str; 9] = [RESTART, PASS, LIST, LIST_P50, HOME, LIST_BUSY, HEALTH, MEMORY, GROWN];

const ENDED: usize = 100_000;
const WAITING: usize = 10_000;
const RESTARTS: usize = 5;
const PASSES: usize = 50;
const READS: usize = 2_000;
/// What an operator waits for after a restart.
const READY_MS: f64 = 10_000.0;
/// The pause between two passes: what a pass takes of it, it takes of one core.
const PAUSE_MS: f64 = 5_000.0;
/// A page that takes longer is felt.
const LIST_MS: f64 = 10.0;
/// What a server of no jobs takes, four times.
const MEMORY_MIB: f64 = 80.0;
/// What allocators keep for the threads that answer; what grows with each answer would be many times that.
const GROWN_MIB: f64 = 16.0;

/// Measures all of it, over one crowd.
pub fn rows(place: &Place) -> Vec<Row> {
    let root = place.disk.path().join("crowd");
    let store = Store::open(&root).expect("a store");
    crowd::ended(&store, ENDED).expect("jobs that have ended");
    crowd::waiting(&store, WAITING).expect("jobs that wait");
    rustix::fs::sync();
    let mut ready: Vec<f64> = (1..RESTARTS).map(|_| restart(place, &root).0).collect();
    let (last, server) = restart(place, &root);
    ready.push(last);
    let at_first = server.process.resident_mib();
    let (list, home, health) = (reads(&server, "/api/jobs"), reads(&server, "/"), reads(&server, "/health"));
    let done = AtomicBool::new(false);
    let busy = thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                crowd::waiting(&store, 1).expect("one more");
                thread::sleep(Duration::from_millis(200));
            }
        });
        let busy = reads(&server, "/api/jobs");
        done.store(true, Ordering::Relaxed);
        busy
    });
    let memory = server.process.resident_mib();
    let of = |times: &[f64], percent| vec![percentile(times, percent)];
    let noticed = "what a person notices";
    vec![
        Row::beside(RESTART, "ms", ready, "10 s", READY_MS).goal(1.0),
        Row::beside(PASS, "ms", passes(&store), "the pause between two", PAUSE_MS).goal(0.02),
        Row::beside(LIST, "ms", of(&list, 99), noticed, LIST_MS).goal(1.0),
        Row::alone(LIST_P50, "ms", of(&list, 50)),
        Row::beside(HOME, "ms", of(&home, 99), noticed, LIST_MS).goal(1.0),
        Row::beside(LIST_BUSY, "ms", of(&busy, 99), noticed, LIST_MS).goal(1.0),
        Row::alone(HEALTH, "ms", of(&health, 99)),
        Row::beside(MEMORY, "MiB", vec![memory], "the goal", MEMORY_MIB).goal(1.0),
        Row::beside(GROWN, "MiB", vec![memory - at_first], "the goal", GROWN_MIB).goal(1.0),
    ]
}

/// From the start of the process until it has answered, shown a page of jobs, and made its first pass.
fn restart(place: &Place, root: &Path) -> (f64, Server) {
    let health: PathBuf = place.memory.path().join("health");
    let _ = fs::remove_file(&health);
    let start = Instant::now();
    let server = Server::serve_without_engine(root, &place.redis_url(), &health.display().to_string());
    server.connect().get("/api/jobs");
    while !health.exists() {
        assert!(start.elapsed() < Duration::from_secs(120), "the first pass is made");
        thread::sleep(Duration::from_millis(1));
    }
    (milliseconds(start.elapsed()), server)
}

fn reads(server: &Server, path: &str) -> Vec<f64> {
    let mut connection = server.connect();
    (0..READS).map(|_| timed(|| connection.get(path))).collect()
}

/// Passes after the first one, in a worker of this process.
fn passes(store: &Store) -> Vec<f64> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let docker_host = Some("unix:///nonexistent/docker.sock".to_owned());
        let config = WorkerConfig { docker_host, ..WorkerConfig::default() };
        let worker = Worker::new(config, store.clone(), StopOrders::default());
        worker.reconcile_once().await.expect("the first pass");
        let mut times = Vec::new();
        for _ in 0..PASSES {
            let start = Instant::now();
            worker.reconcile_once().await.expect("a pass");
            times.push(milliseconds(start.elapsed()));
        }
        times
    })
}
