//! The examples of the repository, each to the end that its README promises.

use std::{
    fs,
    io::{Cursor, Read},
    path::Path,
    process::Command,
};

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::{
    projects::{ALL_STAGES, example, maven, zip_of},
    server::Server,
    world::{World, names, said, story, text, until},
};

/// The stages of the wire, in its order.
const STAGES: [&str; 8] = ["SECRETS", "BUILD", "TEST", "SAST", "SCA", "PACKAGE", "SMOKE-TEST", "DAST"];
/// The made-up key in the example.
const PLANTED: &str = "AKIAQ4FAKE7KEY5ZXW3T";

#[test]
fn every_example_ends_as_its_readme_says() {
    story(async |world| {
        let server = world.serve(&["serve", "--parallel", "2"]).await;
        let submit = async |name: &str, stages: &[&str]| server.submit(zip_of(&example(name)), &maven(stages)).await;
        // These two take all the room there is, so that the third can be seen as it waits.
        let failing = submit("spring-boot-failing-test", &ALL_STAGES).await;
        let broken = submit("spring-boot-compile-error", &ALL_STAGES).await;
        let good = by_curl(world, &server).await;
        let planted = submit("spring-boot-planted-secret", &["run_secret_scan"]).await;

        before(&server, &good).await;
        during(&server, &good).await;
        succeeded(world, &server, &good).await;
        compile_error(&server, &broken).await;
        failing_test(world, &server, &failing).await;
        planted_secret(world, &server, &planted).await;
        server.process.stop().await;
    });
}

/// Submits the good example as the first clients do; returns the id of its job.
async fn by_curl(world: &World, server: &Server) -> String {
    let zip = world.path("app.zip");
    fs::write(&zip, zip_of(&example("spring-boot-maven"))).unwrap();
    let request = json!({
        "stack": {"language": "java", "framework": "spring-boot", "build_tool": "maven", "requires_db": false},
        "versions": {"java": "17", "build_tool": "3.9"},
        "pipeline": {
            "run_secret_scan": true, "run_build": true, "run_unit_tests": true, "run_sast": false,
            "run_sca": false, "run_package": true, "run_smoke": false, "run_dast": false,
        },
    });
    let mut curl = Command::new("curl");
    curl.args(["-sS", "-w", "\n%{http_code}", "-X", "POST", &server.url("/api/jobs/upload")]);
    curl.args(["-F", &format!("project_zip=@{}", zip.display()), "-F", &format!("metadata={request}")]);
    let answer = said(curl.output().expect("curl is installed"));
    let (body, code) = answer.out.rsplit_once('\n').unwrap();
    assert_eq!((answer.code, code), (0, "201"), "{answer:?}");
    let metadata: Value = serde_json::from_str(body).unwrap();
    for (key, expected) in [
        ("status", json!("ACCEPTED")),
        ("execution_state", json!("QUEUED")),
        ("stack", request["stack"].clone()),
        ("versions", request["versions"].clone()),
        ("database", Value::Null),
        ("warnings", json!([])),
    ] {
        assert_eq!(metadata[key], expected, "{key} of {metadata:#}");
    }
    assert!(metadata["created_at"].as_str().unwrap().ends_with('Z'));
    let id = metadata["job_id"].as_str().unwrap().to_owned();
    let written: Value = serde_json::from_str(&text(world.job(&id).join("metadata.json"))).unwrap();
    assert_eq!(metadata, written, "the answer is the admission record");
    id
}

/// What every status has, whenever it is asked for.
async fn status(server: &Server, id: &str) -> Value {
    let status = server.status(id).await;
    let job = &status["job"];
    assert_eq!(job["id"], id);
    assert_eq!(job["admission_status"], "ACCEPTED");
    assert_eq!(job["stack"]["framework"], "spring-boot");
    assert_eq!(job["versions"]["java"], "17");
    assert!(job["created_at"].as_str().unwrap().parse::<Timestamp>().is_ok());
    let stages = status["execution"]["stages"].as_object().unwrap();
    assert_eq!(stages.keys().collect::<Vec<_>>(), STAGES);
    for (name, stage) in stages {
        assert!(stage["status"].is_string() && stage["message"].is_string(), "{name}: {stage}");
    }
    status
}

