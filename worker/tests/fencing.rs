//! Stories about a holder that is stopped, and wakes up when its job is another's.

#![allow(clippy::unwrap_used)]

mod holder;
mod support;

use std::{collections::BTreeMap, fs, time::Duration};

use holder::Holder;
use pipelinex_common::{
    id::JobId,
    slug::Slug,
    state::JobState,
    store::{Job, WorkerIdentity},
};
use pipelinex_worker::engine::Phase;
use rustix::process::Signal;
use support::{story, text, until};

/// A heartbeat is dead after so long in these stories: as many looks as ever, in less time.
const SOON: Duration = Duration::from_secs(1);

/// Prints numbered lines until the story lets it end.
const COUNTING: &str = r#"
stages: [A, B]
default: {image: scan}
A: {stage: A, script: ['n=0; until [ -e "$REPORTS_DIR/go" ]; do n=$((n+1)); echo "line $n"; sleep 0.02; done; mkdir -p "$REPORTS_DIR/a"; echo $n > "$REPORTS_DIR/a/count"']}
B: {stage: B, script: ['echo begun; until [ -e "$REPORTS_DIR/go" ]; do sleep 0.05; done; echo done']}
"#;

fn release(job: &Job, step: &str) {
    fs::write(job.paths().outbox_of(&Slug::of(step)).join("go"), "").unwrap();
}

async fn printed(job: &Job, step: &str, what: &str) {
    let log = job.paths().log(&Slug::of(step));
    until(&format!("{step} prints {what}"), async || fs::read_to_string(&log).ok()?.contains(what).then_some(())).await;
}

/// Each line once, in order, as many as the step itself has counted.
fn assert_counted(job: &Job) {
    let log = text(job.paths().log(&Slug::of("A")));
    let lines: Vec<&str> = log.lines().filter(|line| line.starts_with("line ")).collect();
    let count: usize = text(job.paths().reports().join("a/count")).trim().parse().unwrap();
    assert_eq!(lines, (1..=count).map(|n| format!("line {n}")).collect::<Vec<_>>());
}

#[test]
fn a_holder_that_is_stopped_is_killed_before_its_job_is_taken() {
    story(async |world| {
        let job = world.submit(COUNTING, &[]);
        let mut holder = Holder::start(world, None, "");
        printed(&job, "A", "line 20\n").await;
        holder.signal(Signal::STOP);
        let successor = world.work_as(WorkerIdentity::of_this_process(), SOON);
        until("the job is taken", async || job.paths().claim(2).exists().then_some(())).await;
        let status = until("the holder has ended", async || holder.0.try_wait().unwrap()).await;
        assert_eq!(std::os::unix::process::ExitStatusExt::signal(&status), Some(9));
        printed(&job, "A", "line 60\n").await;
        release(&job, "A");
        printed(&job, "B", "begun\n").await;
        release(&job, "B");
        let end = world.end_of(&job).await;
        successor.stop().await;
        assert_eq!((end.state, end.attempt, end.claim), (JobState::Succeeded, 1, 2), "{end:#?}");
        assert_counted(&job);
    });
}

#[test]
fn a_holder_on_another_machine_that_wakes_up_changes_nothing() {
    story(async |world| {
        let job = world.submit(COUNTING, &[]);
        let mut holder = Holder::start(world, Some("another machine"), "");
        printed(&job, "A", "line 20\n").await;
        holder.signal(Signal::STOP);
        let successor = world.work_as(WorkerIdentity::of_this_process(), SOON);
        until("the job is taken", async || job.paths().claim(2).exists().then_some(())).await;
        printed(&job, "A", "line 60\n").await;
        release(&job, "A");
        printed(&job, "B", "begun\n").await;
        // It wakes up when the step that it followed has ended, and the next one runs.
        holder.signal(Signal::CONT);
        holder.lets_go(&job).await;
        assert!(holder.0.try_wait().unwrap().is_none(), "it lives: nobody may kill by a number of another machine");
        let state: serde_json::Value = serde_json::from_str(&text(job.paths().state())).unwrap();
        assert_eq!(state["claim"], 2, "the older holder draws nothing");
        release(&job, "B");
        let end = world.end_of(&job).await;
        successor.stop().await;
        assert_eq!((end.state, end.attempt, end.claim), (JobState::Succeeded, 1, 2), "{end:#?}");
        assert_eq!(job.end_of(&Slug::of("A")).unwrap().unwrap().claim, 2, "the older holder records nothing");
        assert_counted(&job);
        let log = text(job.paths().log(&Slug::of("B")));
        assert!(log.ends_with("begun\ndone\n") && log.matches("begun\n").count() == 1, "{log}");
    });
}

