//! A file system of 64 MiB that is filled to its last byte: what does not fit is refused and leaves nothing, what is answered
//! stays, what runs ends once there is space again.

use std::{
    fs::{self, File},
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use pipelinex_common::testing::zip_builder::ZipBuilder;
use serde_json::json;

use crate::{
    figures::times,
    projects::{printed, release, shell, shell_project},
    trial::{QUICK, Trial},
    world::{names, story, text, until},
};

const HELD: &str = "echo begun\nmkdir -p made\n\
    [ \"$STAGE\" != BUILD ] || until [ -e \"$REPORTS_DIR/go\" ]; do sleep 0.05; done\necho done\n";

/// A file system in memory, gone when dropped with what containers still hold it.
struct Small(PathBuf);

impl Small {
    fn mount(folder: PathBuf) -> Self {
        fs::create_dir(&folder).unwrap();
        run("mount", &["-t", "tmpfs", "-o", "size=64m,mode=755", "tmpfs", folder.to_str().unwrap()]);
        Self(folder)
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        // Of a story that failed: the world cannot find its own any more once this is gone.
        let label = format!("label=pipelinex.instance={}", text(self.0.join("workspaces/.instance")).trim());
        let left = Command::new("docker").args(["ps", "--all", "--quiet", "--filter", &label]).output().unwrap();
        for container in String::from_utf8_lossy(&left.stdout).split_whitespace() {
            let _ = Command::new("docker").args(["rm", "--force", container]).stdout(Stdio::null()).status();
        }
        let _ = Command::new("umount").arg("--lazy").arg(&self.0).status();
    }
}

fn run(program: &str, args: &[&str]) {
    assert!(Command::new(program).args(args).status().unwrap().success(), "{program} {args:?}; this needs root");
}

#[test]
fn a_full_disk_refuses_what_does_not_fit_and_costs_no_job() {
    story(async |world| {
        let small = Small::mount(world.path("small"));
        world.workspaces = small.0.join("workspaces");
        world.errors_are_expected = true;
        let mut trial = Trial::new(world);
        // To the last byte: by default nothing would be taken in with so little space.
        let backend = trial.backend("", &["--min-free", "0"]).await;
        let mut worker = trial.worker_of(1, "", &[]);
        let mut refused = 0;
        for round in 0..times(2, 6) {
            let held = trial.submit(&backend, HELD).await;
            printed(trial.world, &held, "begun").await;
            // They wait for the one that is held.
            trial.submit(&backend, QUICK).await;
            trial.fault("disk", "it is filled to its last byte");
            let filler = fill(&small.0);
            for _ in 0..3 {
                let answer = backend.post("/api/jobs/upload", Some(large()), Some(&shell().to_string())).await;
                assert_eq!(answer.status, 507, "{}", answer.text());
                refused += 1;
            }
            let staging = trial.world.workspaces.join(".staging");
            // It is cleared away behind the answer.
            until("nothing is left", async || names(&staging).is_empty().then_some(())).await;
            assert_eq!(backend.get(&format!("/api/jobs/{held}/status")).await.status, 200, "what is there can be read");
            // Its step ends while nothing can be written; in each second round its worker, too, and another comes.
            release(trial.world, &held);
            until("its step has ended", async || trial.told_of(&held, "die")).await;
            if round % 2 == 1 {
                trial.kill(worker);
                worker = trial.worker_of(1, "", &[]);
            }
            trial.note(&json!({"event": "healed", "what": "disk"}));
            fs::remove_file(filler).unwrap();
            backend.end_of(&held).await;
            let answer = backend.post("/api/jobs/upload", Some(shell_project(QUICK)), Some(&shell().to_string())).await;
            assert_eq!(answer.status, 201, "space that returns is used: {}", answer.text());
            trial.log.answered(answer.json()["job_id"].as_str().unwrap());
        }
        let note = format!("{refused} uploads refused with 507");
        trial.judged("a file system of 64 MiB, filled", "SUCCEEDED", &note).await;
        worker.stop().await;
        backend.process.stop().await;
        drop(trial);
        drop(small);
    });
}

/// Writes until nothing fits any more.
fn fill(folder: &Path) -> PathBuf {
    let path = folder.join("filler");
    let mut file = File::create(&path).unwrap();
    for size in [1024 * 1024, 4096, 1] {
        while file.write_all(&vec![7; size]).is_ok() {}
    }
    path
}

/// A project of some megabytes.
fn large() -> Vec<u8> {
    let mut noise = vec![0; 4 * 1024 * 1024];
    fastrand::Rng::with_seed(2).fill(&mut noise);
    ZipBuilder::new().file("run.sh", QUICK).file("noise.bin", noise).build()
}
