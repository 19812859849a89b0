//! The one module that reads what foreign code wrote or named: trees, outboxes, submitted projects, report files.
//!
//! Everything is opened beneath a folder with `openat2`, follows no link and no magic link, opens without blocking, must be
//! a regular file of one name, and is read up to a cap by bytes counted, not by the size it claims. An overlay's two folders
//! (what was written over what was submitted) are read here as one.

use std::{
    collections::BTreeSet,
    ffi::CString,
    fs::File,
    io::{self, Read, Write},
    os::fd::{AsFd, OwnedFd},
    path::Path,
};

use rustix::{
    fs::{AtFlags, CWD, Dir, FileType, Mode, OFlags, ResolveFlags, fgetxattr, fstat, openat2, statat},
    io::Errno,
};

/// Folders nested deeper than this are not walked; a report or artifact does not lie there.
const DEEPEST: usize = 64;
/// How many entries that are never taken are named.
const PASSED_OVER_MAX: usize = 100;
/// The longest path below the folder that is reported, in bytes.
const PATH_MAX: usize = 1024;

/// Why something could not be taken.
#[derive(Debug, thiserror::Error)]
pub enum ForeignError {
    /// It is not there.
    #[error("{0} is not there")]
    Missing(String),
    /// It is there, and is nothing that we read: the user's code made it so.
    #[error("{path} is not taken: {reason}")]
    Refused {
        /// Path below the folder, safe to show.
        path: String,
        /// Why.
        reason: String,
    },
    /// A limit was passed.
    #[error("{0}")]
    TooMuch(String),
    /// Our own system failed.
    #[error("cannot read {path}: {source}")]
    Io {
        /// Path below the folder, safe to show.
        path: String,
        /// Why not.
        source: io::Error,
    },
}

/// A regular file that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Path below the folder, with `/`, valid UTF-8.
    pub path: String,
    /// The size it claims, in bytes.
    pub bytes: u64,
}

/// A walk's result: the files, and how many entries were passed over because they are links, devices, or named in a way
/// that cannot be shown.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Walk {
    /// Regular files, in order of their paths.
    pub files: Vec<Found>,
    /// Folders, in order of their paths.
    pub folders: Vec<String>,
    /// Links, among what is never taken.
    pub links: Vec<String>,
    /// Entries that are never taken, safe to show; at most a hundred are named.
    pub passed_over: Vec<String>,
    /// Whether there was more than was looked at.
    pub cut: bool,
}

/// A folder that foreign code wrote to, opened once; nothing outside of it is ever reached.
#[derive(Debug)]
pub struct Beneath {
    /// From the topmost layer down.
    layers: Vec<OwnedFd>,
}

impl Beneath {
    /// Opens one folder. The path itself is ours; what is below it is not.
    ///
    /// # Errors
    /// [`ForeignError::Missing`], [`ForeignError::Refused`] when it is a link, [`ForeignError::Io`].
    pub fn open(folder: &Path) -> Result<Self, ForeignError> {
        Ok(Self { layers: vec![open_root(folder)?] })
    }

