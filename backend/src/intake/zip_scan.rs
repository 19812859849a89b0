//! Decides about a ZIP before one byte of it is written: either a plan that cannot go wrong, or a refusal.
//!
//! Pure: it reads from what it is given and touches nothing else. What is decided here once:
//! - One single folder that holds everything is peeled off, once: `app/app/x` becomes `app/x`, also if `app/app` is a file.
//! - `__MACOSX/` at the top and every `.DS_Store` are left out, before peeling: they are traces of the packer.
//! - `.git`, folder or file, in any place and in any case, is left out with a warning: a ZIP is a state and has no
//!   history, and the configuration inside `.git` makes tools run commands. Everything else is plain data.
//! - What is left out must still be well-formed: it is no place to hide a link or an escaping path.
//! - An archive inside the archive is a file like any other.

use std::{
    fmt,
    io::{self, Read, Seek},
};

use pipelinex_common::limits::IntakeLimits;
use zip::{
    CompressionMethod, ZipArchive,
    read::{ArchiveOffset, Config, ZipArchiveMetadata, ZipFileEntry},
    result::ZipError,
};

use super::{
    project_path::ProjectPath,
    refusal::{Refusal, Rule},
    zip_directory::{Directory, read_directory},
    zip_entry::{Kind, check_extra, classify},
    zip_headers::locate,
    zip_tree::{Tree, peel},
};

/// What unpacking will do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// The files, in the order of the archive's list.
    pub entries: Vec<PlannedFile>,
    /// The folders, each after the one it lies in; those that are only implied are among them.
    pub dirs: Vec<ProjectPath>,
    /// What all files have together.
    pub total_bytes: u64,
    /// The single top folder that was peeled off.
    pub peeled: Option<String>,
    /// What the submitter should know.
    pub warnings: Vec<Warning>,
}

/// One file to be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlannedFile {
    /// Its place in the archive's list.
    pub index: usize,
    /// Where it goes.
    pub path: ProjectPath,
    /// Its length.
    pub size: u64,
    /// Whether it gets mode 0755 instead of 0644.
    pub executable: bool,
    /// Where its bytes are.
    pub(super) source: Source,
}

/// Where an entry's bytes are in the archive, and what they must become.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Source {
    pub start: u64,
    pub length: u64,
    pub deflated: bool,
    pub crc: u32,
}

/// Something that was taken in differently than it was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Warning {
    /// `.git` was left out.
    GitLeftOut {
        /// How many entries of the archive.
        entries: usize,
    },
    /// Traces of macOS were left out.
    MacosLeftOut {
        /// How many entries of the archive.
        entries: usize,
    },
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::GitLeftOut { entries } => {
                write!(f, "{entries} entries of .git were left out: a ZIP is taken without its history")
            }
            Self::MacosLeftOut { entries } => {
                write!(f, "{entries} entries that macOS adds (__MACOSX, .DS_Store) were left out")
            }
        }
    }
}

