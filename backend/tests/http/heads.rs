//! Heads that hyper refuses by itself, and clients that close their side first.

use std::time::Duration;

use pipelinex_common::{
    slug::Slug,
    state::{JobState, StepState},
};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::{
    answers::Worker,
    support::{TestServer, good_form, head, read_all, status_of},
};

/// The last answer of a connection is a problem like any other, and says that it is the last.
fn assert_last_problem(answer: &str, status: u16, code: &str) {
    let start = answer.rfind("HTTP/1.1 ").unwrap_or_else(|| panic!("no answer: {answer}"));
    let (head, body) = answer[start..].split_once("\r\n\r\n").unwrap();
    assert_eq!(status_of(head), status, "{answer}");
    for line in ["content-type: application/problem+json", "connection: close", "x-content-type-options: nosniff"] {
        assert!(head.contains(line), "{line}: {answer}");
    }
    assert!(head.contains("content-security-policy: ") && head.contains("\r\ndate: "), "{answer}");
    let body: Value = serde_json::from_str(body).unwrap();
    assert_eq!((&body["code"], &body["status"]), (&code.into(), &status.into()), "{answer}");
    assert!(body["detail"].as_str().unwrap().len() > 20, "{body}");
}

#[tokio::test]
async fn what_hyper_refuses_by_itself_is_a_problem_with_our_headers() {
    let server = TestServer::start().await;
    let large = format!("GET /health HTTP/1.1\r\nHost: localhost\r\nX: {}\r\n\r\n", "x".repeat(40 * 1024));
    let many = format!("GET /health HTTP/1.1\r\nHost: localhost\r\n{}\r\n", "X: y\r\n".repeat(500));
    let long = format!("GET /{} HTTP/1.1\r\nHost: localhost\r\n\r\n", "a".repeat(70 * 1024));
    for (request, status, code) in [
        (large.as_str(), 431, "head-too-large"),
        (&many, 431, "head-too-large"),
        (&long, 414, "address-too-long"),
        ("GET\r\n\r\n", 400, "head-broken"),
        ("G\u{7}T / HTTP/1.1\r\nHost: localhost\r\n\r\n", 400, "head-broken"),
        ("GET / HTTP/7.3\r\nHost: localhost\r\n\r\n", 400, "head-broken"),
        ("GET / HTTP/1.1\r\nHost localhost\r\n\r\n", 400, "head-broken"),
        ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505, "http-version"),
    ] {
        assert_last_problem(&server.raw(request).await, status, code);
        // Also behind a request that was answered on the same connection.
        let behind = format!("GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n{request}");
        let both = server.raw(&behind).await;
        assert!(both.starts_with("HTTP/1.1 200 ") && both.contains("{\"status\":\"UP\"}"), "{both}");
        if code != "http-version" {
            assert_last_problem(&both, status, code);
        }
    }
    server.stop().await;
}

#[tokio::test]
async fn an_answer_that_only_looks_like_a_refusal_arrives_as_it_is() {
    let server = TestServer::start().await;
    let job = server.job().await;
    let mut worker = Worker::take(&job);
    worker.stage("PACKAGE", StepState::Success, None, "");
    let folder = job.paths().artifacts_of(&Slug::of("PACKAGE"));
    std::fs::create_dir_all(&folder).unwrap();
    let lookalike = "HTTP/1.1 400 Bad Request\r\nconnection: close\r\ncontent-length: 0\r\ndate: now\r\n\r\n";
    std::fs::write(folder.join("a"), format!("before {lookalike}")).unwrap();
    worker.finish(JobState::Succeeded, None, None);
    let line = format!("GET /api/jobs/{}/artifacts/package/a HTTP/1.1\r\nHost: localhost\r\n", job.id());
    let mut stream = server.connect().await;
    for _ in 0..2 {
        stream.write_all(format!("{line}\r\n").as_bytes()).await.unwrap();
        let (mut answer, mut byte) = (String::new(), [0]);
        while !answer.ends_with(&format!("before {lookalike}")) {
            let read = tokio::time::timeout(Duration::from_secs(5), stream.read_exact(&mut byte)).await;
            read.unwrap_or_else(|_| panic!("it was held back: {answer}")).unwrap();
            answer.push(char::from(byte[0]));
        }
    }
    let last = server.raw(format!("{line}Connection: close\r\n\r\n")).await;
    assert!(last.ends_with(&format!("before {lookalike}")), "{last}");
    server.stop().await;
}

#[tokio::test]
async fn a_client_that_closes_its_side_after_the_request_gets_its_answer() {
    let server = TestServer::start().await;
    let job = server.job().await;
    let body = good_form();
    let upload = [head(&format!("Content-Length: {}\r\n", body.len())).as_bytes(), &body].concat();
    let get = |path: &str| format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n").into_bytes();
    for (request, status) in [
        (get("/health"), 200),
        (get(&format!("/api/jobs/{}", job.id())), 200),
        (get("/"), 200),
        (upload, 201),
        (get("/api/jobs/nope"), 404),
    ] {
        let mut stream = server.connect().await;
        stream.write_all(&request).await.unwrap();
        stream.shutdown().await.unwrap();
        let answer = read_all(&mut stream, Duration::from_secs(10)).await;
        assert_eq!(status_of(&answer), status, "{answer}");
    }
    // One that closes it in the middle of a request gets none, and leaves nothing.
    let mut stream = server.connect().await;
    stream.write_all(head("Content-Length: 5000\r\n").as_bytes()).await.unwrap();
    stream.shutdown().await.unwrap();
    read_all(&mut stream, Duration::from_secs(5)).await;
    server.assert_nothing_staged().await;
    server.stop().await;
}
