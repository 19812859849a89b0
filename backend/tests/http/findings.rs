//! What scanners found.

use pipelinex_common::{
    access::Role,
    execution::{FindingCounts, StepRecord},
    id::JobId,
    slug::Slug,
    state::{JobState, Reason, StepState},
};
use serde_json::{Value, json};

use crate::{
    access::{submit, token, with_accounts},
    answers::Worker,
    support::{TestServer, assert_fixture, project as project_zip, request},
};

/// Draws the end of a stage whose steps found that many of high severity.
fn scanned(worker: &mut Worker<'_>, stage: &str, steps: &[(&str, u64)]) {
    let record = worker.execution.stages.get_mut(stage).unwrap();
    (record.status, record.reason) = (StepState::Success, None);
    for (name, high) in steps {
        let mut step = StepRecord::bare(*name, StepState::Success, None, "");
        step.findings = Some(FindingCounts { high: *high, ..FindingCounts::default() });
        record.steps.insert(Slug::of(name), step);
    }
    worker.job.draw_state(&worker.execution).unwrap();
}

fn finding(rule: &str, severity: &str, more: Value) -> Value {
    let mut finding =
        json!({"tool": "t", "rule": rule, "severity": severity, "message": "m", "path": null, "line": null});
    finding.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    finding
}

fn rules(page: &Value) -> Vec<String> {
    let rule = |row: &Value| format!("{} {}", row["stage"].as_str().unwrap(), row["rule"].as_str().unwrap());
    page["findings"].as_array().unwrap().iter().map(rule).collect()
}

#[tokio::test]
async fn findings_of_all_stages_the_worst_first_while_it_runs_and_after() {
    let server = TestServer::start().await;
    let job = server.job().await;
    let url = format!("/api/jobs/{}/findings", job.id());
    let none = server.get(&url).await.json();
    assert_eq!((&none["findings"], &none["complete"], &none["state"]), (&json!([]), &json!(false), &json!("QUEUED")));

    let mut worker = Worker::take(&job);
    let secret = finding("aws-key", "high", json!({"path": "src/a.txt", "line": 7}));
    worker.report("SECRETS", "findings.json", &json!([secret]).to_string());
    assert_eq!(server.get(&url).await.json()["findings"], json!([]), "what nobody recorded is nobody's");
    scanned(&mut worker, "SECRETS", &[("SECRETS", 1)]);
    assert_eq!(rules(&server.get(&url).await.json()), ["SECRETS aws-key"]);

    let sca = [
        finding("GHSA-1", "critical", json!({"package": "g:a@1.0", "fixed_in": "1.1"})),
        finding("GHSA-2", "low", json!({"package": "g:b@2.0"})),
    ];
    worker.report("SCA", "findings.json", &json!(sca).to_string());
    let xss = finding("Reflected XSS", "high", json!({"url": "http://app:8080/hello?name"}));
    worker.report("DAST", "wapiti/findings.json", &json!([xss]).to_string());
    // What a step may have written of its own beside it.
    worker.report("DAST", "wapiti/more/findings.json", &json!([finding("forged", "critical", json!({}))]).to_string());
    scanned(&mut worker, "SCA", &[("SCA", 1)]);
    // Of a second step in the same stage there is a record and no list.
    scanned(&mut worker, "DAST", &[("wapiti", 1), ("zap", 0)]);
    worker.finish(JobState::Failed, Some(Reason::PolicyGate), None);
    let page = server.get(&url).await.json();
    assert_eq!(rules(&page), ["SCA GHSA-1", "SECRETS aws-key", "DAST Reflected XSS", "SCA GHSA-2"]);
    assert_fixture("findings.json", page);

    let of = async |query: &str| rules(&server.get(&format!("{url}?{query}")).await.json());
    assert_eq!(of("severity=high").await, ["SECRETS aws-key", "DAST Reflected XSS"]);
    assert_eq!(of("severity=LOW,critical").await, ["SCA GHSA-1", "SCA GHSA-2"]);
    assert_eq!(of("stage=sca").await, ["SCA GHSA-1", "SCA GHSA-2"]);
    assert_eq!(of("stage=sca,SECRETS&severity=high").await, ["SECRETS aws-key"]);
    assert_eq!(of("tool=T&severity=low").await, ["SCA GHSA-2"]);
    assert_eq!(of("tool=other").await, [""; 0]);
    let counts = &server.get(&format!("{url}?severity=high")).await.json()["counts"];
    assert_eq!((&counts["high"], &counts["critical"]), (&json!(2), &json!(0)), "what was asked for is counted");
    for query in ["severity=bad", "severity=", "stage=nope", "severity=high&severity=low", "rule=x"] {
        server.get(&format!("{url}?{query}")).await.assert_problem(400, "query");
    }
    server.stop().await;
}

