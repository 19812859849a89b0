//! A worker dies in the middle of a step, and nothing of the job is lost.

use std::{fs, time::Duration};

use crate::{
    projects::{GATED, printed, release, shell, shell_project, shell_stack, shell_stack_of},
    world::{World, docker, names, story, text, until},
};

/// Prints numbered lines, also while nobody listens, until the story lets it end.
const COUNTING: &str = "n=0\nuntil [ -e \"$REPORTS_DIR/go\" ]; do n=$((n+1)); echo \"line $n of it\"; sleep 0.01; done\necho \"lines $n\"\n";

async fn container(world: &World, id: &str) -> Vec<String> {
    world.engine.find(&[format!("pipelinex.job={id}")]).await.unwrap().containers
}

/// The number of a container's first process on the engine's host.
async fn pid(container: &str) -> String {
    docker(&["inspect", "--format", "{{.State.Pid}} {{.State.StartedAt}}", container]).await
}

#[test]
fn a_worker_killed_in_the_middle_of_a_step_is_succeeded_without_a_loss() {
    story(async |world| {
        let pipelines = shell_stack(world, "none");
        let backend = world.serve(&["backend", "--pipelines", &pipelines]).await;
        let id = backend.submit(shell_project(COUNTING), &shell()).await;
        let worker = ["worker", "--reconcile-every", "1s"];

        let mut seen = Vec::new();
        for line in ["line 50 of it", "line 200 of it", "line 400 of it"] {
            let first = world.start(&worker);
            printed(world, &id, line).await;
            seen.push(container(world, &id).await);
            first.kill();
            assert_eq!(backend.status(&id).await["execution"]["state"], "RUNNING", "the job goes on without a worker");
            assert_eq!(container(world, &id).await, seen[0], "and so does its container");
        }
        let last = world.start(&worker);
        until("it is taken once more", async || (world.claims(&id) == 4).then_some(())).await;
        release(world, &id);
        let status = backend.end_of(&id).await;
        last.stop().await;
        assert_eq!(status["execution"]["state"], "SUCCEEDED", "{status:#}");
        assert_eq!(status["execution"]["attempt"], 1, "{status:#}");
        assert!(seen.iter().all(|containers| containers.len() == 1 && containers == &seen[0]), "{seen:?}");
        assert_eq!(names(&world.job(&id).join("attempts")).len(), 1);

        let log = text(world.job(&id).join("logs/build.log"));
        let numbered: Vec<&str> = log.lines().filter(|line| line.starts_with("line")).collect();
        let count = numbered.len() - 1;
        assert!(count >= 400, "{log}");
        let expected = (1..=count).map(|n| format!("line {n} of it")).chain([format!("lines {count}")]);
        assert_eq!(numbered, expected.collect::<Vec<_>>(), "each line once, in order");

        let end = fs::read(world.job(&id).join("final.json")).unwrap();
        let end: serde_json::Value = serde_json::from_slice(&end).unwrap();
        assert_eq!((&end["state"], &end["claim"]), (&"SUCCEEDED".into(), &4.into()));
        backend.process.stop().await;
    });
}

#[test]
fn a_server_that_is_replaced_leaves_its_job_to_the_next_one() {
    story(async |world| {
        let pipelines = shell_stack(world, "none");
        let serve = ["serve", "--pipelines", &pipelines];
        let first = world.serve(&serve).await;
        let id = first.submit(shell_project(GATED), &shell()).await;
        printed(world, &id, "begun\n").await;
        let before = container(world, &id).await;
        let process = pid(&before[0]).await;
        first.process.stop().await;
        assert_eq!(container(world, &id).await, before, "an orderly end does not end the step");
        assert_eq!(pid(&before[0]).await, process, "it is the same process");
        let second = world.serve(&serve).await;
        until("it is taken once more", async || (world.claims(&id) == 2).then_some(())).await;
        assert_eq!(pid(&before[0]).await, process, "also under the next one");
        release(world, &id);
        let status = second.end_of(&id).await;
        assert_eq!(status["execution"]["state"], "SUCCEEDED", "{status:#}");
        assert_eq!(status["execution"]["attempt"], 1, "{status:#}");
        let log = text(world.job(&id).join("logs/build.log"));
        assert!(log.ends_with("begun\ndone\n") && log.matches("begun").count() == 1, "{log}");
        second.process.stop().await;
    });
}

