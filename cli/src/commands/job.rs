//! `status`: how a job stands, once or to its end.

use jiff::Timestamp;
use pipelinex_common::id::JobId;

use crate::{
    client::Client,
    exit::Exit,
    failure::Failure,
    output::Output,
    show,
    watch::{Channel, Watch},
};

/// Shows how a job stands. Without `watch` the exit code tells only whether it could be shown.
pub async fn status(client: &Client, out: &Output, id: JobId, watch: bool) -> Result<Exit, Failure> {
    if watch {
        return until_the_end(Watch::new(client, out, id, Channel::Data), out, id).await;
    }
    let status = client.status(id).await?;
    if out.json() {
        out.document(&status.document)?;
        return Ok(Exit::Passed);
    }
    out.data(show::verdict(&status, Timestamp::now()))?;
    // Without accounts nobody in particular submits.
    if !status.job.owner.is_anonymous() {
        out.data(format!("submitted by {} to {}", status.job.owner.as_str(), status.job.project))?;
    }
    let width = show::stage_width(&status.execution);
    for (name, stage) in &status.execution.stages {
        out.data(show::stage_row(name, stage, width))?;
        show::failed_tests(stage).into_iter().try_for_each(|line| out.data(line))?;
        show::stage_warnings(stage).into_iter().try_for_each(|line| out.data(line))?;
    }
    status.execution.warnings.iter().try_for_each(|text| out.data(show::warning(text)))?;
    Ok(Exit::Passed)
}

/// Watches a job; its verdict is ours. Ctrl-C ends the watching and not the job.
pub async fn until_the_end(watch: Watch<'_>, out: &Output, id: JobId) -> Result<Exit, Failure> {
    let watched = tokio::select! {
        watched = watch.until_the_end() => watched?,
        _ = tokio::signal::ctrl_c() => {
            out.say(format!("no longer watching; the job goes on: pipelinex status {id} --watch"));
            return Ok(Exit::Interrupted);
        }
    };
    let execution = &watched.execution;
    let verdict = Exit::of_job(execution.state, execution.reason);
    verdict.ok_or_else(|| Failure::errored("the job has not ended though the server says so"))
}
