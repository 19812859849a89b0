//! Redis in every bad state, as clients of the server see it: jobs are admitted at once, readiness says what is wrong with the
//! bells, nobody spins, and once Redis is well again so is the server, by itself, and rings what it could not ring.

use std::time::Duration;

use pipelinex_common::{
    id::InstanceId,
    queue::{Doorbell, RING_LIMIT, RedisConfig},
    testing::RedisServer,
};
use secrecy::SecretString;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep, timeout};

use crate::support::{TestServer, project, request};

/// For what should happen at once, on the slowest of machines.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long is looked whether anybody spins.
const WATCHED: Duration = Duration::from_secs(1);
/// The doorbell tries after 0.1, 0.2, 0.4 ... s: 5 times when all waits are the shortest, and each may be a connection and a few
/// refusals on it. One that spins does so hundreds of times.
const MOST_TRIES: u64 = 30;

/// A server and the Redis that it rings in.
struct House {
    redis: RedisServer,
    server: TestServer,
    key: String,
}

impl House {
    async fn new(redis: RedisServer, url: &SecretString) -> Self {
        let instance = InstanceId::generate();
        let doorbell = Doorbell::redis(RedisConfig::new(url, &instance).unwrap());
        let server = TestServer::start_on(doorbell, |_| ()).await;
        Self { redis, server, key: format!("pipelinex:{}:bells", instance.as_str()) }
    }

    /// Over a Redis that answers, and so far is well.
    async fn well() -> Self {
        let redis = RedisServer::start();
        let url = redis.url();
        let house = Self::new(redis, &url).await;
        house.until_up().await;
        house
    }

    /// Submits a job, and looks that nobody waited for its bell.
    async fn submit(&self) -> String {
        // A machine that is busy makes one of them slow, a bell that is waited for all.
        for _ in 0..3 {
            let begun = Instant::now();
            let answer = self.server.upload(&project(), &request()).await;
            assert_eq!(answer.status, 201, "{}", answer.text());
            if begun.elapsed() < RING_LIMIT {
                return answer.json()["job_id"].as_str().unwrap().to_owned();
            }
        }
        panic!("three submissions took as long as a bell that does not get through");
    }

    async fn ready(&self) -> Value {
        let answer = self.server.get("/readyz").await;
        assert_eq!(answer.status, 200, "the server has work to do, whatever Redis does: {}", answer.text());
        answer.json()
    }

    async fn until_ready_is(&self, status: &str, detail: &str) {
        let mut page = Value::Null;
        let look = async {
            loop {
                page = self.ready().await;
                let said = page["queue"]["detail"].as_str().unwrap_or_default();
                if page["status"] == status && said.contains(detail) {
                    return;
                }
                sleep(Duration::from_millis(20)).await;
            }
        };
        let seen = timeout(PATIENCE, look).await;
        assert!(seen.is_ok(), "readiness is not {status} with `{detail}`: {page}");
    }

    async fn until_up(&self) {
        self.until_ready_is("UP", "").await;
    }

    /// A job is admitted at once and said to wait, and readiness says what is wrong, and with nothing but the bells.
    async fn goes_on_without(&self, told: &str) -> String {
        let id = self.submit().await;
        self.until_ready_is("DEGRADED", told).await;
        let page = self.ready().await;
        assert_eq!((&page["workspaces"]["status"], &page["queue"]["status"]), (&json!("UP"), &json!("DOWN")), "{page}");
        assert!(!page.to_string().contains("battery"), "a password: {page}");
        let status = self.server.get(&format!("/api/jobs/{id}/status")).await.json();
        assert_eq!(status["execution"]["state"], "QUEUED", "{status}");
        id
    }

    /// What Redis has counted of those who try.
    async fn tried(&self) -> u64 {
        let connections = self.redis.counted("stats", "total_connections_received").await;
        connections + self.redis.counted("stats", "total_error_replies").await
    }

    async fn assert_nobody_spins(&self) {
        let before = self.tried().await;
        sleep(WATCHED).await;
        let tries = self.tried().await - before;
        assert!(tries <= MOST_TRIES, "{tries} tries");
    }

    /// The bell of this job comes to lie on the list.
    async fn until_rung(&self, id: &str) {
        let mut list = Vec::new();
        let look = async {
            while !list.iter().any(|entry| entry == id) {
                sleep(Duration::from_millis(20)).await;
                list = self.redis.list(&self.key).await;
            }
        };
        let rung = timeout(PATIENCE, look).await;
        assert!(rung.is_ok(), "{id} is not among {list:?}");
    }

    /// Redis is well again: so is the server, by itself, and both what was missed and what comes is rung.
    async fn heals(self, missed: &[String]) {
        self.until_up().await;
        let new = self.submit().await;
        for id in missed.iter().chain([&new]) {
            self.until_rung(id).await;
        }
        self.until_up().await;
        self.server.stop().await;
    }

    /// Is ill from these commands until those mend it.
    async fn suffers(self, spoil: &[&[&str]], told: &str, mend: &[&[&str]]) {
        self.until_up().await;
        for command in spoil {
            self.redis.command(command).await;
        }
        let first = self.goes_on_without(told).await;
        self.assert_nobody_spins().await;
        let second = self.goes_on_without(told).await;
        for command in mend {
            self.redis.command(command).await;
        }
        self.heals(&[first, second]).await;
    }
}

