//! `secret`: makes the key, and sets, lists and removes secrets of projects, in the workspaces folder of a server.

use std::{
    fs::File,
    io::{self, IsTerminal, Read},
    os::unix::fs::PermissionsExt,
    path::Path,
};

use pipelinex_common::{
    pipeline::dotenv,
    secrets::{Purpose, Secret, SecretKey, VALUE_MAX},
    store::{NewSecret, SecretRecord, Store},
};
use serde_json::{Value, json};

use super::{audit, settings};
use crate::{
    args::{SealedPlace, SecretCommand},
    exit::Exit,
    failure::Failure,
    output::Output,
    show,
};

/// Does what was asked for.
pub fn secret(out: &Output, command: SecretCommand) -> Result<Exit, Failure> {
    match command {
        SecretCommand::Key { place } => make_key(out, &place),
        SecretCommand::Set { name, project, file, purpose, unmasked, protected, place } => {
            if protected && !purpose.is_of_steps() {
                return Err(Failure::usage(
                    "--protected is about steps: a token for a host is sent to that host alone",
                ));
            }
            let store = open(place.workspaces.as_deref())?;
            let key = SecretKey::open(&place.secrets_key, store.layout().root());
            let key = key.map_err(|error| Failure::usage(error.to_string()))?;
            let value = read(out, file.as_deref(), &name)?;
            let secret = Secret::new(&name, purpose, !unmasked, protected, value);
            set(out, &store, &key, &project, &secret.map_err(|error| Failure::usage(format!("{name}: {error}")))?)
        }
        SecretCommand::List { project, workspaces } => list(out, &open(workspaces.as_deref())?, project.as_deref()),
        SecretCommand::Rm { name, project, workspaces } => remove(out, &open(workspaces.as_deref())?, &project, &name),
    }
}

fn open(workspaces: Option<&Path>) -> Result<Store, Failure> {
    settings::open_store(&settings::workspaces(workspaces)?)
}

fn make_key(out: &Output, place: &SealedPlace) -> Result<Exit, Failure> {
    let workspaces = settings::workspaces(place.workspaces.as_deref())?;
    let made = SecretKey::create(&place.secrets_key, &workspaces);
    let key = made.map_err(|error| Failure::usage(error.to_string()))?;
    if out.json() {
        out.document(&json!({"file": place.secrets_key, "key": key.id()}))?;
    }
    out.say(format!(
        "the key {} is in {}, for its owner alone: keep a copy elsewhere, for without it no secret can be read; servers are given it \
         with --secrets-key",
        key.id(),
        place.secrets_key.display()
    ));
    Ok(Exit::Passed)
}

/// The value: never an argument, which every user of the machine could read.
fn read(out: &Output, file: Option<&Path>, name: &str) -> Result<Vec<u8>, Failure> {
    let most = VALUE_MAX as u64 + 1;
    let mut value = Vec::new();
    if let Some(path) = file {
        let read = File::open(path).and_then(|file| file.take(most).read_to_end(&mut value));
        read.map_err(|error| Failure::usage(format!("{} cannot be read: {error}", path.display())))?;
    } else if io::stdin().is_terminal() {
        out.say(format!("the value of {name}, which is not shown; --file takes one of several lines:"));
        let typed = rpassword::read_password();
        value = typed.map_err(|error| Failure::usage(format!("the value cannot be read: {error}")))?.into_bytes();
    } else {
        let read = io::stdin().take(most).read_to_end(&mut value);
        read.map_err(|error| Failure::usage(format!("the value cannot be read: {error}")))?;
    }
    Ok(value)
}

fn set(out: &Output, store: &Store, key: &SecretKey, project: &str, secret: &Secret) -> Result<Exit, Failure> {
    let by = audit::who_runs_this();
    let replaced = store.set_secret(key, &NewSecret { project, secret, by: &by });
    let replaced = replaced.map_err(|error| Failure::errored(error.to_string()))?;
    let name = &secret.name;
    audit::note(out, store, "set secret", &format!("{name} of {project}"));
    if out.json() {
        let told = json!({"name": name, "project": project, "for": secret.purpose, "masked": secret.masked,
            "protected": secret.protected, "replaced": replaced});
        out.document(&told)?;
    }
    let what = if replaced { "replaced" } else { "kept" };
    let other = store.secrets().map_err(|error| Failure::errored(error.to_string()))?;
    if other.known.iter().any(|record| record.sealed.key != key.id()) {
        out.say(show::warning(
            "there are secrets that were sealed with another key: with this one they cannot be read",
        ));
    }
    out.say(format!("the secret {name} of the project {project} is {what}, for {}", told(&secret.purpose)));
    Ok(Exit::Passed)
}

