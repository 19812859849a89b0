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

/// Mode of a job's folder and of those in it: the worker writes, the backend's group reads, and what is made in them belongs to
/// that group too.
const FOLDER_MODE: u32 = 0o2750;

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
    /// Without root, nothing changes hands: the folder is the worker's already, and `source/` is lent to the runner.
    ///
    /// # Errors
    /// [`StoreError::Disk`], also when an entry is a link, has a kind or a name that a job's folder does not hold, or was made
    /// by somebody else though only a worker makes it.
    pub fn take_over(&self, job: &Job) -> Result<(), StoreError> {
        let paths = job.paths();
        if !rustix::process::geteuid().is_root() {
            lend_tree(&paths.source())?;
        } else {
            let root = open_dir_at(CWD, c_path(self.layout.root())?.as_c_str(), paths.root())?;
            let group = fstat(&root).map_err(|e| DiskError::io("look at", self.layout.root())(e.into()))?.st_gid;
            let ours = Ownership { uid: Uid::ROOT, gid: Gid::from_raw(group), modes: None };
            let folder = open_dir_at(&root, c_path(Path::new(&job.id().to_string()))?.as_c_str(), paths.root())?;
            // First the folder, so that nobody else can change what is in it from here on.
            give(&folder, ours, paths.root())?;
            set_mode(&folder, FOLDER_MODE, paths.root())?;
            take_entries(&folder, ours, paths.root())?;
        }
        for folder in [
            paths.ends(),
            paths.attempts(),
            paths.starts(),
            paths.handling(),
            paths.logs(),
            paths.reports(),
            paths.artifacts(),
        ] {
            disk::make_dir(&folder, FOLDER_MODE)?;
        }
        // Passed through by the engine only, and by nobody's name: each step's own folder below is the runner's.
        for folder in [paths.trees(), paths.outbox(), paths.inputs()] {
            disk::make_dir(&folder, 0o711)?;
        }
        job.reserve()
    }
}

/// Names that the worker makes: found before the worker made them, they are a forgery.
const WORKERS_OWN: [&str; 13] = [
    "final.json",
    "claims",
    "ends",
    "attempts",
    "starts",
    "handling",
    "logs",
    "reports",
    "artifacts",
    "trees",
    "outbox",
    "inputs",
    ".reserve",
];

fn take_entries(folder: &OwnedFd, ours: Ownership, at: &Path) -> Result<(), StoreError> {
    let io = |action| move |e: Errno| DiskError::io(action, at)(e.into());
    let mut names = Vec::new();
    for entry in Dir::read_from(folder).map_err(io("list"))? {
        names.push(entry.map_err(io("list"))?.file_name().to_owned());
    }
    if !names.iter().any(|name| name.as_c_str() == c"metadata.json") {
        return Err(DiskError::Torn { path: at.join("metadata.json"), reason: "it is missing".to_owned() }.into());
    }
    for name in names {
        let text = name.to_string_lossy();
        match text.as_ref() {
            // The backend's for good; what is in it is input.
            "." | ".." | "wishes" => {}
            // Put aside for a person to look at, whoever made it; no program reads it.
            torn if torn.starts_with("state.json.torn-") => {}
            "metadata.json" => take_file(folder, &name, ours, at)?,
            // One that is no file is put aside later, and drawn again.
            "state.json" => _ = take_file(folder, &name, ours, at),
            "pipelines" => {
                let scripts = (Mode::from_raw_mode(0o644), Mode::from_raw_mode(0o755));
                give_tree(&open_dir_at(folder, &name, at)?, Ownership { modes: Some(scripts), ..ours }, at, 0)?;
            }
            "source" => {
                let source = open_dir_at(folder, &name, at)?;
                let runner = Ownership { uid: Uid::from_raw(RUNNER_UID), gid: Gid::from_raw(RUNNER_GID), modes: None };
                // The folder itself comes last, so its owner says whether the whole was done before.
                if !fstat(&source).is_ok_and(|stat| stat.st_uid == RUNNER_UID) {
                    give_tree(&source, runner, at, 0)?;
                }
            }
            own if WORKERS_OWN.contains(&own) || own.starts_with(".collecting-") || own.starts_with(".tmp-") => {
                let stat = statat(folder, &*name, AtFlags::SYMLINK_NOFOLLOW).map_err(io("look at"))?;
                if stat.st_uid != Uid::ROOT.as_raw() {
                    return Err(foreign(at, &name, "only a worker makes it, and somebody else did").into());
                }
            }
            _ => return Err(foreign(at, &name, "a job's folder holds nothing of that name").into()),
        }
    }
    Ok(())
}

