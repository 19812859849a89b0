//! `project trigger` and `project schedule`: what starts jobs by itself is made, listed and removed in the workspaces folder of a server.

use std::{fs, path::Path};

use jiff::Timestamp;
use pipelinex_backend::events::schedule;
use pipelinex_common::{
    secrets::SecretKey,
    store::{JobWish, NewSchedule, NewTrigger, ScheduleRecord, Store, StoreError, TriggerError, TriggerRecord},
};
use serde_json::{Value, json};

use super::{audit, settings};
use crate::{
    args::{ScheduleCommand, TriggerCommand},
    exit::Exit,
    failure::Failure,
    output::Output,
    show,
};

/// The shortest secret, in bytes: whoever guesses it starts jobs.
const SECRET_MIN: usize = 16;
/// The longest wait by chance, in seconds.
const JITTER_MAX: u64 = 24 * 60 * 60;

/// Does what was asked for with triggers.
pub fn trigger(out: &Output, command: TriggerCommand) -> Result<Exit, Failure> {
    match command {
        TriggerCommand::Add { project, from, repository, branches, git_token, secret_file, place } => {
            let store = open(place.workspaces.as_deref())?;
            check_repository(&repository)?;
            let key = SecretKey::open(&place.secrets_key, store.layout().root());
            let key = key.map_err(|error| Failure::usage(error.to_string()))?;
            let (secret, by) = (secret(&secret_file)?, audit::who_runs_this());
            let (url, refs, token) = (&*repository, branches, git_token);
            let new = NewTrigger { project: &project, host: from, url, refs, token, secret: &secret, by: &by };
            added_trigger(out, &store, store.add_trigger(&key, new))
        }
        TriggerCommand::List { workspaces } => {
            let store = open(workspaces.as_deref())?;
            let row = |trigger| trigger_row(&store, trigger);
            let rows = store.triggers().map_err(failed)?.into_iter().map(row).collect::<Result<_, Failure>>()?;
            list(out, "triggers", &["ID", "PROJECT", "FROM", "REPOSITORY", "BRANCHES", "LAST"], rows)
        }
        TriggerCommand::Rm { id, workspaces } => {
            let store = open(workspaces.as_deref())?;
            removed(out, &store, "trigger", &id, store.remove_trigger(&id))
        }
    }
}

fn added_trigger(out: &Output, store: &Store, made: Result<TriggerRecord, TriggerError>) -> Result<Exit, Failure> {
    let made = made.map_err(|error| Failure::errored(error.to_string()))?;
    let TriggerRecord { id, project, host, refs, .. } = &made;
    audit::note(out, store, "add trigger", &format!("{id} of {project}"));
    let path = format!("/api/hooks/{id}");
    if out.json() {
        out.document(&json!({"id": id, "project": project, "path": path}))?;
    } else {
        out.data(&path)?;
    }
    let branches = refs.join(", ");
    out.say(format!(
        "pushes of {branches} start jobs of {project}: have {host} send them to this path of the server, as application/json"
    ));
    Ok(Exit::Passed)
}

fn trigger_row(store: &Store, trigger: TriggerRecord) -> Result<(Vec<String>, Value), Failure> {
    let wish = store.last_job_wish(&trigger.id).map_err(failed)?;
    let TriggerRecord { id, project, host, url, refs, created_at, created_by, .. } = trigger;
    let document = json!({
        "id": id, "project": project, "from": host, "repository": url, "branches": refs,
        "created_at": created_at, "created_by": created_by, "last": described(wish.as_ref()),
    });
    Ok((vec![id, project, host.to_string(), url, refs.join(","), last(wish.as_ref())], document))
}

/// Does what was asked for with schedules.
pub fn schedule(out: &Output, command: ScheduleCommand) -> Result<Exit, Failure> {
    match command {
        ScheduleCommand::Add { project, cron, zone, repository, git_ref, git_token, jitter, missed, workspaces } => {
            let store = open(workspaces.as_deref())?;
            check_repository(&repository)?;
            schedule::next(&cron, &zone, Timestamp::now()).map_err(Failure::usage)?;
            let seconds = jitter.map_or(0, |jitter| jitter.as_secs());
            let jitter_seconds = u32::try_from(seconds).ok().filter(|_| seconds <= JITTER_MAX);
            let jitter_seconds =
                jitter_seconds.ok_or_else(|| Failure::usage("--jitter is at most a day: 24h".to_owned()))?;
            let (url, token, by) = (&*repository, git_token, audit::who_runs_this());
            let (project, cron, zone, by) = (&*project, &*cron, &*zone, &*by);
            let new = NewSchedule { project, cron, zone, jitter_seconds, missed, url, git_ref, token, by };
            added_schedule(out, &store, store.add_schedule(new))
        }
        ScheduleCommand::List { workspaces } => {
            let store = open(workspaces.as_deref())?;
            let row = |schedule| schedule_row(&store, schedule);
            let rows = store.schedules().map_err(failed)?.into_iter().map(row).collect::<Result<_, Failure>>()?;
            list(out, "schedules", &["ID", "PROJECT", "WHEN", "REPOSITORY", "NEXT", "LAST"], rows)
        }
        ScheduleCommand::Rm { id, workspaces } => {
            let store = open(workspaces.as_deref())?;
            removed(out, &store, "schedule", &id, store.remove_schedule(&id))
        }
        ScheduleCommand::Run { id, workspaces } => run(out, &open(workspaces.as_deref())?, &id),
    }
}

