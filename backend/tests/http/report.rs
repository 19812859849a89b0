//! The report of a job as one page.

use pipelinex_common::{
    access::Role,
    execution::{FindingCounts, TestCounts},
    slug::Slug,
    state::{JobState, Reason, StepState},
};
use serde_json::json;

use crate::{
    access::{submit, token, with_accounts},
    answers::Worker,
    support::{TestServer, project, request},
};

const HOSTILE: &str = "</style></pre><script>alert(1)</script><img src=x onerror=alert(1)>\"'><!-- ${{7*7}}";

fn found(worker: &mut Worker<'_>, stage: &str, findings: &serde_json::Value) {
    worker.report(stage, "findings.json", &findings.to_string());
    worker.stage(stage, StepState::Success, None, "");
    let step = worker.execution.stages[stage].steps.values_mut().next().unwrap();
    step.findings = Some(FindingCounts { high: findings.as_array().unwrap().len() as u64, ..FindingCounts::default() });
    worker.job.draw_state(&worker.execution).unwrap();
}

/// A job that went through a bit of everything, whose project calls everything as it is told.
fn run_as(worker: &mut Worker<'_>, name: &str) {
    let escaped = name.replace('&', "&amp;").replace('<', "&lt;").replace('"', "&quot;");
    let junit = format!(
        "<testsuite name=\"{escaped}\"><testcase name=\"{escaped}\" classname=\"shop.OrderTest\"><failure message=\"{escaped}\">at shop.OrderTest.total(OrderTest.java:48)\n{escaped}</failure></testcase></testsuite>"
    );
    worker.report("TEST", "junit/1-TEST.xml", &junit);
    worker.stage("TEST", StepState::Failed, Some(Reason::ScriptFailure), &format!("1 test, 1 failed {name}"));
    let step = worker.execution.stages["TEST"].steps.values_mut().next().unwrap();
    step.tests = Some(TestCounts { tests: 1, failures: 1, ..TestCounts::default() });
    std::fs::write(worker.job.paths().source().join("a.js"), format!("one\neval(x) // {name}\nthree\n")).unwrap();
    std::fs::write(worker.job.paths().source().join("secret.txt"), "password = hunter2hunter2\n").unwrap();
    let finding = |tool: &str, rule: &str, path: &str, line: u64| json!({"tool": tool, "rule": rule, "severity": "high", "message": format!("it says {name}"), "path": path, "line": line});
    found(worker, "SAST", &json!([finding(name, name, "a.js", 2)]));
    found(worker, "SECRETS", &json!([finding("gitleaks", "password", "secret.txt", 1)]));
    let package = json!({"tool": "osv", "rule": "CVE-2026-1", "severity": "critical", "message": "m", "path": null, "line": null,
        "package": "left-pad@1.0", "fixed_in": "1.1"});
    found(worker, "SCA", &json!([package]));
    let component = |name: &str, purl: &str| json!({"type": "library", "name": name, "version": "1", "purl": purl});
    let bill = json!({"bomFormat": "CycloneDX", "specVersion": "1.6", "components": [
        component(name, "pkg:npm/a@1"), component("b", "pkg:npm/b@1"), component("c", "pkg:pypi/c@1")]});
    worker.report("SCA", "bom.json", &bill.to_string());
}

#[tokio::test]
async fn the_report_tells_what_became_of_a_job_and_needs_nothing_besides_itself() {
    let server = TestServer::start().await;
    let job = server.job().await;
    let url = format!("/api/jobs/{}/report.html", job.id());
    assert!(server.get(&url).await.text().contains("This job goes on"));
    let mut worker = Worker::take(&job);
    run_as(&mut worker, "plain");
    worker.finish(JobState::Failed, Some(Reason::ScriptFailure), Some("TEST failed"));
    let answer = server.get(&url).await;
    assert_eq!((answer.status, answer.header("content-type")), (200, "text/html; charset=utf-8"));
    assert!(answer.header("content-security-policy").starts_with("default-src 'none'; style-src 'unsafe-inline'"));
    let page = answer.text();
    if let Ok(to) = std::env::var("PIPELINEX_REPORT") {
        std::fs::write(to, &page).unwrap();
    }
    for part in [
        "Failed:</span> the only test failed in TEST",
        "OrderTest.java:48",
        "<strong>plain</strong>",
        "<i>2</i> eval(x) // plain",
        "Update left-pad from 1.0 to 1.1 or later.",
        "Revoke this secret where it was issued",
        "3 components: 2 npm, 1 pypi.",
        "1 critical, 2 high",
    ] {
        assert!(page.contains(part), "{part} is missing: {page}");
    }
    assert!(!page.contains("hunter2"), "the line of a secret is shown");
    // Safe to mail: nothing is loaded, and nothing leads anywhere.
    for outside in ["src=", "href=", "url(", "@import", "<script", "<link", "<iframe"] {
        assert!(!page.contains(outside), "{outside} is in the report");
    }
    server.stop().await;
}

