//! A job whose data ends the process that handles it, ends at last; and no other does.

use std::{fs, os::unix::process::ExitStatusExt, process::ExitStatus};

use serde_json::{Value, json};

use crate::{
    projects::{GATED, ends_having_run_once, printed, release, shell, shell_project, shell_stack},
    server::Process,
    world::{World, names, story, text, until},
};

/// Adds a stack whose only step is called BOOM, so that a fault meets its jobs and no others.
fn boom_stack(world: &World, pipelines: &str) -> Value {
    let folder = format!("{pipelines}/boom-none");
    fs::create_dir_all(&folder).unwrap();
    let contract = "stack: {language: sh, framework: boom, build_tool: none}\nrequired: [run.sh]\n";
    let pipeline = "stages: [BOOM]\nBOOM: {stage: BOOM, image: scan, script: [bash run.sh]}\n\
                    .pipelinex: {jobs: {BOOM: {memory: 256m}}}\n";
    fs::write(format!("{folder}/contract.yml"), contract).unwrap();
    fs::write(format!("{folder}/pipeline.yml"), pipeline).unwrap();
    assert!(world.path("pipelines").exists());
    json!({"stack": {"language": "sh", "framework": "boom", "build_tool": "none"}})
}

/// A worker that suffers this. It says nothing: what an operator should be called for is what these stories are about.
fn suffering(world: &mut World, fault: &str) -> Process {
    world.start_with(&["worker", "--reconcile-every", "1s"], &[("PIPELINEX_FAULTS", fault), ("PIPELINEX_LOG", "off")])
}

async fn died(process: &mut Process) -> ExitStatus {
    until("the worker dies", async || process.child.try_wait().unwrap()).await
}

fn end_of(world: &World, id: &str) -> Value {
    serde_json::from_str(&text(world.job(id).join("final.json"))).unwrap()
}

#[test]
fn the_third_death_over_one_jobs_data_ends_that_job_and_no_other() {
    for (action, signal) in [("abort", 6), ("overflow", 6)] {
        story(async |world| {
            let pipelines = shell_stack(world, "none");
            let boom = boom_stack(world, &pipelines);
            let backend = world.serve(&["backend", "--pipelines", &pipelines]).await;
            let other = backend.submit(shell_project(GATED), &shell()).await;
            let id = backend.submit(shell_project("echo once\n"), &boom).await;
            let fault = format!("handling.collect-boom={action}");
            for _ in 0..2 {
                let mut worker = suffering(world, &fault);
                assert_eq!(died(&mut worker).await.signal(), Some(signal));
                assert_eq!(backend.status(&id).await["execution"]["state"], "RUNNING");
            }
            // The third process dies, too: but it is one for this job alone, and the worker lives on.
            let worker = suffering(world, &fault);
            let status = backend.end_of(&id).await;
            let execution = &status["execution"];
            assert_eq!((&execution["state"], &execution["reason"]), (&json!("FAILED"), &json!("poison")), "{status:#}");
            let error = execution["error"].as_str().unwrap();
            assert!(error.contains("3 times") && error.contains("collect-boom"), "{error}");
            assert_eq!(execution["stages"]["BOOM"]["reason"], "poison", "{status:#}");
            assert_eq!(text(world.job(&id).join("logs/boom.log")).matches("\nonce\n").count(), 1, "it was run once");
            printed(world, &other, "begun\n").await;
            release(world, &other);
            let status = backend.end_of(&other).await;
            assert_eq!(status["execution"]["state"], "SUCCEEDED", "{status:#}");
            assert_eq!(status["execution"]["attempt"], 1, "{status:#}");
            worker.stop().await;
            backend.process.stop().await;
        });
    }
}

#[test]
fn a_panic_over_one_jobs_data_takes_no_other_along_and_ends_that_job_at_last() {
    story(async |world| {
        let pipelines = shell_stack(world, "none");
        let boom = boom_stack(world, &pipelines);
        let backend = world.serve(&["backend", "--pipelines", &pipelines]).await;
        let other = backend.submit(shell_project(GATED), &shell()).await;
        let id = backend.submit(shell_project("echo once\n"), &boom).await;
        let worker = suffering(world, "handling.collect-boom=panic");
        let status = backend.end_of(&id).await;
        assert_eq!(status["execution"]["reason"], "poison", "{status:#}");
        release(world, &other);
        ends_having_run_once(world, &backend, &other).await;
        worker.stop().await;
        backend.process.stop().await;
    });
}

#[test]
fn a_worker_that_is_killed_from_outside_makes_no_job_a_poisoned_one() {
    story(async |world| {
        let pipelines = shell_stack(world, "none");
        let boom = boom_stack(world, &pipelines);
        let backend = world.serve(&["backend", "--pipelines", &pipelines]).await;
        let id = backend.submit(shell_project("echo once\n"), &boom).await;
        for claim in 1..=2 {
            let worker = suffering(world, "handling.collect-boom=sleep(600000)");
            let mark = world.job(&id).join(format!("handling/{claim}.collect-boom"));
            until("the job's data is being handled", async || mark.exists().then_some(())).await;
            worker.kill();
        }
        // It cannot be known that the data was not to blame, so a process of its own tries it; and gets through.
        let worker = world.start(&["worker", "--reconcile-every", "1s"]);
        let status = backend.end_of(&id).await;
        assert_eq!(status["execution"]["state"], "SUCCEEDED", "{status:#}");
        assert_eq!(end_of(world, &id)["claim"], 4, "the worker's own claim, and that of the process");
        let marks = world.job(&id).join("handling");
        until("nothing speaks against it any more", async || names(&marks).is_empty().then_some(())).await;
        worker.stop().await;
        backend.process.stop().await;
    });
}

#[test]
fn a_worker_that_stops_takes_the_process_of_a_suspected_job_along_and_leaves_the_job() {
    story(async |world| {
        let pipelines = shell_stack(world, "none");
        let backend = world.serve(&["backend", "--pipelines", &pipelines]).await;
        let id = backend.submit(shell_project(GATED), &shell()).await;
        for _ in 0..2 {
            let mut worker = suffering(world, "handling.plan=kill");
            died(&mut worker).await;
        }
        let worker = ["worker", "--reconcile-every", "1s"];
        for stop in [true, false] {
            let claims = world.claims(&id);
            let worker = world.start(&worker);
            printed(world, &id, "begun\n").await;
            until("somebody holds it", async || (world.claims(&id) > claims).then_some(())).await;
            if stop { worker.stop().await } else { _ = worker.kill() }
        }
        let worker = world.start(&worker);
        release(world, &id);
        let status = backend.end_of(&id).await;
        assert_eq!(status["execution"]["state"], "SUCCEEDED", "{status:#}");
        assert_eq!(status["execution"]["attempt"], 1, "{status:#}");
        worker.stop().await;
        backend.process.stop().await;
    });
}
