//! Folders that belong to no job: what a process that died was staging, and files of a moment that it did not get to remove.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use super::{Lease, Store, StoreError, staging::is_spared};
use crate::disk::DiskError;

impl Store {
    /// What nobody works on any more and nobody has changed for as long as `grace`: staging folders whose lock is free, and
    /// temporary files beside the jobs.
    ///
    /// # Errors
    /// [`StoreError::Disk`] when a folder cannot be listed.
    pub fn leftover_folders(&self, grace: Duration) -> Result<Vec<PathBuf>, StoreError> {
        let staged = children(&self.layout().staging())?;
        let lease = Lease::of(self.layout().root())?;
        let staged = staged.into_iter().filter(|path| is_free(path) && !is_spared(path, &lease));
        let temporary = |path: &PathBuf| {
            path.file_name().and_then(|name| name.to_str()).is_some_and(|name| name.starts_with(".instance-"))
        };
        let temporary = children(self.layout().root())?.into_iter().filter(temporary);
        Ok(staged.chain(temporary).filter(|path| is_old(path, grace)).collect())
    }

    /// How much was thrown away and is not removed yet.
    ///
    /// # Errors
    /// [`StoreError::Disk`] when the folder cannot be listed.
    pub fn trash(&self) -> Result<Vec<PathBuf>, StoreError> {
        children(&self.layout().trash())
    }
}

fn children(folder: &Path) -> Result<Vec<PathBuf>, StoreError> {
    match fs::read_dir(folder) {
        Ok(entries) => Ok(entries.flatten().map(|entry| entry.path()).collect()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(DiskError::io("list", folder)(error).into()),
    }
}

/// A link is nothing that we staged: it is not opened, and may go.
fn is_free(path: &Path) -> bool {
    let folder = fs::symlink_metadata(path).is_ok_and(|meta| meta.is_dir());
    !folder || File::open(path).is_ok_and(|lock| lock.try_lock().is_ok())
}

pub(super) fn is_old(path: &Path, grace: Duration) -> bool {
    let changed = fs::symlink_metadata(path).and_then(|meta| meta.modified());
    changed.is_ok_and(|at| SystemTime::now().duration_since(at).is_ok_and(|age| age >= grace))
}
