//! Stories about steps and jobs that have only so much time, whoever looks after them and whatever the clock on the wall says.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says so")]

mod support;

use std::{fs, path::Path, time::Duration};

use pipelinex_common::{
    clock::{EngineRun, Stamp},
    slug::Slug,
    state::{JobState, Reason, StepState},
    store::Job,
};
use pipelinex_worker::{config::WorkerConfig, engine::Phase};
use serde::{Serialize, de::DeserializeOwned};
use support::{World, story, text, until};

/// Waits for the story's word.
const GATED: &str = r#"stages: [S]
S: {stage: S, image: scan, script: ["echo begun", "until [ -e $REPORTS_DIR/go ]; do sleep 0.05; done"]}
"#;

async fn begun(job: &Job, step: &str) {
    let log = job.paths().log(&Slug::of(step));
    let said = async || fs::read_to_string(&log).ok().filter(|text| text.contains("\nbegun\n"));
    until(&format!("{step} has begun"), said).await;
}

/// A job whose only step runs, and whose worker is gone.
async fn left_alone(world: &World) -> Job {
    let job = world.submit(GATED, &[]);
    let working = world.work();
    begun(&job, "S").await;
    working.stop().await;
    job
}

/// Waits until the container of the only step has ended.
async fn has_ended(world: &World, job: &Job) {
    let name = format!("pipelinex-{}-a1-t1-s", job.id());
    let ended = async || world.engine.inspect(&name).await.unwrap().filter(|status| status.phase == Phase::Ended);
    until("the container has ended", ended).await;
}

/// Changes the moment at which something is said to have begun.
fn set_clock(file: &Path, change: impl Fn(&mut Stamp)) {
    rewrite(file, "clock", change);
}

/// Changes a part of a record.
fn rewrite<T: Serialize + DeserializeOwned>(file: &Path, part: &str, change: impl Fn(&mut T)) {
    let mut record: serde_json::Value = serde_json::from_slice(&fs::read(file).unwrap()).unwrap();
    let mut value: T = serde_json::from_value(record[part].clone()).unwrap();
    change(&mut value);
    record[part] = serde_json::to_value(value).unwrap();
    fs::write(file, serde_json::to_vec(&record).unwrap()).unwrap();
}

fn hours(stamp: &mut Stamp, hours: i64) {
    stamp.at += jiff::SignedDuration::from_hours(hours);
}

fn an_hour_ago_on_this_boot(stamp: &mut Stamp) {
    stamp.since_boot_ms = stamp.since_boot_ms.saturating_sub(3600 * 1000);
}

#[test]
fn a_job_that_runs_too_long_ends_what_runs_and_starts_nothing_more() {
    story(async |world| {
        // Long enough for a busy machine to start a container in.
        world.config.job_timeout = Duration::from_secs(12);
        let definition = r#"
stages: [A, B]
default: {image: scan}
stubborn: {stage: A, script: ["trap '' TERM; while :; do sleep 0.1; done"]}
after: {stage: B, script: ["true"], when: always}
"#;
        let job = world.submit(definition, &[]);
        let end = world.run(&job).await;
        assert_eq!((end.state, end.reason), (JobState::Failed, Some(Reason::Timeout)), "{end:#?}");
        let error = end.error.unwrap();
        assert!(error.contains("12 seconds") && error.contains("PIPELINEX_JOB_TIMEOUT"), "{error}");
        let record = |stage: &str, step: &str| end.stages[stage].steps[&Slug::of(step)].clone();
        let (stubborn, after) = (record("A", "stubborn"), record("B", "after"));
        assert_eq!((stubborn.status, stubborn.reason), (StepState::Failed, Some(Reason::Timeout)), "{stubborn:#?}");
        assert_eq!((after.status, after.reason), (StepState::Skipped, Some(Reason::Timeout)), "{after:#?}");
        assert!(text(job.paths().log(&Slug::of("stubborn"))).contains("$ trap"), "what was printed is kept");
    });
}

#[test]
fn what_sets_a_limit_is_named() {
    story(async |world| {
        world.config.limits.timeout_seconds = 2;
        for (own, seconds, set_by) in [
            ("", "2 seconds", "PIPELINEX_STEP_TIMEOUT"),
            (", timeout: 1 second", "1 seconds", "`timeout` in the pipeline"),
        ] {
            let job =
                world.submit(&format!("stages: [S]\nS: {{stage: S, image: scan, script: [sleep 1000]{own}}}\n"), &[]);
            let end = world.run(&job).await;
            assert_eq!(end.reason, Some(Reason::Timeout), "{end:#?}");
            let message = &end.stages["S"].steps[0].message;
            assert!(message.contains(seconds) && message.contains(set_by), "{message}");
        }
    });
}

