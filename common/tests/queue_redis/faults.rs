//! Redis slow, silent, broken, read-only, full and with another password, for a while: it is told, it heals by itself, and
//! nobody spins meanwhile.

use std::time::Duration;

use pipelinex_common::{id::JobId, queue::QueueError, testing::RedisServer};
use tokio::time::timeout;

use crate::{
    PATIENCE, Queue,
    proxy::{Proxy, Weather},
    queue, until_down_with,
};

/// How long is looked whether anybody spins.
const WATCHED: Duration = Duration::from_secs(2);
/// What two ends may try in that time: each after 0.1, 0.2, 0.4 ... s, so 5 times when all waits are the shortest, and as many
/// again for the jitter. One that spins does so thousands of times.
const MOST_TRIES: usize = 20;
/// A try is a login, a name and one command, and a command that is refused may be asked twice.
const PIECES_PER_TRY: usize = 6;

async fn assert_nobody_spins(proxy: &Proxy) {
    let (connections, pieces) = proxy.tried_within(WATCHED).await;
    assert!(connections <= MOST_TRIES, "{connections} connections");
    assert!(pieces <= MOST_TRIES * PIECES_PER_TRY, "{pieces} pieces in {connections} connections");
}

/// After a fault both ends come back, and what could not be rung is rung.
async fn assert_heals(queue: &mut Queue, missed: JobId) {
    queue.both_up().await;
    assert_eq!(queue.next().await, missed);
    let id = queue.ring().await;
    assert_eq!(queue.next().await, id);
}

#[tokio::test]
async fn a_redis_that_answers_after_seconds_is_used_from_the_first_connection_on() {
    let redis = RedisServer::start();
    let proxy = Proxy::start(redis.port(), Weather::Slow(Duration::from_secs(3))).await;
    let mut queue = queue(&proxy.url(""));
    queue.both_up().await;
    for _ in 0..2 {
        let id = JobId::generate();
        // It rings late, and who rings does not wait for that.
        assert_eq!(queue.doorbell.ring(id).await, Err(QueueError::TimedOut));
        assert_eq!(queue.next().await, id);
    }
    assert_eq!(*queue.doorbell.reconnects().borrow(), 0, "slow is not dead");
    assert_eq!(*queue.backend.reconnects().borrow(), 0);
    let (connections, _) = proxy.tried_within(Duration::ZERO).await;
    assert_eq!(connections, 0);
}

#[tokio::test]
async fn a_partition_without_a_word_is_noticed_and_heals() {
    let redis = RedisServer::start();
    let proxy = Proxy::start(redis.port(), Weather::Fair).await;
    let mut queue = queue(&proxy.url(""));
    queue.both_up().await;
    proxy.set(Weather::Silent);
    let missed = JobId::generate();
    assert_eq!(queue.doorbell.ring(missed).await, Err(QueueError::TimedOut));
    until_down_with(queue.doorbell.health(), "did not answer").await;
    until_down_with(queue.backend.health(), "did not answer").await;
    assert_nobody_spins(&proxy).await;
    proxy.set(Weather::Fair);
    assert_heals(&mut queue, missed).await;
}

#[tokio::test]
async fn connections_that_break_at_once_are_not_made_without_a_pause() {
    let redis = RedisServer::start();
    let proxy = Proxy::start(redis.port(), Weather::Fair).await;
    let mut queue = queue(&proxy.url(""));
    queue.both_up().await;
    proxy.set(Weather::Broken);
    let missed = JobId::generate();
    let error = queue.doorbell.ring(missed).await.unwrap_err();
    assert!(error.to_string().contains("cannot be reached"), "{error}");
    until_down_with(queue.backend.health(), "cannot be reached").await;
    assert_nobody_spins(&proxy).await;
    proxy.set(Weather::Fair);
    assert_heals(&mut queue, missed).await;
}

#[tokio::test]
async fn a_redis_that_became_a_read_only_replica_is_told_and_heals() {
    let redis = RedisServer::start();
    let proxy = Proxy::start(redis.port(), Weather::Fair).await;
    let mut queue = queue(&proxy.url(""));
    queue.both_up().await;
    // Of a master that is not there.
    redis.command(&["REPLICAOF", "127.0.0.1", "1"]).await;
    let missed = JobId::generate();
    let error = queue.doorbell.ring(missed).await.unwrap_err();
    assert!(error.to_string().contains("read only replica"), "{error}");
    until_down_with(queue.doorbell.health(), "read only replica").await;
    until_down_with(queue.backend.health(), "read only replica").await;
    assert_nobody_spins(&proxy).await;
    redis.command(&["REPLICAOF", "NO", "ONE"]).await;
    assert_heals(&mut queue, missed).await;
}

