//! Taking a job's folder over from the backend: after it, nothing the worker believes can be changed by anybody else.
//!
//! The backend is not believed: everything goes through open folders, one name at a time, and follows no link. `source/`
//! becomes the runner's, once, before the job's first container; everything else becomes the worker's.

use std::{
    ffi::{CStr, CString},
    os::fd::OwnedFd,
    path::Path,
};

use rustix::{
    fs::{AtFlags, CWD, Dir, Gid, Uid, fstat, statat},
    io::Errno,
};

use super::{
    Job, Store, StoreError, entries,
    handover::{Modes, Ownership, RUNNER_UID, foreign, give, give_tree, open_dir_at, open_plain, set_mode},
};
use crate::disk::{self, DiskError};

/// Mode of a job's folder and of those in it: the worker writes, the backend's group reads, and what is made in them belongs to
/// that group too.
const FOLDER_MODE: u32 = 0o2750;

impl Store {
    /// Takes over the folder of a job and its known entries; doing it again changes nothing.
    /// Without root, nothing changes hands: the folder is the worker's already, and `source/` is lent to the runner.
    ///
    /// # Errors
    /// [`StoreError::Disk`], also when an entry is a link, has a kind that a job's folder does not hold under that name, or was
    /// made by somebody else though only a worker makes it. [`Job::quarantine`] tells the same. Files of other names are
    /// passed over.
    pub fn take_over(&self, job: &Job) -> Result<(), StoreError> {
        let paths = job.paths();
        if !rustix::process::geteuid().is_root() {
            let source = open_dir_at(CWD, c_path(&paths.source())?.as_c_str(), paths.root())?;
            give_tree(&source, Ownership::LENT, paths.root(), 0)?;
        } else {
            let root = open_dir_at(CWD, c_path(self.layout.root())?.as_c_str(), paths.root())?;
            let group = fstat(&root).map_err(|e| DiskError::io("look at", self.layout.root())(e.into()))?.st_gid;
            let ours = Ownership { owner: Some((Uid::ROOT, Gid::from_raw(group))), modes: Modes::Kept };
            let folder = open_dir_at(&root, c_path(Path::new(&job.id().to_string()))?.as_c_str(), paths.root())?;
            // First the folder, so that nobody else can change what is in it from here on.
            give(&folder, ours, paths.root())?;
            set_mode(&folder, FOLDER_MODE, paths.root())?;
            take_entries(&folder, ours, paths.root())?;
        }
        let made = [
            paths.ends(),
            paths.attempts(),
            paths.starts(),
            paths.handling(),
            paths.logs(),
            paths.reports(),
            paths.artifacts(),
        ];
        for folder in made {
            disk::make_dir(&folder, FOLDER_MODE)?;
        }
        // Passed through by the engine only, and by nobody's name: each step's own folder below is the runner's.
        for folder in [paths.trees(), paths.outbox(), paths.inputs()] {
            disk::make_dir(&folder, 0o711)?;
        }
        job.reserve()?;
        // Whatever is synced in these folders would be lost with their names. By each holder: the one before may have died here.
        Ok(disk::sync_dir(paths.root())?)
    }
}

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
        let found = match statat(folder, &*name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(found) => found,
            // A file of a moment, of a holder that was overtaken.
            Err(Errno::NOENT) => continue,
            Err(error) => return Err(io("look at")(error).into()),
        };
        if let Some(reason) = entries::refused(&text, &found, Uid::ROOT) {
            return Err(foreign(at, &name, reason).into());
        }
        match text.as_ref() {
            "metadata.json" => take_file(folder, &name, ours, at)?,
            // One that is no file is put aside later, and drawn again.
            "state.json" => _ = take_file(folder, &name, ours, at),
            "pipelines" => {
                let scripts = Ownership { modes: Modes::Scripts, ..ours };
                give_tree(&open_dir_at(folder, &name, at)?, scripts, at, 0)?;
            }
            "source" => {
                let source = open_dir_at(folder, &name, at)?;
                // The folder itself comes last, so its owner says whether the whole was done before.
                if !fstat(&source).is_ok_and(|stat| stat.st_uid == RUNNER_UID) {
                    give_tree(&source, Ownership::of_runner(), at, 0)?;
                }
            }
            strange if entries::is_strange(strange) => {
                tracing::warn!(path = %at.join(strange).display(), "a file that is none of a job's is passed over");
            }
            // The wishes stay the backend's for good; everything else is ours.
            _ => {}
        }
    }
    Ok(())
}

fn take_file(folder: &OwnedFd, name: &CStr, ours: Ownership, at: &Path) -> Result<(), StoreError> {
    let file = open_plain(folder, name, at)?;
    give(&file, ours, at)?;
    set_mode(&file, 0o640, at)
}

fn c_path(path: &Path) -> Result<CString, StoreError> {
    use std::os::unix::ffi::OsStrExt;
    CString::new(path.as_os_str().as_bytes()).map_err(|e| DiskError::io("open", path)(e.into()).into())
}