/// Why there is no plan.
#[derive(Debug, thiserror::Error)]
pub enum ScanError {
    /// The archive's fault.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The reader's.
    #[error("read: {0}")]
    Read(#[from] io::Error),
}

impl From<ZipError> for ScanError {
    fn from(error: ZipError) -> Self {
        match error {
            // Only what the system reports is ours; the crate dresses faults of the archive as I/O errors too.
            ZipError::Io(error) if error.raw_os_error().is_some() => Self::Read(error),
            other => Refusal::of_archive(Rule::Damaged, format!("{other}; pack the project again")).into(),
        }
    }
}

/// Looks at the whole archive and plans its unpacking.
pub fn scan<R: Read + Seek>(mut reader: R, limits: &IntakeLimits) -> Result<Plan, ScanError> {
    let directory = read_directory(&mut reader, limits)?;
    let config = Config { archive_offset: ArchiveOffset::Known(0) };
    let mut archive = ZipArchive::with_config(config, &mut reader)?;
    if archive.len() != directory.entries.len() || archive.central_directory_start() != directory.start {
        let hint = "its entries change their names into each other's; pack the project again";
        return Err(Refusal::of_archive(Rule::AmbiguousDirectory, hint).into());
    }
    let metadata = archive.metadata();
    let consistent = archive.validate_header_consistency().map_err(contradiction);
    drop(archive);
    let draft = Draft::new(&metadata, &directory, limits)?;
    let data_starts = locate(&metadata, &directory, &mut reader)?;
    // The crate knows more ways for two headers to disagree; ours come first because they say more.
    consistent?;
    Ok(draft.plan(&data_starts, limits)?)
}

fn contradiction(error: ZipError) -> ScanError {
    match ScanError::from(error) {
        ScanError::Refused(refusal) => Refusal { rule: Rule::HeaderMismatch, ..refusal }.into(),
        read => read,
    }
}

/// The plan while its entries come in: paths are still those of the archive.
#[derive(Default)]
struct Draft {
    tree: Tree,
    files: Vec<PlannedFile>,
    total_bytes: u64,
    git: usize,
    macos: usize,
}

impl Draft {
    fn new(metadata: &ZipArchiveMetadata, directory: &Directory, limits: &IntakeLimits) -> Result<Self, ScanError> {
        let mut draft = Self::default();
        for (index, listed) in directory.entries.iter().enumerate() {
            let entry = metadata.entry(index)?;
            check_extra(entry.name_raw(), &listed.extra)?;
            draft.add(index, &entry, limits)?;
        }
        Ok(draft)
    }

    fn add(&mut self, index: usize, entry: &ZipFileEntry<'_>, limits: &IntakeLimits) -> Result<(), Refusal> {
        let path = ProjectPath::parse(entry.name_raw())?;
        let kind = classify(entry, limits)?;
        if is_macos(&path) {
            self.macos += 1;
            return Ok(());
        }
        if path.components().any(|name| name.eq_ignore_ascii_case(".git")) {
            self.git += 1;
            return Ok(());
        }
        self.tree.add(&path, kind == Kind::Folder, limits)?;
        let Kind::File { executable } = kind else { return Ok(()) };
        self.total_bytes = self.total_bytes.saturating_add(entry.size());
        if self.total_bytes > limits.unpacked_bytes {
            let hint = format!("a project may have {} bytes; leave out what a build makes", limits.unpacked_bytes);
            return Err(Refusal::of_archive(Rule::TooLarge, hint));
        }
        let deflated = entry.compression() == CompressionMethod::Deflated;
        let source = Source { start: 0, length: entry.compressed_size(), deflated, crc: entry.crc32() };
        self.files.push(PlannedFile { index, path, size: entry.size(), executable, source });
        Ok(())
    }

    fn plan(mut self, data_starts: &[u64], limits: &IntakeLimits) -> Result<Plan, Refusal> {
        if self.files.is_empty() {
            return Err(Refusal::of_archive(Rule::Empty, "put the project's files into it"));
        }
        let peeled = self.tree.single_top().map(str::to_owned);
        self.tree.check(peeled.as_deref(), limits)?;
        for file in &mut self.files {
            file.source.start = data_starts[file.index];
            if let Some(path) = peel(&file.path, peeled.as_deref()) {
                file.path = path;
            }
        }
        let warnings = [
            (self.git > 0).then_some(Warning::GitLeftOut { entries: self.git }),
            (self.macos > 0).then_some(Warning::MacosLeftOut { entries: self.macos }),
        ];
        Ok(Plan {
            entries: self.files,
            dirs: self.tree.folders_below(peeled.as_deref()),
            total_bytes: self.total_bytes,
            peeled,
            warnings: warnings.into_iter().flatten().collect(),
        })
    }
}

fn is_macos(path: &ProjectPath) -> bool {
    path.components().next() == Some("__MACOSX") || path.split().1 == ".DS_Store"
}