#[tokio::test]
async fn findings_stand_beside_those_of_the_run_before_and_nobody_elses() {
    let server = TestServer::start().await;
    let run = async |project: &str, rules: &[&str]| {
        let mut request = request();
        (request["project"], request["branch"]) = (json!(project), json!("main"));
        let answer = server.upload(&project_zip(), &request).await;
        assert_eq!(answer.status, 201, "{}", answer.text());
        let id: JobId = answer.json()["job_id"].as_str().unwrap().parse().unwrap();
        let job = server.store.job(id).unwrap();
        let mut worker = Worker::take(&job);
        let found: Vec<Value> = rules.iter().map(|rule| finding(rule, "high", json!({"path": "a.txt"}))).collect();
        worker.report("SAST", "findings.json", &json!(found).to_string());
        scanned(&mut worker, "SAST", &[("SAST", rules.len() as u64)]);
        worker.finish(JobState::Succeeded, None, None);
        id
    };
    let first = run("shop", &["a", "b"]).await;
    let other = run("else", &["c"]).await;
    let second = run("shop", &["b", "c"]).await;
    let of = async |query: &str| server.get(&format!("/api/jobs/{second}/findings{query}")).await.json();
    let page = of("").await;
    assert_eq!(page["baseline"], json!({"job_id": first, "run_number": 1, "branch": "main"}), "{page:#}");
    assert_eq!(page["standings"], json!({"new": 1, "reopened": 0, "unchanged": 1, "fixed": 1}));
    let told = |page: &Value| -> Vec<String> {
        let rows = ["findings", "fixed"].map(|key| page[key].as_array().unwrap_or_else(|| panic!("{page:#}")).clone());
        rows.concat().iter().map(|row| format!("{} {}", row["rule"], row["state"]).replace('"', "")).collect()
    };
    assert_eq!(told(&page), ["b unchanged", "c new", "a fixed"]);
    assert_eq!(told(&of("?state=new,reopened").await), ["c new"]);
    assert_eq!(told(&of("?state=fixed").await), ["a fixed"]);
    assert_eq!(told(&of(&format!("?baseline={first}&state=new")).await), ["c new"]);
    server.get(&format!("/api/jobs/{second}/findings?state=bad")).await.assert_problem(400, "query");
    server.get(&format!("/api/jobs/{second}/findings?baseline=x")).await.assert_problem(400, "query");
    // Another project's job is nobody's baseline, and is not told from one that is not there.
    server.get(&format!("/api/jobs/{second}/findings?baseline={other}")).await.assert_problem(404, "not-found");
    let page = server.get(&format!("/jobs/{second}")).await.text();
    for part in [format!("Compared with <a href=\"/jobs/{first}\">#1</a>"), "1 new, 1 as before, 1 fixed".to_owned()] {
        assert!(page.contains(&part), "{part}");
    }
    let project = server.get("/projects/shop").await.text();
    assert!(
        project.starts_with("200 ") && project.contains("Last 2 runs") && project.contains("2 passed with findings"),
        "{project}"
    );
    // What is open since the first run, and what since this one.
    let since = |id: JobId| format!("<a href=\"/jobs/{id}\"><time");
    assert!(project.contains(&since(first)) && project.contains(&since(second)), "{project}");
    assert!(page.contains("<a href=\"/projects/shop\">"), "{page}");
    let badge = server.get("/api/projects/shop/badge.svg?branch=main").await;
    assert_eq!(badge.header("content-type"), "image/svg+xml");
    assert!(badge.text().contains("pipelinex: passed with findings"), "{}", badge.text());
    assert!(server.get("/api/projects/shop/badge.svg?branch=next").await.text().contains("no run yet"));
    for nothing in ["/projects/nothing", "/api/projects/nothing/badge.svg"] {
        assert_eq!(server.get(nothing).await.status, 404, "{nothing}");
    }
    assert!(page.find(">New ") < page.find(">Unchanged ") && page.find(">Unchanged ") < page.find(">Fixed "));
    server.stop().await;
}

