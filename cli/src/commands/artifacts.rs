//! `artifacts`: what the steps of a job made, listed or saved.

use std::{
    fs,
    path::{Component, Path, PathBuf},
};

use pipelinex_common::id::JobId;
use serde::Deserialize;

use super::reports::save;
use crate::{
    client::{Artifact, Artifacts, Client, ClientError},
    exit::Exit,
    failure::Failure,
    output::Output,
    show,
};

/// Lists what the steps made; with a folder it is saved there, below one folder for each step.
pub async fn artifacts(client: &Client, out: &Output, id: JobId, to: Option<&Path>) -> Result<Exit, Failure> {
    let answer = client.artifacts(id).await?;
    let found = Artifacts::deserialize(&answer).map_err(|error| ClientError::NotUnderstood(error.to_string()))?;
    let Some(to) = to else {
        if out.json() {
            out.document(&answer)?;
        } else if found.artifacts.is_empty() {
            out.say("no artifacts");
        } else {
            show::table(&rows(&found.artifacts)).into_iter().try_for_each(|line| out.data(line))?;
        }
        return Ok(Exit::Passed);
    };
    for artifact in &found.artifacts {
        let path = place(to, artifact)?;
        let folder = path.parent().unwrap_or(to);
        fs::create_dir_all(folder)
            .map_err(|error| Failure::errored(format!("cannot make the folder {}: {error}", folder.display())))?;
        save(client.artifact(id, artifact).await?, &path).await?;
        out.data(path.display().to_string())?;
    }
    Ok(Exit::Passed)
}

/// A server does not decide where on this machine something is written.
fn place(to: &Path, artifact: &Artifact) -> Result<PathBuf, Failure> {
    let path = Path::new(&artifact.path);
    let plain = path.components().all(|part| matches!(part, Component::Normal(_))) && !artifact.path.contains('\0');
    if !plain || artifact.path.is_empty() {
        return Err(Failure::errored(format!(
            "the artifact {:?} of {} would lie outside",
            artifact.path, artifact.step
        )));
    }
    Ok(to.join(artifact.step.as_str()).join(path))
}

fn rows(artifacts: &[Artifact]) -> Vec<Vec<String>> {
    let head = ["STEP", "BYTES", "PATH"].map(str::to_owned).to_vec();
    let row = |artifact: &Artifact| vec![artifact.step.to_string(), artifact.bytes.to_string(), artifact.path.clone()];
    std::iter::once(head).chain(artifacts.iter().map(row)).collect()
}
