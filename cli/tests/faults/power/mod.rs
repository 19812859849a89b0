//! Power cuts: every system call of a backend and a worker that take two jobs from their submission to their ends, recorded by
//! strace; and all that may be on the disk after a cut behind each of them. `common/tests/crash/` does the same with the calls of
//! the store alone, and lets each sync fail once.

#[path = "../../../../common/tests/crash/disk.rs"]
mod disk;
mod judge;
#[path = "../../../../common/tests/crash/trace.rs"]
mod trace;

use std::{
    collections::{BTreeMap, HashSet},
    path::PathBuf,
};

use pipelinex_common::testing::history::{self, Event, Evidence, Violation};
use reqwest::multipart::{Form, Part};
use serde_json::Value;

use self::{
    disk::{Disk, Tree},
    judge::{Jobs, LINES},
    trace::{Call, Reading, traced, whole},
};
use crate::{
    event_log::EventLog,
    fake::FakeEngine,
    figures::{self, times},
    projects::{shell, shell_project},
    server::Process,
    trial::{QUICK, Trial, left_in},
    world::{Through, World, story, text, until},
};

/// How many states are brought to their ends at once.
const AT_ONCE: usize = 4;
/// How many states behind each call are looked at in the short form.
const OF_EACH_CALL: usize = 6;

/// What a backend and then a worker asked of the disk: for one job that succeeds, and one that is canceled before it began.
async fn recorded(world: &mut World) -> (Jobs, Vec<Call>) {
    let (mut trial, engine) = Trial::over_fake(world).await;
    engine.prints(LINES);
    let (root, events) = (trial.world.workspaces.clone(), trial.log.path().to_owned());
    std::fs::create_dir(&root).unwrap();
    let mut reading = Reading::new(&root, &events);
    let log = |name: &str| events.with_file_name(format!("{name}.strace"));

    trial.world.through = Some(through(log("backend")));
    let backend = trial.backend("", &[]).await;
    let succeeds = submit(&backend.http, &backend.url("/api/jobs/upload")).await;
    trial.log.answered(&succeeds);
    let canceled = trial.submit(&backend, QUICK).await;
    let cancel = backend.url(&format!("/api/jobs/{canceled}/cancel"));
    assert_eq!(backend.answer(backend.http.post(cancel)).await.status, 202);
    backend.process.stop().await;
    reading.take_in(&whole(&log("backend")));

    trial.world.through = Some(through(log("worker")));
    let worker = trial.worker("", &["--copy-trees"]);
    trial.all_end().await;
    worker.stop().await;
    reading.take_in(&whole(&log("worker")));
    trial.world.through = None;
    (Jobs { succeeds, canceled }, reading.calls())
}

fn through(log: PathBuf) -> Through {
    Box::new(move |command| traced(command, &log, None))
}

/// With a key, which is a file as well.
async fn submit(http: &reqwest::Client, url: &str) -> String {
    let form = Form::new().part("project_zip", Part::bytes(shell_project(QUICK)).file_name("app.zip"));
    let form = form.text("metadata", shell().to_string());
    let answer = http.post(url).header("idempotency-key", "power").multipart(form).send().await.unwrap();
    let metadata: serde_json::Value = answer.json().await.unwrap();
    metadata["job_id"].as_str().unwrap().to_owned()
}

/// What somebody was told in these calls.
fn told(calls: &[Call]) -> Vec<Event> {
    let lines = calls.iter().filter_map(|call| if let Call::Told { what } = call { Some(what.as_str()) } else { None });
    Event::read(&lines.collect::<String>())
}

/// The states after every call, once, with the number of calls before each: all of them, or in the short form some of each call.
fn states(calls: &[Call]) -> impl Iterator<Item = (usize, Tree)> {
    let most = if figures::is_long() { usize::MAX } else { OF_EACH_CALL };
    let (disk, mut seen) = (Disk::new(calls), HashSet::new());
    (0..=calls.len()).flat_map(move |cut| {
        let said = calls[..cut].iter().filter(|call| matches!(call, Call::Told { .. })).count();
        let fresh = |tree: &Tree| seen.insert((tree.clone(), said));
        let trees: Vec<Tree> = disk.after(cut, most).into_iter().filter(fresh).collect();
        trees.into_iter().map(move |tree| (cut, tree))
    })
}

