//! Logs and reports.

use std::{collections::BTreeMap, io::Read};

use pipelinex_common::{
    execution::{StepEnd, StepRecord, TryRecord},
    slug::Slug,
    state::{JobState, Reason, StepState},
};
use serde_json::{Value, json};

use crate::{
    answers::Worker,
    support::{Answer, TestServer},
};

fn assert_log(answer: &Answer, content: &str, next: &str, complete: &str) {
    assert_eq!(answer.text(), format!("200 {content}"));
    assert_eq!(answer.header("content-type"), "application/octet-stream");
    assert_eq!(answer.header("content-length"), content.len().to_string());
    assert_eq!((answer.header("x-log-next-offset"), answer.header("x-log-complete")), (next, complete));
    assert!(answer.header("content-security-policy").contains("sandbox"));
}

#[tokio::test]
async fn a_log_is_read_while_it_grows_and_resumed_at_any_offset() {
    let server = TestServer::start().await;
    let job = server.job().await;
    let url = |stage: &str, query: &str| format!("/api/jobs/{}/{stage}/logs{query}", job.id());
    assert_log(&server.get(&url("build", "")).await, "", "0", "false");
    server.get(&url("dast", "")).await.assert_problem(404, "not-found");
    server.get(&url("nope", "")).await.assert_problem(404, "not-found");

    let mut worker = Worker::take(&job);
    worker.stage("BUILD", StepState::Running, None, "running");
    worker.log("BUILD", "[PIPELINE] START BUILD\n");
    for stage in ["build", "BUILD", "Build", "bUiLd"] {
        let answer = server.get(&url(stage, "")).await;
        assert_log(&answer, "[PIPELINE] START BUILD\n", "23", "false");
        assert_eq!(answer.header("content-disposition"), "attachment; filename=\"build.log\"");
    }
    assert_log(&server.get(&url("build", "?offset=23")).await, "", "23", "false");
    worker.log("BUILD", "[PIPELINE] START BUILD\n<script>alert(1)</script>\n[PIPELINE] END BUILD\n");
    worker.stage("BUILD", StepState::Success, None, "built");
    assert_log(
        &server.get(&url("build", "?offset=23")).await,
        "<script>alert(1)</script>\n[PIPELINE] END BUILD\n",
        "70",
        "true",
    );
    assert_log(&server.get(&url("build", "?offset=70")).await, "", "70", "true");
    assert_log(&server.get(&url("build", "?offset=99")).await, "", "99", "true");
    for query in ["?offset=-1", "?offset=x", "?offset=99999999999999999999999", "?from=1"] {
        server.get(&url("build", query)).await.assert_problem(400, "query");
    }
    worker.stage("TEST", StepState::Skipped, Some(Reason::DependencyFailed), "BUILD failed");
    server.get(&url("test", "")).await.assert_problem(404, "not-found");
    server.stop().await;
}

#[tokio::test]
async fn the_logs_of_several_steps_are_read_one_by_one_or_together_once_all_have_ended() {
    let server = TestServer::start().await;
    let job = server.job().await;
    let url = |query: &str| format!("/api/jobs/{}/test/logs{query}", job.id());
    let mut worker = Worker::take(&job);
    let mut draw = |status: StepState| {
        let stage = worker.execution.stages.get_mut("TEST").unwrap();
        stage.status = status;
        for name in ["unit", "it"] {
            stage.steps.insert(Slug::of(name), StepRecord::bare(name, status, None, ""));
        }
        worker.job.draw_state(&worker.execution).unwrap();
        worker.log("unit", "one\n");
        worker.log("it", "two\n");
    };
    draw(StepState::Running);
    assert_log(&server.get(&url("")).await, "one\ntwo\n", "8", "false");
    assert_log(&server.get(&url("?step=it&offset=1")).await, "wo\n", "4", "false");
    server.get(&url("?offset=1")).await.assert_problem(400, "query");
    server.get(&url("?step=other")).await.assert_problem(404, "not-found");
    std::fs::write(job.paths().log_tail(&Slug::of("unit")), "(cut) tail\n").unwrap();
    draw(StepState::Success);
    assert_log(&server.get(&url("?offset=2")).await, "e\n(cut) tail\ntwo\n", "19", "true");
    server.stop().await;
}

