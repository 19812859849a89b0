//! What a worker needs of its host, looked at one by one: each either fine, or with what to do.

use pipelinex_common::store::Store;
use tokio_util::sync::CancellationToken;

use crate::{Worker, config::WorkerConfig, spec::TreeKind};

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    /// What was looked at.
    pub name: String,
    /// How it stands.
    pub verdict: Verdict,
    /// What was found; what to do, where it is not fine.
    pub text: String,
}

/// How a thing stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Fine.
    Ok,
    /// It works, and something better is possible.
    Warning,
    /// Jobs cannot run like this.
    Broken,
}

/// Below this share of free space, in percent, a disk is reported.
const LOW_SPACE_PERCENT: u64 = 10;

/// Looks at everything that a worker with this configuration needs.
pub async fn examine(config: WorkerConfig, store: &Store) -> Vec<Check> {
    let images = config.images.clone();
    let ca_certs = config.ca_certs.clone();
    let worker = Worker::new(config, store.clone(), CancellationToken::new());
    let mut checks = vec![workspaces(store), disk_space(store), identity()];
    let engine = match worker.engine().await {
        Ok(engine) => engine,
        Err(error) => {
            checks.push(broken("engine", format!("{error}. Install Docker Engine 20.10 or newer, or set DOCKER_HOST")));
            return checks;
        }
    };
    let version = engine.version().await.unwrap_or_else(|error| error.to_string());
    let (major, minor) = engine.api();
    checks.push(ok("engine", format!("{version}, API {major}.{minor}")));
    for (name, image) in images {
        let found = engine.has_image(&image).await;
        checks.push(match found {
            Ok(true) => ok(&format!("image {name}"), image),
            Ok(false) => broken(
                &format!("image {name}"),
                format!("{image} is not there: build it with `make images`, or name another with PIPELINEX_IMAGES"),
            ),
            Err(error) => broken(&format!("image {name}"), error.to_string()),
        });
    }
    match worker.site(&engine).await {
        Err(error) => checks.push(broken("mounts", error.to_string())),
        Ok(site) => {
            checks.push(ok("mounts", format!("the engine sees the workspaces at {}", site.workspaces.display())));
            checks.push(match site.trees {
                TreeKind::Overlay => ok("trees", "overlay above the source".to_owned()),
                TreeKind::Copy => warning(
                    "trees",
                    "copies of the source: slower; the engine's host cannot lay an overlay over this folder, or there is no \
                     image to try it with"
                        .to_owned(),
                ),
            });
            if let Some(file) = ca_certs {
                checks.push(ok("certificates", format!("{} is given to every runner", file.display())));
            }
        }
    }
    checks
}

fn workspaces(store: &Store) -> Check {
    let root = store.layout().root();
    match store.stage() {
        Ok(_) => ok("workspaces", format!("{} can be written", root.display())),
        Err(error) => broken("workspaces", format!("{error}: name another folder with --workspaces")),
    }
}

fn disk_space(store: &Store) -> Check {
    let root = store.layout().root();
    match rustix::fs::statvfs(root) {
        Err(error) => broken("disk", format!("{}: {error}", root.display())),
        Ok(stat) => {
            let (free, all) = (stat.f_bavail * stat.f_frsize, (stat.f_blocks * stat.f_frsize).max(1));
            let text = format!("{} GiB of {} GiB free", free >> 30, all >> 30);
            if free * 100 / all < LOW_SPACE_PERCENT {
                warning("disk", format!("{text}: remove old jobs"))
            } else {
                ok("disk", text)
            }
        }
    }
}

fn identity() -> Check {
    if rustix::process::geteuid().is_root() {
        ok("user", "root: can hand the source over to the runner".to_owned())
    } else {
        let text = "not root: the worker cannot hand the source over to uid 10001, so steps cannot write; run the worker as root";
        broken("user", text.to_owned())
    }
}

fn ok(name: &str, text: String) -> Check {
    Check { name: name.to_owned(), verdict: Verdict::Ok, text }
}

fn warning(name: &str, text: String) -> Check {
    Check { name: name.to_owned(), verdict: Verdict::Warning, text }
}

fn broken(name: &str, text: String) -> Check {
    Check { name: name.to_owned(), verdict: Verdict::Broken, text }
}
