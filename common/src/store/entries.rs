//! What a job's folder may hold, by name and kind: asked by whoever takes it over, and by whoever tells people why nobody can.

use std::{fs, io, path::Path};

use rustix::fs::{FileType, Stat, Uid, lstat};

use super::{Job, StoreError};
use crate::disk::DiskError;

/// The largest definition that is read, in bytes.
pub const DEFINITION_MAX: u64 = 1024 * 1024;

/// Names that the worker makes: found before the worker made them, they are a forgery.
const WORKERS_OWN: [&str; 15] = [
    "final.json",
    "claims",
    "ends",
    "attempts",
    "handling",
    "starts",
    "tries",
    "waits",
    "logs",
    "reports",
    "artifacts",
    "trees",
    "outbox",
    "inputs",
    ".reserve",
];

/// Why nobody takes over a folder of this owner in which something lies under this name; `None` where nothing is wrong.
pub(super) fn refused(name: &str, found: &Stat, owner: Uid) -> Option<&'static str> {
    let kind = FileType::from_raw_mode(found.st_mode);
    match name {
        // What is in `wishes` is input, and a live record that is no file is put aside later and drawn again.
        "." | ".." | "wishes" | "state.json" => None,
        // Put aside for a person to look at, whoever made it; no program reads it.
        torn if torn.starts_with("state.json.torn-") => None,
        "metadata.json" => not_plain(found),
        "source" | "pipelines" => (kind != FileType::Directory).then_some("it is not a folder"),
        own if is_workers_own(own) => {
            let forged = owner.is_root() && found.st_uid != Uid::ROOT.as_raw();
            forged.then_some("only a worker makes it, and somebody else did")
        }
        // Such as the copy that an editor leaves. Nobody opens it, so it does not matter who made it.
        _ if kind == FileType::RegularFile => None,
        _ => Some("a job's folder holds nothing of that name"),
    }
}

/// Whether a name is none of a job's own.
pub(super) fn is_strange(name: &str) -> bool {
    let known = [".", "..", "metadata.json", "state.json", "source", "pipelines", "wishes"].contains(&name);
    !known && !is_workers_own(name) && !name.starts_with("state.json.torn-")
}

fn is_workers_own(name: &str) -> bool {
    WORKERS_OWN.contains(&name) || name.starts_with(".collecting-") || name.starts_with(".tmp-")
}

fn not_plain(found: &Stat) -> Option<&'static str> {
    match FileType::from_raw_mode(found.st_mode) {
        FileType::Symlink => Some("it is a link"),
        FileType::RegularFile if found.st_nlink == 1 => None,
        _ => Some("it is not a regular file of one name"),
    }
}

impl Job {
    /// Whether a worker could take the folder over: one listing, and one look at each name; nothing is opened. What lies in
    /// the submission itself is not looked at.
    pub(super) fn check_entries(&self) -> Result<(), StoreError> {
        let root = self.paths().root();
        let Some(folder) = look(root)? else { return Ok(()) };
        let owner = Uid::from_raw(folder.st_uid);
        for entry in fs::read_dir(root).map_err(DiskError::io("list", root))?.flatten() {
            // Files of a moment come and go.
            let Some(found) = look(&entry.path())? else { continue };
            if let Some(reason) = refused(&entry.file_name().to_string_lossy(), &found, owner) {
                return Err(torn(&entry.path(), reason.to_owned()));
            }
        }
        self.check_definition()
    }

    /// One that is missing is none of this: it ends the job.
    fn check_definition(&self) -> Result<(), StoreError> {
        let path = self.paths().definition();
        let Some(found) = look(&path)? else { return Ok(()) };
        if let Some(reason) = not_plain(&found) {
            return Err(torn(&path, reason.to_owned()));
        }
        match u64::try_from(found.st_size).unwrap_or(0) {
            bytes if bytes > DEFINITION_MAX => {
                Err(torn(&path, format!("it has {bytes} bytes, at most {DEFINITION_MAX} are expected")))
            }
            _ => Ok(()),
        }
    }
}

fn torn(path: &Path, reason: String) -> StoreError {
    DiskError::Torn { path: path.to_owned(), reason }.into()
}

/// What lies there itself, also where it is a link.
fn look(path: &Path) -> Result<Option<Stat>, StoreError> {
    match lstat(path) {
        Ok(found) => Ok(Some(found)),
        Err(error) if io::Error::from(error).kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(DiskError::io("look at", path)(error.into()).into()),
    }
}
