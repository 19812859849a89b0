//! `submit` and `precheck`.

use std::{fs, path::Path};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{
    ID, failed,
    fake::{Asked, Fake, Reply},
    from_offset, is_status, pipelinex, run, said, stage, status,
};

fn project() -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("pom.xml"), "<project/>").unwrap();
    dir
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

fn admitted() -> Reply {
    Reply::json(
        201,
        &json!({"job_id": ID, "status": "ACCEPTED_WITH_ISSUES", "warnings": ["run_dast is not there yet"]}),
    )
}

#[test]
fn the_id_is_all_that_goes_to_standard_output() {
    let server = Fake::start(|_| admitted());
    let dir = project();
    let sent = run(&["submit", text(dir.path()), "--server", &server.url(), "--only", "build,TEST", "--java", "17"]);
    assert_eq!((sent.code, sent.out.as_str()), (0, format!("{ID}\n").as_str()), "{}", sent.err);
    assert!(sent.err.contains("warning: run_dast is not there yet"), "{}", sent.err);
    let asked = &server.asked()[0];
    assert_eq!((asked.method.as_str(), asked.target.as_str()), ("POST", "/api/jobs/upload"));
    let body = asked.body_text();
    let (metadata, zip) = (body.find("name=\"metadata\"").unwrap(), body.find("name=\"project_zip\"").unwrap());
    assert!(metadata < zip, "the description goes first");
    let json = &body[metadata..zip];
    let json: Value = serde_json::from_str(&json[json.find('{').unwrap()..=json.rfind('}').unwrap()]).unwrap();
    assert!(json.get("stack").is_none(), "the server recognises it");
    assert_eq!(json["versions"], json!({"java": "17"}));
    assert_eq!(json["pipeline"]["only"], json!(["build", "TEST"]));
    assert!(body[zip..].contains("pom.xml"));
}

#[test]
fn a_zip_is_sent_as_it_is_and_without_switches_there_is_no_pipeline() {
    let server = Fake::start(|_| admitted());
    let dir = project();
    let zip = dir.path().join("my project.zip");
    let mut writer = zip::ZipWriter::new(fs::File::create(&zip).unwrap());
    writer.start_file("app/pom.xml", zip::write::SimpleFileOptions::default()).unwrap();
    writer.finish().unwrap();
    assert_eq!(run(&["submit", text(&zip), "--server", &server.url()]).code, 0);
    let asked = &server.asked()[0];
    let bytes = fs::read(&zip).unwrap();
    assert!(asked.body.windows(bytes.len()).any(|window| window == bytes));
    assert!(asked.body_text().contains("filename=\"my project.zip\"") && !asked.body_text().contains("\"pipeline\""));
}

#[test]
fn a_refusal_says_every_problem_and_what_to_do() {
    let problem = json!({"type": "urn:x", "title": "Unprocessable Entity", "status": 422, "detail": "2 problems", "problems": [
        {"rule": "required-path", "path": "src/main/java", "message": "is missing", "hint": "put the sources there"},
        {"rule": "java-version", "message": "21 is asked for, 17 is there", "hint": "ask for 17"}]});
    let server = Fake::start({
        let problem = problem.clone();
        move |_| Reply::json(422, &problem)
    });
    let dir = project();
    let refused = run(&["submit", text(dir.path()), "--server", &server.url()]);
    assert_eq!((refused.code, refused.out.as_str()), (4, ""));
    let expected = "error: the server refused it:\n  - required-path: src/main/java: is missing\n    \
                    hint: put the sources there\n  - java-version: 21 is asked for, 17 is there\n    hint: ask for 17\n";
    assert!(refused.err.ends_with(expected), "{}", refused.err);
    let json = run(&["submit", text(dir.path()), "--server", &server.url(), "--json"]);
    assert_eq!(serde_json::from_str::<Value>(&json.out).unwrap(), problem);
}

