//! Every request that the worker makes of the engine for a job, and each way in which it can go wrong; and a worker that dies at
//! each of them. Over an engine that is none, so that all of them are tried and none is left to chance.

use std::{collections::BTreeSet, time::Duration};

use crate::{
    fake::{Call, FakeEngine, Fault, LINES},
    figures::is_long,
    server::Server,
    trial::{QUICK, Trial},
    world::{World, story, text, until},
};

const WORKER: [&str; 1] = ["--copy-trees"];
/// One of so many cases is tried in the short form: no multiple of the number of faults, so that each fault has its turn.
const SHORT: usize = 7;

/// What a worker asks for in a job in which all goes well, each in its first and its later times.
async fn calls_of_a_job(trial: &mut Trial<'_>, backend: &Server, engine: &FakeEngine) -> BTreeSet<Call> {
    let worker = trial.worker("", &WORKER);
    let id = trial.submit(backend, QUICK).await;
    backend.end_of(&id).await;
    worker.stop().await;
    let calls: BTreeSet<Call> = engine.calls(&id).into_iter().collect();
    for needed in ["create build", "attach build", "start build", "wait build", "remove build", "create test"] {
        assert!(calls.iter().any(|call| call.what == needed), "{needed} is not in {calls:?}");
    }
    calls
}

/// Each line of both steps once, in order.
fn is_whole(world: &World, id: &str) -> bool {
    [("build", "BUILD"), ("test", "TEST")].into_iter().all(|(step, stage)| {
        let log = text(world.job(id).join(format!("logs/{step}.log")));
        let expected = (2..LINES).map(|n| format!("line {n} of {stage}"));
        let whole = log.lines().filter(|line| line.starts_with("line ")).eq(expected)
            && log.lines().filter(|line| *line == "done").count() == 1;
        if !whole {
            println!("the log of {step} of {id}:\n{log}");
        }
        whole && text(world.job(id).join(format!("reports/{step}/note.txt"))) == "note\n"
    })
}

#[test]
fn each_request_of_a_job_may_go_wrong_in_each_way_and_changes_no_end() {
    story(async |world| {
        world.errors_are_expected = true;
        let (mut trial, engine) = Trial::over_fake(world).await;
        let backend = trial.backend("", &[]).await;
        let calls = calls_of_a_job(&mut trial, &backend, &engine).await;
        let faults = [
            Fault::Refused,
            Fault::Status500,
            Fault::LostReply,
            Fault::Hang(Duration::from_secs(2)),
            Fault::CutAfter(0),
            Fault::CutAfter(100),
            Fault::Vanish,
        ];
        let is_of = |call: &Call, kinds: &[&str]| kinds.iter().any(|kind| call.what.starts_with(kind));
        let fits = |(call, fault): &(Call, Fault)| match fault {
            // The code that a container ended with is a few bytes.
            Fault::CutAfter(0) => is_of(call, &["attach", "logs", "wait"]),
            Fault::CutAfter(_) => is_of(call, &["attach", "logs"]),
            _ => true,
        };
        let all = calls.iter().flat_map(|call| faults.map(|fault| (call.clone(), fault)));
        let cases: Vec<_> = all.filter(fits).collect();
        let step = if is_long() { 1 } else { SHORT };
        let mut ids = Vec::new();
        for (call, fault) in cases.iter().step_by(step) {
            let id = trial.submit(&backend, QUICK).await;
            engine.plan(&id, call.clone(), *fault);
            ids.push((id, call, fault));
        }
        let worker = trial.worker_of(8, "", &WORKER);
        trial.all_end().await;
        worker.stop().await;
        let worker = trial.worker("", &WORKER);
        let note = format!("each of {} requests in each way", calls.len());
        trial.faults = ids.len();
        trial.judged("an engine that fails at any one request", "SUCCEEDED", &note).await;
        assert_eq!(engine.not_made(), Vec::<String>::new());
        for (id, call, fault) in ids {
            assert!(is_whole(trial.world, &id), "{id}: {call:?} {fault:?}");
        }
        worker.stop().await;
        backend.process.stop().await;
    });
}

#[test]
fn a_worker_that_dies_at_any_request_loses_and_doubles_nothing() {
    story(async |world| {
        let (mut trial, engine) = Trial::over_fake(world).await;
        let backend = trial.backend("", &[]).await;
        let calls = calls_of_a_job(&mut trial, &backend, &engine).await;
        let cases: Vec<_> =
            calls.iter().flat_map(|call| [Fault::KillBefore, Fault::KillAfter].map(|f| (call, f))).collect();
        let step = if is_long() { 1 } else { SHORT };
        for (call, fault) in cases.iter().step_by(step) {
            let id = trial.submit(&backend, QUICK).await;
            engine.plan(&id, (*call).clone(), *fault);
            let mut worker = trial.worker("", &WORKER);
            engine.is_asked_by(worker.child.id());
            until(&format!("it dies: {call:?} {fault:?}"), async || worker.child.try_wait().unwrap()).await;
            trial.faults += 1;
        }
        let worker = trial.worker("", &WORKER);
        trial.all_end().await;
        worker.stop().await;
        let worker = trial.worker("", &WORKER);
        let note = format!("each of {} requests, before and after it", calls.len());
        trial.judged("a worker that dies at any one request", "SUCCEEDED", &note).await;
        for id in trial.jobs().keys() {
            assert!(is_whole(trial.world, id), "{id}");
        }
        worker.stop().await;
        backend.process.stop().await;
    });
}