#[test]
fn f42_neither_a_restart_nor_the_clock_on_the_wall_gives_or_takes_a_step_its_time() {
    story(async |world| {
        type Change = fn(&mut Stamp);
        let changes: [(&str, Change, bool); 5] = [
            ("the wall says ten hours ago", |stamp| hours(stamp, -10), true),
            ("the wall says in ten hours", |stamp| hours(stamp, 10), true),
            ("an hour ago, and nobody looked", an_hour_ago_on_this_boot, false),
            // The engine knows that the container is younger.
            ("ten hours ago on another boot", |stamp| (hours(stamp, -10), stamp.boot_id = "x".into()).1, true),
            ("in ten hours on another boot", |stamp| (hours(stamp, 10), stamp.boot_id = "x".into()).1, true),
        ];
        for (what, change, in_time) in changes {
            let job = left_alone(world).await;
            set_clock(&job.paths().start(&Slug::of("S")), change);
            ends_when_taken_up(world, &job, in_time, what).await;
        }
    });
}

/// A worker takes the job up and brings it to its end: by itself once its step goes on, or because its time is over.
async fn ends_when_taken_up(world: &World, job: &Job, in_time: bool, what: &str) {
    let working = world.work();
    if in_time {
        let claim = job.paths().claim(2);
        until("it is taken once more", async || claim.exists().then_some(())).await;
        fs::write(job.paths().outbox_of(&Slug::of("S")).join("go"), "").unwrap();
    }
    let end = world.end_of(job).await;
    working.stop().await;
    let expected = if in_time { (JobState::Succeeded, None) } else { (JobState::Failed, Some(Reason::Timeout)) };
    assert_eq!((end.state, end.reason, end.attempt), (expected.0, expected.1, 1), "{what}: {end:#?}");
}

/// Ends with code 0 at the story's word, also when it is asked to end.
const PATIENT: &str = r#"stages: [S]
S: {stage: S, image: scan, script: ["wait_for() { until [ -e $REPORTS_DIR/$1 ]; do sleep 0.05; done; }", "trap 'echo asked; wait_for go; exit 0' TERM", "echo begun", "wait_for go"]}
"#;

#[test]
fn a_step_that_was_being_ended_for_its_time_has_not_succeeded_whoever_takes_it_up() {
    story(async |world| {
        world.config.limits.timeout_seconds = 8;
        let job = world.submit(PATIENT, &[]);
        let (working, step) = (world.work(), Slug::of("S"));
        let log = job.paths().log(&step);
        let asked = async || fs::read_to_string(&log).ok().filter(|text| text.ends_with("\nasked\n"));
        until("it is asked to end", asked).await;
        working.stop().await;
        fs::write(job.paths().outbox_of(&step).join("go"), "").unwrap();
        has_ended(world, &job).await;
        let end = world.run(&job).await;
        let record = &end.stages["S"].steps[0];
        assert_eq!((record.status, record.reason), (StepState::Failed, Some(Reason::Timeout)), "{end:#?}");
        assert!(record.message.contains("PIPELINEX_STEP_TIMEOUT") && end.attempt == 1, "{end:#?}");
    });
}

#[test]
fn a_step_that_ended_while_nobody_watched_took_as_long_as_both_clocks_say() {
    story(async |world| {
        type Change = fn(&mut Stamp);
        let changes: [(&str, Change, bool); 5] = [
            ("an hour ago", |stamp| (an_hour_ago_on_this_boot(stamp), hours(stamp, -1)).1, false),
            ("the wall alone says an hour ago", |stamp| hours(stamp, -1), true),
            ("the wall alone says in an hour", |stamp| hours(stamp, 1), true),
            ("the wall was set back", an_hour_ago_on_this_boot, true),
            (
                "an hour ago on another boot, and the container is younger",
                |stamp| (hours(stamp, -1), stamp.boot_id = "x".into()).0,
                true,
            ),
        ];
        for (what, change, in_time) in changes {
            let job = left_alone(world).await;
            set_clock(&job.paths().start(&Slug::of("S")), change);
            fs::write(job.paths().outbox_of(&Slug::of("S")).join("go"), "").unwrap();
            has_ended(world, &job).await;
            let end = world.run(&job).await;
            let expected =
                if in_time { (JobState::Succeeded, None) } else { (JobState::Failed, Some(Reason::Timeout)) };
            assert_eq!((end.state, end.reason, end.attempt), (expected.0, expected.1, 1), "{what}: {end:#?}");
        }
    });
}

