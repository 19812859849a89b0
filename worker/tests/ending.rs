//! Stories about how a step ends: by its own code when nobody tells it to, and never well when somebody does. And about images in
//! which no script can begin.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says so")]

mod support;

use std::{
    fs,
    process::{Command, Stdio},
};

use pipelinex_common::{
    execution::Execution,
    slug::Slug,
    state::{JobState, Reason, StepState},
    store::{Job, Wished},
};
use support::{World, story, text, until};

async fn begun(job: &Job, step: &str) {
    let log = job.paths().log(&Slug::of(step));
    let said = async || fs::read_to_string(&log).ok().filter(|text| text.contains("\nbegun\n"));
    until(&format!("{step} has begun"), said).await;
}

/// Each answers TERM in a way of its own: by a child that the shell waits for, by processes in sessions of their own, with code 0.
const POLITE: &str = r#"
stages: [S]
default: {image: java17-maven}
.s: {stage: S, needs: []}
child:
  extends: .s
  script: ['bash -c "trap \"echo child heard; exit 0\" TERM; echo begun; while :; do sleep 0.05; done"', 'echo never']
sessions:
  extends: .s
  script:
    - |
      (setsid bash -c 'trap "sleep 1; echo orphan heard; exit 0" TERM; echo ready >/tmp/a; while :; do sleep 0.05; done' &)
      until [ -e /tmp/a ]; do sleep 0.05; done
      trap 'echo script heard; exit 0' TERM
      setsid --wait bash -c 'trap "echo session heard; exit 0" TERM; echo begun; while :; do sleep 0.05; done'
"#;

#[test]
fn every_process_hears_term_and_nothing_that_was_told_to_end_is_a_success() {
    story(async |world| {
        let job = world.submit(POLITE, &[]);
        let working = world.work();
        begun(&job, "child").await;
        begun(&job, "sessions").await;
        assert_eq!(job.wish_cancel("by a test").unwrap(), Wished::Durable);
        let end = world.end_of(&job).await;
        working.stop().await;
        for (step, heard) in [("child", &["child"][..]), ("sessions", &["script", "session", "orphan"])] {
            let log = text(job.paths().log(&Slug::of(step)));
            for who in heard {
                assert!(log.contains(&format!("{who} heard\n")), "{step}: {who}: {log}");
            }
            let record = &end.stages["S"].steps[&Slug::of(step)];
            assert_eq!(
                (record.status, record.reason),
                (StepState::Canceled, Some(Reason::CanceledByUser)),
                "{record:?}"
            );
            assert!(!log.contains("never\n"), "{log}");
        }
    });
}

#[test]
fn what_comes_afterwards_runs_once_also_after_a_cancellation_and_after_a_timeout() {
    story(async |world| {
        let definition = r#"
stages: [S]
default: {image: scan, after_script: ['echo "after it was $CI_JOB_STATUS"; echo over >"$REPORTS_DIR/over"']}
.s: {stage: S, needs: []}
good: {extends: .s, script: ["true"]}
bad: {extends: .s, script: ["false"], allow_failure: true}
long: {extends: .s, script: ["echo begun; sleep 1000"], timeout: 2 seconds, allow_failure: true}
canceled: {extends: .s, script: ["echo begun; sleep 1000"]}
"#;
        let job = world.submit(definition, &[]);
        let working = world.work();
        begun(&job, "canceled").await;
        let over = async |step: &str| {
            let step = Slug::of(step);
            until("the others are over", async || job.end_of(&step).unwrap()).await
        };
        for step in ["good", "bad", "long"] {
            over(step).await;
        }
        assert_eq!(job.wish_cancel("by a test").unwrap(), Wished::Durable);
        let end = world.end_of(&job).await;
        working.stop().await;
        let states = [("good", "success"), ("bad", "failed"), ("long", "canceled"), ("canceled", "canceled")];
        for (step, status) in states {
            let log = text(job.paths().log(&Slug::of(step)));
            assert_eq!(log.matches(&format!("after it was {status}\n")).count(), 1, "{step}: {log}");
        }
        let record = |step: &str| &end.stages["S"].steps[&Slug::of(step)];
        assert_eq!(record("long").reason, Some(Reason::Timeout), "{end:#?}");
        assert_eq!((record("good").status, record("canceled").status), (StepState::Success, StepState::Canceled));
    });
}

