//! A story about a job that runs again what failed of another, and takes over the rest.

mod support;

use pipelinex_common::{
    execution::StepRecord,
    slug::Slug,
    state::{JobState, StepState},
};
use support::{story, text};

/// Whether `b` passes is in its source.
const PARTS: &str = r#"
stages: [A, B, C]
default: {image: scan}
a: {stage: A, script: ["echo once; mkdir -p \"$REPORTS_DIR/a\"; echo note > \"$REPORTS_DIR/a/note.txt\"; date +%N > made.txt"], artifacts: {paths: [made.txt]}}
b: {stage: B, script: ["cat made.txt", "test -e fine"]}
c: {stage: C, script: ["echo after"]}
"#;

#[test]
fn what_succeeded_is_taken_over_with_all_it_left_and_the_rest_is_run() {
    story(async |world| {
        let old = world.submit(PARTS, &[("x", "")]);
        let end = world.run(&old).await;
        assert_eq!(end.state, JobState::Failed, "{end:#?}");
        let before = old.paths().clone();
        let new = world.submit_with(PARTS, &[("fine", "")], |metadata| {
            (metadata.retry_of, metadata.retry_failed) = (Some(old.id()), true);
        });
        let end = world.run(&new).await;
        assert_eq!((end.state, end.attempt), (JobState::Succeeded, 1), "{end:#?}");
        let of = |step: &str| -> &StepRecord {
            end.stages.values().find_map(|stage| stage.steps.get(&Slug::of(step))).unwrap()
        };
        assert_eq!((of("a").status, of("a").from_job), (StepState::Success, Some(old.id())));
        assert_eq!((of("b").from_job, of("c").from_job), (None, None));
        let (paths, a) = (new.paths(), Slug::of("a"));
        let made = text(before.artifacts_of(&a).join("made.txt"));
        assert_eq!(text(paths.artifacts_of(&a).join("made.txt")), made, "it did not run again");
        assert_eq!(text(paths.log(&a)), text(before.log(&a)));
        assert_eq!(text(paths.reports().join("a/note.txt")), "note\n");
        assert!(text(paths.log(&Slug::of("b"))).contains(made.trim()), "the rest gets its artifacts");
        assert!(old.final_record().unwrap().is_some_and(|end| end.state == JobState::Failed), "the old one stays");
    });
}
