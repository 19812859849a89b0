//! `submit` and `precheck`: a project goes to the server.

use pipelinex_common::id::JobId;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    args::{GitArgs, ProjectArgs},
    client::{Admitted, Client, ClientError, choice_lines, choices_of, points_of},
    commands::job,
    exit::Exit,
    failure::Failure,
    output::{Line, Output, Style},
    project::{self, Project},
    repository, show,
    watch::{Channel, Watch},
};

/// Sends a project, or the address of one; with `wait` the verdict on its job is ours.
pub async fn submit(
    client: &Client,
    out: &Output,
    args: ProjectArgs,
    git: GitArgs,
    wait: bool,
) -> Result<Exit, Failure> {
    let answer = if args.url().is_some() {
        client.submit_url(&repository::request(&args, &git)?).await
    } else {
        if git.git_ref.is_some() || git.token_name.is_some() {
            return Err(Failure::usage("--ref and --token-name are for the URL of a repository"));
        }
        let project = prepare(args, out).await?;
        client.submit(project.metadata, project.archive).await
    };
    told(client, out, answer, wait).await
}

/// Makes a job once more, or what `failed` of it; with `wait` the verdict on the new one is ours.
pub async fn retry(client: &Client, out: &Output, id: JobId, failed: bool, wait: bool) -> Result<Exit, Failure> {
    told(client, out, client.retry(id, failed).await, wait).await
}

/// Tells of the job that was made, or why there is none.
async fn told(client: &Client, out: &Output, answer: Result<Value, ClientError>, wait: bool) -> Result<Exit, Failure> {
    let answer = shown(answer, out)?;
    let admitted = Admitted::deserialize(&answer).map_err(|error| ClientError::NotUnderstood(error.to_string()))?;
    for warning in &admitted.warnings {
        out.say(show::warning(warning));
    }
    if let Some(taken_for) = taken_for(&answer) {
        out.say(taken_for);
    }
    let id = admitted.job_id;
    match (out.json(), wait) {
        (true, true) => out.document(&json!({"event": "admitted", "metadata": answer}))?,
        (true, false) => out.document(&answer)?,
        (false, _) => out.data(id.to_string())?,
    }
    if !wait {
        out.say(format!("follow it with: pipelinex status {id} --watch"));
        return Ok(Exit::Passed);
    }
    job::until_the_end(Watch::new(client, out, id, Channel::Talk).with_earlier_logs(), out, id).await
}

/// Asks whether a project would be admitted.
pub async fn precheck(client: &Client, out: &Output, args: ProjectArgs) -> Result<Exit, Failure> {
    if args.url().is_some() {
        return Err(Failure::usage("a repository is looked at when it is submitted; precheck takes a folder or a ZIP"));
    }
    let project = prepare(args, out).await?;
    let answer = shown(client.precheck(project.metadata, project.archive).await, out)?;
    let points = points_of(&answer);
    let exit = if points.is_empty() { Exit::Passed } else { Exit::Refused };
    if out.json() {
        out.document(&answer)?;
        return Ok(exit);
    }
    for line in points.iter().flat_map(|point| point.to_string().lines().map(str::to_owned).collect::<Vec<_>>()) {
        out.data(line)?;
    }
    for line in choice_lines(&choices_of(&answer)) {
        out.data(line)?;
    }
    for warning in answer.get("warnings").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str) {
        out.data(show::warning(warning))?;
    }
    if let Some(taken_for) = taken_for(&answer) {
        out.data(taken_for)?;
    }
    out.data(match exit {
        Exit::Passed => Line::new().add(Style::Good, "it would be admitted"),
        _ => Line::new().add(Style::Bad, "it would be refused"),
    })?;
    Ok(exit)
}

/// Packing takes its time, so it is done where Ctrl-C is still heard.
async fn prepare(args: ProjectArgs, out: &Output) -> Result<Project, Failure> {
    let prepared = tokio::task::spawn_blocking(move || project::prepare(&args)).await;
    let (project, files) = prepared.map_err(|error| Failure::errored(format!("packing failed: {error}")))??;
    if let Some(files) = files {
        out.say(format!(
            "packed {files} {}, {} KiB",
            if files == 1 { "file" } else { "files" },
            project.archive.bytes.div_ceil(1024)
        ));
    }
    Ok(project)
}

/// The stack and the folder of a job, which the server may have recognised by itself.
fn taken_for(metadata: &Value) -> Option<String> {
    let word = |name: &str| metadata["stack"][name].as_str();
    let folder = metadata["folder"].as_str().map(|folder| format!(", in the folder {folder}")).unwrap_or_default();
    Some(format!("taken for a project of {}/{}/{}{folder}", word("language")?, word("framework")?, word("build_tool")?))
}

/// With `--json` a refusal is data, too.
fn shown(answer: Result<Value, ClientError>, out: &Output) -> Result<Value, Failure> {
    if let Err(ClientError::Answered(problem)) = &answer
        && let (true, Some(document)) = (out.json(), &problem.document)
    {
        out.document(document)?;
    }
    answer.map_err(Failure::from)
}
