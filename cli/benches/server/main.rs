//! What the server costs: unpacking beside `unzip`, the durable answer, other calls meanwhile, reads, memory.
//! Everything but the unpacking is measured on the released binary, over sockets, on a real disk.

mod pipeline;
mod project;
mod scale;
mod server;

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, ExitCode},
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

use pipelinex_backend::intake;
use pipelinex_common::{
    limits::IntakeLimits,
    testing::{
        RedisServer,
        bench::{Results, Row, measure, percentile},
    },
};
use secrecy::ExposeSecret;
use server::{Process, Server};

const UNPACK: &str = "unpack: 5,000 files, 59 MB, on tmpfs";
const DURABLE: &str = "upload: from the first byte to the durable 201, disk";
const HEALTH: &str = "upload: p99 of /health meanwhile";
const HEALTH_IDLE: &str = "upload: p99 of /health before";
const HEALTH_BESIDE: &str = "upload: p99 of /health while unzip runs instead";
const READS: &str = "status: time of a read, 8 connections";
const AT_REST: &str = "memory: backend and worker at rest";
const GROWTH: &str = "memory: growth while 50 MiB stream in";

/// Status reads a second of the predecessor, at 8 connections.
const PREDECESSOR_READS: f64 = 588.0;
/// An answer of `/health` that takes this long disturbs no probe and no person; on a machine with two busy cores, waiting for
/// one of them takes most of it.
const UNNOTICED_MS: f64 = 10.0;
const UNPACKINGS: usize = 9;
const UPLOADS: usize = 5;

fn main() -> ExitCode {
    let Some(results) = Results::open() else { return ExitCode::SUCCESS };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        // The place is dropped, and so all of it removed and killed, in whatever way this ends.
        let measuring = tokio::task::spawn_blocking(|| run(&Place::new(), results));
        measure(async { measuring.await.expect("measured") }, async { STOP.store(true, Ordering::Relaxed) }).await
    })
}

/// Set when a signal came: loops end, and with them what they use is dropped.
static STOP: AtomicBool = AtomicBool::new(false);

/// The names of what is measured together, and how.
type Part = (&'static [&'static str], fn(&Place) -> Vec<Row>);

fn run(place: &Place, mut results: Results) {
    let parts: [Part; 7] = [
        (&[UNPACK], unpack),
        (&[DURABLE, HEALTH, HEALTH_IDLE, HEALTH_BESIDE], upload),
        (&[READS], reads),
        (&[AT_REST], at_rest),
        (&[GROWTH], growth),
        (&[pipeline::SCANS], pipeline::scans),
        (&scale::NAMES, scale::rows),
    ];
    for (names, part) in parts {
        if STOP.load(Ordering::Relaxed) {
            return;
        }
        if names.iter().any(|name| results.wants(name)) {
            part(place).into_iter().for_each(|row| results.add(row));
        }
    }
    results.say();
}

/// Folders and a Redis for the time of the benchmark.
struct Place {
    disk: tempfile::TempDir,
    memory: tempfile::TempDir,
    redis: RedisServer,
}

impl Place {
    fn new() -> Self {
        let folder = |at: &str| tempfile::Builder::new().prefix("pipelinex-bench-").tempdir_in(at).expect("a folder");
        Self { disk: folder("/var/tmp"), memory: folder("/dev/shm"), redis: RedisServer::start() }
    }

    fn archive(&self) -> PathBuf {
        let path = self.memory.path().join("many.zip");
        if !path.exists() {
            project::many_files(&path);
        }
        path
    }

    fn redis_url(&self) -> String {
        self.redis.url().expose_secret().to_owned()
    }

