//! `status`, `list`, `reports`.

use std::fs;

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
    let listed = run(&["list", "--state", "failed", "--limit", "3", "--server", &server.url()]);
    assert_eq!(listed.code, 0, "{}", listed.err);
    let projects: Vec<_> = listed.out.lines().map(|line| line.split_whitespace().nth(1).unwrap()).collect();
    assert_eq!(projects, ["PROJECT", "a", "b", "c"]);
    let targets: Vec<_> = server.asked().into_iter().map(|asked| asked.target).collect();
    assert_eq!(targets, ["/api/jobs?limit=3&state=FAILED", "/api/jobs?limit=2&state=FAILED&cursor=c1"]);
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