fn take_file(folder: &OwnedFd, name: &CStr, ours: Ownership, at: &Path) -> Result<(), StoreError> {
    let file = open_plain(folder, name, at)?;
    give(&file, Ownership { modes: None, ..ours }, at)?;
    set_mode(&file, 0o640, at)
}

/// Opens a regular file of one name, following no link and waiting for no pipe.
fn open_plain(folder: &OwnedFd, name: &CStr, at: &Path) -> Result<OwnedFd, StoreError> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = openat(folder, name, flags, Mode::empty()).map_err(|e| DiskError::io("take over", at)(e.into()))?;
    let stat = fstat(&file).map_err(|e| DiskError::io("look at", at)(e.into()))?;
    if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile || stat.st_nlink != 1 {
        return Err(foreign(at, name, "it is not a regular file of one name").into());
    }
    Ok(file)
}

fn set_mode(fd: &impl AsFd, mode: u32, at: &Path) -> Result<(), StoreError> {
    Ok(fchmod(fd, Mode::from_raw_mode(mode)).map_err(|e| DiskError::io("set the mode of", at)(e.into()))?)
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
            // Through its descriptor: what is given away is what was looked at.
            FileType::RegularFile => {
                let file = open_plain(folder, name, at)?;
                give(&file, Ownership { modes: None, ..to }, at)?;
                if let Some((mode, _)) = to.modes {
                    fchmod(&file, mode).map_err(io("set the mode of"))?;
                }
            }
            FileType::Symlink => {
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
    let to = Ownership { uid: Uid::from_raw(RUNNER_UID), gid: Gid::from_raw(RUNNER_GID), modes: None };
    give(&dir, to, path)
}

/// Makes a file that was just written the runner's, or lends it without root.
///
/// # Errors
/// [`StoreError::Disk`].
pub fn give_to_runner(file: &File, path: &Path, executable: bool) -> Result<(), StoreError> {
    if !rustix::process::geteuid().is_root() {
        return set_mode(file, if executable { LENT_DIR } else { LENT_FILE }, path);
    }
    let to = Ownership { uid: Uid::from_raw(RUNNER_UID), gid: Gid::from_raw(RUNNER_GID), modes: None };
    give(file, to, path)?;
    set_mode(file, if executable { 0o755 } else { 0o644 }, path)
}

/// What a worker without root cannot give away it lets everybody write. Who can get there is decided above: a job's folder is
/// open to its owner and group alone, and a runner sees nothing but what is mounted for it.
const LENT_DIR: u32 = 0o777;
const LENT_FILE: u32 = 0o666;

/// Lends everything of ours below a folder to the runner, the folder itself last; following no link, and leaving alone what
/// belongs to somebody else. Doing it again changes nothing.
fn lend_tree(path: &Path) -> Result<(), StoreError> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let folder = openat(CWD, path, flags, Mode::empty()).map_err(|e| DiskError::io("open", path)(e.into()))?;
    lend_below(&folder, rustix::process::geteuid(), path, 0)
}

fn lend_below(folder: &OwnedFd, me: Uid, at: &Path, depth: u32) -> Result<(), StoreError> {
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
        let kind = FileType::from_raw_mode(stat.st_mode);
        if stat.st_uid != me.as_raw() || !matches!(kind, FileType::Directory | FileType::RegularFile) {
            continue;
        }
        if kind == FileType::Directory {
            lend_below(&open_dir_at(folder, name, at)?, me, at, depth + 1)?;
        } else if stat.st_nlink == 1 {
            set_mode(&open_plain(folder, name, at)?, LENT_FILE | (stat.st_mode & 0o111), at)?;
        }
    }
    set_mode(folder, LENT_DIR, at)
}
