//! `reports`: the reports of a job as a ZIP file, whole or not at all.

use std::{
    io::{self, Write},
    path::{Path, PathBuf},
};

use pipelinex_common::id::JobId;
use tempfile::NamedTempFile;

use crate::{
    client::{Body, Client},
    exit::Exit,
    failure::Failure,
    output::Output,
};

/// Saves the reports of a job that has ended.
pub async fn reports(client: &Client, out: &Output, id: JobId, output: Option<&Path>) -> Result<Exit, Failure> {
    if output.is_none_or(|path| path != Path::new("-")) {
        let path = output.map_or_else(|| PathBuf::from(format!("{id}-reports.zip")), Path::to_owned);
        let body = client.reports(id).await?;
        save(body, &path).await?;
        out.data(path.display().to_string())?;
    } else {
        if out.data_is_terminal() {
            return Err(Failure::usage("a ZIP file is not for a terminal: name a file with -o, or use a pipe"));
        }
        let mut body = client.reports(id).await?;
        while let Some(piece) = body.next().await? {
            out.bytes(&piece)?;
        }
    }
    Ok(Exit::Passed)
}

/// Beside its place first: a download that breaks off leaves what was there.
pub(super) async fn save(mut body: Body, path: &Path) -> Result<(), Failure> {
    let failed = |error: io::Error| Failure::errored(format!("cannot write {}: {error}", path.display()));
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut file = NamedTempFile::new_in(folder).map_err(failed)?;
    while let Some(piece) = body.next().await? {
        file.write_all(&piece).map_err(failed)?;
    }
    file.persist(path).map_err(|error| failed(error.error))?;
    Ok(())
}
