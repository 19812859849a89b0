//! `status`, `list`, `reports`.

use std::{fs, os::unix::fs::PermissionsExt};

use serde_json::{Value, json};

use crate::{
    ID, failed,
    fake::{Fake, Reply},
    from_offset, is_status, pipelinex, run, stage, status,
};

#[test]
fn watching_ends_with_the_code_of_the_verdict() {
    let ends = [
        ("SUCCEEDED", None, 0),
        ("FAILED", Some("script_failure"), 1),
        ("FAILED", Some("engine_error"), 2),
        ("CANCELED", Some("canceled_by_user"), 3),
        ("FAILED", Some("policy_gate"), 5),
        ("FAILED", Some("timeout"), 6),
    ];
    for (state, reason, code) in ends {
        let document = status(state, reason, stage("SUCCESS"), failed("timeout", ""));
        let server = Fake::start(move |asked| match is_status(asked) {
            true => Reply::json(200, &document),
            false => from_offset(b"", asked),
        });
        let watched = run(&["status", ID, "--watch", "--server", &server.url()]);
        assert_eq!(watched.code, code, "{state} {reason:?}: {}", watched.err);
        assert!(watched.out.contains(" FAIL  TEST "), "{}", watched.out);
        assert_eq!(run(&["status", ID, "--server", &server.url()]).code, 0, "it could be shown");
    }
}

#[test]
fn json_is_what_the_server_wrote() {
    let mut document = status("RUNNING", None, stage("RUNNING"), stage("PENDING"));
    document["new"] = json!("field of a newer server");
    let server = Fake::start({
        let document = document.clone();
        move |_| Reply::json(200, &document)
    });
    let shown = run(&["status", ID, "--json", "--server", &server.url()]);
    assert_eq!(serde_json::from_str::<Value>(&shown.out).unwrap(), document);
    let strange = Fake::start(|_| Reply::json(200, &json!({"job": 1})));
    let shown = run(&["status", ID, "--server", &strange.url()]);
    assert!(shown.code == 2 && shown.err.contains("is it a Pipelinex"), "{}", shown.err);
}

#[test]
fn a_job_is_named_by_a_part_of_its_id_by_its_number_and_as_last() {
    const OTHER: &str = "0190a1b2-ffff-7e5f-8a9b-0c1d2e3f4a77";
    let document = status("SUCCEEDED", None, stage("SUCCESS"), stage("SUCCESS"));
    let server = Fake::start(move |asked| match is_status(asked) {
        true => Reply::json(200, &document),
        false => {
            let row =
                |id: &str, run: u64| json!({"job_id": id, "project": "shop", "run_number": run, "state": "FAILED"});
            Reply::json(200, &json!({"jobs": [row(ID, 3), row(OTHER, 2)], "next": null}))
        }
    });
    for name in ["last", "shop#3", "0190a1b2-c3", "4a5b", ID] {
        let shown = run(&["status", name, "--server", &server.url()]);
        assert!(shown.code == 0 && shown.out.contains("BUILD"), "{name}: {}{}", shown.out, shown.err);
    }
    for (name, why) in
        [("shop#9", "no job is called shop#9"), ("0190a1b2", "several jobs are called"), ("dead", "no job")]
    {
        let shown = run(&["status", name, "--server", &server.url()]);
        assert!(shown.code == 64 && shown.err.contains(why), "{name}: {}", shown.err);
    }
}

#[test]
fn a_list_goes_over_pages() {
    let server = Fake::start(|asked| {
        let row = |project: &str| json!({"job_id": ID, "project": project, "run_number": 1, "state": "FAILED"});
        Reply::json(
            200,
            &match asked.target.contains("cursor=") {
                false => json!({"jobs": [row("a")], "next": "c1"}),
                true => json!({"jobs": [row("b"), row("c")], "next": null}),
            },
        )
    });
    let listed = run(&[
        "list",
        "--state",
        "failed",
        "--branch",
        "main",
        "--project",
        "shop",
        "--limit",
        "3",
        "--server",
        &server.url(),
    ]);
    assert_eq!(listed.code, 0, "{}", listed.err);
    let projects: Vec<_> = listed.out.lines().map(|line| line.split_whitespace().nth(1).unwrap()).collect();
    assert_eq!(projects, ["PROJECT", "a", "b", "c"]);
    let targets: Vec<_> = server.asked().into_iter().map(|asked| asked.target).collect();
    assert_eq!(
        targets,
        [
            "/api/jobs?limit=3&state=FAILED&project=shop&branch=main",
            "/api/jobs?limit=2&state=FAILED&project=shop&branch=main&cursor=c1"
        ]
    );
}

