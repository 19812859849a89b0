//! Accounts: which role may call what, and that what is another project's is not there.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use jiff::Timestamp;
use pipelinex_backend::access::{
    Auth, Right,
    table::{Need, Row, TABLE},
};
use pipelinex_common::{
    access::{Grant, Role},
    queue,
    state::JobState,
    store::{Job, NewToken, Store},
};
use secrecy::ExposeSecret;
use serde_json::json;

use crate::{
    answers::Worker,
    support::{Answer, BOUNDARY, TestServer, file, form, good_form, project, request, text},
};

/// The one address that ends with the server alone.
const LIST_CHANGES: &str = "/jobs/changes";

pub fn token(store: &Store, name: &str, role: Role, projects: &[&str]) -> String {
    let grant = Grant { role, projects: projects.iter().map(|project| (*project).to_owned()).collect() };
    let new = NewToken { name: name.to_owned(), grant, expires_at: None };
    store.create_token(new).unwrap().unwrap().1.expose_secret().to_owned()
}

pub async fn with_accounts() -> TestServer {
    TestServer::start_with(|config| config.auth = Auth::Token).await
}

async fn ask(server: &TestServer, method: &str, path: &str, token: Option<&str>) -> Answer {
    let request = server.client.request(method.parse().unwrap(), server.url(path));
    let request = token.into_iter().fold(request, |request, token| request.bearer_auth(token));
    if path != LIST_CHANGES {
        return server.send(request).await;
    }
    // It ends with the server alone.
    let response = request.send().await.unwrap();
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    let body = if status == 200 { Vec::new() } else { response.bytes().await.unwrap().to_vec() };
    Answer { status, headers, body }
}

pub async fn submit(server: &TestServer, token: &str, project_name: Option<&str>) -> Answer {
    let mut metadata = request();
    if let Some(name) = project_name {
        metadata["project"] = json!(name);
    }
    let body = form(&[file(&project()), text("metadata", &metadata.to_string())]);
    let kind = format!("multipart/form-data; boundary={BOUNDARY}");
    let upload = server.client.post(server.url("/api/jobs/upload")).header("content-type", kind).body(body);
    server.send(upload.bearer_auth(token)).await
}

async fn job_of(server: &TestServer, token: &str) -> Job {
    let made = submit(server, token, None).await;
    assert_eq!(made.status, 201, "{}", made.text());
    server.store.job(made.json()["job_id"].as_str().unwrap().parse().unwrap()).unwrap()
}

/// The address of a row, for a job.
fn address(row: &Row, job: &Job) -> String {
    let filled = row.path.replace("{id}", &job.id().to_string()).replace("{step}", "build").replace("{stage}", "build");
    filled.replace("{*path}", "app.jar").replace("{name}", "none.css")
}

#[tokio::test]
async fn every_address_asks_for_its_right_and_a_foreign_job_is_not_there() {
    let server = with_accounts().await;
    let own = job_of(&server, &token(&server.store, "ours", Role::Submitter, &["shop"])).await;
    let foreign = job_of(&server, &token(&server.store, "theirs", Role::Submitter, &["other"])).await;
    for job in [&own, &foreign] {
        // What streams until a job has ended ends.
        Worker::take(job).finish(JobState::Succeeded, None, None);
    }
    let roles = Role::ALL.map(|role| (role, token(&server.store, role.as_str(), role, &["shop"])));
    for row in TABLE {
        let open = row.need == Need::Nothing;
        let nobody = ask(&server, row.method, &address(row, &own), None).await;
        assert_eq!(nobody.status == 401, !open, "{} {} without a token: {}", row.method, row.path, nobody.text());
        assert_eq!(nobody.header("www-authenticate"), if open { "" } else { "Bearer" });
        for ((role, token), job) in roles.iter().flat_map(|role| [(role, &own), (role, &foreign)]) {
            let whose = if job.id() == own.id() { "own" } else { "foreign" };
            let answer = ask(&server, row.method, &address(row, job), Some(token)).await;
            let (status, said) = (answer.status, answer.text());
            let place = format!("{} {} as {role}, {whose}: {said}", row.method, row.path);
            let may = match row.need {
                Need::Nothing | Need::Account => true,
                Need::Right(right) => role.has(right),
            };
            // What a trigger is called is no job.
            let of_job = row.path.contains("{id}") && !row.path.starts_with("/api/hooks/");
            let hidden = of_job && whose == "foreign" && *role != Role::Admin;
            assert!(status < 500 && status != 401, "{place}");
            assert_eq!(status == 403, !may, "{place}");
            if may && of_job {
                let absent = status == 404 && said.contains("there is no job");
                assert_eq!(absent, hidden, "{place}");
            }
            // The refusal itself names the job that was asked for.
            let leaks = said.contains(&foreign.id().to_string()) && *role != Role::Admin && !hidden;
            assert!(!leaks, "{place}");
        }
    }
    server.stop().await;
}

