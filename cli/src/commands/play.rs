//! `play`: starts a step that waits to be started by hand, or for its time.

use pipelinex_common::id::JobId;

use crate::{
    client::{Client, ClientError},
    exit::Exit,
    failure::Failure,
    output::Output,
};

/// Wishes that a step be started. A job that has ended, and a step that does not wait, are refused.
pub async fn play(client: &Client, out: &Output, id: JobId, step: &str) -> Result<Exit, Failure> {
    let answer = match client.play(id, step).await {
        Ok(answer) => answer,
        Err(ClientError::Answered(problem)) if problem.status == 409 => {
            return Err(Failure::Said { exit: Exit::Refused, message: problem.detail });
        }
        Err(error) => return Err(error.into()),
    };
    if out.json() {
        out.document(&answer)?;
    } else {
        let name = answer["name"].as_str().unwrap_or(step);
        out.data(format!("{name} is started; to see the job end: pipelinex status {id} --watch"))?;
    }
    Ok(Exit::Passed)
}
