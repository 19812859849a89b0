//! What the operator decided, as submissions meet it: required stages, and tools that requests bring along.

use pipelinex_common::{policy, state::JobState};
use serde_json::{Value, json};

use crate::support::{TestServer, project, request};

async fn requiring(stages: &[&str]) -> TestServer {
    TestServer::start_with(|config| {
        config.policy.require = stages.iter().map(|name| policy::stage(name).unwrap()).collect();
    })
    .await
}

fn with_pipeline(pipeline: Value) -> Value {
    let mut request = request();
    request["pipeline"] = pipeline;
    request
}

#[tokio::test]
async fn a_required_stage_runs_though_the_request_switched_it_off() {
    let server = requiring(&["secrets"]).await;
    let off = with_pipeline(json!({"run_secret_scan": false, "run_build": true}));
    let page = server.upload(&project(), &off).await.json();
    assert_eq!(page["status"], "ACCEPTED_WITH_ISSUES", "{page}");
    assert_eq!(page["warnings"], json!(["SECRETS is required by the operator: turned on"]));
    assert_eq!((&page["pipeline"]["run_secret_scan"], &page["stages"][0]["selected"]), (&json!(true), &json!(true)));
    let job = server.store.job(page["job_id"].as_str().unwrap().parse().unwrap()).unwrap();
    assert_eq!(job.view().unwrap().execution.state, JobState::Queued);
    server.stop().await;
}

#[tokio::test]
async fn a_required_stage_takes_no_tool_of_the_request() {
    let server = requiring(&["secrets"]).await;
    let tool = json!({"install_cmd": "", "tool_cmd": "exit 0"});
    let custom = with_pipeline(json!({"run_secret_scan": true, "secret_scan_mode": "custom", "secret_custom": tool}));
    let refused = server.upload(&project(), &custom).await;
    refused.assert_problem(422, "not-admitted");
    let expected = json!([{
        "rule": "custom-tool-required",
        "path": "pipeline.secret_scan_mode",
        "message": "the operator requires SECRETS, with our tool and not with one of the request",
        "hint": "use secret_scan_mode `dir`",
    }]);
    assert_eq!(refused.json()["problems"], expected);
    server.assert_untouched().await;
    server.stop().await;
}

#[tokio::test]
async fn a_tool_of_the_request_is_kept_in_the_record_whatever_the_mode() {
    let server = TestServer::start().await;
    let tool = json!({"install_cmd": "", "tool_cmd": "./scan.sh | tee out", "log_ext": "txt"});
    for mode in ["custom", "dir"] {
        let pipeline = json!({"run_secret_scan": true, "secret_scan_mode": mode, "secret_custom": tool,
                              "sast_custom": {"install_cmd": "sudo", "tool_cmd": ""}});
        let page = server.upload(&project(), &with_pipeline(pipeline)).await.json();
        assert_eq!(page["pipeline"]["secret_custom"], tool, "{page}");
        assert_eq!(page["pipeline"]["sast_custom"]["log_ext"], "json", "what is left out has its default");
        assert_eq!((&page["status"], &page["pipeline"]["secret_scan_mode"]), (&json!("ACCEPTED"), &json!(mode)));
    }
    server.stop().await;
}

#[tokio::test]
async fn a_database_that_nothing_would_use_is_a_warning() {
    let server = TestServer::start().await;
    let mut metadata = with_pipeline(json!({"run_build": true}));
    metadata["stack"]["requires_db"] = json!(true);
    let page = server.upload(&project(), &metadata).await.json();
    assert_eq!(page["database"], Value::Null);
    assert!(page["warnings"][0].as_str().unwrap().starts_with("requires_db: "), "{page}");
    server.stop().await;
}
