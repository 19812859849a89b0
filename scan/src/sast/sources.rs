//! The sources of a project as they must be read: found by a walk of our own, and copied for the scanner where it would pass them
//! over or read something else than a compiler does. Program code that nobody can read is named.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io,
    path::{Path, PathBuf},
};

use super::{
    archives::Archives,
    build_files::{self, BuildFiles},
    language::{self, Language, Script},
    readings::{self, Reads},
};
use crate::{
    report,
    stage::{Failure, Stage},
};

/// More entries than any project that is admitted has.
const MAX_ENTRIES: usize = 200_000;
/// Largest source that is read, in bytes; to be read it is taken apart in memory.
const MAX_SOURCE: u64 = 32 << 20;
/// Largest file that is looked at for being program code, in bytes.
const MAX_FILE: u64 = 256 << 20;
/// Largest build file that is read, in bytes.
const MAX_BUILD_FILE: u64 = 8 << 20;
/// Room that copies may take: they lie in memory.
const MAX_COPIES: u64 = 192 << 20;
const NO_RULE: &str = "no rule reads this language";

/// A copy for the scanner.
struct Copy {
    /// The source, relative to the project.
    path: String,
    /// By line of the copy, from 0: the line of the source; empty where they are the same.
    lines: Vec<usize>,
}

/// All sources, and what was copied of them.
#[derive(Default)]
pub(super) struct Sources {
    /// Where the copies are.
    folder: PathBuf,
    copies: Vec<Copy>,
    /// Sources, relative to the project: the copy that counts, or none where the file itself does.
    all: BTreeMap<String, Option<usize>>,
    /// The languages that there are rules for.
    known: BTreeSet<Language>,
    archives: Archives,
    /// What the build files say.
    pub(super) build: BuildFiles,
    copied: u64,
}

impl Sources {
    /// Walks through the project. `known` are the languages that this scan has rules for.
    ///
    /// # Errors
    /// The copies cannot be kept.
    pub(super) fn find(stage: &mut Stage, folder: PathBuf, known: BTreeSet<Language>) -> Result<Self, Failure> {
        fs::create_dir_all(&folder).map_err(|error| Failure::tool(format!("/tmp: {error}")))?;
        let mut sources = Self { folder, known, ..Self::default() };
        let files = walk(stage)?;
        for (path, _) in &files {
            let shown = relative(&stage.app, path);
            if build_files::is_one(&shown) {
                // One that cannot be read says nothing that can be trusted.
                sources
                    .build
                    .read(&shown, &report::bytes(path, MAX_BUILD_FILE).unwrap_or_else(|_| b"<project".to_vec()));
            }
        }
        for (path, link) in files {
            sources.take(stage, &path, link)?;
        }
        Ok(sources)
    }

    fn take(&mut self, stage: &mut Stage, path: &Path, link: bool) -> Result<(), Failure> {
        let shown = relative(&stage.app, path);
        let name = path.file_name().map(|name| name.to_string_lossy().to_lowercase()).unwrap_or_default();
        // Some file systems drop dots and blanks at the end of a name.
        let name = name.trim_end_matches(['.', ' ']);
        let ending = name.rsplit_once('.').map(|(_, ending)| ending).unwrap_or_default();
        let by_name = Language::of(ending);
        let other = language::is_other(name, ending);
        // What a link leads to is looked at by its own name.
        if link && by_name.is_none() && !other {
            return Ok(());
        }
        let bytes = match self.bytes(stage, path, if by_name.is_some() { MAX_SOURCE } else { MAX_FILE }) {
            Ok(bytes) => bytes,
            Err(error) => {
                stage.coverage.skip(&shown, &format!("it cannot be read: {error}"));
                return Ok(());
            }
        };
        if other {
            stage.coverage.skip(&shown, NO_RULE);
        }
        if let Some(what) = language::compiled(&bytes) {
            stage.coverage.skip(&shown, &format!("{what}: only its source could be read"));
        } else if let Some(why) = self.archives.unread(&bytes)? {
            stage.coverage.skip(&shown, &why);
        }
        match by_name.map(Script::Known).or_else(|| language::script(&bytes)) {
            Some(Script::Known(language)) if self.known.contains(&language) => {
                self.read(stage, shown, &bytes, language, link)?;
            }
            Some(_) => stage.coverage.skip(&shown, NO_RULE),
            None => {}
        }
        Ok(())
    }

    fn bytes(&self, stage: &Stage, path: &Path, most: u64) -> io::Result<Vec<u8>> {
        let target = fs::canonicalize(path)?;
        if !target.starts_with(fs::canonicalize(&stage.app)?) {
            return Err(io::Error::other("a link that leads out of the project"));
        }
        if !target.is_file() {
            return Err(io::Error::other("no file"));
        }
        report::bytes(&target, most)
    }

    /// A source in a language that there are rules for.
    fn read(
        &mut self,
        stage: &mut Stage,
        shown: String,
        bytes: &[u8],
        language: Language,
        link: bool,
    ) -> Result<(), Failure> {
        let reads = match language {
            Language::Java => {
                if let Some(why) = self.build.encoding.as_ref().filter(|_| readings::depends_on_encoding(bytes)) {
                    stage.coverage.skip(&shown, &format!("what it means depends on its encoding: {why}"));
                }
                readings::of_java(bytes)
            }
            language => readings::of_other(language, bytes),
        };
        let number = match reads {
            Reads::AsIs if !link && is_plain(&shown, language) => None,
            Reads::AsIs => self.copy(&shown, bytes, Vec::new(), language)?,
            Reads::Also(reading) => self.copy(&shown, reading.text.as_bytes(), reading.lines, language)?,
            Reads::Doubtful(reading, why) => {
                stage.coverage.skip(&shown, why);
                self.copy(&shown, reading.text.as_bytes(), reading.lines, language)?
            }
            Reads::No(why) => {
                stage.coverage.skip(&shown, why);
                None
            }
        };
        self.all.insert(shown, number);
        Ok(())
    }

