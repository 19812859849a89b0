//! The one module that reads what foreign code wrote or named: trees, outboxes, submitted projects, report files.
//!
//! Everything is opened beneath a folder with `openat2`, follows no link and no magic link, opens without blocking, must be
//! a regular file, and is read up to a cap by bytes counted, not by the size it claims. It must have one name, or all of its names
//! must have been seen below the folder. An overlay's two folders (what was written over what was submitted) are read here as one.
//! Mode bits that keep us out are the maker's doing, and never a failure of our own disk.

use std::{
    collections::{BTreeSet, HashMap},
    ffi::{CStr, CString},
    fs::File,
    io::{self, Read, Write},
    os::fd::{AsFd, OwnedFd},
    path::Path,
};

use rustix::{
    fs::{AtFlags, CWD, Dir, FileType, Mode, OFlags, ResolveFlags, Stat, fgetxattr, fstat, openat2, statat},
    io::Errno,
    path::Arg,
};

/// Folders nested deeper than this are not walked; a report or artifact does not lie there.
const DEEPEST: usize = 64;
/// How many entries that are never taken are named.
const PASSED_OVER_MAX: usize = 100;
/// Why a file is not taken of which not all names are known.
const OTHER_NAME: &str = "it has another name elsewhere (a hard link)";
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
    /// Whether somebody may execute it.
    pub executable: bool,
    /// Which file it is, where it has several names (hard links), and how many.
    names: Option<Names>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Names {
    file: (u64, u64),
    count: u64,
}

/// A walk's result: what was found, and what is never taken.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Walk {
    /// Regular files, in order of their paths.
    pub files: Vec<Found>,
    /// Folders, in order of their paths.
    pub folders: Vec<String>,
    /// Links, in order of their paths. None was followed.
    pub links: Vec<String>,
    /// What else there is and is never taken; at most a hundred are named.
    pub passed_over: Vec<PassedOver>,
    /// How many more there are of those.
    pub unnamed: usize,
    /// Whether there was more than was looked at.
    pub cut: bool,
    /// How many names were seen of files that have several.
    names: HashMap<Names, u64>,
}

impl Walk {
    /// Whether every name of a file was seen: what has another one elsewhere may be a file that its maker cannot read.
    pub fn has_all_names_of(&self, found: &Found) -> bool {
        found.names.is_none_or(|names| self.names.get(&names).is_some_and(|seen| *seen == names.count))
    }
}

/// Something that is never taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PassedOver {
    /// Path below the folder, safe to show.
    pub path: String,
    /// Why not.
    pub reason: String,
}

