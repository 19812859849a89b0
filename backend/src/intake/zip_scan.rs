//! Decides about a ZIP before one byte of it is written: either a plan that cannot go wrong, or a refusal.
//!
//! Pure: it reads from what it is given and touches nothing else. What is decided here once:
//! - One single folder that holds everything is peeled off, once: `app/app/x` becomes `app/x`, also if `app/app` is a file.
//! - `__MACOSX/` at the top and every `.DS_Store` are left out, before peeling: they are traces of the packer.
//! - `.git`, folder or file, in any place and in any disguise, is left out with a warning: a ZIP is a state and has no
//!   history, and the configuration inside `.git` makes tools run commands. Everything else is plain data.
//! - What is left out must still be well-formed: it is no place to hide a link or an escaping path.
//! - An archive inside the archive is a file like any other.

use std::io::{self, Read, Seek, SeekFrom};

use pipelinex_common::limits::IntakeLimits;
use zip::{
    CompressionMethod, ZipArchive,
    read::{ArchiveOffset, Config, ZipArchiveMetadata, ZipFileEntry},
    result::ZipError,
};

use super::{
    links::{PlannedLink, check_links},
    project_path::ProjectPath,
    refusal::{Refusal, Rule},
    zip_directory::{Directory, Listed, read_directory},
    zip_entry::{Kind, check_extra, classify},
    zip_headers::{locate, names_are_overridden},
    zip_link::read_target,
    zip_maker::Maker,
    zip_names::{Reading, read_name},
    zip_tree::{Tree, Twins, peel},
    zip_warning::Warning,
};

/// What unpacking will do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// The files, in the order of the archive's list.
    pub entries: Vec<PlannedFile>,
    /// The folders, each after the one it lies in; those that are only implied are among them.
    pub dirs: Vec<ProjectPath>,
    /// The links, which are made last.
    pub links: Vec<PlannedLink>,
    /// Paths that differ in upper and lower case alone.
    pub twins: Option<Twins>,
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
    scan_listed(reader, &directory, limits).map_err(|error| match (error, Maker::of(&directory)) {
        (ScanError::Refused(refusal), Some(maker)) => maker.advise(refusal).into(),
        (error, _) => error,
    })
}

fn scan_listed<R: Read + Seek>(mut reader: R, directory: &Directory, limits: &IntakeLimits) -> Result<Plan, ScanError> {
    let config = Config { archive_offset: ArchiveOffset::Known(0) };
    let mut archive = ZipArchive::with_config(config, Window { reader: &mut reader, end: directory.end })?;
    if archive.len() != directory.entries.len() || archive.central_directory_start() != directory.start {
        let hint = "its entries change their names into each other's; pack the project again";
        return Err(Refusal::of_archive(Rule::AmbiguousDirectory, hint).into());
    }
    let metadata = archive.metadata();
    let consistent = match names_are_overridden(directory) {
        true => Ok(()),
        false => archive.validate_header_consistency().map_err(contradiction),
    };
    drop(archive);
    let draft = Draft::new(&metadata, directory, limits)?;
    let data_starts = locate(&metadata, directory, &mut reader)?;
    // The crate knows more ways for two headers to disagree; ours come first because they say more.
    consistent?;
    draft.plan(&data_starts, &mut reader, limits)
}

/// A reader without the zeros that follow the archive: the crate looks for the end of it at the end of the file.
struct Window<'a, R> {
    reader: &'a mut R,
    end: u64,
}

impl<R: Read + Seek> Read for Window<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = self.end.saturating_sub(self.reader.stream_position()?);
        self.reader.take(left).read(buffer)
    }
}

impl<R: Seek> Seek for Window<'_, R> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.reader.seek(match to {
            SeekFrom::End(offset) => {
                SeekFrom::Start(self.end.checked_add_signed(offset).ok_or(io::ErrorKind::InvalidInput)?)
            }
            other => other,
        })
    }
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
    links: Vec<DraftLink>,
    total_bytes: u64,
    git: usize,
    macos: usize,
    /// Names that were decoded, by how, with the first of each.
    unicode_path: Decoded,
    cp437: Decoded,
}

/// A link whose target was not read yet.
struct DraftLink {
    index: usize,
    path: ProjectPath,
    name: Vec<u8>,
    size: u64,
    source: Source,
}

/// How many names were decoded, and the first of them.
type Decoded = Option<(usize, ProjectPath)>;

