//! Makes a ZIP file of a folder: what Git would keep, in the same order and with the same times on every machine, so
//! that the same project gives the same bytes.
//!
//! The archive has no name in any folder: nothing is left of it however the program ends.

use std::{
    fs::File,
    io::{self, Read, Seek},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use ignore::{DirEntry, WalkBuilder};
use pipelinex_common::{
    foreign::{Beneath, ForeignError},
    limits::{IntakeLimits, MIB},
};
use zip::{ZipWriter, write::SimpleFileOptions};

/// A folder, packed.
#[derive(Debug)]
pub struct Packed {
    /// The ZIP file, at its beginning.
    pub file: File,
    /// Files in it, links included.
    pub files: u64,
    /// Its size, in bytes.
    pub bytes: u64,
}

/// Why a folder cannot be sent.
#[derive(Debug, thiserror::Error)]
pub enum PackError {
    /// It holds a symbolic link that leads out of it.
    #[error(
        "{} is a link out of the folder, to {target}: what it points to would not be there. \
         Put the file itself in its place, or let .gitignore leave it out", path.display()
    )]
    Link {
        /// The link.
        path: PathBuf,
        /// Where it leads, safe to show.
        target: String,
    },
    /// It holds a pipe, a socket or a device.
    #[error("{} is neither a file nor a folder: remove it, or let .gitignore leave it out", .0.display())]
    Special(PathBuf),
    /// A name that a ZIP file cannot hold for everyone.
    #[error("the name of {} is not UTF-8: rename it", .0.display())]
    Name(PathBuf),
    /// Nothing is left to be sent.
    #[error("there is nothing to send in {}: every file in it is ignored, or it is empty", .0.display())]
    Empty(PathBuf),
    /// It is larger than a server takes.
    #[error("{0}")]
    Limit(String),
    /// The system refused.
    #[error("cannot read {}: {source}", path.display())]
    Io {
        /// What could not be read.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The archive could not be written, or the folder not be walked.
    #[error("cannot pack the folder: {0}")]
    Archive(String),
}

struct Entry {
    name: String,
    path: PathBuf,
    /// What it says, if it is a link: those that stay inside are sent as links.
    link: Option<String>,
}

/// Packs what Git would keep of a folder; with `include_ignored` also what it would not.
pub fn pack(folder: &Path, limits: &IntakeLimits, include_ignored: bool) -> Result<Packed, PackError> {
    let entries = collect(folder, limits, include_ignored)?;
    let archive = |error: &dyn std::fmt::Display| PackError::Archive(error.to_string());
    let mut zip = ZipWriter::new(tempfile::tempfile().map_err(|error| archive(&error))?);
    let mut room = limits.unpacked_bytes;
    for entry in &entries {
        room = room.saturating_sub(add(&mut zip, entry, room, limits.unpacked_bytes)?);
    }
    let mut file = zip.finish().map_err(|error| archive(&error))?;
    let bytes = file.stream_position().map_err(|error| archive(&error))?;
    check_upload(bytes, limits)?;
    file.rewind().map_err(|error| archive(&error))?;
    Ok(Packed { file, files: entries.len() as u64, bytes })
}

/// The files that [`pack`] would send: each path as it would be seen, and where it is.
pub fn list(folder: &Path, limits: &IntakeLimits, include_ignored: bool) -> Result<Vec<(String, PathBuf)>, PackError> {
    let entries = collect(folder, limits, include_ignored)?;
    Ok(entries.into_iter().filter(|entry| entry.link.is_none()).map(|entry| (entry.name, entry.path)).collect())
}

/// Whether a ZIP file is small enough to be sent.
pub fn check_upload(bytes: u64, limits: &IntakeLimits) -> Result<(), PackError> {
    if bytes <= limits.upload_bytes {
        return Ok(());
    }
    Err(PackError::Limit(format!(
        "the ZIP file has {}, the limit is {}: leave out what is generated, or raise --upload-limit here and at the server",
        mib(bytes),
        mib(limits.upload_bytes)
    )))
}