impl std::fmt::Display for PassedOver {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.path, self.reason)
    }
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

    /// What is below and has a path that is wanted, looking at no more than `limit` entries of any kind. Folders that cannot be
    /// opened are told whether or not they are wanted: what is in them may be.
    ///
    /// # Errors
    /// [`ForeignError::Io`], [`ForeignError::Refused`] when the folder itself cannot be listed.
    pub fn walk_for(&self, limit: usize, wanted: &dyn Fn(&str) -> bool) -> Result<Walk, ForeignError> {
        let roots = self.layers.iter().map(reopen).collect::<Result<Vec<_>, _>>()?;
        let mut walker = Walker { walk: Walk::default(), left: limit, wanted };
        walker.layers(&roots, "", 0)?;
        walker.drop_names_from_outside();
        Ok(walker.walk)
    }

    /// Opens a file that was found, if [`Walk::has_all_names_of`] it. One with several names is opened if it is still the same file and has
    /// got no other name since.
    ///
    /// # Errors
    /// [`ForeignError`].
    pub fn open_found(&self, found: &Found) -> Result<File, ForeignError> {
        first_of(&self.layers, &found.path, |layer| open_file(layer, &found.path, found.names))
    }

    /// Opens a regular file of one name. Over an overlay, name only what [`Self::walk`] gave: a folder that was made anew
    /// hides what was below it in the walk alone.
    ///
    /// # Errors
    /// [`ForeignError`].
    pub fn file(&self, path: &str) -> Result<File, ForeignError> {
        first_of(&self.layers, path, |layer| open_file(layer, path, None))
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

    /// Copies a file that was opened to one of ours, at most `cap` bytes. Returns how many it had.
    ///
    /// # Errors
    /// [`ForeignError`]; [`ForeignError::TooMuch`] when it is longer: what was written of `to` is then worth nothing.
    pub fn copy(from: File, path: &str, to: &mut File, cap: u64) -> Result<u64, ForeignError> {
        let copied = io::copy(&mut from.take(cap + 1), to).map_err(|source| failed(path, source))?;
        if copied > cap {
            return Err(ForeignError::TooMuch(format!("{} has more than {cap} bytes", shown(path))));
        }
        to.flush().map_err(|source| failed(path, source))?;
        Ok(copied)
    }

    /// Opens a folder of that path, as a check that it is there and that no link leads to it.
    ///
    /// # Errors
    /// [`ForeignError`].
    pub fn check_folder(&self, path: &str) -> Result<(), ForeignError> {
        first_of(&self.layers, path, |layer| open_folder(layer, path)).map(drop)
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

impl Found {
    fn new(path: String, stat: &Stat) -> Self {
        let bytes = u64::try_from(stat.st_size).unwrap_or(0);
        Self { path, bytes, executable: stat.st_mode & 0o111 != 0, names: names_of(stat) }
    }
}

/// What one name stands for, seen through all layers.
enum Seen {
    File(Box<Stat>),
    /// The folder in each layer that has it, as far as nothing hides it.
    Folder(Vec<OwnedFd>),
    Hidden,
    Link,
    /// Nothing that we take, and why not.
    Other(&'static str),
    /// It cannot be opened or looked at, and why not.
    Closed(String),
}

impl Walker<'_> {
    fn layers(&mut self, layers: &[OwnedFd], prefix: &str, depth: usize) -> Result<(), ForeignError> {
        for name in self.names(layers, prefix)? {
            let path = format!("{prefix}{}", name.to_string_lossy());
            let seen = look(layers, &name);
            if let Seen::File(stat) = &seen
                && let Some(names) = names_of(stat)
            {
                *self.walk.names.entry(names).or_default() += 1;
            }
            if let Some(reason) = cannot_be_named(&name, &path) {
                if !matches!(seen, Seen::Hidden) && (self.wanted)(&path) {
                    self.pass_over(&path, reason);
                }
                continue;
            }
            match seen {
                Seen::Hidden => {}
                Seen::Folder(_) if depth >= DEEPEST => self.pass_over(&path, "its folders are nested too deep"),
                Seen::Folder(below) => {
                    let prefix = format!("{path}/");
                    self.walk.folders.push(path);
                    self.layers(&below, &prefix, depth + 1)?;
                }
                Seen::Closed(reason) => self.pass_over(&path, &reason),
                _ if !(self.wanted)(&path) => {}
                Seen::Link => self.walk.links.push(path),
                Seen::Other(what) => self.pass_over(&path, what),
                Seen::File(stat) => self.walk.files.push(Found::new(path, &stat)),
            }
        }
        Ok(())
    }

    fn drop_names_from_outside(&mut self) {
        let files = std::mem::take(&mut self.walk.files);
        let (kept, left): (_, Vec<Found>) = files.into_iter().partition(|found| self.walk.has_all_names_of(found));
        self.walk.files = kept;
        for found in left {
            self.pass_over(&found.path, OTHER_NAME);
        }
    }

    /// The names in one folder of all layers, in order, so that the same tree always gives the same list.
    fn names(&mut self, layers: &[OwnedFd], prefix: &str) -> Result<BTreeSet<CString>, ForeignError> {
        let mut names = BTreeSet::new();
        for layer in layers {
            let entries = match Dir::read_from(layer).map_err(|error| explain(prefix, error)) {
                // A folder that may be read and not searched.
                Err(ForeignError::Refused { reason, .. }) if !prefix.is_empty() => {
                    self.pass_over(prefix.trim_end_matches('/'), &reason);
                    continue;
                }
                entries => entries?,
            };
            for entry in entries {
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

    fn pass_over(&mut self, path: &str, reason: &str) {
        if self.walk.passed_over.len() < PASSED_OVER_MAX {
            self.walk.passed_over.push(PassedOver { path: shown(path), reason: reason.to_owned() });
        } else {
            self.walk.unnamed += 1;
        }
    }
}

/// Why a name is not one under which we keep anything.
fn cannot_be_named(name: &CStr, path: &str) -> Option<&'static str> {
    match name.to_str() {
        Err(_) => Some("its name is no UTF-8"),
        Ok(text) if text.contains(char::is_control) => Some("its name has control characters"),
        Ok(_) if path.len() >= PATH_MAX => Some("its path is too long"),
        Ok(_) => None,
    }
}

fn look(layers: &[OwnedFd], name: &CStr) -> Seen {
    let mut below = Vec::new();
    for layer in layers {
        let stat = match statat(layer, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => stat,
            Err(error) => match explain("", error) {
                ForeignError::Refused { reason, .. } => return Seen::Closed(reason),
                _ => continue,
            },
        };
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::Directory => {
                let folder = match open_folder(layer, name) {
                    Ok(folder) => folder,
                    Err(ForeignError::Missing(_)) => break,
                    Err(ForeignError::Refused { reason, .. }) => return Seen::Closed(reason),
                    Err(error) => return Seen::Closed(error.to_string()),
                };
                let opaque = is_opaque(&folder);
                below.push(folder);
                if opaque {
                    break;
                }
            }
            // What lies below a folder, or under what an overlay hides with a device 0:0, is covered.
            _ if !below.is_empty() => break,
            FileType::RegularFile => return Seen::File(Box::new(stat)),
            FileType::CharacterDevice if stat.st_rdev == 0 => return Seen::Hidden,
            FileType::Symlink => return Seen::Link,
            FileType::Fifo => return Seen::Other("it is a pipe"),
            FileType::Socket => return Seen::Other("it is a socket"),
            FileType::CharacterDevice | FileType::BlockDevice => return Seen::Other("it is a device"),
            FileType::Unknown => return Seen::Other("it is not a file"),
        }
    }
    if below.is_empty() { Seen::Hidden } else { Seen::Folder(below) }
}

/// `None` for a file of one name.
#[allow(clippy::useless_conversion, reason = "the count is as wide as the architecture has it")]
fn names_of(stat: &Stat) -> Option<Names> {
    let count = u64::from(stat.st_nlink);
    (count > 1).then_some(Names { file: (stat.st_dev, stat.st_ino), count })
}

/// What the first layer says that has something of that path.
fn first_of<T>(
    layers: &[OwnedFd],
    path: &str,
    ask: impl Fn(&OwnedFd) -> Result<T, ForeignError>,
) -> Result<T, ForeignError> {
    for layer in layers {
        match ask(layer) {
            Err(ForeignError::Missing(_)) => {}
            other => return other,
        }
    }
    Err(ForeignError::Missing(shown(path)))
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
    rustix::fs::openat(CWD, folder, flags, Mode::empty()).map_err(|error| match error {
        // The way there is ours.
        Errno::ACCESS | Errno::PERM => failed(&folder.to_string_lossy(), error.into()),
        _ => explain(&folder.to_string_lossy(), error),
    })
}

fn reopen(layer: &OwnedFd) -> Result<OwnedFd, ForeignError> {
    open_folder(layer, c".")
}

fn open_folder(layer: &OwnedFd, path: impl Arg) -> Result<OwnedFd, ForeignError> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let told = path.to_string_lossy().into_owned();
    openat2(layer.as_fd(), path, flags, Mode::empty(), BENEATH).map_err(|error| explain(&told, error))
}

/// Opens a regular file of one name, or with these ones.
fn open_file(layer: &OwnedFd, path: &str, names: Option<Names>) -> Result<File, ForeignError> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC | OFlags::NOCTTY;
    let file = openat2(layer.as_fd(), path, flags, Mode::empty(), BENEATH).map_err(|error| explain(path, error))?;
    let stat = fstat(&file).map_err(|error| failed(path, error.into()))?;
    let refused = |reason: &str| ForeignError::Refused { path: shown(path), reason: reason.to_owned() };
    if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
        return Err(refused("it is not a regular file"));
    }
    if names_of(&stat) != names {
        return Err(refused(OTHER_NAME));
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
        Errno::ACCESS | Errno::PERM => refused("its mode bits keep the worker out"),
        other => failed(path, other.into()),
    }
}

fn failed(path: &str, source: io::Error) -> ForeignError {
    ForeignError::Io { path: shown(path), source }
}

mod held;
mod links;
mod measure;
mod remove;
#[cfg(test)]
mod tests;

pub use held::{Held, held_by};
pub use links::{Leads, PlannedLinks};
pub use measure::{Measured, Taken, measure, measure_up_to};
pub use remove::remove_tree;
