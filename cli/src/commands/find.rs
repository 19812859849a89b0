//! Which job a person means: the one place that turns what was typed into an id.

use pipelinex_common::id::JobId;
use serde_json::Value;

use crate::{
    args::JobRef,
    client::{Client, ClientError, Wanted},
    exit::Exit,
    failure::Failure,
};

/// So many pages of jobs are looked through, of so many jobs.
const PAGES: usize = 10;
const PAGE: u32 = 200;

/// The id of a job.
pub async fn job(client: &Client, named: &JobRef) -> Result<JobId, Failure> {
    if let JobRef::Id(id) = named {
        return Ok(*id);
    }
    let (mut found, mut cursor) = (Vec::new(), None::<String>);
    for _ in 0..PAGES {
        let page = client.list(&Wanted::default(), PAGE, cursor.as_deref()).await?;
        let rows = page["jobs"].as_array().ok_or_else(|| ClientError::NotUnderstood("no list of jobs".to_owned()))?;
        found.extend(rows.iter().filter(|row| is(row, named)).filter_map(id_of));
        // The newest of a project is the one that is meant; of an id all that fit must be known.
        if !found.is_empty() && !matches!(named, JobRef::Part(_)) {
            break;
        }
        match page["next"].as_str() {
            Some(next) if cursor.as_deref() != Some(next) => cursor = Some(next.to_owned()),
            _ => break,
        }
    }
    match (found.as_slice(), named) {
        ([], JobRef::Last) => Err(absent("there is no job yet".to_owned())),
        ([], _) => Err(absent(format!("no job is called {named}: `pipelinex list` shows those there are"))),
        ([id], _) | ([id, ..], JobRef::Last | JobRef::Run(..)) => Ok(*id),
        ([first, second, ..], _) => {
            Err(absent(format!("several jobs are called {named}, such as {first} and {second}")))
        }
    }
}

fn absent(message: String) -> Failure {
    Failure::Said { exit: Exit::Usage, message }
}

fn id_of(row: &Value) -> Option<JobId> {
    row["job_id"].as_str()?.parse().ok()
}

fn is(row: &Value, named: &JobRef) -> bool {
    match named {
        JobRef::Id(id) => id_of(row) == Some(*id),
        JobRef::Last => true,
        JobRef::Part(part) => row["job_id"].as_str().is_some_and(|id| id.starts_with(part) || id.ends_with(part)),
        JobRef::Run(project, number) => row["project"] == project.as_str() && row["run_number"] == *number,
    }
}
