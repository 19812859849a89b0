//! A worker of a user who is not root and may use the engine: what it cannot give to the runner's user it lends, and what is the
//! runner's alone it has removed by a container.

use std::{
    fs,
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::PathBuf,
};

use pipelinex_common::testing::zip_builder::ZipBuilder;
use tokio::net::{UnixListener, UnixStream};
use tokio_util::task::AbortOnDropHandle;

use crate::{
    product,
    projects::{shell, shell_stack},
    world::{World, names, story, text, until},
};

/// Neither root nor the runner's.
const USER: u32 = 12_345;

/// Writes wherever a build does, and leaves what only its own user can remove.
const SCRIPT: &str = "set -e\ntest \"$(id -u)\" = 10001\necho changed >> part/file.txt\necho new > part/new.txt\n\
    mkdir -p made locked/in\ncat part/file.txt part/new.txt > made/thing.txt\ntouch locked/in/file\nchmod 500 locked\n\
    echo secret > made/locked; mkdir made/closed; echo in > made/closed/in; chmod 000 made/locked made/closed\n\
    rm part/gone.txt\nmkdir -p \"$REPORTS_DIR/build\"\necho '{}' > \"$REPORTS_DIR/build/more.json\"\n\
    echo x > \"$REPORTS_DIR/build/locked.json\"; chmod 000 \"$REPORTS_DIR/build/locked.json\"\necho done\n";

/// Hands an engine's socket on to a user who may not open it, as membership in its group would.
fn lend_socket(world: &World) -> (PathBuf, AbortOnDropHandle<()>) {
    let path = world.path("engine.sock");
    let listener = UnixListener::bind(&path).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o666)).unwrap();
    let engine = product::socket();
    let handing_on = tokio::spawn(async move {
        while let Ok((mut inside, _)) = listener.accept().await {
            let engine = engine.clone();
            tokio::spawn(async move {
                let mut outside = UnixStream::connect(engine).await.unwrap();
                let _ = tokio::io::copy_bidirectional(&mut inside, &mut outside).await;
            });
        }
    });
    (path, AbortOnDropHandle::new(handing_on))
}

async fn runs_and_leaves_nothing(world: &mut World, args: &[&str]) {
    let stack = shell_stack(world, "none");
    let (socket, _lent) = lend_socket(world);
    world.become_user(USER, &socket);
    let server = world.serve(&[&["serve", "--pipelines", &stack], args].concat()).await;
    let project =
        ZipBuilder::new().file("run.sh", SCRIPT).file("part/file.txt", "submitted\n").file("part/gone.txt", "");
    let id = server.submit(project.build(), &shell()).await;
    let status = server.end_of(&id).await;
    let job = world.job(&id);
    assert_eq!(status["execution"]["state"], "SUCCEEDED", "{status:#}\n{}", text(job.join("logs/build.log")));
    assert_eq!(text(job.join("artifacts/build/made/thing.txt")), "submitted\nchanged\nnew\n");
    assert_eq!(text(job.join("reports/build/more.json")), "{}\n");
    let end = text(job.join("final.json"));
    for left in ["made/locked is not taken", "made/closed", "build/locked.json is not taken"] {
        assert!(end.contains(left), "what the worker may not read is a warning, and the step ends: {left}: {end}");
    }
    assert_eq!(text(job.join("source/part/file.txt")), "submitted\n", "the source is as it was submitted");
    assert!(job.join("source/part/gone.txt").exists());
    for file in ["final.json", "claims/1", "logs/build.log"] {
        assert_eq!(fs::metadata(job.join(file)).unwrap().uid(), USER, "{file}");
    }
    // What it lends is nobody's but the runner's: the way there is closed to others.
    assert_eq!(fs::metadata(&job).unwrap().permissions().mode() & 0o007, 0);
    until("what only the run needed is thrown away", async || (!job.join("outbox").exists()).then_some(())).await;
    let trash = world.workspaces.join(".trash");
    until("what the runner left is removed", async || names(&trash).is_empty().then_some(())).await;
    until("what removed it is gone", async || world.resources().await.is_empty().then_some(())).await;
    server.process.stop().await;
}

#[test]
fn a_worker_without_root_runs_jobs_over_overlays_and_leaves_nothing() {
    story(async |world| runs_and_leaves_nothing(world, &[]).await);
}

#[test]
fn a_worker_without_root_runs_jobs_over_copies_and_leaves_nothing() {
    story(async |world| runs_and_leaves_nothing(world, &["--copy-trees"]).await);
}
