//! `health`: one look, one line, one exit code, for those who restart what is not well.

use std::{path::Path, time::Duration};

use crate::{client::Client, exit::Exit, failure::Failure, output::Output};

/// A worker that has made no pass over the folders for so long is stuck: passes come every few seconds, and the longest
/// pause between two that an operator would choose is far below.
const STUCK_AFTER: Duration = Duration::from_secs(90);

/// Whether the worker that writes this file still makes passes.
pub fn worker(file: &Path, out: &Output) -> Result<Exit, Failure> {
    let written = std::fs::metadata(file).and_then(|meta| meta.modified()).map_err(|error| {
        Failure::errored(format!("{}: {error}: the worker has made no pass over the folders yet", file.display()))
    })?;
    let age = written.elapsed().unwrap_or_default();
    if age > STUCK_AFTER {
        let seconds = age.as_secs();
        return Err(Failure::errored(format!("the worker has made no pass over the folders for {seconds} s")));
    }
    out.say("the worker is well");
    Ok(Exit::Passed)
}

/// Whether the server can take jobs.
pub async fn server(client: &Client, out: &Output) -> Result<Exit, Failure> {
    client.ready().await?;
    out.say("the server is well");
    Ok(Exit::Passed)
}
