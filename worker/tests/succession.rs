//! Stories about workers that come and go, and about jobs that wait for them.

mod support;

use std::collections::BTreeSet;

use pipelinex_common::{
    slug::Slug,
    state::{JobState, Reason, StepState},
    store::Job,
};
use support::{names, story, text, until};

const COUNTING: &str = r#"
stages: [S]
count: {stage: S, image: scan, script: ["for i in $(seq 300); do echo line $i; sleep 0.02; done"]}
"#;

fn container_of(job: &Job, attempt: u32, step: &str) -> String {
    format!("pipelinex-{}-a{attempt}-t1-{step}", job.id())
}

#[test]
fn a_successor_goes_on_with_the_running_container_and_loses_no_line() {
    story(async |world| {
        let job = world.submit(COUNTING, &[]);
        let log = job.paths().log(&Slug::of("count"));
        for lines in [20, 80, 140] {
            let working = world.work();
            until("some lines are there", async || {
                std::fs::read_to_string(&log).ok().filter(|text| text.lines().count() > lines)
            })
            .await;
            working.stop().await;
            assert!(job.final_record().unwrap().is_none(), "the job goes on without a worker");
        }
        let end = world.run(&job).await;
        assert_eq!((end.state, end.attempt, end.claim), (JobState::Succeeded, 1, 4), "{end:#?}");
        let lines: Vec<String> = text(&log).lines().skip(1).map(str::to_owned).collect();
        let expected: Vec<String> = (1..=300).map(|n| format!("line {n}")).collect();
        assert_eq!(lines, expected, "each line once, in order");
        // Whoever watched it at its end: its time is that of its container.
        let record = &end.stages["S"].steps[0];
        let began = job.start_of(&Slug::of("count")).unwrap().unwrap();
        assert_eq!(record.started_at, Some(began.at));
        assert!(record.duration_ms.unwrap() >= 300 * 20, "{record:?}");
    });
}

#[test]
fn a_step_that_ended_while_nobody_watched_is_not_run_again() {
    story(async |world| {
        let definition = r#"
stages: [A, B]
default: {image: scan}
A: {stage: A, script: ["echo once; sleep 1"], timeout: 3 seconds}
B: {stage: B, script: ["echo after"]}
"#;
        let job = world.submit(definition, &[]);
        let working = world.work();
        let log = job.paths().log(&Slug::of("A"));
        until("A has begun", async || std::fs::read_to_string(&log).ok().filter(|text| text.contains("\nonce"))).await;
        working.stop().await;
        until("A's container has ended", async || {
            let status = world.engine.inspect(&container_of(&job, 1, "a")).await.unwrap()?;
            (status.phase == pipelinex_worker::engine::Phase::Ended).then_some(())
        })
        .await;
        until("nobody has come for longer than A may run", async || {
            let status = world.engine.inspect(&container_of(&job, 1, "a")).await.unwrap()?;
            (status.ran_for() > std::time::Duration::from_secs(4)).then_some(())
        })
        .await;
        let end = world.run(&job).await;
        assert_eq!((end.state, end.attempt), (JobState::Succeeded, 1), "it took no longer than it may: {end:#?}");
        assert_eq!(text(log).matches("\nonce\n").count(), 1);
    });
}

/// For a moment a container that somebody removes looks like one that was killed: a script that failed like that has failed.
#[test]
fn a_script_that_failed_while_nobody_watched_is_not_tried_again() {
    story(async |world| {
        let definition = r#"
stages: [S]
default: {image: scan}
three: {stage: S, script: ["echo once; until [ -e $REPORTS_DIR/go ]; do sleep 0.05; done; exit 3"]}
said: {stage: S, script: ["echo once; until [ -e $REPORTS_DIR/go ]; do sleep 0.05; done; exit 137"]}
killed: {stage: S, script: ["echo once; until [ -e $REPORTS_DIR/go ]; do sleep 0.05; done; bash -c 'kill -9 $$'"]}
"#;
        world.config.parallel_steps = 3;
        let job = world.submit(definition, &[]);
        let steps = [("three", 3), ("said", 137), ("killed", 137)];
        let working = world.work();
        for (step, _) in steps {
            let log = job.paths().log(&Slug::of(step));
            until("it has begun", async || std::fs::read_to_string(&log).ok().filter(|text| text.contains("\nonce")))
                .await;
        }
        working.stop().await;
        for (step, code) in steps {
            std::fs::write(job.paths().outbox_of(&Slug::of(step)).join("go"), "").unwrap();
            let ended = until("its container has ended", async || {
                let status = world.engine.inspect(&container_of(&job, 1, step)).await.unwrap()?;
                (status.phase == pipelinex_worker::engine::Phase::Ended).then_some(status)
            })
            .await;
            assert_eq!(ended.exit_code, code, "{step}");
        }
        let working = world.work();
        let (end, attempts) = until("the job ends or is tried again", async || {
            let (end, attempts) = (job.final_record().unwrap(), names(job.paths().attempts()));
            (end.is_some() || attempts.len() > 1).then_some((end, attempts))
        })
        .await;
        working.stop().await;
        assert_eq!(attempts, ["1"], "a script that fails is not tried again");
        let end = end.unwrap();
        assert_eq!((end.state, end.reason), (JobState::Failed, Some(Reason::ScriptFailure)), "{end:#?}");
        for ((step, code), meaning) in steps.into_iter().zip(["", " (killed)", " (killed)"]) {
            let record = end.stages["S"].steps.get(&Slug::of(step)).unwrap();
            assert_eq!((record.status, record.reason), (StepState::Failed, Some(Reason::ScriptFailure)), "{record:?}");
            assert_eq!((record.attempt, record.exit_code), (Some(1), Some(code)), "{record:?}");
            assert_eq!(record.message, format!("the script ended with code {code}{meaning}"));
            assert_eq!(text(job.paths().log(&Slug::of(step))).matches("\nonce\n").count(), 1, "run once");
        }
    });
}

