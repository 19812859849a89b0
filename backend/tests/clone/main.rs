//! The server's side of a clone, against programs that misbehave: it believes none, waits for none, and leaves none.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says so")]

use std::{fs, path::Path, time::Duration};

use pipelinex_backend::intake::git::{CloneError, Cloned, Host, Order, RepositoryUrl, clone};
use pipelinex_common::limits::{IntakeLimits, MIB};
use rustix::process::{Pid, test_kill_process};
use tokio_util::sync::CancellationToken;

struct World {
    folder: tempfile::TempDir,
    gone: CancellationToken,
}

impl World {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        for name in ["source", "scratch"] {
            fs::create_dir(folder.path().join(name)).unwrap();
        }
        Self { folder, gone: CancellationToken::new() }
    }

    async fn clone(&self, name: &str) -> Result<Cloned, CloneError> {
        let host = Host::github();
        let limits = IntakeLimits {
            clone_bytes: MIB / 2,
            unpacked_bytes: MIB / 2,
            clone_objects: 1,
            clone_seconds: 3,
            ..IntakeLimits::default()
        };
        let order = Order {
            url: RepositoryUrl::parse(&format!("https://github.com/team/{name}"), std::slice::from_ref(&host)).unwrap(),
            hosts: vec![host],
            git_ref: None,
            credentials: None,
            history: false,
            limits,
            source: self.folder.path().join("source"),
            scratch: self.folder.path().join("scratch"),
            ca_certs: None,
            proxy: None,
            direct: Vec::new(),
        };
        let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clone/program.sh");
        // So that a clone that nobody ends fails its story.
        tokio::time::timeout(Duration::from_secs(60), clone(&program, &order, &self.gone)).await.expect("it ends")
    }

    /// The program and what it started, as soon as it is there.
    async fn pids(&self) -> Vec<Pid> {
        let path = self.folder.path().join("scratch/pids");
        loop {
            let text = fs::read_to_string(&path).unwrap_or_default();
            if text.ends_with('\n') {
                return text.split_whitespace().map(|pid| Pid::from_raw(pid.parse().unwrap()).unwrap()).collect();
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

/// A process that was killed and that nobody of ours waits for is init's to bury: it may take a moment.
async fn assert_gone(pids: &[Pid]) {
    for _ in 0..500 {
        if pids.iter().all(|pid| test_kill_process(*pid).is_err() || is_zombie(*pid)) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("{pids:?} still run");
}

fn is_zombie(pid: Pid) -> bool {
    let stat = fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero())).unwrap_or_default();
    stat.rsplit_once(") ").is_none_or(|(_, rest)| rest.starts_with('Z'))
}

#[tokio::test]
async fn a_report_is_taken_and_nothing_else_is() {
    let world = World::new();
    assert_eq!(world.clone("clones").await.unwrap().files, 2);
    assert!(matches!(world.clone("refuses").await, Err(CloneError::Refused(problem)) if problem.rule == "git-empty"));
    for name in ["babbles", "fails", "says-and-fails", "crashes", "does-nothing"] {
        let ended = world.clone(name).await;
        assert!(matches!(ended, Err(CloneError::Ours(_))), "{name}: {ended:?}");
    }
    assert!(matches!(world.clone("aborts").await, Err(CloneError::TooLarge(_))));
    assert!(matches!(world.clone("has-no-space").await, Err(CloneError::Full)));
    assert!(matches!(world.clone("floods").await, Err(CloneError::Ours(_) | CloneError::TooSlow { .. })));
}

#[tokio::test]
async fn at_its_deadline_a_clone_ends_with_all_that_it_started() {
    let world = World::new();
    let (ended, pids) = tokio::join!(world.clone("hangs"), world.pids());
    assert!(matches!(ended, Err(CloneError::TooSlow { seconds: 3 })), "{ended:?}");
    assert_eq!(pids.len(), 2);
    assert_gone(&pids).await;
}

#[tokio::test]
async fn when_nobody_waits_a_clone_ends_with_all_that_it_started() {
    let world = World::new();
    let leave = async {
        let pids = world.pids().await;
        world.gone.cancel();
        pids
    };
    let (ended, pids) = tokio::join!(world.clone("hangs"), leave);
    assert!(matches!(ended, Err(CloneError::Gone)), "{ended:?}");
    assert_gone(&pids).await;
}

#[tokio::test]
async fn a_process_that_fills_the_disk_is_ended() {
    let ended = World::new().clone("fills").await;
    assert!(matches!(&ended, Err(CloneError::TooLarge(why)) if why.contains("unpacked")), "{ended:?}");
}