fn collect(folder: &Path, limits: &IntakeLimits, include_ignored: bool) -> Result<Vec<Entry>, PackError> {
    let mut entries = Vec::new();
    let mut count = 0;
    let beneath = Beneath::open(folder).map_err(|error| PackError::Archive(error.to_string()))?;
    for found in walk(folder, include_ignored) {
        let found = found.map_err(|error| PackError::Archive(error.to_string()))?;
        if found.depth() == 0 {
            continue;
        }
        count += 1;
        if count > limits.files {
            return Err(PackError::Limit(format!(
                "the project has more than {} files and folders: leave out what is generated (a .gitignore does), or \
                 raise --file-limit here and at the server",
                limits.files
            )));
        }
        entries.extend(judge(folder, &beneath, &found, limits)?);
    }
    if entries.is_empty() {
        return Err(PackError::Empty(folder.to_owned()));
    }
    entries.sort_unstable_by(|a, b| a.name.cmp(&b.name));
    Ok(entries)
}

fn walk(folder: &Path, include_ignored: bool) -> ignore::Walk {
    // Inside a repository the rules of the folders above count, as they do for Git; elsewhere the project's own alone.
    let repository = folder.canonicalize().is_ok_and(|path| path.ancestors().any(|dir| dir.join(".git").exists()));
    WalkBuilder::new(folder)
        .standard_filters(false)
        .git_ignore(!include_ignored)
        .git_exclude(!include_ignored)
        .git_global(!include_ignored)
        .require_git(repository)
        .parents(repository)
        .filter_entry(|entry| entry.file_name() != ".git")
        .build()
}

/// A file or a link gives an entry, a folder none.
fn judge(
    folder: &Path,
    beneath: &Beneath,
    found: &DirEntry,
    limits: &IntakeLimits,
) -> Result<Option<Entry>, PackError> {
    let path = found.path();
    let relative = path.strip_prefix(folder).unwrap_or(path);
    let kind = found.file_type().ok_or_else(|| PackError::Special(relative.to_owned()))?;
    let name = relative.to_str().ok_or_else(|| PackError::Name(relative.to_owned()))?;
    if found.depth() > limits.depth as usize {
        let depth = limits.depth;
        return Err(PackError::Limit(format!(
            "{name} lies deeper than {depth} folders: raise --depth-limit here and at the server, or flatten the project"
        )));
    }
    if kind.is_dir() {
        return Ok(None);
    }
    if kind.is_symlink() {
        let link = Some(read_link(beneath, name, path)?);
        return Ok(Some(Entry { name: name.to_owned(), path: path.to_owned(), link }));
    }
    if !kind.is_file() {
        return Err(PackError::Special(relative.to_owned()));
    }
    Ok(Some(Entry { name: name.to_owned(), path: path.to_owned(), link: None }))
}

/// What a link says, if it stays inside.
fn read_link(beneath: &Beneath, name: &str, path: &Path) -> Result<String, PackError> {
    let failed = |error: ForeignError| PackError::Archive(error.to_string());
    if let Some(target) = beneath.link_out(name).map_err(failed)? {
        return Err(PackError::Link { path: name.into(), target });
    }
    let target = beneath.link_target(name).map_err(failed)?;
    target.into_string().map_err(|_| PackError::Name(path.to_owned()))
}

fn add(zip: &mut ZipWriter<File>, entry: &Entry, room: u64, limit: u64) -> Result<u64, PackError> {
    let unreadable = |source| PackError::Io { path: entry.path.clone(), source };
    let archive = |error: zip::result::ZipError| PackError::Archive(error.to_string());
    if let Some(target) = &entry.link {
        let options = SimpleFileOptions::default().last_modified_time(zip::DateTime::DEFAULT).unix_permissions(0o777);
        zip.add_symlink(entry.name.as_str(), target.as_str(), options).map_err(archive)?;
        return Ok(target.len() as u64);
    }
    let file = File::open(&entry.path).map_err(unreadable)?;
    let meta = file.metadata().map_err(unreadable)?;
    let mode = if meta.permissions().mode() & 0o111 == 0 { 0o644 } else { 0o755 };
    let options = SimpleFileOptions::default()
        .last_modified_time(zip::DateTime::DEFAULT)
        .unix_permissions(mode)
        .large_file(meta.len() >= u64::from(u32::MAX));
    zip.start_file(entry.name.as_str(), options).map_err(archive)?;
    let written = io::copy(&mut file.take(room + 1), zip).map_err(unreadable)?;
    if written > room {
        return Err(PackError::Limit(format!(
            "the project has more than {}: leave out what is generated (a .gitignore does), or raise --unpacked-limit \
             here and at the server",
            mib(limit)
        )));
    }
    Ok(written)
}

fn mib(bytes: u64) -> String {
    if bytes < MIB { format!("{bytes} bytes") } else { format!("{:.1} MiB", bytes as f64 / MIB as f64) }
}

#[cfg(test)]
#[path = "pack_tests.rs"]
mod tests;
