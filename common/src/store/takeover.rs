//! Taking a job's folder over from the backend: after it, nothing the worker believes can be changed by anybody else.
//!
//! The backend is not believed: everything goes through open folders, one name at a time, and follows no link. `source/`
//! becomes the runner's, once, before the job's first container; everything else becomes the worker's.

use std::{
    ffi::{CStr, CString},
    fs::File,
    os::fd::{AsFd, OwnedFd},
    path::Path,
};

use rustix::{
    fs::{AtFlags, CWD, Dir, FileType, Gid, Mode, OFlags, Uid, chownat, fchmod, fchown, fstat, openat, statat},
    io::Errno,
};

use super::{Job, Store, StoreError};
use crate::disk::{self, DiskError};

/// User id of everything that runs in a runner container.
pub const RUNNER_UID: u32 = 10001;
/// Group id of everything that runs in a runner container.
pub const RUNNER_GID: u32 = 10001;

/// Folders nested deeper than this are not a project that admission let in.
const DEEPEST: u32 = 128;

#[derive(Clone, Copy)]
struct Ownership {
    uid: Uid,
    gid: Gid,
    /// Modes of files and folders; `None` leaves them.
    modes: Option<(Mode, Mode)>,
}

impl Store {
    /// Takes over the folder of a job and its known entries; doing it again changes nothing.
    /// Without root, nothing changes hands: the folder is then the worker's already.
    ///
    /// # Errors
    /// [`StoreError::Disk`], also when an entry is a link or has a kind that a job's folder does not hold.
    pub fn take_over(&self, job: &Job) -> Result<(), StoreError> {
        let paths = job.paths();
        if rustix::process::geteuid().is_root() {
            let group = fstat(open_dir_at(CWD, c_path(self.layout.root())?.as_c_str(), paths.root())?)
                .map_err(|e| DiskError::io("look at", self.layout.root())(e.into()))?
                .st_gid;
            let ours = Ownership { uid: Uid::ROOT, gid: Gid::from_raw(group), modes: None };
            let folder = open_dir_at(CWD, c_path(paths.root())?.as_c_str(), paths.root())?;
            give(&folder, ours, paths.root())?;
            take_files(&folder, ours, paths.root())?;
            let scripts = (Mode::from_raw_mode(0o644), Mode::from_raw_mode(0o755));
            let pipelines = open_dir_at(&folder, c"pipelines", paths.root())?;
            give_tree(&pipelines, Ownership { modes: Some(scripts), ..ours }, paths.root(), 0)?;
            let source = open_dir_at(&folder, c"source", paths.root())?;
            let runner = Ownership { uid: Uid::from_raw(RUNNER_UID), gid: Gid::from_raw(RUNNER_GID), modes: None };
            // The folder itself comes last, so its owner says whether the whole was done before.
            let done = fstat(&source).is_ok_and(|stat| stat.st_uid == RUNNER_UID);
            if !done {
                give_tree(&source, runner, paths.root(), 0)?;
            }
        }
        for folder in [paths.ends(), paths.attempts(), paths.logs(), paths.reports(), paths.artifacts()] {
            disk::make_dir(&folder, 0o750)?;
        }
        // Passed through by the engine only, and by nobody's name: each step's own folder below is the runner's.
        for folder in [paths.trees(), paths.outbox()] {
            disk::make_dir(&folder, 0o711)?;
        }
        Ok(())
    }
}

fn take_files(folder: &OwnedFd, ours: Ownership, at: &Path) -> Result<(), StoreError> {
    for (name, required) in [(c"metadata.json", true), (c"state.json", false)] {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = match openat(folder, name, flags, Mode::empty()) {
            Err(Errno::NOENT) if !required => continue,
            other => other.map_err(|e| DiskError::io("take over", at)(e.into()))?,
        };
        let stat = fstat(&file).map_err(|e| DiskError::io("look at", at)(e.into()))?;
        if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile || stat.st_nlink != 1 {
            return Err(foreign(at, name, "it is not a regular file of one name").into());
        }
        give(&file, Ownership { modes: None, ..ours }, at)?;
        fchmod(&file, Mode::from_raw_mode(0o640)).map_err(|e| DiskError::io("set the mode of", at)(e.into()))?;
    }
    Ok(())
}

/// Gives everything below an open folder, then the folder itself.
fn give_tree(folder: &OwnedFd, to: Ownership, at: &Path, depth: u32) -> Result<(), StoreError> {
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
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::Directory => give_tree(&open_dir_at(folder, name, at)?, to, at, depth + 1)?,
            FileType::RegularFile if to.modes.is_some() => {
                let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
                let file = openat(folder, name, flags, Mode::empty()).map_err(io("open"))?;
                let stat = fstat(&file).map_err(io("look at"))?;
                if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile || stat.st_nlink != 1 {
                    return Err(foreign(at, name, "it is not a regular file of one name").into());
                }
                give(&file, Ownership { modes: None, ..to }, at)?;
                let mode = to.modes.map_or(Mode::from_raw_mode(0o644), |modes| modes.0);
                fchmod(&file, mode).map_err(io("set the mode of"))?;
            }
            // A hard link would hand the runner a file that also has another name.
            FileType::RegularFile if stat.st_nlink != 1 => return Err(foreign(at, name, "it has other names").into()),
            FileType::RegularFile | FileType::Symlink => {
                chownat(folder, name, Some(to.uid), Some(to.gid), AtFlags::SYMLINK_NOFOLLOW).map_err(io("chown"))?;
            }
            _ => return Err(foreign(at, name, "it is neither file, folder nor link").into()),
        }
    }
    give(folder, to, at)?;
    if let Some((_, mode)) = to.modes {
        fchmod(folder, mode).map_err(io("set the mode of"))?;
    }
    Ok(())
}

fn give(fd: &impl AsFd, to: Ownership, at: &Path) -> Result<(), StoreError> {
    Ok(fchown(fd, Some(to.uid), Some(to.gid)).map_err(|e| DiskError::io("chown", at)(e.into()))?)
}

fn open_dir_at(parent: impl AsFd, name: &CStr, at: &Path) -> Result<OwnedFd, StoreError> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let opened = openat(parent, name, flags, Mode::empty());
    Ok(opened.map_err(|e| DiskError::io("open", at.join(name.to_string_lossy().as_ref()))(e.into()))?)
}

fn c_path(path: &Path) -> Result<CString, StoreError> {
    use std::os::unix::ffi::OsStrExt;
    CString::new(path.as_os_str().as_bytes()).map_err(|e| DiskError::io("open", path)(e.into()).into())
}

fn foreign(at: &Path, name: &CStr, reason: &str) -> DiskError {
    DiskError::Torn { path: at.join(name.to_string_lossy().as_ref()), reason: reason.to_owned() }
}

/// Makes a folder for the runner inside one of ours: mode 0755, owned by [`RUNNER_UID`] where we may give it away.
///
/// # Errors
/// [`StoreError::Disk`].
pub fn make_runner_dir(path: &Path) -> Result<(), StoreError> {
    disk::make_dir(path, 0o755)?;
    if rustix::process::geteuid().is_root() {
        let dir = File::open(path).map_err(DiskError::io("open", path))?;
        let to = Ownership { uid: Uid::from_raw(RUNNER_UID), gid: Gid::from_raw(RUNNER_GID), modes: None };
        give(&dir, to, path)?;
    }
    Ok(())
}
