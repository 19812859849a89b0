//! Where advisories come from: a folder, or a ZIP file, of JSON files and of ZIP files.
//!
//! What is read here was made elsewhere. Links are not followed, names are only looked at, and everything is counted as it is
//! read, so that an archive which claims little and holds much ends at a limit.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{self, Read, Seek, SeekFrom},
    path::Path,
};

use pipelinex_common::{
    foreign::{Beneath, shown},
    limits::MIB,
};
use zip::ZipArchive;

/// The most advisories of one import: the public archive has about half a million of all ecosystems.
const ENTRIES_MAX: usize = 2_000_000;
/// The largest advisory, in bytes: the largest published ones list each version of a kernel, in a few MiB.
const ENTRY_MAX: u64 = 16 * MIB;
/// The largest ZIP file, in bytes: the public one of npm, the largest, has a tenth of it.
pub const ARCHIVE_MAX: u64 = 2048 * MIB;
/// All that is read of one source, in bytes as unpacked: many times what the public archive has.
const READ_MAX: u64 = 32 * 1024 * MIB;

/// Something that holds advisories.
pub struct Source {
    containers: Vec<Container>,
    /// What belongs together: a folder, or a ZIP file.
    pub units: Vec<Unit>,
    /// Links and other things that are never followed, safe to show.
    pub passed_over: Vec<String>,
    room: u64,
}

/// Advisories that belong together.
pub struct Unit {
    /// The name of their folder, which may be that of an ecosystem.
    pub named: Option<String>,
    /// In order of their paths.
    pub entries: Vec<Entry>,
    container: usize,
}

/// A file that should be an advisory.
pub struct Entry {
    /// Where it is, safe to show.
    pub shown: String,
    path: String,
    index: usize,
}

enum Container {
    Folder(Beneath),
    Zip(ZipArchive<File>),
}

/// The paths of a container, in order, each with its place in it.
type Listing = BTreeMap<String, usize>;

impl Source {
    /// A folder, or a ZIP file. ZIP files inside of ZIP files are unpacked to files without a name in `scratch`.
    ///
    /// # Errors
    /// What is wrong with it, for a person.
    pub fn open(path: &Path, scratch: &Path) -> Result<Self, String> {
        let failed = |error: &dyn std::fmt::Display| format!("cannot read {}: {error}", path.display());
        let mut source = Self::empty();
        if !path.is_dir() {
            let file = File::open(path).map_err(|error| failed(&error))?;
            let label = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            source.zip(file, &label, None, Some(scratch))?;
            return Ok(source);
        }
        let beneath = Beneath::open(path).map_err(|error| failed(&error))?;
        let walk = beneath.walk(2 * ENTRIES_MAX).map_err(|error| failed(&error))?;
        if walk.cut {
            return Err(format!("{} has more files than are taken ({ENTRIES_MAX})", path.display()));
        }
        let passed_over = walk.passed_over.into_iter().map(|entry| entry.path);
        source.passed_over = passed_over.chain(walk.links.iter().map(|link| shown(link))).collect();
        let listing: Listing = walk.files.into_iter().map(|found| (found.path, 0)).collect();
        let archives: Vec<String> = listing.keys().filter(|path| is_zip(path)).cloned().collect();
        let opened = archives.iter().map(|path| beneath.file(path).map(|file| (path, file)));
        let opened = opened.collect::<Result<Vec<_>, _>>().map_err(|error| error.to_string())?;
        source.add(Container::Folder(beneath), listing, "")?;
        for (path, file) in opened {
            source.zip(file, &shown(path), folder_of(path), None)?;
        }
        Ok(source)
    }

