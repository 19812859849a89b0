//! The operator's files for the tools of a build: read and checked before anything runs, and laid into one folder that steps mount.

use std::{
    collections::BTreeMap,
    fs::File,
    io::Read,
    path::{Path, PathBuf},
};

use pipelinex_common::{
    disk::{self, DiskError},
    layout::Layout,
    stack_files::{self, STACK_FILE_MAX, StackFile, StackFileError},
};
use sha2::{Digest, Sha256};

use crate::spec::STACK_DIR;

/// What went wrong with one.
#[derive(Debug, thiserror::Error)]
pub enum LaidError {
    /// It cannot be used.
    #[error("--stack-file {name}={}: {source}", path.display())]
    Refused {
        /// Its name.
        name: String,
        /// The operator's file.
        path: PathBuf,
        /// Why.
        source: StackFileError,
    },
    /// It cannot be read.
    #[error("--stack-file {name}={}: {reason}", path.display())]
    Unreadable {
        /// Its name.
        name: String,
        /// The operator's file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// Our own copy could not be written.
    #[error(transparent)]
    Disk(#[from] DiskError),
}

/// What steps are given of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StackFiles {
    /// The folder that they mount at [`STACK_DIR`].
    pub folder: PathBuf,
    /// Variables of every step that runs code of a project: what BUILD fetched by a mirror, TEST and PACKAGE look for there.
    pub variables: BTreeMap<String, String>,
    /// Variables of those among them that have a network.
    pub of_network: BTreeMap<String, String>,
}

/// Reads and checks what the operator named.
///
/// # Errors
/// [`LaidError`].
pub fn read(named: &[(String, PathBuf)]) -> Result<Vec<(&'static StackFile, String)>, LaidError> {
    named.iter().map(|(name, path)| one(name, path)).collect()
}

fn one(name: &str, path: &Path) -> Result<(&'static StackFile, String), LaidError> {
    let refused = |source| LaidError::Refused { name: name.to_owned(), path: path.to_owned(), source };
    let unreadable = |reason: String| LaidError::Unreadable { name: name.to_owned(), path: path.to_owned(), reason };
    let row = stack_files::named(name).map_err(refused)?;
    let mut content = String::new();
    let file = File::open(path).map_err(|error| unreadable(format!("it cannot be read: {error}")))?;
    let read = file.take(STACK_FILE_MAX + 1).read_to_string(&mut content);
    let read = read.map_err(|error| unreadable(format!("it cannot be read: {error}")))?;
    if read as u64 > STACK_FILE_MAX {
        return Err(unreadable(format!("it has more than {STACK_FILE_MAX} bytes")));
    }
    row.check(&content).map_err(refused)?;
    Ok((row, content))
}

/// Lays them into a folder below the workspaces folder, where the engine's host sees them. The same files always give the same one;
/// none where none is named.
///
/// # Errors
/// [`LaidError`].
pub fn prepare(named: &[(String, PathBuf)], layout: &Layout) -> Result<Option<StackFiles>, LaidError> {
    let given = read(named)?;
    if given.is_empty() {
        return Ok(None);
    }
    let mut digest = Sha256::new();
    let mut found = StackFiles::default();
    for (row, content) in &given {
        digest.update(format!("{} {}\n{content}", row.name, content.len()));
        found.variables.extend(row.variables(STACK_DIR));
        found.of_network.extend(row.lines(content));
    }
    let digest = hex::encode(&digest.finalize()[..8]);
    let parent = layout.root().join(".stack-files");
    found.folder = parent.join(&digest);
    if found.folder.exists() {
        return Ok(Some(found));
    }
    disk::make_dir(&parent, 0o755)?;
    let aside = parent.join(format!(".{}", uuid::Uuid::new_v4().as_simple()));
    disk::make_dir(&aside, 0o755)?;
    for (row, content) in &given {
        let path = aside.join(&row.name);
        if let Some(folder) = path.parent() {
            disk::make_dir(folder, 0o755)?;
        }
        disk::write_new(&path, content.as_bytes(), 0o644)?;
    }
    if !disk::publish(&aside, &found.folder)? {
        std::fs::remove_dir_all(&aside).map_err(DiskError::io("remove", &aside))?;
    }
    Ok(Some(found))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use pipelinex_common::store::Store;

    use super::*;

    #[test]
    fn files_are_laid_once_and_told_to_their_tools() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(&dir.path().join("workspaces")).unwrap();
        let (npm, proxy) = (dir.path().join("a"), dir.path().join("b"));
        fs::write(&npm, "registry=https://npm.example/\n").unwrap();
        fs::write(&proxy, "HTTPS_PROXY=http://proxy.example:3128\n").unwrap();
        let named = [("npm/npmrc".to_owned(), npm.clone()), ("proxy/env".to_owned(), proxy)];
        let laid = prepare(&named, store.layout()).unwrap().unwrap();
        assert_eq!(fs::read_to_string(laid.folder.join("npm/npmrc")).unwrap(), "registry=https://npm.example/\n");
        assert_eq!(laid.variables["npm_config_userconfig"], "/etc/pipelinex/stack/npm/npmrc");
        assert_eq!(laid.of_network["https_proxy"], "http://proxy.example:3128");
        assert_eq!(prepare(&named, store.layout()).unwrap().unwrap(), laid, "once");
        fs::write(&npm, "registry=https://other.example/\n").unwrap();
        assert_ne!(prepare(&named, store.layout()).unwrap().unwrap().folder, laid.folder);
        assert_eq!(prepare(&[], store.layout()).unwrap(), None);
    }

    #[test]
    fn one_that_cannot_be_used_is_told_with_its_flag_and_without_its_secret() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("npmrc");
        let told = |name: &str| {
            read(&[(name.to_owned(), path.clone())]).err().map(|error| error.to_string()).unwrap_or_default()
        };
        assert!(told("npm/npmrc").contains("npm/npmrc=") && told("npm/npmrc").contains("cannot be read"));
        fs::write(&path, "//r.example/:_authToken=abc123").unwrap();
        assert!(told("npm/npmrc").contains("line 1 may hold") && !told("npm/npmrc").contains("abc123"));
        assert!(told("npm/rc").contains("no tool reads `npm/rc`"));
    }
}