#[test]
fn who_drains_finishes_its_job_first_and_leaves_it_when_asked_twice() {
    story(async |world| {
        let pipelines = shell_stack(world, "none");
        let serve = ["serve", "--drain", "--pipelines", &pipelines];
        let first = world.serve(&serve).await;
        let id = first.submit(shell_project(GATED), &shell()).await;
        printed(world, &id, "begun\n").await;
        first.process.ask_to_stop();
        until("it has heard", async || first.process.log().contains("finished first").then_some(())).await;
        let waiting = first.submit(shell_project(GATED), &shell()).await;
        release(world, &id);
        first.process.ends().await;
        assert!(text(world.job(&id).join("final.json")).contains("SUCCEEDED"));
        assert_eq!((world.claims(&id), names(&world.job(&waiting).join("claims")).len()), (1, 0));

        let second = world.serve(&serve).await;
        printed(world, &waiting, "begun\n").await;
        second.process.ask_to_stop();
        until("it has heard", async || second.process.log().contains("finished first").then_some(())).await;
        second.process.stop().await;
        assert!(text(world.job(&waiting).join("final.json")).is_empty(), "left to the next one");
        let third = world.serve(&serve).await;
        until("it is taken once more", async || (world.claims(&waiting) == 2).then_some(())).await;
        release(world, &waiting);
        assert_eq!(third.end_of(&waiting).await["execution"]["state"], "SUCCEEDED");
        third.process.stop().await;
    });
}

/// Three steps that follow each other in one tree, and a scan beside them.
const CHAIN: &str = r#"
stages: [SECRETS, BUILD, TEST, PACKAGE]
default: {image: scan}
SECRETS: {stage: SECRETS, needs: [], script: [bash run.sh]}
BUILD: {stage: BUILD, needs: [], script: [bash run.sh]}
TEST: {stage: TEST, needs: [BUILD], script: [bash run.sh]}
PACKAGE: {stage: PACKAGE, needs: [TEST], script: [bash run.sh], artifacts: {paths: [made/*]}}
.pipelinex:
  jobs:
    SECRETS: {kind: scan, memory: 256m}
    BUILD: {tree: BUILD, network: egress, memory: 256m}
    TEST: {tree: BUILD, memory: 256m}
    PACKAGE: {tree: BUILD, memory: 256m}
"#;
const CHAINED: &str = r#"
cd "$APP_DIR"
[ "$STAGE" = SECRETS ] || { mkdir -p made; touch "made/$STAGE"; }
for n in $(seq 40); do echo "line $n"; sleep 0.01; done
mkdir -p "$REPORTS_DIR/${STAGE,,}"; echo "$STAGE" > "$REPORTS_DIR/${STAGE,,}/note.txt"
"#;

#[test]
fn a_worker_may_die_at_any_moment() {
    story(async |world| {
        let pipelines = shell_stack_of(world, CHAIN);
        let backend = world.serve(&["backend", "--pipelines", &pipelines]).await;
        let worker = ["worker", "--reconcile-every", "1s"];
        let mut ids = Vec::new();
        for _ in 0..3 {
            ids.push(backend.submit(shell_project(CHAINED), &shell()).await);
        }
        // Not to wait for anything: so that deaths fall into every part of a job's life.
        for death in 1..=24 {
            let dying = world.start(&worker);
            tokio::time::sleep(Duration::from_millis(20 + death * 173 % 700)).await;
            dying.kill();
        }
        let last = world.start(&worker);
        for id in &ids {
            let status = backend.end_of(id).await;
            assert_eq!(status["execution"]["state"], "SUCCEEDED", "{status:#}");
            assert_eq!(status["execution"]["attempt"], 1, "no container was lost: {status:#}");
            for stage in ["secrets", "build", "test", "package"] {
                let log = text(world.job(id).join(format!("logs/{stage}.log")));
                let lines: Vec<_> = log.lines().filter(|line| line.starts_with("line ")).collect();
                assert_eq!(lines, (1..=40).map(|n| format!("line {n}")).collect::<Vec<_>>(), "{id} {stage}");
                let note = text(world.job(id).join(format!("reports/{stage}/note.txt")));
                assert_eq!(note.trim().to_lowercase(), stage, "{id}");
            }
            let mut made = names(&world.job(id).join("artifacts/package/made"));
            made.sort();
            assert_eq!(made, ["BUILD", "PACKAGE", "TEST"]);
            // Some ended under a worker that died before it had cleaned up; the next one does it when it starts.
            let outbox = world.job(id).join("outbox");
            until("what only a running job needs is gone", async || (!outbox.exists()).then_some(())).await;
        }
        last.stop().await;
        backend.process.stop().await;
    });
}
