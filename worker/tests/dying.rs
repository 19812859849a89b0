//! Stories about holders that die between two instructions, and about containers that somebody takes away meanwhile.

#![cfg(feature = "faults")]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on says so")]

mod holder;
mod support;

use std::fs;

use holder::Holder;
use pipelinex_common::{execution::StepRecord, slug::Slug, stage::Switch, state::JobState, store::Job};
use pipelinex_worker::engine::Phase;
use support::{story, text, until};

fn container_of(job: &Job, attempt: u32, step: &str) -> String {
    format!("pipelinex-{}-a{attempt}-t1-{step}", job.id())
}

fn log(job: &Job, name: &str) -> String {
    text(job.paths().logs().join(name))
}

/// A scan that has everything a scan can have: inputs, a database of advisories, and an application beside it.
const SCA: &str = r#"
stages: [PACKAGE, SCA]
default: {image: scan}
PACKAGE: {stage: PACKAGE, script: ["mkdir target; echo jar > target/app.jar"], artifacts: {paths: [target/]}}
SCA: {stage: SCA, needs: [PACKAGE], script: ['cat "$ADVISORIES_DIR/info.json" "$INPUTS_DIR/package/target/app.jar"']}
.pipelinex:
  jobs:
    SCA:
      kind: scan
      switch: run_sca
      advisories: true
      network: internal
      target: {artifact_of: PACKAGE, command: "echo up; sleep 1000", health: /up}
"#;