    /// A ZIP file of one ecosystem.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn of_archive(file: File, label: &str, ecosystem: &str) -> Result<Self, String> {
        let mut source = Self::empty();
        source.zip(file, label, Some(ecosystem.to_owned()), None)?;
        Ok(source)
    }

    fn empty() -> Self {
        Self { containers: Vec::new(), units: Vec::new(), passed_over: Vec::new(), room: READ_MAX }
    }

    /// Takes a ZIP file in; with `scratch` also those that are in it.
    fn zip(&mut self, file: File, label: &str, named: Option<String>, scratch: Option<&Path>) -> Result<(), String> {
        let no_zip = |error: &dyn std::fmt::Display| format!("{label} is not read as a ZIP file: {error}");
        let bytes = file.metadata().map_err(|error| no_zip(&error))?.len();
        if bytes > ARCHIVE_MAX {
            return Err(format!("{label} has {} MiB, at most {} are read", bytes / MIB, ARCHIVE_MAX / MIB));
        }
        let mut archive = ZipArchive::new(file).map_err(|error| no_zip(&error))?;
        if archive.len() > ENTRIES_MAX {
            return Err(format!("{label} has {} entries, at most {ENTRIES_MAX} are read", archive.len()));
        }
        let mut listing = Listing::new();
        for index in 0..archive.len() {
            let name = archive.name_for_index(index).transpose().map_err(|error| no_zip(&error))?.unwrap_or_default();
            if listing.insert(name.to_string(), index).is_some() {
                return Err(format!("{label} has the entry {} twice", shown(&name)));
            }
        }
        let mut inner = Vec::new();
        for (path, index) in listing.iter().filter(|(path, _)| is_zip(path)) {
            let Some(scratch) = scratch else {
                return Err(format!("{label} has the ZIP file {} in it, which is one too deep", shown(path)));
            };
            let within = format!("{label}/{}", shown(path));
            let unpacked = self.unpack(&mut archive, *index, scratch).map_err(|error| format!("{within}: {error}"))?;
            inner.push((unpacked, within, folder_of(path)));
        }
        let before = self.units.len();
        self.add(Container::Zip(archive), listing, &format!("{label}/"))?;
        for unit in self.units.iter_mut().skip(before).filter(|unit| unit.named.is_none()) {
            unit.named.clone_from(&named);
        }
        inner.into_iter().try_for_each(|(file, within, named)| self.zip(file, &within, named, None))
    }

    fn unpack(&mut self, archive: &mut ZipArchive<File>, index: usize, scratch: &Path) -> Result<File, String> {
        let mut file = tempfile::tempfile_in(scratch).map_err(|error| error.to_string())?;
        let most = ARCHIVE_MAX.min(self.room);
        let entry = archive.by_index(index).map_err(|error| error.to_string())?;
        let bytes = io::copy(&mut entry.take(most + 1), &mut file).map_err(|error| error.to_string())?;
        if bytes > most {
            return Err(format!("it has more than {} MiB", most / MIB));
        }
        self.room -= bytes;
        file.seek(SeekFrom::Start(0)).map_err(|error| error.to_string())?;
        Ok(file)
    }

    /// One unit for each folder that has JSON files.
    fn add(&mut self, container: Container, listing: Listing, label: &str) -> Result<(), String> {
        self.containers.push(container);
        let mut folders: BTreeMap<String, Vec<Entry>> = BTreeMap::new();
        for (path, index) in listing.into_iter().filter(|(path, _)| is_json(path)) {
            let folder = path.rsplit_once('/').map(|(folder, _)| folder.to_owned()).unwrap_or_default();
            folders.entry(folder).or_default().push(Entry { shown: format!("{label}{}", shown(&path)), path, index });
        }
        for entries in folders.into_values() {
            let named = entries.first().and_then(|entry| folder_of(&entry.path));
            self.units.push(Unit { named, entries, container: self.containers.len() - 1 });
        }
        let entries: usize = self.units.iter().map(|unit| unit.entries.len()).sum();
        if entries > ENTRIES_MAX { Err(format!("there are more than {ENTRIES_MAX} advisories")) } else { Ok(()) }
    }

    /// The content of an advisory.
    ///
    /// # Errors
    /// Why it cannot be read, for a person.
    pub fn read(&mut self, unit: usize, entry: usize) -> Result<Vec<u8>, String> {
        let unit = &self.units[unit];
        let entry = &unit.entries[entry];
        let mut content = Vec::new();
        match &mut self.containers[unit.container] {
            Container::Folder(beneath) => {
                content = beneath.read(&entry.path, ENTRY_MAX).map_err(|error| error.to_string())?;
            }
            Container::Zip(archive) => {
                let file = archive.by_index(entry.index).map_err(|error| error.to_string())?;
                file.take(ENTRY_MAX + 1).read_to_end(&mut content).map_err(|error| error.to_string())?;
            }
        }
        if content.len() as u64 > ENTRY_MAX {
            return Err(format!("it has more than {} MiB", ENTRY_MAX / MIB));
        }
        let Some(room) = self.room.checked_sub(content.len() as u64) else {
            return Err(format!("all that is read has more than {} GiB", READ_MAX / MIB / 1024));
        };
        self.room = room;
        Ok(content)
    }

    /// Begins to count anew, for a second reading.
    pub fn rewind(&mut self) {
        self.room = READ_MAX;
    }
}

fn is_json(path: &str) -> bool {
    path.ends_with(".json")
}

fn is_zip(path: &str) -> bool {
    path.ends_with(".zip")
}

/// The name of the folder that a file lies in.
fn folder_of(path: &str) -> Option<String> {
    let (folder, _) = path.rsplit_once('/')?;
    folder.rsplit('/').next().filter(|name| !name.is_empty()).map(str::to_owned)
}
