//! One key, one job: whoever sends a submission twice, for whatever reason, gets the job of the first.

use std::{
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use jiff::{Timestamp, ToSpan};
use pipelinex_backend::config::Config;
use pipelinex_common::{
    access::Owner,
    disk,
    id::JobId,
    queue,
    state::{JobState, Reason},
    store::{KeyRecord, Store},
};
use reqwest::RequestBuilder;
use serde_json::json;
use tokio::io::AsyncWriteExt;

use crate::{
    answers::Worker,
    support::{Answer, BOUNDARY, TestServer, file, form, good_form, head, project, project_of, request, text, zip},
};

const KEY: &str = "8e03978e-40d5-43dd-bc93-6894a57f9324";

impl TestServer {
    fn keyed(&self, key: &str, body: Vec<u8>) -> RequestBuilder {
        let kind = format!("multipart/form-data; boundary={BOUNDARY}");
        let post = self.client.post(self.url("/api/jobs/upload")).header("content-type", kind);
        post.header("idempotency-key", key).body(body)
    }

    async fn upload_with(&self, key: &str, body: Vec<u8>) -> Answer {
        self.send(self.keyed(key, body)).await
    }

    async fn clone_with(&self, key: &str, body: &str) -> Answer {
        let post = self.client.post(self.url("/api/jobs/github")).header("content-type", "application/json");
        self.send(post.header("idempotency-key", key).body(body.to_owned())).await
    }
}

fn keys(store: &Store) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(store.layout().keys()).unwrap();
    entries.map(|entry| entry.unwrap().path()).collect()
}

fn assert_same(first: &Answer, again: &Answer) {
    assert_eq!((first.status, again.status), (201, 201), "{} {}", first.text(), again.text());
    assert_eq!(first.body, again.body);
    assert_eq!(first.header("location"), again.header("location"));
    assert_eq!((first.header("idempotent-replayed"), again.header("idempotent-replayed")), ("", "true"));
}

#[tokio::test]
async fn the_same_submission_under_the_same_key_is_the_same_job() {
    let server = TestServer::start().await;
    let first = server.upload_with(KEY, good_form()).await;
    // The parts count, and not the way in which a client wraps them.
    let other = "another-boundary";
    let body = form(&[text("metadata", &request().to_string()), file(&project())]);
    let body = replace(&body, BOUNDARY, other);
    let again = server.client.post(server.url("/api/jobs/upload")).header("idempotency-key", KEY);
    let again = again.header("content-type", format!("multipart/form-data; boundary={other}")).body(body);
    let again = server.send(again).await;
    assert_same(&first, &again);
    // Also once the job has ended, and for a server that was started since.
    let id: JobId = first.json()["job_id"].as_str().unwrap().parse().unwrap();
    Worker::take(&server.store.job(id).unwrap()).finish(JobState::Failed, Some(Reason::ScriptFailure), None);
    let server = TestServer::start_over(server.stop_and_keep().await, queue::in_process().0, |_| ()).await;
    assert_same(&first, &server.upload_with(KEY, good_form()).await);
    assert_eq!(server.store.ids().unwrap(), [id]);
    assert_eq!(keys(&server.store).len(), 1);
    server.assert_nothing_staged().await;
    server.stop().await;
}

fn replace(body: &[u8], from: &str, to: &str) -> Vec<u8> {
    let mut out = Vec::new();
    let mut rest = body;
    while let Some(at) = rest.windows(from.len()).position(|window| window == from.as_bytes()) {
        out.extend_from_slice(&rest[..at]);
        out.extend_from_slice(to.as_bytes());
        rest = &rest[at + from.len()..];
    }
    [out, rest.to_vec()].concat()
}

#[tokio::test]
async fn something_else_under_the_same_key_is_refused_and_makes_nothing() {
    let server = TestServer::start().await;
    let first = server.upload_with(KEY, good_form()).await;
    let other_project = form(&[file(&project_of(10)), text("metadata", &request().to_string())]);
    let mut wish = request();
    wish["pipeline"]["run_sast"] = json!(true);
    let other_wish = form(&[file(&project()), text("metadata", &wish.to_string())]);
    for body in [other_project, other_wish] {
        let refused = server.upload_with(KEY, body).await;
        refused.assert_problem(422, "idempotency-key-reused");
        let problem = &refused.json()["problems"][0];
        assert_eq!(problem["rule"], "idempotency-key-reused");
        assert!(problem["message"].as_str().unwrap().contains(first.json()["job_id"].as_str().unwrap()));
    }
    assert_eq!(server.store.ids().unwrap().len(), 1);
    // Without a key, and under another one, the same is another job.
    assert_eq!(server.upload(&project(), &request()).await.header("idempotent-replayed"), "");
    assert_eq!(server.upload_with("another", good_form()).await.header("idempotent-replayed"), "");
    assert_eq!(server.store.ids().unwrap().len(), 3);
    server.assert_nothing_staged().await;
    server.stop().await;
}

