//! `token`: makes, lists and revokes tokens, in the workspaces folder of a server.

use std::time::Duration;

use jiff::Timestamp;
use pipelinex_common::{
    access::{DEFAULT_PROJECT, Grant, Role},
    store::{NewToken, Store, TokenRecord},
};
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{audit, settings};
use crate::{
    args::{TokenCommand, TokenPlace},
    exit::Exit,
    failure::Failure,
    output::Output,
    show,
};

/// Does what was asked for.
pub fn token(out: &Output, command: TokenCommand) -> Result<Exit, Failure> {
    match command {
        TokenCommand::Create { role, project, expires, name, place } => {
            create(out, &open(&place)?, role, project, expires, name)
        }
        TokenCommand::List { place } => list(out, &open(&place)?),
        TokenCommand::Revoke { name, place } => revoke(out, &open(&place)?, &name),
    }
}

fn open(place: &TokenPlace) -> Result<Store, Failure> {
    settings::open_store(&settings::workspaces(place.workspaces.as_deref())?)
}

fn create(
    out: &Output,
    store: &Store,
    role: Role,
    mut projects: Vec<String>,
    expires: Option<Duration>,
    name: Option<String>,
) -> Result<Exit, Failure> {
    if projects.is_empty() {
        projects.push(DEFAULT_PROJECT.to_owned());
    }
    let name = name.unwrap_or_else(|| {
        let digits = Uuid::new_v4().as_simple().to_string();
        format!("{role}-{}", &digits[..6])
    });
    let expires_at = expires.map(|time| Timestamp::now().checked_add(time)).transpose();
    let expires_at = expires_at.map_err(|_| Failure::usage("--expires lies too far in the future"))?;
    let new = NewToken { name: name.clone(), grant: Grant { role, projects }, expires_at };
    let made = store.create_token(new).map_err(|error| Failure::errored(error.to_string()))?;
    let Some((record, token)) = made else {
        return Err(Failure::usage(format!(
            "the account {name} has a token: `pipelinex token revoke {name}` first, and then make the new one"
        )));
    };
    audit::note(out, store, "make token", &name);
    if out.json() {
        let mut document = describe(&record);
        document["token"] = token.expose_secret().into();
        out.document(&document)?;
    } else {
        out.data(token.expose_secret().to_owned())?;
    }
    let until = record.expires_at.map(|at| format!(", until {}", show::day(at))).unwrap_or_default();
    out.say(format!(
        "the token of {name}, {role} of {}{until}, in {}; nobody can show it again",
        record.grant.projects.join(", "),
        store.layout().root().display()
    ));
    Ok(Exit::Passed)
}

fn list(out: &Output, store: &Store) -> Result<Exit, Failure> {
    let tokens = store.tokens().map_err(|error| Failure::errored(error.to_string()))?;
    for error in &tokens.unreadable {
        out.say(show::warning(&format!("{error}; nobody gets in by it")));
    }
    if out.json() {
        out.document(&json!({"tokens": tokens.known.iter().map(describe).collect::<Vec<_>>()}))?;
        return Ok(Exit::Passed);
    }
    if tokens.known.is_empty() {
        out.say("no tokens");
        return Ok(Exit::Passed);
    }
    let now = Timestamp::now();
    let row = |token: &TokenRecord| {
        let until = match token.expires_at {
            Some(at) if token.has_expired(now) => format!("expired {}", show::day(at)),
            Some(at) => show::day(at),
            None => "revoked".to_owned(),
        };
        let projects = if token.grant.role == Role::Admin { "all".to_owned() } else { token.grant.projects.join(", ") };
        vec![token.name.clone(), token.grant.role.to_string(), projects, show::day(token.created_at), until]
    };
    let head = ["NAME", "ROLE", "PROJECTS", "MADE", "UNTIL"].map(str::to_owned).to_vec();
    let rows: Vec<_> = std::iter::once(head).chain(tokens.known.iter().map(row)).collect();
    show::table(&rows).into_iter().try_for_each(|line| out.data(line))?;
    Ok(Exit::Passed)
}

fn revoke(out: &Output, store: &Store, name: &str) -> Result<Exit, Failure> {
    if !store.revoke_token(name).map_err(|error| Failure::errored(error.to_string()))? {
        return Err(Failure::usage(format!(
            "there is no token of {name}; `pipelinex token list` shows those there are"
        )));
    }
    audit::note(out, store, "revoke token", name);
    if out.json() {
        out.document(&json!({"name": name, "revoked": true}))?;
    }
    out.say(format!("the token of {name} is revoked"));
    Ok(Exit::Passed)
}

fn describe(token: &TokenRecord) -> Value {
    json!({
        "name": token.name, "id": token.id, "role": token.grant.role, "projects": token.grant.projects,
        "created_at": token.created_at, "expires_at": token.expires_at,
    })
}
