//! Webhooks as those hear them who are told: a stand-in for their server, which writes down what came and answers as it is told.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use pipelinex_backend::config::Config;
use pipelinex_common::{
    hooks::{HookEvent, HookFormat},
    queue,
    secrets::{Purpose, Secret, SecretKey},
    state::{JobState, Reason, StepState},
    store::{HookRecord, HookTarget, NewHook, NewSecret, StatusOf, Store},
};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
    sync::mpsc::{UnboundedReceiver, unbounded_channel},
    time::timeout,
};

use crate::{
    answers::Worker,
    once::cloner,
    support::{TestServer, project, request},
};

/// One request, as it came.
#[derive(Debug)]
struct Heard {
    head: String,
    body: Value,
    text: String,
}

impl Heard {
    fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    }
}

/// Listens at a port, and answers with these statuses, the last of them for ever.
struct Listener {
    address: SocketAddr,
    heard: UnboundedReceiver<Heard>,
}

impl Listener {
    async fn answering(statuses: &'static [&'static str]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (address, (told, heard)) = (listener.local_addr().unwrap(), unbounded_channel());
        tokio::spawn(async move {
            for number in 0.. {
                let (mut stream, _) = listener.accept().await.unwrap();
                let mut bytes = Vec::new();
                let whole = loop {
                    let mut piece = [0; 4096];
                    let read = stream.read(&mut piece).await.unwrap();
                    bytes.extend_from_slice(&piece[..read]);
                    if read == 0 || complete(&bytes).is_some() {
                        break complete(&bytes);
                    }
                };
                let Some((head, text)) = whole else { continue };
                let status = statuses.get(number).or(statuses.last()).unwrap();
                let more = if status.starts_with('3') { "location: /elsewhere\r\n" } else { "" };
                let answer = format!("HTTP/1.1 {status}\r\n{more}content-length: 0\r\nconnection: close\r\n\r\n");
                stream.write_all(answer.as_bytes()).await.unwrap();
                let body = serde_json::from_str(&text).unwrap_or_default();
                if told.send(Heard { head, body, text }).is_err() {
                    return;
                }
            }
        });
        Self { address, heard }
    }

    async fn next(&mut self) -> Heard {
        timeout(Duration::from_secs(20), self.heard.recv()).await.expect("it is told in time").unwrap()
    }

    fn url(&self) -> String {
        format!("http://{}/hook/s3cret-path", self.address)
    }
}

fn complete(bytes: &[u8]) -> Option<(String, String)> {
    let text = std::str::from_utf8(bytes).ok()?;
    let (head, body) = text.split_once("\r\n\r\n")?;
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse::<usize>().ok());
    let length = length.unwrap_or_default();
    (body.len() >= length).then(|| (head.to_owned(), body.to_owned()))
}

struct Keys {
    folder: tempfile::TempDir,
}

impl Keys {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    fn key(&self) -> SecretKey {
        let (path, beside) = (self.folder.path().join("key"), self.folder.path().join("elsewhere"));
        SecretKey::create(&path, &beside).or_else(|_| SecretKey::open(&path, &beside)).unwrap()
    }

    fn configure(&self, config: &mut Config, loopback: bool) {
        config.git.secrets_key = Some(self.key());
        config.hooks.public_url = Some("https://ci.example".to_owned());
        config.hooks.allowed_addresses = if loopback { vec!["127.0.0.0/8".parse().unwrap()] } else { Vec::new() };
    }

    fn hook(&self, store: &Store, url: String, events: &[HookEvent]) -> HookRecord {
        let target = HookTarget { url, secret: Some("a shared secret".to_owned()) };
        let (events, format) = (events.to_vec(), HookFormat::Json);
        let new =
            NewHook { project: "shop", target: &target, origin: "http://x", events, format, status: None, by: "ada" };
        store.add_hook(&self.key(), new).unwrap()
    }
}