#[test]
fn a_container_that_vanishes_is_a_new_attempt_until_the_budget_is_spent() {
    story(async |world| {
        world.config.attempt_budget = 2;
        let job = world.submit("stages: [S]\nS: {stage: S, image: scan, script: [\"echo begun; sleep 1000\"]}\n", &[]);
        let working = world.work();
        for attempt in [1, 2] {
            let name = container_of(&job, attempt, "s");
            until("the container runs", async || {
                let status = world.engine.inspect(&name).await.unwrap()?;
                (status.phase == pipelinex_worker::engine::Phase::Running).then_some(())
            })
            .await;
            world.engine.remove_container(&name).await.unwrap();
        }
        let end = world.end_of(&job).await;
        working.stop().await;
        assert_eq!((end.state, end.reason), (JobState::Failed, Some(Reason::WorkerLost)), "{end:#?}");
        assert_eq!(end.stages["S"].status, StepState::Failed);
    });
}

#[test]
fn two_workers_end_twelve_jobs_once_each() {
    story(async |world| {
        let definition = "stages: [S]\nS: {stage: S, image: scan, script: [\"echo ran\"]}\n";
        let jobs: Vec<Job> = (0..12).map(|_| world.submit(definition, &[])).collect();
        let (first, second) = (world.work(), world.work());
        let mut claims = BTreeSet::new();
        for job in &jobs {
            let end = world.end_of(job).await;
            assert_eq!((end.state, end.attempt), (JobState::Succeeded, 1));
            assert_eq!(text(job.paths().log(&Slug::of("S"))).matches("\nran\n").count(), 1, "run once");
            claims.insert(end.claim);
        }
        first.stop().await;
        second.stop().await;
        assert_eq!(claims, BTreeSet::from([1]), "nobody took over from anybody");
    });
}

#[test]
fn a_live_record_that_is_torn_is_put_aside_and_drawn_again() {
    story(async |world| {
        let job = world.submit("stages: [S]\nS: {stage: S, image: scan, script: [\"true\"]}\n", &[]);
        std::fs::remove_file(job.paths().state()).unwrap();
        std::fs::create_dir(job.paths().state()).unwrap();
        assert_eq!(world.run(&job).await.state, JobState::Succeeded);
        assert!(text(job.paths().state()).contains("SUCCEEDED"));
        let names = std::fs::read_dir(job.paths().root()).unwrap().map(|e| e.unwrap().file_name());
        assert_eq!(names.filter(|name| name.to_string_lossy().starts_with("state.json.torn-")).count(), 1);
    });
}

#[test]
fn a_job_whose_files_cannot_be_read_stops_no_other() {
    story(async |world| {
        let definition = "stages: [S]\nS: {stage: S, image: scan, script: [\"true\"]}\n";
        let [torn, newer, fine] = [(); 3].map(|()| world.submit(definition, &[]));
        std::fs::write(torn.paths().metadata(), "{\"schema\": 1, \"job_").unwrap();
        std::fs::write(newer.paths().state(), "{\"schema\": 99, \"novel\": true}").unwrap();
        assert_eq!(world.run(&fine).await.state, JobState::Succeeded);
        assert!(torn.final_record().unwrap().is_none(), "it is left as it is");
        assert!(newer.final_record().unwrap().is_none() && text(newer.paths().state()).contains("novel"));
    });
}
