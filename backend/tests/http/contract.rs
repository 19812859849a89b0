//! What the API answers is what its own document says: bodies of all calls, of jobs in several states, against its schemas.

use pipelinex_common::state::{JobState, Reason, StepState};
use serde_json::{Value, json};

use crate::{
    answers::Worker,
    support::{Answer, TestServer, file, form, project, request, text},
    test_cases::tested,
};

/// The document of a server, and the answers that were compared with it.
pub struct Contract {
    document: Value,
    compared: Vec<String>,
}

impl Contract {
    pub async fn of(server: &TestServer) -> Self {
        let answer = server.get("/api/openapi.json").await;
        assert_eq!((answer.status, answer.header("content-type")), (200, "application/json"));
        assert_eq!(answer.body, server.get("/openapi.json").await.body, "at both addresses");
        Self { document: answer.json(), compared: Vec::new() }
    }

    /// Compares an answer with what the document says of that call.
    pub fn compare(&mut self, method: &str, path: &str, answer: &Answer) {
        let responses = &self.document["paths"][path][method]["responses"];
        let mut said = &responses[answer.status.to_string()];
        if said.is_null() {
            said = &responses["default"];
        }
        if let Some(reference) = said["$ref"].as_str() {
            said = self.document.pointer(reference.trim_start_matches('#')).unwrap();
        }
        let kind = answer.header("content-type");
        let schema = &said["content"][kind]["schema"];
        assert!(schema.is_object(), "{method} {path}: {} with {kind} is not in the document", answer.status);
        // The schema is a part of the document, and refers to other parts.
        let mut whole = self.document.clone();
        whole.as_object_mut().unwrap().extend(schema.as_object().unwrap().clone());
        let validator = jsonschema::draft202012::new(&whole).unwrap();
        let wrong: Vec<_> =
            validator.iter_errors(&answer.json()).map(|error| format!("{}: {error}", error.instance_path())).collect();
        assert!(wrong.is_empty(), "{method} {path}: {wrong:#?}\n{}", answer.text());
        self.compared.push(format!("{} {method} {path}", answer.status));
    }

    async fn get(&mut self, server: &TestServer, path: &str, more: &str) {
        let answer = server.get(&format!("{path}{more}")).await;
        self.compare("get", path, &answer);
    }
}

#[tokio::test]
async fn every_answer_in_json_is_as_the_document_says() {
    let server = TestServer::start().await;
    let mut contract = Contract::of(&server).await;
    let uploaded = server.upload(&project(), &request()).await;
    contract.compare("post", "/api/jobs/upload", &uploaded);
    let id = uploaded.json()["job_id"].as_str().unwrap().to_owned();
    let job = server.store.job(id.parse().unwrap()).unwrap();
    let of_job = ["", "/status", "/findings", "/accepted", "/tests", "/artifacts"];
    let compare_job = async |contract: &mut Contract| {
        for part in of_job {
            let answer = server.get(&format!("/api/jobs/{id}{part}")).await;
            contract.compare("get", &format!("/api/jobs/{{id}}{part}"), &answer);
        }
        contract.get(&server, "/api/jobs", "?limit=10").await;
    };
    compare_job(&mut contract).await;

    let mut worker = Worker::take(&job);
    let play = async |contract: &mut Contract, status: u16| {
        let answer = server.send(server.client.post(server.url(&format!("/api/jobs/{id}/steps/build/play")))).await;
        assert_eq!(answer.status, status, "{}", answer.text());
        contract.compare("post", "/api/jobs/{id}/steps/{step}/play", &answer);
    };
    worker.waits("BUILD");
    play(&mut contract, 202).await;
    worker.stage("BUILD", StepState::Running, None, "runs");
    play(&mut contract, 409).await;
    compare_job(&mut contract).await;
    worker.stage("BUILD", StepState::Success, None, "built");
    tested(&mut worker);
    let canceled = server.send(server.client.post(server.url(&format!("/api/jobs/{id}/cancel")))).await;
    contract.compare("post", "/api/jobs/{id}/cancel", &canceled);
    let canceled = server.send(server.client.post(server.url(&format!("/api/job/cancel/{id}")))).await;
    contract.compare("post", "/api/job/cancel/{id}", &canceled);
    worker.finish(JobState::Failed, Some(Reason::ScriptFailure), Some("TEST failed"));
    compare_job(&mut contract).await;
    let again = server.send(server.client.post(server.url(&format!("/api/jobs/{id}/retry")))).await;
    contract.compare("post", "/api/jobs/{id}/retry", &again);

    let asked = form(&[file(&project()), text("metadata", &request().to_string())]);
    for path in ["/api/precheck", "/api/detect"] {
        let answer = server.post_form(path, asked.clone()).await;
        contract.compare("post", path, &answer);
    }
    // Refusals are told in one form, whoever refuses.
    let ended = server.send(server.client.post(server.url(&format!("/api/jobs/{id}/cancel")))).await;
    contract.compare("post", "/api/jobs/{id}/cancel", &ended);
    contract.compare("post", "/api/jobs/upload", &server.upload(b"no ZIP", &json!({})).await);
    contract.compare("post", "/api/jobs/upload", &server.post_form("/api/jobs/upload", b"--".to_vec()).await);
    contract.compare("get", "/api/jobs", &server.get("/api/jobs?colour=red").await);
    contract.compare("get", "/api/jobs/{id}", &server.get("/api/jobs/0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b").await);
    for path in ["/api/whoami", "/api/projects", "/health", "/readyz"] {
        contract.get(&server, path, "").await;
    }

    let in_json = |method: &str, path: &str, operation: &Value| {
        let responses = operation["responses"].as_object().unwrap();
        let good = responses.iter().find(|(code, _)| code.starts_with('2')).unwrap();
        let json = good.1["content"]["application/json"]["schema"].is_object();
        json.then(|| format!("{} {method} {path}", good.0))
    };
    // Decisions and projects take accounts, and a push a trigger: their bodies are read in the stories of findings, projects and pushes.
    let without = [
        "201 post /api/jobs/github",
        "201 post /api/pipeline/execute",
        "201 post /api/pipeline/run",
        "200 post /api/jobs/{id}/findings/{fingerprint}/accept",
        "200 post /api/jobs/{id}/findings/{fingerprint}/revoke",
        "201 post /api/projects",
        "202 post /api/hooks/{id}",
        "200 get /api/projects/{name}",
        "200 post /api/projects/{name}",
        "200 post /api/projects/{name}/remove",
    ];
    for (path, methods) in contract.document["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            if let Some(answered) = in_json(method, path, operation) {
                // In a story of their own, where there is a past: `pipelines`.
                let other = operation["tags"][0] == "history";
                let seen = other || contract.compared.contains(&answered) || without.contains(&&*answered);
                assert!(seen, "{answered} was not compared: {:?}", contract.compared);
            }
        }
    }
}