#[tokio::test]
async fn the_log_of_each_try_is_read_by_its_number_and_the_last_one_without() {
    let server = TestServer::start().await;
    let job = server.job().await;
    let url = |query: &str| format!("/api/jobs/{}/build/logs{query}", job.id());
    let (mut worker, slug) = (Worker::take(&job), Slug::of("build"));
    let failed = StepRecord::bare("BUILD", StepState::Failed, None, "code 75");
    let end = StepEnd { schema: 1, stage: "BUILD".to_owned(), claim: 1, record: failed.clone() };
    worker.log("BUILD", "first\n");
    job.record_try(&slug, 1, &end).unwrap();
    let stage = worker.execution.stages.get_mut("BUILD").unwrap();
    stage.status = StepState::Running;
    let mut record = StepRecord::bare("BUILD", StepState::Running, None, "running");
    (record.number, record.tries) = (Some(2), vec![TryRecord::of(1, &failed)]);
    stage.steps.insert(slug.clone(), record);
    worker.job.draw_state(&worker.execution).unwrap();
    // The log of the first try has not made way yet: it is not taken for the second's.
    assert_log(&server.get(&url("")).await, "", "0", "false");
    assert_log(&server.get(&url("?try=1")).await, "first\n", "6", "true");
    job.put_try_aside(&slug, 1).unwrap();
    worker.log("BUILD", "second\n");
    assert_log(&server.get(&url("")).await, "second\n", "7", "false");
    assert_log(&server.get(&url("?try=2")).await, "second\n", "7", "false");
    assert_log(&server.get(&url("?try=1")).await, "first\n", "6", "true");
    server.get(&url("?try=3")).await.assert_problem(404, "not-found");
    server.get(&url("?try=x")).await.assert_problem(400, "query");
    let page = server.get(&format!("/jobs/{}", job.id())).await.text();
    assert!(page.contains("try 1: code 75") && page.contains("logs?step=build&#38;try=1"), "{page}");
    server.stop().await;
}

