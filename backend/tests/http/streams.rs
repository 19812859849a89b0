//! Logs and states as they come: streams of events.

use std::{fs::OpenOptions, io::Write, time::Duration};

use jiff::Timestamp;
use pipelinex_common::{
    access::{Grant, Role},
    slug::Slug,
    state::{JobState, Reason, StepState},
    store::{Job, NewToken},
};
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::{
    access::{submit, token, with_accounts},
    answers::Worker,
    support::TestServer,
};

/// A stream that is being read.
struct Reading {
    response: reqwest::Response,
    buffer: String,
}

#[derive(Debug, Default, PartialEq)]
struct Event {
    event: String,
    id: String,
    data: Value,
}

impl Event {
    fn text(&self) -> &str {
        self.data["text"].as_str().unwrap_or_default()
    }
}

impl Reading {
    async fn of(server: &TestServer, path: &str, last: Option<&str>) -> Self {
        let request = server.client.get(server.url(path));
        let request = last.iter().fold(request, |request, last| request.header("last-event-id", *last));
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        assert_eq!(response.headers()["x-accel-buffering"], "no");
        Self { response, buffer: String::new() }
    }

    /// The next event; `None` when the stream has ended.
    async fn next(&mut self) -> Option<Event> {
        // Heartbeats are no events.
        timeout(Duration::from_secs(60), self.event()).await.expect("something comes")
    }

    async fn event(&mut self) -> Option<Event> {
        loop {
            if let Some((whole, rest)) = self.buffer.split_once("\n\n") {
                let mut event = Event::default();
                for line in whole.lines() {
                    match line.split_once(": ") {
                        Some(("event", name)) => event.event = name.to_owned(),
                        Some(("id", id)) => event.id = id.to_owned(),
                        Some(("data", data)) => event.data = serde_json::from_str(data).unwrap_or(json!(data)),
                        _ => {}
                    }
                }
                self.buffer = rest.to_owned();
                if !event.event.is_empty() {
                    return Some(event);
                }
                continue;
            }
            let piece = self.response.chunk().await.ok()??;
            self.buffer.push_str(std::str::from_utf8(&piece).unwrap());
        }
    }
}

fn print(job: &Job, text: &[u8]) {
    std::fs::create_dir_all(job.paths().logs()).unwrap();
    let path = job.paths().log(&Slug::of("build"));
    OpenOptions::new().create(true).append(true).open(path).unwrap().write_all(text).unwrap();
}

#[tokio::test]
async fn a_log_is_streamed_from_its_first_byte_and_then_as_it_grows_to_the_verdict() {
    let server = TestServer::start().await;
    let job = server.job().await;
    let path = format!("/api/jobs/{}/build/logs/stream", job.id());
    let mut reading = Reading::of(&server, &path, None).await;
    let mut worker = Worker::take(&job);
    worker.stage("BUILD", StepState::Running, None, "running");
    print(&job, b"one\ntwo\nhalf");
    let first = reading.next().await.unwrap();
    assert_eq!(
        (first.event.as_str(), first.id.as_str(), first.text()),
        ("log", "8", "one\ntwo\n"),
        "whole lines alone"
    );
    print(&job, b" done\n\xffx\n");
    let second = reading.next().await.unwrap();
    assert_eq!((second.id.as_str(), second.text()), ("21", "half done\n\u{fffd}x\n"));
    assert_eq!(second.data["lossy"], json!(true));

    // Whoever comes again says where they were, and gets the rest and nothing twice.
    let mut again = Reading::of(&server, &path, Some("8")).await;
    assert_eq!(again.next().await.unwrap().text(), "half done\n\u{fffd}x\n");
    // A line that does not end is sent in parts.
    print(&job, "ü".repeat(10_000).as_bytes());
    let part = reading.next().await.unwrap();
    assert_eq!((part.text().len(), &part.data["partial"]), (16 * 1024, &json!(true)));
    assert!(!part.text().contains('\u{fffd}'), "between two characters");
    print(&job, b"\nno end");
    assert_eq!(reading.next().await.unwrap().text(), format!("{}\n", "ü".repeat(10_000 - 8 * 1024)));

    worker.stage("BUILD", StepState::Failed, Some(Reason::ScriptFailure), "mvn ended with 1");
    assert_eq!(reading.next().await.unwrap().text(), "no end");
    let eof = reading.next().await.unwrap();
    assert_eq!(
        (eof.event.as_str(), &eof.data["status"], &eof.data["message"]),
        ("eof", &json!("FAILED"), &json!("mvn ended with 1"))
    );
    assert_eq!(reading.next().await, None);
    server.stop().await;
}

