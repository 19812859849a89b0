//! Nobody holds a place for others: half-sent requests, slow uploads and slow readers of one address leave room for the next.

use std::time::Duration;

use pipelinex_common::{
    id::JobId,
    state::{JobState, StepState},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::{Instant, sleep},
};

use crate::{
    answers::Worker,
    support::{Answer, TestServer, good_form, head},
};

/// An upload that has begun and does not go on.
async fn begun_upload(server: &TestServer, more: &str) -> TcpStream {
    let mut stream = server.connect().await;
    let lines = format!("Content-Length: {}\r\nExpect: 100-continue\r\n{more}", good_form().len());
    stream.write_all(head(&lines).as_bytes()).await.unwrap();
    read_start(&mut stream, b"HTTP/1.1 100").await;
    stream
}

async fn read_start(stream: &mut TcpStream, expected: &[u8; 12]) {
    let mut start = [0; 12];
    stream.read_exact(&mut start).await.unwrap();
    assert_eq!(&start, expected, "{}", String::from_utf8_lossy(&start));
}

/// A job whose log is more than any buffer holds.
async fn job_with_a_long_log(server: &TestServer) -> JobId {
    let job = server.job().await;
    let mut worker = Worker::take(&job);
    worker.stage("BUILD", StepState::Success, None, "built");
    std::fs::create_dir_all(job.paths().logs()).unwrap();
    std::fs::File::create(job.paths().log(&"build".parse().unwrap())).unwrap().set_len(1 << 30).unwrap();
    worker.finish(JobState::Succeeded, None, None);
    job.id()
}

/// Asks for the long log, and reads only how the answer begins.
async fn begun_reading(server: &TestServer, job: JobId) -> TcpStream {
    let mut stream = server.connect().await;
    let line = format!("GET /api/jobs/{job}/build/logs HTTP/1.1\r\nHost: localhost\r\n\r\n");
    stream.write_all(line.as_bytes()).await.unwrap();
    read_start(&mut stream, b"HTTP/1.1 200").await;
    stream
}

fn assert_share_is_used(answer: &Answer) {
    answer.assert_problem(429, "too-many");
    assert!(answer.text().contains("your address has its share"), "{}", answer.text());
    assert!(!answer.header("retry-after").is_empty());
}

#[tokio::test]
async fn half_sent_heads_of_one_address_deny_neither_another_nor_itself() {
    let server = TestServer::start_with(|config| {
        config.connections.most = 64;
        config.connections.head_timeout = Duration::from_secs(600);
    })
    .await;
    let mut half = Vec::new();
    for _ in 0..80 {
        let mut stream = server.connect().await;
        stream.write_all(b"GET /health HTTP/1.1\r\nHost: local").await.unwrap();
        half.push(stream);
        assert_eq!(server.get_from(2, "/health").await.status, 200);
    }
    assert_eq!(server.get("/health").await.status, 200);
    server.stop().await;
}

#[tokio::test]
async fn slow_uploads_of_one_address_leave_places_for_another() {
    let server = TestServer::start_with(|config| {
        config.parallel.uploads = 4;
        config.connections.body_grace = Duration::from_secs(600);
        config.connections.drain = Duration::from_millis(200);
    })
    .await;
    let _slow = [begun_upload(&server, "").await, begun_upload(&server, "").await];
    assert_share_is_used(&server.upload_from(&server.client_from(1), &[]).await);
    // A retry needs such a place as well.
    let other = server.upload_from(&server.client_from(2), &[]).await;
    assert_eq!(other.status, 201, "{}", other.text());
    let id = other.json()["job_id"].as_str().unwrap().to_owned();
    Worker::take(&server.store.job(id.parse().unwrap()).unwrap()).finish(JobState::Succeeded, None, None);
    assert_share_is_used(&server.send(server.client.post(server.url(&format!("/api/jobs/{id}/retry")))).await);
    server.stop().await;
}

