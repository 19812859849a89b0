//! An engine that fails on demand, and one worker that has to come to the right end whatever it answers: it never reads "does
//! not answer" as "is gone", and never starts a step twice.

use std::time::Duration;

use crate::{
    figures::is_long,
    projects::{printed, release},
    proxy::{Fault, Proxy, Rule},
    server::{Process, Server},
    trial::{QUICK, Trial, ran_once},
    world::{World, docker, names, story, text, until},
};

const HANG: Duration = Duration::from_secs(3);
/// Prints in pieces for a while, so that streams can be cut in the middle of lines.
const TALKING: &str = "echo begun\nmkdir -p made \"$REPORTS_DIR/${STAGE,,}\"\necho note > \"$REPORTS_DIR/${STAGE,,}/note.txt\"\n\
    for n in $(seq 200); do echo \"line $n of $STAGE\"; sleep 0.01; done\necho done\n";
/// Waits in its first step until it is released, and prints that it was.
const HELD: &str = "echo begun\nmkdir -p made \"$REPORTS_DIR/${STAGE,,}\"\necho note > \"$REPORTS_DIR/${STAGE,,}/note.txt\"\n\
    [ \"$STAGE\" != BUILD ] || until [ -e \"$REPORTS_DIR/go\" ]; do sleep 0.05; done\necho done\n";

/// Requests about the containers of steps, in both of their forms: by the name in the query, and by the name in the path.
const CREATE: &str = "/containers/create?*-a1-t1-";
const STEP: &str = "/containers/pipelinex-*-a1-t1-";
const ATTACH: &str = "/containers/pipelinex-*-a1-t1-*/attach";
const START: &str = "/containers/pipelinex-*-a1-t1-*/start";
const WAIT: &str = "/containers/pipelinex-*-a1-t1-*/wait";
const LOGS: &str = "/containers/pipelinex-*-a1-t1-*/logs";
const INSPECT: &str = "/containers/pipelinex-*-a1-t1-*/json";

fn socket() -> String {
    let host = std::env::var("DOCKER_HOST").unwrap_or_default();
    host.strip_prefix("unix://").unwrap_or("/var/run/docker.sock").to_owned()
}

fn rule(method: &'static str, path: &'static str, times: usize, fault: Fault) -> Rule {
    Rule { method, path, job: String::new(), times, fault }
}

fn proxy(trial: &Trial<'_>) -> Proxy {
    Proxy::new(&trial.world.path("engine.sock"), &socket(), trial.log.clone())
}

/// A backend, and a worker whose engine can be made to fail.
async fn with_engine_between(trial: &mut Trial<'_>) -> (Server, Proxy, Process) {
    let backend = trial.backend("", &[]).await;
    let engine = proxy(trial);
    let worker = trial.worker("", &["--docker-host", &engine.host]);
    (backend, engine, worker)
}

/// What goes wrong once or a few times, and after which a job ends as if nothing had been.
fn passing() -> Vec<(&'static str, Vec<Rule>)> {
    let mut cases = vec![
        ("a reply to create gets lost", vec![rule("POST", CREATE, 1, Fault::LostReply)]),
        ("create is refused on the wire", vec![rule("POST", CREATE, 1, Fault::Refused)]),
        ("create is answered 500", vec![rule("POST", CREATE, 1, Fault::Answer(500, "injected"))]),
        ("attach breaks at once", vec![rule("POST", ATTACH, 1, Fault::Refused)]),
        ("attach is cut", vec![rule("POST", ATTACH, 2, Fault::CutAfter(2_000))]),
        (
            "attach is cut, and the record that is followed then",
            vec![rule("POST", ATTACH, 2, Fault::CutAfter(900)), rule("GET", LOGS, 4, Fault::CutAfter(1_111))],
        ),
        ("a reply to start gets lost", vec![rule("POST", START, 1, Fault::LostReply)]),
        ("start is refused on the wire", vec![rule("POST", START, 1, Fault::Refused)]),
        ("start hangs", vec![rule("POST", START, 1, Fault::Hang(HANG))]),
        ("start is answered 500", vec![rule("POST", START, 1, Fault::Answer(500, "injected"))]),
        ("wait ends at once, again and again", vec![rule("POST", WAIT, 6, Fault::Refused)]),
        ("wait is answered 500", vec![rule("POST", WAIT, 2, Fault::Answer(500, "injected"))]),
        (
            "nothing can be asked behind a wait that ends",
            vec![
                rule("POST", WAIT, 2, Fault::Refused),
                rule("GET", INSPECT, 4, Fault::Answer(500, "injected")),
                rule("GET", INSPECT, 2, Fault::Refused),
            ],
        ),
        ("removals get lost", vec![rule("DELETE", STEP, 3, Fault::Refused)]),
    ];
    if is_long() {
        // Longer than any call may take.
        cases.push(("start hangs for good", vec![rule("POST", START, 1, Fault::Hang(Duration::from_secs(150)))]));
        cases.push(("create hangs for good", vec![rule("POST", CREATE, 1, Fault::Hang(Duration::from_secs(150)))]));
    }
    cases
}