#[tokio::test]
async fn offsets_outlive_a_restart_a_log_that_was_cut_back_and_an_attempt_that_was_lost() {
    let server = TestServer::start().await;
    let job = server.job().await;
    let path = format!("/api/jobs/{}/build/logs/stream", job.id());
    let mut worker = Worker::take(&job);
    worker.stage("BUILD", StepState::Running, None, "running");
    print(&job, b"one\ntwo\n");
    let mut reading = Reading::of(&server, &path, None).await;
    let id = reading.next().await.unwrap().id;
    let folder = server.stop_and_keep().await;
    assert_eq!(reading.next().await, None, "a server that stops lets its readers go");

    let server = TestServer::start_over(folder, pipelinex_common::queue::in_process().0, |_| ()).await;
    // The next holder cuts the log to its last whole row, and writes the same again.
    std::fs::remove_file(job.paths().log(&Slug::of("build"))).unwrap();
    print(&job, b"one\n");
    let mut reading = Reading::of(&server, &path, Some(&id)).await;
    print(&job, b"two\n");
    print(&job, b"three\n");
    let next = reading.next().await.unwrap();
    assert_eq!((next.id.as_str(), next.text()), ("14", "three\n"));

    // Containers were lost: the step begins anew, and so does its text.
    std::fs::remove_file(job.paths().log(&Slug::of("build"))).unwrap();
    worker.execution.stages["BUILD"].steps.values_mut().for_each(|step| step.attempt = Some(2));
    worker.job.draw_state(&worker.execution).unwrap();
    assert_eq!(reading.next().await.unwrap().event, "reset");
    print(&job, b"anew\n");
    let anew = reading.next().await.unwrap();
    assert_eq!((anew.id.as_str(), anew.text()), ("2:5", "anew\n"));
    assert_eq!(Reading::of(&server, &path, Some("14")).await.next().await.unwrap().event, "reset");
    for query in ["?offset=x", "?from=1"] {
        server.get(&format!("{path}{query}")).await.assert_problem(400, "query");
    }
    server.get(&path.replace("build", "nope")).await.assert_problem(404, "not-found");
    server.stop().await;
}

#[tokio::test]
async fn a_reader_who_stalls_delays_nobody() {
    let server = TestServer::start_with(|config| config.connections.send_grace = Duration::from_secs(30)).await;
    let job = server.job().await;
    let path = format!("/api/jobs/{}/build/logs/stream", job.id());
    let mut worker = Worker::take(&job);
    worker.stage("BUILD", StepState::Running, None, "running");
    print(&job, "a line of some length\n".repeat(1_000_000).as_bytes());
    let mut stalled = Vec::new();
    for _ in 0..8 {
        stalled.push(Reading::of(&server, &path, None).await);
    }
    let mut reading = Reading::of(&server, &path, Some("21999978")).await;
    assert_eq!(reading.next().await.unwrap().text(), "a line of some length\n");
    print(&job, b"news\n");
    assert_eq!(reading.next().await.unwrap().text(), "news\n");
    drop((stalled, reading));
    server.stop().await;
}

