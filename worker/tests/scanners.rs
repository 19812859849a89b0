//! Stories about scans: what they are given, how far they are believed, and the rules that nobody but the operator sets.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says so")]

mod support;

use std::{collections::BTreeSet, fs};

use pipelinex_common::{
    execution::{Execution, StepEnd, StepRecord},
    policy::{AllowUnread, Policy},
    request::{CustomTool, SastMode, SecretScanMode},
    slug::Slug,
    stage::Switch,
    state::{JobState, Reason, StepState},
    store::{Decision, Job, ProjectKey, Verdict},
};
use serde_json::{Value, json};
use support::{World, story, text};

fn log(job: &Job, step: &str) -> String {
    text(job.paths().log(&Slug::of(step)))
}

fn result(job: &Job, stage: &str) -> Value {
    serde_json::from_str(&text(job.paths().reports_of(&Slug::of(stage)).join("result.json"))).unwrap()
}

fn step<'a>(end: &'a Execution, stage: &str) -> &'a StepRecord {
    &end.stages[stage].steps[0]
}

/// A scan that leaves this result and so many high findings, and ends with this code.
fn scan(ours: &str, code: u8, said: &Value, high: usize) -> String {
    let findings: Vec<Value> = (0..high).map(|n| json!({"ruleId": format!("r{n}"), "level": "error"})).collect();
    let sarif = json!({"runs": [{"tool": {"driver": {"name": "t"}}, "results": findings}]});
    let script = format!(
        "mkdir -p \"$REPORTS_DIR/sast\"\ncat > \"$REPORTS_DIR/sast/result.json\" <<'X'\n{said}\nX\n\
         cat > \"$REPORTS_DIR/sast/a.sarif\" <<'X'\n{sarif}\nX\nexit {code}"
    );
    let script = serde_json::to_string(&script).unwrap();
    format!(
        "stages: [SAST]\nSAST: {{stage: SAST, image: scan, needs: [], script: [{script}], allow_failure: true}}\n.pipelinex: {{jobs: {{SAST: \
         {{kind: scan, switch: run_sast, findings: [{{format: sarif, path: a.sarif}}]{ours}}}}}}}\n"
    )
}

/// Runs the scan as a request for static analysis.
async fn run_scan(world: &World, definition: &str) -> (Job, Execution) {
    let job = world.submit_with(definition, &[], |metadata| metadata.pipeline.set(Switch::SAST, true));
    let end = world.run(&job).await;
    (job, end)
}

#[test]
fn a_scan_gets_what_others_published_and_cannot_change_it() {
    story(async |world| {
        let definition = r#"
stages: [PACKAGE, SCA]
default: {image: scan}
made here:
  stage: PACKAGE
  script: ['mkdir -p target/lib; echo jar > target/app.jar; printf "\043!/bin/sh\necho it runs\n" > target/lib/run; chmod +x target/lib/run']
  artifacts: {paths: [target/]}
nothing:
  stage: PACKAGE
  script: ["true"]
SCA:
  stage: SCA
  needs: [made here, {job: nothing, optional: true}]
  script:
    - cat "$INPUTS_DIR/made-here/target/app.jar"; "$INPUTS_DIR/made-here/target/lib/run"; ls "$INPUTS_DIR"
    - for f in . made-here/target made-here/target/app.jar; do test ! -w "$INPUTS_DIR/$f"; done
    - if touch "$INPUTS_DIR/x" 2>/dev/null; then exit 1; fi
without:
  stage: SCA
  needs: []
  script: ['test -z "${INPUTS_DIR:-}"; test ! -e /home/runner/inputs']
.pipelinex: {jobs: {SCA: {kind: scan}, without: {kind: scan}}}
"#;
        let job = world.submit(definition, &[]);
        let end = world.run(&job).await;
        let log = log(&job, "sca");
        assert_eq!(end.state, JobState::Succeeded, "{end:#?}\n{log}");
        assert!(log.contains("\njar\nit runs\nmade-here\nnothing\n"), "{log}");
        assert!(!job.paths().inputs().exists(), "removed with the trees");
    });
}

