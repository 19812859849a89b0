//! `run`: a project's pipeline here and now, in this process: through the same intake, admission, store, planner and worker as on a
//! server, without one.

mod show;

use std::{path::Path, sync::Arc, time::Duration};

use pipelinex_backend::{
    config::Config,
    error::Problem,
    local::{self as intake, LocalError},
    pack,
    stacks::Stacks,
};
use pipelinex_common::{
    disk,
    limits::CacheLimits,
    metadata::Metadata,
    pipeline::{
        model::{Step, When},
        own::{OwnRules, Plan},
    },
    policy::Policy,
    store::{Job, Keep, Store},
};
use pipelinex_worker::{StopOrders, config::WorkerConfig, engine::Engine, gc::Clearing, solo};
use tokio::sync::Notify;

use self::show::Show;
use super::{plan, secrets, settings};
use crate::{
    args::{PlanFormat, RunArgs},
    exit::Exit,
    failure::Failure,
    local,
    output::Output,
};

/// Pause between two looks at how the steps stand.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// How many runs are kept.
const RUNS_KEPT: usize = 20;
/// How old what is left of a run that was killed must be before it is removed.
const GRACE: Duration = Duration::from_secs(60 * 60);

/// Runs a project; its end is ours.
pub async fn run(out: &Output, args: RunArgs, ca_certs: Option<&Path>) -> Result<Exit, Failure> {
    if args.dry_run {
        return plan::plan(out, &args.local, PlanFormat::Text);
    }
    // Files name their modes themselves, as in a server.
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o002));
    let engine = Engine::connect(args.docker_host.as_deref()).await.map_err(|error| {
        Failure::errored(format!(
            "{error}\nSteps run in containers: start Docker or Podman, or name one with --docker-host."
        ))
    })?;
    let store = settings::open_store(&settings::runs(args.workspaces.as_deref())?)?;
    let stacks = Stacks::load(args.local.pipelines.as_deref()).map_err(|error| Failure::errored(error.to_string()))?;
    let mut worker = worker(&args, &stacks, ca_certs);
    if let Some(file) = &args.secrets_file {
        worker.named_secrets = secrets::of_file(file)?;
    }
    let metadata = admitted(&store, stacks, &args).await?;
    let job = store.job(metadata.job_id).map_err(|error| Failure::errored(error.to_string()))?;
    start_by_hand(&store, &job, &args.play)?;
    let show = Show::new(out, &job, &metadata, &args);
    show.admitted()?;
    let exit = to_the_end(out, show, &store, &job, worker).await?;
    if !args.keep {
        clear_up(&engine, &store, &args.caches.limits()).await;
    }
    Ok(exit)
}

fn worker(args: &RunArgs, stacks: &Stacks, ca_certs: Option<&Path>) -> WorkerConfig {
    let default = WorkerConfig::default();
    let mut images = default.images.clone();
    images.extend(stacks.images().clone());
    images.extend(args.images.iter().cloned());
    WorkerConfig {
        parallel: 1,
        parallel_steps: args.parallel as usize,
        images,
        // Whoever runs this may run any image anyway.
        allowed_images: vec!["*".to_owned()],
        policy: policy(),
        ca_certs: ca_certs.map(Path::to_owned),
        // Nobody is there who would start a step later: `--play` says so before.
        manual_timeout: Duration::ZERO,
        docker_host: args.docker_host.clone(),
        caches: args.caches.limits(),
        // The folder is one person's.
        caches_of_anonymous: true,
        ..default
    }
}

fn policy() -> Policy {
    Policy { own: OwnRules { pipelines: true, network: true }, ..Policy::default() }
}