#[tokio::test]
async fn a_submission_goes_to_a_project_of_its_token() {
    let server = with_accounts().await;
    let ci = token(&server.store, "ci", Role::Submitter, &["shop", "site"]);
    for (asked, expected) in [(None, "shop"), (Some("site"), "site")] {
        let made = submit(&server, &ci, asked).await.json();
        assert_eq!((&made["project"], &made["owner"]), (&json!(expected), &json!("ci")));
    }
    let refused = submit(&server, &ci, Some("other")).await;
    refused.assert_problem(403, "no-right");
    assert!(refused.text().contains("`shop`, `site`"), "{}", refused.text());
    let admin = token(&server.store, "root", Role::Admin, &["default"]);
    assert_eq!(submit(&server, &admin, Some("anything")).await.json()["project"], "anything");
    assert_eq!(server.store.ids().unwrap().len(), 3);
    server.assert_nothing_staged().await;
    server.stop().await;
}

#[tokio::test]
async fn what_was_made_without_accounts_belongs_to_default() {
    let server = TestServer::start().await;
    let old = server.job().await;
    let folder = server.stop_and_keep().await;
    let server = TestServer::start_over(folder, queue::in_process().0, |config| config.auth = Auth::Token).await;
    let page = format!("/api/jobs/{}", old.id());
    for (name, projects, status) in [("insider", &["default"][..], 200), ("outsider", &["shop"], 404)] {
        let token = token(&server.store, name, Role::Viewer, projects);
        assert_eq!(ask(&server, "GET", &page, Some(&token)).await.status, status, "{name}");
    }
    server.stop().await;
}

#[tokio::test]
async fn lists_go_on_past_foreign_jobs_and_name_none_of_them() {
    let server = with_accounts().await;
    let ours = token(&server.store, "ours", Role::Submitter, &["shop"]);
    let theirs = token(&server.store, "theirs", Role::Submitter, &["other"]);
    let mut own = vec![job_of(&server, &ours).await.id().to_string()];
    for _ in 0..3 {
        job_of(&server, &theirs).await;
    }
    own.insert(0, job_of(&server, &ours).await.id().to_string());
    job_of(&server, &theirs).await;
    let (mut seen, mut cursor) = (Vec::new(), String::new());
    for _ in 0..3 {
        let page = ask(&server, "GET", &format!("/api/jobs?limit=1{cursor}"), Some(&ours)).await.json();
        seen.extend(page["jobs"].as_array().unwrap().iter().map(|job| job["job_id"].as_str().unwrap().to_owned()));
        let Some(next) = page["next"].as_str() else { break };
        assert!(own.contains(&next.to_owned()), "{next} is a foreign job");
        cursor = format!("&cursor={next}");
    }
    assert_eq!(seen, own);
    std::fs::write(server.store.job(own[0].parse().unwrap()).unwrap().paths().metadata(), "{").unwrap();
    let page = ask(&server, "GET", "/api/jobs", Some(&ours)).await.json();
    assert_eq!(page["jobs"].as_array().unwrap().len(), 1, "whose a broken job is nobody knows: {page}");
    server.stop().await;
}

