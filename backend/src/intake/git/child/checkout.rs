//! Writes the files of a plan into an empty folder. Links come last: whatever is written before cannot go through one.

use std::{
    ffi::OsStr,
    fs,
    io::Write,
    os::unix::{
        ffi::OsStrExt,
        fs::{OpenOptionsExt, symlink},
    },
    path::Path,
};

use git2::{Odb, Repository};

use super::{
    objects::broken_pack,
    tree::{Kind, Plan, Planned},
};
use crate::intake::git::fault::{CloneError, GitRule};

/// How a file of Git's Large File Storage begins, as long as its content was not fetched.
const LFS_POINTER: &[u8] = b"version https://git-lfs.github.com/spec/";
/// The most bytes of such a file.
const LFS_POINTER_MAX: usize = 1024;

/// What was written.
pub(super) struct Written {
    /// Files and links.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// What a person should know.
    pub warnings: Vec<String>,
}

/// Writes everything that is planned.
pub(super) fn write(repository: &Repository, plan: &Plan, folder: &Path) -> Result<Written, CloneError> {
    let objects = repository.odb().map_err(|error| broken_pack(&error))?;
    for path in &plan.folders {
        let made = fs::create_dir(folder.join(path.as_str()));
        made.map_err(|error| CloneError::io(&format!("make the folder {path}"), &error))?;
    }
    let (links, files): (Vec<&Planned>, Vec<&Planned>) =
        plan.entries.iter().partition(|entry| entry.kind == Kind::Link);
    let mut pointers = Vec::new();
    for file in files {
        if write_file(&objects, file, folder)? {
            pointers.push(file.path.as_str());
        }
    }
    links.into_iter().try_for_each(|link| write_link(&objects, link, folder))?;
    Ok(Written { files: plan.entries.len() as u64, bytes: plan.bytes, warnings: warnings(plan, &pointers) })
}

/// Tells whether the file stands for one that lies elsewhere.
fn write_file(objects: &Odb<'_>, file: &Planned, folder: &Path) -> Result<bool, CloneError> {
    let content = objects.read(file.blob).map_err(|error| broken_pack(&error))?;
    let mode = if file.kind == Kind::Executable { 0o755 } else { 0o644 };
    let mut options = fs::OpenOptions::new();
    let opened = options.write(true).create_new(true).mode(mode).open(folder.join(file.path.as_str()));
    let written = opened.and_then(|mut opened| opened.write_all(content.data()));
    written.map_err(|error| CloneError::io(&format!("write {}", file.path), &error))?;
    Ok(content.len() <= LFS_POINTER_MAX && content.data().starts_with(LFS_POINTER))
}

fn write_link(objects: &Odb<'_>, link: &Planned, folder: &Path) -> Result<(), CloneError> {
    let target = objects.read(link.blob).map_err(|error| broken_pack(&error))?;
    if target.data().is_empty() || target.data().contains(&0) {
        let hint = "commit it again";
        let message = "a link of the repository leads to nothing that a path can name";
        return Err(GitRule::Damaged.problem_at(link.path.as_str(), message, hint).into());
    }
    let made = symlink(OsStr::from_bytes(target.data()), folder.join(link.path.as_str()));
    made.map_err(|error| CloneError::io(&format!("make the link {}", link.path), &error))
}

fn warnings(plan: &Plan, pointers: &[&str]) -> Vec<String> {
    let mut warnings = Vec::new();
    if let Some(first) = plan.submodules.first() {
        let count = plan.submodules.len();
        warnings.push(format!("submodules are not fetched: {count} folders are empty, the first is {first}"));
    }
    if let Some(first) = pointers.first() {
        let count = pointers.len();
        warnings.push(format!("Git LFS is not fetched: {count} files are only pointers, the first is {first}"));
    }
    warnings
}
