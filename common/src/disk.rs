//! The only code that writes the files of a job: whole, durable, and versioned.
//!
//! A JSON file is written to a temporary name in the same folder, synced, moved to its place, and the folder synced: a
//! reader sees the old page or the new one, also after a power cut. What cannot be read is an error with its path and
//! never "absent".

mod json;
#[cfg(test)]
mod tests;

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
};

use rustix::fs::OFlags;
use uuid::Uuid;

pub(crate) use self::json::link_new;
pub use self::json::{Versioned, create_json, create_json_in, place_json, read_json, write_json};

/// Mode of the files of a job: the worker writes, the backend's group reads, nobody else.
const FILE_MODE: u32 = 0o640;

/// What went wrong with a file of ours.
#[derive(Debug, thiserror::Error)]
pub enum DiskError {
    /// The system refused.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// What was tried, as a verb.
        action: &'static str,
        /// On which file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The file is there and is not what it should be.
    #[error("{} cannot be read: {reason}", path.display())]
    Torn {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A newer program wrote it: it is left alone.
    #[error("{} has schema version {found}, this program knows {known}: upgrade pipelinex to read it", path.display())]
    FutureSchema {
        /// Which file.
        path: PathBuf,
        /// The version in the file.
        found: u64,
        /// The newest version known here.
        known: u32,
    },
}

impl DiskError {
    /// Gives an error of the system its file and verb.
    pub fn io(action: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { action, path, source }
    }

    /// Whether the disk, or a quota on it, is full.
    pub fn is_full(&self) -> bool {
        matches!(self, Self::Io { source, .. } if is_full(source))
    }

    /// Whether the file system is mounted read-only.
    pub fn is_read_only(&self) -> bool {
        matches!(self, Self::Io { source, .. } if source.kind() == io::ErrorKind::ReadOnlyFilesystem)
    }

    /// Whether the file, or a folder above it, is not there.
    pub fn is_missing(&self) -> bool {
        matches!(self, Self::Io { source, .. } if source.kind() == io::ErrorKind::NotFound)
    }
}

/// Whether the system says that a disk is full, or a quota or a limit on the size of files used up.
pub fn is_full(error: &io::Error) -> bool {
    use io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};
    matches!(error.kind(), StorageFull | QuotaExceeded | FileTooLarge)
}

/// Makes a file with room for so many bytes, which stays its own however full the disk becomes.
///
/// # Errors
/// [`DiskError::Io`], also when it is there already.
pub fn create_room(path: &Path, bytes: u64) -> Result<(), DiskError> {
    use rustix::fs::{FallocateFlags, fallocate};
    let file = create_new(path, &[], FILE_MODE)?;
    let made = match fallocate(&file, FallocateFlags::KEEP_SIZE, 0, bytes) {
        // A file system that cannot do this gets bytes; whether it writes over them in place is its own affair.
        Err(rustix::io::Errno::OPNOTSUPP) => (&file).write_all(&vec![0; bytes as usize]),
        other => other.map_err(io::Error::from),
    };
    if made.is_err() {
        let _ = fs::remove_file(path);
    }
    made.map_err(DiskError::io("make room in", path))
}

/// Puts a file in place of what was there, whole for everybody who opens it, but not synced: for what its writer makes
/// again after a crash before anybody reads it, or syncs together with more.
///
/// # Errors
/// [`DiskError::Io`].
pub fn write_unsynced(path: &Path, content: &[u8], mode: u32) -> Result<(), DiskError> {
    let temp = path.with_file_name(format!(".tmp-{}", Uuid::new_v4().as_simple()));
    let written = create_new(&temp, content, mode);
    let moved = written.and_then(|_| fs::rename(&temp, path).map_err(DiskError::io("replace", path)));
    if moved.is_err() {
        let _ = fs::remove_file(&temp);
    }
    moved
}

/// Creates a file that is not there yet, with its whole content, and syncs it.
///
/// # Errors
/// [`DiskError::Io`], also when it is there already.
pub fn write_new(path: &Path, content: &[u8], mode: u32) -> Result<(), DiskError> {
    create_new(path, content, mode)?.sync_all().map_err(DiskError::io("sync", path))
}

/// [`write_new`] without the sync: for what is synced together with more before anybody counts on it.
///
/// # Errors
/// [`DiskError::Io`], also when it is there already.
pub fn write_new_unsynced(path: &Path, content: &[u8], mode: u32) -> Result<(), DiskError> {
    create_new(path, content, mode).map(|_| ())
}

fn create_new(path: &Path, content: &[u8], mode: u32) -> Result<File, DiskError> {
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode)
        .custom_flags(nofollow())
        .open(path)
        .map_err(DiskError::io("create", path))?;
    file.write_all(content).map_err(DiskError::io("write", path))?;
    // The umask of whoever started us does not decide who can read a job.
    file.set_permissions(fs::Permissions::from_mode(mode)).map_err(DiskError::io("set the mode of", path))?;
    Ok(file)
}

