//! A Redis that forgets everything, again and again: it is a doorbell, and who knocks is found by looking.

use std::time::Duration;

use pipelinex_common::testing::RedisServer;
use secrecy::ExposeSecret;

use crate::{
    figures::{chance, times},
    trial::{QUICK, Trial, ran_once},
    world::story,
};

/// Jobs for each wipe: 50 wipes with 200 jobs.
const JOBS_A_WIPE: usize = 4;

#[test]
fn a_redis_that_is_wiped_again_and_again_costs_no_job() {
    story(async |world| {
        let mut chance = chance("wipes");
        let mut redis = RedisServer::start();
        let url = redis.url().expose_secret().to_owned();
        let mut trial = Trial::new(world);
        let backend = trial.backend("", &["--redis-url", &url]).await;
        let workers = [0, 1].map(|_| trial.worker("", &["--redis-url", &url]));
        for wipe in 0..times(4, 50) {
            for _ in 0..JOBS_A_WIPE {
                trial.submit(&backend, QUICK).await;
            }
            tokio::time::sleep(Duration::from_millis(chance.u64(0..500))).await;
            // By a command, and by a death that takes the connections along.
            if wipe % 2 == 0 {
                trial.fault("redis", "FLUSHALL");
                redis.command(&["FLUSHALL"]).await;
            } else {
                trial.fault("redis", "kill -9, and an empty start");
                redis.start_again();
            }
        }
        trial.judged("Redis wiped: `FLUSHALL`, and `kill -9` with an empty start", "SUCCEEDED", "").await;
        for id in trial.jobs().keys() {
            ran_once(trial.world, id);
            assert_eq!(trial.world.claims(id), 1, "taken twice");
        }
        for worker in workers {
            worker.stop().await;
        }
        backend.process.stop().await;
    });
}