/// A job of the project `shop`.
async fn job(server: &TestServer) -> pipelinex_common::store::Job {
    let mut request = request();
    request["project"] = json!("shop");
    let answer = server.upload(&project(), &request).await;
    assert_eq!(answer.status, 201, "{}", answer.text());
    server.store.job(answer.json()["job_id"].as_str().unwrap().parse().unwrap()).unwrap()
}

pub async fn until(what: impl Fn() -> bool) {
    let waits = async {
        while !what() {
            tokio::task::yield_now().await;
        }
    };
    timeout(Duration::from_secs(20), waits).await.expect("in time");
}

#[tokio::test]
async fn start_and_end_of_a_job_are_told_signed_and_told_again_under_the_same_id_until_they_are_taken() {
    let (keys, mut listener) =
        (Keys::new(), Listener::answering(&["200 OK", "503 Later", "302 Found", "204 Fine"]).await);
    let server = TestServer::start_with(|config| keys.configure(config, true)).await;
    let hook = keys.hook(&server.store, listener.url(), &HookEvent::OF_JOBS);
    let job = job(&server).await;
    let mut worker = Worker::take(&job);
    worker.begin();
    worker.stage("BUILD", StepState::Running, None, "running");

    let started = listener.next().await;
    assert!(started.head.starts_with("POST /hook/s3cret-path "), "{}", started.head);
    assert_eq!(started.header("x-pipelinex-event"), Some("started"));
    assert_eq!((&started.body["job"]["job_id"], &started.body["job"]["state"]), (&json!(job.id()), &json!("RUNNING")));
    let key = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, b"a shared secret");
    let signature =
        hex::decode(started.header("x-hub-signature-256").unwrap().strip_prefix("sha256=").unwrap()).unwrap();
    aws_lc_rs::hmac::verify(&key, started.text.as_bytes(), &signature).expect("the signature of what came");

    worker.stage("BUILD", StepState::Failed, Some(Reason::ScriptFailure), "it ended with 1");
    worker.finish(JobState::Failed, Some(Reason::ScriptFailure), Some("BUILD failed: it ended with 1"));
    let tries = [listener.next().await, listener.next().await, listener.next().await];
    for told in &tries {
        assert_eq!(told.header("x-pipelinex-event"), Some("ended"));
        assert_eq!(told.text, tries[0].text, "each try is the same delivery");
        assert!(told.head.starts_with("POST /hook/s3cret-path "), "no redirect is followed");
    }
    assert_ne!(tries[0].header("x-pipelinex-delivery"), started.header("x-pipelinex-delivery"));
    assert_eq!(tries[0].body["job"]["headline"], "failed: BUILD failed: it ended with 1");
    assert_eq!(tries[0].body["url"], format!("https://ci.example/jobs/{}", job.id()));

    until(|| server.store.waiting_deliveries(&hook.id).unwrap() == 0).await;
    let standing = server.store.hook_standing(&hook.id).unwrap().unwrap();
    assert!(standing.taken_at.is_some() && standing.error.is_none() && standing.given_up == 0, "{standing:?}");
    let marks = std::fs::read_dir(server.store.layout().hooked_jobs()).unwrap().count();
    assert_eq!(marks, 0, "nothing looks at a job that has ended again");
    server.stop().await;
}

#[tokio::test]
async fn what_happened_while_no_server_ran_is_told_by_the_next_one_once() {
    let (keys, mut listener) = (Keys::new(), Listener::answering(&["200 OK"]).await);
    let server = TestServer::start_with(|config| keys.configure(config, true)).await;
    let hook = keys.hook(&server.store, listener.url(), &[HookEvent::Ended]);
    let (one, store) = (job(&server).await, server.store.clone());
    let folder = server.stop_and_keep().await;
    Worker::take(&one).finish(JobState::Succeeded, None, None);
    // A server that died right after it had made the delivery leaves the mark: the same delivery is found again.
    store.gather_deliveries().unwrap();
    let mark = store.layout().hooked_jobs().join(one.id().to_string());
    assert!(!mark.exists());
    std::fs::write(&mark, "").unwrap();

    let next =
        TestServer::start_over(Arc::clone(&folder), queue::in_process().0, |config| keys.configure(config, true));
    let next = next.await;
    let told = listener.next().await;
    assert_eq!((&told.body["job"]["job_id"], &told.body["job"]["state"]), (&json!(one.id()), &json!("SUCCEEDED")));
    until(|| store.waiting_deliveries(&hook.id).unwrap() == 0).await;
    let two = job(&next).await;
    Worker::take(&two).finish(JobState::Succeeded, None, None);
    let told = listener.next().await;
    assert_eq!(told.body["job"]["job_id"], json!(two.id()), "the first job was told once");
    next.stop().await;
}

