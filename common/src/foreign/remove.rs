//! Removing a tree that foreign code made: of any depth and size, with few descriptors and no recursion, following no link.

use std::{
    ffi::{CStr, CString},
    os::fd::OwnedFd,
    path::Path,
};

use rustix::{
    fs::{AtFlags, Dir, Mode, OFlags, openat, renameat, unlinkat},
    io::Errno,
};

use super::{ForeignError, failed, open_root};

/// Removes everything below `folder`, and leaves the folder itself.
///
/// A folder in a folder is moved to the top before it is emptied, so that depth costs neither stack nor descriptors. What
/// cannot be removed keeps nothing else: it goes on until a round comes no further.
///
/// # Errors
/// [`ForeignError::Io`] with the first name that could not be removed; everything else is.
pub fn remove_tree(folder: &Path) -> Result<(), ForeignError> {
    let mut round = Round { top: open_root(folder)?, number: 0, came_further: true, failed: None };
    while round.came_further {
        (round.came_further, round.failed) = (false, None);
        for name in names(&round.top)? {
            let removed = round.remove(&name);
            round.note(removed);
        }
    }
    round.failed.map_or(Ok(()), Err)
}

/// One look at everything that is left.
struct Round {
    top: OwnedFd,
    /// The number of the last folder that was moved to the top.
    number: u64,
    /// Whether less is left after it, or what is left lies less deep.
    came_further: bool,
    /// The first thing that could not be removed.
    failed: Option<ForeignError>,
}

impl Round {
    fn note(&mut self, outcome: Result<(), ForeignError>) {
        match outcome {
            Ok(()) => self.came_further = true,
            Err(error) => _ = self.failed.get_or_insert(error),
        }
    }

    /// Removes a name at the top, or something below it: what is left is there in the next round.
    fn remove(&mut self, name: &CStr) -> Result<(), ForeignError> {
        let told = name.to_string_lossy();
        match unlinkat(&self.top, name, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => return Ok(()),
            Err(Errno::ISDIR | Errno::PERM) => {}
            Err(error) => return Err(failed(&told, error.into())),
        }
        // An empty folder that is not ours to look into may still be ours to remove, such as what an overlay worked in.
        if unlinkat(&self.top, name, AtFlags::REMOVEDIR).is_ok() {
            return Ok(());
        }
        let folder = match open(&self.top, name) {
            Ok(folder) => folder,
            // Somebody else removed it meanwhile.
            Err(ForeignError::Io { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(error),
        };
        let mut whole = true;
        for inner in names(&folder)? {
            let removed = self.remove_inner(&folder, &inner).map_err(|error| failed(&told, error.into()));
            whole &= removed.is_ok();
            self.note(removed);
        }
        match unlinkat(&self.top, name, AtFlags::REMOVEDIR) {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            // What is in it was told, or came in meanwhile, or is more than one look shows.
            Err(Errno::NOTEMPTY | Errno::EXIST) if whole => Ok(()),
            Err(error) => Err(failed(&told, error.into())),
        }
    }

    fn remove_inner(&mut self, folder: &OwnedFd, inner: &CStr) -> Result<(), Errno> {
        match unlinkat(folder, inner, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => return Ok(()),
            Err(Errno::ISDIR | Errno::PERM) if unlinkat(folder, inner, AtFlags::REMOVEDIR).is_ok() => return Ok(()),
            Err(Errno::ISDIR | Errno::PERM) => {}
            Err(error) => return Err(error),
        }
        self.number += 1;
        let aside = CString::new(format!(".removing-{}", self.number)).unwrap_or_default();
        match renameat(folder, inner, &self.top, &*aside) {
            // The name is taken by what an interrupted removal left: it is emptied in a later round.
            // Or somebody else has removed it.
            Ok(()) | Err(Errno::NOTEMPTY | Errno::EXIST | Errno::NOTDIR | Errno::NOENT) => Ok(()),
            Err(error) => Err(error),
        }
    }
}

fn open(parent: &OwnedFd, name: &CStr) -> Result<OwnedFd, ForeignError> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    openat(parent, name, flags, Mode::empty()).map_err(|error| failed(&name.to_string_lossy(), error.into()))
}

/// At most some thousand names at a time, so that a folder with millions of them costs no memory.
fn names(folder: &OwnedFd) -> Result<Vec<CString>, ForeignError> {
    let fresh = open(folder, c".")?;
    let mut names = Vec::new();
    for entry in Dir::read_from(&fresh).map_err(|e| failed("", e.into()))? {
        let entry = entry.map_err(|e| failed("", e.into()))?;
        if entry.file_name() != c"." && entry.file_name() != c".." {
            names.push(entry.file_name().to_owned());
        }
        if names.len() >= 8192 {
            break;
        }
    }
    Ok(names)
}
