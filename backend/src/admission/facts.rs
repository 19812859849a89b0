//! What the rules need to know of a project, read once. The only file of admission that reads.
//!
//! Sources are looked at one at a time and only counted, so that a project of any size takes the memory of one file.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use globset::{GlobBuilder, GlobMatcher};
use pipelinex_common::{
    folder::{Folder, joined},
    foreign::{Beneath, ForeignError},
    limits::MIB,
    pipeline::stack::{Contract, Lookup},
};

use super::{checks, lookup, versions::Said};

/// More files than any operator lets in; a guard for who calls this without intake.
pub const FILES_MAX: usize = 200_000;
/// The largest structured file that is read, in bytes: the largest known ones have a tenth of it.
const STRUCTURED_MAX: u64 = MIB;
/// The most structured files that are read.
const STRUCTURED_FILES_MAX: usize = 64;
/// The largest source file that is searched, in bytes: the compiler itself gives up on classes far smaller.
const SOURCE_MAX: u64 = 4 * MIB;
/// All source files that are searched, in bytes together.
const SOURCES_MAX: u64 = 256 * MIB;

/// A project as the rules see it.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    /// The folder that is built; `None`: the top. Paths are as seen from it where nothing else is said.
    pub folder: Option<Folder>,
    /// Regular files, in order of their paths.
    pub files: Vec<String>,
    /// Folders, in order of their paths.
    pub folders: Vec<String>,
    /// Links and other things that are never followed or read, safe to show.
    pub passed_over: Vec<String>,
    /// Links that lead out of all that was submitted, as seen from its top, with what they name, safe to show.
    pub leaving: Vec<(String, String)>,
    /// Whether there are more files than are looked at.
    pub cut: bool,
    /// Files that a rule looks into and that are there, by path.
    pub contents: BTreeMap<String, Content>,
    /// By the id of a rule: the files in which its text was found, and how often.
    pub found: BTreeMap<String, Vec<(String, u64)>>,
    /// Files that a rule needs and that were not searched, with the reason.
    pub unsearched: Vec<(String, String)>,
}

/// A file that a rule needs.
#[derive(Clone, Debug)]
pub enum Content {
    /// Its bytes.
    Read(Vec<u8>),
    /// It is there, and is nothing that we read: the reason.
    Refused(String),
}

/// Reads what the rules of a contract need of a folder, or of the top.
///
/// # Errors
/// [`ForeignError::Io`] when our own system fails; whatever the project did is a fact.
pub fn gather(source: &Path, folder: Option<&Folder>, contract: &Contract) -> Result<Facts, ForeignError> {
    let beneath = Beneath::open(source)?;
    let walk = beneath.walk(FILES_MAX)?;
    let own = |path: String| match folder {
        Some(folder) => folder.strip(&path).map(str::to_owned),
        None => Some(path),
    };
    let passed_over = walk.passed_over.into_iter().map(|entry| entry.path).chain(walk.links.iter().cloned());
    let mut facts = Facts {
        folder: folder.cloned(),
        passed_over: passed_over.filter_map(own).collect(),
        folders: walk.folders.into_iter().filter_map(own).collect(),
        leaving: leaving(&beneath, &walk.links)?,
        cut: walk.cut,
        files: walk.files.into_iter().filter_map(|file| own(file.path)).collect(),
        ..Facts::default()
    };
    for path in looked_into(contract, &facts.files) {
        let read = content(&beneath, &joined(folder, &path), STRUCTURED_MAX)?;
        facts.contents.extend(read.map(|content| (path, content)));
    }
    search(&beneath, contract, &mut facts, SOURCES_MAX)?;
    Ok(facts)
}

/// The files that the checks of a contract look into.
fn looked_into(contract: &Contract, files: &[String]) -> BTreeSet<String> {
    let by_value = contract.values.iter().map(|check| check.file.as_str());
    let globs: Vec<Matcher> = by_value.chain(checks::files(contract)).map(Matcher::new).collect();
    let mut wanted: Vec<&String> = files.iter().filter(|file| globs.iter().any(|glob| glob.is_match(file))).collect();
    // Those at the top first: what is deeper may be an example or a test.
    wanted.sort_by_key(|file| file.matches('/').count());
    let checked = wanted.into_iter().take(STRUCTURED_FILES_MAX);
    // Each place is looked up in the first file that matches.
    let places = contract.versions.values().flat_map(|known| &known.from).map(|from| Matcher::new(&from.lookup.file));
    let first = |glob: Matcher| files.iter().find(|file| glob.is_match(file));
    checked.chain(places.filter_map(first).collect::<Vec<_>>()).cloned().collect()
}

fn leaving(beneath: &Beneath, links: &[String]) -> Result<Vec<(String, String)>, ForeignError> {
    let mut leaving = Vec::new();
    for link in links {
        leaving.extend(beneath.link_out(link)?.map(|target| (link.clone(), target)));
    }
    Ok(leaving)
}

