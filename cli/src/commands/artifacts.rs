//! `artifacts`: what the steps of a job made, listed or saved.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
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
        let below = place(artifact)?;
        make_folders(to, below.parent().unwrap_or(Path::new("")))?;
        let path = to.join(&below);
        save(client.artifact(id, artifact).await?, &path).await?;
        if artifact.executable {
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755))
                .map_err(|error| Failure::errored(format!("cannot make {} executable: {error}", path.display())))?;
        }
        out.data(path.display().to_string())?;
    }
    Ok(Exit::Passed)
}

/// A server does not decide where on this machine something is written.
fn place(artifact: &Artifact) -> Result<PathBuf, Failure> {
    let path = Path::new(&artifact.path);
    let plain = path.components().all(|part| matches!(part, Component::Normal(_))) && !artifact.path.contains('\0');
    if !plain || artifact.path.is_empty() {
        return Err(Failure::errored(format!(
            "the artifact {:?} of {} would lie outside",
            artifact.path, artifact.step
        )));
    }
    Ok(Path::new(artifact.step.as_str()).join(path))
}

/// Makes the folders of an artifact below the one that the caller named. A link among them leads somewhere else: nothing is
/// written through it.
fn make_folders(to: &Path, below: &Path) -> Result<(), Failure> {
    let failed = |folder: &Path, error: std::io::Error| {
        Failure::errored(format!("cannot make the folder {}: {error}", folder.display()))
    };
    fs::create_dir_all(to).map_err(|error| failed(to, error))?;
    let mut folder = to.to_owned();
    for part in below.components() {
        folder.push(part);
        match fs::symlink_metadata(&folder) {
            Ok(meta) if meta.is_dir() => {}
            Ok(_) => {
                return Err(Failure::errored(format!(
                    "{} is a link or a file, and nothing is written through it; remove it, or save to another folder",
                    folder.display()
                )));
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                fs::create_dir(&folder).map_err(|error| failed(&folder, error))?;
            }
            Err(error) => return Err(failed(&folder, error)),
        }
    }
    Ok(())
}

fn rows(artifacts: &[Artifact]) -> Vec<Vec<String>> {
    let head = ["STEP", "BYTES", "PATH"].map(str::to_owned).to_vec();
    let row = |artifact: &Artifact| vec![artifact.step.to_string(), artifact.bytes.to_string(), artifact.path.clone()];
    std::iter::once(head).chain(artifacts.iter().map(row)).collect()
}