#[test]
fn a_mode_is_told_and_a_custom_tool_has_a_way_out_and_a_report_of_its_own() {
    story(async |world| {
        let definition = r#"
stages: [SECRETS, SAST]
default: {image: scan}
SECRETS:
  stage: SECRETS
  script: ['echo "mode $SCAN_MODE"; tail -n +3 /proc/net/dev | wc -l | sed "s/^/devices /"; mkdir -p "$REPORTS_DIR/secrets"', 'echo "{\"runs\": [{\"tool\": {\"driver\": {\"name\": \"t\"}}, \"results\": []}]}" > "$REPORTS_DIR/secrets/listed.sarif"']
SAST:
  stage: SAST
  needs: []
  variables: {SCAN_MODE: forged}
  script:
    - echo "mode $SCAN_MODE $CUSTOM_INSTALL_CMD | $CUSTOM_TOOL_CMD | $CUSTOM_LOG_EXT"; tail -n +3 /proc/net/dev | wc -l | sed "s/^/devices /"
    - if touch "$APP_DIR/x" 2>/dev/null; then exit 1; fi
    - mkdir -p "$REPORTS_DIR/sast"; echo '{"message":"nothing at all"}' > "$REPORTS_DIR/sast/result.json"
    - 'echo "{\"runs\": [{\"tool\": {\"driver\": {\"name\": \"t\"}}, \"results\": [{\"level\": \"note\"}]}]}" > "$REPORTS_DIR/sast/custom.sarif"'
.pipelinex:
  jobs:
    SECRETS: {kind: scan, switch: run_secret_scan, findings: [{format: sarif, path: listed.sarif}]}
    SAST: {kind: scan, switch: run_sast, findings: [{format: sarif, path: listed.sarif}]}
"#;
        let tool =
            CustomTool { install_cmd: "pip install x".into(), tool_cmd: "x '$HOME'".into(), log_ext: "txt".into() };
        let submit = |tool: Option<CustomTool>| {
            world.submit_with(definition, &[], |metadata| {
                let wanted = &mut metadata.pipeline;
                wanted.set(Switch::SECRETS, true);
                wanted.secret_scan_mode = SecretScanMode::Git;
                wanted.set(Switch::SAST, true);
                (wanted.sast_mode, wanted.sast_custom) = (SastMode::Custom, tool);
            })
        };
        let job = submit(Some(tool));
        let end = world.run(&job).await;
        assert_eq!(end.state, JobState::Succeeded, "{end:#?}");
        assert!(log(&job, "secrets").contains("mode git\ndevices 1\n"), "{}", log(&job, "secrets"));
        let custom = log(&job, "sast");
        assert!(custom.contains("mode custom pip install x | x '$HOME' | txt\ndevices 2\n"), "{custom}");
        let sast = step(&end, "SAST");
        assert_eq!((sast.findings.unwrap().low, sast.message.as_str()), (1, "passed with 1 finding (1 low)"));

        let end = world.run(&submit(None)).await;
        assert_eq!(step(&end, "SAST").reason, Some(Reason::ToolError), "admitted without its tool");
        assert!(step(&end, "SAST").message.contains("names none"));
    });
}

