//! A worker dies in the middle of a step, and nothing of the job is lost.

use std::fs;

use crate::{
    projects::{GATED, printed, release, shell, shell_project, shell_stack},
    world::{World, names, story, text, until},
};

/// Prints numbered lines, also while nobody listens, until the story lets it end.
const COUNTING: &str = "n=0\nuntil [ -e \"$REPORTS_DIR/go\" ]; do n=$((n+1)); echo \"line $n of it\"; sleep 0.01; done\necho \"lines $n\"\n";

async fn container(world: &World, id: &str) -> Vec<String> {
    world.engine.find(&[format!("pipelinex.job={id}")]).await.unwrap().containers
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
        first.process.stop().await;
        assert_eq!(container(world, &id).await, before, "an orderly end does not end the step");
        let second = world.serve(&serve).await;
        until("it is taken once more", async || (world.claims(&id) == 2).then_some(())).await;
        release(world, &id);
        let status = second.end_of(&id).await;
        assert_eq!(status["execution"]["state"], "SUCCEEDED", "{status:#}");
        assert_eq!(status["execution"]["attempt"], 1, "{status:#}");
        let log = text(world.job(&id).join("logs/build.log"));
        assert!(log.ends_with("begun\ndone\n") && log.matches("begun").count() == 1, "{log}");
        second.process.stop().await;
    });
}
