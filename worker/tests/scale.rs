//! Stories about a folder of many jobs. What a pass costs is counted, not timed; `make bench` times it with a hundred thousand.
//! No engine answers here: it would only run the jobs.

use std::{
    fs, io,
    os::unix::net::UnixListener,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use pipelinex_common::{
    id::JobId,
    store::Store,
    testing::{Opened, crowd},
};
use pipelinex_worker::{StopOrders, Worker, config::WorkerConfig};

const ENDED: usize = 2_000;

fn worker(store: &Store, engine: &Path) -> Arc<Worker> {
    let docker_host = Some(format!("unix://{}", engine.display()));
    Worker::new(WorkerConfig { docker_host, ..WorkerConfig::default() }, store.clone(), StopOrders::default())
}

fn outboxes(store: &Store, ids: &[JobId]) -> usize {
    ids.iter().filter(|id| store.layout().job(**id).outbox().exists()).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_has_ended_is_looked_at_once_in_the_life_of_a_worker_and_never_opened() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap();
    let ended = crowd::ended(&store, ENDED).unwrap();
    crowd::waiting(&store, 20).unwrap();
    let mut opened = Opened::watch(ended.iter().map(|id| store.layout().job(*id).root().to_owned())).unwrap();

    let first = worker(&store, &dir.path().join("no-engine"));
    first.reconcile_once().await.unwrap();
    // Whoever looks at an ended job with an outbox throws that away: so looks can be counted.
    ended.iter().for_each(|id| fs::create_dir(store.layout().job(*id).outbox()).unwrap());
    for _ in 0..3 {
        first.reconcile_once().await.unwrap();
    }
    assert_eq!(outboxes(&store, &ended), ENDED, "none was looked at again");
    assert_eq!(opened.count(), 0, "and none was ever opened");

    // A restart looks at each once more, and finds what the worker before did not get to.
    worker(&store, &dir.path().join("no-engine")).reconcile_once().await.unwrap();
    assert_eq!(outboxes(&store, &ended), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_engine_that_is_away_is_asked_once_a_pass_however_many_jobs_wait() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(&dir.path().join("workspaces")).unwrap();
    let socket = dir.path().join("engine.sock");
    let asked = hangs_up(&socket).unwrap();
    let mut counts = Vec::new();
    for more in [1, 200] {
        crowd::waiting(&store, more).unwrap();
        let before = asked.load(Ordering::Acquire);
        worker(&store, &socket).reconcile_once().await.unwrap();
        counts.push(asked.load(Ordering::Acquire) - before);
    }
    assert!(counts[0] > 0);
    assert_eq!(counts[0], counts[1]);
}

/// An engine that hangs up on everybody. Returns how many have come.
fn hangs_up(socket: &Path) -> io::Result<Arc<AtomicUsize>> {
    let listener = UnixListener::bind(socket)?;
    let asked = Arc::new(AtomicUsize::new(0));
    let counter = asked.clone();
    // Ends with the test's process.
    std::thread::spawn(move || {
        while let Ok((caller, _)) = listener.accept() {
            counter.fetch_add(1, Ordering::AcqRel);
            drop(caller);
        }
    });
    Ok(asked)
}