#[test]
fn an_engine_that_fails_for_a_moment_changes_no_end() {
    story(async |world| {
        world.errors_are_expected = true;
        let mut trial = Trial::new(world);
        let backend = trial.backend("", &[]).await;
        let engine = proxy(&trial);
        let host = engine.host.clone();
        let mut cases = Vec::new();
        for (case, mut rules) in passing() {
            let id = trial.submit(&backend, TALKING).await;
            rules.iter_mut().for_each(|rule| rule.job.clone_from(&id));
            engine.inject(&rules);
            cases.push((case, id));
        }
        // All at once: most of their time they wait until something is tried again.
        let worker = trial.worker_of(8, "", &["--docker-host", &host]);
        // A call that hangs for good is given up after two minutes.
        trial.all_end().await;
        worker.stop().await;
        let worker = trial.worker("", &[]);
        let mut ends = Vec::new();
        for (_, id) in &cases {
            ends.push(backend.end_of(id).await);
        }
        let made = engine.heal();
        trial.faults += made.values().sum::<usize>();
        let noted =
            trial.events().iter().filter(|event| event.name == "fault" && event.text("what") == "engine").count();
        assert_eq!(noted, trial.faults, "each fault is written down");
        for ((case, id), status) in cases.iter().zip(ends) {
            assert!(made.contains_key(id), "{case}: nothing went wrong");
            assert_eq!(status["execution"]["state"], "SUCCEEDED", "{case}: {status:#}");
            assert_eq!(names(&trial.world.job(id).join("attempts")), ["1"], "{case}: nothing was lost");
            assert!(is_whole(trial.world, id), "{case}: a line is lost, or doubled");
            ran_once(trial.world, id);
        }
        trial.judged("an engine that fails for a moment", "SUCCEEDED", "each line once, in order").await;
        worker.stop().await;
        backend.process.stop().await;
    });
}

/// Each line of both steps once, in order.
pub fn is_whole(world: &World, id: &str) -> bool {
    [("build", "BUILD"), ("test", "TEST")].into_iter().all(|(step, stage)| {
        let log = text(world.job(id).join(format!("logs/{step}.log")));
        let expected = (1..=200).map(|n| format!("line {n} of {stage}"));
        let whole = log.lines().filter(|line| line.starts_with("line ")).eq(expected);
        if !whole {
            println!("the log of {step} of {id}:\n{log}");
        }
        whole
    })
}

#[test]
fn an_engine_that_cannot_be_asked_at_first_costs_no_job_that_runs() {
    story(async |world| {
        let mut trial = Trial::new(world);
        let backend = trial.backend("", &[]).await;
        let engine = proxy(&trial);
        let host = engine.host.clone();
        let first = trial.worker("", &["--docker-host", &host]);
        let mut ids = Vec::new();
        for _ in 0..4 {
            ids.push(trial.submit(&backend, HELD).await);
        }
        for id in &ids {
            printed(trial.world, id, "begun").await;
        }
        trial.kill(first);
        engine.inject(&["GET", "POST", "HEAD", "DELETE"].map(|method| rule(method, "/", usize::MAX, Fault::Refused)));
        let second = trial.worker("", &["--docker-host", &host]);
        until("it was refused a few times", async || (engine.made() > 6).then_some(())).await;
        trial.faults += engine.heal().values().sum::<usize>();
        for id in &ids {
            until("it is taken over", async || (trial.world.claims(id) > 1).then_some(())).await;
            release(trial.world, id);
        }
        trial.judged("an engine that does not answer a worker at its start", "SUCCEEDED", "").await;
        for id in &ids {
            ran_once(trial.world, id);
        }
        second.stop().await;
        backend.process.stop().await;
    });
}

