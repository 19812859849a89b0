//! Stories about jobs that somebody wishes to be canceled, in every state that a job can be in.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a test that cannot go on says so, and how long it took")]

mod support;

use std::time::Instant;

use pipelinex_common::{
    execution::Execution,
    id::JobId,
    slug::Slug,
    state::{JobState, Reason, StepState},
    store::{Job, Wished},
};
use pipelinex_worker::engine::Phase;
use rustix::fs::{CWD, FileType, Mode, mknodat};
use support::{World, story, text, until};

/// Two steps that wish neither to end nor to be ended, and what would come after them, of which one comes always.
const STUBBORN: &str = r#"
stages: [A, B, C]
default: {image: scan}
left: {stage: A, script: ["trap 'echo asked to end' TERM; echo begun; while :; do sleep 0.1; done"]}
right: {stage: A, needs: [], script: ["echo begun; sleep 1000"], allow_failure: true}
after: {stage: B, script: ["echo never"]}
always: {stage: C, script: ["echo never"], when: always}
"#;

const SLEEPER: &str = "stages: [S]\nS: {stage: S, image: scan, script: [\"echo begun; sleep 1000\"]}\n";

fn wish(job: &Job) {
    assert_eq!(job.wish_cancel("by a test").unwrap(), Wished::Durable);
}

async fn begun(job: &Job, step: &str) {
    let log = job.paths().log(&Slug::of(step));
    let said = async || std::fs::read_to_string(&log).ok().filter(|text| text.contains("\nbegun\n"));
    until(&format!("{step} has begun"), said).await;
}

async fn running_containers(world: &World, names: &[String]) -> usize {
    let mut running = 0;
    for name in names {
        let status = world.engine.inspect(name).await.unwrap();
        running += usize::from(status.is_some_and(|status| status.phase == Phase::Running));
    }
    running
}

fn name(job: &Job, step: &str) -> String {
    format!("pipelinex-{}-a1-t1-{step}", job.id())
}

fn assert_canceled(end: &Execution) {
    assert_eq!((end.state, end.reason), (JobState::Canceled, Some(Reason::CanceledByUser)), "{end:#?}");
    assert_eq!(end.error.as_deref(), Some("asked for by a test"));
}

#[test]
fn what_runs_is_ended_and_canceled_and_what_has_not_begun_is_skipped() {
    story(async |world| {
        let job = world.submit(STUBBORN, &[]);
        let working = world.work();
        begun(&job, "left").await;
        begun(&job, "right").await;
        let wished = Instant::now();
        wish(&job);
        let names = [name(&job, "left"), name(&job, "right")];
        until("both containers have ended", async || (running_containers(world, &names).await == 0).then_some(()))
            .await;
        println!("from the wish to the end of the last container: {} ms", wished.elapsed().as_millis());
        let end = world.end_of(&job).await;
        working.stop().await;
        assert_canceled(&end);
        let expected = [
            ("A", "left", StepState::Canceled, "the job was canceled"),
            ("A", "right", StepState::Canceled, "the job was canceled"),
            ("B", "after", StepState::Skipped, "not started: the job was canceled"),
            ("C", "always", StepState::Skipped, "not started: the job was canceled"),
        ];
        for (stage, step, state, message) in expected {
            let record = &end.stages[stage].steps[&Slug::of(step)];
            assert_eq!((record.status, record.reason), (state, Some(Reason::CanceledByUser)), "{record:#?}");
            assert_eq!(record.message, message);
            assert_eq!(job.end_of(&Slug::of(step)).unwrap().unwrap().record.status, state, "it is recorded, too");
            assert!(state == StepState::Canceled || !job.paths().log(&Slug::of(step)).exists(), "{step} never began");
        }
        let states = ["A", "B", "C"].map(|stage| end.stages[stage].status);
        assert_eq!(states, [StepState::Canceled, StepState::Skipped, StepState::Skipped]);
        let log = text(job.paths().log(&Slug::of("left")));
        assert!(log.contains("asked to end\n"), "it was asked first, and its last words are kept: {log}");
        assert!(matches!(job.wish_cancel("again").unwrap(), Wished::Ended(told) if *told == end));
    });
}