#[tokio::test]
async fn of_many_at_once_one_makes_the_job_and_all_get_its_answer() {
    let server = TestServer::start().await;
    let many = futures::future::join_all((0..8).map(|_| server.upload_with(KEY, good_form()))).await;
    let replayed = many.iter().filter(|answer| answer.header("idempotent-replayed") == "true").count();
    assert_eq!(replayed, 7);
    assert!(many.iter().all(|answer| answer.status == 201 && answer.body == many[0].body), "{many:?}");
    assert_eq!(server.store.ids().unwrap().len(), 1);
    assert_eq!(
        server.store.next_run_number(&Owner::anonymous(), "default", "spring-boot-maven").unwrap(),
        2,
        "none of them counted twice"
    );
    server.assert_nothing_staged().await;
    server.stop().await;
}

#[tokio::test]
async fn keys_that_are_none_are_told_before_the_body_is_read() {
    let server = TestServer::start().await;
    for lines in ["Idempotency-Key: a b\r\n", "Idempotency-Key: \r\n", "Idempotency-Key: a\r\nIdempotency-Key: a\r\n"] {
        let answer = server.raw(head(&format!("{lines}Content-Length: 1000000\r\n"))).await;
        assert!(answer.starts_with("HTTP/1.1 400 ") && answer.contains("\"idempotency-key\""), "{answer}");
    }
    server.upload_with(&"k".repeat(256), good_form()).await.assert_problem(400, "idempotency-key");
    server.clone_with("caf\u{e9}", "{}").await.assert_problem(400, "idempotency-key");
    server.assert_untouched().await;
    assert_eq!(server.upload_with(&"k".repeat(255), good_form()).await.status, 201);
    server.stop().await;
}

#[tokio::test]
async fn a_refusal_does_not_bind_the_key() {
    let server = TestServer::start().await;
    let bad = form(&[file(&zip(&[("readme.txt", "no project")])), text("metadata", &request().to_string())]);
    for _ in 0..2 {
        assert_eq!(server.upload_with(KEY, bad.clone()).await.status, 422);
    }
    assert_eq!(keys(&server.store), [] as [PathBuf; 0]);
    let made = server.upload_with(KEY, good_form()).await;
    assert_eq!((made.status, made.header("idempotent-replayed")), (201, ""));
    server.stop().await;
}

#[tokio::test]
async fn a_key_is_one_of_its_route() {
    let server = TestServer::start().await;
    let made = server.upload_with(KEY, good_form()).await.json();
    // What is refused here is the clone and not the key.
    let stack = request()["stack"].clone();
    let elsewhere = json!({"github_url": "https://elsewhere.example/a/b", "stack": stack}).to_string();
    server.clone_with(KEY, &elsewhere).await.assert_problem(422, "git-refused");

    let id: JobId = made["job_id"].as_str().unwrap().parse().unwrap();
    Worker::take(&server.store.job(id).unwrap()).finish(JobState::Failed, Some(Reason::ScriptFailure), None);
    let retry = |id: &str| {
        server.send(server.client.post(server.url(&format!("/api/jobs/{id}/retry"))).header("idempotency-key", KEY))
    };
    let first = retry(&id.to_string()).await;
    assert_same(&first, &retry(&id.to_string()).await);
    assert_eq!(first.json()["retry_of"], made["job_id"]);
    let other = first.json()["job_id"].as_str().unwrap().to_owned();
    retry(&other).await.assert_problem(422, "idempotency-key-reused");
    assert_eq!(server.store.ids().unwrap().len(), 2);
    server.stop().await;
}

/// Makes it look as if the server had died after it bound the key and before the rename: the job is gone, the key is not.
fn undo_the_rename(store: &Store, id: JobId) {
    remove(store, id);
    for path in keys(store) {
        let record: KeyRecord = disk::read_json(&path).unwrap().unwrap();
        disk::write_json(&path, &KeyRecord { made: false, ..record }).unwrap();
    }
}

fn remove(store: &Store, id: JobId) {
    std::fs::rename(store.layout().job(id).root(), store.layout().staging().join("left")).unwrap();
}

