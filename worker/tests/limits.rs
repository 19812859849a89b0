//! Stories about steps that want more than they may have, and about verdicts that nobody but the engine gives.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says so")]

mod support;

use pipelinex_common::{
    execution::StepRecord,
    slug::Slug,
    state::{JobState, Reason, StepState},
};
use support::{World, story, text};

/// Runs one step of this script and returns how it ended, and its log.
async fn one_step(world: &World, script: &str, ours: &str) -> (StepRecord, String) {
    let script = serde_json::to_string(script).unwrap();
    let definition = format!(
        "stages: [S]\nS: {{stage: S, image: scan, script: [{script}]}}\n.pipelinex: {{jobs: {{S: {{{ours}}}}}}}\n"
    );
    let job = world.submit(&definition, &[]);
    let end = world.run(&job).await;
    let failed = end.stages["S"].status == StepState::Failed;
    assert_eq!(end.state, if failed { JobState::Failed } else { JobState::Succeeded });
    let log = job.paths().log(&Slug::of("S"));
    (end.stages["S"].steps[0].clone(), if log.exists() { text(log) } else { String::new() })
}

#[test]
fn too_much_memory_is_oom_also_when_only_a_child_is_killed() {
    story(async |world| {
        for script in
            ["head -c 300m /dev/zero | tail > /dev/null", "(head -c 300m /dev/zero | tail > /dev/null) || exit 7"]
        {
            let (step, _) = one_step(world, script, "memory: 64m").await;
            assert_eq!((step.status, step.reason), (StepState::Failed, Some(Reason::Oom)), "{script}: {step:?}");
            assert!(step.message.contains("It may have 64.0 MiB"), "{}", step.message);
        }
    });
}

#[test]
fn a_child_that_is_killed_for_memory_is_told_though_the_script_goes_on() {
    story(async |world| {
        let (step, log) =
            one_step(world, r#"perl -e 'my $x = q(a) x 300_000_000' || echo "ended with $?""#, "memory: 64m").await;
        assert_eq!((step.status, step.reason), (StepState::Success, None), "{step:?} {log}");
        let told = step.warnings.join("\n");
        assert!(told.contains("the script went on") && told.contains("64.0 MiB"), "{told}");
        // Where the kernel's log may be read, it names the program.
        let readable =
            std::fs::File::open("/dev/kmsg").is_ok_and(|mut log| std::io::Read::read(&mut log, &mut [0; 8192]).is_ok());
        assert!(!readable || told.contains("(perl)"), "{told}");
    });
}

#[test]
fn the_most_memory_that_a_step_was_seen_with_is_in_its_record_however_it_ends() {
    story(async |world| {
        for (end, state) in [("true", StepState::Success), ("exit 3", StepState::Failed)] {
            let script = format!("perl -e '$x = \"x\" x (40 * 1024 * 1024); sleep 3'; {end}");
            let (step, _) = one_step(world, &script, "memory: 256m").await;
            assert_eq!(step.status, state, "{step:?}");
            let peak = step.peak_memory_bytes.unwrap();
            assert!((40 << 20..256 << 20).contains(&peak), "{step:?}");
        }
    });
}

#[test]
fn a_step_that_fails_with_all_its_processes_is_told_so() {
    story(async |world| {
        let script = "for i in $(seq 60); do sleep 4 & done; sleep 3; exit 5";
        let (step, log) = one_step(world, script, "pids: 20").await;
        assert_eq!((step.status, step.reason), (StepState::Failed, Some(Reason::PidsLimit)), "{step:?} {log}");
        let (step, _) = one_step(world, "sleep 2; exit 5", "pids: 20").await;
        assert_eq!(step.reason, Some(Reason::ScriptFailure), "{step:?}");
    });
}

#[test]
fn a_step_that_fills_the_disk_is_ended_before_it_has() {
    story(async |world| {
        world.config.limits.disk_bytes = 20 << 20;
        let fill = "head -c 30m /dev/zero > $APP_DIR/large; echo written; sleep 1000";
        let flood = "mkdir flood; cd flood; seq 30000 | xargs touch; echo written; sleep 1000";
        for script in [fill, &fill.replace("$APP_DIR", "$REPORTS_DIR"), flood] {
            let (step, log) = one_step(world, script, "network: none").await;
            assert_eq!((step.status, step.reason), (StepState::Failed, Some(Reason::DiskLimit)), "{step:?} {log}");
            assert!(step.message.contains("20 MiB") && step.message.contains("--step-disk"), "{step:?}");
        }
        let (step, _) = one_step(world, "head -c 5m /dev/zero > large; sleep 2", "network: none").await;
        assert_eq!(step.status, StepState::Success, "{step:?}");
    });
}

#[test]
fn too_long_is_a_timeout_even_when_the_script_ignores_the_wish_to_end() {
    story(async |world| {
        world.config.limits.timeout_seconds = 2;
        let (step, log) =
            one_step(world, "trap '' TERM; echo begun; sleep 1000 & wait; sleep 1000", "network: none").await;
        assert_eq!(step.reason, Some(Reason::Timeout), "{step:?}");
        assert!(log.contains("begun\n"), "what was printed before the end is kept: {log}");
    });
}

#[test]
fn too_much_log_ends_the_step_and_keeps_head_and_tail() {
    story(async |world| {
        world.config.limits.log_stored_bytes = 100_000;
        world.config.limits.log_raw_bytes = 1_000_000;
        let (step, log) = one_step(world, "yes 0123456789", "network: none").await;
        assert_eq!(step.reason, Some(Reason::LogLimit), "{step:?}");
        assert!(log.len() < 101_000 && log.contains("storing stops here"), "{}", log.len());
        world.config.limits.log_raw_bytes = 100_000_000;
        let (step, _) = one_step(world, "seq 60000", "network: none").await;
        assert_eq!(step.status, StepState::Success, "a long log alone is no failure");
    });
}

#[test]
fn an_image_that_is_not_there_is_our_fault_and_said() {
    story(async |world| {
        world.config.images.insert("scan".into(), "pipelinex/no-such-image:0".into());
        let (step, _) = one_step(world, "true", "network: none").await;
        assert_eq!(step.reason, Some(Reason::ImageUnavailable), "{step:?}");
        assert!(step.message.contains("make images"), "{}", step.message);
    });
}

#[test]
fn a_result_that_a_step_writes_can_add_words_and_never_a_verdict() {
    story(async |world| {
        let forged = r#"mkdir -p "$REPORTS_DIR/s"; echo '{"stage":"S","status":"SUCCESS","message":"all is well"}' > "$REPORTS_DIR/s/result.json"; exit 1"#;
        let (step, _) = one_step(world, forged, "network: none").await;
        assert_eq!((step.status, step.reason), (StepState::Failed, Some(Reason::ScriptFailure)));
        assert_eq!(step.message, "the script ended with code 1 (all is well)");
        // A scan without its report has shown nothing, however it ended.
        for write in ["true", r#"mkdir -p "$REPORTS_DIR/s"; echo '{"runs": []}' > "$REPORTS_DIR/s/a.sarif""#] {
            let (step, _) = one_step(world, write, "kind: scan, findings: [{format: sarif, path: a.sarif}]").await;
            assert_eq!((step.status, step.reason), (StepState::Failed, Some(Reason::ToolError)), "{write}: {step:?}");
        }
    });
}
