//! Files and folders that are kept ready, with an inode and room of their own: where a disk has neither left, one of them becomes
//! what must be written. They serve what has no reserve of its own job: a wish to cancel, and the claim and the end of a job that
//! no worker has begun.

use std::{
    fs,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use uuid::Uuid;

use super::{Store, StoreError, give_to_owner_of};
use crate::{
    disk::{self, DiskError},
    layout::Layout,
};

/// How many files there are.
const COUNT: usize = 16;
/// How many folders.
const FOLDERS: usize = 4;
/// The room of each, in bytes: a claim, a wish, and the end of a job of the usual stages fit.
const BYTES: u64 = 16 * 1024;

impl Store {
    /// Makes those that are missing. Backends must be able to write them, so only the owner of the workspaces folder makes them,
    /// or root for that owner.
    ///
    /// # Errors
    /// [`StoreError::Disk`], also when the disk is full: those that are there are kept.
    pub fn restock(&self) -> Result<(), StoreError> {
        let (root, folder) = (self.layout().root(), self.layout().spare());
        let me = rustix::process::geteuid();
        let owner = fs::metadata(root).map_err(DiskError::io("look at", root))?.uid();
        if !me.is_root() && me.as_raw() != owner {
            return Ok(());
        }
        for path in folders(self.layout()).filter(|path| !path.exists()) {
            disk::make_dir(&path, 0o750)?;
            give_to_owner_of(root, &path)?;
        }
        for path in (0..COUNT).map(|number| folder.join(number.to_string())).filter(|path| !path.exists()) {
            match disk::create_room(&path, BYTES) {
                Ok(()) => give_to_owner_of(root, &path)?,
                // Another process was quicker.
                Err(DiskError::Io { source, .. }) if source.kind() == std::io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }
}

fn folders(layout: &Layout) -> impl Iterator<Item = PathBuf> {
    let spare = layout.spare();
    (0..FOLDERS).map(move |number| spare.join(format!("folder-{number}")))
}

/// Moves a file into this folder, under a name that nobody reads, and returns where it is; `None` where none is left. A rename
/// needs no inode.
pub(super) fn take(layout: &Layout, folder: &Path) -> Option<PathBuf> {
    let to = folder.join(format!(".new-{}", Uuid::new_v4().as_simple()));
    let moved = (0..COUNT).any(|number| take_over(&layout.spare().join(number.to_string()), &to));
    moved.then_some(to)
}

/// The same for an empty folder, which becomes this one. `false` where none is left.
pub(super) fn take_folder(layout: &Layout, to: &Path) -> bool {
    folders(layout).any(|folder| take_over(&folder, to))
}

/// What a worker takes is its own from then on: the backend could else change it.
fn take_over(from: &Path, to: &Path) -> bool {
    let mine = !rustix::process::geteuid().is_root() || std::os::unix::fs::lchown(from, Some(0), None).is_ok();
    mine && fs::rename(from, to).is_ok()
}