    /// Opens what an overlay shows: `upper` over `lower`.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn open_overlay(upper: &Path, lower: &Path) -> Result<Self, ForeignError> {
        Ok(Self { layers: vec![open_root(upper)?, open_root(lower)?] })
    }

    /// All regular files below, looking at no more than `limit` entries of any kind.
    ///
    /// # Errors
    /// [`ForeignError::Io`].
    pub fn walk(&self, limit: usize) -> Result<Walk, ForeignError> {
        self.walk_for(limit, &|_| true)
    }

    /// The regular files below whose path is wanted, looking at no more than `limit` entries of any kind.
    ///
    /// # Errors
    /// [`ForeignError::Io`].
    pub fn walk_for(&self, limit: usize, wanted: &dyn Fn(&str) -> bool) -> Result<Walk, ForeignError> {
        let roots = self.layers.iter().map(reopen).collect::<Result<Vec<_>, _>>()?;
        let mut walker = Walker { walk: Walk::default(), left: limit, wanted };
        walker.layers(&roots, "", 0)?;
        Ok(walker.walk)
    }

    /// Opens a regular file of one name. Over an overlay, name only what [`Self::walk`] gave: a folder that was made anew
    /// hides what was below it in the walk alone.
    ///
    /// # Errors
    /// [`ForeignError`].
    pub fn file(&self, path: &str) -> Result<File, ForeignError> {
        for layer in &self.layers {
            match open_file(layer, path) {
                Err(ForeignError::Missing(_)) => {}
                other => return other,
            }
        }
        Err(ForeignError::Missing(shown(path)))
    }

    /// The content of a file that may have at most `cap` bytes.
    ///
    /// # Errors
    /// [`ForeignError`], [`ForeignError::TooMuch`] when it is longer.
    pub fn read(&self, path: &str, cap: u64) -> Result<Vec<u8>, ForeignError> {
        let mut content = Vec::new();
        let file = self.file(path)?;
        file.take(cap + 1).read_to_end(&mut content).map_err(|source| failed(path, source))?;
        if content.len() as u64 > cap {
            return Err(ForeignError::TooMuch(format!("{} has more than {cap} bytes", shown(path))));
        }
        Ok(content)
    }

    /// Copies a file to one of ours, at most `cap` bytes. Returns how many it had.
    ///
    /// # Errors
    /// [`ForeignError`]; [`ForeignError::TooMuch`] when it is longer: what was written of `to` is then worth nothing.
    pub fn copy(&self, path: &str, to: &mut File, cap: u64) -> Result<u64, ForeignError> {
        let copied = io::copy(&mut self.file(path)?.take(cap + 1), to).map_err(|source| failed(path, source))?;
        if copied > cap {
            return Err(ForeignError::TooMuch(format!("{} has more than {cap} bytes", shown(path))));
        }
        to.flush().map_err(|source| failed(path, source))?;
        Ok(copied)
    }

    /// Whether a folder of that path is there.
    pub fn is_folder(&self, path: &str) -> bool {
        self.layers.iter().any(|layer| open_folder(layer, path).is_ok())
    }
}

/// A path of foreign making, safe to show: control characters escaped, at most 200 characters.
pub fn shown(path: &str) -> String {
    shown_up_to(path, 200)
}

/// A text of foreign making, safe to show: control characters escaped, at most `max` characters.
pub fn shown_up_to(text: &str, max: usize) -> String {
    let mut out = String::new();
    for (position, c) in text.chars().enumerate() {
        if position >= max {
            out.push('…');
            break;
        }
        let hidden = c.is_control()
            || matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}');
        if hidden { out.extend(c.escape_unicode()) } else { out.push(c) }
    }
    out
}

struct Walker<'a> {
    walk: Walk,
    /// Entries that may still be looked at.
    left: usize,
    wanted: &'a dyn Fn(&str) -> bool,
}

/// What one name stands for, seen through all layers.
enum Seen {
    File(u64),
    /// The folder in each layer that has it, as far as nothing hides it.
    Folder(Vec<OwnedFd>),
    Hidden,
    Link,
    Other,
}

impl Walker<'_> {
    fn layers(&mut self, layers: &[OwnedFd], prefix: &str, depth: usize) -> Result<(), ForeignError> {
        for name in self.names(layers, prefix)? {
            let text =
                name.to_str().ok().filter(|t| prefix.len() + t.len() < PATH_MAX && !t.contains(char::is_control));
            let Some(text) = text else {
                self.pass_over(&format!("{prefix}{}", name.to_string_lossy()));
                continue;
            };
            let path = format!("{prefix}{text}");
            match look(layers, text) {
                Seen::Hidden => {}
                Seen::Link => {
                    self.pass_over(&path);
                    self.walk.links.push(path);
                }
                Seen::Other => self.pass_over(&path),
                Seen::File(bytes) if (self.wanted)(&path) => self.walk.files.push(Found { path, bytes }),
                Seen::File(_) => {}
                Seen::Folder(_) if depth >= DEEPEST => self.pass_over(&path),
                Seen::Folder(below) => {
                    let prefix = format!("{path}/");
                    self.walk.folders.push(path);
                    self.layers(&below, &prefix, depth + 1)?;
                }
            }
        }
        Ok(())
    }

    /// The names in one folder of all layers, in order, so that the same tree always gives the same list.
    fn names(&mut self, layers: &[OwnedFd], prefix: &str) -> Result<BTreeSet<CString>, ForeignError> {
        let mut names = BTreeSet::new();
        for layer in layers {
            for entry in Dir::read_from(layer).map_err(|e| failed(prefix, e.into()))? {
                let entry = entry.map_err(|e| failed(prefix, e.into()))?;
                if entry.file_name() == c"." || entry.file_name() == c".." || names.contains(entry.file_name()) {
                    continue;
                }
                if self.left == 0 {
                    self.walk.cut = true;
                    return Ok(names);
                }
                self.left -= 1;
                names.insert(entry.file_name().to_owned());
            }
        }
        Ok(names)
    }

    fn pass_over(&mut self, path: &str) {
        if self.walk.passed_over.len() < PASSED_OVER_MAX {
            self.walk.passed_over.push(shown(path));
        }
    }
}

