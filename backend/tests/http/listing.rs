//! The list of jobs.

use pipelinex_common::state::{JobState, Reason, StepState};
use serde_json::{Value, json};

use crate::{
    answers::Worker,
    support::{TestServer, project, request},
};

fn ids(page: &Value) -> Vec<&str> {
    page["jobs"].as_array().unwrap().iter().map(|job| job["job_id"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn pages_newest_first_with_filters_and_a_broken_job_breaks_nothing() {
    let server = TestServer::start().await;
    let mut jobs = Vec::new();
    for number in 0..5 {
        let mut metadata = request();
        metadata["project"] = json!(if number == 2 { "other" } else { "shop" });
        let page = server.upload(&project(), &metadata).await.json();
        assert_eq!(page["run_number"], if number == 2 { 1 } else { number + i32::from(number < 2) });
        jobs.insert(0, page["job_id"].as_str().unwrap().to_owned());
    }
    let failed = server.store.job(jobs[1].parse().unwrap()).unwrap();
    let mut worker = Worker::take(&failed);
    worker.stage("BUILD", StepState::Failed, Some(Reason::ScriptFailure), "mvn ended with 1");
    worker.finish(JobState::Failed, Some(Reason::ScriptFailure), None);
    std::fs::write(server.store.job(jobs[3].parse().unwrap()).unwrap().paths().metadata(), "{").unwrap();

    let all = server.get("/api/jobs").await.json();
    assert_eq!(ids(&all), jobs);
    assert_eq!(all["next"], Value::Null);
    assert_eq!(all["jobs"][1]["reason"], "script_failure");
    assert!(all["jobs"][3]["broken"].is_string(), "{}", all["jobs"][3]);
    assert_eq!(all["jobs"][4]["link"], format!("/api/jobs/{}", jobs[4]));

    let mut seen = Vec::new();
    let mut cursor = String::new();
    loop {
        let page = server.get(&format!("/api/jobs?limit=2{cursor}")).await.json();
        seen.extend(ids(&page).into_iter().map(str::to_owned));
        let Some(next) = page["next"].as_str() else { break };
        cursor = format!("&cursor={next}");
    }
    assert_eq!(seen, jobs);
    assert_eq!(ids(&server.get("/api/jobs?state=failed").await.json()), [&jobs[1]]);
    assert_eq!(ids(&server.get("/api/jobs?project=other").await.json()), [&jobs[2]]);
    assert_eq!(ids(&server.get("/api/jobs?state=RUNNING&project=shop").await.json()), [""; 0]);
    for query in ["state=LOST", "limit=0", "limit=201", "limit=x", "cursor=x", "page=2", "state=failed&state=queued"] {
        server.get(&format!("/api/jobs?{query}")).await.assert_problem(400, "query");
    }
    server.stop().await;
}