#[test]
fn reports_are_saved_whole_or_not_at_all() {
    let mut requests = 0;
    let server = Fake::start(move |_| {
        requests += 1;
        match requests {
            1 => Reply::json(409, &json!({"detail": "the job has not ended"})),
            2 => Reply::Torn(b"PK".to_vec()),
            _ => Reply::Whole(200, "application/zip", b"PK whole".to_vec()),
        }
    });
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("r.zip");
    let get = || {
        let args = ["reports", ID, "-o", file.to_str().unwrap(), "--server", &server.url()];
        crate::said(pipelinex(&args).output().unwrap())
    };
    let early = get();
    assert!(early.code == 2 && early.err.contains("the job has not ended"), "{}", early.err);
    assert_eq!(get().code, 2);
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0, "nothing is left of what broke off");
    assert_eq!(get().out, format!("{}\n", file.display()));
    assert_eq!(fs::read(&file).unwrap(), b"PK whole");
    let piped = pipelinex(&["reports", ID, "-o", "-", "--server", &server.url()]).output().unwrap();
    assert_eq!(piped.stdout, b"PK whole");
}

#[test]
fn warnings_and_counts_are_shown_with_their_stage() {
    let mut test = stage("SUCCESS");
    test["steps"] = json!({"test": {
        "name": "TEST", "status": "SUCCESS", "message": "", "warnings": ["1 rule was left out", "a link was not followed"],
        "findings": {"critical": 0, "high": 2, "medium": 0, "low": 1, "info": 0},
    }});
    let mut document = status("FAILED", Some("policy_gate"), stage("SUCCESS"), test);
    document["execution"]["warnings"] = json!(["SCA was skipped: type `pipelinex db update`"]);
    let server = Fake::start(move |asked| match is_status(asked) {
        true => Reply::json(200, &document),
        false => from_offset(b"", asked),
    });
    let expected = " PASS  TEST   1.2 s       3 findings (2 high, 1 low)\n       warning: 1 rule was left out\n       \
                    warning: a link was not followed\n SKIP  DAST               not_selected\n";
    let job = "warning: SCA was skipped: type `pipelinex db update`\n";
    let shown = run(&["status", ID, "--server", &server.url()]);
    assert!(shown.code == 0 && shown.out.contains(expected) && shown.out.contains(job), "{}", shown.out);
    let watched = run(&["status", ID, "--watch", "--server", &server.url()]);
    assert_eq!(watched.code, 5);
    assert!(watched.out.contains(expected) && watched.out.contains(job), "{}", watched.out);
    assert!(watched.out.contains("FAILED after 10 s: policy_gate"), "{}", watched.out);
}

/// A finding as the server lists it.
fn finding(stage: &str, severity: &str, rule: &str, place: (&str, Value)) -> Value {
    let mut finding = json!({"stage": stage, "step": "x", "tool": "t", "rule": rule, "severity": severity,
                             "message": "do\nnot \u{1b}[2J this", "path": null, "line": null});
    finding[place.0] = place.1;
    finding
}

