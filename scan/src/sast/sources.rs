//! The sources of a project as they must be read: found by a walk of our own, and copied for the scanner where it would pass them
//! over or read something else than a compiler does.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io,
    path::{Path, PathBuf},
};

use super::readings::{self, Reads};
use crate::{
    report,
    stage::{Failure, Stage},
};

/// More entries than any project that is admitted has.
const MAX_ENTRIES: usize = 200_000;
/// Largest source that is read, in bytes; to be read it is taken apart in memory.
const MAX_SOURCE: u64 = 32 << 20;
/// Room that copies may take: they lie in memory.
const MAX_COPIES: u64 = 192 << 20;
/// Code that runs in the application and that no rule of ours reads.
const OTHER_LANGUAGES: [&str; 12] =
    ["class", "clj", "groovy", "gvy", "jsp", "jspf", "jspx", "kt", "kts", "scala", "tag", "tagx"];

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
    /// Java sources, relative to the project: the copy that counts, or none where the file itself does.
    java: BTreeMap<String, Option<usize>>,
    copied: u64,
}

impl Sources {
    /// Walks through the project.
    ///
    /// # Errors
    /// The copies cannot be kept.
    pub(super) fn find(stage: &mut Stage, folder: PathBuf) -> Result<Self, Failure> {
        fs::create_dir_all(&folder).map_err(|error| Failure::tool(format!("/tmp: {error}")))?;
        let mut sources = Self { folder, ..Self::default() };
        let app = stage.app.clone();
        let (mut folders, mut seen) = (vec![app.clone()], 0);
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
                    Ok(kind) => sources.take(stage, &entry.path(), kind.is_symlink())?,
                    Err(error) => stage.coverage.skip(&relative(&app, &entry.path()), &error.to_string()),
                }
            }
        }
        Ok(sources)
    }

    fn take(&mut self, stage: &mut Stage, path: &Path, link: bool) -> Result<(), Failure> {
        let shown = relative(&stage.app, path);
        let name = path.file_name().map(|name| name.to_string_lossy().to_lowercase()).unwrap_or_default();
        // Some file systems drop dots and blanks at the end of a name.
        let name = name.trim_end_matches(['.', ' ']);
        let ending = name.rsplit_once('.').map(|(_, ending)| ending).unwrap_or_default();
        if ending != "java" {
            if OTHER_LANGUAGES.contains(&ending) && !name.ends_with(".gradle.kts") {
                stage.coverage.skip(&shown, "no rule reads this language");
            }
            return Ok(());
        }
        let whole = fs::canonicalize(path).and_then(|target| match target.starts_with(&stage.app) {
            // A link makes a source of what it leads to, whatever that is called.
            true => report::bytes(&target, MAX_SOURCE),
            false => Err(io::Error::other("a link that leads out of the project")),
        });
        let bytes = match whole {
            Ok(bytes) => bytes,
            Err(error) => {
                stage.coverage.skip(&shown, &format!("it cannot be read: {error}"));
                return Ok(());
            }
        };
        let number = match readings::of_java(&bytes) {
            Reads::AsIs if !link && is_plain(&shown) => None,
            Reads::AsIs => self.copy(&shown, &bytes, Vec::new())?,
            Reads::Also(reading) => self.copy(&shown, reading.text.as_bytes(), reading.lines)?,
            Reads::Doubtful(reading, why) => {
                stage.coverage.skip(&shown, why);
                self.copy(&shown, reading.text.as_bytes(), reading.lines)?
            }
            Reads::No(why) => {
                stage.coverage.skip(&shown, why);
                None
            }
        };
        self.java.insert(shown, number);
        Ok(())
    }

    /// Copies a source below a name that every scanner takes. Where it lies stays visible: rules go by it.
    fn copy(&mut self, path: &str, text: &[u8], lines: Vec<usize>) -> Result<Option<usize>, Failure> {
        self.copied += text.len() as u64;
        if self.copied > MAX_COPIES {
            return Err(Failure::tool("the sources that must be decoded are larger than there is room for"));
        }
        let number = self.copies.len();
        let plain = |c: char| if c.is_ascii_alphanumeric() || "/_-.".contains(c) { c } else { '_' };
        let safe: String = path.chars().map(plain).collect();
        let parts = safe.split('/').map(|part| part.trim_start_matches(['.', '-'])).filter(|part| !part.is_empty());
        let safe = parts.map(|part| part.chars().take(200).collect::<String>()).collect::<Vec<_>>().join("/");
        let to = self.folder.join(number.to_string()).join(format!("{safe}.java"));
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
        self.java.get(source).is_none_or(|counts| *counts == copy)
    }

    /// The Java sources that the scanner did not look at in the form that counts.
    pub(super) fn missing<'a>(
        &'a self,
        scanned: &'a BTreeSet<(String, Option<usize>)>,
    ) -> impl Iterator<Item = &'a str> {
        let looked_at = |(path, copy): &(&String, &Option<usize>)| scanned.contains(&((*path).clone(), **copy));
        self.java.iter().filter(move |source| !looked_at(source)).map(|(path, _)| path.as_str())
    }
}

/// Whether a scanner that walks through the project takes this file as Java.
fn is_plain(path: &str) -> bool {
    let hidden = path.split('/').any(|part| part.starts_with(".git") || part.starts_with('-'));
    path.ends_with(".java") && !hidden && !path.chars().any(|c| c.is_control() || c == char::REPLACEMENT_CHARACTER)
}

fn relative(app: &Path, path: &Path) -> String {
    path.strip_prefix(app).unwrap_or(path).to_string_lossy().into_owned()
}
