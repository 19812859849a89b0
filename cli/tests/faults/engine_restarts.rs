//! An engine that is restarted ends every container with itself (without live-restore): no step failed for that, all are run
//! again. Only on an engine of our own, which `make faults` brings: `PIPELINEX_FAULTS_RESTART` names its suite.

use std::{process::Stdio, time::Duration};

use serde_json::json;

use crate::{
    engine_faults::is_whole,
    figures::{chance, times},
    projects::{printed, repository},
    trial::Trial,
    world::{names, story},
};

/// Long enough that a restart mostly falls into the middle of a step.
const SLOW: &str = "echo begun\nmkdir -p made \"$REPORTS_DIR/${STAGE,,}\"\necho note > \"$REPORTS_DIR/${STAGE,,}/note.txt\"\n\
    sleep 4\necho done\n";

/// Goes on for longer than the engine is away: of what ends meanwhile the engine knows neither code nor last words (it says 255),
/// so that such a step is lost, too.
const PATIENT: &str = "echo begun\nmkdir -p made\n[ \"$STAGE\" = BUILD ] && pause=0.1 || pause=0.001\n\
    for n in $(seq 200); do echo \"line $n of $STAGE\"; sleep $pause; done\necho done\n";

/// An engine that is told so leaves its containers running when it ends, and finds them again.
const LIVE_RESTORE: &str = r#"{"live-restore": true}"#;

#[test]
fn an_engine_that_is_restarted_costs_attempts_and_no_job() {
    let Some(suite) = may_be_restarted() else { return };
    story(async |world| {
        let mut chance = chance("restarts");
        world.errors_are_expected = true;
        let mut trial = Trial::new(world);
        let backend = trial.backend("", &[]).await;
        // Once with the attempts that everybody has.
        let worker = trial.worker("", &[]);
        let id = trial.submit(&backend, SLOW).await;
        printed(trial.world, &id, "begun").await;
        restart(&mut trial, &suite).await;
        backend.end_of(&id).await;
        worker.stop().await;
        let worker = trial.worker("", &["--attempts", "100"]);
        for _ in 1..times(2, 20) {
            let open = trial.jobs().values().filter(|end| end.is_none()).count();
            for _ in open..4 {
                trial.submit(&backend, SLOW).await;
            }
            tokio::time::sleep(Duration::from_millis(chance.u64(500..6_000))).await;
            restart(&mut trial, &suite).await;
        }
        trial.judged("the engine restarted", "SUCCEEDED", "attempts raised to 100, but for the first").await;
        worker.stop().await;
        backend.process.stop().await;
    });
}

#[test]
fn an_engine_that_leaves_containers_running_while_it_is_away_costs_nothing() {
    let Some(suite) = may_be_restarted() else { return };
    story(async |world| {
        world.errors_are_expected = true;
        engine("down", &suite, "{}").await;
        engine("up", &suite, LIVE_RESTORE).await;
        let mut trial = Trial::new(world);
        let backend = trial.backend("", &[]).await;
        let worker = trial.worker("", &[]);
        for _ in 0..times(1, 5) {
            let id = trial.submit(&backend, PATIENT).await;
            printed(trial.world, &id, "line 20 of BUILD\n").await;
            trial.fault("engine", "restarted, and its containers run on");
            engine("down", &suite, LIVE_RESTORE).await;
            engine("up", &suite, LIVE_RESTORE).await;
            trial.watch();
            backend.end_of(&id).await;
            assert_eq!(names(&trial.world.job(&id).join("attempts")), ["1"], "nothing was lost");
            assert!(is_whole(trial.world, &id), "a line is lost, or doubled");
        }
        trial
            .judged("the engine restarted, with live-restore", "SUCCEEDED", "attempt 1, each line once, in order")
            .await;
        worker.stop().await;
        backend.process.stop().await;
        drop(trial);
        engine("down", &suite, LIVE_RESTORE).await;
        engine("up", &suite, "{}").await;
    });
}

async fn restart(trial: &mut Trial<'_>, suite: &str) {
    trial.fault("engine", "restarted, and its containers end with it");
    engine("down", suite, "{}").await;
    trial.note(&json!({"event": "engine-stopped"}));
    engine("up", suite, "{}").await;
    trial.watch();
}

/// The suite of the engine that these stories may restart.
fn may_be_restarted() -> Option<String> {
    let suite = std::env::var("PIPELINEX_FAULTS_RESTART").ok();
    if suite.is_none() {
        println!("not run: there is no engine that may be restarted; `make faults` brings one");
    }
    suite
}

async fn engine(order: &str, suite: &str, config: &str) {
    let mut command = tokio::process::Command::new(repository().join("dev/engine.sh"));
    command.args([order, suite]).env("PIPELINEX_ENGINE_CONFIG", config);
    // Nothing of its output is a pipe: an engine keeps what it inherits, and a pipe would never end.
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    assert!(command.status().await.unwrap().success(), "dev/engine.sh {order} {suite}");
}
