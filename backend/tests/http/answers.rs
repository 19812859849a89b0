//! The bodies that clients of the predecessors read, before, during and after a run, pinned by checked-in pages.

use pipelinex_common::{
    execution::{Execution, StepEnd, StepRecord, Waiting},
    id::JobId,
    slug::Slug,
    state::{JobState, Reason, StepState},
    store::{Claim, ClaimOutcome, HeartbeatWatch, Job, WorkerIdentity},
};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::support::{TestServer, assert_fixture, file, form, project, request, text};

/// A worker, as far as its files can be seen.
pub struct Worker<'a> {
    pub job: &'a Job,
    pub claim: Claim,
    pub execution: Execution,
}

impl<'a> Worker<'a> {
    pub fn take(job: &'a Job) -> Self {
        let mut watch = HeartbeatWatch::default();
        let Ok(ClaimOutcome::Won(claim)) = job.claim(&WorkerIdentity::of_this_process(), &mut watch) else {
            panic!("nobody else holds the job");
        };
        let mut execution = job.metadata().unwrap().initial_execution();
        (execution.state, execution.claim, execution.attempt) = (JobState::Running, 1, 1);
        execution.started_at = Some("2026-01-01T00:00:01Z".parse().unwrap());
        Self { job, claim, execution }
    }

    /// Records that the job begins to run.
    pub fn begin(&self) {
        self.job.begin(&self.claim, None).unwrap();
    }

    /// Draws a stage with one step of its name in that state.
    pub fn stage(&mut self, name: &str, status: StepState, reason: Option<Reason>, message: &str) {
        let slug = Slug::of(name);
        let mut step = StepRecord::bare(name, status, reason, message);
        let stage = self.execution.stages.get_mut(name).unwrap();
        (stage.status, stage.reason, stage.message) = (status, reason, message.to_owned());
        if status.is_final() && status != StepState::Skipped {
            step.exit_code = Some(i64::from(status == StepState::Failed));
            step.duration_ms = Some(1200);
            stage.duration_ms = Some(1200);
            let end = StepEnd { schema: 1, stage: name.to_owned(), claim: self.claim.number(), record: step.clone() };
            self.job.record_end(&slug, &end).unwrap();
        }
        stage.steps.insert(slug, step);
        self.execution.current_stage = (status == StepState::Running).then(|| name.to_owned());
        self.job.draw_state(&self.execution).unwrap();
    }

    /// A step waits to be started by hand.
    pub fn waits(&mut self, name: &str) {
        let step = StepRecord::bare(name, StepState::Pending, None, "waits to be started by hand");
        let step = StepRecord { waiting: Some(Waiting::Manual), ..step };
        self.execution.stages.get_mut(name).unwrap().steps.insert(Slug::of(name), step);
        self.job.draw_state(&self.execution).unwrap();
    }

    pub fn log(&self, step: &str, content: &str) {
        std::fs::create_dir_all(self.job.paths().logs()).unwrap();
        std::fs::write(self.job.paths().log(&Slug::of(step)), content).unwrap();
    }

    pub fn report(&self, stage: &str, path: &str, content: &str) {
        let path = self.job.paths().reports_of(&Slug::of(stage)).join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    }

    pub fn finish(mut self, state: JobState, reason: Option<Reason>, error: Option<&str>) {
        (self.execution.state, self.execution.reason) = (state, reason);
        self.execution.error = error.map(str::to_owned);
        self.execution.current_stage = None;
        self.execution.finished_at = Some("2026-01-01T00:01:00Z".parse().unwrap());
        assert!(self.job.finish(&self.execution).unwrap());
    }
}

fn keys(value: &Value) -> Vec<&str> {
    value.as_object().unwrap().keys().map(String::as_str).collect()
}

async fn status(server: &TestServer, id: JobId) -> Value {
    let answer = server.get(&format!("/api/jobs/{id}/status")).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let page = answer.json();
    // What the predecessors' clients read comes first and in their order.
    assert_eq!(keys(&page), ["job", "execution"]);
    assert_eq!(keys(&page["job"])[..5], ["id", "admission_status", "created_at", "stack", "versions"]);
    assert_eq!(keys(&page["execution"])[..4], ["state", "current_stage", "updated_at", "stages"]);
    page
}

