//! The binary as people and scripts meet it: against a server on the loopback whose answers each story scripts.

#![allow(missing_docs, clippy::unwrap_used)]

mod accounts;
mod checking;
mod clearing;
mod db;
mod detecting;
mod fake;
mod logs;
mod reading;
mod submitting;

use std::process::{Command, Output, Stdio};

use fake::{Asked, Reply};
use serde_json::{Value, json};

pub const ID: &str = "0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b";

/// The binary, with nothing of the surroundings that could change what it does.
pub fn pipelinex(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pipelinex"));
    command.args(args).env_clear().env("HOME", "/nonexistent").stdin(Stdio::null());
    command
}

pub struct Said {
    pub code: i32,
    pub out: String,
    pub err: String,
}

pub fn said(output: Output) -> Said {
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    Said { code: output.status.code().unwrap_or(-1), out: text(output.stdout), err: text(output.stderr) }
}

pub fn run(args: &[&str]) -> Said {
    said(pipelinex(args).output().unwrap())
}

/// A status of a job with the stages BUILD, TEST and DAST.
pub fn status(state: &str, reason: Option<&str>, build: Value, test: Value) -> Value {
    json!({
        "job": {"id": ID, "admission_status": "ACCEPTED", "created_at": "2026-01-01T00:00:00Z", "project": "shop", "run_number": 3},
        "execution": {
            "state": state, "reason": reason, "error": null, "current_stage": null,
            "started_at": "2026-01-01T00:00:01Z", "finished_at": "2026-01-01T00:00:11Z", "updated_at": "2026-01-01T00:00:11Z",
            "stages": {"BUILD": build, "TEST": test,
                       "DAST": {"status": "SKIPPED", "reason": "not_selected", "message": "not selected"}}
        }
    })
}

pub fn stage(state: &str) -> Value {
    json!({"status": state, "message": "", "duration_ms": 1234})
}

pub fn failed(reason: &str, message: &str) -> Value {
    json!({"status": "FAILED", "reason": reason, "message": message, "duration_ms": 1234})
}

pub fn is_status(asked: &Asked) -> bool {
    asked.target == format!("/api/jobs/{ID}/status")
}

/// The part of a log that was asked for.
pub fn from_offset(log: &[u8], asked: &Asked) -> Reply {
    Reply::bytes(log.get(asked.offset().unwrap_or(0)..).unwrap_or_default())
}

#[test]
fn mistakes_of_the_command_line_are_64_and_help_is_none() {
    for args in [&["nonsense"][..], &["status", "not-an-id"], &["serve", "--memory", "much"], &["submit"], &[]] {
        assert_eq!(run(args).code, 64, "{args:?}");
    }
    let bare = said(pipelinex(&[]).env("PIPELINEX_SERVER", "http://x").env("PIPELINEX_JSON", "1").output().unwrap());
    assert!(bare.code == 64 && bare.err.contains("Usage:") && bare.err.contains("submit"), "{}", bare.err);
    assert!(run(&["help", "submit"]).out.contains("--only") && run(&["version"]).out.starts_with("pipelinex 0."));
    let help = run(&["--help"]);
    assert_eq!(help.code, 0);
    assert!(help.out.contains("Exit codes:\n") && help.out.contains("130  interrupted"), "{}", help.out);
    let version = run(&["--version"]);
    assert!(version.code == 0 && version.out.starts_with("pipelinex 0."), "{}", version.out);
    assert!(run(&["completions", "bash"]).out.contains("_pipelinex"));
}

#[test]
fn an_address_of_redis_is_not_shown() {
    let mut command = pipelinex(&["worker", "--help"]);
    let help = said(command.env("PIPELINEX_REDIS_URL", "redis://:s3cret@h").output().unwrap());
    assert!(help.out.contains("PIPELINEX_REDIS_URL") && !help.out.contains("s3cret"), "{}", help.out);
}

#[test]
fn variables_name_the_same_as_flags() {
    let server = fake::Fake::start(|_| Reply::json(200, &json!({"jobs": [], "next": null})));
    let mut command = pipelinex(&["list"]);
    let listed = said(command.env("PIPELINEX_SERVER", server.url()).env("PIPELINEX_JSON", "1").output().unwrap());
    assert_eq!((listed.code, listed.out.as_str()), (0, "{\"jobs\":[]}\n"));
}

#[test]
fn doctor_looks_and_makes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let workspaces = dir.path().join("jobs");
    let args = ["doctor", "--workspaces", workspaces.to_str().unwrap(), "--server", "http://127.0.0.1:1"];
    let seen = run(&[
        &args[..],
        &["--docker-host", "unix:///nonexistent", "--pipelines", "/nonexistent", "--require", "sast,sca"],
    ]
    .concat());
    assert_eq!(seen.code, 2, "{}", seen.out);
    assert!(seen.out.contains("bad   pipelines") && seen.out.contains("bad   engine"), "{}", seen.out);
    assert!(seen.out.contains("note  server") && seen.out.contains("pipelinex serve"), "{}", seen.out);
    assert!(seen.out.contains("policy       findings fail nothing; requires SAST, SCA"), "{}", seen.out);
    assert!(seen.out.contains("bad   advisories   none, and SCA is required"), "{}", seen.out);
    assert!(!workspaces.exists());
}
