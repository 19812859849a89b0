//! How a job reaches a worker: by its message, without one, once.

use std::time::Duration;

use pipelinex_common::{id::JobId, testing::RedisServer};
use secrecy::ExposeSecret;
use tokio::time::{Instant, sleep, sleep_until};

use crate::{
    projects::{GATED, ends_having_run_once, printed, release, shell, shell_project, shell_stack},
    server::Server,
    world::{World, story, text, until},
};

/// So long a worker that has just begun looks over the folders every second, however seldom it does so later.
const YOUNG: Duration = Duration::from_secs(5);

async fn submit(server: &Server) -> String {
    server.submit(shell_project(GATED), &shell()).await
}

async fn to_its_end(world: &World, server: &Server, id: &str) {
    printed(world, id, "begun\n").await;
    release(world, id);
    ends_having_run_once(world, server, id).await;
}

#[test]
fn a_message_alone_starts_a_job() {
    story(async |world| {
        let redis = RedisServer::start();
        let url = redis.url().expose_secret().to_owned();
        let pipelines = shell_stack(world, "none");
        let backend = world.serve(&["backend", "--redis-url", &url, "--pipelines", &pipelines]).await;
        let worker = world.start(&["worker", "--redis-url", &url, "--reconcile-every", "1h", "--parallel", "3"]);
        // Whatever found the first job: when this worker has grown up it looks over the folders no more.
        let first = submit(&backend).await;
        printed(world, &first, "begun\n").await;
        sleep(YOUNG).await;
        let second = submit(&backend).await;
        printed(world, &second, "begun\n").await;
        let third = submit(&backend).await;
        printed(world, &third, "begun\n").await;
        for id in [&first, &second, &third] {
            to_its_end(world, &backend, id).await;
        }
        worker.stop().await;
        backend.process.stop().await;
    });
}

#[test]
fn a_job_waits_for_a_worker_and_outlives_redis() {
    story(async |world| {
        let mut redis = RedisServer::start();
        let url = redis.url().expose_secret().to_owned();
        let pipelines = shell_stack(world, "none");
        let backend = world.serve(&["backend", "--redis-url", &url, "--pipelines", &pipelines]).await;
        let worker = ["worker", "--redis-url", &url];

        let waited = submit(&backend).await;
        assert_eq!(backend.status(&waited).await["execution"]["state"], "QUEUED");
        let first = world.start(&worker);
        to_its_end(world, &backend, &waited).await;
        first.stop().await;

        let forgotten = submit(&backend).await;
        redis.command(&["FLUSHALL"]).await;
        let second = world.start(&worker);
        to_its_end(world, &backend, &forgotten).await;
        second.stop().await;

        let without_redis = submit(&backend).await;
        redis.kill();
        let third = world.start(&worker);
        to_its_end(world, &backend, &without_redis).await;
        // Redis stays away for the whole life of this one.
        let never = submit(&backend).await;
        to_its_end(world, &backend, &never).await;

        redis.start_again();
        let again = submit(&backend).await;
        to_its_end(world, &backend, &again).await;
        third.stop().await;
        backend.process.stop().await;
    });
}

/// What anybody who reaches Redis may write: the id of no job, what is none, and what nobody would want to keep.
async fn forge(redis: &RedisServer, key: &str) {
    for entry in [&JobId::generate().to_string(), "../../etc", "{\"job_id\": 1}", "", &"a".repeat(8 << 20)] {
        redis.command(&["RPUSH", key, entry]).await;
    }
}