fn stage<'a>(status: &'a Value, name: &str) -> &'a str {
    status["execution"]["stages"][name]["status"].as_str().unwrap()
}

fn step<'a>(status: &'a Value, name: &str) -> &'a Value {
    &status["execution"]["stages"][name]["steps"][name.to_lowercase()]
}

async fn before(server: &Server, id: &str) {
    let status = status(server, id).await;
    let execution = &status["execution"];
    assert_eq!(execution["state"], "QUEUED", "two others run: {status:#}");
    assert_eq!(execution["current_stage"], Value::Null);
    assert_eq!(execution["updated_at"], status["job"]["created_at"]);
    for (name, expected) in
        STAGES.into_iter().zip(["PENDING", "PENDING", "PENDING", "SKIPPED", "SKIPPED", "PENDING", "SKIPPED", "SKIPPED"])
    {
        assert_eq!(stage(&status, name), expected, "{name}");
    }
    assert_eq!(server.get(&format!("/api/jobs/{id}/reports")).await.status, 409);
}

async fn during(server: &Server, id: &str) {
    let running = until("BUILD runs", async || {
        let status = status(server, id).await;
        assert_ne!(status["execution"]["state"], "SUCCEEDED", "it was over too soon to be seen");
        (stage(&status, "BUILD") == "RUNNING").then_some(status)
    })
    .await;
    let execution = &running["execution"];
    assert_eq!(execution["state"], "RUNNING");
    let expected = if stage(&running, "SECRETS") == "RUNNING" { "SECRETS" } else { "BUILD" };
    assert_eq!(execution["current_stage"], expected, "the earliest of those that run");
    assert_eq!((stage(&running, "TEST"), stage(&running, "SAST")), ("PENDING", "SKIPPED"));
    let reports = server.get(&format!("/api/jobs/{id}/reports")).await;
    assert_eq!((reports.status, reports.header("content-type")), (409, "application/problem+json"));
    assert!(reports.json()["detail"].as_str().unwrap().contains("RUNNING"), "{}", reports.text());
    let log = until("BUILD has printed something", async || {
        let log = server.get(&format!("/api/jobs/{id}/build/logs")).await;
        assert_eq!(log.status, 200);
        log.text().contains("[PIPELINE] START BUILD").then_some(log)
    })
    .await;
    assert_eq!(log.header("content-type"), "application/octet-stream");
}

async fn succeeded(world: &World, server: &Server, id: &str) {
    server.end_of(id).await;
    let status = status(server, id).await;
    assert_eq!(status["execution"]["state"], "SUCCEEDED", "{status:#}");
    for name in ["SECRETS", "BUILD", "TEST", "PACKAGE"] {
        assert_eq!(stage(&status, name), "SUCCESS", "{status:#}");
    }
    assert_eq!(step(&status, "TEST")["tests"], json!({"tests": 5, "failures": 0, "errors": 0, "skipped": 0}));
    let made = json!([".pipelinex/applications.sha256", "target/greeter-1.0.0.jar"]);
    assert_eq!(step(&status, "PACKAGE")["artifacts"], made);
    let clean = json!({"critical": 0, "high": 0, "medium": 0, "low": 0, "info": 0});
    assert_eq!(step(&status, "SECRETS")["findings"], clean);
    let jar = fs::read(world.job(id).join("artifacts/package/target/greeter-1.0.0.jar")).unwrap();
    let mut jar = zip::ZipArchive::new(Cursor::new(jar)).unwrap();
    jar.by_name("BOOT-INF/classes/dev/pipelinex/greeter/GreeterApplication.class").unwrap();
    assert_eq!(names(&world.job(id).join("source")).len(), 3, "the source is as it was submitted");
    let time = |name: &str, key: &str| step(&status, name)[key].as_str().unwrap().parse::<Timestamp>().unwrap();
    assert!(time("SECRETS", "started_at") < time("BUILD", "finished_at"));
    assert!(time("BUILD", "started_at") < time("SECRETS", "finished_at"), "the scan does not wait for the build");
    reports_of_success(server, id).await;
    logs_of_success(server, id).await;
}

