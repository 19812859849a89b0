//! The test cases of a job.

use pipelinex_common::{
    execution::TestCounts,
    slug::Slug,
    state::{JobState, Reason, StepState},
};
use serde_json::{Value, json};

use crate::{answers::Worker, support::TestServer};

const ORDERS: &str = r#"<testsuite name="dev.shop.OrderTest"><testcase name="empty" classname="dev.shop.OrderTest" time="0.1"/>
    <testcase name="total" classname="dev.shop.OrderTest" time="0.25"><failure message="expected: &lt;3&gt; but was: &lt;2&gt;" type="E">E: expected
    at dev.shop.OrderTest.total(OrderTest.java:48)</failure><system-out>[31mred</system-out></testcase>
    <testcase name="later" classname="dev.shop.OrderTest"><skipped message="not on Mondays"/></testcase></testsuite>"#;
const CARTS: &str = r#"<testsuite name="dev.shop.CartTest"><testcase name="adds" classname="dev.shop.CartTest"/>
    <testcase name="drops" classname="dev.shop.CartTest"><error type="java.lang.NullPointerException"/></testcase></testsuite>"#;

/// Draws the end of TEST with its reports.
pub fn tested(worker: &mut Worker<'_>) {
    worker.report("TEST", "junit/10-TEST-dev.shop.OrderTest.xml", ORDERS);
    worker.report("TEST", "junit/9-TEST-dev.shop.CartTest.xml", CARTS);
    worker.stage("TEST", StepState::Failed, Some(Reason::ScriptFailure), "5 tests, 1 failed, 1 broken");
    let step = worker.execution.stages["TEST"].steps.values_mut().next().unwrap();
    step.tests = Some(TestCounts { tests: 5, failures: 1, errors: 1, skipped: 1, ..TestCounts::default() });
    worker.job.draw_state(&worker.execution).unwrap();
}

fn titles(page: &Value) -> Vec<String> {
    let title = |row: &Value| format!("{} {}", row["state"].as_str().unwrap(), row["name"].as_str().unwrap());
    page["tests"].as_array().unwrap().iter().map(title).collect()
}

#[tokio::test]
async fn tests_are_listed_with_what_failed_first_by_state_and_by_text() {
    let server = TestServer::start().await;
    let job = server.job().await;
    let url = format!("/api/jobs/{}/tests", job.id());
    let none = server.get(&url).await.json();
    assert_eq!((&none["tests"], &none["complete"], &none["counts"]["tests"]), (&json!([]), &json!(false), &json!(0)));

    let mut worker = Worker::take(&job);
    tested(&mut worker);
    // What a step wrote of its own beside the copies of the worker was not counted, and is not listed.
    worker.report("TEST", "junit/forged.xml", "<testsuite><testcase name='forged'/></testsuite>");
    worker.finish(JobState::Failed, Some(Reason::ScriptFailure), Some("TEST failed"));
    let page = server.get(&url).await.json();
    assert_eq!(titles(&page), ["failed total", "error drops", "skipped later", "passed adds", "passed empty"]);
    assert_eq!(page["counts"], json!({"tests": 5, "failed": 1, "error": 1, "flaky": 0, "skipped": 1, "passed": 2}));
    let total = &page["tests"][0];
    assert_eq!(
        (&total["stage"], &total["class"], &total["message"], &total["duration_ms"], &total["file"], &total["line"]),
        (
            &json!("TEST"),
            &json!("dev.shop.OrderTest"),
            &json!("expected: <3> but was: <2>"),
            &json!(250),
            &json!("OrderTest.java"),
            &json!(48)
        )
    );
    let of = async |query: &str| titles(&server.get(&format!("{url}?{query}")).await.json());
    assert_eq!(of("state=failed,ERROR").await, ["failed total", "error drops"]);
    assert_eq!(of("q=cart").await, ["error drops", "passed adds"]);
    assert_eq!(of("q=NullPointer&state=error").await, ["error drops"]);
    assert_eq!(of("limit=2").await, ["failed total", "error drops"]);
    let second = server.get(&format!("{url}?limit=2&cursor=2")).await.json();
    assert_eq!((titles(&second).len(), &second["next"]), (2, &json!(4)));
    assert_eq!(server.get(&format!("{url}?limit=2&cursor=4")).await.json()["next"], json!(null));
    for query in ["state=bad", "state=", "limit=0", "limit=x", "cursor=-1", "q=a&q=b", "name=x"] {
        server.get(&format!("{url}?{query}")).await.assert_problem(400, "query");
    }
    server.stop().await;
}

#[tokio::test]
async fn tests_that_cannot_be_read_are_told_and_never_none() {
    let server = TestServer::start().await;
    let job = server.job().await;
    let mut worker = Worker::take(&job);
    tested(&mut worker);
    worker.report("TEST", "junit/9-TEST-dev.shop.CartTest.xml", "<testsuite><testcase name='a'/>");
    let junit = job.paths().reports_of(&Slug::of("TEST")).join("junit");
    std::os::unix::fs::symlink("/etc/passwd", junit.join("11-link.xml")).unwrap();
    let page = server.get(&format!("/api/jobs/{}/tests", job.id())).await.json();
    assert_eq!(titles(&page), ["failed total", "skipped later", "passed a", "passed empty"]);
    let why = page["unreadable"][0]["reason"].as_str().unwrap();
    assert!(why.contains("9-TEST-dev.shop.CartTest.xml") && why.contains("cut off"), "{why}");
    assert!(!page.to_string().contains("root:"), "{page}");
    std::fs::remove_dir_all(job.paths().reports()).unwrap();
    let page = server.get(&format!("/api/jobs/{}/tests", job.id())).await.json();
    assert_eq!(page["unreadable"][0]["reason"], "there are no reports");
    server.stop().await;
}