#[tokio::test]
async fn a_job_that_was_removed_is_not_made_again_under_its_id() {
    let server = TestServer::start().await;
    let first = server.upload_with(KEY, good_form()).await;
    let id: JobId = first.json()["job_id"].as_str().unwrap().parse().unwrap();
    Worker::take(&server.store.job(id).unwrap()).finish(JobState::Failed, Some(Reason::ScriptFailure), None);
    // As retention does: a worker that remembers that it has ended would never run another job of that id.
    remove(&server.store, id);
    let again = server.upload_with(KEY, good_form()).await;
    assert_eq!((again.status, again.header("idempotent-replayed")), (201, ""), "{}", again.text());
    assert_ne!(again.json()["job_id"], id.to_string());
    assert_same(&again, &server.upload_with(KEY, good_form()).await);
    server.stop().await;
}

#[tokio::test]
async fn a_server_that_dies_between_key_and_rename_makes_one_job_of_that_id() {
    let server = TestServer::start().await;
    let first = server.upload_with(KEY, good_form()).await;
    let id: JobId = first.json()["job_id"].as_str().unwrap().parse().unwrap();
    undo_the_rename(&server.store, id);

    let server = TestServer::start_over(server.stop_and_keep().await, queue::in_process().0, |_| ()).await;
    let again = server.upload_with(KEY, good_form()).await;
    assert_eq!((again.status, again.header("idempotent-replayed")), (201, ""), "{}", again.text());
    assert_eq!(again.json()["job_id"], id.to_string());
    assert_same(&again, &server.upload_with(KEY, good_form()).await);
    assert_eq!(server.store.ids().unwrap(), [id]);
    server.assert_nothing_staged().await;

    // Nothing came of the first, so the key is free for something else, which gets an id of its own.
    undo_the_rename(&server.store, id);
    let other = form(&[file(&project_of(10)), text("metadata", &request().to_string())]);
    let other = server.upload_with(KEY, other).await;
    assert_eq!(other.status, 201, "{}", other.text());
    assert_ne!(other.json()["job_id"], id.to_string());
    server.upload_with(KEY, good_form()).await.assert_problem(422, "idempotency-key-reused");
    server.stop().await;
}

#[tokio::test]
async fn a_client_that_gets_no_reply_sends_it_again_and_there_is_one_job() {
    let server = TestServer::start().await;
    let body = good_form();
    let whole =
        [head(&format!("Content-Length: {}\r\nIdempotency-Key: {KEY}\r\n", body.len())).as_bytes(), &body].concat();
    // It hangs up at different moments: the rename comes first, or the hanging up does.
    for pause in [0, 1, 5, 20, 80] {
        let mut stream = server.connect().await;
        stream.write_all(&whole).await.unwrap();
        tokio::time::sleep(Duration::from_millis(pause)).await;
        stream.set_zero_linger().unwrap();
    }
    let again = server.upload_with(KEY, body).await;
    assert_eq!(again.status, 201, "{}", again.text());
    let ids: Vec<String> = server.store.ids().unwrap().iter().map(ToString::to_string).collect();
    assert_eq!(json!(ids), json!([again.json()["job_id"]]));
    server.stop().await;
}

#[tokio::test]
async fn a_server_that_is_told_to_stop_answers_what_it_decided_and_leaves_nothing_half_done() {
    // With a grace, every submission that was begun is answered; without one, answers are lost, and no job is.
    for drain in [Duration::from_secs(20), Duration::ZERO] {
        let server = TestServer::start_with(|config| config.connections.drain = drain).await;
        let keys: Vec<String> = (0..6).map(|number| format!("key-{number}")).collect();
        let sent: Vec<_> = keys.iter().map(|key| tokio::spawn(server.keyed(key, good_form()).send())).collect();
        while server.store.ids().unwrap().is_empty() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        let store = server.store.clone();
        let folder = server.stop_and_keep().await;
        let mut answered = Vec::new();
        for sent in sent {
            if let Ok(answer) = sent.await.unwrap() {
                assert!(answer.status() == 201, "{answer:?}");
                answered.push(answer.headers()["location"].to_str().unwrap().rsplit('/').next().unwrap().to_owned());
            }
        }
        let made: Vec<String> = store.ids().unwrap().iter().map(ToString::to_string).collect();
        assert!(answered.iter().all(|id| made.contains(id)), "{answered:?} {made:?}");
        if !drain.is_zero() {
            assert_eq!(answered.len(), made.len(), "what was decided was told");
        }

        let server = TestServer::start_over(folder, queue::in_process().0, |_| ()).await;
        for key in &keys {
            assert_eq!(server.upload_with(key, good_form()).await.status, 201);
        }
        let now: Vec<String> = store.ids().unwrap().iter().map(ToString::to_string).collect();
        assert_eq!(now.len(), keys.len(), "one for each, whatever became of the first try");
        assert!(made.iter().all(|id| now.contains(id)));
        server.assert_nothing_staged().await;
        server.stop().await;
    }
}