/// The secrets in a file of lines `NAME=VALUE`, which its owner alone may read.
pub fn of_file(path: &Path) -> Result<Vec<Secret>, Failure> {
    let usage = |why: String| Failure::usage(format!("--secrets-file {}: {why}", path.display()));
    let mode = std::fs::metadata(path).map_err(|error| usage(error.to_string()))?.permissions().mode();
    if mode & 0o077 != 0 {
        return Err(usage("others than its owner may read it: `chmod 600` it first".to_owned()));
    }
    let bytes = std::fs::read(path).map_err(|error| usage(error.to_string()))?;
    let read = dotenv::parse(&bytes).map_err(usage)?;
    let secret = |(name, value): (String, String)| {
        let secret = Secret::new(&name, Purpose::Variable, true, false, value.into_bytes());
        secret.map_err(|error| usage(format!("{name}: {error}")))
    };
    read.into_iter().map(secret).collect()
}

fn told(purpose: &Purpose) -> String {
    match purpose {
        Purpose::Variable => "steps of its own pipelines, as a variable".to_owned(),
        Purpose::File => "steps of its own pipelines, as a file".to_owned(),
        Purpose::Git(host) => format!("clones from {host} whose request names it"),
    }
}

fn list(out: &Output, store: &Store, project: Option<&str>) -> Result<Exit, Failure> {
    let mut secrets = store.secrets().map_err(|error| Failure::errored(error.to_string()))?;
    secrets.known.retain(|record| project.is_none_or(|project| record.project == project));
    for error in &secrets.unreadable {
        out.say(show::warning(&format!("{error}; its project's steps that get secrets do not run")));
    }
    if out.json() {
        out.document(&json!({"secrets": secrets.known.iter().map(describe).collect::<Vec<_>>()}))?;
        return Ok(Exit::Passed);
    }
    if secrets.known.is_empty() {
        out.say("no secrets");
        return Ok(Exit::Passed);
    }
    let row = |record: &SecretRecord| {
        let hidden = if record.masked { "masked" } else { "unmasked" };
        let refs = if record.protected { "trusted refs" } else { "all refs" };
        let SecretRecord { name, project, purpose, created_at, created_by, .. } = record;
        let made = show::day(*created_at);
        vec![name.clone(), project.clone(), purpose.to_string(), refs.into(), hidden.into(), made, created_by.clone()]
    };
    let head = ["NAME", "PROJECT", "FOR", "WHERE", "LOGS", "SET", "BY"].map(str::to_owned).to_vec();
    let rows: Vec<_> = std::iter::once(head).chain(secrets.known.iter().map(row)).collect();
    show::table(&rows).into_iter().try_for_each(|line| out.data(line))?;
    Ok(Exit::Passed)
}

fn remove(out: &Output, store: &Store, project: &str, name: &str) -> Result<Exit, Failure> {
    if !store.remove_secret(project, name).map_err(|error| Failure::errored(error.to_string()))? {
        let told = format!("the project {project} has no secret {name}; `pipelinex secret list` shows those there are");
        return Err(Failure::usage(told));
    }
    audit::note(out, store, "remove secret", &format!("{name} of {project}"));
    if out.json() {
        out.document(&json!({"name": name, "project": project, "removed": true}))?;
    }
    out.say(format!("the secret {name} of the project {project} is removed; steps that run have it still"));
    Ok(Exit::Passed)
}

fn describe(record: &SecretRecord) -> Value {
    json!({
        "name": record.name, "project": record.project, "for": record.purpose, "masked": record.masked,
        "protected": record.protected, "created_at": record.created_at, "created_by": record.created_by,
        "key": record.sealed.key,
    })
}