#[tokio::test]
async fn who_may_accepts_a_finding_for_the_project_which_is_told_and_taken_back() {
    let server = with_accounts().await;
    let [submitter, operator] =
        [Role::Submitter, Role::Operator].map(|role| token(&server.store, role.as_str(), role, &["shop"]));
    let run = async || {
        let made = submit(&server, &submitter, None).await.json();
        let job = server.store.job(made["job_id"].as_str().unwrap().parse().unwrap()).unwrap();
        let mut worker = Worker::take(&job);
        let found = ["a", "b"].map(|rule| finding(rule, "high", json!({"path": "a.txt"})));
        worker.report("SAST", "findings.json", &json!(found).to_string());
        scanned(&mut worker, "SAST", &[("SAST", 2)]);
        worker.finish(JobState::Succeeded, None, None);
        job.id()
    };
    let ask = async |method: &str, path: &str, token: &str, body: Option<Value>| {
        let request = server.client.request(method.parse().unwrap(), server.url(path)).bearer_auth(token);
        let request = request.header("content-type", "application/json");
        server.send(body.iter().fold(request, |request, body| request.body(body.to_string()))).await
    };
    let first = run().await;
    let page = ask("GET", &format!("/api/jobs/{first}/findings"), &submitter, None).await.json();
    let mark = page["findings"][0]["fingerprint"].as_str().unwrap()[..12].to_owned();
    let accept = format!("/api/jobs/{first}/findings/{mark}/accept");
    let because = |reason: &str| Some(json!({"reason": reason}));
    ask("POST", &accept, &submitter, because("mine")).await.assert_problem(403, "no-right");
    ask("POST", &accept, &operator, because(" ")).await.assert_problem(400, "triage");
    let past = json!({"reason": "x", "until": "2020-01-01T00:00:00Z"});
    ask("POST", &accept, &operator, Some(past)).await.assert_problem(400, "triage");
    let unknown = format!("/api/jobs/{first}/findings/ffff/accept");
    ask("POST", &unknown, &operator, because("x")).await.assert_problem(404, "not-found");
    let decided = ask("POST", &accept, &operator, because("no danger  here")).await.json();
    assert_eq!((&decided["who"], &decided["reason"]), (&json!("operator"), &json!("no danger here")), "{decided}");

    // It holds for the next run of the project, is shown there, and counted apart.
    let next = run().await;
    let page = ask("GET", &format!("/api/jobs/{next}/findings"), &submitter, None).await.json();
    assert_eq!((&page["counts"]["high"], &page["counts"]["set_aside"]["accepted"]), (&json!(1), &json!(1)), "{page:#}");
    assert_eq!(page["findings"][0]["decision"]["verdict"], "accepted", "{page:#}");
    let shown = ask("GET", &format!("/jobs/{next}"), &operator, None).await.text();
    assert!(shown.contains(">Accepted ") && shown.contains("by operator: no danger here"), "{shown}");
    assert!(shown.contains("Decide about it"));
    assert!(!ask("GET", &format!("/jobs/{next}"), &submitter, None).await.text().contains("Decide about it"));
    let sarif = ask("GET", &format!("/api/jobs/{next}/findings?format=sarif"), &submitter, None).await;
    assert_eq!(sarif.header("content-type"), "application/sarif+json");
    let suppressed = &sarif.json()["runs"][0]["results"][0]["suppressions"][0]["justification"];
    assert_eq!(suppressed, "no danger here", "{}", sarif.text());
    ask("GET", &format!("/api/jobs/{next}/findings?format=x"), &submitter, None).await.assert_problem(400, "query");
    let listed = ask("GET", &format!("/api/jobs/{next}/accepted"), &submitter, None).await.json();
    assert_eq!((&listed["project"], &listed["decisions"][0]["about"]), (&json!("shop"), &json!("a a.txt")), "{listed}");
    let audit: Vec<String> = server
        .store
        .audit_tail(20)
        .unwrap()
        .into_iter()
        .map(|line| format!("{} {}", line.action, line.outcome))
        .collect();
    assert!(audit.contains(&"accept finding done".to_owned()), "{audit:?}");
    assert!(audit.contains(&"accept finding refused: 403".to_owned()), "{audit:?}");

    let revoke = format!("/api/jobs/{next}/findings/{mark}/revoke");
    assert_eq!(ask("POST", &revoke, &operator, None).await.status, 200);
    ask("POST", &revoke, &operator, None).await.assert_problem(404, "not-found");
    let page = ask("GET", &format!("/api/jobs/{next}/findings"), &submitter, None).await.json();
    assert_eq!(page["counts"]["high"], 2);
    server.stop().await;
}

#[tokio::test]
async fn without_accounts_nobody_accepts_over_http() {
    let server = TestServer::start().await;
    let job = server.job().await;
    let url = server.url(&format!("/api/jobs/{}/findings/aa/accept", job.id()));
    server.send(server.client.post(url).body("{\"reason\": \"x\"}")).await.assert_problem(403, "no-accounts");
    server.stop().await;
}

#[tokio::test]
async fn findings_that_cannot_be_read_are_told_and_never_none() {
    let server = TestServer::start().await;
    let job = server.job().await;
    let mut worker = Worker::take(&job);
    worker.report("SAST", "findings.json", "[{\"to");
    std::fs::create_dir_all(job.paths().reports_of(&Slug::of("DAST"))).unwrap();
    std::os::unix::fs::symlink("/etc/passwd", job.paths().reports_of(&Slug::of("DAST")).join("findings.json")).unwrap();
    for stage in ["SECRETS", "SAST", "DAST"] {
        scanned(&mut worker, stage, &[(stage, 3)]);
    }
    let page = server.get(&format!("/api/jobs/{}/findings", job.id())).await.json();
    let unreadable: Vec<_> =
        page["unreadable"].as_array().unwrap().iter().map(|row| row["stage"].as_str().unwrap()).collect();
    assert_eq!(unreadable, ["SECRETS", "SAST", "DAST"]);
    assert!(!page.to_string().contains("root:"), "{page}");
    server.stop().await;
}