#[test]
fn what_cannot_be_sent_is_refused_here() {
    let dir = project();
    let nowhere = "http://127.0.0.1:1";
    let refused = |args: &[&str]| run(&[&["submit", "--server", nowhere], args].concat());
    let missing = refused(&[text(&dir.path().join("none"))]);
    assert_eq!(missing.code, 64, "{}", missing.err);
    let small = refused(&[text(dir.path()), "--upload-limit", "10"]);
    assert!(small.code == 4 && small.err.contains("--upload-limit"), "{}", small.err);
    let text_file = refused(&[text(&dir.path().join("pom.xml"))]);
    assert!(text_file.code == 4 && text_file.err.contains("neither a folder nor a readable ZIP"), "{}", text_file.err);
    let no_server = refused(&[text(dir.path())]);
    assert_eq!(no_server.code, 2);
    assert!(no_server.err.contains(&format!("no server at {nowhere}: start one with `pipelinex serve`")));
}

#[test]
fn answers_that_break_off_or_are_of_something_else_are_told_apart() {
    let dir = project();
    let submit = |server: &Fake| run(&["submit", text(dir.path()), "--server", &server.url()]);
    let closed = submit(&Fake::start(|_| Reply::Nothing));
    assert!(closed.code == 2 && closed.err.contains("broke off while the project was sent"), "{}", closed.err);
    let torn = submit(&Fake::start(|_| Reply::Torn(b"{\"job_id\":".to_vec())));
    assert!(torn.code == 2 && torn.err.contains("broke off"), "{}", torn.err);
    let page = submit(&Fake::start(|_| Reply::Whole(200, "text/html", b"<html>".to_vec())));
    assert!(page.code == 2 && page.err.contains("not understood"), "{}", page.err);
    let busy = submit(&Fake::start(|_| Reply::json(429, &json!({"detail": "16 uploads at once"}))));
    assert!(
        busy.code == 2 && busy.err.contains("cannot take it now: 16 uploads at once (try again in 7 s)"),
        "{}",
        busy.err
    );
}

#[test]
fn what_broke_off_is_sent_once_more_under_the_same_key() {
    let dir = project();
    for broken in [|| Reply::Nothing, || Reply::Torn(b"{\"job_id\":".to_vec())] {
        let mut times = 0;
        let server = Fake::start(move |_| {
            times += 1;
            if times == 1 { broken() } else { admitted() }
        });
        for project in [text(dir.path()), "https://github.com/team/app"] {
            let before = server.asked().len();
            let sent = run(&["submit", project, "--server", &server.url(), "--stack", "java/spring-boot/maven"]);
            assert_eq!((sent.code, sent.out.as_str()), (0, format!("{ID}\n").as_str()), "{}", sent.err);
            let keys: Vec<_> = server.asked()[before..].iter().map(key).collect();
            match before {
                0 => assert!(keys.len() == 2 && keys[0] == keys[1], "{keys:?}"),
                _ => assert_eq!(keys.len(), 1, "what was answered is not sent again"),
            }
        }
        let asked = server.asked();
        assert_ne!(key(&asked[1]), key(&asked[2]), "each submission has a key of its own");
        let zip = |asked: &Asked| asked.body.windows(4).filter(|bytes| bytes == b"PK\x03\x04").count();
        assert_eq!((zip(&asked[0]), zip(&asked[1])), (1, 1), "the whole project is sent again");
    }
}

fn key(asked: &Asked) -> String {
    let line = asked.head.lines().find_map(|line| line.strip_prefix("idempotency-key: "));
    line.expect("a key").to_owned()
}