#[tokio::test]
async fn an_address_of_the_operators_own_network_is_never_connected_to_unless_it_is_allowed() {
    let (keys, mut listener) = (Keys::new(), Listener::answering(&["200 OK"]).await);
    let server = TestServer::start_with(|config| keys.configure(config, false)).await;
    let port = listener.address.port();
    for host in ["127.0.0.1", "localhost", "0x7f.1", "[::ffff:127.0.0.1]"] {
        let hook = keys.hook(&server.store, format!("http://{host}:{port}/hook"), &[HookEvent::Ended]);
        let test = server.store.test_hook(&hook).unwrap();
        until(|| !server.store.is_waiting(&test)).await;
        let standing = server.store.hook_standing(&hook.id).unwrap().unwrap();
        let error = standing.error.unwrap_or_default();
        assert!(error.contains("no public address") && standing.given_up == 1, "{host}: {error}");
    }
    assert!(listener.heard.try_recv().is_err(), "nothing was connected to");
    server.stop().await;
}

/// The project of jobs of the repository that is cloned, where there are no accounts.
const REPOSITORY: &str = "https://github.com/team/app";

impl Keys {
    /// A hook that gives commits their state, and the secret that it names.
    fn status(&self, store: &Store, api: String, format: HookFormat) -> HookRecord {
        let secret = Secret::new("STATUS", Purpose::Git("github.com".to_owned()), true, false, b"t0ken-of-it".to_vec());
        let new = NewSecret { project: REPOSITORY, secret: &secret.unwrap(), by: "ada" };
        store.set_secret(&self.key(), &new).unwrap();
        let target = HookTarget { url: api, secret: None };
        let (events, origin) = (HookEvent::OF_JOBS.to_vec(), "http://x");
        let of = StatusOf { repository: format!("{REPOSITORY}.git"), token: "STATUS".to_owned() };
        let (project, status) = (REPOSITORY, Some(of));
        store
            .add_hook(&self.key(), NewHook { project, target: &target, origin, events, format, status, by: "ada" })
            .unwrap()
    }
}

async fn clone(server: &TestServer) -> pipelinex_common::store::Job {
    let body = json!({"github_url": REPOSITORY, "stack": request()["stack"]});
    let post = server.client.post(server.url("/api/jobs/github")).header("content-type", "application/json");
    let answer = server.send(post.body(body.to_string())).await;
    assert_eq!(answer.status, 201, "{}", answer.text());
    server.store.job(answer.json()["job_id"].as_str().unwrap().parse().unwrap()).unwrap()
}

