//! The report archives of ended jobs: each is made once, when somebody first asks for it, and sent from there ever after. So a
//! reader costs an open file, however slow it is.
//!
//! An archive lies in a folder of its job's name below the index, in a file that is named by its digest. The folder is made
//! aside and published by one rename; who removes the job removes it (`Store::remove_ended`).

use std::{
    fs::{self, File},
    io::{self, Seek},
    path::Path,
};

use pipelinex_common::{
    disk,
    id::JobId,
    store::{Job, Store, StoreError},
};
use sha2::{Digest, Sha256};

use crate::{access::Principal, app::App, error::ApiError, report_zip};

/// How the name of the file ends; before it stands the digest of its content.
const ENDING: &str = ".zip";

/// A stored archive.
pub struct Stored {
    /// The file, at its beginning.
    pub file: File,
    /// Its size.
    pub bytes: u64,
    /// SHA-256 of its content, in lower-case hexadecimal digits.
    pub digest: String,
}

/// The archive of a job, made if there is none yet.
///
/// # Errors
/// 404 where there is no such job, 409 until it has ended, 507 when the disk is full.
pub async fn reports(app: &App, who: &Principal, id: JobId) -> Result<Stored, ApiError> {
    let folder = app.store.layout().report_archive(id);
    if let Some(stored) = app.read_job(who, id, move |job| ended(job).and_then(|()| stored(&folder))).await? {
        return Ok(stored);
    }
    // Making one takes the disk and a core: few at a time, and those who waited for another's find it made.
    let making = app.slots.archives.acquire().await.map_err(ApiError::internal)?;
    let made = app.read(move |store| make(store, id)).await;
    drop(making);
    made
}

fn ended(job: &Job) -> Result<(), ApiError> {
    let state = job.view().map_err(ApiError::broken)?.execution.state;
    if state.is_final() {
        return Ok(());
    }
    Err(ApiError::NotYet { detail: format!("the job is {state}; its reports are there once it has ended") })
}

fn stored(folder: &Path) -> Result<Option<Stored>, ApiError> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(ApiError::io(error)),
    };
    for entry in entries {
        let name = entry.map_err(ApiError::io)?.file_name();
        if let Some(digest) = name.to_str().and_then(|name| name.strip_suffix(ENDING)) {
            let file = File::open(folder.join(&name)).map_err(ApiError::io)?;
            let bytes = file.metadata().map_err(ApiError::io)?.len();
            return Ok(Some(Stored { file, bytes, digest: digest.to_owned() }));
        }
    }
    Ok(None)
}

fn make(store: &Store, id: JobId) -> Result<Stored, ApiError> {
    let (job, place) = (store.job(id)?, store.layout().report_archive(id));
    if let Some(stored) = stored(&place)? {
        return Ok(stored);
    }
    let staging = store.stage()?;
    let folder = staging.paths().root().join("archive");
    disk::make_dir(&folder, 0o750).map_err(StoreError::from)?;
    let written = folder.join("unnamed");
    let file = File::options().read(true).write(true).create_new(true).open(&written).map_err(ApiError::io)?;
    let execution = job.view().map_err(ApiError::broken)?.execution;
    let mut file = report_zip::write(&job, &execution, file)?;
    file.sync_all().map_err(ApiError::io)?;
    let bytes = file.metadata().map_err(ApiError::io)?.len();
    let digest = digest(&mut file)?;
    fs::rename(&written, folder.join(format!("{digest}{ENDING}"))).map_err(ApiError::io)?;
    disk::sync_dir(&folder).map_err(StoreError::from)?;
    // Where another server was quicker, its bytes are the same.
    disk::publish(&folder, &place).map_err(StoreError::from)?;
    // What was packed is whole if the job is still there: it is removed by one rename.
    if let Err(error) = store.job(id) {
        store.throw_away(&place)?;
        return Err(error.into());
    }
    Ok(Stored { file, bytes, digest })
}

fn digest(file: &mut File) -> Result<String, ApiError> {
    file.rewind().map_err(ApiError::io)?;
    let mut digest = Sha256::new();
    io::copy(file, &mut digest).map_err(ApiError::io)?;
    file.rewind().map_err(ApiError::io)?;
    Ok(hex::encode(digest.finalize()))
}