#[test]
fn a_scan_is_believed_in_words_and_its_findings_count_also_when_it_broke() {
    story(async |world| {
        let details = json!({"scanned": 7, "database": {"age_days": 3}});
        let said =
            json!({"message": "7 files", "warnings": ["one\u{1b}[31m", 2], "details": details, "status": "SUCCESS"});
        for (code, high, state, reason, message) in [
            (0, 0, StepState::Success, None, "7 files"),
            (0, 2, StepState::Success, None, "7 files (2 high)"),
            (10, 0, StepState::Failed, Some(Reason::ScriptFailure), "7 files"),
            (2, 2, StepState::Failed, Some(Reason::ToolError), "7 files (2 high)"),
        ] {
            let (job, end) = run_scan(world, &scan("", code, &said, high)).await;
            let sast = step(&end, "SAST");
            assert_eq!((sast.status, sast.reason, sast.message.as_str()), (state, reason, message), "{end:#?}");
            assert_eq!(sast.findings.unwrap().total(), high as u64);
            assert_eq!(sast.warnings, ["one\\u{1b}[31m"]);
            let result = result(&job, "SAST");
            assert_eq!((&result["details"], &result["status"]), (&details, &json!(state.as_str())));
        }
        let broken = json!({"message": 1, "warnings": "x", "details": {"long": "x".repeat(70_000)}});
        let (job, end) = run_scan(world, &scan("", 0, &broken, 0)).await;
        assert_eq!(step(&end, "SAST").message, "finished");
        assert!(step(&end, "SAST").warnings[0].contains("more than 65536 bytes"), "{end:#?}");
        assert_eq!(result(&job, "SAST")["details"], Value::Null);
    });
}

#[test]
fn what_a_scan_left_unread_is_told_and_fails_it_where_it_is_required() {
    story(async |world| {
        let details = json!({"scanned": {"files": 3, "bytes": 70}, "skipped_total": 2,
            "skipped": [{"path": "src/A.java", "reason": "torn"}, {"path": "legacy/B.java", "reason": "too deep"}]});
        let definition = scan("", 0, &json!({"message": "no findings", "details": details}), 0);
        let (job, end) = run_scan(world, &definition).await;
        let sast = step(&end, "SAST");
        assert_eq!((end.state, sast.message.as_str()), (JobState::Succeeded, "no findings"));
        assert_eq!(sast.warnings, ["2 files were not read: findings may be missing"]);
        let told = serde_json::to_value(&sast.skipped).unwrap();
        assert_eq!((&told["total"], &told["files"][0]["path"]), (&json!(2), &json!("src/A.java")));
        let result = result(&job, "SAST");
        assert_eq!((&result["scanned"], &result["skipped"]), (&json!({"files": 3, "bytes": 70}), &told));

        let allow = |patterns: &[&str]| AllowUnread::new(patterns.iter().map(|text| (*text).to_owned())).unwrap();
        let require = BTreeSet::from([Switch::SAST]);
        world.config.policy = Policy { require, allow_unread: allow(&["legacy/**"]), ..Policy::default() };
        let (_, end) = run_scan(world, &definition).await;
        let sast = step(&end, "SAST");
        assert_eq!((end.state, sast.reason), (JobState::Failed, Some(Reason::ToolError)), "{end:#?}");
        assert_eq!(sast.message, "1 file was not read: src/A.java (torn); in the rest: no findings");
        world.config.policy.allow_unread = allow(&["legacy/**", "**/A.java"]);
        let (_, end) = run_scan(world, &definition).await;
        assert_eq!(end.state, JobState::Succeeded, "{end:#?}");
        assert!(step(&end, "SAST").warnings[0].contains("--allow-unread"), "{end:#?}");
    });
}

#[test]
fn a_scan_of_which_a_part_was_killed_has_not_succeeded() {
    story(async |world| {
        for code in [0, 2] {
            let eat = format!("(head -c 300m /dev/zero | tail > /dev/null) || true; exit {code}");
            let definition = scan(", memory: 64m", code, &json!({"message": "all is well"}), 0)
                .replace(&format!("exit {code}"), &eat);
            let (_, end) = run_scan(world, &definition).await;
            let sast = step(&end, "SAST");
            assert_eq!((sast.status, sast.reason), (StepState::Failed, Some(Reason::Oom)), "{code}: {sast:?}");
        }
    });
}