#[tokio::test]
async fn whatever_a_project_is_called_is_text_in_its_report() {
    let server = TestServer::start().await;
    let mut asked = request();
    (asked["branch"], asked["commit"]) = (json!(HOSTILE), json!(HOSTILE));
    let answer = server.upload(&project(), &asked).await;
    let job = match answer.status {
        201 => server.store.job(answer.json()["job_id"].as_str().unwrap().parse().unwrap()).unwrap(),
        // Names of branches are checked; then the rest has to do.
        _ => server.job().await,
    };
    let mut worker = Worker::take(&job);
    run_as(&mut worker, HOSTILE);
    worker.execution.warnings.push(HOSTILE.to_owned());
    worker.finish(JobState::Failed, Some(Reason::ScriptFailure), Some(HOSTILE));
    let page = server.get(&format!("/api/jobs/{}/report.html", job.id())).await.text();
    assert!(page.contains("alert(1)"), "{page}");
    assert!(!page.contains("<script") && !page.contains("<img") && !page.contains("<!--"), "{page}");
    assert_eq!((page.matches("</style>").count(), page.matches("<style>").count()), (1, 1));
    assert_eq!(page.matches("<pre>").count(), page.matches("</pre>").count());
    server.stop().await;
}

#[tokio::test]
async fn bills_and_tests_are_written_for_other_programs() {
    let server = TestServer::start().await;
    let job = server.job().await;
    let (findings, tests) = (format!("/api/jobs/{}/findings", job.id()), format!("/api/jobs/{}/tests", job.id()));
    for format in ["cyclonedx", "cyclonedx-vex", "spdx"] {
        server.get(&format!("{findings}?format={format}")).await.assert_problem(404, "not-found");
    }
    let mut worker = Worker::take(&job);
    run_as(&mut worker, "plain");
    worker.finish(JobState::Failed, Some(Reason::ScriptFailure), Some("TEST failed"));
    let bill = server.get(&format!("{findings}?format=cyclonedx")).await;
    assert_eq!(bill.header("content-type"), "application/vnd.cyclonedx+json");
    let bill = bill.json();
    // Three of the bill, and the one that only the scanner knew.
    assert_eq!((&bill["specVersion"], bill["components"].as_array().unwrap().len()), (&json!("1.6"), 4));
    assert_eq!(bill["vulnerabilities"][0]["id"], "CVE-2026-1");
    let spdx = server.get(&format!("{findings}?format=spdx")).await.json();
    assert_eq!((&spdx["spdxVersion"], spdx["packages"].as_array().unwrap().len()), (&json!("SPDX-2.3"), 4));
    let junit = server.get(&format!("{tests}?format=junit")).await;
    assert_eq!(junit.header("content-type"), "application/xml");
    assert!(junit.text().contains("<testcase name=\"plain\" classname=\"shop.OrderTest\""), "{}", junit.text());
    for query in ["format=x", "format=junit&limit=3"] {
        server.get(&format!("{tests}?{query}")).await.assert_problem(400, "query");
    }
    server.stop().await;
}

#[tokio::test]
async fn a_report_says_what_could_not_be_read() {
    let server = TestServer::start().await;
    let job = server.job().await;
    let mut worker = Worker::take(&job);
    found(&mut worker, "SCA", &json!([]));
    worker.report("SCA", "findings.json", "[{\"to");
    worker.report("SCA", "bom.json", "{\"bomF");
    std::fs::create_dir_all(job.paths().reports_of(&Slug::of("TEST"))).unwrap();
    worker.finish(JobState::Succeeded, None, None);
    let page = server.get(&format!("/api/jobs/{}/report.html", job.id())).await.text();
    assert!(page.contains("Findings of SCA cannot be read"), "{page}");
    assert!(page.contains("A bill of materials cannot be read: SCA"), "{page}");
    server.stop().await;
}

#[tokio::test]
async fn a_report_is_for_those_who_may_see_the_job() {
    let server = with_accounts().await;
    let [mine, other] = [("mine", "shop"), ("other", "else")]
        .map(|(name, project)| token(&server.store, name, Role::Operator, &[project]));
    let made = submit(&server, &mine, Some("shop")).await.json();
    let id = made["job_id"].as_str().unwrap();
    let of = async |token: &str| {
        let url = server.url(&format!("/api/jobs/{id}/report.html"));
        server.send(server.client.get(url).bearer_auth(token)).await.status
    };
    assert_eq!((of(&mine).await, of(&other).await, of("none").await), (200, 404, 401));
    server.stop().await;
}