#[test]
fn findings_have_a_line_each_with_their_place() {
    let mut sast = finding("SAST", "high", "sql", ("path", json!("src/A.java")));
    sast["line"] = json!(7);
    let mut sca = finding("SCA", "critical", "GHSA-1", ("package", json!("g:a@1.0")));
    sca["fixed_in"] = json!("1.1");
    let dast = finding("DAST", "low", "XSS", ("url", json!("http://app:8080/?q")));
    let counts = json!({"critical": 1, "high": 1, "medium": 0, "low": 1, "info": 0});
    let page = |unreadable: Value| {
        json!({"job_id": ID, "state": "RUNNING", "complete": false, "counts": counts, "findings": [sca, sast, dast],
               "unreadable": unreadable})
    };
    let whole = page(json!([]));
    let server = Fake::start({
        let whole = whole.clone();
        move |_| Reply::json(200, &whole)
    });
    let listed = run(&["findings", ID, "--server", &server.url()]);
    let expected = "critical  SCA         GHSA-1  g:a@1.0 (fixed in 1.1)  do not \u{1b}[2J this\n\
                    high      SAST        sql  src/A.java:7  do not \u{1b}[2J this\n\
                    low       DAST        XSS  http://app:8080/?q  do not \u{1b}[2J this\n";
    assert_eq!((listed.code, listed.out.as_str()), (0, expected));
    assert_eq!(listed.err, "3 findings (1 critical, 1 high, 1 low), and the job goes on\n");
    assert_eq!(server.asked()[0].target, format!("/api/jobs/{ID}/findings"));
    let json = run(&["findings", ID, "--json", "--server", &server.url()]);
    assert_eq!(serde_json::from_str::<Value>(&json.out).unwrap(), whole);

    let torn = page(json!([{"stage": "SECRETS", "step": "secrets", "reason": "it is empty"}]));
    let server = Fake::start(move |_| Reply::json(200, &torn));
    let listed = run(&["findings", ID, "--server", &server.url()]);
    assert!(listed.code == 2 && listed.err.contains("the findings of SECRETS cannot be read, so this is not all"));
}

#[test]
fn tests_are_listed_over_pages_with_what_they_say() {
    let case = |state: &str, name: &str| {
        json!({"stage": "TEST", "step": "test", "class": "dev.OrderTest", "name": name, "state": state, "duration_ms": 250,
               "file": "OrderTest.java", "line": 48, "message": "expected <3>",
               "trace": "E: expected <3>\n\tat dev.OrderTest.total(OrderTest.java:48)"})
    };
    let server = Fake::start(move |asked| {
        let second = asked.target.contains("cursor=1");
        let (row, next) = if second { (case("error", "b"), json!(null)) } else { (case("failed", "a"), json!(1)) };
        Reply::json(
            200,
            &json!({"complete": true, "counts": {"tests": 2, "failed": 1, "error": 1}, "tests": [row], "next": next,
                    "unreadable": []}),
        )
    });
    let listed = run(&["tests", ID, "--failed", "--text", "or der", "--server", &server.url()]);
    let one = |word: &str, name: &str| {
        format!(
            "{word}  TEST  OrderTest.{name}  OrderTest.java:48  0.2 s\n         expected <3>\n         \
             \x20 at dev.OrderTest.total(OrderTest.java:48)\n"
        )
    };
    assert_eq!((listed.code, listed.out), (0, one("failed ", "a") + &one("error  ", "b")));
    assert_eq!(listed.err, "2 tests, 1 failed, 1 broken\n");
    let asked: Vec<_> = server.asked().into_iter().map(|asked| asked.target).collect();
    let first = format!("/api/jobs/{ID}/tests?limit=1000&state=failed%2Cerror&q=or+der");
    assert_eq!(asked, [first.clone(), format!("{first}&cursor=1")]);
    let json = run(&["tests", ID, "--json", "--server", &server.url()]);
    assert_eq!(serde_json::from_str::<Value>(&json.out).unwrap()["tests"].as_array().unwrap().len(), 2);
}

