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
    /// What was found.
    pub text: String,
    /// What to do about it; empty where it is fine.
    pub advice: String,
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

/// Looks at everything that a worker with this configuration needs.
pub async fn examine(config: WorkerConfig, store: &Store) -> Vec<Check> {
    let images = config.images.clone();
    let ca_certs = config.ca_certs.clone();
    let worker = Worker::new(config, store.clone(), CancellationToken::new());
    let mut checks = vec![identity()];
    let engine = match worker.engine().await {
        Ok(engine) => engine,
        Err(error) => {
            checks.push(broken(
                "engine",
                error.to_string(),
                "install Docker Engine 20.10 or newer, or set DOCKER_HOST",
            ));
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
                format!("{image} is not there"),
                "build it with `make images`, or name another with --images",
            ),
            Err(error) => broken(&format!("image {name}"), error.to_string(), "see whether the engine is well"),
        });
    }
    match worker.site(&engine).await {
        Err(error) => checks.push(broken("mounts", error.to_string(), "see the worker's log")),
        Ok(site) => {
            checks.push(ok("mounts", format!("the engine sees the workspaces at {}", site.workspaces.display())));
            checks.push(match site.trees {
                TreeKind::Overlay => ok("trees", "overlay above the source".to_owned()),
                TreeKind::Copy => warning(
                    "trees",
                    "copies of the source".to_owned(),
                    "slower: the engine's host cannot lay an overlay over this folder, or there is no image to try it with",
                ),
            });
            if let Some(file) = ca_certs {
                checks.push(ok("certificates", format!("{} is given to every runner", file.display())));
            }
        }
    }
    checks
}

fn identity() -> Check {
    if rustix::process::geteuid().is_root() {
        ok("user", "root: can hand the source over to the runner".to_owned())
    } else {
        let text = "not root: the worker cannot hand the source over to uid 10001, so steps cannot write";
        broken("user", text.to_owned(), "run the worker as root")
    }
}

fn ok(name: &str, text: String) -> Check {
    Check { name: name.to_owned(), verdict: Verdict::Ok, text, advice: String::new() }
}

fn warning(name: &str, text: String, advice: &str) -> Check {
    Check { name: name.to_owned(), verdict: Verdict::Warning, text, advice: advice.to_owned() }
}

fn broken(name: &str, text: String, advice: &str) -> Check {
    Check { name: name.to_owned(), verdict: Verdict::Broken, text, advice: advice.to_owned() }
}