/// Says that there is a newer job of the branch.
fn supersede(job: &Job) -> JobId {
    let newer = JobId::generate();
    std::fs::create_dir_all(job.paths().wishes()).unwrap();
    std::fs::write(job.paths().superseded_wish(), format!("{{\"schema\": 1, \"by\": \"{newer}\"}}")).unwrap();
    newer
}

#[test]
fn a_newer_job_ends_an_older_one_unless_a_step_that_may_not_be_interrupted_has_begun() {
    story(async |world| {
        let definition = r#"
stages: [A, B]
default: {image: scan, interruptible: true}
test: {stage: A, script: ["echo begun; until [ -e $REPORTS_DIR/go ]; do sleep 0.1; done"]}
deploy: {stage: B, interruptible: false, script: ["echo begun; until [ -e $REPORTS_DIR/go ]; do sleep 0.1; done"]}
"#;
        let go = |job: &Job, step: &str| std::fs::write(job.paths().outbox_of(&Slug::of(step)).join("go"), "").unwrap();
        let working = world.work();
        let early = world.submit(definition, &[]);
        begun(&early, "test").await;
        let newer = supersede(&early);
        let end = world.end_of(&early).await;
        assert_eq!((end.state, end.reason), (JobState::Canceled, Some(Reason::Superseded)), "{end:#?}");
        assert_eq!(end.error, Some(format!("a newer job of this branch was submitted: {newer}")));
        let steps = ["A", "B"].map(|stage| end.stages[stage].steps[0].status);
        assert_eq!(steps, [StepState::Canceled, StepState::Skipped]);

        let late = world.submit(definition, &[]);
        begun(&late, "test").await;
        go(&late, "test");
        begun(&late, "deploy").await;
        supersede(&late);
        // The worker looks once a second; a holder that takes the job up looks again, and comes to the same.
        working.stop().await;
        let working = world.work();
        until("it is taken up", async || late.latest_attempt().ok().filter(|_| late.superseded_by().is_some())).await;
        go(&late, "deploy");
        let end = world.end_of(&late).await;
        working.stop().await;
        assert_eq!(end.state, JobState::Succeeded, "{end:#?}");

        let queued = world.submit(definition, &[]);
        supersede(&queued);
        let end = world.run(&queued).await;
        assert_eq!((end.state, end.reason), (JobState::Canceled, Some(Reason::Superseded)), "it never began: {end:#?}");
        let plain = world.submit("stages: [S]\nS: {stage: S, image: scan, script: [\"true\"]}\n", &[]);
        supersede(&plain);
        assert_eq!(world.run(&plain).await.state, JobState::Succeeded, "nothing says that it may be interrupted");
    });
}

#[test]
fn a_wish_is_granted_until_the_end_is_written() {
    story(async |world| {
        let obedient = r#"
stages: [S]
S: {stage: S, image: scan, script: ["echo begun; until [ -e $REPORTS_DIR/go ]; do sleep 0.1; done"]}
"#;
        let job = world.submit(obedient, &[]);
        let working = world.work();
        begun(&job, "S").await;
        // The worker marks that it makes the end, and a pipe lets nobody write before somebody reads.
        let mark = job.paths().handling().join("1.finish");
        mknodat(CWD, &mark, FileType::Fifo, Mode::from_raw_mode(0o600), 0).unwrap();
        std::fs::write(job.paths().outbox_of(&Slug::of("S")).join("go"), "").unwrap();
        let ended = until("its step has ended", async || job.end_of(&Slug::of("S")).unwrap()).await;
        assert_eq!(ended.record.status, StepState::Success);
        wish(&job);
        let _read = std::fs::File::open(&mark).unwrap();
        assert_canceled(&world.end_of(&job).await);
        working.stop().await;
    });
}