#[test]
fn a_redis_that_takes_no_writes_and_is_full_of_forgeries_keeps_no_job_waiting() {
    story(async |world| {
        let redis = RedisServer::start();
        let url = redis.url().expose_secret().to_owned();
        let pipelines = shell_stack(world, "none");
        let backend = world.serve(&["backend", "--redis-url", &url, "--pipelines", &pipelines]).await;
        let readiness = async || backend.get("/readyz").await.json()["status"].clone();
        until("the bells work", async || (readiness().await == "UP").then_some(())).await;
        let key = format!("pipelinex:{}:bells", text(world.workspaces.join(".instance")).trim());
        forge(&redis, &key).await;
        let forged = redis.list(&key).await.len();
        // Of a master that is not there: neither end can write, and to take a bell is to write.
        redis.command(&["REPLICAOF", "127.0.0.1", "1"]).await;
        let meanwhile = submit(&backend).await;
        until("readiness says so", async || (readiness().await == "DEGRADED").then_some(())).await;
        // The first look finds what is there; after its youth only a bell leads this worker to a job.
        let worker = world.start(&["worker", "--redis-url", &url, "--reconcile-every", "1h"]);
        let logs = async |what: &str| {
            until(&format!("the worker says {what}"), async || worker.log().contains(what).then_some(())).await;
        };
        to_its_end(world, &backend, &meanwhile).await;
        logs("Redis is not usable").await;
        let grown_up = Instant::now() + YOUNG;
        assert_eq!(redis.list(&key).await.len(), forged, "the job was found in its folder");

        redis.command(&["REPLICAOF", "NO", "ONE"]).await;
        logs("Redis is back").await;
        logs("threw away something in the queue").await;
        until("the list is empty", async || redis.list(&key).await.is_empty().then_some(())).await;
        until("the bells work again", async || (readiness().await == "UP").then_some(())).await;
        sleep_until(grown_up).await;
        let rung = submit(&backend).await;
        to_its_end(world, &backend, &rung).await;
        worker.stop().await;
        backend.process.stop().await;
    });
}

#[test]
fn two_run_at_once_and_eight_wait_for_their_turn() {
    story(async |world| {
        let pipelines = shell_stack(world, "egress");
        let server = world.serve(&["serve", "--parallel", "2", "--pipelines", &pipelines]).await;
        let mut ids = Vec::new();
        for _ in 0..10 {
            ids.push(submit(&server).await);
        }
        let in_state = async |state: &str| {
            let page = server.get(&format!("/api/jobs?state={state}&limit=100")).await.json();
            let rows = page["jobs"].as_array().unwrap().iter();
            rows.map(|row| row["job_id"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
        };
        let mut most = 0;
        let mut open = ids.clone();
        while !open.is_empty() {
            let begun = until("as many run as may", async || {
                let running = in_state("RUNNING").await;
                let running: Vec<_> = running.into_iter().filter(|id| open.contains(id)).collect();
                (running.len() == open.len().min(2)).then_some(running)
            })
            .await;
            most = most.max(begun.len());
            assert_eq!(in_state("QUEUED").await.len(), open.len() - begun.len(), "never a third");
            for id in &begun {
                to_its_end(world, &server, id).await;
            }
            open.retain(|id| !begun.contains(id));
        }
        assert_eq!(most, 2);
        assert_eq!(in_state("SUCCEEDED").await.len(), 10);
        server.process.stop().await;
    });
}

#[test]
fn two_workers_share_ten_jobs_and_run_none_twice() {
    story(async |world| {
        let redis = RedisServer::start();
        let url = redis.url().expose_secret().to_owned();
        let pipelines = shell_stack(world, "none");
        let backend = world.serve(&["backend", "--redis-url", &url, "--pipelines", &pipelines]).await;
        // Both look over the folders all the time, besides what the messages say.
        let worker = ["worker", "--redis-url", &url, "--reconcile-every", "1s", "--parallel", "2"];
        let workers = [world.start(&worker), world.start(&worker)];
        let script = "echo begun\nmkdir made\necho thing > made/thing.txt\necho done\n";
        let (project, request) = (shell_project(script), shell());
        let ids = futures::future::join_all((0..10).map(|_| backend.submit(project.clone(), &request))).await;
        for id in &ids {
            ends_having_run_once(world, &backend, id).await;
        }
        let mut numbers = Vec::new();
        for id in &ids {
            numbers.push(backend.status(id).await["job"]["run_number"].as_u64().unwrap());
        }
        numbers.sort_unstable();
        assert_eq!(numbers, (1..=10).collect::<Vec<_>>());
        for worker in workers {
            worker.stop().await;
        }
        backend.process.stop().await;
    });
}
