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
/// A folder in a folder is moved to the top before it is emptied, so that depth costs neither stack nor descriptors.
///
/// # Errors
/// [`ForeignError::Io`] with the name that could not be removed; what was removed stays removed.
pub fn remove_tree(folder: &Path) -> Result<(), ForeignError> {
    let top = open_root(folder)?;
    let mut number = 0u64;
    loop {
        let names = names(&top)?;
        if names.is_empty() {
            return Ok(());
        }
        for name in names {
            remove_entry(&top, &name, &mut number)?;
        }
    }
}

fn remove_entry(top: &OwnedFd, name: &CStr, number: &mut u64) -> Result<(), ForeignError> {
    let told = name.to_string_lossy();
    match unlinkat(top, name, AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => return Ok(()),
        Err(Errno::ISDIR | Errno::PERM) => {}
        Err(error) => return Err(failed(&told, error.into())),
    }
    // An empty folder that is not ours to look into may still be ours to remove, such as what an overlay worked in.
    if unlinkat(top, name, AtFlags::REMOVEDIR).is_ok() {
        return Ok(());
    }
    let folder = match open(top, name) {
        Ok(folder) => folder,
        // Somebody else removed it meanwhile.
        Err(ForeignError::Io { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    for inner in names(&folder)? {
        match unlinkat(&folder, &*inner, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => {}
            Err(Errno::ISDIR | Errno::PERM) if unlinkat(&folder, &*inner, AtFlags::REMOVEDIR).is_ok() => {}
            Err(Errno::ISDIR | Errno::PERM) => {
                *number += 1;
                let aside = CString::new(format!(".removing-{number}")).unwrap_or_default();
                match renameat(&folder, &*inner, top, &*aside) {
                    // The name is taken by what an interrupted removal left: it is emptied in a later round.
                    // Or somebody else has removed it.
                    Ok(()) | Err(Errno::NOTEMPTY | Errno::EXIST | Errno::NOTDIR | Errno::NOENT) => {}
                    Err(error) => return Err(failed(&told, error.into())),
                }
            }
            Err(error) => return Err(failed(&told, error.into())),
        }
    }
    match unlinkat(top, name, AtFlags::REMOVEDIR) {
        Ok(()) | Err(Errno::NOENT | Errno::NOTEMPTY | Errno::EXIST) => Ok(()),
        Err(error) => Err(failed(&told, error.into())),
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