#[test]
fn a_job_that_waits_is_never_started_also_when_every_place_is_taken() {
    story(async |world| {
        world.config.parallel = 1;
        let running = world.submit(SLEEPER, &[]);
        let working = world.work();
        begun(&running, "S").await;
        let waiting = [(); 8].map(|()| world.submit(SLEEPER, &[]));
        for job in &waiting {
            wish(job);
        }
        for job in &waiting {
            let end = world.end_of(job).await;
            assert_canceled(&end);
            assert_eq!((end.attempt, end.started_at), (0, None), "{end:#?}");
            assert_eq!((end.stages["S"].status, end.stages["S"].reason), (StepState::Skipped, end.reason));
            assert_eq!((job.latest_attempt().unwrap(), job.paths().log(&Slug::of("S")).exists()), (0, false));
        }
        assert!(running.final_record().unwrap().is_none(), "the one that runs is left alone");
        wish(&running);
        assert_canceled(&world.end_of(&running).await);
        working.stop().await;
    });
}

#[test]
fn a_job_that_waits_for_an_engine_can_be_canceled_without_one() {
    story(async |world| {
        world.config.docker_host = Some("unix:///nowhere/docker.sock".to_owned());
        let [canceled, waiting] = [(); 2].map(|()| world.submit(SLEEPER, &[]));
        wish(&canceled);
        assert_canceled(&world.run(&canceled).await);
        assert!(waiting.final_record().unwrap().is_none() && !waiting.paths().claim(1).exists(), "others wait");
    });
}

#[test]
fn a_wish_outlives_the_worker_that_was_granting_it() {
    story(async |world| {
        let job = world.submit(STUBBORN, &[]);
        let working = world.work();
        begun(&job, "left").await;
        begun(&job, "right").await;
        wish(&job);
        let log = job.paths().log(&Slug::of("left"));
        until("one of them is being ended", async || text(&log).contains("asked to end").then_some(())).await;
        working.stop().await;
        assert!(job.final_record().unwrap().is_none());
        let end = world.run(&job).await;
        assert_canceled(&end);
        assert_eq!((end.attempt, end.claim), (1, 2), "{end:#?}");
        for (step, state) in [("left", StepState::Canceled), ("right", StepState::Canceled)] {
            assert_eq!(end.stages["A"].steps[&Slug::of(step)].status, state, "{end:#?}");
        }
        assert_eq!(text(&log).matches("\nbegun\n").count(), 1, "nothing was begun again");
    });
}

#[test]
fn a_job_whose_worker_is_gone_and_whose_container_is_lost_is_canceled_and_not_tried_again() {
    story(async |world| {
        let job = world.submit(SLEEPER, &[]);
        let working = world.work();
        begun(&job, "S").await;
        working.stop().await;
        world.engine.remove_container(&name(&job, "s")).await.unwrap();
        wish(&job);
        let end = world.run(&job).await;
        assert_canceled(&end);
        assert_eq!((end.attempt, end.stages["S"].status), (1, StepState::Canceled), "{end:#?}");
    });
}

#[test]
fn an_application_beside_a_step_is_ended_with_it_and_its_log_is_kept() {
    story(async |world| {
        let definition = r#"
stages: [PACKAGE, SMOKE-TEST]
default: {image: scan}
PACKAGE: {stage: PACKAGE, script: [mkdir target, touch target/app], artifacts: {paths: [target/]}}
SMOKE-TEST: {stage: SMOKE-TEST, needs: [PACKAGE], script: ["echo begun; while :; do sleep 0.1; done"]}
.pipelinex:
  jobs:
    SMOKE-TEST:
      kind: scan
      network: internal
      target: {artifact_of: PACKAGE, command: "echo listening; sleep 1000", health: /up, startup: 9s}
"#;
        let job = world.submit(definition, &[]);
        let working = world.work();
        begun(&job, "SMOKE-TEST").await;
        wish(&job);
        let end = world.end_of(&job).await;
        working.stop().await;
        assert_canceled(&end);
        let step = &end.stages["SMOKE-TEST"].steps[0];
        assert_eq!((step.status, step.message.as_str()), (StepState::Canceled, "the job was canceled"), "{step:#?}");
        assert_eq!(end.stages["PACKAGE"].status, StepState::Success, "what had ended stays as it ended");
        // Its shell may add that what it waited for was terminated.
        let log = text(job.paths().reports_of(&Slug::of("SMOKE-TEST")).join("app.log"));
        assert!(log.starts_with("listening\n"), "{log}");
    });
}
