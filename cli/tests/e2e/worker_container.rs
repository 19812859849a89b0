//! The worker as a container of the product image, with the workspaces folder as a named volume: the engine knows that
//! folder by another name than the worker, and still every mount of every step must be right.

use std::{fs, path::PathBuf};

use pipelinex_common::testing::RedisServer;
use secrecy::ExposeSecret;

use crate::{
    product::{base, socket},
    projects::{printed, release, repository, shell, shell_project, shell_stack},
    world::{World, docker, story, text, until},
};

/// Looks at what was sent, changes it in its own tree, and leaves something.
const WORK: &str = "echo begun\ncat sent.txt\necho changed > sent.txt\nuntil [ -e \"$REPORTS_DIR/go\" ]; do sleep 0.05; done\n\
    mkdir -p made \"$REPORTS_DIR/build\"\ncat sent.txt > made/thing.txt\necho told > \"$REPORTS_DIR/build/note.txt\"\necho done\n";

/// The product image with the program under test.
async fn image(world: &World) -> String {
    let program = PathBuf::from(env!("CARGO_BIN_EXE_pipelinex"));
    let base = format!("BASE={}", base(world, &[&program]).await);
    let context = world.path("context");
    fs::create_dir(&context).unwrap();
    fs::copy(&program, context.join("pipelinex")).unwrap();
    let file = repository().join("Dockerfile");
    let places = ["--file", file.to_str().unwrap(), context.to_str().unwrap()];
    let (image, label) = (world.name(), world.label());
    let what = ["build", "--tag", &image, "--label", &label, "--build-arg", &base, "--build-arg", "BINARY=pipelinex"];
    let what = [&what[..], &["--build-arg", "PROGRAM=given"]].concat();
    docker(&[&what[..], &places].concat()).await;
    image
}

#[test]
fn a_job_runs_through_a_worker_in_a_container() {
    story(async |world| {
        let redis = RedisServer::start();
        let url = redis.url().expose_secret().to_owned();
        let (image, name, label) = (image(world).await, world.name(), world.label());
        docker(&["volume", "create", "--label", &label, &name]).await;
        let mountpoint = docker(&["volume", "inspect", "--format", "{{.Mountpoint}}", &name]).await;
        world.workspaces = PathBuf::from(mountpoint.trim());
        let pipelines = shell_stack(world, "egress");
        let backend = world.serve(&["backend", "--redis-url", &url, "--pipelines", &pipelines]).await;

        let mounts = [format!("{}:/var/run/docker.sock", socket()), format!("{name}:/workspaces")];
        let place = ["--network", "host", "--volume", &mounts[0], "--volume", &mounts[1]];
        let who = ["run", "--detach", "--name", &name, "--label", &label];
        docker(&[&who[..], &place, &[&image, "worker", "--redis-url", &url]].concat()).await;

        let zip = pipelinex_common::testing::zip_builder::ZipBuilder::new();
        let project = zip.file("run.sh", WORK).file("sent.txt", "as it was sent\n").build();
        let id = backend.submit(project, &shell()).await;
        printed(world, &id, "as it was sent\n").await;
        let log = docker(&["logs", &name]).await;
        assert!(log.contains("trees=Overlay") && log.contains(mountpoint.trim()), "{log}");
        // The next worker is another process in another boot of the same container; the step does not notice.
        docker(&["kill", &name]).await;
        docker(&["start", &name]).await;
        until("the job is taken again", async || (world.claims(&id) == 2).then_some(())).await;
        release(world, &id);
        let status = backend.end_of(&id).await;
        assert_eq!(status["execution"]["state"], "SUCCEEDED", "{status:#}");
        assert_eq!(status["execution"]["attempt"], 1, "{status:#}");

        let job = world.job(&id);
        let log = text(job.join("logs/build.log"));
        assert!(log.ends_with("begun\nas it was sent\ndone\n"), "{log}");
        assert_eq!(text(job.join("source/sent.txt")), "as it was sent\n", "the source stays as it was sent");
        assert_eq!(text(job.join("artifacts/build/made/thing.txt")), "changed\n", "the step worked in its own tree");
        assert_eq!(text(job.join("reports/build/note.txt")), "told\n");

        let next = backend.submit(shell_project("echo again\n"), &shell()).await;
        assert_eq!(backend.end_of(&next).await["execution"]["state"], "SUCCEEDED");
        docker(&["stop", "--time", "60", &name]).await;
        let code = docker(&["inspect", "--format", "{{.State.ExitCode}}", &name]).await;
        assert_eq!(code.trim(), "0", "{}", docker(&["logs", &name]).await);
        backend.process.stop().await;
    });
}