/// Reads a small file of ours; `None` when it is not there.
///
/// # Errors
/// [`DiskError`], also when it is a link, no regular file, or larger than `max` bytes.
pub fn read_file(path: &Path, max: u64) -> Result<Option<Vec<u8>>, DiskError> {
    let torn = |reason: String| DiskError::Torn { path: path.to_owned(), reason };
    // Non-blocking, so that a pipe put in its place does not stop us.
    let opened = OpenOptions::new().read(true).custom_flags(nofollow() | OFlags::NONBLOCK.bits() as i32).open(path);
    let file = match opened {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) if error.raw_os_error() == Some(rustix::io::Errno::LOOP.raw_os_error()) => {
            return Err(torn("it is a link".to_owned()));
        }
        Err(error) => return Err(DiskError::io("open", path)(error)),
    };
    let meta = file.metadata().map_err(DiskError::io("look at", path))?;
    if !meta.is_file() {
        return Err(torn("it is not a regular file".to_owned()));
    }
    if meta.len() > max {
        return Err(torn(format!("it has {} bytes, at most {max} are expected", meta.len())));
    }
    let mut content = Vec::with_capacity(meta.len() as usize);
    file.take(max).read_to_end(&mut content).map_err(DiskError::io("read", path))?;
    Ok(Some(content))
}

/// Waits until nobody else has this file locked, and locks it until the answer is dropped. It is made where there is none, and
/// stays. A file that is open for writing: the lock of one goes to the server of a network file system, that of a folder does not.
///
/// # Errors
/// [`DiskError::Io`].
pub fn lock_file(path: &Path) -> Result<File, DiskError> {
    let file = open_lock(path)?;
    file.lock().map_err(DiskError::io("lock", path))?;
    Ok(file)
}

/// [`lock_file`] without the wait: `None` while somebody else has it locked.
///
/// # Errors
/// [`DiskError::Io`].
pub fn try_lock_file(path: &Path) -> Result<Option<File>, DiskError> {
    let file = open_lock(path)?;
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(fs::TryLockError::WouldBlock) => Ok(None),
        Err(fs::TryLockError::Error(error)) => Err(DiskError::io("lock", path)(error)),
    }
}

fn open_lock(path: &Path) -> Result<File, DiskError> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(false).mode(FILE_MODE).custom_flags(nofollow());
    options.open(path).map_err(DiskError::io("open", path))
}

/// Makes a folder that is not there yet; one that is there is fine.
///
/// # Errors
/// [`DiskError::Io`]; also when the name is taken by something else.
pub fn make_dir(path: &Path, mode: u32) -> Result<(), DiskError> {
    match fs::DirBuilder::new().mode(mode).create(path) {
        Ok(()) => {
            fs::set_permissions(path, fs::Permissions::from_mode(mode)).map_err(DiskError::io("set the mode of", path))
        }
        Err(taken) if taken.kind() == io::ErrorKind::AlreadyExists => {
            let meta = fs::symlink_metadata(path).map_err(DiskError::io("look at", path))?;
            let torn = || DiskError::Torn { path: path.to_owned(), reason: "it is not a folder".to_owned() };
            if meta.is_dir() { Ok(()) } else { Err(torn()) }
        }
        Err(error) => Err(DiskError::io("make the folder", path)(error)),
    }
}

/// Moves a file, or a folder that is not empty, to a name that must be free, and makes that durable. `false` when the name is taken.
///
/// # Errors
/// [`DiskError::Io`].
pub fn publish(from: &Path, to: &Path) -> Result<bool, DiskError> {
    use rustix::{
        fs::{CWD, RenameFlags, renameat_with},
        io::Errno,
    };
    let moved = match renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
        // A file system that knows no such rename: network file systems mostly do not.
        Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => move_plainly(from, to),
        other => other.map_err(io::Error::from),
    };
    match moved {
        Ok(()) => sync_parent(to).map(|()| true),
        Err(taken) if taken.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(DiskError::io("publish", to)(error)),
    }
}

/// The same by what every file system knows: a folder replaces none in which there is something, and no file; a second name of a
/// file replaces nothing at all.
fn move_plainly(from: &Path, to: &Path) -> io::Result<()> {
    let folder = fs::symlink_metadata(from)?.is_dir();
    let moved = if folder { fs::rename(from, to) } else { fs::hard_link(from, to) };
    match moved {
        Ok(()) if folder => Ok(()),
        Ok(()) => fs::remove_file(from),
        Err(_) if fs::symlink_metadata(to).is_ok() => Err(io::ErrorKind::AlreadyExists.into()),
        Err(error) => Err(error),
    }
}

/// Makes everything durable that was written to the file system of `path`. One call is far quicker than one for each of
/// thousands of files.
///
/// # Errors
/// [`DiskError::Io`].
pub fn sync_file_system(path: &Path) -> Result<(), DiskError> {
    let dir = File::open(path).map_err(DiskError::io("open", path))?;
    rustix::fs::syncfs(&dir).map_err(|error| DiskError::io("sync", path)(error.into()))
}

/// Syncs a folder: its entries are then durable.
///
/// # Errors
/// [`DiskError::Io`].
pub fn sync_dir(path: &Path) -> Result<(), DiskError> {
    let dir = File::open(path).map_err(DiskError::io("open", path))?;
    dir.sync_all().map_err(DiskError::io("sync", path))
}

fn sync_parent(path: &Path) -> Result<(), DiskError> {
    sync_dir(path.parent().unwrap_or(Path::new(".")))
}

pub(crate) fn nofollow() -> i32 {
    (OFlags::NOFOLLOW | OFlags::CLOEXEC).bits() as i32
}