#[tokio::test]
async fn the_state_of_a_job_comes_with_each_change_and_ends_with_the_verdict() {
    let server = TestServer::start().await;
    let job = server.job().await;
    let mut reading = Reading::of(&server, &format!("/api/jobs/{}/events", job.id()), None).await;
    let state = |event: &Event| event.data["execution"]["state"].as_str().unwrap_or_default().to_owned();
    let first = reading.next().await.unwrap();
    assert_eq!((first.event.as_str(), state(&first).as_str()), ("state", "QUEUED"));
    let mut worker = Worker::take(&job);
    worker.stage("BUILD", StepState::Running, None, "running");
    let second = reading.next().await.unwrap();
    assert_eq!(
        (state(&second).as_str(), &second.data["execution"]["headline"]["detail"]),
        ("RUNNING", &json!("BUILD"))
    );
    worker.finish(JobState::Canceled, Some(Reason::CanceledByUser), None);
    let last = reading.next().await.unwrap();
    assert_eq!((last.event.as_str(), state(&last).as_str()), ("eof", "CANCELED"));
    assert_eq!(reading.next().await, None);
    server.stop().await;
}

#[tokio::test]
async fn parts_of_a_log_are_read_by_lines_and_searched() {
    let server = TestServer::start().await;
    let job = server.job().await;
    let mut worker = Worker::take(&job);
    worker.stage("BUILD", StepState::Running, None, "running");
    print(&job, b"one\n\x1b[31mERR\x1b[0mOR two\nthree\nfour\n");
    let url = format!("/api/jobs/{}/build/logs", job.id());
    let tail = server.get(&format!("{url}?tail=2")).await;
    assert_eq!((tail.body.as_slice(), tail.header("x-log-next-offset")), (&b"three\nfour\n"[..], "34"));
    assert_eq!(server.get(&format!("{url}?lines=1-2")).await.body, b"one\n\x1b[31mERR\x1b[0mOR two\n");
    assert_eq!(server.get(&format!("{url}?lines=4-")).await.body, b"four\n");
    let found = server.get(&format!("{url}?q=error&context=1")).await.json();
    assert_eq!(
        found,
        json!({"complete": false, "count": 1, "matches":
               [{"line": 2, "offset": 4, "text": "ERROR two", "before": ["one"], "after": ["three"]}]})
    );
    for query in
        ["tail=0", "tail=x", "lines=0-3", "lines=4-2", "lines=", "q=", "context=2", "tail=1&lines=1", "q=a&context=99"]
    {
        server.get(&format!("{url}?{query}")).await.assert_problem(400, "query");
    }
    server.stop().await;
}

#[tokio::test]
async fn an_open_stream_ends_with_its_token_and_that_of_another_goes_on() {
    let server = with_accounts().await;
    let [first, second] = ["first", "second"].map(|name| token(&server.store, name, Role::Submitter, &["shop"]));
    let made = submit(&server, &first, None).await.json();
    let job = server.store.job(made["job_id"].as_str().unwrap().parse().unwrap()).unwrap();
    let expires_at = Some(Timestamp::now() + Duration::from_secs(2));
    let grant = Grant { role: Role::Viewer, projects: vec!["shop".to_owned()] };
    let short = NewToken { name: "short".to_owned(), grant, expires_at };
    let short = server.store.create_token(short).unwrap().unwrap().1.expose_secret().to_owned();
    let mut streams = Vec::new();
    for token in [&first, &short, &second] {
        let request = server.client.get(server.url(&format!("/api/jobs/{}/events", job.id()))).bearer_auth(token);
        let mut reading = Reading { response: request.send().await.unwrap(), buffer: String::new() };
        assert_eq!(reading.next().await.unwrap().event, "state");
        streams.push(reading);
    }
    server.store.revoke_token("first").unwrap();
    assert_eq!(streams[0].next().await, None, "it was revoked");
    assert_eq!(streams[1].next().await, None, "it has run out");
    Worker::take(&job).finish(JobState::Succeeded, None, None);
    while let Some(event) = streams[2].next().await {
        if event.event == "eof" {
            server.stop().await;
            return;
        }
    }
    panic!("the stream of a token that is good ended before the job");
}