#[test]
fn waiting_shows_stages_and_ends_with_the_verdict() {
    let mut looks = 0;
    let server = Fake::start(move |asked| {
        if asked.method == "POST" {
            return admitted();
        }
        if is_status(asked) {
            looks += 1;
            return Reply::json(
                200,
                &match looks {
                    1 => status("QUEUED", None, stage("PENDING"), stage("PENDING")),
                    2 => status("RUNNING", None, stage("RUNNING"), stage("PENDING")),
                    3 => status("RUNNING", None, stage("SUCCESS"), stage("RUNNING")),
                    _ => status(
                        "FAILED",
                        Some("script_failure"),
                        stage("SUCCESS"),
                        failed("script_failure", "exit code 1"),
                    ),
                },
            );
        }
        let log: &[u8] =
            if asked.target.contains("BUILD") { b"compiling\ncompiled\n" } else { b"a\nb\nc\nd without end" };
        // The log grows while it is read.
        let cut = if looks < 4 { log.len() - 5 } else { log.len() };
        from_offset(&log[..cut], asked)
    });
    let dir = project();
    let waited = run(&["submit", text(dir.path()), "--server", &server.url(), "--wait"]);
    assert_eq!((waited.code, waited.out.as_str()), (1, format!("{ID}\n").as_str()), "{}", waited.err);
    let err = &waited.err;
    for part in [
        " RUN   BUILD",
        "BUILD ┃ compiling\n",
        " PASS  BUILD  1.2 s",
        "TEST  ┃ d without end\n",
        " FAIL  TEST   1.2 s       script_failure: exit code 1\n       TEST  ┃ b\n       TEST  ┃ c\n       TEST  ┃ d without end\n",
        " SKIP  DAST               not_selected\n",
        &format!("job {ID} FAILED after 10 s: script_failure\n"),
        &format!("reports: {}/api/jobs/{ID}/reports\n", server.url()),
    ] {
        assert!(err.contains(part), "{part:?} is not in\n{err}");
    }
    assert!(!err.contains('\u{1b}'), "no colours without a terminal");
}

#[test]
fn with_json_every_event_is_one_object_a_line() {
    let server = Fake::start(|asked| match () {
        () if asked.method == "POST" => admitted(),
        () if is_status(asked) => Reply::json(200, &status("SUCCEEDED", None, stage("SUCCESS"), stage("SUCCESS"))),
        () => from_offset(b"line\n", asked),
    });
    let dir = project();
    let waited = run(&["submit", text(dir.path()), "--server", &server.url(), "--wait", "--json"]);
    assert_eq!(waited.code, 0, "{}", waited.err);
    let events: Vec<Value> = waited.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let kinds: Vec<_> = events.iter().map(|event| event["event"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["admitted", "log", "stage", "log", "stage", "stage", "end"]);
    assert_eq!(events[6]["status"]["execution"]["state"], "SUCCEEDED");
}

#[test]
fn ctrl_c_while_waiting_ends_the_watching_alone() {
    let server = Fake::start(|asked| match asked.method.as_str() {
        "POST" => admitted(),
        _ => Reply::json(200, &status("QUEUED", None, stage("PENDING"), stage("PENDING"))),
    });
    let dir = project();
    let child = pipelinex(&["submit", text(dir.path()), "--server", &server.url(), "--wait"])
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    while !server.asked().iter().any(is_status) {
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    let waited = said(child.wait_with_output().unwrap());
    assert_eq!(waited.code, 130);
    assert!(waited.err.contains("the job goes on: pipelinex status"), "{}", waited.err);
}

#[test]
fn a_precheck_lists_what_stands_in_the_way() {
    let server = Fake::start(|_| {
        let problems = json!([{"rule": "main-class", "message": "is there twice", "hint": "keep one"}]);
        Reply::json(
            200,
            &json!({"accepted": false, "status": null, "warnings": ["old"], "problems": problems, "stages": []}),
        )
    });
    let dir = project();
    let checked = run(&["precheck", text(dir.path()), "--server", &server.url()]);
    assert_eq!(checked.code, 4);
    assert_eq!(checked.out, "  - main-class: is there twice\n    hint: keep one\nwarning: old\nit would be refused\n");
    assert_eq!(server.asked()[0].target, "/api/precheck");
}