#[tokio::test]
async fn a_submission_is_answered_with_its_metadata() {
    let server = TestServer::start().await;
    let answer = server.upload(&project(), &request()).await;
    assert_eq!(answer.status, 201, "{}", answer.text());
    let page = answer.json();
    let seed =
        ["job_id", "status", "execution_state", "stack", "versions", "pipeline", "database", "warnings", "created_at"];
    assert_eq!(keys(&page)[..9], seed);
    let second = page["created_at"].as_str().unwrap();
    assert_eq!(second.len(), "2026-01-01T00:00:00Z".len(), "{second}");
    assert_fixture("upload.json", page.clone());
    let id: JobId = page["job_id"].as_str().unwrap().parse().unwrap();
    let job = server.store.job(id).unwrap();
    assert_eq!(serde_json::to_value(job.metadata().unwrap()).unwrap(), page, "the answer is the file");
    assert!(job.paths().source().join("pom.xml").is_file());
    assert!(job.paths().definition().is_file(), "the job carries its own pipeline");
    assert!(!job.paths().root().join("upload.zip").exists());
    assert_fixture("job.json", server.get(&format!("/api/jobs/{id}")).await.json());
    let digest = Sha256::digest(project());
    let digest: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(page["source"]["sha256"], digest);
    server.assert_nothing_staged().await;
    server.stop().await;
}

#[tokio::test]
async fn the_status_before_during_and_after_a_run() {
    let server = TestServer::start().await;
    let job = server.job().await;
    let before = status(&server, job.id()).await;
    assert_eq!(before["execution"]["updated_at"], before["job"]["created_at"]);
    assert_fixture("status-before.json", before);

    let mut worker = Worker::take(&job);
    worker.stage("SECRETS", StepState::Success, None, "no leaks found");
    worker.stage("BUILD", StepState::Running, None, "running");
    assert_fixture("status-during.json", status(&server, job.id()).await);

    worker.stage("BUILD", StepState::Failed, Some(Reason::ScriptFailure), "mvn ended with 1");
    worker.stage("TEST", StepState::Skipped, Some(Reason::DependencyFailed), "BUILD failed");
    worker.stage("PACKAGE", StepState::Skipped, Some(Reason::DependencyFailed), "BUILD failed");
    worker.finish(JobState::Failed, Some(Reason::ScriptFailure), Some("BUILD failed: mvn ended with 1"));
    assert_fixture("status-after.json", status(&server, job.id()).await);
    server.stop().await;
}

#[tokio::test]
async fn a_torn_state_is_shown_as_such_and_a_torn_record_is_an_error_of_ours() {
    let server = TestServer::start().await;
    let job = server.job().await;
    std::fs::write(job.paths().state(), "{\"schema\": 1, \"st").unwrap();
    let page = status(&server, job.id()).await;
    assert_eq!(page["execution"]["state"], "QUEUED");
    assert!(page["execution"]["error"].is_string());
    std::fs::write(job.paths().metadata(), "").unwrap();
    for path in ["", "/status", "/reports", "/build/logs"] {
        server.get(&format!("/api/jobs/{}{path}", job.id())).await.assert_problem(500, "job-broken");
    }
    server.stop().await;
}

#[tokio::test]
async fn unknown_keys_are_accepted_with_a_warning() {
    let server = TestServer::start().await;
    let mut metadata = request();
    metadata["pipeline"]["run_smok"] = json!(true);
    let page = server.upload(&project(), &metadata).await.json();
    assert_eq!(page["status"], "ACCEPTED_WITH_ISSUES", "{page}");
    let warning = page["warnings"][0].as_str().unwrap();
    assert!(
        warning.contains("pipeline.run_smok") && warning.contains("did you mean `pipeline.run_smoke`"),
        "{warning}"
    );
    server.stop().await;
}

#[tokio::test]
async fn a_precheck_says_what_a_submission_would_and_makes_no_job() {
    let server = TestServer::start().await;
    let good = form(&[text("metadata", &request().to_string()), file(&project())]);
    let answer = server.post_form("/api/precheck", good).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_fixture("precheck-accepted.json", answer.json());
    server.assert_untouched().await;
    server.stop().await;
}

#[tokio::test]
async fn without_a_pipeline_object_the_default_set_of_the_stack_runs() {
    let server = TestServer::start().await;
    let mut metadata = request();
    metadata.as_object_mut().unwrap().remove("pipeline");
    let page = server.upload(&project(), &metadata).await.json();
    assert_eq!(page["pipeline"]["run_build"], true, "{page}");
    assert_eq!(page["pipeline"]["run_secret_scan"], true, "{page}");
    server.stop().await;
}

#[tokio::test]
async fn health_and_readiness() {
    let server = TestServer::start().await;
    let health = server.get("/health").await;
    assert_eq!((health.status, health.json()), (200, json!({"status": "UP"})));
    let ready = server.get("/readyz").await;
    assert_eq!((ready.status, ready.json()["status"].clone()), (200, json!("UP")), "{}", ready.text());
    std::fs::remove_dir(server.store.layout().staging()).unwrap();
    let ready = server.get("/readyz").await;
    assert_eq!((ready.status, ready.json()["status"].clone()), (503, json!("DOWN")), "{}", ready.text());
    server.upload(&project(), &request()).await.assert_problem(500, "internal");
    assert_eq!(server.get("/health").await.status, 200);
    server.stop().await;
}