async fn reports_of_success(server: &Server, id: &str) {
    let reports = server.get(&format!("/api/jobs/{id}/reports")).await;
    assert_eq!((reports.status, reports.header("content-type")), (200, "application/zip"));
    assert!(reports.header("content-disposition").contains(&format!("filename=\"{id}-reports.zip\"")));
    let mut zip = zip::ZipArchive::new(Cursor::new(reports.body)).unwrap();
    let mut read = |name: &str| {
        let mut content = String::new();
        zip.by_name(name).unwrap_or_else(|error| panic!("{name}: {error}")).read_to_string(&mut content).unwrap();
        content
    };
    for name in ["SECRETS", "BUILD", "TEST", "PACKAGE"] {
        let folder = name.to_lowercase();
        let result: Value = serde_json::from_str(&read(&format!("{folder}/result.json"))).unwrap();
        assert_eq!((&result["stage"], &result["status"]), (&json!(name), &json!("SUCCESS")));
        assert!(result["duration_ms"].as_u64().unwrap() > 0 && result["message"].is_string(), "{result}");
        let log = read(&format!("{folder}/{folder}.log"));
        assert!(log.contains(&format!("[PIPELINE] START {name}\n")), "{log}");
        assert!(log.ends_with(&format!("[PIPELINE] END {name}\n")), "{log}");
    }
    let sarif: Value = serde_json::from_str(&read("secrets/gitleaks.sarif")).unwrap();
    assert_eq!(sarif["runs"][0]["results"], json!([]));
    let all: Vec<String> = zip.file_names().map(|name| name.unwrap().into_owned()).collect();
    assert_eq!(all.iter().filter(|name| name.starts_with("test/junit/")).count(), 2, "{all:?}");
    assert!(!all.iter().any(|name| name.starts_with("sast/")), "a skipped stage reports nothing");
}

async fn logs_of_success(server: &Server, id: &str) {
    let whole = server.get(&format!("/api/jobs/{id}/BUILD/logs")).await;
    assert_eq!((whole.status, whole.header("x-log-complete")), (200, "true"));
    assert!(whole.header("content-disposition").contains("build.log"));
    for spelling in ["build", "Build", "bUiLd"] {
        assert!(server.get(&format!("/api/jobs/{id}/{spelling}/logs")).await.body == whole.body, "{spelling}");
    }
    let half = whole.body.len() / 2;
    let rest = server.get(&format!("/api/jobs/{id}/build/logs?offset={half}")).await;
    assert!(rest.body == whole.body[half..]);
    assert_eq!(rest.header("x-log-next-offset"), whole.body.len().to_string());
    let past = server.get(&format!("/api/jobs/{id}/build/logs?offset={}", whole.body.len() + 1000)).await;
    assert_eq!((past.status, past.body.len()), (200, 0));
    for unknown in ["sast", "nonsense"] {
        let answer = server.get(&format!("/api/jobs/{id}/{unknown}/logs")).await;
        assert_eq!(answer.status, 404, "{unknown}");
        assert!(answer.json()["detail"].is_string());
    }
}

fn failed_by_script(status: &Value) {
    let execution = &status["execution"];
    assert_eq!((&execution["state"], &execution["reason"]), (&json!("FAILED"), &json!("script_failure")), "{status:#}");
    assert!(execution["error"].as_str().unwrap().len() > 10, "{status:#}");
    assert_eq!(stage(status, "SECRETS"), "SUCCESS", "the scan needs only the source");
}

fn skipped_for(status: &Value, name: &str, of: &str) {
    let stage = &status["execution"]["stages"][name];
    assert_eq!((&stage["status"], &stage["reason"]), (&json!("SKIPPED"), &json!("dependency_failed")), "{status:#}");
    assert!(stage["message"].as_str().unwrap().contains(of), "{stage}");
}