fn look(layers: &[OwnedFd], name: &str) -> Seen {
    let mut below = Vec::new();
    for layer in layers {
        let Ok(stat) = statat(layer, name, AtFlags::SYMLINK_NOFOLLOW) else { continue };
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::Directory => {
                let Ok(folder) = open_folder(layer, name) else { break };
                let opaque = is_opaque(&folder);
                below.push(folder);
                if opaque {
                    break;
                }
            }
            // What lies below a folder, or under what an overlay hides with a device 0:0, is covered.
            _ if !below.is_empty() => break,
            FileType::RegularFile => return Seen::File(u64::try_from(stat.st_size).unwrap_or(0)),
            FileType::CharacterDevice if stat.st_rdev == 0 => return Seen::Hidden,
            FileType::Symlink => return Seen::Link,
            _ => return Seen::Other,
        }
    }
    if below.is_empty() { Seen::Hidden } else { Seen::Folder(below) }
}

/// Whether an overlay that is mounted with `userxattr` hides what lies below this folder.
fn is_opaque(folder: &OwnedFd) -> bool {
    let mut value = [0u8; 1];
    matches!(fgetxattr(folder, c"user.overlay.opaque", &mut value), Ok(1) if value == *b"y")
}

const BENEATH: ResolveFlags = ResolveFlags::BENEATH
    .union(ResolveFlags::NO_SYMLINKS)
    .union(ResolveFlags::NO_MAGICLINKS)
    .union(ResolveFlags::NO_XDEV);

fn open_root(folder: &Path) -> Result<OwnedFd, ForeignError> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    rustix::fs::openat(CWD, folder, flags, Mode::empty()).map_err(|error| explain(&folder.to_string_lossy(), error))
}

fn reopen(layer: &OwnedFd) -> Result<OwnedFd, ForeignError> {
    open_folder(layer, ".")
}

fn open_folder(layer: &OwnedFd, path: &str) -> Result<OwnedFd, ForeignError> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    openat2(layer.as_fd(), path, flags, Mode::empty(), BENEATH).map_err(|error| explain(path, error))
}

fn open_file(layer: &OwnedFd, path: &str) -> Result<File, ForeignError> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC | OFlags::NOCTTY;
    let file = openat2(layer.as_fd(), path, flags, Mode::empty(), BENEATH).map_err(|error| explain(path, error))?;
    let stat = fstat(&file).map_err(|error| failed(path, error.into()))?;
    let refused = |reason: &str| ForeignError::Refused { path: shown(path), reason: reason.to_owned() };
    if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
        return Err(refused("it is not a regular file"));
    }
    if stat.st_nlink != 1 {
        return Err(refused("it has another name elsewhere (a hard link)"));
    }
    Ok(File::from(file))
}

fn explain(path: &str, error: Errno) -> ForeignError {
    let refused = |reason: &str| ForeignError::Refused { path: shown(path), reason: reason.to_owned() };
    match error {
        Errno::NOENT => ForeignError::Missing(shown(path)),
        Errno::LOOP => refused("it is or leads through a link"),
        Errno::XDEV => refused("it leads out of its folder"),
        Errno::NOTDIR => refused("a part of the path is not a folder"),
        Errno::NAMETOOLONG => refused("the name is too long"),
        Errno::NXIO | Errno::OPNOTSUPP => refused("it is not a regular file"),
        other => failed(path, other.into()),
    }
}

fn failed(path: &str, source: io::Error) -> ForeignError {
    ForeignError::Io { path: shown(path), source }
}

mod links;
mod measure;
mod remove;
#[cfg(test)]
mod tests;

pub use measure::{measure, measure_up_to};
pub use remove::remove_tree;