#[test]
fn findings_at_the_operators_limit_fail_the_job_and_no_definition_allows_them() {
    story(async |world| {
        world.config.policy.fail_on = "high".parse().unwrap();
        let (job, end) = run_scan(world, &scan("", 0, &json!({}), 2)).await;
        assert_eq!((end.state, end.reason), (JobState::Failed, Some(Reason::PolicyGate)), "{end:#?}");
        let sast = step(&end, "SAST");
        let message = "2 findings of severity high or above, and the operator's limit is high";
        assert_eq!((sast.message.as_str(), sast.findings.unwrap().high), (message, 2));
        assert!(!sast.allow_failure, "the definition says allow_failure");
        let result = result(&job, "SAST");
        assert_eq!((&result["status"], &result["reason"]), (&json!("FAILED"), &json!("policy_gate")));
        assert_eq!((&result["message"], &result["findings"]["high"]), (&json!(message), &json!(2)));
        let end: StepEnd = serde_json::from_str(&text(job.paths().end(&Slug::of("SAST")))).unwrap();
        assert_eq!(end.record, *sast);

        world.config.policy.fail_on = "critical".parse().unwrap();
        let (_, end) = run_scan(world, &scan("", 0, &json!({}), 2)).await;
        assert_eq!(end.state, JobState::Succeeded);
        new_and_accepted_findings(world).await;
    });
}

/// What a run that passed had stays, and what comes fails; what is accepted is told apart, and passes where the operator says so.
async fn new_and_accepted_findings(world: &mut World) {
    async fn found(world: &World, high: usize) -> (Job, Execution) {
        let job = world.submit_with(&scan("", 0, &json!({}), high), &[], |metadata| {
            metadata.pipeline.set(Switch::SAST, true);
            "shop".clone_into(&mut metadata.project);
        });
        let end = world.run(&job).await;
        (job, end)
    }
    world.config.policy = Policy::default();
    assert_eq!(found(world, 1).await.1.state, JobState::Succeeded);
    world.config.policy.fail_on_new = "high".parse().unwrap();
    assert_eq!(found(world, 1).await.1.state, JobState::Succeeded, "what was there before");
    let (job, end) = found(world, 2).await;
    assert_eq!((end.state, end.reason), (JobState::Failed, Some(Reason::PolicyGate)), "{end:#?}");
    assert!(step(&end, "SAST").message.starts_with("1 new finding of severity high or above that run #"), "{end:#?}");
    assert_eq!(found(world, 2).await.1.state, JobState::Failed, "what was refused does not become old by that");

    let metadata = job.metadata().unwrap();
    let second = job.found_by("SAST", &Slug::of("SAST")).unwrap().remove(1);
    let decision = Decision {
        fingerprint: second.fingerprint,
        verdict: Verdict::Accepted,
        reason: "no danger here".to_owned(),
        who: "ada".to_owned(),
        at: jiff::Timestamp::now(),
        until: None,
        about: second.rule,
    };
    assert!(world.store.decide(&ProjectKey::of(&metadata), decision.clone()).unwrap());
    let (_, end) = found(world, 2).await;
    assert_eq!(end.state, JobState::Failed, "the operator did not say that this passes");
    let counts = step(&end, "SAST").findings.unwrap();
    assert_eq!((counts.high, counts.set_aside.accepted), (1, 1));
    world.config.policy.pass_accepted = true;
    assert_eq!(found(world, 2).await.1.state, JobState::Succeeded);
    let expired = Decision { until: Some(jiff::Timestamp::UNIX_EPOCH), ..decision };
    assert!(world.store.decide(&ProjectKey::of(&metadata), expired).unwrap());
    let (_, end) = found(world, 3).await;
    let counts = step(&end, "SAST").findings.unwrap();
    assert_eq!((end.state, counts.high, counts.set_aside.accepted), (JobState::Failed, 3, 0), "it counts again");
    assert!(step(&end, "SAST").message.starts_with("2 new findings"), "also as a new one: {end:#?}");
}

