//! `report --pipeline`: past runs of a pipeline or a project, whole or one stage or step of each.

use std::path::Path;

use jiff::Timestamp;
use pipelinex_common::humanize;
use serde::Deserialize;

use crate::{
    args::{ReportFormat, RunsArgs},
    client::{Client, ClientError},
    exit::Exit,
    failure::Failure,
    output::Output,
    show,
};

/// The most runs that are listed.
const LISTED: usize = 50;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Run {
    run_number: u64,
    commit_hash: Option<String>,
    status: String,
    start_time: Option<Timestamp>,
    completion_time: Option<Timestamp>,
    stages: Vec<Stage>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Stage {
    name: String,
    status: String,
    start_time: Option<Timestamp>,
    completion_time: Option<Timestamp>,
    jobs: Vec<Steps>,
}

#[derive(Debug, Deserialize)]
struct Steps {
    name: String,
    executions: Vec<Try>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Try {
    status: String,
    start_time: Option<Timestamp>,
    completion_time: Option<Timestamp>,
}

/// Lists them, the newest first.
pub async fn runs(
    client: &Client,
    out: &Output,
    asked: &RunsArgs,
    (format, output): (ReportFormat, Option<&Path>),
) -> Result<Exit, Failure> {
    if format == ReportFormat::Html || output.is_some() {
        return Err(Failure::usage("--format html and --output are for one job: pipelinex report ID --format html"));
    }
    let number = asked.number.map(|number| number.to_string());
    let pipeline = asked.pipeline.as_deref().unwrap_or_default();
    let mut part = vec![pipeline];
    for (word, value) in [("run", &number), ("stage", &asked.stage), ("job", &asked.job)] {
        part.extend(value.iter().flat_map(|value| [word, value.as_str()]));
    }
    let (answer, total) = client.runs(&part, &[("size", LISTED.to_string())]).await?;
    if out.json() || format == ReportFormat::Json {
        out.document(&answer)?;
        return Ok(Exit::Passed);
    }
    let runs = Vec::<Run>::deserialize(&answer).map_err(|error| ClientError::NotUnderstood(error.to_string()))?;
    let mut rows = vec![["RUN", "WHAT", "STATE", "BEGAN", "TOOK", "COMMIT"].map(str::to_owned).to_vec()];
    rows.extend(runs.iter().flat_map(|run| run.rows(asked)));
    for line in show::table(&rows) {
        out.data(line)?;
    }
    if let Some(total) = total.filter(|total| *total > runs.len() as u64) {
        out.say(format!("the newest {} of {total} runs", runs.len()));
    }
    Ok(Exit::Passed)
}

impl Run {
    /// One row for the run, or one for each part of it that was asked for.
    fn rows(&self, asked: &RunsArgs) -> Vec<Vec<String>> {
        let row = |what: String, status: &str, from, to| {
            let commit: String = self.commit_hash.iter().flat_map(|commit| commit.chars().take(8)).collect();
            vec![self.run_number.to_string(), what, status.to_owned(), began(from), took(from, to), commit]
        };
        if asked.stage.is_none() {
            let stages = self.stages.iter().filter(|stage| stage.status != "CANCELED").map(|stage| stage.name.as_str());
            return vec![row(
                stages.collect::<Vec<_>>().join(" "),
                &self.status,
                self.start_time,
                self.completion_time,
            )];
        }
        let of_stage = |stage: &Stage| match asked.job {
            None => vec![row(stage.name.clone(), &stage.status, stage.start_time, stage.completion_time)],
            Some(_) => {
                let tries = stage.jobs.iter().flat_map(|step| step.executions.iter().map(move |one| (step, one)));
                tries
                    .map(|(step, one)| row(step.name.clone(), &one.status, one.start_time, one.completion_time))
                    .collect()
            }
        };
        self.stages.iter().flat_map(of_stage).collect()
    }
}

fn began(at: Option<Timestamp>) -> String {
    at.map_or_else(|| "-".to_owned(), show::day)
}

fn took(from: Option<Timestamp>, to: Option<Timestamp>) -> String {
    from.zip(to).map_or_else(|| "-".to_owned(), |(from, to)| humanize::between(from, to))
}