#[test]
fn a_container_that_somebody_removes_is_lost_and_run_again_until_the_budget_is_spent() {
    story(async |world| {
        let mut trial = Trial::new(world);
        let backend = trial.backend("", &[]).await;
        let worker = trial.worker("", &["--attempts", "2"]);
        let id = trial.submit(&backend, HELD).await;
        printed(trial.world, &id, "begun").await;
        removed(&mut trial, &format!("pipelinex-{id}-a1-t1-build")).await;
        let second = format!("pipelinex-{id}-a2-t1-build");
        let lasting = async || trial.world.resources().await.containers.contains(&second).then_some(());
        until("it is run again", lasting).await;
        printed(trial.world, &id, "begun").await;
        release(trial.world, &id);
        let status = backend.end_of(&id).await;
        assert_eq!(status["execution"]["attempt"], 2, "{status:#}");
        trial.judged("a container is removed by hand", "SUCCEEDED", "run again in attempt 2").await;

        let hopeless = trial.submit(&backend, HELD).await;
        for attempt in 1..=2 {
            let name = format!("pipelinex-{hopeless}-a{attempt}-t1-build");
            until("it runs", async || trial.world.resources().await.containers.contains(&name).then_some(())).await;
            printed(trial.world, &hopeless, "begun").await;
            removed(&mut trial, &name).await;
        }
        let status = backend.end_of(&hopeless).await;
        assert_eq!(status["execution"]["state"], "FAILED", "{status:#}");
        assert_eq!(status["execution"]["stages"]["BUILD"]["reason"], "worker_lost", "{status:#}");
        trial.kept_its_promises().await;
        worker.stop().await;
        backend.process.stop().await;
    });
}

async fn removed(trial: &mut Trial<'_>, container: &str) {
    trial.fault("container removed", container);
    docker(&["rm", "--force", container]).await;
}

fn paused(container: &str) -> bool {
    let output = std::process::Command::new("docker").args(["pause", container]).output().unwrap();
    output.status.success()
}

#[test]
fn a_container_that_somebody_pauses_holds_its_job_no_longer_than_its_time() {
    story(async |world| {
        let mut trial = Trial::new(world);
        let backend = trial.backend("", &[]).await;
        let worker = trial.worker("", &["--step-timeout", "5s"]);
        let id = trial.submit(&backend, HELD).await;
        printed(trial.world, &id, "begun").await;
        let container = format!("pipelinex-{id}-a1-t1-build");
        trial.fault("container paused", &container);
        // A busy machine does not always get all of its processes to stand still at once.
        until("it is paused", async || paused(&container).then_some(())).await;
        let status = backend.end_of(&id).await;
        assert_eq!(status["execution"]["stages"]["BUILD"]["reason"], "timeout", "{status:#}");
        trial.judged("a container is paused by hand", "FAILED", "reason `timeout`").await;
        worker.stop().await;
        backend.process.stop().await;
    });
}

#[test]
fn an_image_that_is_not_there_is_said_and_no_other_job_waits_for_it() {
    story(async |world| {
        let mut trial = Trial::new(world);
        let (backend, engine, worker) = with_engine_between(&mut trial).await;
        let missing = Fault::Answer(404, "No such image: pipelinex/scan:1");
        engine.inject(&[rule("POST", CREATE, 1, missing)]);
        let id = trial.submit(&backend, QUICK).await;
        let status = backend.end_of(&id).await;
        assert_eq!(status["execution"]["stages"]["BUILD"]["reason"], "image_unavailable", "{status:#}");
        assert_eq!(engine.heal().values().sum::<usize>(), 1);
        let after = trial.submit(&backend, QUICK).await;
        assert_eq!(backend.end_of(&after).await["execution"]["state"], "SUCCEEDED");
        trial.kept_its_promises().await;
        worker.stop().await;
        backend.process.stop().await;
    });
}

#[test]
fn an_engine_that_goes_on_failing_ends_the_job_and_says_so() {
    story(async |world| {
        let mut trial = Trial::new(world);
        let (backend, engine, worker) = with_engine_between(&mut trial).await;
        engine.inject(&[rule("POST", START, usize::MAX, Fault::Answer(500, "injected"))]);
        let id = trial.submit(&backend, QUICK).await;
        let status = backend.end_of(&id).await;
        assert_eq!(status["execution"]["stages"]["BUILD"]["reason"], "engine_error", "{status:#}");
        trial.faults += engine.heal().values().sum::<usize>();
        trial.judged("an engine that starts nothing any more", "FAILED", "reason `engine_error`").await;
        worker.stop().await;
        backend.process.stop().await;
    });
}

#[test]
fn an_engine_that_does_not_tell_since_when_it_runs_costs_no_job() {
    story(async |world| {
        let mut trial = Trial::new(world);
        let (backend, engine, worker) = with_engine_between(&mut trial).await;
        engine.inject(&[rule("GET", "/info", usize::MAX, Fault::Refused)]);
        let id = trial.submit(&backend, QUICK).await;
        backend.end_of(&id).await;
        trial.faults += engine.heal().values().sum::<usize>();
        assert!(trial.faults > 0, "it was not asked");
        trial.judged("an engine that does not tell since when it runs", "SUCCEEDED", "").await;
        let first = text(trial.world.job(&id).join("attempts/1"));
        assert!(first.contains("clock") && !first.contains("engine"), "{first}");
        worker.stop().await;
        backend.process.stop().await;
    });
}
