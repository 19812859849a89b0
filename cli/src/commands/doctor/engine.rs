//! What is looked at in the container engine, with the worker's own eyes.

use std::time::Duration;

use pipelinex_common::database::DatabaseKind;
use pipelinex_worker::{
    StopOrders, Worker,
    config::WorkerConfig,
    engine::{Engine, Runtime},
    spec::TreeKind,
};
use tokio::time::timeout;

use super::Check;
use crate::{args::WorkerArgs, commands::settings::Settings};

/// The oldest API of an engine that is supported.
const OLDEST_API: (usize, usize) = (1, 41);
/// How long the engine may take for all of it; the probe of overlays starts a container.
const ENGINE_LIMIT: Duration = Duration::from_secs(60);

/// Engine, images, and how trees are made.
pub async fn checks(settings: &Settings, args: &WorkerArgs) -> Vec<Check> {
    let looked = timeout(ENGINE_LIMIT, look(settings, args)).await;
    looked.unwrap_or_else(|_| vec![Check::bad("engine", "it does not answer in time", "look at its log")])
}

async fn look(settings: &Settings, args: &WorkerArgs) -> Vec<Check> {
    let advice = "start Docker, or name an engine with --docker-host; whoever runs this needs the right to use it";
    let engine = match Engine::connect(args.docker_host.as_deref()).await {
        Ok(engine) => engine,
        Err(error) => return vec![Check::bad("engine", error.to_string(), advice)],
    };
    let runtime = engine.runtime().await.map_err(|error| error.to_string());
    let mut checks = vec![version(&engine).await, runtime_check(runtime)];
    if !rustix::process::geteuid().is_root() {
        let found = "this user is not root: what runners get is lent to them, not given";
        let advice = "jobs run; what they leave is removed by a container, half a second later";
        checks.push(Check::note("user", found, advice));
    }
    // A broken folder of stacks is a check of its own.
    if let Ok(config) = settings.worker(args) {
        for (name, image) in &config.images {
            let there = engine.has_image(image).await.map_err(|error| error.to_string());
            let of_all =
                WorkerConfig::default().images.contains_key(name) || args.images.iter().any(|(own, _)| own == name);
            checks.push(image_check(name, image, there, of_all));
        }
    }
    checks.push(trees(settings, args, &engine).await);
    checks
}

/// An image that only some jobs need keeps nobody else from running.
fn image_check(name: &str, image: &str, there: Result<bool, String>, of_all: bool) -> Check {
    let without = match name {
        _ if !of_all => Some("projects of the stack that names it cannot run without it"),
        "sca" => Some("stage SCA cannot run without it"),
        name if DatabaseKind::ALL.iter().any(|kind| kind.image() == name) => Some(
            "projects with requires_db cannot run TEST, SMOKE-TEST and DAST without it where they ask for this one",
        ),
        _ => None,
    };
    match (there, without) {
        (Ok(true), _) => Check::ok("image", format!("{name}: {image}")),
        (Ok(false), None) => {
            Check::bad("image", format!("{name}: {image} is not there"), "build it with `make images`")
        }
        (Ok(false), Some(without)) => Check::note(
            "image",
            format!("{name}: {image} is not there"),
            format!("{without}: build it with `make images`"),
        ),
        (Err(error), _) => Check::bad("image", format!("{name}: {error}"), "look at the engine's log"),
    }
}

async fn version(engine: &Engine) -> Check {
    let (major, minor) = engine.api();
    let version = engine.version().await.unwrap_or_else(|_| "of unknown version".to_owned());
    let found = format!("{version}, API {major}.{minor}");
    if (major, minor) < OLDEST_API {
        return Check::bad("engine", found, "an engine with API 1.41 (Docker 20.10) or newer is needed");
    }
    Check::ok("engine", found)
}

