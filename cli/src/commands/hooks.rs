//! `project hook`: makes, lists, removes and tries webhooks, in the workspaces folder of a server.

use std::{
    fs::File,
    io::{self, Read},
    path::{Path, PathBuf},
    thread::sleep,
    time::{Duration, Instant},
};

use pipelinex_backend::events::{address::check_url, status};
use pipelinex_common::{
    hooks::{HookEvent, HookFormat, repository_path},
    secrets::SecretKey,
    store::{HookRecord, HookStanding, HookTarget, NewHook, StatusOf, Store, StoreError},
};
use serde_json::{Value, json};

use super::{audit, settings};
use crate::{args::HookCommand, exit::Exit, failure::Failure, output::Output, show};

/// The longest address or secret, in bytes.
const TEXT_MAX: u64 = 4096;
/// The shortest secret, in bytes: one that can be guessed signs nothing.
const SECRET_MIN: usize = 8;
/// How long a server has for a test.
const TEST_LIMIT: Duration = Duration::from_secs(20);
/// How often is looked whether it was sent.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Does what was asked for.
pub fn hook(out: &Output, command: HookCommand) -> Result<Exit, Failure> {
    match command {
        HookCommand::Add { project, url, on, format, git_token, api, secret_file, place } => {
            let store = open(place.workspaces.as_deref())?;
            let key = SecretKey::open(&place.secrets_key, store.layout().root());
            let key = key.map_err(|error| Failure::usage(error.to_string()))?;
            let url = if url == "-" { read(&mut io::stdin(), "the address")? } else { url };
            let (url, status) = address(url, format, git_token, api)?;
            let (_, origin) = check_url(&url).map_err(|error| Failure::usage(error.to_string()))?;
            let events = events_of(on, format)?;
            if format.is_status() && secret_file.is_some() {
                let why = "states of commits are not signed: --secret-file is for the other forms";
                return Err(Failure::usage(why));
            }
            let target = HookTarget { url, secret: secret_file.map(secret).transpose()? };
            let (by, origin) = (audit::who_runs_this(), &*origin);
            let new = NewHook { project: &project, target: &target, origin, events, format, status, by: &by };
            let made = store.add_hook(&key, new).map_err(|error| Failure::errored(error.to_string()))?;
            audit::note(out, &store, "add hook", &format!("{} of {project} to {origin}", made.id));
            added(out, &made, target.secret.is_some())
        }
        HookCommand::List { project, workspaces } => list(out, &open(workspaces.as_deref())?, project.as_deref()),
        HookCommand::Rm { id, workspaces } => remove(out, &open(workspaces.as_deref())?, &id),
        HookCommand::Test { id, workspaces } => test(out, &open(workspaces.as_deref())?, &id),
    }
}

fn open(workspaces: Option<&Path>) -> Result<Store, Failure> {
    settings::open_store(&settings::workspaces(workspaces)?)
}

/// The address that is sent to, and the repository whose commits have states there.
fn address(
    url: String,
    format: HookFormat,
    git_token: Option<String>,
    api: Option<String>,
) -> Result<(String, Option<StatusOf>), Failure> {
    if !format.is_status() {
        return match (git_token, api) {
            (None, None) => Ok((url, None)),
            _ => Err(Failure::usage("--git-token and --api are for --format github and gitlab")),
        };
    }
    let (repository, _) = check_url(&url).map_err(|error| Failure::usage(error.to_string()))?;
    if repository_path(&url).is_empty() {
        return Err(Failure::usage("states are those of a repository: name it, as https://github.com/owner/name"));
    }
    let token = git_token.ok_or_else(|| {
        Failure::usage(
            "name the secret with the token: --git-token NAME, kept by `pipelinex secret set NAME --for git:HOST`",
        )
    })?;
    let api = api.unwrap_or_else(|| status::api_of(format, &repository));
    Ok((api, Some(StatusOf { repository: url, token })))
}

fn events_of(mut on: Vec<HookEvent>, format: HookFormat) -> Result<Vec<HookEvent>, Failure> {
    if format.is_status() && !on.is_empty() {
        return Err(Failure::usage("states of commits are told at the start and the end of a job: leave out --on"));
    }
    if on.is_empty() {
        on = if format.is_status() { HookEvent::OF_JOBS.to_vec() } else { vec![HookEvent::Ended] };
    }
    on.sort_unstable();
    on.dedup();
    Ok(on)
}

fn secret(path: PathBuf) -> Result<String, Failure> {
    let file = File::open(&path).map_err(|error| Failure::usage(format!("{} cannot be read: {error}", path.display())));
    let secret = read(&mut file?, "the secret")?;
    if secret.len() < SECRET_MIN {
        return Err(Failure::usage(format!("the secret of a hook has at least {SECRET_MIN} characters")));
    }
    Ok(secret)
}

/// One line of text.
fn read(from: &mut impl Read, what: &str) -> Result<String, Failure> {
    let mut text = String::new();
    let read = from.take(TEXT_MAX).read_to_string(&mut text);
    read.map_err(|error| Failure::usage(format!("{what} cannot be read: {error}")))?;
    let text = text.trim();
    if text.is_empty() || text.contains('\n') {
        return Err(Failure::usage(format!("{what} is one line of text")));
    }
    Ok(text.to_owned())
}

