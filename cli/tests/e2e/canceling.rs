//! Canceling with the real program: in every state, and whoever dies meanwhile.

use serde_json::Value;
use tokio::time::Instant;

use crate::{
    projects::{GATED, printed, release, shell, shell_project, shell_stack_of},
    world::{World, story, text, until},
};

/// Does not end when it is asked to.
const STUBBORN: &str = "trap 'echo asked to end' TERM\necho begun\nwhile :; do sleep 0.1; done\n";

/// The step's own shell runs the script, so that the wish to end reaches it.
const SOURCED: &str = "stages: [BUILD]\nBUILD: {stage: BUILD, image: scan, script: [\". ./run.sh\"]}\n";

async fn containers(world: &World, id: &str) -> Vec<String> {
    world.engine.find(&[format!("pipelinex.job={id}")]).await.unwrap().containers
}

fn final_state(world: &World, id: &str) -> Value {
    serde_json::from_str(&text(world.job(id).join("final.json"))).unwrap()
}

#[test]
fn a_job_can_be_canceled_while_it_waits_while_it_runs_and_not_after() {
    story(async |world| {
        let pipelines = shell_stack_of(world, SOURCED);
        let backend = world.serve(&["backend", "--pipelines", &pipelines]).await;
        let at = ["--server", &backend.url];
        let cancel = async |world: &World, id: &str| world.run(&[&["cancel", id][..], &at].concat()).await;

        let waiting = backend.submit(shell_project(STUBBORN), &shell()).await;
        for _ in 0..2 {
            let said = cancel(world, &waiting).await;
            assert_eq!((said.code, said.out.contains("never started")), (0, true), "{said:?}");
        }
        let status = world.run(&[&["status", &waiting][..], &at].concat()).await;
        assert!(status.out.contains("QUEUED") && status.out.contains("it is to be canceled"), "{status:?}");
        assert!(world.run(&[&["list"][..], &at].concat()).await.out.contains("to be canceled"));

        let running = backend.submit(shell_project(STUBBORN), &shell()).await;
        let worker = world.start(&["worker", "--reconcile-every", "1s"]);
        printed(world, &running, "begun\n").await;
        assert_eq!(backend.end_of(&waiting).await["execution"]["state"], "CANCELED");
        assert_eq!(
            (final_state(world, &waiting)["attempt"].as_u64(), text(world.job(&waiting).join("logs/build.log"))),
            (Some(0), String::new())
        );

        let mut watching =
            tokio::process::Command::from(world.command(&[&["status", &running, "--watch"][..], &at].concat()));
        let watching = watching.stdout(std::process::Stdio::null()).kill_on_drop(true).spawn().unwrap();
        let wished = Instant::now();
        let said = cancel(world, &running).await;
        assert_eq!((said.code, said.out.contains("is being canceled")), (0, true), "{said:?}");
        until("no container is left", async || containers(world, &running).await.is_empty().then_some(())).await;
        println!("from the wish until no container was left: {} ms", wished.elapsed().as_millis());
        let status = backend.end_of(&running).await;
        assert_eq!(
            (&status["execution"]["state"], &status["execution"]["reason"]),
            (&"CANCELED".into(), &"canceled_by_user".into()),
            "{status:#}"
        );
        assert_eq!(status["execution"]["stages"]["BUILD"]["status"], "CANCELED", "{status:#}");
        let mut watching = watching;
        assert_eq!(watching.wait().await.unwrap().code(), Some(3), "who watches is told with the exit code");
        let log = text(world.job(&running).join("logs/build.log"));
        assert!(log.contains("asked to end\n"), "{log}");

        let again = cancel(world, &running).await;
        assert_eq!((again.code, again.out.contains("is canceled")), (0, true), "{again:?}");
        let passed = backend.submit(shell_project(GATED), &shell()).await;
        printed(world, &passed, "begun\n").await;
        release(world, &passed);
        backend.end_of(&passed).await;
        let late = cancel(world, &passed).await;
        assert_eq!((late.code, late.err.contains("it is SUCCEEDED")), (4, true), "{late:?}");
        worker.stop().await;
        backend.process.stop().await;
    });
}

#[test]
fn a_wish_survives_backend_and_worker() {
    story(async |world| {
        let pipelines = shell_stack_of(world, SOURCED);
        let first = world.serve(&["backend", "--pipelines", &pipelines]).await;
        let id = first.submit(shell_project(STUBBORN), &shell()).await;
        let worker = world.start(&["worker", "--reconcile-every", "1s"]);
        printed(world, &id, "begun\n").await;
        let answer = first.answer(first.http.post(first.url(&format!("/api/job/cancel/{id}")))).await;
        assert_eq!((answer.status, answer.json()["jobId"].as_str()), (202, Some(id.as_str())), "{}", answer.text());
        first.process.kill();
        printed(world, &id, "asked to end\n").await;
        worker.kill();
        let (second, worker) = (
            world.serve(&["backend", "--pipelines", &pipelines]).await,
            world.start(&["worker", "--reconcile-every", "1s"]),
        );
        let status = second.end_of(&id).await;
        assert_eq!(
            (&status["execution"]["state"], &status["execution"]["attempt"]),
            (&"CANCELED".into(), &1.into()),
            "{status:#}"
        );
        until("no container is left", async || containers(world, &id).await.is_empty().then_some(())).await;
        let log = text(world.job(&id).join("logs/build.log"));
        assert_eq!(log.matches("begun\n").count(), 1, "{log}");
        worker.stop().await;
        second.process.stop().await;
    });
}