#[tokio::test]
async fn two_servers_over_the_same_folder_make_one_job_of_one_key() {
    let one = TestServer::start().await;
    let two = TestServer::start_over(one.folder.clone(), queue::in_process().0, |_| ()).await;
    for round in 0..5 {
        let key = format!("round-{round}");
        let both = [&one, &two, &one, &two].map(|server| server.upload_with(&key, good_form()));
        let answers = futures::future::join_all(both).await;
        assert!(answers.iter().all(|answer| answer.status == 201 && answer.body == answers[0].body), "{answers:?}");
        assert_eq!(one.store.ids().unwrap().len(), round + 1);
    }
    one.assert_nothing_staged().await;
    two.stop().await;
    one.stop().await;
}

#[tokio::test]
async fn a_key_is_forgotten_after_a_day() {
    let server = TestServer::start().await;
    let first = server.upload_with(KEY, good_form()).await.json();
    let [path] = &keys(&server.store)[..] else { panic!("one key") };
    let age = |hours: i64| {
        let since = Timestamp::now() - hours.hours();
        let mut record: KeyRecord = disk::read_json(path).unwrap().unwrap();
        record.kept_since = since;
        disk::write_json(path, &record).unwrap();
        let file = std::fs::File::options().write(true).open(path).unwrap();
        file.set_modified(SystemTime::from(since)).unwrap();
    };
    age(23);
    assert_eq!(server.store.sweep_keys().unwrap(), 0);
    assert_eq!(server.upload_with(KEY, good_form()).await.json(), first);
    // Also where nobody has swept yet.
    age(25);
    let second = server.upload_with(KEY, good_form()).await;
    assert_eq!((second.status, second.header("idempotent-replayed")), (201, ""));
    assert_ne!(second.json()["job_id"], first["job_id"]);
    age(25);
    let server = TestServer::start_over(server.stop_and_keep().await, queue::in_process().0, |_| ()).await;
    let until = tokio::time::Instant::now() + Duration::from_secs(10);
    while !keys(&server.store).is_empty() {
        assert!(tokio::time::Instant::now() < until, "a server that starts sweeps old keys");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    server.stop().await;
}

/// Stands for the process that clones: puts a small project where it should, and leaves a mark for each clone.
pub fn cloner(folder: &Path) -> PathBuf {
    let (files, program, marks) = (folder.join("project"), folder.join("clone.sh"), folder.join("marks"));
    for path in [files.join("src/main/java/app"), marks.clone()] {
        std::fs::create_dir_all(path).unwrap();
    }
    let mut archive = ::zip::ZipArchive::new(std::io::Cursor::new(project())).unwrap();
    archive.extract(&files).unwrap();
    let script = format!(
        r#"#!/bin/sh
read -r order
source=${{order#*\"source\":\"}}
source=${{source%%\"*}}
touch {marks}/$$
[ -e {folder}/broken ] && exit 3
cp -r {project}/. "$source"
echo '{{"Ok":{{"commit":"c","branch":"b","received":1,"files":2,"bytes":3,"warnings":[]}}}}'
"#,
        marks = marks.display(),
        folder = folder.display(),
        project = files.display(),
    );
    std::fs::write(&program, script).unwrap();
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
    program
}

#[tokio::test]
async fn of_a_repository_the_json_counts_and_not_how_it_is_written_and_who_waits_does_not_clone() {
    let folder = tempfile::tempdir().unwrap();
    let program = cloner(folder.path());
    // One place: who waits for the first must not ask for another.
    let change = |config: &mut Config| (config.git.program, config.parallel.clones) = (program, 1);
    let server = TestServer::start_with(change).await;
    let (url, stack) = ("https://github.com/team/app", request()["stack"].clone());
    let one = format!(r#"{{"github_url": "{url}", "stack": {stack}}}"#);
    let broken = folder.path().join("broken");
    std::fs::write(&broken, "").unwrap();
    server.clone_with(KEY, &one).await.assert_problem(500, "internal");
    assert_eq!(keys(&server.store), [] as [PathBuf; 0], "nothing was made, so nothing is bound");
    std::fs::remove_file(&broken).unwrap();

    let other = format!("{{\n  \"stack\": {stack},\n  \"github_url\": \"{url}\"\n}}");
    let (a, b) = tokio::join!(server.clone_with(KEY, &one), server.clone_with(KEY, &other));
    assert_eq!((a.status, &a.body), (201, &b.body), "{} {}", a.text(), b.text());
    let marks = std::fs::read_dir(folder.path().join("marks")).unwrap().count();
    assert_eq!(marks, 2, "one that broke, and one for both");
    let elsewhere = one.replace("team/app", "team/other");
    server.clone_with(KEY, &elsewhere).await.assert_problem(422, "idempotency-key-reused");
    assert_eq!(server.store.ids().unwrap().len(), 1);
    server.stop().await;
}
