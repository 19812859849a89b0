//! How long a job is nobody's after its worker died: measured from what was written down, printed, and not asserted.

use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use crate::{
    figures::{chance, is_long, spread, times},
    projects::{printed, release},
    server::Process,
    trial::Trial,
    world::{story, until},
};

/// Its first step waits until the story lets it go on.
const HELD: &str = "echo begun\n[ \"$STAGE\" = BUILD ] || exit 0\nmkdir made\n\
    until [ -e \"$REPORTS_DIR/go\" ]; do sleep 0.05; done\necho done\n";

#[test]
fn a_job_whose_worker_died_is_taken_over_at_once() {
    story(async |world| {
        let mut chance = chance("takeover");
        let mut trial = Trial::new(world);
        let backend = trial.backend("", &[]).await;
        let id = trial.submit(&backend, HELD).await;
        let mut worker = as_delivered(&mut trial);
        printed(trial.world, &id, "begun").await;
        let (mut restarted, mut others) = (Vec::new(), Vec::new());
        for _ in 0..times(2, 20) {
            trial.kill(worker);
            worker = as_delivered(&mut trial);
            claimed_by(&trial, &worker).await;
            restarted.push(between(&trial, "process", &worker, &worker));
        }
        for _ in 0..times(1, 20) {
            let waits = as_delivered(&mut trial);
            // At any moment between two of its passes, once it is no longer young: then they come more often.
            until("it has begun", async || (events_of(&trial, &waits) > 0).then_some(())).await;
            tokio::time::sleep(Duration::from_millis(chance.u64(6_000..11_000))).await;
            let dead = worker.child.id();
            trial.kill(worker);
            claimed_by(&trial, &waits).await;
            others.push(since_kill(&trial, dead, &waits));
            worker = waits;
        }
        let mut note = format!("{}; {}", spread("by a restarted one", restarted), spread("by another", others));
        if is_long() {
            let mut stopped = Vec::new();
            for _ in 0..3 {
                let waits = as_delivered(&mut trial);
                trial.kills(worker.child.id());
                kill_process(Pid::from_child(&worker.child), Signal::STOP).unwrap();
                claimed_by(&trial, &waits).await;
                stopped.push(since_kill(&trial, worker.child.id(), &waits));
                drop(worker);
                worker = waits;
            }
            note = format!("{note}; {}", spread("of one that was stopped", stopped));
            // A disk that hangs: the process lives and holds its locks, and its heart stands still.
            trial.kill(worker);
            let hangs = trial.worker("worker.beat=3*off->sleep(600000)", &[]);
            claimed_by(&trial, &hangs).await;
            worker = as_delivered(&mut trial);
            claimed_by(&trial, &worker).await;
            trial.kills(hangs.child.id());
            note = format!("{note}; also of one whose disk hangs");
        }
        release(trial.world, &id);
        trial.judged("a job is taken over", "SUCCEEDED", &note).await;
        worker.stop().await;
        backend.process.stop().await;
    });
}

/// A worker with the pauses that it has unless it is told otherwise.
fn as_delivered(trial: &mut Trial<'_>) -> Process {
    trial.world.start(&["worker"])
}

fn events_of(trial: &Trial<'_>, process: &Process) -> usize {
    trial.events().iter().filter(|event| event.pid == u64::from(process.child.id())).count()
}

async fn claimed_by(trial: &Trial<'_>, process: &Process) {
    until("the job is taken over", async || at(trial, "claim", process).map(|_| ())).await;
}

/// When a process wrote down an event for the first time.
fn at(trial: &Trial<'_>, name: &str, process: &Process) -> Option<i64> {
    let pid = u64::from(process.child.id());
    trial.events().iter().find(|event| event.pid == pid && event.name == name).map(|event| event.at_ns)
}

fn between(trial: &Trial<'_>, from: &str, process: &Process, claimer: &Process) -> Duration {
    let (from, to) = (at(trial, from, process).unwrap(), at(trial, "claim", claimer).unwrap());
    Duration::from_nanos((to - from) as u64)
}

fn since_kill(trial: &Trial<'_>, victim: u32, claimer: &Process) -> Duration {
    let victim = victim.to_string();
    let events = trial.events();
    let kill = events.iter().find(|event| event.name == "kill" && event.text("victim") == victim).unwrap();
    Duration::from_nanos((at(trial, "claim", claimer).unwrap() - kill.at_ns) as u64)
}
