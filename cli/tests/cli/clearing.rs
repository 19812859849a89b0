//! `gc` as a person or a script meets it, where no engine is.

use std::{
    fs,
    path::Path,
    process::Command,
    time::{Duration, SystemTime},
};

use pipelinex_common::{store::Store, testing::crowd};
use serde_json::Value;

use super::{Said, pipelinex, said};

fn gc(workspaces: &Path, args: &[&str]) -> Said {
    let mut command: Command = pipelinex(&["gc", "--workspaces"]);
    command.arg(workspaces).args(["--docker-host", "unix:///nonexistent/docker.sock"]).args(args);
    said(command.output().unwrap())
}

#[test]
fn gc_says_what_it_would_remove_and_why_then_removes_it_and_leaves_what_lives() {
    let dir = tempfile::tempdir().unwrap();
    assert_eq!(gc(dir.path(), &[]).code, 2, "that is no workspaces folder");
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0, "and nothing is made of it");

    let store = Store::open(dir.path()).unwrap();
    let ended = crowd::ended(&store, 4).unwrap();
    let waiting = crowd::waiting(&store, 2).unwrap();
    // The first one ended ten days ago.
    let ago = SystemTime::now() - Duration::from_secs(10 * 24 * 60 * 60);
    let end = fs::File::options().write(true).open(store.layout().job(ended[0]).final_record()).unwrap();
    end.set_modified(ago).unwrap();
    let staged = store.stage().unwrap();
    let dead = store.layout().staging().join("left-by-a-dead-process");
    fs::create_dir(&dead).unwrap();
    fs::File::open(&dead).unwrap().set_modified(ago).unwrap();

    let dry = gc(dir.path(), &["--dry-run", "--keep-days", "7", "--keep-jobs", "2"]);
    assert_eq!(dry.code, 0, "{}", dry.err);
    assert!(dry.err.contains("only folders are looked at, the container engine does not answer"), "{}", dry.err);
    assert!(dry.err.contains("3 would be removed"), "{}", dry.err);
    let line = |text: &str, name: &str| text.lines().find(|line| line.contains(name)).unwrap_or_default().to_owned();
    assert!(line(&dry.out, &ended[0].to_string()).contains("older than --keep-days  10 d"), "{}", dry.out);
    assert!(line(&dry.out, &ended[1].to_string()).contains("more than --keep-jobs"), "{}", dry.out);
    let left = line(&dry.out, "left-by-a-dead-process");
    assert!(left.starts_with("folder") && left.contains("it belongs to no job  "), "{}", dry.out);
    assert!(left.contains("  10 d  "), "{}", dry.out);
    assert_eq!(store.ids().unwrap().len(), 6);

    let done = gc(dir.path(), &["--json", "--keep-days", "7", "--keep-jobs", "2"]);
    let answer: Value = serde_json::from_str(&done.out).unwrap();
    assert_eq!((&answer["dry_run"], &answer["engine_reached"]), (&Value::Bool(false), &Value::Bool(false)));
    assert_eq!(answer["removed"]["jobs"].as_array().unwrap().len(), 2);
    assert_eq!(answer["removed"]["jobs"][1]["because"], "age");
    let folders = answer["removed"]["folders"].as_array().unwrap();
    let age = folders[0]["age_seconds"].as_u64().unwrap();
    assert!(folders.len() == 1 && (ago.elapsed().unwrap().as_secs()).abs_diff(age) < 60, "{folders:?}");
    assert!(answer["bytes"].as_u64().unwrap() > 0);
    assert_eq!(store.ids().unwrap(), [waiting[1], waiting[0], ended[3], ended[2]]);
    assert!(!dead.exists() && staged.paths().root().exists(), "what somebody works on stays");
    assert!(gc(dir.path(), &[]).err.contains("0 removed"), "and nothing is left to do");
}
