//! Disks that cannot be written: filled to the last byte, without an inode left, mounted read-only. What does not fit is refused and
//! leaves nothing, what is answered stays, and what runs ends: by itself, canceled, or once the disk can be written again.

use std::{
    fs::{self, File},
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use pipelinex_common::{free_space::Disk, testing::zip_builder::ZipBuilder};
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
    fn mount(folder: PathBuf, options: &str) -> Self {
        fs::create_dir(&folder).unwrap();
        run("mount", &["-t", "tmpfs", "-o", &format!("mode=755,{options}"), "tmpfs", folder.to_str().unwrap()]);
        Self(folder)
    }

    /// Lays a read-only view of the workspaces over themselves: what is open for writing would keep the disk from being remounted.
    fn forbid_writing(&self) {
        let workspaces = self.0.join("workspaces");
        let workspaces = workspaces.to_str().unwrap();
        run("mount", &["--bind", workspaces, workspaces]);
        run("mount", &["-o", "remount,bind,ro", workspaces]);
    }

    fn allow_writing(&self) {
        run("umount", &["--lazy", self.0.join("workspaces").to_str().unwrap()]);
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
        let small = Small::mount(world.path("small"), "size=64m");
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

/// Uses up every inode of its disk, then waits to be let go on.
const CROWD: &str = "echo begun\nmkdir many\nperl -e 'for (1 .. 100000) { open F, \">many/$_\" or last }'\necho used up\n\
    until [ -e /proc/self/no-such-thing ]; do sleep 0.05; done\n";

/// A job uses up all inodes of its disk. It is canceled, and its worker dies over it.
#[test]
fn a_job_that_uses_up_all_inodes_is_canceled_and_takes_no_other_along() {
    story(async |world| {
        let small = Small::mount(world.path("small"), "size=256m,nr_inodes=6000");
        world.workspaces = small.0.join("workspaces");
        world.errors_are_expected = true;
        let mut trial = Trial::new(world);
        let backend = trial.backend("", &["--min-free", "0"]).await;
        let no_guard = ["--min-free", "0"];
        let mut worker = trial.worker_of(1, "", &no_guard);
        for round in 0..times(2, 6) {
            let held = trial.submit(&backend, CROWD).await;
            // Nobody begins it before the one that is held has ended.
            let waiting = trial.submit(&backend, QUICK).await;
            trial.fault("disk", "a job uses up all its inodes");
            printed(trial.world, &held, "used up").await;
            assert!(File::create(small.0.join("one-more")).is_err(), "there is none left");
            if round % 2 == 1 {
                trial.kill(worker);
                worker = trial.worker_of(1, "", &no_guard);
            }
            let answer = backend.post("/api/jobs/upload", Some(large()), Some(&shell().to_string())).await;
            assert_eq!(answer.status, 507, "{}", answer.text());
            // The one that waits was never begun.
            for id in [&waiting, &held] {
                let cancel = backend.http.post(backend.url(&format!("/api/jobs/{id}/cancel")));
                let answer = backend.answer(cancel).await;
                assert!((200..300).contains(&answer.status), "{} {}", answer.status, answer.text());
                let status = backend.end_of(id).await;
                assert_eq!(status["execution"]["state"], "CANCELED", "{status:#}");
            }
            let free = || Disk::of(&small.0).unwrap().free.files;
            until("its tree is gone", async || (free() > 4000).then_some(())).await;
        }
        trial.judged("all inodes of the disk used up by one job", "CANCELED", "each canceled on the full disk").await;
        worker.stop().await;
        backend.process.stop().await;
        drop(trial);
        drop(small);
    });
}

/// A job uses up all inodes and says that all went well: nothing of it can be kept, so it ends, and the next ones run.
#[test]
fn a_step_that_fills_the_disk_ends_with_that_reason_though_its_script_did_well() {
    story(async |world| {
        let small = Small::mount(world.path("small"), "size=256m,nr_inodes=6000");
        world.workspaces = small.0.join("workspaces");
        world.errors_are_expected = true;
        let mut trial = Trial::new(world);
        let backend = trial.backend("", &["--min-free", "0"]).await;
        let worker = trial.worker_of(1, "", &["--min-free", "0"]);
        trial.fault("disk", "a job uses up all its inodes and ends");
        let filled = trial.submit(&backend, CROWD.split("until").next().unwrap()).await;
        let status = backend.end_of(&filled).await;
        assert_eq!(
            (&status["execution"]["state"], &status["execution"]["reason"]),
            (&json!("FAILED"), &json!("disk_limit"))
        );
        assert!(status.to_string().contains("--step-files"), "{status:#}");
        trial.judged("a step that fills its disk and does well", "FAILED", "ended with disk_limit").await;
        worker.stop().await;
        backend.process.stop().await;
        drop(trial);
        drop(small);
    });
}

/// The disk becomes read-only while a step runs and while it ends, and can be written again.
#[test]
fn on_a_disk_that_is_read_only_for_a_while_nothing_is_lost_and_it_is_said() {
    story(async |world| {
        let small = Small::mount(world.path("small"), "size=256m");
        world.workspaces = small.0.join("workspaces");
        world.errors_are_expected = true;
        let mut trial = Trial::new(world);
        let backend = trial.backend("", &["--min-free", "0"]).await;
        let mut worker = trial.worker_of(1, "", &[]);
        for round in 0..times(1, 4) {
            let held = trial.submit(&backend, HELD).await;
            printed(trial.world, &held, "begun").await;
            // Its reports are on the same disk, where nobody can say any more that it may go on.
            release(trial.world, &held);
            trial.fault("disk", "it is mounted read-only");
            small.forbid_writing();
            let answer = backend.post("/api/jobs/upload", Some(large()), Some(&shell().to_string())).await;
            assert!(answer.status == 507 && answer.text().contains("read-only"), "{}", answer.text());
            let answer = backend.answer(backend.http.post(backend.url(&format!("/api/jobs/{held}/cancel")))).await;
            assert!(answer.status == 503 && answer.text().contains("read-only"), "{}", answer.text());
            until("its step has ended", async || trial.told_of(&held, "die")).await;
            if round % 2 == 1 {
                trial.kill(worker);
                worker = trial.worker_of(1, "", &[]);
            }
            small.allow_writing();
            trial.note(&json!({"event": "healed", "what": "disk"}));
            backend.end_of(&held).await;
        }
        trial.judged("a disk that is read-only for a while", "SUCCEEDED", "refused and said meanwhile").await;
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