/// The user of both ends is changed for a while, and everybody of that name sent away.
async fn a_guest_is_locked_out_for_a_while(change: &[&str], told: &str) {
    let redis = RedisServer::start();
    let user = ["ACL", "SETUSER", "guest"];
    let as_before = [&user[..], &["reset", "on", ">right", "~*", "&*", "+@all"]].concat();
    redis.command(&as_before).await;
    let proxy = Proxy::start(redis.port(), Weather::Fair).await;
    let mut queue = queue(&proxy.url("guest:right@"));
    queue.both_up().await;
    redis.command(&[&user[..], change].concat()).await;
    redis.command(&["CLIENT", "KILL", "USER", "guest"]).await;
    let missed = JobId::generate();
    let error = queue.doorbell.ring(missed).await.unwrap_err();
    assert!(error.to_string().contains(told) && !error.to_string().contains("right"), "{error}");
    until_down_with(queue.backend.health(), told).await;
    assert_nobody_spins(&proxy).await;
    redis.command(&as_before).await;
    assert_heals(&mut queue, missed).await;
}

#[tokio::test]
async fn a_password_that_was_changed_is_told_and_heals_once_it_is_changed_back() {
    a_guest_is_locked_out_for_a_while(&["resetpass", ">other"], "refused the login").await;
}

#[tokio::test]
async fn a_user_who_may_not_write_any_more_is_told_and_heals() {
    a_guest_is_locked_out_for_a_while(&["-@write"], "has no permissions").await;
}

#[tokio::test]
async fn a_full_redis_is_asked_with_pauses() {
    let redis = RedisServer::start();
    let proxy = Proxy::start(redis.port(), Weather::Fair).await;
    let mut queue = queue(&proxy.url(""));
    queue.both_up().await;
    redis.command(&["CONFIG", "SET", "maxmemory", "1"]).await;
    let missed = JobId::generate();
    let error = queue.doorbell.ring(missed).await.unwrap_err();
    assert!(error.to_string().contains("OOM"), "{error}");
    assert_nobody_spins(&proxy).await;
    redis.command(&["CONFIG", "SET", "maxmemory", "0"]).await;
    assert_heals(&mut queue, missed).await;
}

/// Has Redis save what it holds, and waits until that came out like this.
async fn saved(redis: &RedisServer, outcome: &str) {
    redis.command(&["BGSAVE"]).await;
    let over = async {
        loop {
            let info: String = redis::from_redis_value(redis.command(&["INFO", "persistence"]).await).unwrap();
            if info.contains("rdb_bgsave_in_progress:0") {
                return info;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let info = timeout(PATIENCE, over).await.expect("the save is over");
    assert!(info.contains(&format!("rdb_last_bgsave_status:{outcome}")), "{info}");
}

#[tokio::test]
async fn a_redis_that_cannot_save_and_so_takes_no_writes_is_told_and_heals() {
    let redis = RedisServer::start();
    let proxy = Proxy::start(redis.port(), Weather::Fair).await;
    let mut queue = queue(&proxy.url(""));
    queue.both_up().await;
    redis.command(&["CONFIG", "SET", "save", "86400 1"]).await;
    // A folder in the place of its file: not even root can write there.
    std::fs::create_dir(redis.dump()).unwrap();
    saved(&redis, "err").await;
    let missed = JobId::generate();
    let error = queue.doorbell.ring(missed).await.unwrap_err();
    assert!(error.to_string().contains("MISCONF"), "{error}");
    until_down_with(queue.doorbell.health(), "MISCONF").await;
    assert_nobody_spins(&proxy).await;
    std::fs::remove_dir(redis.dump()).unwrap();
    saved(&redis, "ok").await;
    assert_heals(&mut queue, missed).await;
}

#[tokio::test]
async fn a_flood_of_forged_entries_keeps_no_bell_away() {
    let redis = RedisServer::start();
    let mut queue = queue(&redis.url());
    queue.both_up().await;
    let flood = "for i = 1, 3000 do redis.call('RPUSH', KEYS[1], '../../' .. i) end";
    redis.command(&["EVAL", flood, "1", &queue.key]).await;
    // The id of a job that is not there is one all the same: whoever looks for its folder finds none.
    let unknown = JobId::generate();
    redis.command(&["RPUSH", &queue.key, &unknown.to_string()]).await;
    let id = queue.ring().await;
    assert_eq!(queue.next().await, unknown);
    assert_eq!(queue.next().await, id);
    assert_eq!(queue.backend.rejected(), 3000);
    queue.both_up().await;
}
