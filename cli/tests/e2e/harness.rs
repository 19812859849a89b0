//! The harness itself: a check that finds nothing would let every story pass.

use std::fs::{self, File};

use pipelinex_common::id::JobId;
use pipelinex_worker::spec::LABEL_INSTANCE;

use crate::world::{docker, story, text};

#[test]
fn a_world_names_what_a_story_leaves_behind() {
    let left = std::panic::catch_unwind(|| {
        story(async |world| {
            let backend = world.serve(&["backend"]).await;
            let staged = world.workspaces.join(".staging/half-an-upload");
            fs::create_dir_all(&staged).unwrap();
            let lock = File::open(&staged).unwrap();
            lock.lock().unwrap();
            let job = world.job(&JobId::generate().to_string());
            fs::create_dir_all(job.join("outbox")).unwrap();
            let instance = text(world.workspaces.join(".instance"));
            let label = format!("{LABEL_INSTANCE}={}", instance.trim());
            docker(&["volume", "create", "--label", &label, &world.name()]).await;
            fs::write(&backend.process.log, "now ERROR somewhere\n").unwrap();
            std::mem::forget((backend, lock));
        });
    });
    let left = *left.unwrap_err().downcast::<String>().unwrap();
    for what in [
        "process pipelinex",
        "volumes: [\\\"pipelinex-e2e-",
        "staging/half-an-upload",
        "/outbox",
        "now ERROR somewhere",
    ] {
        assert!(left.contains(what), "{what} in {left}");
    }
}
