//! The objects of a clone, read through libgit2: a database without a repository, so that there is no configuration to be
//! read, and every object is hashed again when it is read.

use std::path::Path;

use git2::{Commit, ErrorClass, ErrorCode, Odb, Oid, Repository};
use pipelinex_common::foreign::shown;

use super::advert::ambiguous;
use crate::intake::git::fault::{CloneError, GitRule};

/// Opens the packs below `folder/pack`.
pub(super) fn open(folder: &Path) -> Result<Repository, CloneError> {
    open_all(&[folder])
}

/// Opens the packs of several such folders as one.
pub(super) fn open_all(folders: &[&Path]) -> Result<Repository, CloneError> {
    let not_utf8 = || CloneError::Ours("the workspaces folder is not named in UTF-8".to_owned());
    let paths = folders.iter().map(|folder| folder.to_str().ok_or_else(not_utf8)).collect::<Result<Vec<_>, _>>()?;
    let opened = Odb::new().and_then(|objects| {
        paths.iter().try_for_each(|path| objects.add_disk_alternate(path))?;
        Repository::from_odb(objects)
    });
    opened.map_err(|error| broken_pack(&error))
}

/// The commit of an id, or the one that a tag of that id is for.
pub(super) fn commit<'repo>(repository: &'repo Repository, id: &str) -> Result<Commit<'repo>, CloneError> {
    let object =
        Oid::from_str(id).and_then(|id| repository.find_object(id, None)).map_err(|error| broken_pack(&error))?;
    object.peel_to_commit().map_err(|error| match error.code() {
        ErrorCode::InvalidSpec | ErrorCode::Peel => {
            let message = "what was asked for is a tag of something that is no commit";
            GitRule::RefNotFound.problem(message, "name a branch, or a tag of a commit").into()
        }
        _ => broken_pack(&error),
    })
}

/// The commit whose id begins like this.
pub(super) fn complete(repository: &Repository, prefix: &str) -> Result<String, CloneError> {
    let find = || {
        let objects = repository.odb()?;
        objects.exists_prefix(Oid::from_str(prefix)?, prefix.len())
    };
    match find() {
        Ok(id) => Ok(id.to_string()),
        Err(error) if error.code() == ErrorCode::Ambiguous => Err(ambiguous(prefix).into()),
        Err(error) if error.code() == ErrorCode::NotFound => {
            let message = format!("no commit of the repository begins with {prefix}");
            Err(GitRule::RefNotFound.problem(message, "check the id; it must be part of a branch or a tag").into())
        }
        Err(error) => Err(broken_pack(&error)),
    }
}

/// What libgit2 says of a pack: the disk and the memory are ours, everything else is the repository's.
pub(super) fn broken_pack(error: &git2::Error) -> CloneError {
    let words = shown(error.message());
    match error.class() {
        _ if words.contains("No space left") || words.contains("Disk quota") => CloneError::Full,
        ErrorClass::NoMemory => CloneError::too_much_memory(),
        _ if words.contains("Cannot allocate memory") => CloneError::too_much_memory(),
        ErrorClass::Os | ErrorClass::Filesystem => CloneError::Ours(format!("libgit2: {words}")),
        _ => {
            let hint = "run git fsck where it was pushed from; a host may also have lost a part of it";
            GitRule::Damaged.problem(format!("the repository is damaged: {words}"), hint).into()
        }
    }
}
