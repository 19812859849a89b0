//! Copies of trees that foreign code wrote: files, folders and links one by one, each opened beneath its folder.

use std::{
    fs::{File, OpenOptions, Permissions},
    io::{self, Read},
    os::unix::fs::{OpenOptionsExt, PermissionsExt, symlink},
    path::Path,
};

use super::{StoreError, give_to_runner, make_runner_dir};
use crate::{
    disk::{self, DiskError},
    foreign::{Beneath, ForeignError, Leads, shown},
};

/// How a tree is copied.
#[derive(Clone, Copy, Debug)]
pub struct Copying {
    /// Whose the copy is.
    pub whose: Whose,
    /// What becomes of links. None is followed.
    pub links: Links,
    /// The most that one file may have, in bytes.
    pub file_bytes: u64,
}

/// What becomes of the links of a tree that is copied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Links {
    /// All are kept as they are.
    Kept,
    /// Those that lead to something inside of the tree are kept as they are; others are left out.
    Inside,
}

/// Whose a copy is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whose {
    /// Ours; everybody reads it.
    Ours,
    /// The runner's, to be written to.
    Runners,
}

/// Why a tree of foreign files could not be made.
#[derive(Debug, thiserror::Error)]
pub enum TreeError {
    /// Our own files.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The foreign ones.
    #[error(transparent)]
    Foreign(#[from] ForeignError),
}

impl From<DiskError> for TreeError {
    fn from(error: DiskError) -> Self {
        Self::Store(error.into())
    }
}

/// Copies a tree into a folder, which is made if it is not there. Of a file's mode only whether it can be executed is kept.
/// Nothing is synced.
///
/// # Errors
/// [`TreeError`]; what was written until then stays.
pub fn copy_tree(from: &Beneath, to: &Path, how: Copying) -> Result<(), TreeError> {
    let walk = from.walk(usize::MAX)?;
    let make = |path: &Path| match how.whose {
        Whose::Ours => disk::make_dir(path, 0o755).map_err(StoreError::from),
        Whose::Runners => make_runner_dir(path),
    };
    make(to)?;
    for folder in &walk.folders {
        make(&to.join(folder))?;
    }
    for found in &walk.files {
        copy_file(from, &found.path, &to.join(&found.path), how)?;
    }
    for link in &walk.links {
        let keep = match how.links {
            Links::Kept => true,
            Links::Inside => !matches!(from.leads_to(link, None)?, Leads::Out | Leads::Nowhere),
        };
        if !keep {
            continue;
        }
        let path = to.join(link);
        symlink(from.link_target(link)?, &path).map_err(DiskError::io("create", path))?;
    }
    Ok(())
}

fn copy_file(from: &Beneath, name: &str, path: &Path, how: Copying) -> Result<(), TreeError> {
    let created = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    fill(from, name, created.map_err(DiskError::io("create", path))?, path, how)
}

/// Makes a new file, which is at `path`, a copy of that one.
pub(super) fn fill(from: &Beneath, name: &str, mut file: File, path: &Path, how: Copying) -> Result<(), TreeError> {
    let source = from.file(name)?;
    let meta = source.metadata().map_err(DiskError::io("read", path))?;
    let executable = meta.permissions().mode() & 0o111 != 0;
    // The kernel shares the blocks where the file system can.
    let copied = io::copy(&mut source.take(how.file_bytes.saturating_add(1)), &mut file);
    if copied.map_err(DiskError::io("copy to", path))? > how.file_bytes {
        let reason = format!("{} has more than {} bytes", shown(name), how.file_bytes);
        return Err(ForeignError::TooMuch(reason).into());
    }
    // As an overlay shows it: a report that was submitted is as old in a copy, and a build sees what is newer than what.
    if let Ok(written) = meta.modified() {
        file.set_modified(written).map_err(DiskError::io("set the time of", path))?;
    }
    match how.whose {
        Whose::Runners => give_to_runner(&file, path, executable)?,
        Whose::Ours => {
            let mode = if executable { 0o755 } else { 0o644 };
            file.set_permissions(Permissions::from_mode(mode)).map_err(DiskError::io("set the mode of", path))?;
        }
    }
    Ok(())
}