    fn server(&self) -> Server {
        Server::start(&self.disk.path().join("workspaces"), &self.redis_url())
    }
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

fn timed(work: impl FnOnce()) -> f64 {
    let start = Instant::now();
    work();
    milliseconds(start.elapsed())
}

fn unzip(archive: &Path, to: &Path) {
    let status = Command::new("unzip").arg("-q").arg(archive).arg("-d").arg(to).status();
    assert!(status.expect("unzip is installed").success());
}

fn unpack(place: &Place) -> Vec<Row> {
    let archive = place.archive();
    let limits = IntakeLimits::default();
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    let target = place.memory.path().join("unpacked");
    for _ in 0..UNPACKINGS {
        ours.push(timed(|| {
            let unpacked = runtime.block_on(intake::unpack(&archive, &target, &limits)).expect("unpacked");
            assert_eq!(unpacked.files, 5_000);
        }));
        fs::remove_dir_all(&target).expect("removed");
        theirs.push(timed(|| unzip(&archive, &target)));
        fs::remove_dir_all(&target).expect("removed");
    }
    vec![Row::compare(UNPACK, "ms", ours, "unzip -q", &theirs).goal(0.5)]
}

fn upload(place: &Place) -> Vec<Row> {
    let archive = place.archive();
    let bytes = fs::read(&archive).expect("the archive");
    let server = place.server();
    let target = place.disk.path().join("unzipped");
    let _ = server.upload(&bytes);
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    let (mut meanwhile, mut beside_unzip) = (Vec::new(), Vec::new());
    let idle = health_until(&server, || thread::sleep(Duration::from_secs(3)));
    for _ in 0..UPLOADS {
        meanwhile.extend(health_until(&server, || ours.push(milliseconds(server.upload(&bytes).0))));
        beside_unzip.extend(health_until(&server, || {
            theirs.push(timed(|| {
                unzip(&archive, &target);
                let synced = Command::new("sync").arg("-f").arg(&target).status();
                assert!(synced.expect("sync is installed").success());
            }));
        }));
        fs::remove_dir_all(&target).expect("removed");
    }
    let p99 = |times: &[f64]| vec![percentile(times, 99)];
    vec![
        Row::compare(DURABLE, "ms", ours, "unzip -q and sync -f on the same disk", &theirs),
        Row::beside(HEALTH, "ms", p99(&meanwhile), "what nobody notices", UNNOTICED_MS).goal(1.0),
        Row::alone(HEALTH_IDLE, "ms", p99(&idle)),
        Row::alone(HEALTH_BESIDE, "ms", p99(&beside_unzip)),
    ]
}

/// Asks for `/health` every millisecond while `work` goes on. Returns how long each answer took, in milliseconds.
fn health_until(server: &Server, work: impl FnOnce()) -> Vec<f64> {
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        let asking = scope.spawn(|| {
            let (mut connection, mut times) = (server.connect(), Vec::new());
            while !done.load(Ordering::Relaxed) {
                times.push(timed(|| connection.get("/health")));
                thread::sleep(Duration::from_millis(1));
            }
            times
        });
        work();
        done.store(true, Ordering::Relaxed);
        asking.join().expect("answers")
    })
}

fn reads(place: &Place) -> Vec<Row> {
    let server = place.server();
    let small = place.disk.path().join("small.zip");
    project::few_files(&small, 64);
    let (_, id) = server.upload(&fs::read(&small).expect("the archive"));
    let path = format!("/api/jobs/{id}/status");
    let second = || {
        let end = Instant::now() + Duration::from_secs(1);
        let count = || {
            let (mut connection, mut reads) = (server.connect(), 0);
            while Instant::now() < end {
                connection.get(&path);
                reads += 1;
            }
            reads
        };
        let reads: u32 = thread::scope(|scope| {
            let all: Vec<_> = (0..8).map(|_| scope.spawn(count)).collect();
            all.into_iter().map(|one| one.join().expect("reads")).sum()
        });
        1e6 / f64::from(reads)
    };
    let ours: Vec<f64> = (0..5).map(|_| second()).collect();
    let what = format!("the predecessor's {PREDECESSOR_READS} reads a second");
    vec![Row::beside(READS, "us", ours, &what, 1e6 / PREDECESSOR_READS).goal(1.0)]
}

fn at_rest(place: &Place) -> Vec<Row> {
    let server = place.server();
    let workspaces = place.disk.path().join("workspaces-of-the-worker");
    let worker = Process::start(&["worker"], &workspaces, &place.redis_url());
    let ours = (0..5).map(|_| {
        thread::sleep(Duration::from_secs(1));
        server.process.resident_mib() + worker.resident_mib()
    });
    vec![Row::beside(AT_REST, "MiB", ours.collect(), "the goal", 40.0).goal(1.0)]
}

fn growth(place: &Place) -> Vec<Row> {
    let server = place.server();
    let large = place.memory.path().join("large.zip");
    project::few_files(&large, 50 * 1024 * 1024 - 16 * 1024);
    let bytes = fs::read(&large).expect("the archive");
    let small = place.disk.path().join("small.zip");
    project::few_files(&small, 64);
    let _ = server.upload(&fs::read(&small).expect("the archive"));
    let ours = (0..3).map(|_| {
        server.process.forget_peak();
        let before = server.process.resident_mib();
        let _ = server.upload(&bytes);
        server.process.peak_mib() - before
    });
    vec![Row::beside(GROWTH, "MiB", ours.collect(), "the goal", 16.0).goal(1.0)]
}