impl Draft {
    fn new(metadata: &ZipArchiveMetadata, directory: &Directory, limits: &IntakeLimits) -> Result<Self, ScanError> {
        let mut draft = Self::default();
        for (index, listed) in directory.entries.iter().enumerate() {
            let entry = metadata.entry(index)?;
            check_extra(&listed.name, &listed.extra)?;
            draft.add(index, &entry, listed, limits)?;
        }
        Ok(draft)
    }

    fn add(
        &mut self,
        index: usize,
        entry: &ZipFileEntry<'_>,
        listed: &Listed,
        limits: &IntakeLimits,
    ) -> Result<(), Refusal> {
        let name = read_name(listed, limits)?;
        let kind = classify(entry, listed, name.is_folder)?;
        // The project's own folder is there already.
        let Some(path) = name.path else { return Ok(()) };
        if is_macos(&path) {
            self.macos += 1;
            return Ok(());
        }
        if path.has_dot_git() {
            self.git += 1;
            return Ok(());
        }
        if let Some(reading) = name.reading {
            self.note_reading(reading, &path);
        }
        self.tree.add(&path, kind == Kind::Folder, limits)?;
        self.total_bytes = self.total_bytes.saturating_add(entry.size());
        if self.total_bytes > limits.unpacked_bytes {
            let hint = format!("a project may have {} bytes; leave out what a build makes", limits.unpacked_bytes);
            return Err(Refusal::of_archive(Rule::TooLarge, hint));
        }
        let deflated = entry.compression() == CompressionMethod::Deflated;
        let source = Source { start: 0, length: entry.compressed_size(), deflated, crc: entry.crc32() };
        match kind {
            Kind::Folder => {}
            Kind::File { executable } => {
                self.files.push(PlannedFile { index, path, size: entry.size(), executable, source });
            }
            Kind::Link => {
                self.links.push(DraftLink { index, path, name: listed.name.clone(), size: entry.size(), source });
            }
        }
        Ok(())
    }

    fn note_reading(&mut self, reading: Reading, path: &ProjectPath) {
        let decoded = match reading {
            Reading::UnicodePath => &mut self.unicode_path,
            Reading::Cp437 => &mut self.cp437,
        };
        decoded.get_or_insert_with(|| (0, path.clone())).0 += 1;
    }

    fn plan<R: Read + Seek>(
        mut self,
        data_starts: &[u64],
        reader: &mut R,
        limits: &IntakeLimits,
    ) -> Result<Plan, ScanError> {
        if self.files.is_empty() {
            return Err(Refusal::of_archive(Rule::Empty, "put the project's files into it").into());
        }
        let peeled = self.tree.single_top().map(str::to_owned);
        self.tree.check(peeled.as_deref(), limits)?;
        for file in &mut self.files {
            file.source.start = data_starts[file.index];
            if let Some(path) = peel(&file.path, peeled.as_deref()) {
                file.path = path;
            }
        }
        let mut links = Vec::with_capacity(self.links.len());
        for DraftLink { index, path, name, size, mut source } in std::mem::take(&mut self.links) {
            source.start = data_starts[index];
            let target = read_target(reader, &name, source, size)?;
            links.push(PlannedLink { path: peel(&path, peeled.as_deref()).unwrap_or(path), target });
        }
        check_links(&links)?;
        let twins = self.tree.twins();
        Ok(Plan {
            warnings: self.warnings(twins.as_ref()),
            dirs: self.tree.folders_below(peeled.as_deref()),
            entries: self.files,
            links,
            twins,
            total_bytes: self.total_bytes,
            peeled,
        })
    }

    fn warnings(&self, twins: Option<&Twins>) -> Vec<Warning> {
        let decoded = |decoded: &Decoded, reading| {
            let (names, first) = decoded.clone()?;
            Some(Warning::NamesDecoded { names, first: first.to_string(), reading })
        };
        let warnings = [
            (self.git > 0).then_some(Warning::GitLeftOut { entries: self.git }),
            (self.macos > 0).then_some(Warning::MacosLeftOut { entries: self.macos }),
            decoded(&self.unicode_path, Reading::UnicodePath),
            decoded(&self.cp437, Reading::Cp437),
            twins.cloned().map(Warning::CaseTwins),
        ];
        warnings.into_iter().flatten().collect()
    }
}

fn is_macos(path: &ProjectPath) -> bool {
    path.components().next() == Some("__MACOSX") || path.split().1 == ".DS_Store"
}
