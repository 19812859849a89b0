//! Stories about steps that are tried again: by exit code, with a clean tree each, and over the death of their worker.

mod support;

use pipelinex_common::{
    execution::StepRecord,
    slug::Slug,
    state::{JobState, Reason, StepState},
    store::Job,
};
use support::{names, story, text, until};

/// The first try fails in a way that may be tried again, and leaves a file in its tree.
const FLAKY: &str = r#"
stages: [S]
flaky:
  stage: S
  image: scan
  retry: {max: 2, exit_codes: [75]}
  artifacts: {paths: [note.txt], when: always}
  script:
    - test ! -e note.txt
    - echo try $PIPELINEX_TRY > note.txt
    - echo this is try $PIPELINEX_TRY
    - sleep $PAUSE
    - test $PIPELINEX_TRY -gt 1 || exit 75
  variables: {PAUSE: "PAUSED"}
stubborn: {stage: S, image: scan, retry: 1, script: ["exit 9"]}
decided: {stage: S, image: scan, retry: {max: 2, exit_codes: [75]}, script: ["exit 9"]}
"#;

fn of<'a>(end: &'a pipelinex_common::execution::Execution, step: &str) -> &'a StepRecord {
    &end.stages["S"].steps[&Slug::of(step)]
}

fn tries(record: &StepRecord) -> Vec<(u32, StepState, Option<i64>)> {
    record.tries.iter().map(|one| (one.number, one.status, one.exit_code)).collect()
}

fn log(job: &Job, step: &str) -> String {
    text(job.paths().log(&Slug::of(step)))
}

#[test]
fn a_step_is_tried_again_as_retry_says_and_each_try_is_kept() {
    story(async |world| {
        let job = world.submit(&FLAKY.replace("PAUSED", "0"), &[]);
        let end = world.run(&job).await;
        assert_eq!((end.state, end.reason), (JobState::Failed, Some(Reason::ScriptFailure)));
        let (flaky, step) = (of(&end, "flaky"), Slug::of("flaky"));
        assert_eq!((flaky.status, flaky.number, flaky.attempt), (StepState::Success, Some(2), Some(1)), "{flaky:?}");
        assert_eq!(tries(flaky), [(1, StepState::Failed, Some(75))]);
        let paths = job.paths();
        assert_eq!(text(paths.artifacts_of(&step).join("note.txt")), "try 2\n", "known names are of the last try");
        assert_eq!(text(paths.try_artifacts(&step, 1).join("note.txt")), "try 1\n");
        assert!(log(&job, "flaky").contains("\nthis is try 2\n") && !log(&job, "flaky").contains("\nthis is try 1\n"));
        assert!(text(paths.try_log(&step, 1)).contains("\nthis is try 1\n"));
        assert_eq!(names(paths.tries_of(&step)), ["1"]);
        assert_eq!(names(paths.try_folder(&step, 1)), ["artifacts", "end.json", "log", "reports", "start.json"]);

        let stubborn = of(&end, "stubborn");
        assert_eq!((stubborn.status, stubborn.exit_code, stubborn.number), (StepState::Failed, Some(9), Some(2)));
        assert_eq!(tries(stubborn), [(1, StepState::Failed, Some(9))]);
        let decided = of(&end, "decided");
        assert_eq!((decided.exit_code, decided.number, decided.tries.len()), (Some(9), None, 0), "not this code");
    });
}

#[test]
fn no_try_is_lost_or_doubled_where_the_worker_goes_in_the_second() {
    story(async |world| {
        let job = world.submit(&FLAKY.replace("PAUSED", "1"), &[]);
        let (step, working) = (Slug::of("flaky"), world.work());
        until("the second try prints", async || {
            job.is_put_aside(&step, 1).then_some(())?;
            std::fs::read_to_string(job.paths().log(&step)).ok().filter(|text| text.contains("\nthis is try 2\n"))
        })
        .await;
        working.stop().await;
        assert!(job.final_record().unwrap().is_none(), "the job goes on without a worker");
        let end = world.run(&job).await;
        let flaky = of(&end, "flaky");
        assert_eq!((flaky.status, flaky.number, flaky.attempt), (StepState::Success, Some(2), Some(1)), "{flaky:?}");
        assert_eq!(tries(flaky), [(1, StepState::Failed, Some(75))]);
        assert_eq!(log(&job, "flaky").matches("\nthis is try 2\n").count(), 1, "run once");
        assert_eq!(text(job.paths().try_log(&step, 1)).matches("\nthis is try 1\n").count(), 1, "run once");
    });
}