#[test]
fn what_the_operator_requires_runs_and_counts_whatever_the_request_and_the_definition_say() {
    story(async |world| {
        world.config.policy = Policy { require: BTreeSet::from([Switch::SAST]), ..Policy::default() };
        // Not asked for, and allowed to fail: it runs and counts.
        let job = world.submit(&scan("", 2, &json!({}), 0), &[]);
        let end = world.run(&job).await;
        assert_eq!((end.state, end.reason), (JobState::Failed, Some(Reason::ToolError)), "{end:#?}");

        let job = world.submit("stages: [S]\nS: {stage: S, image: scan, script: [\"true\"]}\n", &[]);
        let end = world.run(&job).await;
        assert_eq!((end.state, end.reason), (JobState::Failed, Some(Reason::PolicyGate)));
        assert_eq!(end.error.as_deref(), Some("the operator requires SAST, and this pipeline has no such stage"));

        // Skipped for something that may fail: the job does not pass without it.
        let definition = r#"
stages: [BUILD, SAST]
default: {image: scan}
BUILD: {stage: BUILD, script: ["exit 1"], allow_failure: true, when: manual}
SAST: {stage: SAST, needs: [BUILD], script: ["true"]}
.pipelinex: {jobs: {SAST: {kind: scan, switch: run_sast}}}
"#;
        let end = world.run(&world.submit(definition, &[])).await;
        assert_eq!(step(&end, "SAST").reason, Some(Reason::DependencyFailed));
        assert_eq!((end.state, end.reason), (JobState::Failed, Some(Reason::PolicyGate)), "{end:#?}");
        assert!(end.error.unwrap().starts_with("the operator requires SAST, which did not run: "));
    });
}

const SCA: &str = r#"
stages: [SCA]
SCA: {stage: SCA, image: scan, script: ['cat "$ADVISORIES_DIR/info.json"; if touch "$ADVISORIES_DIR/x" 2>/dev/null; then exit 1; fi']}
.pipelinex: {jobs: {SCA: {kind: scan, switch: run_sca, advisories: true}}}
"#;

/// The folder of an import.
const IMPORT: &str = "00000000-0000-4000-8000-000000000001";

#[test]
fn without_advisories_a_scan_is_skipped_with_a_warning_and_where_it_is_required_fails() {
    story(async |world| {
        let submit = |world: &World| world.submit_with(SCA, &[], |metadata| metadata.pipeline.set(Switch::SCA, true));
        let missing = "there is no advisory database: pipelinex db update, or pipelinex db import FILE";
        let job = submit(world);
        let end = world.run(&job).await;
        assert_eq!((end.state, end.warnings.as_slice()), (JobState::Succeeded, &[format!("SCA: {missing}")][..]));
        let sca = step(&end, "SCA");
        assert_eq!(
            (sca.status, sca.reason, sca.message.as_str()),
            (StepState::Skipped, Some(Reason::NoAdvisoryDb), missing)
        );
        assert!(text(job.paths().state()).contains(missing));

        world.config.policy.require = BTreeSet::from([Switch::SCA]);
        let end = world.run(&world.submit(SCA, &[])).await;
        assert_eq!((end.state, end.reason), (JobState::Failed, Some(Reason::NoAdvisoryDb)), "{end:#?}");
        assert!(step(&end, "SCA").message.starts_with(missing) && end.warnings.is_empty());

        let advisories = world.store.layout().advisories();
        fs::create_dir_all(advisories.join(IMPORT)).unwrap();
        fs::write(advisories.join("current.json"), format!(r#"{{"schema": 1, "folder": "{IMPORT}"}}"#)).unwrap();
        let info = r#"{"schema": 1, "imported_at": "2026-01-01T00:00:00Z", "source": "by hand", "ecosystems": {}}"#;
        for (info, reason) in [(info, None), ("{\"schema\": 1", Some(Reason::ToolError))] {
            fs::write(advisories.join(IMPORT).join("info.json"), info).unwrap();
            let job = submit(world);
            let end = world.run(&job).await;
            assert_eq!(step(&end, "SCA").reason, reason, "{end:#?}");
            assert!(reason.is_some() || log(&job, "sca").contains("by hand"));
        }
    });
}