#[test]
fn artifacts_are_listed_and_saved_below_the_folder_that_was_named() {
    let page =
        |path: &str| json!({"job_id": ID, "artifacts": [{"step": "package", "path": path, "bytes": 3}], "cut": false});
    let good = page("target/my app.jar");
    let server = Fake::start(move |asked| match asked.target.as_str() {
        target if target.ends_with("/artifacts") => Reply::json(200, &good),
        _ => Reply::bytes(b"jar"),
    });
    let listed = run(&["artifacts", ID, "--server", &server.url()]);
    assert_eq!(listed.out, "STEP     BYTES  PATH\npackage  3      target/my app.jar\n", "{}", listed.err);
    let dir = tempfile::tempdir().unwrap();
    let to = dir.path().join("out");
    let save = |server: &Fake| run(&["artifacts", ID, "--to", to.to_str().unwrap(), "--server", &server.url()]);
    let saved = save(&server);
    let file = to.join("package/target/my app.jar");
    assert_eq!(saved.out, format!("{}\n", file.display()), "{}", saved.err);
    assert_eq!(fs::read(&file).unwrap(), b"jar");
    assert!(server.asked().iter().any(|a| a.target == format!("/api/jobs/{ID}/artifacts/package/target/my%20app.jar")));

    for path in ["../../evil", "/etc/evil", "a/../../../evil", ""] {
        let hostile = page(path);
        let server = Fake::start(move |_| Reply::json(200, &hostile));
        let refused = save(&server);
        assert!(refused.code == 2 && refused.err.contains("would lie outside"), "{path}: {}", refused.err);
    }
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);

    let elsewhere = dir.path().join("elsewhere");
    fs::create_dir(&elsewhere).unwrap();
    std::os::unix::fs::symlink(&elsewhere, to.join("package/through")).unwrap();
    std::os::unix::fs::symlink(elsewhere.join("file"), to.join("package/end")).unwrap();
    for (path, code) in [("through/file", 2), ("end", 0)] {
        let through = page(path);
        let server = Fake::start(move |asked| match asked.target.as_str() {
            target if target.ends_with("/artifacts") => Reply::json(200, &through),
            _ => Reply::bytes(b"jar"),
        });
        let saved = save(&server);
        assert_eq!(saved.code, code, "{path}: {}", saved.err);
        assert!(code == 0 || saved.err.contains("nothing is written through it"), "{}", saved.err);
    }
    assert_eq!(fs::read(to.join("package/end")).unwrap(), b"jar", "the link itself was replaced");
    assert_eq!(fs::read_dir(&elsewhere).unwrap().count(), 0);
}

#[test]
fn a_program_is_saved_as_one() {
    let page = json!({"job_id": ID, "cut": false, "artifacts": [
        {"step": "package", "path": "app", "bytes": 3, "executable": true},
        {"step": "package", "path": "text", "bytes": 3},
    ]});
    let server = Fake::start(move |asked| match asked.target.as_str() {
        target if target.ends_with("/artifacts") => Reply::json(200, &page),
        _ => Reply::bytes(b"jar"),
    });
    let dir = tempfile::tempdir().unwrap();
    run(&["artifacts", ID, "--to", dir.path().to_str().unwrap(), "--server", &server.url()]);
    let mode = |name: &str| fs::metadata(dir.path().join("package").join(name)).unwrap().permissions().mode() & 0o111;
    assert!(mode("app") != 0 && mode("text") == 0);
}

#[test]
fn canceling_tells_what_came_of_it_and_ends_with_a_code() {
    let problem = |state: &str| json!({"status": 409, "code": "already-ended", "detail": format!("it is {state}"), "state": state});
    for (status, answer, code, told) in [
        (202, json!({"job_id": ID, "state": "QUEUED", "cancel_wished": true}), 0, "never started"),
        (202, json!({"job_id": ID, "state": "RUNNING", "cancel_wished": true}), 0, "is being canceled"),
        (409, problem("CANCELED"), 0, "is canceled"),
        (409, problem("SUCCEEDED"), 4, "it is SUCCEEDED"),
        (404, json!({"status": 404, "code": "not-found", "detail": "there is no job"}), 64, "there is no job"),
    ] {
        let server = Fake::start(move |_| Reply::json(status, &answer));
        let said = run(&["cancel", ID, "--server", &server.url()]);
        assert_eq!(said.code, code, "{}", said.err);
        assert!(said.out.contains(told) || said.err.contains(told), "{}{}", said.out, said.err);
        let asked = &server.asked()[0];
        assert_eq!((asked.method.as_str(), asked.target.as_str()), ("POST", format!("/api/jobs/{ID}/cancel").as_str()));
        let json = run(&["cancel", ID, "--json", "--server", &server.url()]);
        assert_eq!(json.code, code);
        assert_eq!(serde_json::from_str::<Value>(&json.out).is_ok(), code == 0, "{}", json.out);
    }
}