fn added_schedule(out: &Output, store: &Store, made: Result<ScheduleRecord, TriggerError>) -> Result<Exit, Failure> {
    let made = made.map_err(|error| Failure::errored(error.to_string()))?;
    let ScheduleRecord { id, project, jitter_seconds, .. } = &made;
    audit::note(out, store, "add schedule", &format!("{id} of {project}"));
    let next = next(&made);
    if out.json() {
        out.document(&json!({"id": id, "project": project, "next": next}))?;
    } else {
        out.data(id)?;
    }
    let later = if *jitter_seconds > 0 { format!(", or up to {jitter_seconds} s later") } else { String::new() };
    out.say(format!(
        "the next job of {project} by this schedule begins at {next}{later}, where a server runs over this folder"
    ));
    Ok(Exit::Passed)
}

/// Asks for a job now; a server makes it.
fn run(out: &Output, store: &Store, id: &str) -> Result<Exit, Failure> {
    let schedule = store.schedule(id).map_err(failed)?.ok_or_else(|| nowhere("schedule", id))?;
    schedule::run_now(store, &schedule).map_err(failed)?;
    audit::note(out, store, "run schedule", &format!("{id} of {}", schedule.project));
    if out.json() {
        out.document(&json!({"id": id, "project": schedule.project, "asked": true}))?;
    }
    out.say(format!(
        "a job of {} is asked for; the server over this folder makes it, and `pipelinex project schedule list` says which",
        schedule.project
    ));
    Ok(Exit::Passed)
}

fn schedule_row(store: &Store, schedule: ScheduleRecord) -> Result<(Vec<String>, Value), Failure> {
    let wish = store.last_job_wish(&schedule.id).map_err(failed)?;
    let next = next(&schedule);
    let ScheduleRecord {
        id, project, cron, zone, jitter_seconds, missed, url, git_ref, created_at, created_by, ..
    } = schedule;
    let document = json!({
        "id": id, "project": project, "cron": cron, "zone": zone, "jitter_seconds": jitter_seconds, "missed": missed,
        "repository": url, "ref": git_ref, "next": next, "created_at": created_at, "created_by": created_by,
        "last": described(wish.as_ref()),
    });
    Ok((vec![id, project, format!("{cron} {zone}"), url, next, last(wish.as_ref())], document))
}

/// When it fires next, or why it does not.
fn next(schedule: &ScheduleRecord) -> String {
    let next = schedule::next(&schedule.cron, &schedule.zone, Timestamp::now());
    next.map_or_else(|error| error, |next| next.to_string())
}

fn open(workspaces: Option<&Path>) -> Result<Store, Failure> {
    settings::open_store(&settings::workspaces(workspaces)?)
}

/// The server decides which hosts may be cloned from; here is only seen what can be no repository.
fn check_repository(url: &str) -> Result<(), Failure> {
    match url.starts_with("https://") && !url.contains(char::is_whitespace) {
        true => Ok(()),
        false => Err(Failure::usage("a repository has an address such as https://github.com/owner/name")),
    }
}

fn secret(path: &Path) -> Result<String, Failure> {
    let text = fs::read_to_string(path);
    let text = text.map_err(|error| Failure::usage(format!("{} cannot be read: {error}", path.display())))?;
    let text = text.trim();
    if text.len() < SECRET_MIN || text.contains('\n') {
        return Err(Failure::usage(format!("the secret is one line of at least {SECRET_MIN} characters")));
    }
    Ok(text.to_owned())
}

/// What came of the last wish, in words.
fn last(wish: Option<&JobWish>) -> String {
    match wish {
        None => "none".to_owned(),
        Some(JobWish { job: Some(job), made: true, .. }) => job.to_string(),
        Some(wish) => format!("no job: {}", wish.error.as_deref().unwrap_or("it is being made")),
    }
}

fn described(wish: Option<&JobWish>) -> Value {
    let job = |wish: &JobWish| wish.job.filter(|_| wish.made);
    wish.map_or(Value::Null, |wish| json!({"at": wish.wished_at, "job": job(wish), "error": wish.error}))
}

fn list(out: &Output, what: &str, head: &[&str], rows: Vec<(Vec<String>, Value)>) -> Result<Exit, Failure> {
    if out.json() {
        let documents: Vec<_> = rows.into_iter().map(|(_, document)| document).collect();
        out.document(&Value::Object([(what.to_owned(), documents.into())].into_iter().collect()))?;
        return Ok(Exit::Passed);
    }
    if rows.is_empty() {
        out.say(format!("no {what}"));
        return Ok(Exit::Passed);
    }
    let head = head.iter().map(|name| (*name).to_owned()).collect();
    let cells: Vec<_> = std::iter::once(head).chain(rows.into_iter().map(|(cells, _)| cells)).collect();
    show::table(&cells).into_iter().try_for_each(|line| out.data(line))?;
    Ok(Exit::Passed)
}

fn removed(
    out: &Output,
    store: &Store,
    what: &str,
    id: &str,
    removed: Result<bool, StoreError>,
) -> Result<Exit, Failure> {
    if !removed.map_err(failed)? {
        return Err(nowhere(what, id));
    }
    audit::note(out, store, &format!("remove {what}"), id);
    if out.json() {
        out.document(&json!({"id": id, "removed": true}))?;
    }
    out.say(format!("the {what} {id} is removed"));
    Ok(Exit::Passed)
}

fn nowhere(what: &str, id: &str) -> Failure {
    Failure::usage(format!("there is no {what} {id}; `pipelinex project {what} list` shows those there are"))
}

fn failed(error: StoreError) -> Failure {
    Failure::errored(error.to_string())
}