#[tokio::test]
async fn slow_readers_of_one_address_leave_places_for_another() {
    let server = TestServer::start_with(|config| {
        config.parallel.downloads = 4;
        config.connections.send_grace = Duration::from_secs(600);
        config.connections.drain = Duration::from_millis(200);
    })
    .await;
    let job = server.job().await;
    let mut worker = Worker::take(&job);
    worker.stage("BUILD", StepState::Success, None, "built");
    worker.finish(JobState::Succeeded, None, None);
    let long = job_with_a_long_log(&server).await;
    let _slow = [begun_reading(&server, long).await, begun_reading(&server, long).await];
    let reports = format!("/api/jobs/{}/reports", job.id());
    assert_share_is_used(&server.get(&reports).await);
    assert_eq!(server.get_from(2, &reports).await.status, 200);
    assert_eq!(server.get(&format!("/api/jobs/{}", job.id())).await.status, 200, "what is small needs no such place");
    server.stop().await;
}

#[tokio::test]
async fn without_places_for_downloads_there_are_none_now() {
    let server = TestServer::start_with(|config| config.parallel.downloads = 0).await;
    let job = server.job().await;
    let answer = server.get(&format!("/api/jobs/{}/reports", job.id())).await;
    answer.assert_problem(503, "unavailable");
    assert!(!answer.header("retry-after").is_empty());
    server.stop().await;
}

#[tokio::test]
async fn a_reader_below_the_least_rate_is_given_up() {
    let server = TestServer::start_with(|config| {
        config.parallel.downloads = 1;
        config.connections.send_bytes_per_second = 64 << 20;
    })
    .await;
    let job = job_with_a_long_log(&server).await;
    let mut stream = begun_reading(&server, job).await;
    let trickle = tokio::spawn(async move {
        let mut piece = vec![0; 64 * 1024];
        while stream.read(&mut piece).await.is_ok_and(|count| count > 0) {
            sleep(Duration::from_millis(20)).await;
        }
    });
    let until = Instant::now() + Duration::from_secs(20);
    let ask = || server.client.head(server.url(&format!("/api/jobs/{job}/build/logs"))).send();
    while !ask().await.is_ok_and(|answer| answer.status() == 200) {
        assert!(Instant::now() < until, "the slow reader still holds the only place");
        sleep(Duration::from_millis(50)).await;
    }
    trickle.abort();
    server.stop().await;
}

#[tokio::test]
async fn behind_a_trusted_proxy_the_share_is_that_of_its_client() {
    let server = TestServer::start_with(|config| {
        config.trusted_proxies.0 = vec!["127.0.0.1".parse().unwrap()];
        config.parallel.uploads = 2;
        config.connections.body_grace = Duration::from_secs(600);
        config.connections.drain = Duration::from_millis(200);
    })
    .await;
    let _slow = begun_upload(&server, "X-Forwarded-For: 192.0.2.1\r\n").await;
    let proxy = server.client_from(1);
    assert_share_is_used(&server.upload_from(&proxy, &[("x-forwarded-for", "192.0.2.1")]).await);
    assert_share_is_used(&server.upload_from(&proxy, &[("x-forwarded-for", "198.51.100.7, 192.0.2.1")]).await);
    let other = server.upload_from(&proxy, &[("x-forwarded-for", "192.0.2.1, 192.0.2.2")]).await;
    assert_eq!(other.status, 201, "{}", other.text());
    // Who is no proxy is not believed: this is an upload of 127.0.0.2.
    let stranger = server.upload_from(&server.client_from(2), &[("x-forwarded-for", "192.0.2.1")]).await;
    assert_eq!(stranger.status, 201, "{}", stranger.text());
    server.stop().await;
}

#[tokio::test]
async fn requests_that_a_proxy_passes_on_are_shared_among_its_clients() {
    let server = TestServer::start_with(|config| {
        config.trusted_proxies.0 = vec!["127.0.0.0/8".parse().unwrap()];
        config.connections.most = 4;
        config.connections.body_grace = Duration::from_secs(600);
        config.connections.drain = Duration::from_millis(200);
    })
    .await;
    let _slow = [
        begun_upload(&server, "X-Forwarded-For: 192.0.2.1\r\n").await,
        begun_upload(&server, "X-Forwarded-For: 192.0.2.1\r\n").await,
    ];
    let ask = |client: &str| server.client.get(server.url("/health")).header("x-forwarded-for", client.to_owned());
    assert_share_is_used(&server.send(ask("192.0.2.1")).await);
    assert_eq!(server.send(ask("192.0.2.2")).await.status, 200);
    server.stop().await;
}
