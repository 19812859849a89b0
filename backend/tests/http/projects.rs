//! Projects that somebody made: members and settings, as submissions meet them, and who decides about them.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use pipelinex_backend::access::Auth;
use pipelinex_common::{access::Role, policy::Policy, queue};
use serde_json::{Value, json};

use crate::{
    access::{submit, token, with_accounts},
    contract::Contract,
    support::{Answer, TestServer},
};

async fn ask(server: &TestServer, token: &str, path: &str, body: Option<Value>) -> Answer {
    let url = server.url(path);
    let request = match body {
        Some(body) => server.client.post(url).json(&body),
        None => server.client.get(url),
    };
    server.send(request.bearer_auth(token)).await
}

/// Asks until the answer is the one that another process's change leads to, which takes less than a second.
async fn until<T>(server: &TestServer, wanted: u16, asked: impl AsyncFn(&TestServer) -> (u16, T)) -> T {
    let begun = Instant::now();
    loop {
        let (status, answer) = asked(server).await;
        if status == wanted {
            return answer;
        }
        assert!(begun.elapsed() < Duration::from_secs(1), "{status} and not {wanted} within a second");
    }
}

#[tokio::test]
async fn an_owner_decides_who_is_in_and_every_backend_of_the_folder_knows_within_a_second() {
    let server = with_accounts().await;
    let other = TestServer::start_over(Arc::clone(&server.folder), queue::in_process().0, |config| {
        config.auth = Auth::Token;
    })
    .await;
    let admin = token(&server.store, "root", Role::Admin, &["default"]);
    let [ada, bob] = ["ada", "bob"].map(|name| token(&server.store, name, Role::Viewer, &["default"]));
    let made = ask(&server, &admin, "/api/projects", Some(json!({"name": "acme/shop", "owner": "ada"}))).await;
    let mut contract = Contract::of(&server).await;
    contract.compare("post", "/api/projects", &made);
    assert_eq!((made.status, made.header("location")), (201, "/api/projects/acme%2Fshop"), "{}", made.text());
    let twice = ask(&server, &admin, "/api/projects", Some(json!({"name": "acme/shop"}))).await;
    twice.assert_problem(400, "project");
    let address = "/api/projects/acme%2Fshop";

    until(&other, 200, async |server| (ask(server, &ada, address, None).await.status, ())).await;
    contract.compare("get", "/api/projects/{name}", &ask(&other, &ada, address, None).await);
    ask(&other, &bob, address, None).await.assert_problem(404, "not-found");
    assert_eq!(submit(&other, &bob, Some("acme/shop")).await.status, 403);
    let change = json!({"members": {"bob": "submitter"}});
    ask(&other, &bob, address, Some(change.clone())).await.assert_problem(404, "not-found");
    let changed = ask(&other, &ada, address, Some(change)).await;
    contract.compare("post", "/api/projects/{name}", &changed);
    assert_eq!(changed.json()["members"], json!({"bob": "submitter"}));
    // The token of a viewer submits where its account is a member, and there alone.
    let job = until(&server, 201, async |server| {
        let made = submit(server, &bob, Some("acme/shop")).await;
        (made.status, made.json()["job_id"].clone())
    })
    .await;
    assert_eq!(submit(&server, &bob, Some("default")).await.status, 403);
    let page = format!("/api/jobs/{}/status", job.as_str().unwrap());
    let told = ask(&server, &ada, &page, None).await.json();
    assert_eq!((&told["job"]["owner"], &told["job"]["project"]), (&json!("bob"), &json!("acme/shop")));
    let listed = ask(&server, &ada, "/api/jobs", None).await.json();
    assert_eq!(listed["jobs"][0]["owner"], "bob");
    ask(&server, &bob, address, Some(json!({"owner": "bob"}))).await.assert_problem(403, "no-right");
    let who = ask(&server, &bob, "/api/whoami", None).await.json();
    assert_eq!(who["member_of"], json!({"acme/shop": "submitter"}));
    assert_eq!(ask(&server, &bob, "/api/projects", None).await.json()["projects"][0]["owner"], "ada");

    for bad in [json!({"members": {"x": "admin"}}), json!({"settings": {"gate": "high"}}), json!({"member": {}})] {
        ask(&server, &ada, address, Some(bad)).await.assert_problem(400, "project");
    }
    ask(&server, &ada, &format!("{address}/remove"), Some(json!({}))).await.assert_problem(403, "no-right");
    ask(&server, &ada, address, Some(json!({"members": {"bob": null}}))).await;
    until(&other, 404, async |server| (ask(server, &bob, &page, None).await.status, ())).await;
    let removed = ask(&server, &admin, &format!("{address}/remove"), Some(json!({}))).await;
    contract.compare("post", "/api/projects/{name}/remove", &removed);
    assert_eq!(removed.status, 200);
    until(&other, 404, async |server| (ask(server, &ada, &page, None).await.status, ())).await;
    let record = std::fs::read_to_string(server.store.layout().audit()).unwrap();
    for action in ["make project", "change project", "remove project"] {
        let line = record.lines().find(|line| line.contains(action) && line.contains("done"));
        assert!(line.is_some_and(|line| line.contains("\"to\":\"acme/shop\"")), "{action}: {record}");
    }
    other.stop().await;
    server.stop().await;
}

