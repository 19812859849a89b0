//! The numbers for Prometheus.

use pipelinex_common::state::{JobState, Reason, StepState};

use crate::{answers::Worker, support::TestServer};

/// The value of a series.
fn value(text: &str, series: &str) -> Option<f64> {
    text.lines().find_map(|line| line.strip_prefix(series)?.trim().parse().ok())
}

#[tokio::test]
async fn numbers_say_what_is_there_and_what_has_happened_and_each_is_documented() {
    let server = TestServer::start().await;
    let (waits, runs) = (server.job().await, server.job().await);
    let mut worker = Worker::take(&runs);
    worker.stage("BUILD", StepState::Running, None, "runs");
    assert_eq!(server.get("/api/jobs?colour=red").await.status, 400);
    let answer = server.get("/metrics").await;
    let text = answer.text();
    assert!(answer.header("content-type").starts_with("application/openmetrics-text"), "{text}");
    for (series, expected) in [
        (r#"pipelinex_jobs{state="QUEUED"}"#, 1.0),
        (r#"pipelinex_jobs{state="RUNNING"}"#, 1.0),
        (r#"pipelinex_requests_total{method="POST",route="/api/jobs/upload",status="201"}"#, 2.0),
        (r#"pipelinex_refusals_total{code="query"}"#, 1.0),
        ("pipelinex_queue_up", 1.0),
        ("pipelinex_jobs_not_counted", 0.0),
    ] {
        assert_eq!(value(&text, series), Some(expected), "{series} in\n{text}");
    }
    assert!(value(&text, "pipelinex_disk_free_bytes").unwrap() > 0.0);

    worker.stage("BUILD", StepState::Failed, Some(Reason::ScriptFailure), "exit 1");
    worker.finish(JobState::Failed, Some(Reason::ScriptFailure), None);
    let text = server.get("/metrics").await.text();
    assert_eq!(value(&text, r#"pipelinex_jobs{state="FAILED"}"#), Some(1.0), "{text}");
    assert_eq!(value(&text, r#"pipelinex_jobs{state="RUNNING"}"#), Some(0.0), "{text}");
    // It ended, by its own record, before this server began: that is of no counter.
    assert!(!text.contains("pipelinex_jobs_ended_total{"), "{text}");
    let mut worker = Worker::take(&waits);
    worker.stage("BUILD", StepState::Success, None, "built");
    (worker.execution.state, worker.execution.finished_at) = (JobState::Succeeded, Some(jiff::Timestamp::now()));
    assert!(waits.finish(&worker.execution).unwrap());
    let text = server.get("/metrics").await.text();
    let ended = r#"pipelinex_jobs_ended_total{state="SUCCEEDED",reason=""}"#;
    assert_eq!(value(&text, ended), Some(1.0), "{text}");
    let stage = r#"pipelinex_stage_seconds_count{stage="BUILD",state="SUCCESS"}"#;
    assert_eq!(value(&text, stage), Some(1.0), "{text}");
    assert_eq!(server.get("/metrics").await.text().matches(ended).count(), 1, "once, however often it is asked");
    assert!(text.ends_with("# EOF\n"));

    let page = include_str!("../../../docs/metrics.md");
    let names: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next()).collect();
    assert!(names.len() > 12, "{names:?}");
    for name in names {
        let documented = ["", "_total", "_info"].iter().any(|ending| page.contains(&format!("`{name}{ending}`")));
        assert!(documented, "docs/metrics.md does not name {name}");
    }
    server.stop().await;
}