/// A runtime with known holes is a note: whether its package has them mended, its version does not tell.
fn runtime_check(runtime: Result<Option<Runtime>, String>) -> Check {
    let unknown = "jobs run; whether containers can break out of it, nobody looked";
    match runtime {
        Ok(Some(runtime)) if !runtime.is_known() => {
            Check::note("runtime", format!("{runtime}, an unknown version"), unknown)
        }
        Ok(Some(runtime)) => {
            let findings = runtime.findings();
            if findings.is_empty() {
                return Check::ok("runtime", runtime.to_string());
            }
            let holes: Vec<_> = findings.iter().map(|f| format!("{}, mended in {}", f.problem, f.fixed_in)).collect();
            let what_to_do =
                "update it, or see in the change log of its package whether it was mended under the old number";
            Check::note("runtime", runtime.to_string(), format!("{}: {what_to_do}", holes.join("; ")))
        }
        Ok(None) => Check::note("runtime", "the engine names no runc", unknown),
        Err(error) => Check::bad("runtime", error, "look at the engine's log"),
    }
}

/// Only where the workspaces folder is there already: to look makes nothing.
async fn trees(settings: &Settings, args: &WorkerArgs, engine: &Engine) -> Check {
    if !settings.workspaces.is_dir() {
        return Check::note(
            "trees",
            "not looked at",
            "the workspaces folder is made by the first start; ask again then",
        );
    }
    let store = match settings.open_store() {
        Ok(store) => store,
        Err(error) => return Check::bad("trees", error.to_string(), ""),
    };
    let config = match settings.worker(args) {
        Ok(config) => config,
        Err(error) => return Check::bad("trees", error.to_string(), "name the folder of stacks with --pipelines"),
    };
    let worker = Worker::new(config, store, StopOrders::default());
    match worker.environment(engine).await.map(|site| site.trees) {
        Ok(TreeKind::Overlay) => Check::ok("trees", "overlay: nothing is copied"),
        Ok(TreeKind::Copy) => {
            Check::note("trees", "copied for each step", "an overlay needs a local file system and a rootful engine")
        }
        Err(error) => Check::bad(
            "trees",
            error.to_string(),
            "name what the engine's host calls the folder with --engine-workspaces",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::doctor::CheckResult;

    #[test]
    fn an_image_that_few_jobs_need_is_a_note_where_it_is_missing() {
        let check = |name: &str, there| image_check(name, "pipelinex/x:1", there, name != "node24-npm");
        assert_eq!(check("sca", Ok(true)), Check::ok("image", "sca: pipelinex/x:1"));
        for (name, part) in [
            ("sca", "stage SCA"),
            ("postgres", "requires_db"),
            ("redis", "requires_db"),
            ("node24-npm", "projects of the stack"),
        ] {
            let missing = check(name, Ok(false));
            assert_eq!(
                (missing.result, missing.found),
                (CheckResult::Note, format!("{name}: pipelinex/x:1 is not there"))
            );
            assert!(missing.advice.contains(part) && missing.advice.contains("make images"), "{}", missing.advice);
        }
        for name in ["scan", "of-the-operator"] {
            assert_eq!(check(name, Ok(false)).result, CheckResult::Bad, "{name}");
        }
        assert_eq!(check("sca", Err("no".to_owned())).result, CheckResult::Bad);
    }

    #[test]
    fn a_runtime_with_known_holes_is_a_note_that_names_them() {
        let check =
            |version: &str| runtime_check(Ok(Some(Runtime { version: version.to_owned(), package: "v-1".to_owned() })));
        assert_eq!(check("1.3.3"), Check::ok("runtime", "runc 1.3.3 (v-1)"));
        let old = check("1.1.5+ds1");
        assert_eq!((old.result, old.found.as_str()), (CheckResult::Note, "runc 1.1.5+ds1 (v-1)"));
        for hole in ["CVE-2024-21626", "1.1.12", "CVE-2025-31133", "1.2.8 and 1.3.3"] {
            assert!(old.advice.contains(hole), "{hole}: {}", old.advice);
        }
        assert_eq!(check("main").result, CheckResult::Note);
        assert_eq!(runtime_check(Ok(None)).result, CheckResult::Note);
        assert_eq!(runtime_check(Err("no".to_owned())).result, CheckResult::Bad);
    }
}
