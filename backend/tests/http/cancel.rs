//! Canceling: the wish is a file before it is answered, and the end that won is told.

use pipelinex_common::state::{JobState, Reason, StepState};
use serde_json::{Value, json};

use crate::{
    answers::Worker,
    support::{Answer, TestServer},
};

async fn post(server: &TestServer, path: &str) -> Answer {
    server.send(server.client.post(server.url(path))).await
}

#[tokio::test]
async fn the_wish_is_a_file_that_is_made_once_and_shown_until_the_end() {
    let server = TestServer::start().await;
    let job = server.job().await;
    let (ours, seed) = (format!("/api/jobs/{}/cancel", job.id()), format!("/api/job/cancel/{}", job.id()));
    let answer = post(&server, &ours).await;
    assert_eq!(answer.status, 202, "{}", answer.text());
    assert_eq!(answer.json(), json!({"job_id": job.id(), "state": "QUEUED", "cancel_wished": true}));
    let wish = std::fs::read(job.paths().cancel_wish()).unwrap();
    let page: Value = serde_json::from_slice(&wish).unwrap();
    assert_eq!((&page["schema"], &page["words"]), (&1.into(), &"by a call to the API".into()), "{page}");

    let again = post(&server, &seed).await;
    assert_eq!((again.status, again.json()), (202, json!({"jobId": job.id(), "status": "PENDING"})));
    assert_eq!(std::fs::read(job.paths().cancel_wish()).unwrap(), wish, "once is enough");
    let status = server.get(&format!("/api/jobs/{}/status", job.id())).await.json();
    assert_eq!(
        (&status["execution"]["state"], &status["execution"]["cancel_wished"]),
        (&"QUEUED".into(), &true.into()),
        "without a worker it is shown what is wished for"
    );
    assert_eq!(server.get("/api/jobs").await.json()["jobs"][0]["cancel_wished"], true);
    assert!(server.get("/").await.text().contains("to be canceled"));

    let mut worker = Worker::take(&job);
    worker.stage("BUILD", StepState::Running, None, "running");
    assert_eq!(post(&server, &seed).await.json()["status"], "RUNNING");
    worker.finish(JobState::Canceled, Some(Reason::CanceledByUser), Some("asked for by a call to the API"));
    let late = post(&server, &ours).await;
    late.assert_problem(409, "already-ended");
    assert_eq!(late.json()["state"], "CANCELED");
    assert_eq!(server.get("/api/jobs?state=canceled").await.json()["jobs"][0]["reason"], "canceled_by_user");
    server.stop().await;
}

#[tokio::test]
async fn what_has_ended_is_told_and_what_is_not_there_is_not_found() {
    let server = TestServer::start().await;
    let job = server.job().await;
    Worker::take(&job).finish(JobState::Failed, Some(Reason::ScriptFailure), None);
    for path in [format!("/api/jobs/{}/cancel", job.id()), format!("/api/job/cancel/{}", job.id())] {
        let late = post(&server, &path).await;
        late.assert_problem(409, "already-ended");
        assert_eq!(late.json()["state"], "FAILED");
        assert!(late.json()["detail"].as_str().unwrap().contains("FAILED (script_failure)"), "{}", late.text());
    }
    assert!(!job.paths().cancel_wish().exists(), "nothing is wished of what has ended");
    let unknown = pipelinex_common::id::JobId::generate();
    for path in ["/api/jobs/nope/cancel", "/api/job/cancel/nope", &format!("/api/jobs/{unknown}/cancel")] {
        post(&server, path).await.assert_problem(404, "not-found");
    }
    let evil =
        server.client.post(server.url(&format!("/jobs/{}/cancel", job.id()))).header("origin", "http://evil.test");
    server.send(evil).await.assert_problem(403, "cross-site");
    server.stop().await;
}

#[tokio::test]
async fn a_button_of_the_page_cancels_without_scripts() {
    let server = TestServer::start().await;
    let job = server.job().await;
    let address = format!("/jobs/{}", job.id());
    assert!(server.get(&address).await.text().contains(&format!("action=\"{address}/cancel\"")));
    let pressed = post(&server, &format!("{address}/cancel")).await;
    // The client follows to the page, as a browser does.
    assert!(pressed.status == 200 && pressed.text().contains("it is to be canceled"), "{}", pressed.text());
    assert!(!pressed.text().contains("id=\"cancel\""), "once is enough");
    let mut worker = Worker::take(&job);
    worker.stage("BUILD", StepState::Running, None, "running");
    assert!(server.get(&address).await.text().contains("it is to be canceled"));
    worker.stage("BUILD", StepState::Canceled, Some(Reason::CanceledByUser), "the job was canceled");
    worker.finish(JobState::Canceled, Some(Reason::CanceledByUser), Some("asked for on its page"));
    let page = post(&server, &format!("{address}/cancel")).await;
    assert!(
        page.status == 200 && page.text().contains("</svg> Canceled"),
        "too late is no error to a person: {}",
        page.text()
    );
    assert!(
        page.text().contains("asked for on its page") && page.text().contains("canceled by user"),
        "{}",
        page.text()
    );
    server.stop().await;
}
