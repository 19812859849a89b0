//! `gc`: shows what nobody needs any more and what is more than is kept, and removes it.

use std::path::Path;

use pipelinex_common::{
    foreign,
    humanize::span,
    store::{Because, CacheGoes, Store},
};
use pipelinex_worker::{
    engine::Engine,
    gc::Clearing,
    sweep::{self, Why},
};
use serde_json::json;

use super::settings::workspaces;
use crate::{args::KeepArgs, exit::Exit, failure::Failure, output::Output, show};

/// Clears up, or says what there is to clear up.
pub async fn gc(
    out: &Output,
    named: Option<&Path>,
    docker_host: Option<&str>,
    keep: &KeepArgs,
    dry_run: bool,
) -> Result<Exit, Failure> {
    let root = workspaces(named)?;
    let store = Store::find(&root).map_err(|error| Failure::errored(error.to_string()))?.ok_or_else(|| {
        Failure::errored(format!("{} is no workspaces folder: name the server's with --workspaces", root.display()))
    })?;
    let look = Clearing::of_folders(&store, &keep.keep(), &keep.caches.limits(), keep.grace);
    let mut found = look.map_err(|error| Failure::errored(error.to_string()))?;
    let engine = match on_engine(&store, docker_host, keep, &mut found).await {
        Ok(engine) => Some(engine),
        Err(why) => {
            out.say(show::warning(&format!("only folders are looked at, the container engine does not answer: {why}")));
            None
        }
    };
    let reached = engine.is_some();
    let done = if dry_run { found } else { found.remove(engine.as_ref(), &store).await };
    let bytes = done.bytes();
    if out.json() {
        out.document(&json!({"dry_run": dry_run, "engine_reached": reached, "bytes": bytes, "removed": done}))?;
    } else {
        rows(&done).into_iter().try_for_each(|row| out.data(row))?;
        let count = done.engine.len() + done.folders.len() + done.jobs.len() + done.caches.len();
        let verb = if dry_run { "would be removed" } else { "removed" };
        out.say(format!("{count} {verb}, {} on disk", size(bytes)));
    }
    Ok(Exit::Passed)
}

async fn on_engine(
    store: &Store,
    docker_host: Option<&str>,
    keep: &KeepArgs,
    found: &mut Clearing,
) -> Result<Engine, String> {
    let engine = Engine::connect(docker_host).await.map_err(|error| error.to_string())?;
    found.engine = sweep::leftovers(&engine, store, keep.grace).await.map_err(|error| error.to_string())?;
    Ok(engine)
}

fn rows(done: &Clearing) -> Vec<crate::output::Line> {
    let mut rows = vec![["WHAT", "NAME", "WHY", "AGE", "SIZE"].map(str::to_owned).to_vec()];
    let age = |seconds: u64| span(seconds.saturating_mul(1000));
    rows.extend(done.engine.iter().map(|left| {
        let why = match left.why {
            Why::JobEnded => "its job has ended",
            Why::JobGone => "its job is gone",
            Why::AttemptOver => "its attempt is over",
            Why::NoJob => "it belongs to no job",
        };
        let kind = format!("{:?}", left.kind).to_lowercase();
        vec![kind, left.name.clone(), why.to_owned(), left.age_seconds.map(age).unwrap_or_default(), String::new()]
    }));
    rows.extend(done.folders.iter().map(|folder| {
        let (why, old) = ("it belongs to no job".to_owned(), folder.age_seconds.map(age).unwrap_or_default());
        vec!["folder".to_owned(), folder.path.display().to_string(), why, old, size(folder.bytes)]
    }));
    rows.extend(done.jobs.iter().map(|old| {
        let why = match old.because {
            Because::Age => "older than --keep-days",
            Because::Count => "more than --keep-jobs",
            Because::Bytes => "more than --keep-bytes",
        };
        let name = old.job.to_string();
        vec!["job".to_owned(), name, why.to_owned(), age(old.ended_seconds_ago), size(old.bytes)]
    }));
    rows.extend(done.caches.iter().map(|old| {
        let why = match old.because {
            CacheGoes::Age => "not read for --cache-age",
            CacheGoes::Bytes => "more than --cache-size",
            CacheGoes::Replaced => "there is a later one",
            CacheGoes::Unfinished => "whoever wrote it died",
        };
        let of = [&old.project, &old.key].map(|word| foreign::shown_up_to(word.as_deref().unwrap_or("?"), 60));
        vec!["cache".to_owned(), of.join(": "), why.to_owned(), age(old.age_seconds), size(old.bytes)]
    }));
    if rows.len() == 1 { Vec::new() } else { show::table(&rows) }
}

fn size(bytes: u64) -> String {
    format!("{:.1} MiB", bytes as f64 / f64::from(1 << 20))
}
