//! A job once more.

use std::os::unix::fs::{PermissionsExt, symlink};

use pipelinex_common::{
    id::JobId,
    state::{JobState, Reason},
};

use crate::{answers::Worker, support::TestServer};

#[tokio::test]
async fn an_ended_job_is_made_again_of_a_copy_and_names_the_old_one() {
    let server = TestServer::start().await;
    let old = server.job().await;
    let source = old.paths().source();
    std::fs::set_permissions(source.join("pom.xml"), std::fs::Permissions::from_mode(0o755)).unwrap();
    symlink("pom.xml", source.join("inside")).unwrap();
    let retry = format!("/api/jobs/{}/retry", old.id());
    let post = || server.send(server.client.post(server.url(&retry)));
    post().await.assert_problem(409, "not-yet");
    Worker::take(&old).finish(JobState::Failed, Some(Reason::ScriptFailure), None);

    let again = post().await;
    assert_eq!(again.status, 201, "{}", again.text());
    let made = again.json();
    assert_eq!(made["retry_of"], old.id().to_string());
    assert_eq!((&made["run_number"], &made["execution_state"]), (&2.into(), &"QUEUED".into()), "{made}");
    let metadata = old.metadata().unwrap();
    for (key, was) in
        [("pipeline", serde_json::to_value(&metadata.pipeline)), ("source", serde_json::to_value(&metadata.source))]
    {
        assert_eq!(made[key], was.unwrap(), "{key}");
    }
    let new = server.store.job(made["job_id"].as_str().unwrap().parse::<JobId>().unwrap()).unwrap();
    let copy = new.paths().source();
    assert_eq!(std::fs::read(copy.join("pom.xml")).unwrap(), std::fs::read(source.join("pom.xml")).unwrap());
    assert_eq!(std::fs::metadata(copy.join("pom.xml")).unwrap().permissions().mode() & 0o777, 0o755);
    assert_eq!(std::fs::read_link(copy.join("inside")).unwrap().to_str(), Some("pom.xml"));
    assert!(old.final_record().unwrap().is_some(), "the old one stays as it ended");
    server.send(server.client.post(server.url("/api/jobs/nope/retry"))).await.assert_problem(404, "not-found");
    server.assert_nothing_staged().await;
    server.stop().await;
}
