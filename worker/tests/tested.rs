//! Stories about test reports: a project does not judge itself.

mod support;

use pipelinex_common::state::{JobState, Reason, StepState};
use serde_json::Value;
use support::{story, text};

const FAILED: &str = r#"<testsuite><testcase classname="a.GreeterTest" name="greets"><failure message="expected: &lt;a&gt;"/></testcase>
<testcase classname="a.GreeterTest" name="passes"/></testsuite>"#;

/// Leaves the reports that lie in the source as they are, and writes one of its own.
const DEFINITION: &str = r#"
stages: [TEST]
TEST:
  stage: TEST
  image: scan
  script: [mkdir -p reports; cp failed.xml reports/TEST-own.xml]
  artifacts: {paths: [reports/], reports: {junit: ["reports/TEST-*.xml"]}}
"#;

#[test]
fn a_failed_test_fails_the_step_whatever_its_script_says() {
    story(async |world| {
        let submitted = [
            ("failed.xml", FAILED),
            ("GreeterTest.java", "class GreeterTest {}"),
            ("reports/TEST-submitted.xml", "<testsuite><testcase classname='a.GreeterTest' name='old'/></testsuite>"),
        ];
        let words = "2 tests, 1 failed: GreeterTest.greets: expected: <a>";
        for (copy_trees, allowed) in [(false, false), (true, false), (false, true)] {
            world.config.copy_trees = copy_trees;
            world.config.policy.allow_failing_tests = allowed;
            let job = world.submit(DEFINITION, &submitted);
            let end = world.run(&job).await;
            let step = &end.stages["TEST"].steps[0];
            assert_eq!(step.exit_code, Some(0));
            let old = |text: &String| {
                text == "1 JUnit report is older than this step and was not counted: reports/TEST-submitted.xml"
            };
            assert!(step.warnings.iter().any(old), "{copy_trees}: {:?}", step.warnings);
            assert_eq!(step.failed_tests.len(), 1);
            let result: Value = serde_json::from_str(&text(job.paths().reports().join("test/result.json"))).unwrap();
            assert_eq!(result["failed_tests"][0]["name"], "greets");
            assert_eq!(result["message"], step.message);
            if allowed {
                assert_eq!(end.state, JobState::Succeeded);
                assert_eq!(step.message, format!("{words} (the operator allows failing tests)"));
            } else {
                assert_eq!(
                    (end.state, step.status, step.reason),
                    (JobState::Failed, StepState::Failed, Some(Reason::ScriptFailure))
                );
                assert_eq!((step.message.as_str(), end.stages["TEST"].message.as_str()), (words, words));
            }
        }
    });
}