/// Every file of a job that a reader may believe, by path. Not the logs: a holder that was overtaken may append to a file that its
/// successor puts another in the place of, before it reads on; the story before this one has such a successor.
#[cfg(feature = "faults")]
fn belief(job: &Job) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let mut folders = vec![job.paths().root().to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap().map(Result::unwrap) {
            let path = entry.path();
            let name = path.strip_prefix(job.paths().root()).unwrap().display().to_string();
            let passing =
                [".collecting", "handling", "claims", "trees", "outbox", "inputs", "source", "logs", ".reserve"];
            if passing.iter().any(|passing| name.starts_with(passing)) {
                continue;
            }
            match entry.file_type().unwrap().is_dir() {
                true => folders.push(path),
                false => _ = found.insert(name, fs::read_to_string(&path).unwrap()),
            }
        }
    }
    found
}

/// The point at which the holder is stopped, and whether its container is on the engine by then.
#[cfg(feature = "faults")]
const STOPS: [(&str, bool); 8] = [
    ("worker.creating", false),
    ("worker.created", true),
    ("worker.starting", true),
    ("worker.started", true),
    ("worker.exited", true),
    ("handling.collect-s", true),
    ("worker.recording", true),
    ("worker.before-final", false),
];

#[cfg(feature = "faults")]
#[test]
fn wherever_a_holder_was_stopped_it_does_nothing_more_once_it_is_overtaken() {
    story(async |world| {
        let definition = "stages: [S]\nS: {stage: S, image: scan, script: ['echo once; mkdir -p \"$REPORTS_DIR/s\"; echo it > \"$REPORTS_DIR/s/note\"']}\n";
        for (point, made) in STOPS {
            let job = world.submit(definition, &[]);
            let name = format!("pipelinex-{}-a1-t1-s", job.id());
            let holder = Holder::start(world, None, &format!("{point}=1*stop"));
            holder.stops().await;
            // Claimed by somebody who does nothing, so that whatever changes was the older holder's doing.
            fs::write(job.paths().claim(2), "").unwrap();
            let before = belief(&job);
            holder.signal(Signal::CONT);
            holder.lets_go(&job).await;
            assert_eq!(belief(&job), before, "{point}");
            let there = world.engine.inspect(&name).await.unwrap().map(|status| status.phase);
            assert_eq!(there.is_some(), made, "{point}: {there:?}");
            assert!(point != "worker.created" || there == Some(Phase::Created), "{point}: {there:?}");
            drop(holder);
            // The successor goes on from there as if nothing had been.
            fs::remove_file(job.paths().claim(2)).unwrap();
            let end = world.run(&job).await;
            assert_eq!((end.state, end.attempt, end.claim), (JobState::Succeeded, 1, 2), "{point}: {end:#?}");
            assert_eq!(text(job.paths().log(&Slug::of("S"))).matches("\nonce\n").count(), 1, "{point}");
            assert_eq!(text(job.paths().reports().join("s/note")), "it\n", "{point}");
        }
    });
}

#[cfg(feature = "faults")]
#[test]
fn what_a_holder_made_too_late_it_removes() {
    story(async |world| {
        let job = world.submit("stages: [S]\nS: {stage: S, image: scan, script: [\"echo once\"]}\n", &[]);
        let holder = Holder::start(world, Some("another machine"), "worker.creating=1*stop");
        holder.stops().await;
        let successor = world.work_as(WorkerIdentity::of_this_process(), SOON);
        let end = world.end_of(&job).await;
        successor.stop().await;
        assert_eq!((end.state, end.attempt, end.claim), (JobState::Succeeded, 1, 2), "{end:#?}");
        // The job is over and cleaned up after, and now its first holder asks the engine for a container of it.
        holder.signal(Signal::CONT);
        holder.lets_go(&job).await;
        let name = format!("pipelinex-{}-a1-t1-s", job.id());
        assert!(world.engine.inspect(&name).await.unwrap().is_none());
        assert_eq!(text(job.paths().log(&Slug::of("S"))).matches("\nonce\n").count(), 1);
    });
}

#[test]
fn a_stopped_holder_of_a_job_that_was_removed_holds_nothing() {
    story(async |world| {
        let job = world.submit(COUNTING, &[]);
        let holder = Holder::start(world, None, "");
        printed(&job, "A", "line 5\n").await;
        let claim = fs::File::open(job.paths().claim(1)).unwrap();
        let id: JobId = job.id();
        world.store.throw_away(job.paths().root()).unwrap();
        until("the holder lets go", async || claim.try_lock_shared().ok()).await;
        drop(holder);
        let left = pipelinex_worker::sweep::resources(&world.engine, &world.store, id).await.unwrap();
        world.engine.remove(&left).await.unwrap();
    });
}
