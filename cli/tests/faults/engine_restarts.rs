//! An engine that is restarted ends every container with itself (without live-restore): no step failed for that, all are run
//! again. Only on an engine of our own, which `make faults` brings: `PIPELINEX_FAULTS_RESTART` names its suite.

use std::{process::Stdio, time::Duration};

use serde_json::json;

use crate::{
    figures::{chance, times},
    projects::repository,
    trial::Trial,
    world::story,
};

/// Long enough that a restart mostly falls into the middle of a step.
const SLOW: &str = "echo begun\nmkdir -p made \"$REPORTS_DIR/${STAGE,,}\"\necho note > \"$REPORTS_DIR/${STAGE,,}/note.txt\"\n\
    sleep 4\necho done\n";

#[test]
fn an_engine_that_is_restarted_costs_attempts_and_no_job() {
    let Ok(suite) = std::env::var("PIPELINEX_FAULTS_RESTART") else {
        println!("not run: there is no engine that may be restarted; `make faults` brings one");
        return;
    };
    story(async |world| {
        let mut chance = chance("restarts");
        world.errors_are_expected = true;
        let mut trial = Trial::new(world);
        let backend = trial.backend("", &[]).await;
        let worker = trial.worker("", &["--attempts", "100"]);
        for _ in 0..times(2, 20) {
            let open = trial.jobs().values().filter(|end| end.is_none()).count();
            for _ in open..4 {
                trial.submit(&backend, SLOW).await;
            }
            tokio::time::sleep(Duration::from_millis(chance.u64(500..6_000))).await;
            engine("down", &suite).await;
            trial.note(&json!({"event": "engine-stopped"}));
            engine("up", &suite).await;
            trial.watch();
            trial.faults += 1;
        }
        trial.judged("the engine restarted", "SUCCEEDED", "attempts raised to 100").await;
        worker.stop().await;
        backend.process.stop().await;
    });
}

async fn engine(order: &str, suite: &str) {
    let mut command = tokio::process::Command::new(repository().join("dev/engine.sh"));
    // Its output in a file: an engine keeps what it inherits, and a pipe would never end.
    let log =
        std::fs::File::create(std::env::temp_dir().join(format!("pipelinex-engine-{}", std::process::id()))).unwrap();
    let status = command.args([order, suite]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).status().await;
    assert!(status.unwrap().success(), "dev/engine.sh {order} {suite}");
}