impl Facts {
    /// The value at a place, as far as it could be read.
    pub fn look(&self, at: &Lookup) -> Option<Said> {
        let glob = Matcher::new(&at.file);
        let file = self.files.iter().find(|file| glob.is_match(file))?;
        let Content::Read(bytes) = self.contents.get(file)? else { return None };
        Some(Said { file: file.clone(), text: lookup::at(file, bytes, &at.place)? })
    }

    /// Whether a file or folder of that path is there.
    pub fn has(&self, path: &str) -> bool {
        let path = path.trim_end_matches('/');
        let among = |list: &[String]| list.iter().any(|own| own == path);
        among(&self.files) || among(&self.folders)
    }
}

/// Whether a path matches a contract's glob; `*` stays inside one folder. Contracts are checked when they are read, so
/// what cannot be compiled here does not occur, and would match nothing.
#[derive(Debug)]
pub struct Matcher(Option<GlobMatcher>);

impl Matcher {
    /// The matcher of a glob.
    pub fn new(glob: &str) -> Self {
        Self(GlobBuilder::new(glob).literal_separator(true).build().ok().map(|glob| glob.compile_matcher()))
    }

    /// Whether the path matches.
    pub fn is_match(&self, path: &str) -> bool {
        self.0.as_ref().is_some_and(|glob| glob.is_match(path))
    }
}

fn content(beneath: &Beneath, path: &str, cap: u64) -> Result<Option<Content>, ForeignError> {
    match beneath.read(path, cap) {
        Ok(bytes) => Ok(Some(Content::Read(bytes))),
        Err(ForeignError::Missing(_)) => Ok(None),
        Err(ForeignError::Refused { reason, .. }) => Ok(Some(Content::Refused(reason))),
        Err(ForeignError::TooMuch(_)) => Ok(Some(Content::Refused(format!("it has more than {cap} bytes")))),
        Err(error @ ForeignError::Io { .. }) => Err(error),
    }
}

/// The texts that are looked for: under which name what is found is kept, the text, and in which files.
fn searched(contract: &Contract) -> Vec<(String, &str, Matcher)> {
    let contains = contract.contains.iter().map(|rule| (rule.id.clone(), rule.text.as_str(), Matcher::new(&rule.glob)));
    let mentions = contract.mentions.iter().flat_map(|rule| {
        let any = rule.any.iter().map(|text| (rule.id.clone(), text.as_str(), Matcher::new(&rule.glob)));
        let unless = rule.unless.iter().map(|text| (unless_of(&rule.id), text.as_str(), Matcher::new(&rule.glob)));
        any.chain(unless)
    });
    contains.chain(mentions).collect()
}

/// The name under which the texts are kept that silence a warning.
pub fn unless_of(id: &str) -> String {
    format!("{id} unless")
}

fn search(beneath: &Beneath, contract: &Contract, facts: &mut Facts, mut room: u64) -> Result<(), ForeignError> {
    let rules = searched(contract);
    for path in &facts.files {
        let wanted: Vec<_> = rules.iter().filter(|(_, _, glob)| glob.is_match(path)).collect();
        if wanted.is_empty() {
            continue;
        }
        let bytes = match content(beneath, &joined(facts.folder.as_ref(), path), SOURCE_MAX)? {
            Some(Content::Read(bytes)) => bytes,
            Some(Content::Refused(reason)) => {
                facts.unsearched.push((path.clone(), reason));
                continue;
            }
            None => continue,
        };
        let Some(left) = room.checked_sub(bytes.len() as u64) else {
            facts.unsearched.push((path.clone(), "the project has more source code than is searched".to_owned()));
            continue;
        };
        room = left;
        for (key, text, _) in wanted {
            let count = checks::count(path, &bytes, text);
            if count > 0 {
                facts.found.entry(key.clone()).or_default().push((path.clone(), count as u64));
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use pipelinex_common::pipeline::stack;

    use super::*;

    #[test]
    fn what_is_searched_ends() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["A.java", "B.java", "C.java"] {
            std::fs::write(dir.path().join(name), "@A ").unwrap();
        }
        let contract = "stack: {language: a, framework: b, build_tool: c}\n\
                        contains: [{id: a, glob: \"*.java\", text: \"@A\", exactly: 1, hint: h}]";
        let contract = stack::read("contract.yml", contract, &[]).unwrap();
        let mut facts = gather(dir.path(), None, &contract).unwrap();
        assert_eq!((facts.found["a"].len(), facts.unsearched.len()), (3, 0));
        facts.found.clear();
        search(&Beneath::open(dir.path()).unwrap(), &contract, &mut facts, 7).unwrap();
        assert_eq!((facts.found["a"].len(), facts.unsearched.len()), (2, 1));
    }

    #[test]
    fn a_star_stays_inside_one_folder() {
        assert!(Matcher::new("**/*.java").is_match("A.java") && Matcher::new("**/*.java").is_match("a/b/C.java"));
        assert!(!Matcher::new("*.java").is_match("a/A.java") && !Matcher::new("[").is_match("["));
    }
}