#[tokio::test]
async fn without_redis_jobs_are_admitted_and_readiness_says_so() {
    let mut house = House::well().await;
    house.redis.kill();
    let missed = [house.goes_on_without("cannot be reached").await, house.goes_on_without("cannot be reached").await];
    house.redis.start_again();
    house.heals(&missed).await;
}

#[tokio::test]
async fn a_redis_that_is_slow_delays_no_answer_and_is_not_called_dead() {
    let house = House::well().await;
    // All that writes waits, as a bell does.
    house.redis.command(&["CLIENT", "PAUSE", "600000", "WRITE"]).await;
    let late = house.submit().await;
    // Longer than a bell is waited for, and not yet as long as Redis may think about one.
    sleep(RING_LIMIT + Duration::from_millis(500)).await;
    assert_eq!(house.ready().await["status"], "UP", "slow is not dead");
    house.redis.command(&["CLIENT", "UNPAUSE"]).await;
    house.until_rung(&late).await;
    house.heals(&[]).await;
}

#[tokio::test]
async fn a_redis_that_says_nothing_from_the_start_is_told_until_it_speaks() {
    let redis = RedisServer::start();
    redis.command(&["CLIENT", "PAUSE", "600000", "WRITE"]).await;
    let url = redis.url();
    let house = House::new(redis, &url).await;
    let missed = house.goes_on_without("has not answered yet").await;
    house.redis.command(&["CLIENT", "UNPAUSE"]).await;
    house.heals(&[missed]).await;
}

#[tokio::test]
async fn a_full_redis() {
    let redis = RedisServer::start();
    redis.command(&["CONFIG", "SET", "maxmemory-policy", "noeviction"]).await;
    let url = redis.url();
    let (full, empty) = (["CONFIG", "SET", "maxmemory", "1"], ["CONFIG", "SET", "maxmemory", "0"]);
    House::new(redis, &url).await.suffers(&[&full], "OOM", &[&empty]).await;
}

#[tokio::test]
async fn a_redis_that_became_a_read_only_replica() {
    let redis = RedisServer::start();
    let url = redis.url();
    // Of a master that is not there.
    let (replica, master) = (["REPLICAOF", "127.0.0.1", "1"], ["REPLICAOF", "NO", "ONE"]);
    House::new(redis, &url).await.suffers(&[&replica], "read only replica", &[&master]).await;
}

/// A Redis in which the server has a user of its own, with the URL to log in by.
async fn guarded() -> (RedisServer, SecretString) {
    let redis = RedisServer::start();
    redis.command(&["ACL", "SETUSER", "guest", "on", ">battery-staple", "~*", "&*", "+@all"]).await;
    let url = SecretString::from(format!("redis://guest:battery-staple@127.0.0.1:{}", redis.port()));
    (redis, url)
}

#[tokio::test]
async fn a_password_that_was_changed() {
    let (redis, url) = guarded().await;
    let change: [&[&str]; 2] = [
        &["ACL", "SETUSER", "guest", "resetpass", ">another"],
        // Who is logged in stays so otherwise.
        &["CLIENT", "KILL", "USER", "guest"],
    ];
    let back = ["ACL", "SETUSER", "guest", ">battery-staple"];
    House::new(redis, &url).await.suffers(&change, "refused the login", &[&back]).await;
}

#[tokio::test]
async fn a_user_who_may_not_write_any_more() {
    let (redis, url) = guarded().await;
    let (taken, given) = (["ACL", "SETUSER", "guest", "-@write"], ["ACL", "SETUSER", "guest", "+@all"]);
    House::new(redis, &url).await.suffers(&[&taken], "has no permissions", &[&given]).await;
}

#[tokio::test]
async fn a_wrong_password_from_the_start() {
    let redis = RedisServer::start_with_password("correct-horse");
    let url = redis.url_with_password("battery-staple");
    let house = House::new(redis, &url).await;
    let missed = house.goes_on_without("refused the login").await;
    house.assert_nobody_spins().await;
    // Both are right from now on.
    house.redis.command(&["ACL", "SETUSER", "default", ">battery-staple"]).await;
    house.heals(&[missed]).await;
}

#[tokio::test]
async fn a_redis_that_was_wiped_or_filled_with_something_else_is_rung_in_all_the_same() {
    let house = House::well().await;
    let forgotten = house.submit().await;
    house.until_rung(&forgotten).await;
    house.redis.command(&["FLUSHALL"]).await;
    let id = house.submit().await;
    house.until_rung(&id).await;

    house.redis.command(&["SET", &house.key, "not a list"]).await;
    house.submit().await;
    let type_of = async || format!("{:?}", house.redis.command(&["TYPE", &house.key]).await);
    let cleared = timeout(PATIENCE, async {
        while !type_of().await.contains("list") {
            sleep(Duration::from_millis(20)).await;
        }
    });
    assert!(cleared.await.is_ok(), "{}", type_of().await);
    house.heals(&[]).await;
}
