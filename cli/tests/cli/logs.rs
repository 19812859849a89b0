//! `logs`: byte by byte, whatever happens to the server.

use std::{process::Stdio, thread, time::Duration};

use serde_json::json;

use crate::{
    ID, failed,
    fake::{Fake, Reply},
    from_offset, is_status, pipelinex, run, said, stage, status,
};

const LOG: &[u8] = b"one\n\x1b[31mtwo\xff\xfe\r\nthree \xf0\x9f\xa6\x80\nno end";

#[test]
fn a_pipe_gets_the_bytes_as_they_are() {
    let server = Fake::start(|asked| match is_status(asked) {
        true => Reply::json(200, &status("SUCCEEDED", None, stage("SUCCESS"), stage("SUCCESS"))),
        false => from_offset(LOG, asked),
    });
    for follow in [&[][..], &["--follow"]] {
        let url = server.url();
        let args = [&["logs", ID, "build", "--server", &url], follow].concat();
        let output = pipelinex(&args).output().unwrap();
        assert_eq!((output.stdout.as_slice(), output.status.code()), (LOG, Some(0)));
    }
    assert!(server.asked().iter().any(|asked| asked.target == format!("/api/jobs/{ID}/BUILD/logs?offset=0")));
}

#[test]
fn following_goes_on_behind_a_broken_connection() {
    let mut request = 0;
    let server = Fake::start(move |asked| {
        if is_status(asked) {
            let build = if request < 8 { stage("RUNNING") } else { failed("script_failure", "") };
            return Reply::json(200, &status("RUNNING", None, build, stage("PENDING")));
        }
        request += 1;
        let rest = &LOG[asked.offset().unwrap_or(0).min(LOG.len())..];
        match request {
            // Torn in the middle of a character, torn before the first byte, closed without a word, 503.
            1 => Reply::Torn(rest[..10].to_vec()),
            2 => Reply::Torn(Vec::new()),
            3 => Reply::Nothing,
            4 => Reply::json(503, &json!({"detail": "not now"})),
            5 => Reply::bytes(&rest[..1]),
            6 => Reply::json(416, &json!({"detail": "nothing there yet"})),
            _ => Reply::bytes(rest),
        }
    });
    let output = pipelinex(&["logs", ID, "BUILD", "-f", "--server", &server.url()]).output().unwrap();
    let err = String::from_utf8_lossy(&output.stderr);
    assert_eq!((output.stdout.as_slice(), output.status.code()), (LOG, Some(0)), "{err}");
    assert!(err.contains("trying again") && err.contains("the server answers again"), "{err}");
    let offsets: Vec<_> = server.asked().iter().filter_map(|asked| asked.offset()).collect();
    assert!(offsets.is_sorted() && offsets[..4] == [0, 10, 10, 10], "{offsets:?}");
}

#[test]
fn following_survives_a_restart_of_the_server() {
    let running = |asked: &crate::fake::Asked| match is_status(asked) {
        true => Reply::json(200, &status("RUNNING", None, stage("RUNNING"), stage("PENDING"))),
        false => from_offset(&LOG[..7], asked),
    };
    let server = Fake::start(running);
    let (address, url) = (server.address, server.url());
    let child = pipelinex(&["logs", ID, "BUILD", "-f", "--server", &url])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    while !server.asked().iter().any(|asked| asked.offset() == Some(7)) {
        thread::sleep(Duration::from_millis(10));
    }
    drop(server);
    thread::sleep(Duration::from_millis(600));
    let server = Fake::start_at(address, |asked| match is_status(asked) {
        true => Reply::json(200, &status("SUCCEEDED", None, stage("SUCCESS"), stage("SUCCESS"))),
        false => from_offset(LOG, asked),
    });
    let output = child.wait_with_output().unwrap();
    drop(server);
    assert_eq!(output.stdout, LOG);
    let err = String::from_utf8_lossy(&output.stderr);
    assert!(err.contains("no server at") && err.contains("trying again"), "{err}");
}

#[test]
fn without_a_stage_every_line_has_its_stage_before_it() {
    let server = Fake::start(|asked| match is_status(asked) {
        true => Reply::json(200, &status("SUCCEEDED", None, stage("SUCCESS"), stage("SUCCESS"))),
        false if asked.target.contains("BUILD") => from_offset(b"b1\r\nb2\n", asked),
        false => from_offset(b"t1", asked),
    });
    for follow in [&[][..], &["-f"]] {
        let printed = run(&[&["logs", ID, "--server", &server.url()], follow].concat());
        assert_eq!(printed.out, "BUILD ┃ b1\nBUILD ┃ b2\nTEST  ┃ t1\n", "{}", printed.err);
    }
}

#[test]
fn stages_without_a_log_say_why() {
    let server = Fake::start(|asked| match is_status(asked) {
        true => Reply::json(200, &status("RUNNING", None, stage("RUNNING"), stage("PENDING"))),
        false => Reply::json(404, &json!({"detail": "no log"})),
    });
    let logs = |stage| run(&["logs", ID, stage, "--server", &server.url()]);
    assert!(logs("dast").err.contains("DAST was skipped: not_selected"));
    assert!(logs("TEST").err.contains("TEST has not started yet"));
    assert_eq!(logs("BUILD").code, 0);
    let unknown = logs("LINT");
    assert!(unknown.code == 64 && unknown.err.contains("it has BUILD, TEST, DAST"), "{}", unknown.err);
}

#[test]
fn an_unknown_job_and_a_wrong_address_are_told_at_once() {
    let server = Fake::start(|_| Reply::json(404, &json!({"detail": "there is no job of that id"})));
    let unknown = said(pipelinex(&["logs", ID, "BUILD", "-f", "--server", &server.url()]).output().unwrap());
    assert!(unknown.code == 2 && unknown.err.contains("there is no job of that id"), "{}", unknown.err);
    let nobody = run(&["logs", ID, "BUILD", "-f", "--server", "http://127.0.0.1:1"]);
    assert!(nobody.code == 2 && nobody.err.starts_with("error: no server at http://127.0.0.1:1"), "{}", nobody.err);
}