#[test]
fn a_step_that_was_told_to_end_by_a_holder_that_died_is_no_success_either() {
    story(async |world| {
        let answering = r#"
stages: [S]
S: {stage: S, image: java17-maven, script: ["trap 'exit 0' TERM; echo begun; while :; do sleep 0.05; done"]}
"#;
        for wished in [true, false] {
            let job = world.submit(answering, &[]);
            let working = world.work();
            begun(&job, "S").await;
            working.stop().await;
            // What a holder does that dies right after it.
            let container = format!("pipelinex-{}-a1-t1-s", job.id());
            world.engine.stop(&container, std::time::Duration::from_secs(10)).await.unwrap();
            if wished {
                assert_eq!(job.wish_cancel("by a test").unwrap(), Wished::Durable);
            }
            let end = world.run(&job).await;
            let record = &end.stages["S"].steps[0];
            match wished {
                true => assert_eq!((end.state, record.status), (JobState::Canceled, StepState::Canceled), "{end:#?}"),
                false => assert_eq!((record.status, record.exit_code), (StepState::Failed, Some(143)), "{end:#?}"),
            }
        }
    });
}

#[test]
fn a_script_that_signals_itself_and_its_like_ends_with_its_own_code() {
    story(async |world| {
        let definition = r#"
stages: [S]
default: {image: java17-maven}
.s: {stage: S, needs: []}
group: {extends: .s, script: ["trap '' TERM; (sleep 100 &); kill -TERM -- -$$; kill -TERM 0; echo alive"]}
interrupt: {extends: .s, script: ["trap 'echo heard' INT; kill -INT $$; [ -z \"${TINI_KILL_PROCESS_GROUP-}\" ]"]}
after: {extends: .s, script: ["true"], after_script: ["echo after; exit 3"]}
"#;
        let job = world.submit(definition, &[]);
        let end = world.run(&job).await;
        assert_eq!(end.state, JobState::Succeeded, "{end:#?}");
        for (step, said) in [("group", "alive"), ("interrupt", "heard"), ("after", "ended with code 3")] {
            assert!(text(job.paths().log(&Slug::of(step))).contains(said), "{step}");
        }
    });
}

/// An image of these files, removed when the story is over.
struct Image(String);

impl Image {
    fn of(name: &str, shell: Option<&[u8]>) -> Self {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("bin")).unwrap();
        if let Some(shell) = shell {
            fs::write(dir.path().join("bin/sh"), shell).unwrap();
            let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
            fs::set_permissions(dir.path().join("bin/sh"), mode).unwrap();
        }
        let name = format!("pipelinex-test/{name}:{}", std::process::id());
        let tar =
            Command::new("tar").args(["-C", dir.path().to_str().unwrap(), "-c", "."]).stdout(Stdio::piped()).spawn();
        let imported = Command::new("docker").args(["import", "-", &name]).stdin(tar.unwrap().stdout.unwrap()).output();
        assert!(imported.unwrap().status.success());
        Self(name)
    }
}

impl Drop for Image {
    fn drop(&mut self) {
        let _ = Command::new("docker").args(["rmi", "--force", &self.0]).stdout(Stdio::null()).status();
    }
}

async fn in_image(world: &mut World, image: &Image) -> Execution {
    world.config.allowed_images = vec!["pipelinex-test/*".to_owned()];
    let job = world.submit(&format!("stages: [S]\nS: {{stage: S, image: \"{}\", script: [\"true\"]}}\n", image.0), &[]);
    world.run(&job).await
}

#[test]
fn an_image_in_which_no_script_can_begin_is_unavailable_with_the_engines_words() {
    story(async |world| {
        // The head of a program for another machine (RISC-V), and nothing more.
        let mut foreign = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x02\0\xf3\0\x01\0\0\0".to_vec();
        foreign.resize(4096, 0);
        for (image, words) in [
            (Image::of("none", None), "No such file or directory"),
            (Image::of("foreign", Some(&foreign)), "Exec format error"),
        ] {
            let end = in_image(world, &image).await;
            let record = &end.stages["S"].steps[0];
            assert_eq!(
                (record.status, record.reason),
                (StepState::Failed, Some(Reason::ImageUnavailable)),
                "{record:?}"
            );
            assert!(record.message.contains(words) && record.message.contains(&image.0), "{record:?}");
        }
    });
}
