//! Stories about places: which job gets one when there are fewer than jobs, and that none is held for ever.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says so")]

mod support;

use std::{
    os::unix::net::UnixListener,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use pipelinex_common::{
    execution::Waiting,
    id::JobId,
    slug::Slug,
    state::{JobState, StepState},
    store::{Job, Store},
    testing::crowd,
};
use pipelinex_worker::{StopOrders, Worker, config::WorkerConfig};
use support::{story, text, until};
use tokio::time::timeout;

/// Runs until somebody puts a file into the one folder that it shares with this machine.
const GATED: &str = r#"
stages: [S]
S: {stage: S, image: scan, script: ["echo begun; until test -e $REPORTS_DIR/go; do sleep 0.1; done"]}
"#;
const FINE: &str = "stages: [S]\nS: {stage: S, image: scan, script: [\"true\"]}\n";
/// Long enough for whatever is no hang.
const PATIENCE: Duration = Duration::from_secs(60);

async fn begun(job: &Job) {
    let log = job.paths().log(&Slug::of("S"));
    until("the job prints", async || std::fs::read_to_string(&log).ok()?.contains("\nbegun").then_some(())).await;
}

fn open_gate(job: &Job) {
    std::fs::write(job.paths().outbox_of(&Slug::of("S")).join("go"), "").unwrap();
}

#[test]
fn a_job_whose_worker_died_is_taken_up_by_one_that_has_no_place_free() {
    story(async |world| {
        world.config.parallel = 1;
        let orphan = world.submit(GATED, &[]);
        let first = world.work();
        begun(&orphan).await;
        let other = world.submit(GATED, &[]);
        // Its only place is for the other job: the first one is held.
        let second = world.work();
        begun(&other).await;
        let third = world.submit(FINE, &[]);
        first.stop().await;
        until("it is taken up", async || orphan.paths().claim(2).exists().then_some(())).await;
        open_gate(&orphan);
        let end = world.end_of(&orphan).await;
        assert_eq!((end.state, end.attempt, end.claim), (JobState::Succeeded, 1, 2), "{end:#?}");
        assert!(!third.paths().claim(1).exists(), "what nobody has begun waits for its turn");
        open_gate(&other);
        world.end_of(&other).await;
        world.end_of(&third).await;
        second.stop().await;
    });
}

#[test]
fn a_step_without_a_place_is_pending_and_its_time_begins_when_it_has_one() {
    story(async |world| {
        world.config.parallel_steps = 1;
        let definition = format!("{GATED}Z: {{stage: S, needs: [], image: scan, script: [\"true\"]}}\n");
        let job = world.submit(&definition, &[]);
        let working = world.work();
        begun(&job).await;
        let waits = until("the other one is drawn", async || {
            job.view().unwrap().execution.stages["S"]
                .steps
                .get(&Slug::of("Z"))
                .filter(|step| step.waiting.is_some())
                .cloned()
        })
        .await;
        assert_eq!((waits.status, waits.waiting, waits.started_at), (StepState::Pending, Some(Waiting::Place), None));
        assert!(waits.message.contains("--parallel-steps"), "{}", waits.message);
        open_gate(&job);
        let end = world.end_of(&job).await;
        working.stop().await;
        let [first, second] = ["S", "Z"].map(|step| end.stages["S"].steps[&Slug::of(step)].clone());
        assert!(second.started_at.unwrap() >= first.finished_at.unwrap(), "{first:?} {second:?}");
    });
}

#[test]
fn a_bell_brings_the_oldest_job_its_turn_whose_bell_was_lost() {
    story(async |world| {
        let older = world.submit(FINE, &[]);
        let younger = world.submit(FINE, &[]);
        let worker = Worker::new(world.config.clone(), world.store.clone(), StopOrders::default());
        for (next, still_waits) in [(&older, true), (&younger, false)] {
            timeout(PATIENCE, worker.answer(younger.id())).await.expect("an end");
            assert!(next.final_record().unwrap().is_some());
            assert_eq!(younger.final_record().unwrap().is_none(), still_waits);
        }
        let text = text(older.paths().final_record());
        assert!(text.contains("SUCCEEDED"), "{text}");
    });
}

/// Whoever holds on to what it has locked while it waits for what another has locked brings all work to an end.
#[test]
fn bells_for_jobs_that_have_ended_and_passes_get_in_nobodys_way() {
    story(async |world| {
        // So many that a pass has its hands full for a while.
        crowd::ended(&world.store, 3_000).unwrap();
        let worker = Worker::new(world.config.clone(), world.store.clone(), StopOrders::default());
        let done = Arc::new(AtomicBool::new(false));
        let passes = tokio::spawn({
            let (worker, done) = (worker.clone(), done.clone());
            async move {
                while !done.load(Ordering::Acquire) {
                    worker.reconcile_once().await.unwrap();
                }
            }
        });
        for _ in 0..40 {
            let ended = crowd::ended(&world.store, 2).unwrap();
            let bells = ended.into_iter().map(|id: JobId| worker.answer(id));
            timeout(PATIENCE, futures::future::join_all(bells)).await.expect("every bell is answered");
        }
        done.store(true, Ordering::Release);
        timeout(PATIENCE, passes).await.expect("the passes go on").unwrap();
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn an_engine_that_never_answers_keeps_no_worker_from_stopping() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(&dir.path().join("workspaces")).unwrap();
    crowd::waiting(&store, 1).unwrap();
    let socket = dir.path().join("engine.sock");
    let engine = UnixListener::bind(&socket).unwrap();
    let orders = StopOrders::default();
    let docker_host = Some(format!("unix://{}", socket.display()));
    let worker = Worker::new(WorkerConfig { docker_host, ..WorkerConfig::default() }, store, orders.clone());
    let working = tokio::spawn(async move { worker.reconcile().await });
    let asked = tokio::task::spawn_blocking(move || engine.accept().map(|(caller, _)| (engine, caller)));
    let _unanswered = timeout(PATIENCE, asked).await.expect("it is asked").unwrap().unwrap();
    orders.let_go.cancel();
    // The engine is given ten seconds for its first word, and longer for the next.
    timeout(Duration::from_secs(5), working).await.expect("it stops").unwrap();
}