    /// Copies a source below a name that every scanner takes. Where it lies stays visible: rules go by it.
    fn copy(
        &mut self,
        path: &str,
        text: &[u8],
        lines: Vec<usize>,
        language: Language,
    ) -> Result<Option<usize>, Failure> {
        self.copied += text.len() as u64;
        if self.copied > MAX_COPIES {
            return Err(Failure::tool("the sources that must be decoded are larger than there is room for"));
        }
        let number = self.copies.len();
        let plain = |c: char| if c.is_ascii_alphanumeric() || "/_-.".contains(c) { c } else { '_' };
        let safe: String = path.chars().map(plain).collect();
        let parts = safe.split('/').map(|part| part.trim_start_matches(['.', '-'])).filter(|part| !part.is_empty());
        let safe = parts.map(|part| part.chars().take(200).collect::<String>()).collect::<Vec<_>>().join("/");
        let to = self.folder.join(number.to_string()).join(format!("{safe}.{}", ending_of(path, language)));
        let made = fs::create_dir_all(to.parent().unwrap_or(&self.folder)).and_then(|()| fs::write(&to, text));
        made.map_err(|error| Failure::tool(format!("a source cannot be copied: {error}")))?;
        self.copies.push(Copy { path: path.to_owned(), lines });
        Ok(Some(number))
    }

    /// What a path of the scanner's is about: the source, and where it is a copy, which.
    pub(super) fn origin(&self, app: &Path, path: &str) -> Option<(String, Option<usize>)> {
        let path = Path::new(path);
        if let Ok(inside) = path.strip_prefix(&self.folder) {
            let number: usize = inside.iter().next()?.to_str()?.parse().ok()?;
            return Some((self.copies.get(number)?.path.clone(), Some(number)));
        }
        path.strip_prefix(app).ok().map(|inside| (inside.to_string_lossy().into_owned(), None))
    }

    /// The line of the source that a line of a copy comes from.
    pub(super) fn line(&self, copy: usize, line: u64) -> u64 {
        let lines = self.copies.get(copy).map(|copy| copy.lines.as_slice()).unwrap_or_default();
        let at = usize::try_from(line).unwrap_or_default().saturating_sub(1);
        lines.get(at).or(lines.last()).map_or(line, |line| *line as u64)
    }

    /// Whether what was read in this form is what counts for its source: where there is a copy, the file itself is read beside it.
    pub(super) fn counts(&self, source: &str, copy: Option<usize>) -> bool {
        self.all.get(source).is_none_or(|counts| *counts == copy)
    }

    /// The sources that the scanner did not look at in the form that counts.
    pub(super) fn missing<'a>(
        &'a self,
        scanned: &'a BTreeSet<(String, Option<usize>)>,
    ) -> impl Iterator<Item = &'a str> {
        let looked_at = |(path, copy): &(&String, &Option<usize>)| scanned.contains(&((*path).clone(), **copy));
        self.all.iter().filter(move |source| !looked_at(source)).map(|(path, _)| path.as_str())
    }
}

/// Every file and link below the project, and whether it is a link.
fn walk(stage: &mut Stage) -> Result<Vec<(PathBuf, bool)>, Failure> {
    let app = stage.app.clone();
    let (mut folders, mut seen, mut found) = (vec![app.clone()], 0, Vec::new());
    while let Some(folder) = folders.pop() {
        let entries = match fs::read_dir(&folder) {
            Ok(entries) => entries,
            Err(error) => {
                stage.coverage.skip(&relative(&app, &folder), &format!("the folder cannot be read: {error}"));
                continue;
            }
        };
        for entry in entries.flatten() {
            seen += 1;
            match entry.file_type() {
                _ if seen > MAX_ENTRIES => {
                    return Err(Failure::tool("the project has more files than are looked at"));
                }
                Ok(kind) if kind.is_dir() => folders.push(entry.path()),
                Ok(kind) => found.push((entry.path(), kind.is_symlink())),
                Err(error) => stage.coverage.skip(&relative(&app, &entry.path()), &error.to_string()),
            }
        }
    }
    Ok(found)
}

/// The end of the name of a copy: the file's own, where the scanner knows it.
fn ending_of(path: &str, language: Language) -> &'static str {
    let own = path.rsplit_once('.').map(|(_, ending)| ending).unwrap_or_default();
    let known = language.endings();
    known.iter().find(|ending| **ending == own).or(known.first()).copied().unwrap_or_default()
}

/// Whether a scanner that walks through the project takes this file as one of that language.
fn is_plain(path: &str, language: Language) -> bool {
    let hidden = path.split('/').any(|part| part.starts_with(".git") || part.starts_with('-'));
    let named = path.rsplit_once('.').is_some_and(|(_, ending)| language.endings().contains(&ending));
    named && !hidden && !path.chars().any(|c| c.is_control() || c == char::REPLACEMENT_CHARACTER)
}

fn relative(app: &Path, path: &Path) -> String {
    path.strip_prefix(app).unwrap_or(path).to_string_lossy().into_owned()
}
