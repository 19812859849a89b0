//! Backends that are killed at each named place of a submission's way in: before the one rename there is no job, after it
//! there is one that runs and ends, whether its client was told or not.

use std::io::Write;

use pipelinex_common::testing::{RedisServer, zip_builder::ZipBuilder};
use reqwest::multipart::{Form, Part};
use secrecy::ExposeSecret;

use crate::{
    figures::times,
    projects::shell,
    server::Server,
    trial::{QUICK, Trial, ran_once},
    world::{story, until},
};

/// A place, what is armed to die there, whether there is a job then, and whether its client was told.
const PLACES: [(&str, &str, bool, bool); 8] = [
    ("connect", "", false, false),
    ("mid-upload", "intake.mid-upload=kill", false, false),
    ("mid-extract", "intake.mid-extract=kill", false, false),
    ("before metadata", "intake.before-metadata=kill", false, false),
    ("before the rename", "intake.after-metadata=kill", false, false),
    ("before the reply", "intake.after-rename=kill", true, false),
    // The bell is rung beside the reply: it is held back until that is surely out.
    ("before the bell", "intake.bell-waits=sleep(700);intake.before-bell=kill", true, true),
    ("after the bell", "intake.bell-waits=sleep(700);intake.after-bell=kill", true, true),
];

#[test]
fn a_backend_killed_at_each_place_of_intake_leaves_a_whole_job_or_nothing() {
    story(async |world| {
        let redis = RedisServer::start();
        let url = redis.url().expose_secret().to_owned();
        let mut trial = Trial::new(world);
        let first = trial.backend("", &["--redis-url", &url]).await;
        first.process.stop().await;
        let worker = trial.worker("", &["--redis-url", &url]);
        for _ in 0..times(1, 20) {
            for (place, faults, exists, told) in PLACES {
                let before = trial.jobs().len();
                let mut server = trial.backend(faults, &["--redis-url", &url]).await;
                let answer = if faults.is_empty() {
                    connect(&mut trial, &mut server)
                } else {
                    // Who dies at a named place writes that down itself.
                    trial.faults += 1;
                    submit(&trial, &server).await
                };
                until("the backend dies", async || server.process.child.try_wait().unwrap()).await;
                assert_eq!(answer.is_some(), told, "{place}: {answer:?}");
                assert_eq!(trial.jobs().len() - before, usize::from(exists), "{place}");
            }
        }
        let last = trial.backend("", &["--redis-url", &url]).await;
        trial.judged("backend, `kill -9` at each of 8 places of intake", "SUCCEEDED", "").await;
        for id in trial.jobs().keys() {
            ran_once(trial.world, id);
        }
        worker.stop().await;
        last.process.stop().await;
    });
}

#[test]
fn a_client_that_comes_again_with_its_key_has_one_job_wherever_the_backend_died() {
    story(async |world| {
        let redis = RedisServer::start();
        let url = redis.url().expose_secret().to_owned();
        let mut trial = Trial::new(world);
        let mut quiet = trial.backend("", &["--redis-url", &url]).await;
        let worker = trial.worker("", &["--redis-url", &url]);
        for round in 0..times(1, 20) {
            for (place, faults, _, _) in PLACES.iter().filter(|(_, faults, _, _)| !faults.is_empty()) {
                let (key, before) = (format!("{}-{round}", place.replace(' ', "-")), trial.jobs().len());
                let mut server = trial.backend(faults, &["--redis-url", &url]).await;
                let first = submit_once(&trial, &server, Some(&key)).await;
                until("the backend dies", async || server.process.child.try_wait().unwrap()).await;
                trial.faults += 1;
                let again = submit_once(&trial, &quiet, Some(&key)).await.expect("an answer");
                assert!(first.is_none_or(|first| first == again), "{place}: another job");
                assert_eq!(trial.jobs().len() - before, 1, "{place}: one key, one job");
                // The next one comes to a process that remembers nothing.
                quiet.process.stop().await;
                quiet = trial.backend("", &["--redis-url", &url]).await;
            }
        }
        trial.judged("the same, and the client comes again with its key", "SUCCEEDED", "").await;
        for id in trial.jobs().keys() {
            ran_once(trial.world, id);
        }
        worker.stop().await;
        quiet.process.stop().await;
    });
}

/// Begins a request, and kills the server that waits for the rest of it.
fn connect(trial: &mut Trial<'_>, server: &mut Server) -> Option<String> {
    let address = server.url.trim_start_matches("http://");
    let mut connection = std::net::TcpStream::connect(address).unwrap();
    connection.write_all(b"POST /api/jobs/upload HTTP/1.1\r\nhost: ").unwrap();
    trial.kills(server.process.child.id());
    server.process.child.kill().unwrap();
    None
}

async fn submit(trial: &Trial<'_>, server: &Server) -> Option<String> {
    submit_once(trial, server, None).await
}

/// Submits a project that is more than one piece long; the id of the job if there is an answer.
async fn submit_once(trial: &Trial<'_>, server: &Server, key: Option<&str>) -> Option<String> {
    // What cannot be packed stays as long as it is.
    let mut noise = vec![0; 700 * 1024];
    fastrand::Rng::with_seed(1).fill(&mut noise);
    let project = ZipBuilder::new().file("run.sh", QUICK).file("noise.bin", noise).build();
    let form = Form::new().part("project_zip", Part::bytes(project).file_name("app.zip"));
    let form = form.text("metadata", shell().to_string());
    let mut request = server.http.post(server.url("/api/jobs/upload")).multipart(form);
    if let Some(key) = key {
        request = request.header("idempotency-key", key);
    }
    let answer = request.send().await.ok()?;
    assert_eq!(answer.status(), 201);
    let metadata: serde_json::Value = answer.json().await.ok()?;
    let id = metadata["job_id"].as_str()?;
    trial.log.answered(id);
    Some(id.to_owned())
}