#[tokio::test]
async fn a_wrong_token_is_told_so_some_times_and_a_right_one_is_taken_meanwhile() {
    let server = with_accounts().await;
    let right = token(&server.store, "ci", Role::Viewer, &["shop"]);
    let wrong = right.replace(&right[right.len() - 8..], "00000000");
    let strange = format!("plx_{}_{}", "0".repeat(16), "0".repeat(64));
    for number in 0..20 {
        let sent = [&wrong, &strange, "nonsense"][number % 3];
        ask(&server, "GET", "/api/jobs", Some(sent)).await.assert_problem(401, "unauthorized");
    }
    let told = ask(&server, "GET", "/api/jobs", Some(&wrong)).await;
    told.assert_problem(429, "too-many-wrong");
    assert_eq!(told.header("retry-after"), "60");
    assert_eq!(ask(&server, "GET", "/api/jobs", Some(&right)).await.status, 200, "nobody else is kept out");
    for header in ["", "Bearer", "Basic YTpi"] {
        let asked = server.client.get(server.url("/api/jobs")).header("authorization", header);
        server.send(asked).await.assert_problem(400, "authorization");
    }
    server.stop().await;
}

#[tokio::test]
async fn a_token_is_known_and_revoked_at_once_to_every_backend_of_the_folder() {
    let server = with_accounts().await;
    let other = TestServer::start_over(Arc::clone(&server.folder), queue::in_process().0, |config| {
        config.auth = Auth::Token;
    })
    .await;
    // Both know the folder as it was before.
    let first = token(&server.store, "first", Role::Viewer, &["shop"]);
    for server in [&server, &other] {
        assert_eq!(ask(server, "GET", "/api/jobs", Some(&first)).await.status, 200);
    }
    let second = token(&server.store, "second", Role::Viewer, &["shop"]);
    let begun = Instant::now();
    server.store.revoke_token("first").unwrap();
    for (token, status) in [(&first, 401), (&second, 200)] {
        for server in [&server, &other] {
            while ask(server, "GET", "/api/jobs", Some(token)).await.status != status {
                assert!(begun.elapsed() < Duration::from_secs(1), "not within a second");
            }
        }
    }
    let grant = Grant { role: Role::Viewer, projects: vec!["shop".to_owned()] };
    let expires_at = Some(Timestamp::now() - Duration::from_secs(1));
    let old = server.store.create_token(NewToken { name: "old".to_owned(), grant, expires_at }).unwrap().unwrap().1;
    let until = Instant::now() + Duration::from_secs(1);
    loop {
        let told = ask(&server, "GET", "/api/whoami", Some(old.expose_secret())).await;
        if told.text().contains("has expired") {
            told.assert_problem(401, "unauthorized");
            break;
        }
        assert!(Instant::now() < until, "{}", told.text());
    }
    other.stop().await;
    server.stop().await;
}

#[tokio::test]
async fn keys_and_retries_are_a_projects_own() {
    let server = with_accounts().await;
    let submitter = |name, project| token(&server.store, name, Role::Submitter, &[project]);
    let (ours, theirs) = (submitter("ours", "shop"), submitter("theirs", "other"));
    let mut made = Vec::new();
    for token in [&ours, &theirs, &ours] {
        let kind = format!("multipart/form-data; boundary={BOUNDARY}");
        let upload = server.client.post(server.url("/api/jobs/upload")).header("content-type", kind).body(good_form());
        let answer = server.send(upload.bearer_auth(token).header("idempotency-key", "same")).await;
        assert_eq!(answer.status, 201, "{}", answer.text());
        made.push(answer.json()["job_id"].clone());
    }
    assert!(made[0] != made[1] && made[0] == made[2], "a key is its owner's: {made:?}");
    let colleague = submitter("colleague", "shop");
    let retry = format!("/api/jobs/{}/retry", made[0].as_str().unwrap());
    ask(&server, "POST", &retry, Some(&theirs)).await.assert_problem(404, "not-found");
    ask(&server, "POST", &retry, Some(&colleague)).await.assert_problem(409, "not-yet");
    assert!(Role::Submitter.has(Right::Retry));
    server.stop().await;
}