#[test]
fn a_power_cut_at_any_moment_of_two_jobs_loses_nothing_that_was_told_and_leaves_nothing_half() {
    story(async |world| {
        let (jobs, calls) = recorded(world).await;
        let mut count = 0;
        for (cut, tree) in states(&calls) {
            count += 1;
            let judged = judge::judge(&tree, &told(&calls[..cut]), &jobs);
            assert_eq!(judged, Ok(()), "after {:?}", calls[..cut].last());
        }
        let note = format!("{count} states of the disk behind {} calls", calls.len());
        figures::row("power cut behind each system call of two jobs", calls.len(), 2, &[], 0, &note);
        assert!(count > 2 * calls.len(), "{count}");
        for kind in ["files", "folders", "all"] {
            let is_of_kind = |call: &Call| match call {
                Call::SyncFile { .. } => kind == "files",
                Call::SyncDir { .. } => kind == "folders",
                Call::SyncAll => kind == "all",
                _ => false,
            };
            let without: Vec<Call> = calls.iter().filter(|call| !is_of_kind(call)).cloned().collect();
            let wrong =
                states(&without).find_map(|(cut, tree)| judge::judge(&tree, &told(&without[..cut]), &jobs).err());
            println!("without the syncs of {kind}: {wrong:?}");
            assert!(wrong.is_some(), "without the syncs of {kind}");
        }
    });
}

#[test]
fn whatever_a_power_cut_has_left_a_worker_brings_it_to_the_same_end() {
    story(async |world| {
        let (jobs, calls) = recorded(world).await;
        let admitted =
            calls.iter().position(|call| matches!(call, Call::Told { what } if what.contains("admit"))).unwrap();
        let mut states: Vec<_> = states(&calls).filter(|(cut, _)| *cut > admitted).collect();
        figures::chance("power cuts").shuffle(&mut states);
        states.truncate(times(8, 150));
        let (mut violations, mut count) = (Vec::new(), 0);
        for (round, some) in states.chunks(AT_ONCE).enumerate() {
            let ends = some
                .iter()
                .enumerate()
                .map(|(n, (cut, tree))| AfterCut::new(world, &format!("cut-{round}-{n}"), tree, told(&calls[..*cut])));
            for end in ends.collect::<Vec<_>>() {
                let (there, wrong) = end.comes(&jobs).await;
                count += there;
                violations.extend(wrong);
            }
        }
        let note = "a worker takes up what is left, and no container is";
        figures::row("power cut, and the jobs go on", states.len(), count, &violations, 0, note);
        assert_eq!(violations, []);
    });
}

/// A folder that a power cut has left, an engine without any container, and a worker.
struct AfterCut {
    root: PathBuf,
    engine: FakeEngine,
    worker: Process,
    log: EventLog,
    told: Vec<Event>,
}

impl AfterCut {
    fn new(world: &mut World, name: &str, tree: &Tree, told: Vec<Event>) -> Self {
        let root = world.path(name);
        std::fs::create_dir(&root).unwrap();
        disk::lay_out(tree, &root);
        let log = EventLog::new(world.path(&format!("{name}.jsonl")));
        let engine = FakeEngine::new(&world.path(&format!("{name}.sock")), log.clone());
        engine.prints(LINES);
        let (workspaces, events) = (root.to_str().unwrap(), log.path().to_str().unwrap().to_owned());
        let variables =
            [("PIPELINEX_WORKSPACES", workspaces), ("PIPELINEX_EVENTS", &events), ("DOCKER_HOST", &engine.host)];
        let worker = world.start_with(&["worker", "--reconcile-every", "1s", "--copy-trees"], &variables);
        Self { root, engine, worker, log, told }
    }

    /// Waits for the ends of all jobs that are there, and judges them: how many there are, and what is wrong with their history.
    async fn comes(self, jobs: &Jobs) -> (usize, Vec<Violation>) {
        let Self { root, engine, worker, log, told } = self;
        let mut ends = BTreeMap::new();
        for id in [&jobs.succeeds, &jobs.canceled].into_iter().filter(|id| root.join(id).exists()) {
            let end = root.join(id).join("final.json");
            until("the job ends", async || end.exists().then_some(())).await;
            let end: Value = serde_json::from_str(&text(end)).unwrap();
            ends.insert(id.clone(), end["state"].as_str().map(str::to_owned));
        }
        worker.stop().await;
        judge::ended(&root, &told, jobs).unwrap();
        let mut left_over = engine.everything();
        left_over.extend(ends.keys().flat_map(|id| left_in(&root.join(id))));
        // A claim under which nothing was done may be gone, and its number come again.
        let mut events: Vec<Event> = told.into_iter().filter(|event| event.name != "claim").collect();
        events.extend(Event::read(&text(log.path())));
        std::fs::remove_dir_all(&root).unwrap();
        (ends.len(), history::judge(&Evidence { events, jobs: ends, left_over }))
    }
}
