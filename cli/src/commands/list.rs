//! `list`: the jobs of a server.

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::{
    client::{Client, ClientError, Listed, Wanted},
    exit::Exit,
    failure::Failure,
    output::Output,
    show,
};

/// The most jobs that are asked for at once.
const PAGE_MAX: usize = 200;

/// Lists jobs, newest first.
pub async fn list(client: &Client, out: &Output, wanted: &Wanted, limit: u32) -> Result<Exit, Failure> {
    let answer = json!({"jobs": gather(client, wanted, limit as usize).await?});
    if out.json() {
        out.document(&answer)?;
        return Ok(Exit::Passed);
    }
    let rows = Listed::rows(&answer).unwrap_or_default();
    if rows.is_empty() {
        out.say("no jobs");
        return Ok(Exit::Passed);
    }
    for line in show::job_table(&rows, Timestamp::now()) {
        out.data(line)?;
    }
    for row in &rows {
        if let Some(why) = &row.broken {
            out.say(show::warning(&format!("{}: {why}", row.id)));
        }
    }
    Ok(Exit::Passed)
}

/// Page by page; a page may be short, or empty, and still have a next one.
async fn gather(client: &Client, wanted: &Wanted, limit: usize) -> Result<Vec<Value>, Failure> {
    let (mut jobs, mut cursor) = (Vec::new(), None::<String>);
    while jobs.len() < limit {
        let most = (limit - jobs.len()).min(PAGE_MAX) as u32;
        let mut page = client.list(wanted, most, cursor.as_deref()).await?;
        let Some(Value::Array(rows)) = page.get_mut("jobs").map(Value::take) else {
            return Err(ClientError::NotUnderstood("no list of jobs".to_owned()).into());
        };
        jobs.extend(rows);
        match page.get("next").and_then(Value::as_str) {
            // A server that gives the same page again must not keep us for ever.
            Some(next) if cursor.as_deref() != Some(next) => cursor = Some(next.to_owned()),
            _ => break,
        }
    }
    jobs.truncate(limit);
    Ok(jobs)
}
