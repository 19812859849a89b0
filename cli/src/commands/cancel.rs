//! `cancel`: wishes for the end of a job.

use pipelinex_common::{id::JobId, state::JobState};
use serde_json::json;

use crate::{
    client::{Client, ClientError},
    exit::Exit,
    failure::Failure,
    output::Output,
};

/// Wishes that a job be canceled. Also well done when it was wished for before, or is canceled already; a job that has ended
/// otherwise is refused.
pub async fn cancel(client: &Client, out: &Output, id: JobId) -> Result<Exit, Failure> {
    let answer = match client.cancel(id).await {
        Ok(answer) => answer,
        Err(ClientError::Answered(problem)) if problem.ended_as() == Some(JobState::Canceled) => {
            json!({"job_id": id, "state": JobState::Canceled, "cancel_wished": true})
        }
        Err(ClientError::Answered(problem)) if problem.ended_as().is_some() => {
            return Err(Failure::Said { exit: Exit::Refused, message: problem.detail });
        }
        Err(error) => return Err(error.into()),
    };
    if out.json() {
        out.document(&answer)?;
        return Ok(Exit::Passed);
    }
    match answer["state"].as_str() {
        Some("CANCELED") => out.data(format!("job {id} is canceled"))?,
        Some("QUEUED") => out.data(format!("job {id} will be canceled and never started"))?,
        _ => out.data(format!("job {id} is being canceled; to see it end: pipelinex status {id} --watch"))?,
    }
    Ok(Exit::Passed)
}
