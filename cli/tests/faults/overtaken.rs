//! What a holder does that was asleep while others went on with its job, or that comes after one who was. The orders of events are
//! those that the model (`models/`) found: each needs a holder on another machine that sleeps at the wrong moment, so here what the
//! other one did meanwhile is done by hand. Over an engine that is none, and waits where it is told to.

use std::fs;

use pipelinex_worker::spec::{LABEL_INSTANCE, LABEL_JOB, LABEL_SERVICE, LABEL_STEP};
use serde_json::{Value, json};

use crate::{
    fake::{Call, FakeEngine, Fault},
    server::{Process, Server},
    trial::{QUICK, Trial},
    world::{names, story, text, until},
};

const WORKER: [&str; 1] = ["--copy-trees"];

fn call(what: &str, number: usize) -> Call {
    Call { what: what.to_owned(), number }
}

/// A worker that dies at a named place.
async fn dies_at(trial: &mut Trial<'_>, point: &str) {
    let mut worker = trial.worker(&format!("{point}=kill"), &WORKER);
    until(&format!("it dies at {point}"), async || worker.child.try_wait().unwrap()).await;
    trial.faults += 1;
}

async fn over_fake<'w>(world: &'w mut crate::world::World) -> (Trial<'w>, FakeEngine, Server) {
    let (mut trial, engine) = Trial::over_fake(world).await;
    let backend = trial.backend("", &[]).await;
    (trial, engine, backend)
}

async fn stopped(worker: Process, backend: Server) {
    worker.stop().await;
    backend.process.stop().await;
}

#[test]
fn what_was_made_and_not_started_because_its_job_is_canceled_is_no_loss_to_anybody() {
    story(async |world| {
        let (mut trial, engine, backend) = over_fake(world).await;
        let id = trial.submit(&backend, QUICK).await;
        engine.plan(&id, call("create build", 1), Fault::Held);
        let worker = trial.worker("", &WORKER);
        engine.held().await;
        let answer = backend.answer(backend.http.post(backend.url(&format!("/api/jobs/{id}/cancel")))).await;
        assert_eq!(answer.status, 202, "{}", answer.text());
        // It has seen the wish, or sees it when it has its container.
        until("it is on its way", async || worker.log().contains("the job is ended").then_some(())).await;
        engine.go_on();
        trial.judged("a job is canceled between create and start", "CANCELED", "no log, one attempt").await;
        assert!(!engine.calls(&id).contains(&call("start build", 1)), "nothing was started");
        // A log says that there was a container to be lost: a holder that comes then would begin another attempt.
        assert_eq!(names(&trial.world.job(&id).join("logs")), Vec::<String>::new());
        assert_eq!(names(&trial.world.job(&id).join("attempts")), ["1"]);
        stopped(worker, backend).await;
    });
}

#[test]
fn what_an_ended_step_left_on_the_engine_is_removed_before_its_job_ends() {
    story(async |world| {
        let (mut trial, engine, backend) = over_fake(world).await;
        let id = trial.submit(&backend, QUICK).await;
        dies_at(&mut trial, "worker.end-recorded").await;
        let left = format!("pipelinex-{id}-a1-t1-build");
        assert_eq!(engine.containers(&id), [left.as_str()]);
        // An application beside a step that has no container yet.
        let beside = format!("pipelinex-{id}-a1-t1-test.app");
        let instance = text(trial.world.workspaces.join(".instance"));
        let labels = json!({LABEL_INSTANCE: instance.trim(), LABEL_JOB: id, LABEL_STEP: "test", LABEL_SERVICE: "app"});
        engine.made(&beside, &labels);
        dies_at(&mut trial, "worker.before-final").await;
        // Somebody may have made them who sleeps right before their start.
        let there = engine.containers(&id);
        assert!(!there.contains(&left) && !there.contains(&beside), "{there:?}");
        let worker = trial.worker("", &WORKER);
        trial.judged("an ended step has left its container", "SUCCEEDED", "removed before the end").await;
        stopped(worker, backend).await;
    });
}

#[test]
fn a_step_that_another_has_ended_meanwhile_is_not_run_again() {
    story(async |world| {
        let (mut trial, engine, backend) = over_fake(world).await;
        let ended = trial.submit(&backend, QUICK).await;
        let worker = trial.worker("", &WORKER);
        backend.end_of(&ended).await;
        worker.stop().await;

        let id = trial.submit(&backend, QUICK).await;
        dies_at(&mut trial, "worker.started").await;
        let looks = engine.calls(&id).iter().filter(|call| call.what == "inspect build").count();
        engine.plan(&id, call("inspect build", looks + 1), Fault::Held);
        let worker = trial.worker("", &WORKER);
        engine.held().await;
        // Another holder records its end, and removes container and log.
        let end = |id: &str| trial.world.job(id).join("ends/build.json");
        let record: Value = serde_json::from_str(&text(end(&ended))).unwrap();
        fs::write(end(&id), record.to_string()).unwrap();
        trial.note(&json!({"event": "end", "job": id, "step": "build", "won": "true"}));
        engine.vanish(&id);
        for name in names(&trial.world.job(&id).join("logs")) {
            fs::remove_file(trial.world.job(&id).join("logs").join(name)).unwrap();
        }
        engine.go_on();
        trial.judged("a step was ended while its holder slept", "SUCCEEDED", "not run again").await;
        assert!(!engine.calls(&id).contains(&call("start build", 2)), "{:?}", engine.calls(&id));
        stopped(worker, backend).await;
    });
}