/// Wishes for the steps that are to be started by hand, before anything runs.
fn start_by_hand(store: &Store, job: &Job, names: &[String]) -> Result<(), Failure> {
    let errored = |error: &dyn std::fmt::Display| Failure::errored(error.to_string());
    let plan: Option<Plan> = disk::read_json(&job.paths().plan()).map_err(|error| errored(&error))?;
    let steps = plan.map(|plan| plan.pipeline.steps).unwrap_or_default();
    for name in names {
        let waits = |step: &&Step| matches!(step.when, When::Manual | When::Delayed);
        let named = |step: &&Step| step.name == *name || step.slug.as_str() == name;
        let Some(step) = steps.iter().filter(waits).find(named) else {
            // Nothing of it has run.
            store.throw_away(job.paths().root()).map_err(|error| errored(&error))?;
            let all: Vec<&str> = steps.iter().filter(waits).map(|step| step.name.as_str()).collect();
            let has = if all.is_empty() { "none is".to_owned() } else { format!("these are: {}", all.join(", ")) };
            return Err(Failure::usage(format!("--play: {name} is no step that is started by hand; {has}")));
        };
        job.wish_play(&step.slug).map_err(|error| errored(&error))?;
    }
    Ok(())
}

/// A copy of the project, as a job.
async fn admitted(store: &Store, stacks: Stacks, args: &RunArgs) -> Result<Metadata, Failure> {
    let limits = args.intake.limits();
    let (path, include_ignored, packing) = (args.local.path.clone(), args.local.include_ignored, limits.clone());
    if !path.is_dir() {
        return Err(Failure::usage(format!("{} is no folder: run takes the folder of a project", path.display())));
    }
    let asked = (local::request(&args.local), local::repository_of(&args.local)?);
    let packed = tokio::task::spawn_blocking(move || pack::pack(&path, &packing, include_ignored)).await;
    let packed = packed.map_err(|error| Failure::errored(format!("packing failed: {error}")))??;
    let config = Config { intake: limits, policy: policy(), caches_of_anonymous: true, ..Config::default() };
    intake::submit(store, stacks, config, asked, packed.file).await.map_err(|error| match error {
        LocalError::Refused(problems) => refused(&problems),
        LocalError::Failed(message) => Failure::errored(message),
    })
}

fn refused(problems: &[Problem]) -> Failure {
    let one = |problem: &Problem| {
        let place = problem.place.as_ref();
        let at = if place.is_some() { "" } else { problem.path.as_deref().unwrap_or_default() };
        let head = if at.is_empty() { problem.message.clone() } else { format!("{at}: {}", problem.message) };
        let excerpt = place.map(|place| place.excerpt.as_str()).unwrap_or_default();
        format!("{head}\n{excerpt}hint: {}", problem.hint)
    };
    let all: Vec<String> = problems.iter().map(one).collect();
    Failure::Said { exit: Exit::Refused, message: format!("this is not run:\n{}", all.join("\n")) }
}

async fn to_the_end(
    out: &Output,
    mut show: Show<'_>,
    store: &Store,
    job: &Job,
    config: WorkerConfig,
) -> Result<Exit, Failure> {
    let (bell, stop) = (Arc::new(Notify::new()), StopOrders::default());
    let mut running = std::pin::pin!(solo::run(config, store.clone(), job.id(), bell.clone(), stop));
    let mut told = false;
    loop {
        tokio::select! {
            ran = &mut running => {
                ran.map_err(Failure::errored)?;
                return show.ended();
            }
            _ = tokio::signal::ctrl_c() => {
                if told {
                    out.say(format!("left: what still runs is removed by `pipelinex gc --workspaces {}`", store.layout().root().display()));
                    return Ok(Exit::Interrupted);
                }
                told = true;
                job.wish_cancel("with Ctrl-C").map_err(|error| Failure::errored(error.to_string()))?;
                bell.notify_one();
                out.say("canceling: the steps that run are ended; Ctrl-C once more leaves at once");
            }
            () = tokio::time::sleep(LOOK_EVERY) => show.look()?,
        }
    }
}

/// Older runs, and what killed ones have left. What fails here is tried again with the next run.
async fn clear_up(engine: &Engine, store: &Store, caches: &CacheLimits) {
    let keep = Keep { jobs: Some(RUNS_KEPT), ..Keep::default() };
    let Ok(mut found) = Clearing::of_folders(store, &keep, caches, GRACE) else { return };
    if let Ok(left) = pipelinex_worker::sweep::leftovers(engine, store, GRACE).await {
        found.engine = left;
    }
    found.remove(Some(engine), store).await;
}
