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
    portable::PortableNames,
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
    let mut names = PortableNames::default();
    for artifact in &found.artifacts {
        let below = place(artifact, &mut names)?;
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

/// A server does not decide where on this machine something is written, and names that other systems cannot hold are changed.
fn place(artifact: &Artifact, names: &mut PortableNames) -> Result<PathBuf, Failure> {
    let path = Path::new(&artifact.path);
    let plain = path.components().all(|part| matches!(part, Component::Normal(_))) && !artifact.path.contains('\0');
    if !plain || artifact.path.is_empty() {
        return Err(Failure::errored(format!(
            "the artifact {:?} of {} would lie outside",
            artifact.path, artifact.step
        )));
    }
    Ok(names.of(&format!("{}/{}", artifact.step, artifact.path)).into())
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

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn nothing_is_saved_outside_or_through_a_link() {
        let dir = tempfile::tempdir().unwrap();
        let (to, elsewhere) = (dir.path().join("to"), dir.path().join("elsewhere"));
        fs::create_dir_all(to.join("build")).unwrap();
        fs::create_dir(&elsewhere).unwrap();
        symlink(&elsewhere, to.join("build/out")).unwrap();
        let mut names = PortableNames::default();
        let mut said = |path: &str| {
            let artifact = serde_json::json!({"step": "build", "path": path, "bytes": 1, "executable": false});
            let below = place(&Artifact::deserialize(artifact).unwrap(), &mut names)?;
            make_folders(&to, below.parent().unwrap())?;
            Ok::<_, Failure>(below.to_str().unwrap().to_owned())
        };
        assert_eq!(said("libs/app.jar").unwrap(), "build/libs/app.jar");
        assert_eq!(said("a:b/aux.sql").unwrap(), "build/a_b/_aux.sql");
        assert_eq!(said("libs/App.jar").unwrap(), "build/libs/App.jar-2");
        for (path, expected) in [("out/x", "nothing is written through it"), ("../x", "outside"), ("/etc/x", "outside")]
        {
            let refused = said(path).unwrap_err().to_string();
            assert!(refused.contains(expected), "{refused}");
        }
        assert!(fs::read_dir(&elsewhere).unwrap().next().is_none());
    }
}
