//! Workers that are killed: tightly, at random, and at each named place of a job's way.

use std::time::Duration;

use pipelinex_common::testing::RedisServer;
use secrecy::ExposeSecret;

use crate::{
    figures::{chance, times},
    server::{Process, Server},
    trial::{self, QUICK, Trial, ran_once},
    world::{names, story, until},
};

/// Open jobs that are kept under way while workers die.
const UNDER_WAY: usize = 6;

/// A try has its end on record and another follows it; and that one is about to begin.
const TRY_RECORDED: &str = "worker.try-recorded";
const BETWEEN_TRIES: &str = "worker.between-tries";

/// In the order of a job's way. `worker.bell` is reached by a message alone, the others in any case.
const POINTS: [&str; 12] = [
    "worker.bell",
    "worker.claimed",
    "worker.created",
    "worker.started",
    "worker.exited",
    "worker.mid-collect",
    "worker.end-recorded",
    "worker.between-steps",
    TRY_RECORDED,
    BETWEEN_TRIES,
    "worker.before-final",
    "worker.after-final",
];

#[test]
fn workers_killed_tightly_and_at_random_lose_and_double_nothing() {
    story(async |world| {
        let mut chance = chance("random");
        let mut trial = Trial::new(world);
        let backend = trial.backend("", &[]).await;
        keep_under_way(&mut trial, &backend).await;
        for _ in 0..times(3, 10) {
            let worker = trial.worker("", &[]);
            tokio::time::sleep(Duration::from_millis(chance.u64(20..300))).await;
            trial.kill(worker);
        }
        let mut workers: Vec<Process> = (0..2).map(|_| trial.worker("", &[])).collect();
        for _ in 0..times(8, 300) {
            keep_under_way(&mut trial, &backend).await;
            tokio::time::sleep(Duration::from_millis(chance.u64(200..2_500))).await;
            let dies = workers.swap_remove(chance.usize(0..workers.len()));
            trial.kill(dies);
            workers.push(trial.worker("", &[]));
        }
        trial.judged("worker, `kill -9`: tight, then at random", "SUCCEEDED", "").await;
        each_ran_once(&trial);
        for worker in workers {
            worker.stop().await;
        }
        backend.process.stop().await;
    });
}

#[test]
fn a_worker_killed_at_each_named_place_loses_and_doubles_nothing() {
    story(async |world| {
        let redis = RedisServer::start();
        let url = redis.url().expose_secret().to_owned();
        let mut trial = Trial::new(world);
        let backend = trial.backend("", &["--redis-url", &url]).await;
        for round in 0..times(1, 20) {
            for point in POINTS {
                let mut worker = trial.worker(&format!("{point}=kill"), &["--redis-url", &url]);
                // A fresh job comes past every place, whatever those before it have behind them.
                let flaky = [TRY_RECORDED, BETWEEN_TRIES].contains(&point);
                trial.submit(&backend, &if flaky { trial::flaky() } else { QUICK.to_owned() }).await;
                until(&format!("it dies at {point}, round {round}"), async || worker.child.try_wait().unwrap()).await;
                assert!(died_at(&trial, worker.child.id(), point), "it ended elsewhere: {}", worker.log());
                trial.faults += 1;
            }
        }
        let last = trial.worker("", &["--redis-url", &url]);
        trial.judged("worker, `kill -9` at each of 12 named places", "SUCCEEDED", "").await;
        each_ran_once(&trial);
        last.stop().await;
        backend.process.stop().await;
    });
}

fn died_at(trial: &Trial<'_>, pid: u32, point: &str) -> bool {
    trial.events().iter().any(|event| event.pid == u64::from(pid) && event.text("point") == point)
}

async fn keep_under_way(trial: &mut Trial<'_>, backend: &Server) {
    let open = trial.jobs().values().filter(|end| end.is_none()).count();
    for _ in open..UNDER_WAY {
        trial.submit(backend, QUICK).await;
    }
}

/// No death of a worker runs anything again: its containers go on.
fn each_ran_once(trial: &Trial<'_>) {
    for id in trial.jobs().keys() {
        ran_once(trial.world, id);
        assert_eq!(names(&trial.world.job(id).join("attempts")), ["1"], "{id}: no container was lost");
    }
}