#[tokio::test]
async fn reports_are_there_once_the_job_has_ended() {
    let server = TestServer::start().await;
    let job = server.job().await;
    let url = format!("/api/jobs/{}/reports", job.id());
    server.get(&url).await.assert_problem(409, "not-yet");
    let mut worker = Worker::take(&job);
    worker.stage("SECRETS", StepState::Success, None, "leaks found, see gitleaks.sarif");
    worker.log("SECRETS", "[PIPELINE] START SECRETS\n");
    worker.report("SECRETS", "gitleaks.sarif", "{}");
    worker.report("SECRETS", "result.json", r#"{"stage": "X", "status": "SUCCESS", "findings": 3}"#);
    worker.stage("BUILD", StepState::Failed, Some(Reason::ScriptFailure), "mvn ended with 1");
    worker.log("BUILD", "[PIPELINE] START BUILD\n");
    // What a hostile build leaves: a lie, a link out, a second name of a file, names that other systems read otherwise.
    worker.report("BUILD", "result.json", r#"{"status": "SUCCESS", "duration_ms": 0, "message": "all fine"}"#);
    worker.report("BUILD", "a\\..\\b", "odd");
    worker.report("BUILD", "build.log", "not the log");
    let folder = job.paths().reports_of(&Slug::of("BUILD"));
    std::os::unix::fs::symlink("/etc/passwd", folder.join("passwd")).unwrap();
    std::os::unix::fs::symlink("/etc", folder.join("etc")).unwrap();
    worker.stage("TEST", StepState::Skipped, Some(Reason::DependencyFailed), "BUILD failed");
    server.get(&url).await.assert_problem(409, "not-yet");
    worker.finish(JobState::Failed, Some(Reason::ScriptFailure), None);

    let answer = server.get(&url).await;
    assert_eq!((answer.status, answer.header("content-type")), (200, "application/zip"));
    let disposition = format!("attachment; filename=\"{}-reports.zip\"", job.id());
    assert_eq!(answer.header("content-disposition"), disposition);
    assert_eq!(answer.header("content-length"), answer.body.len().to_string());
    let entries = unzip(&answer.body);
    let names: Vec<_> = entries.keys().map(String::as_str).collect();
    let expected = [
        "build/a_.._b",
        "build/build.log",
        "build/build.log-2",
        "build/result.json",
        "package/result.json",
        "secrets/gitleaks.sarif",
        "secrets/result.json",
        "secrets/secrets.log",
    ];
    assert_eq!(names, expected);
    assert_eq!(entries["build/build.log"], "[PIPELINE] START BUILD\n");
    let result = |stage: &str| serde_json::from_str::<Value>(&entries[&format!("{stage}/result.json")]).unwrap();
    let build = json!({
        "stage": "BUILD", "status": "FAILED", "duration_ms": 1200, "message": "mvn ended with 1", "reason": "script_failure",
    });
    assert_eq!(result("build"), build);
    assert_eq!(result("secrets")["findings"], 3, "detail of the tool is kept");
    assert_eq!(result("secrets")["stage"], "SECRETS");
    server.assert_nothing_staged().await;
    server.stop().await;
}

fn unzip(bytes: &[u8]) -> BTreeMap<String, String> {
    let mut zip = zip::ZipArchive::new(std::io::Cursor::new(bytes)).unwrap();
    let mut entries = BTreeMap::new();
    for index in 0..zip.len() {
        let mut content = String::new();
        let mut entry = zip.by_index(index).unwrap();
        entry.read_to_string(&mut content).unwrap();
        entries.insert(entry.name().unwrap().to_string(), content);
    }
    entries
}

#[tokio::test]
async fn the_reports_are_packed_once_are_the_same_bytes_each_time_and_go_with_the_job() {
    let server = TestServer::start().await;
    let job = server.job().await;
    let mut worker = Worker::take(&job);
    worker.stage("BUILD", StepState::Success, None, "built");
    worker.log("BUILD", "built\n");
    worker.report("BUILD", "tool/run.sh", "#!/bin/sh\n");
    worker.report("BUILD", "tool/data.txt", "x");
    let script = job.paths().reports_of(&Slug::of("BUILD")).join("tool/run.sh");
    std::fs::set_permissions(script, std::os::unix::fs::PermissionsExt::from_mode(0o750)).unwrap();
    worker.finish(JobState::Succeeded, None, None);

    let url = format!("/api/jobs/{}/reports", job.id());
    let first = server.get(&url).await;
    assert_eq!(first.status, 200, "{}", first.text());
    let mut zip = zip::ZipArchive::new(std::io::Cursor::new(&first.body)).unwrap();
    let mode = |zip: &mut zip::ZipArchive<_>, name: &str| zip.by_name(name).unwrap().unix_mode().unwrap() & 0o777;
    assert_eq!(mode(&mut zip, "build/tool/run.sh"), 0o755, "what can be executed stays so");
    assert_eq!(mode(&mut zip, "build/tool/data.txt"), 0o644);

    let folder = server.store.layout().report_archive(job.id());
    let file = |folder: &std::path::Path| {
        let mut names = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        (names.next().unwrap(), names.next().is_none())
    };
    let (stored, alone) = file(&folder);
    assert!(alone);
    // Whoever comes later is sent this file, and no copy is made.
    let made = std::fs::metadata(&stored).unwrap();
    let (again, third) = tokio::join!(server.get(&url), server.get(&url));
    assert!(again.body == first.body && third.body == first.body);
    let now = std::fs::metadata(file(&folder).0).unwrap();
    use std::os::unix::fs::MetadataExt;
    assert_eq!((made.ino(), made.ctime_nsec()), (now.ino(), now.ctime_nsec()));
    server.assert_nothing_staged().await;

    // Made anew, it has the same bytes and so the same name.
    std::fs::remove_dir_all(&folder).unwrap();
    let anew = server.get(&url).await;
    assert!(anew.body == first.body);
    assert_eq!(anew.header("etag"), first.header("etag"));
    assert_eq!(file(&folder).0, stored);
    assert!(server.store.remove_ended(&job).unwrap());
    assert!(!folder.exists());
    server.get(&url).await.assert_problem(404, "not-found");
    // One that was being made while its job was removed is an orphan.
    std::fs::create_dir(&folder).unwrap();
    assert_eq!(server.store.sweep_report_archives().unwrap(), 1);
    assert!(!folder.exists());
    server.stop().await;
}
