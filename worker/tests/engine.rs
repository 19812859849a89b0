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

/// A stage that publishes, and one whose steps look at what they got of it. The table of the program says who gets what.
const HANDED_ON: &str = r#"
stages: [MAKE, USE]
default: {image: scan}
first:
  stage: MAKE
  script:
    - mkdir -p out/bin; echo first > out/both; ln -s bin/run out/latest
    - printf '\043!/bin/sh\necho it runs\n' > out/bin/run; chmod +x out/bin/run
  artifacts: {paths: [out/]}
second:
  stage: MAKE
  script: ["mkdir out; echo second > out/both; echo made > source.txt"]
  artifacts: {paths: [out/, source.txt]}
all:
  stage: USE
  script:
    - cat out/both source.txt kept/beside; out/latest; readlink out/latest
    - echo its own > out/both; rm -r out/bin; cat out/both
one: {stage: USE, needs: [first], script: [cat out/both source.txt; test -x out/bin/run]}
not handed on: {stage: USE, needs: [{job: first, artifacts: false}], script: [cat source.txt; test ! -e out]}
of none: {stage: USE, needs: [], script: [cat source.txt; test ! -e out]}
of all: {stage: USE, needs: [all], script: [cat source.txt; test ! -e out]}
"#;

#[test]
fn a_step_finds_what_it_needs_in_its_tree_and_nothing_else() {
    story(async |world| {
        let source = [("source.txt", "from the source\n"), ("kept/beside", "beside\n")];
        let job = world.submit(HANDED_ON, &source);
        let end = world.run(&job).await;
        // Without the commands, which the launcher prints.
        let log = |step: &str| {
            let log = text(job.paths().log(&Slug::of(step)));
            log.lines().filter(|line| !line.starts_with("$ ")).map(|line| format!("{line}\n")).collect::<String>()
        };
        assert_eq!(end.state, JobState::Succeeded, "{end:#?}\n{}", log("all"));
        assert_eq!(log("all"), "second\nmade\nbeside\nit runs\nbin/run\nits own\n");
        assert_eq!(log("one"), "first\nfrom the source\n");
        for step in ["not-handed-on", "of-none", "of-all"] {
            assert_eq!(log(step), "from the source\n", "{step}");
        }
        assert_eq!(text(job.paths().artifacts_of(&Slug::of("first")).join("out/both")), "first\n", "it is a copy");
    });
}
