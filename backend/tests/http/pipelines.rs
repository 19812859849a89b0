//! The second predecessor's calls: a pipeline is executed, followed and looked up again in its words.

use std::{path::PathBuf, time::Duration};

use pipelinex_backend::config::Config;
use pipelinex_common::{
    id::JobId,
    queue,
    state::{JobState, Reason, StepState},
    testing::crowd,
};
use serde_json::{Value, json};

use crate::{
    answers::Worker,
    contract::Contract,
    once::cloner,
    support::{Answer, TestServer, assert_fixture, file, form, project, request, text, zip},
};

const REPO: &str = "https://github.com/team/app";

impl TestServer {
    async fn execute(&self, order: &Value) -> Answer {
        self.send(self.client.post(self.url("/api/pipeline/execute")).json(order)).await
    }

    async fn execute_upload(&self, order: &Value, files: &[(&str, &str)]) -> Answer {
        let body = form(&[file(&zip(files)), text("metadata", &order.to_string())]);
        self.post_form("/api/pipeline/execute", body).await
    }
}

fn id_of(answer: &Answer) -> JobId {
    assert!([200, 201].contains(&answer.status), "{}", answer.text());
    answer.json()["executionId"].as_str().unwrap().parse().unwrap()
}

fn allow_own(config: &mut Config) {
    config.policy.own.pipelines = true;
}

const OWN: &str = "stages: [build, test]\ndefault: {image: alpine}\nworkflow: {name: nightly}\ncompile: {stage: build, script: make}\n\
                   unit: {stage: test, script: make test, allow_failure: true}\n";

#[tokio::test]
async fn a_pipeline_is_executed_followed_and_found_again() {
    let server = TestServer::start_with(allow_own).await;
    let mut contract = Contract::of(&server).await;
    let order =
        json!({"inline": OWN, "branch": "main", "commitHash": "0123456789abcdef", "runNumber": 41, "project": "shop"});
    let started = server.execute_upload(&order, &[("Makefile", "all:\n")]).await;
    contract.compare("post", "/api/pipeline/execute", &started);
    let id = id_of(&started);
    assert_eq!((started.status, started.json()["status"].as_str()), (201, Some("PENDING")));
    assert_eq!(started.header("location"), format!("/api/jobs/{id}"));

    let job = server.store.job(id).unwrap();
    let mut worker = Worker::take(&job);
    worker.stage("build", StepState::Success, None, "built");
    worker.stage("test", StepState::Failed, Some(Reason::ScriptFailure), "failed");
    worker.finish(JobState::Failed, Some(Reason::ScriptFailure), Some("test failed"));
    for path in ["/api/pipeline/status/{id}", "/api/stage/status/{id}/{stage}"] {
        let at = path.replace("{id}", &id.to_string()).replace("{stage}", "TEST");
        contract.compare("get", path, &server.get(&at).await);
    }
    assert_fixture("execution_status.json", server.get(&format!("/api/pipeline/status/{id}")).await.json());
    server.get(&format!("/api/stage/status/{id}/deploy")).await.assert_problem(404, "not-found");

    // By the name that the file gives it, and by its project; whole and in parts.
    let whole = "/api/report/pipeline/{name}";
    let parts = [
        (whole, "nightly", ""),
        (whole, "shop", ""),
        ("/api/report/pipeline/history/{name}", "nightly", "?stage=build"),
        ("/api/report/pipeline/{name}/run/{run}", "nightly", ""),
        ("/api/report/pipeline/{name}/run/{run}/stage/{stage}", "nightly", ""),
        ("/api/report/pipeline/{name}/run/{run}/stage/{stage}/job/{job}", "nightly", ""),
        ("/api/report/pipeline/{name}/stage/{stage}", "nightly", ""),
        ("/api/report/pipeline/{name}/stage/{stage}/job/{job}", "nightly", ""),
        ("/api/report/pipelines", "", "?run=41&commit=0123&branch=main&status=FAILED&from=2020-01-01&size=1"),
    ];
    for (path, name, more) in parts {
        let at =
            path.replace("{name}", name).replace("{run}", "41").replace("{stage}", "build").replace("{job}", "build");
        let answer = server.get(&format!("{at}{more}")).await;
        contract.compare("get", path, &answer);
        let runs = answer.json();
        assert_eq!((runs[0]["runNumber"].as_u64(), answer.header("x-total-count")), (Some(41), "1"), "{path}: {runs}");
        let stages = if path.contains("{stage}") || more.contains("stage") { 1 } else { 2 };
        assert_eq!(runs[0]["stages"].as_array().unwrap().len(), stages, "{path}: {runs}");
    }
    assert_fixture("past_runs.json", server.get("/api/report/pipeline/nightly").await.json());
    assert_eq!(server.get("/api/report/pipelines?status=SUCCESS").await.json(), json!([]));
    assert_eq!(server.get("/api/report/pipelines?page=1").await.json(), json!([]));
    server.get("/api/report/pipeline/weekly").await.assert_problem(404, "not-found");
    server.get("/api/report/pipelines?status=GREEN").await.assert_problem(400, "query");
    server.get("/api/report/pipelines?from=yesterday").await.assert_problem(400, "query");
    server.stop().await;
}