#[tokio::test]
async fn of_the_operators_rules_and_the_projects_the_stricter_counts_for_jobs_from_then_on() {
    let server = TestServer::start_with(|config| {
        config.auth = Auth::Token;
        config.policy = Policy { fail_on: "high".parse().unwrap(), ..Policy::default() };
    })
    .await;
    let admin = token(&server.store, "root", Role::Admin, &["shop"]);
    let before = submit(&server, &admin, None).await.json();
    assert!(before.get("rules").is_none(), "{before}");
    let settings = json!({"fail-on": "low", "require": "sca", "own-pipelines": "no"});
    let body = json!({"name": "shop", "settings": settings});
    assert_eq!(ask(&server, &admin, "/api/projects", Some(body)).await.status, 201);
    let after = submit(&server, &admin, None).await.json();
    assert_eq!(after["rules"], json!({"fail_on": "low", "require": ["run_sca"], "own_pipelines": false}));
    assert_eq!(after["pipeline"]["run_sca"], true, "{after}");
    let warnings = after["warnings"].to_string();
    assert!(warnings.contains("SCA is required by the project: turned on"), "{warnings}");
    let elsewhere = submit(&server, &admin, Some("other")).await.json();
    assert!(elsewhere.get("rules").is_none());

    let missing = json!({"settings": {"require": "no-such-stage"}});
    assert_eq!(ask(&server, &admin, "/api/projects/shop", Some(missing)).await.status, 200);
    let refused = submit(&server, &admin, None).await;
    assert!(refused.text().contains("the project requires NO-SUCH-STAGE"), "{}", refused.text());
    let file = std::fs::read_dir(server.store.layout().project_records()).unwrap().next().unwrap().unwrap().path();
    std::fs::write(file, "{").unwrap();
    let torn = submit(&server, &admin, None).await;
    assert!(torn.status >= 500, "what a project asks for nobody knows, so nothing goes to it: {}", torn.text());
    assert_eq!(submit(&server, &admin, Some("other")).await.status, 201);
    server.stop().await;
}

#[tokio::test]
async fn without_accounts_projects_are_seen_and_decided_about_on_the_machine_alone() {
    let server = TestServer::start().await;
    let refused = server.send(server.client.post(server.url("/api/projects")).json(&json!({"name": "shop"}))).await;
    refused.assert_problem(403, "no-accounts");
    assert!(refused.text().contains("--workspaces"));
    assert_eq!(server.get("/api/projects").await.json(), json!({"projects": []}));
    server.stop().await;
}