#[tokio::test]
async fn the_commit_of_a_job_has_its_state_at_the_api_of_its_host() {
    let (keys, mut listener) = (Keys::new(), Listener::answering(&["201 Created"]).await);
    let set_up = |config: &mut Config| {
        keys.configure(config, true);
        config.git.program = cloner(keys.folder.path());
    };
    let server = TestServer::start_with(set_up).await;
    let hook = keys.status(&server.store, format!("http://{}", listener.address), HookFormat::Github);
    // A ZIP of the same project has no commit that anybody knows.
    let mut zip = request();
    (zip["project"], zip["branch"], zip["commit"]) = (json!(REPOSITORY), json!("b"), json!("c"));
    let uploaded = server.upload(&project(), &zip).await.json();
    let uploaded = server.store.job(uploaded["job_id"].as_str().unwrap().parse().unwrap()).unwrap();
    Worker::take(&uploaded).finish(JobState::Succeeded, None, None);

    let job = clone(&server).await;
    let mut worker = Worker::take(&job);
    worker.begin();
    worker.stage("BUILD", StepState::Running, None, "running");
    let mut runs = Some(worker);
    let link = format!("https://ci.example/jobs/{}", job.id());
    for (state, description) in [("pending", "running"), ("failure", "failed: BUILD failed: it ended with 1")] {
        let told = listener.next().await;
        assert!(told.head.starts_with("POST /repos/team/app/statuses/c "), "{}", told.head);
        assert_eq!(told.header("authorization"), Some("Bearer t0ken-of-it"));
        assert_eq!(told.header("accept"), Some("application/vnd.github+json"));
        assert_eq!((&told.body["state"], &told.body["context"]), (&json!(state), &json!("pipelinex")));
        assert_eq!(told.body["target_url"], json!(link));
        assert!(told.body["description"].as_str().unwrap().starts_with(description), "{}", told.body);
        if let Some(mut worker) = runs.take() {
            worker.stage("BUILD", StepState::Failed, Some(Reason::ScriptFailure), "it ended with 1");
            worker.finish(JobState::Failed, Some(Reason::ScriptFailure), Some("BUILD failed: it ended with 1"));
        }
    }
    // A test asks for the repository, and changes nothing there.
    server.store.test_hook(&hook).unwrap();
    assert!(listener.next().await.head.starts_with("GET /repos/team/app "));
    until(|| server.store.waiting_deliveries(&hook.id).unwrap() == 0).await;
    server.stop().await;
}

#[tokio::test]
async fn a_start_that_is_told_late_takes_no_commit_its_last_state_and_without_the_secret_nothing_is_sent() {
    let (keys, mut listener) = (Keys::new(), Listener::answering(&["201 Created"]).await);
    let set_up = |config: &mut Config| {
        keys.configure(config, true);
        config.git.program = cloner(keys.folder.path());
    };
    let server = TestServer::start_with(set_up).await;
    let hook = keys.status(&server.store, format!("http://{}", listener.address), HookFormat::Gitlab);
    let (job, store) = (clone(&server).await, server.store.clone());
    let folder = server.stop_and_keep().await;
    let worker = Worker::take(&job);
    worker.begin();
    worker.finish(JobState::Succeeded, None, None);
    assert!(store.remove_secret(REPOSITORY, "STATUS").unwrap());

    let next = TestServer::start_over(folder, queue::in_process().0, set_up).await;
    let why = || store.hook_standing(&hook.id).unwrap().and_then(|standing| standing.error).unwrap_or_default();
    until(|| why().contains("has no secret STATUS for git:github.com")).await;
    assert!(listener.heard.try_recv().is_err(), "nothing was sent");
    let folder = next.stop_and_keep().await;
    keys.status(&store, "http://127.0.0.1:1".to_owned(), HookFormat::Gitlab);
    let mut due = store.due_deliveries(jiff::Timestamp::MAX).unwrap();
    assert_eq!(due.len(), 1, "{due:?}");
    due[0].next_at = jiff::Timestamp::now();
    store.postpone_delivery(&due[0]).unwrap();

    let last = TestServer::start_over(folder, queue::in_process().0, set_up).await;
    let told = listener.next().await;
    assert!(told.head.starts_with("POST /projects/team%2Fapp/statuses/c "), "{}", told.head);
    assert_eq!(told.header("private-token"), Some("t0ken-of-it"));
    assert_eq!((&told.body["state"], &told.body["name"]), (&json!("success"), &json!("pipelinex")));
    until(|| store.waiting_deliveries(&hook.id).unwrap() == 0).await;
    assert!(listener.heard.try_recv().is_err(), "the start was not told");
    last.stop().await;
}
