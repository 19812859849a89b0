//! Handing files and folders over, to the worker or to the runner's user: through open folders, one name at a time, following no
//! link. As root they change hands; without, they are lent.

use std::{
    ffi::CStr,
    fs::File,
    os::fd::{AsFd, OwnedFd},
    path::Path,
};

use rustix::{
    fs::{AtFlags, Dir, FileType, Gid, Mode, OFlags, Uid, chownat, fchmod, fchown, fstat, openat, statat},
    io::Errno,
};

use super::StoreError;
use crate::disk::{self, DiskError};

/// User id of everything that runs in a runner container.
pub const RUNNER_UID: u32 = 10001;
/// Group id of everything that runs in a runner container.
pub const RUNNER_GID: u32 = 10001;

/// Folders nested deeper than this are not a project that admission let in.
const DEEPEST: u32 = 128;

/// What a worker without root cannot give away it lets everybody write. Who can get there is decided above: a job's folder is
/// open to its owner and group alone, and a runner sees nothing but what is mounted for it.
const LENT_DIR: u32 = 0o777;
const LENT_FILE: u32 = 0o666;

/// Whose something becomes.
#[derive(Clone, Copy)]
pub(super) struct Ownership {
    /// `None`: it stays whose it is.
    pub owner: Option<(Uid, Gid)>,
    /// What becomes of the modes in a tree.
    pub modes: Modes,
}

/// What becomes of the modes of files and folders in a tree.
#[derive(Clone, Copy)]
pub(super) enum Modes {
    /// Nothing.
    Kept,
    /// Everybody reads, their owner writes.
    Scripts,
    /// Everybody reads and writes.
    Lent,
}

impl Ownership {
    /// The runner's.
    pub fn of_runner() -> Self {
        Self { owner: Some((Uid::from_raw(RUNNER_UID), Gid::from_raw(RUNNER_GID))), modes: Modes::Kept }
    }

    /// Ours, and lent to the runner.
    pub const LENT: Self = Self { owner: None, modes: Modes::Lent };
}

impl Modes {
    /// The new mode of a file that has this one.
    fn of_file(self, mode: u32) -> Option<u32> {
        match self {
            Self::Kept => None,
            Self::Scripts => Some(0o644),
            Self::Lent => Some(LENT_FILE | (mode & 0o111)),
        }
    }

    fn of_folder(self) -> Option<u32> {
        match self {
            Self::Kept => None,
            Self::Scripts => Some(0o755),
            Self::Lent => Some(LENT_DIR),
        }
    }
}

/// Hands over everything below an open folder, then the folder itself.
pub(super) fn give_tree(folder: &OwnedFd, to: Ownership, at: &Path, depth: u32) -> Result<(), StoreError> {
    let io = |action| move |e: Errno| DiskError::io(action, at)(e.into());
    if depth > DEEPEST {
        return Err(foreign(at, c"", "its folders are nested too deep").into());
    }
    for entry in Dir::read_from(folder).map_err(io("list"))? {
        let entry = entry.map_err(io("list"))?;
        let name = entry.file_name();
        if name == c"." || name == c".." {
            continue;
        }
        let stat = statat(folder, name, AtFlags::SYMLINK_NOFOLLOW).map_err(io("look at"))?;
        match (FileType::from_raw_mode(stat.st_mode), to.owner) {
            (FileType::Directory, _) => give_tree(&open_dir_at(folder, name, at)?, to, at, depth + 1)?,
            // Through its descriptor: what is given away is what was looked at.
            (FileType::RegularFile, _) => {
                let file = open_plain(folder, name, at)?;
                give(&file, to, at)?;
                if let Some(mode) = to.modes.of_file(stat.st_mode) {
                    set_mode(&file, mode, at)?;
                }
            }
            (FileType::Symlink, Some((uid, gid))) => {
                chownat(folder, name, Some(uid), Some(gid), AtFlags::SYMLINK_NOFOLLOW).map_err(io("chown"))?;
            }
            (FileType::Symlink, None) => {}
            _ => return Err(foreign(at, name, "it is neither file, folder nor link").into()),
        }
    }
    give(folder, to, at)?;
    to.modes.of_folder().map_or(Ok(()), |mode| set_mode(folder, mode, at))
}

/// Gives one thing away, and leaves its mode.
pub(super) fn give(fd: &impl AsFd, to: Ownership, at: &Path) -> Result<(), StoreError> {
    let Some((uid, gid)) = to.owner else { return Ok(()) };
    Ok(fchown(fd, Some(uid), Some(gid)).map_err(|e| DiskError::io("chown", at)(e.into()))?)
}

/// Makes a folder for the runner inside one of ours: mode 0755, owned by [`RUNNER_UID`]; without root it stays ours, and is
/// lent.
///
/// # Errors
/// [`StoreError::Disk`].
pub fn make_runner_dir(path: &Path) -> Result<(), StoreError> {
    if !rustix::process::geteuid().is_root() {
        return Ok(disk::make_dir(path, LENT_DIR)?);
    }
    disk::make_dir(path, 0o755)?;
    let dir = File::open(path).map_err(DiskError::io("open", path))?;
    give(&dir, Ownership::of_runner(), path)
}

/// Makes a folder that was just made the runner's, or lends it without root.
pub(super) fn give_folder_to_runner(folder: &OwnedFd, at: &Path) -> Result<(), StoreError> {
    if !rustix::process::geteuid().is_root() {
        return set_mode(folder, LENT_DIR, at);
    }
    give(folder, Ownership::of_runner(), at)?;
    set_mode(folder, 0o755, at)
}

/// Makes a file that was just written the runner's, or lends it without root.
///
/// # Errors
/// [`StoreError::Disk`].
pub fn give_to_runner(file: &File, path: &Path, executable: bool) -> Result<(), StoreError> {
    if !rustix::process::geteuid().is_root() {
        return set_mode(file, if executable { LENT_DIR } else { LENT_FILE }, path);
    }
    give(file, Ownership::of_runner(), path)?;
    set_mode(file, if executable { 0o755 } else { 0o644 }, path)
}

/// Opens a regular file of one name, following no link and waiting for no pipe.
pub(super) fn open_plain(folder: &OwnedFd, name: &CStr, at: &Path) -> Result<OwnedFd, StoreError> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = openat(folder, name, flags, Mode::empty()).map_err(|e| DiskError::io("take over", at)(e.into()))?;
    let stat = fstat(&file).map_err(|e| DiskError::io("look at", at)(e.into()))?;
    if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile || stat.st_nlink != 1 {
        return Err(foreign(at, name, "it is not a regular file of one name").into());
    }
    Ok(file)
}

/// Opens a folder, following no link in its last name.
pub(super) fn open_dir_at(parent: impl AsFd, name: &CStr, at: &Path) -> Result<OwnedFd, StoreError> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let opened = openat(parent, name, flags, Mode::empty());
    Ok(opened.map_err(|e| DiskError::io("open", at.join(name.to_string_lossy().as_ref()))(e.into()))?)
}

pub(super) fn set_mode(fd: &impl AsFd, mode: u32, at: &Path) -> Result<(), StoreError> {
    Ok(fchmod(fd, Mode::from_raw_mode(mode)).map_err(|e| DiskError::io("set the mode of", at)(e.into()))?)
}

/// The error about something that should not be there.
pub(super) fn foreign(at: &Path, name: &CStr, reason: &str) -> DiskError {
    DiskError::Torn { path: at.join(name.to_string_lossy().as_ref()), reason: reason.to_owned() }
}