#[test]
fn a_scan_whose_holder_died_before_its_start_gets_all_that_it_would_have_had() {
    story(async |world| {
        let (advisories, import) = (world.store.layout().advisories(), "00000000-0000-4000-8000-000000000001");
        fs::create_dir_all(advisories.join(import)).unwrap();
        fs::write(advisories.join("current.json"), format!(r#"{{"schema": 1, "folder": "{import}"}}"#)).unwrap();
        let info = r#"{"schema": 1, "imported_at": "2026-01-01T00:00:00Z", "source": "by hand", "ecosystems": {}}"#;
        fs::write(advisories.join(import).join("info.json"), info).unwrap();
        let job = world.submit_with(SCA, &[], |metadata| metadata.pipeline.set(Switch::SCA, true));
        Holder::start(world, None, "worker.created=1*off->1*kill").dies().await;
        let left = world.engine.inspect(&container_of(&job, 1, "sca")).await.unwrap();
        assert_eq!(left.map(|status| status.phase), Some(Phase::Created));
        let end = world.run(&job).await;
        let log = log(&job, "sca.log");
        assert_eq!((end.state, end.attempt, end.claim), (JobState::Succeeded, 1, 2), "{end:#?}\n{log}");
        assert!(log.contains("by hand") && log.ends_with("jar\n"), "{log}");
        let logs: Vec<_> = fs::read_dir(job.paths().logs()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert!(!logs.iter().any(|name| name.to_string_lossy().contains("before")), "nothing was lost: {logs:?}");
    });
}

/// Waits for the story's word.
const GATED: &str = r#"stages: [S]
S: {stage: S, image: scan, script: ["echo begun as $(cat /proc/sys/kernel/random/uuid)", "until [ -e $REPORTS_DIR/go ]; do sleep 0.05; done"]}
"#;

/// Waits until the step has begun, and returns what it has printed.
async fn begun(job: &Job) -> String {
    let path = job.paths().log(&Slug::of("S"));
    let said = async || fs::read_to_string(&path).ok().filter(|text| text.contains("\nbegun as "));
    until("the step has begun", said).await
}

#[test]
fn a_lost_container_is_one_attempt_whoever_dies_before_the_next_is_made() {
    story(async |world| {
        // Where the first holder after the loss dies, and the attempt that runs to the end: a death between two files costs one.
        for (point, attempt) in [("worker.starting-over", 2), ("worker.attempt-begun", 3)] {
            let job = world.submit(GATED, &[]);
            let working = world.work();
            let before = begun(&job).await;
            working.stop().await;
            world.engine.remove_container(&container_of(&job, 1, "s")).await.unwrap();
            for place in [point, "worker.creating", "worker.creating"] {
                Holder::start(world, None, &format!("{place}=1*kill")).dies().await;
            }
            let working = world.work();
            let after = begun(&job).await;
            fs::write(job.paths().outbox_of(&Slug::of("S")).join("go"), "").unwrap();
            let end = world.end_of(&job).await;
            working.stop().await;
            assert_eq!((end.state, end.attempt), (JobState::Succeeded, attempt), "{point}: {end:#?}");
            assert_ne!(before, after, "{point}: two containers");
            assert_eq!(log(&job, &format!("s.before-{attempt}.log")), before, "{point}: what was printed is kept");
            assert_eq!(after.matches("\nbegun as ").count(), 1, "{point}: {after}");
        }
    });
}

/// A stage of two steps and a stage of one, each of which leaves a number that no other run has.
const SAYING: &str = r#"
stages: [PAIR, ALONE]
default: {image: scan, artifacts: {paths: [target/]}, before_script: ['mkdir -p target "$REPORTS_DIR/pair" "$REPORTS_DIR/alone"; cp /proc/sys/kernel/random/uuid target/run']}
first: {stage: PAIR, script: ['cp target/run "$REPORTS_DIR/pair/"']}
second: {stage: PAIR, needs: [first], script: ['cp target/run "$REPORTS_DIR/pair/"']}
ALONE: {stage: ALONE, script: ['cp target/run "$REPORTS_DIR/alone/"']}
"#;

/// Of which runs the published report and artifact of a step are.
fn published(job: &Job, step: &str, reports: &str) -> Option<[String; 2]> {
    let paths = [job.paths().reports().join(reports), job.paths().artifacts_of(&Slug::of(step)).join("target")];
    let [report, artifact] = paths.map(|path| fs::read_to_string(path.join("run")).ok());
    Some([report?, artifact?])
}

#[test]
fn what_was_published_without_an_end_goes_with_the_container_that_was_lost() {
    story(async |world| {
        // The step over whose end its holder dies, and where its reports are.
        for (number, step, reports) in [(1, "second", "pair/second"), (2, "alone", "alone")] {
            let job = world.submit(SAYING, &[]);
            Holder::start(world, None, &format!("worker.recording={number}*off->1*kill")).dies().await;
            let first = published(&job, "first", "pair/first").unwrap();
            let lost = published(&job, step, reports).unwrap();
            assert!(job.end_of(&Slug::of(step)).unwrap().is_none(), "published, and not recorded");
            world.engine.remove_container(&container_of(&job, 1, step)).await.unwrap();
            let end = world.run(&job).await;
            assert_eq!((end.state, end.attempt), (JobState::Succeeded, 2), "{step}: {end:#?}");
            let record: StepRecord = job.end_of(&Slug::of(step)).unwrap().unwrap().record;
            assert_eq!(record.attempt, Some(2));
            let again = published(&job, step, reports).unwrap();
            assert!(again[0] == again[1] && again[0] != lost[0], "{step}: {lost:?} {again:?}");
            assert_eq!(published(&job, "first", "pair/first").unwrap(), first, "what has an end stays");
        }
    });
}

const HANDED_ON: &str = r#"
stages: [MAKE, USE]
default: {image: scan}
first: {stage: MAKE, script: ["echo first > both; echo first > only"], artifacts: {paths: [both, only]}}
second: {stage: MAKE, script: ["echo second > both"], artifacts: {paths: [both]}}
USE: {stage: USE, script: ["cat both only >> list; cat list"]}
"#;

#[test]
fn artifacts_that_a_holder_died_over_are_laid_whole_and_once() {
    story(async |world| {
        let job = world.submit(HANDED_ON, &[("list", "")]);
        Holder::start(world, None, "worker.laid=kill").dies().await;
        let made = world.engine.inspect(&container_of(&job, 1, "use")).await.unwrap();
        assert_eq!(made, None, "it died after the first of two, and before there was a container");
        let end = world.run(&job).await;
        let log = log(&job, "use.log");
        assert_eq!((end.state, end.attempt, end.claim), (JobState::Succeeded, 1, 2), "{end:#?}\n{log}");
        assert!(log.ends_with("\nsecond\nfirst\n"), "{log}");
    });
}