async fn compile_error(server: &Server, id: &str) {
    let status = server.end_of(id).await;
    failed_by_script(&status);
    let build = step(&status, "BUILD");
    assert_eq!((&build["status"], &build["reason"]), (&json!("FAILED"), &json!("script_failure")));
    assert_eq!(build["exit_code"], 1);
    skipped_for(&status, "TEST", "BUILD");
    skipped_for(&status, "PACKAGE", "BUILD");
    let log = server.get(&format!("/api/jobs/{id}/build/logs")).await.text();
    assert!(log.contains("cannot find symbol") && log.contains("Greeting.java:[6,"), "{log}");
    assert_eq!(server.get(&format!("/api/jobs/{id}/test/logs")).await.status, 404);
}

async fn failing_test(world: &World, server: &Server, id: &str) {
    let status = server.end_of(id).await;
    failed_by_script(&status);
    assert_eq!(stage(&status, "BUILD"), "SUCCESS");
    let test = step(&status, "TEST");
    assert_eq!((&test["status"], &test["reason"]), (&json!("FAILED"), &json!("script_failure")));
    assert_eq!(test["tests"], json!({"tests": 3, "failures": 1, "errors": 0, "skipped": 0}));
    assert_eq!(
        (&test["failed_tests"][0]["name"], test["failed_tests"].as_array().map(Vec::len)),
        (&json!("greetsAStranger"), Some(1))
    );
    let message = test["message"].as_str().unwrap();
    assert!(
        message.starts_with("3 tests, 1 failed: GreetingTest.greetsAStranger: expected: <Hello, stranger!>"),
        "{message}"
    );
    skipped_for(&status, "PACKAGE", "TEST");
    assert!(!world.job(id).join("artifacts/package").exists());
    let log = server.get(&format!("/api/jobs/{id}/TEST/logs")).await.text();
    assert!(log.contains("greetsAStranger"), "{log}");
}

async fn planted_secret(world: &World, server: &Server, id: &str) {
    let status = server.end_of(id).await;
    assert_eq!(status["execution"]["state"], "SUCCEEDED", "findings fail no job until a gate says so: {status:#}");
    assert_eq!(stage(&status, "SECRETS"), "SUCCESS");
    let counts = step(&status, "SECRETS")["findings"].as_object().unwrap();
    assert_eq!(counts.values().filter_map(Value::as_u64).sum::<u64>(), 1, "{counts:?}");
    let found: Value = serde_json::from_str(&text(world.job(id).join("reports/secrets/findings.json"))).unwrap();
    assert_eq!(found.as_array().unwrap().len(), 1, "{found:#}");
    assert_eq!(found[0]["rule"], "aws-access-token");
    assert_eq!(found[0]["path"], "src/main/resources/application.properties");
    assert_eq!(found[0]["line"], 4);
    assert!(text(world.job(id).join("source/src/main/resources/application.properties")).contains(PLANTED));
    assert_eq!(files_with(PLANTED, &world.job(id)), Vec::<String>::new(), "the key itself is repeated nowhere");
    let logged = server.process.log();
    assert!(!logged.contains(PLANTED), "{logged}");
    let reports = server.get(&format!("/api/jobs/{id}/reports")).await;
    let mut zip = zip::ZipArchive::new(Cursor::new(reports.body)).unwrap();
    for index in 0..zip.len() {
        let mut content = Vec::new();
        zip.by_index(index).unwrap().read_to_end(&mut content).unwrap();
        assert!(!String::from_utf8_lossy(&content).contains(PLANTED));
    }
}

/// The files below a job's folder, `source/` left out, that hold a text.
fn files_with(needle: &str, folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
        let path = entry.path();
        match entry.file_type().unwrap().is_dir() {
            true if entry.file_name() == "source" => {}
            true => found.extend(files_with(needle, &path)),
            false if text(&path).contains(needle) => found.push(path.display().to_string()),
            false => {}
        }
    }
    found
}