fn added(out: &Output, hook: &HookRecord, signed: bool) -> Result<Exit, Failure> {
    let HookRecord { id, project, origin, .. } = hook;
    if out.json() {
        out.document(&json!({"id": id, "project": project, "origin": origin, "signed": signed}))?;
    } else {
        out.data(id)?;
    }
    let words = events(hook);
    let signed = match (&hook.status, signed) {
        (Some(of), _) => format!("as states of commits of {}", of.repository),
        (None, true) => "signed".to_owned(),
        (None, false) => "not signed".to_owned(),
    };
    out.say(format!(
        "the hook {id} tells {origin} of jobs of {project} that are {words}, {signed}; `pipelinex project hook test {id}` tries it"
    ));
    Ok(Exit::Passed)
}

fn events(hook: &HookRecord) -> String {
    hook.events.iter().map(|event: &HookEvent| event.as_str()).collect::<Vec<_>>().join(", ")
}

fn list(out: &Output, store: &Store, project: Option<&str>) -> Result<Exit, Failure> {
    let mut hooks = store.hooks().map_err(failed)?;
    hooks.known.retain(|hook| project.is_none_or(|project| hook.project == project));
    for error in &hooks.unreadable {
        out.say(show::warning(&format!("{error}; nothing of its project is told until it is removed")));
    }
    let row = |hook: HookRecord| {
        let standing = store.hook_standing(&hook.id).map_err(failed)?.unwrap_or_default();
        let waiting = store.waiting_deliveries(&hook.id).map_err(failed)?;
        Ok((hook, standing, waiting))
    };
    let rows = hooks.known.into_iter().map(row).collect::<Result<Vec<_>, Failure>>()?;
    if out.json() {
        let described: Vec<_> =
            rows.iter().map(|(hook, standing, waiting)| describe(hook, standing, *waiting)).collect();
        out.document(&json!({"hooks": described}))?;
        return Ok(Exit::Passed);
    }
    if rows.is_empty() {
        out.say("no hooks");
        return Ok(Exit::Passed);
    }
    let cells = |(hook, standing, waiting): &(HookRecord, HookStanding, usize)| {
        let HookRecord { id, project, origin, format, .. } = hook;
        let waiting = waiting.to_string();
        vec![id.clone(), project.clone(), origin.clone(), events(hook), format.to_string(), waiting, last(standing)]
    };
    let head = ["ID", "PROJECT", "TO", "ON", "FORMAT", "WAITING", "LAST"].map(str::to_owned).to_vec();
    let rows: Vec<_> = std::iter::once(head).chain(rows.iter().map(cells)).collect();
    show::table(&rows).into_iter().try_for_each(|line| out.data(line))?;
    Ok(Exit::Passed)
}

/// What came of the last delivery.
fn last(standing: &HookStanding) -> String {
    match (&standing.error, standing.taken_at) {
        (Some(error), _) => format!("failed: {error}"),
        (None, Some(_)) => "taken".to_owned(),
        (None, None) => "none".to_owned(),
    }
}

fn describe(hook: &HookRecord, standing: &HookStanding, waiting: usize) -> Value {
    json!({
        "id": hook.id, "project": hook.project, "origin": hook.origin, "events": hook.events, "format": hook.format,
        "repository": hook.status.as_ref().map(|of| &of.repository),
        "created_at": hook.created_at, "created_by": hook.created_by, "waiting": waiting,
        "taken_at": standing.taken_at, "failed_at": standing.failed_at, "error": standing.error,
        "given_up": standing.given_up,
    })
}

fn remove(out: &Output, store: &Store, id: &str) -> Result<Exit, Failure> {
    let removed = store.remove_hook(id).map_err(failed)?.ok_or_else(|| nowhere(id))?;
    audit::note(out, store, "remove hook", &format!("{id} of {} to {}", removed.project, removed.origin));
    if out.json() {
        out.document(&json!({"id": id, "project": removed.project, "removed": true}))?;
    }
    out.say(format!("the hook {id} of {} is removed", removed.project));
    Ok(Exit::Passed)
}

fn test(out: &Output, store: &Store, id: &str) -> Result<Exit, Failure> {
    let hook = store.hook(id).map_err(failed)?.ok_or_else(|| nowhere(id))?;
    let delivery = store.test_hook(&hook).map_err(failed)?;
    let until = Instant::now() + TEST_LIMIT;
    while store.is_waiting(&delivery) && Instant::now() < until {
        sleep(LOOK_EVERY);
    }
    if store.is_waiting(&delivery) {
        let why = store.hook_standing(id).map_err(failed)?.filter(|standing| standing.delivery == delivery.id);
        let why =
            why.and_then(|standing| standing.error).unwrap_or_else(|| "does a server run over this folder?".to_owned());
        return Err(Failure::errored(format!("the test was not sent within {} seconds: {why}", TEST_LIMIT.as_secs())));
    }
    let standing = store.hook_standing(id).map_err(failed)?.filter(|standing| standing.delivery == delivery.id);
    let error = standing.and_then(|standing| standing.error);
    if out.json() {
        out.document(&json!({"id": id, "delivery": delivery.id, "taken": error.is_none(), "error": error}))?;
    }
    match error {
        None => out.say(format!("{} took the test {}", hook.origin, delivery.id)),
        Some(why) => return Err(Failure::errored(format!("{} did not take the test: {why}", hook.origin))),
    }
    Ok(Exit::Passed)
}

fn failed(error: StoreError) -> Failure {
    Failure::errored(error.to_string())
}

fn nowhere(id: &str) -> Failure {
    Failure::usage(format!("there is no hook {id}; `pipelinex project hook list` shows those there are"))
}
