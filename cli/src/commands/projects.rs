//! `project`: who is in a project and what it asks of its jobs, over a server or in its folder.

use std::{collections::BTreeMap, path::Path};

use pipelinex_common::{
    access::Role,
    rules::ProjectRules,
    store::{InvalidChange, ProjectChange, ProjectRecord, Store, StoreError},
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{audit, settings};
use crate::{
    args::ProjectCommand,
    client::{Client, ClientError},
    exit::Exit,
    failure::Failure,
    output::Output,
    show,
};

/// A project as both a server and a folder tell of it.
#[derive(Debug, Serialize, Deserialize)]
struct Project {
    name: String,
    owner: String,
    #[serde(default)]
    members: BTreeMap<String, Role>,
    #[serde(default)]
    settings: ProjectRules,
}

impl From<ProjectRecord> for Project {
    fn from(record: ProjectRecord) -> Self {
        let ProjectRecord { name, owner, members, settings, .. } = record;
        Self { name, owner, members, settings }
    }
}

/// Asks a server.
pub async fn there(client: &Client, out: &Output, command: ProjectCommand) -> Result<Exit, Failure> {
    match command {
        ProjectCommand::Create { name, settings, owner, .. } => {
            let settings: BTreeMap<_, _> = settings.into_iter().collect();
            let body = json!({"name": name, "owner": owner, "settings": settings});
            told(out, "made", &client.project(None, Some(&body)).await?)
        }
        ProjectCommand::List { .. } => list(out, &client.project(None, None).await?),
        ProjectCommand::Set { name, settings, owner, .. } => {
            let body = json!(change(settings, owner));
            told(out, "changed", &client.project(Some(&name), Some(&body)).await?)
        }
        ProjectCommand::Members { name, members, .. } if members.is_empty() => {
            show_members(out, &client.project(Some(&name), None).await?)
        }
        ProjectCommand::Members { name, members, .. } => {
            let body = json!(ProjectChange { members: members.into_iter().collect(), ..ProjectChange::default() });
            show_members(out, &client.project(Some(&name), Some(&body)).await?)
        }
        ProjectCommand::Rm { name, .. } => told(out, "forgotten", &client.remove_project(&name).await?),
    }
}

/// Does it in a workspaces folder.
pub fn here(out: &Output, workspaces: &Path, command: ProjectCommand) -> Result<Exit, Failure> {
    let store = settings::open_store(&settings::workspaces(Some(workspaces))?)?;
    match command {
        ProjectCommand::Create { name, settings, owner, .. } => {
            let owner =
                owner.ok_or_else(|| Failure::usage("in a folder nobody is named: say whose it is with --owner"))?;
            let mut record = ProjectRecord::new(&name, &owner);
            change(settings, Some(owner)).apply(&mut record).map_err(refused)?;
            if !store.create_project(&record).map_err(failed)? {
                let detail = format!("there is a project {name} already, or as many as there may be");
                return Err(Failure::usage(detail));
            }
            audit::note(out, &store, "make project", &name);
            told(out, "made", &json!(Project::from(record)))
        }
        ProjectCommand::List { .. } => {
            let records = store.project_records().map_err(failed)?;
            for error in &records.unreadable {
                out.say(show::warning(&format!("{error}; nobody is a member of it")));
            }
            list(out, &json!({"projects": records.known.into_iter().map(Project::from).collect::<Vec<_>>()}))
        }
        ProjectCommand::Set { name, settings, owner, .. } => {
            told(out, "changed", &changed(out, &store, &name, &change(settings, owner))?)
        }
        ProjectCommand::Members { name, members, .. } if members.is_empty() => {
            let record = store.project_record(&name).map_err(failed)?.ok_or_else(|| nowhere(&name))?;
            show_members(out, &json!(Project::from(record)))
        }
        ProjectCommand::Members { name, members, .. } => {
            let change = ProjectChange { members: members.into_iter().collect(), ..ProjectChange::default() };
            show_members(out, &changed(out, &store, &name, &change)?)
        }
        ProjectCommand::Rm { name, .. } => {
            let record = store.project_record(&name).map_err(failed)?.ok_or_else(|| nowhere(&name))?;
            store.remove_project(&name).map_err(failed)?;
            audit::note(out, &store, "remove project", &name);
            told(out, "forgotten", &json!(Project::from(record)))
        }
    }
}

fn change(settings: Vec<(String, String)>, owner: Option<String>) -> ProjectChange {
    ProjectChange { owner, settings: settings.into_iter().collect(), ..ProjectChange::default() }
}

fn changed(out: &Output, store: &Store, name: &str, change: &ProjectChange) -> Result<Value, Failure> {
    let changed = store.change_project(name, |record| change.apply(record)).map_err(failed)?;
    let record = changed.ok_or_else(|| nowhere(name))?.map_err(refused)?;
    audit::note(out, store, "change project", name);
    Ok(json!(Project::from(record)))
}

fn failed(error: StoreError) -> Failure {
    Failure::errored(error.to_string())
}

fn refused(why: InvalidChange) -> Failure {
    Failure::usage(why.to_string())
}

fn nowhere(name: &str) -> Failure {
    Failure::usage(format!("nobody made a project {name}; `pipelinex project list` shows those there are"))
}

fn understood<'a, T: Deserialize<'a>>(answer: &'a Value) -> Result<T, Failure> {
    T::deserialize(answer).map_err(|error| ClientError::NotUnderstood(error.to_string()).into())
}

fn told(out: &Output, what: &str, answer: &Value) -> Result<Exit, Failure> {
    if out.json() {
        out.document(answer)?;
    }
    let project: Project = understood(answer)?;
    let settings = match what {
        "forgotten" => "; its jobs stay".to_owned(),
        _ if project.settings.are_none() => "; it asks for nothing beside the operator".to_owned(),
        _ => format!("; {}", project.settings),
    };
    out.say(format!("the project {} of {} is {what}{settings}", project.name, project.owner));
    Ok(Exit::Passed)
}

fn list(out: &Output, answer: &Value) -> Result<Exit, Failure> {
    if out.json() {
        out.document(answer)?;
        return Ok(Exit::Passed);
    }
    let projects: Vec<Project> = understood(&answer["projects"])?;
    if projects.is_empty() {
        out.say("nobody made a project here that you may see");
        return Ok(Exit::Passed);
    }
    let row = |project: &Project| {
        let members = project.members.keys().cloned().collect::<Vec<_>>().join(", ");
        vec![project.name.clone(), project.owner.clone(), members, project.settings.to_string()]
    };
    let head = ["PROJECT", "OWNER", "MEMBERS", "SETTINGS"].map(str::to_owned).to_vec();
    table(out, head, projects.iter().map(row))
}

fn show_members(out: &Output, answer: &Value) -> Result<Exit, Failure> {
    if out.json() {
        out.document(answer)?;
        return Ok(Exit::Passed);
    }
    let project: Project = understood(answer)?;
    let row = |(account, role): (&String, &Role)| vec![account.clone(), role.to_string()];
    let owner = vec![project.owner.clone(), "owner".to_owned()];
    let head = ["ACCOUNT", "ROLE"].map(str::to_owned).to_vec();
    table(out, head, std::iter::once(owner).chain(project.members.iter().map(row)))
}

fn table(out: &Output, head: Vec<String>, rows: impl Iterator<Item = Vec<String>>) -> Result<Exit, Failure> {
    let rows: Vec<_> = std::iter::once(head).chain(rows).collect();
    show::table(&rows).into_iter().try_for_each(|line| out.data(line))?;
    Ok(Exit::Passed)
}