#[test]
fn f42_the_time_of_a_job_runs_on_without_a_worker_and_by_no_clock_on_the_wall() {
    story(async |world| {
        for (change, in_time) in
            [(an_hour_ago_on_this_boot as fn(&mut Stamp), false), (|stamp| hours(stamp, -10), true)]
        {
            let job = left_alone(world).await;
            set_clock(&job.paths().attempt(1), change);
            let working = world.work();
            if in_time {
                fs::write(job.paths().outbox_of(&Slug::of("S")).join("go"), "").unwrap();
            }
            let end = world.end_of(&job).await;
            working.stop().await;
            let expected =
                if in_time { (JobState::Succeeded, None) } else { (JobState::Failed, Some(Reason::Timeout)) };
            assert_eq!((end.state, end.reason, end.attempt), (expected.0, expected.1, 1), "{end:#?}");
            assert_eq!(end.error.is_some_and(|error| error.contains("PIPELINEX_JOB_TIMEOUT")), !in_time);
        }
    });
}

#[test]
fn f42_after_a_reboot_the_engine_and_the_submission_bound_what_the_wall_says_of_a_job() {
    story(async |world| {
        type Change<T> = fn(&mut T);
        let foreign: Change<EngineRun> = |run| (earlier_run(run), run.id.push('x')).1;
        let cases: [(&str, i64, Change<EngineRun>, bool); 4] = [
            ("ahead, and the engine was started since", 10, earlier_run, false),
            ("ahead, under the engine that runs", 10, |_| {}, true),
            ("ahead, under another engine", 10, foreign, true),
            ("decades behind, and submitted just now", -400_000, |_| {}, true),
        ];
        for (what, wall, change, in_time) in cases {
            let job = left_alone(world).await;
            let first = job.paths().attempt(1);
            set_clock(&first, |stamp| (hours(stamp, wall), stamp.boot_id = "x".into()).0);
            // The first step began by the same clock.
            set_clock(&job.paths().start(&Slug::of("S")), |stamp| (hours(stamp, wall), stamp.boot_id = "x".into()).0);
            rewrite(&first, "engine", change);
            // Less than the engine has been running for.
            let runs_for = jiff::Timestamp::now().duration_since(world.engine.running_since().await.unwrap().unwrap());
            world.config.job_timeout = Duration::try_from(runs_for).unwrap() / 2;
            ends_when_taken_up(world, &job, in_time, what).await;
            world.config.job_timeout = WorkerConfig::default().job_timeout;
        }
    });
}

fn earlier_run(run: &mut EngineRun) {
    run.since -= jiff::SignedDuration::from_hours(1);
}

#[test]
fn a_worker_that_drains_finishes_what_runs_and_takes_nothing_new() {
    story(async |world| {
        let running = world.submit(GATED, &[]);
        let working = world.work();
        begun(&running, "S").await;
        working.begin_to_drain();
        let waiting = world.submit(GATED, &[]);
        fs::write(running.paths().outbox_of(&Slug::of("S")).join("go"), "").unwrap();
        working.drain().await;
        let end = running.final_record().unwrap().unwrap();
        assert_eq!((end.state, end.claim), (JobState::Succeeded, 1), "{end:#?}");
        assert!(!waiting.paths().claim(1).exists(), "it waits for the next worker");
    });
}

#[test]
fn a_worker_that_drains_can_be_told_to_let_go_after_all() {
    story(async |world| {
        let job = world.submit(GATED, &[]);
        let working = world.work();
        begun(&job, "S").await;
        working.begin_to_drain();
        working.stop().await;
        assert!(job.final_record().unwrap().is_none(), "it is left to the next worker");
        fs::write(job.paths().outbox_of(&Slug::of("S")).join("go"), "").unwrap();
        assert_eq!(world.run(&job).await.state, JobState::Succeeded);
    });
}