#[tokio::test]
async fn a_run_number_that_is_known_is_that_run_whoever_asks_and_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let program = cloner(folder.path());
    let with = |program: PathBuf| move |config: &mut Config| config.git.program = program;
    let server = TestServer::start_with(with(program.clone())).await;
    let order = json!({"repo": REPO, "branch": "b", "runNumber": 7});
    let first = server.execute(&order).await;
    let id = id_of(&first);
    assert_eq!(first.status, 201);
    // Also where the rest of the order is another.
    let again = server.execute(&json!({"repo": REPO, "runNumber": 7})).await;
    assert_eq!((again.status, id_of(&again)), (200, id));
    let both = server.execute(&json!({"repo": REPO, "runNumber": 7, "pipelineId": "two"})).await;
    assert_eq!((both.status, id_of(&both)), (200, id), "the number is the project's run 7 already");
    let next = server.execute(&json!({"repo": REPO})).await;
    assert_eq!(
        server.store.job(id_of(&next)).unwrap().metadata().unwrap().run_number,
        8,
        "the next ones count from it"
    );

    Worker::take(&server.store.job(id).unwrap()).finish(JobState::Succeeded, None, None);
    let server = TestServer::start_over(server.stop_and_keep().await, queue::in_process().0, with(program)).await;
    let again = server.execute(&order).await;
    assert_eq!((again.status, id_of(&again), again.json()["status"].as_str()), (200, id, Some("SUCCESS")));
    let runs = server.get("/api/report/pipelines?run=7").await;
    assert_eq!(runs.json().as_array().unwrap().len(), 1, "{}", runs.text());
    server.stop().await;
}

#[tokio::test]
async fn what_an_order_cannot_mean_is_told() {
    let server = TestServer::start().await;
    let problem = async |order: Value| {
        let refused = server.execute(&order).await;
        assert_eq!(refused.status, 422, "{}", refused.text());
        refused.json()["problems"][0]["message"].as_str().unwrap().to_owned()
    };
    assert!(problem(json!({"repo": REPO, "runNumber": 0})).await.contains("0 is no number of a run"));
    assert!(problem(json!({"repo": REPO, "brunch": "main"})).await.contains("unknown field `brunch`"));
    assert!(problem(json!({"branch": "main"})).await.contains("names no repository"));
    assert!(problem(json!({"repo": "/etc", "isLocal": true})).await.contains("takes no folders of its own machine"));
    let inline = server.execute_upload(&json!({"inline": OWN, "filePath": "a.yml"}), &[("a.yml", OWN)]).await;
    inline.assert_problem(422, "not-admitted");
    assert!(inline.text().contains("has both a pipeline"), "{}", inline.text());
    let off = server.execute_upload(&json!({"inline": OWN}), &[("a", "")]).await;
    assert!(off.text().contains("own-pipeline-off"), "an inline pipeline is one of the project's own: {}", off.text());
    assert_eq!(server.store.ids().unwrap(), []);
    server.assert_nothing_staged().await;
    server.stop().await;
}

#[tokio::test]
async fn a_folder_of_the_servers_machine_is_taken_below_the_roots_that_its_operator_names() {
    let (root, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let mut archive = ::zip::ZipArchive::new(std::io::Cursor::new(project())).unwrap();
    archive.extract(root.path().join("shop")).unwrap();
    std::os::unix::fs::symlink(elsewhere.path(), root.path().join("out")).unwrap();
    let named = root.path().canonicalize().unwrap();
    let server = TestServer::start_with(|config| config.local_roots = vec![named]).await;
    let at = |path: PathBuf| json!({"repo": path, "isLocal": true, "runNumber": 1});
    let made = server.execute(&at(root.path().join("shop"))).await;
    let metadata = server.store.job(id_of(&made)).unwrap().metadata().unwrap();
    assert_eq!((metadata.project.as_str(), metadata.run_number), ("shop", 1));
    let beside = root.path().join("shop/../../etc");
    for path in
        [root.path().to_owned(), root.path().join("out"), elsewhere.path().to_owned(), beside, "/nowhere".into()]
    {
        let refused = server.execute(&at(path)).await;
        assert!(refused.text().contains("is no folder below those that this server takes"), "{}", refused.text());
    }
    server.stop().await;
}

#[tokio::test]
async fn a_job_of_the_usual_calls_is_a_run_as_well() {
    let server = TestServer::start().await;
    let answer = server.upload(&project(), &request()).await;
    let id = answer.json()["job_id"].as_str().unwrap().to_owned();
    let runs = server.get("/api/report/pipeline/default").await.json();
    assert_eq!((runs[0]["id"].as_str(), runs[0]["status"].as_str()), (Some(&*id), Some("PENDING")));
    // The state is that of now, not of the first look.
    Worker::take(&server.store.job(id.parse().unwrap()).unwrap()).finish(JobState::Succeeded, None, None);
    assert_eq!(server.get("/api/report/pipelines?status=SUCCESS").await.json()[0]["id"], *id);
    server.stop().await;
}

#[tokio::test]
async fn of_many_jobs_it_is_told_how_many_are_read_and_then_they_are_there() {
    let server = TestServer::start().await;
    crowd::ended(&server.store, 4_500).unwrap();
    let first = server.get("/api/report/pipelines").await;
    first.assert_problem(503, "unavailable");
    assert!(first.text().contains("of 4500 jobs") && !first.header("retry-after").is_empty(), "{}", first.text());
    let read = async { while server.get("/api/report/pipelines?size=1").await.status != 200 {} };
    tokio::time::timeout(Duration::from_secs(60), read).await.expect("it is read in time");
    let page = server.get("/api/report/pipelines?size=3&page=1").await;
    assert_eq!((page.header("x-total-count"), page.json().as_array().unwrap().len()), ("4500", 3));
    server.stop().await;
}
