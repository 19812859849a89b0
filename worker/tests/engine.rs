//! Stories about the worker with a real container engine.

mod support;

use pipelinex_common::{
    slug::Slug,
    state::{JobState, Reason, StepState},
};
use support::{names, story, text};

#[test]
fn a_step_runs_hardened_and_what_it_left_is_collected() {
    story(async |world| {
        let definition = r#"
stages: [ONE]
default: {image: scan}
ONE:
  stage: ONE
  script:
    - id -u; cat input.txt; echo to-stderr >&2
    - echo made > made.txt; mkdir -p "$REPORTS_DIR/one"; echo report > "$REPORTS_DIR/one/report.txt"
  artifacts: {paths: ["*.txt"]}
"#;
        let job = world.submit(definition, &[("input.txt", "from the source\n")]);
        let end = world.run(&job).await;
        let log = text(job.paths().log(&Slug::of("one")));
        assert_eq!(end.state, JobState::Succeeded, "{end:#?}\n{log}");
        assert!(log.contains("10001\nfrom the source\nto-stderr\n"), "{log}");
        let step = &end.stages["ONE"].steps[0];
        assert_eq!((step.status, step.exit_code, step.attempt), (StepState::Success, Some(0), Some(1)));
        assert_eq!(step.artifacts, ["input.txt", "made.txt"]);
        assert_eq!(text(job.paths().artifacts_of(&Slug::of("one")).join("made.txt")), "made\n");
        assert_eq!(text(job.paths().reports_of(&Slug::of("ONE")).join("report.txt")), "report\n");
        assert!(!job.paths().trees().exists() && !job.paths().outbox().exists());
        assert_eq!(text(job.paths().source().join("input.txt")), "from the source\n");
    });
}

#[test]
fn a_failing_script_fails_the_job_at_its_first_attempt_and_skips_what_needs_it() {
    story(async |world| {
        let definition = r#"
stages: [A, B, C]
default: {image: scan}
A: {stage: A, script: ["echo before; exit 3; echo after"]}
B: {stage: B, needs: [A], script: ["true"]}
C: {stage: C, needs: [], script: ["true"]}
"#;
        let job = world.submit(definition, &[]);
        let end = world.run(&job).await;
        assert_eq!(
            (end.attempt, end.stages["A"].steps[0].attempt),
            (1, Some(1)),
            "a script that fails is not tried again"
        );
        assert_eq!(names(job.paths().attempts()), ["1"]);
        assert_eq!(text(job.paths().log(&Slug::of("A"))).matches("\nbefore\n").count(), 1);
        assert_eq!((end.state, end.reason), (JobState::Failed, Some(Reason::ScriptFailure)));
        assert_eq!(end.error.as_deref(), Some("A: the script ended with code 3"));
        let of = |stage: &str| (end.stages[stage].status, end.stages[stage].reason);
        assert_eq!(of("A"), (StepState::Failed, Some(Reason::ScriptFailure)));
        assert_eq!(of("B"), (StepState::Skipped, Some(Reason::DependencyFailed)));
        assert_eq!(of("C"), (StepState::Success, None));
    });
}
