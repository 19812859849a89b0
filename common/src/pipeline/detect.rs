//! Which stacks a project may be of, and where in it: a pure function over the names of its files, and over the content of
//! those that a stack asks for.

use std::collections::BTreeMap;

use globset::{Glob, GlobBuilder, GlobMatcher, GlobSet, GlobSetBuilder};

use super::stack::{Contract, Marker, StackKey};
use crate::folder::{Folder, TOP, joined};

/// The most of a file that is looked at, in bytes.
pub const HEAD_MAX: u64 = 1024 * 1024;
/// Projects are looked for so many folders below the top.
const DEPTH_MAX: usize = 4;
/// The most folders with a stack's files in them that are looked into.
const FOLDERS_MAX: usize = 200;
/// Folders whose content somebody else wrote, or a build made. Hidden ones are passed over as well.
const PASSED_OVER: [&str; 14] = [
    "node_modules",
    "bower_components",
    "vendor",
    "third_party",
    "target",
    "build",
    "dist",
    "out",
    "venv",
    "__pycache__",
    "site-packages",
    "testdata",
    "fixtures",
    "__fixtures__",
];

/// A stack that a project, or a folder of it, may be of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// The stack.
    pub stack: StackKey,
    /// The folder; `None`: the top.
    pub folder: Option<Folder>,
    /// How much speaks for it.
    pub weight: u32,
    /// The files that do, as seen from the top.
    pub because: Vec<String>,
}

impl Candidate {
    /// How deep its folder lies.
    fn depth(&self) -> usize {
        self.folder.as_ref().map_or(0, |folder| folder.as_str().split('/').count())
    }

    /// The folder as it is asked for.
    pub fn asked_folder(&self) -> &str {
        self.folder.as_ref().map_or(TOP, Folder::as_str)
    }
}

/// The stacks that something speaks for: the top first, then by depth and name of the folder; within one folder the likeliest
/// first. `files` are the paths of a project's files, `head` gives the beginning of one of them.
pub fn candidates<'c>(
    contracts: impl IntoIterator<Item = &'c Contract>,
    files: &[String],
    mut head: impl FnMut(&str) -> Option<Vec<u8>>,
) -> Vec<Candidate> {
    let contracts: Vec<Markers<'_>> = contracts.into_iter().map(Markers::of).collect();
    let mut found = Vec::new();
    for (folder, names) in folders(&contracts, files) {
        let Ok(folder) = Folder::asked(folder) else { continue };
        let mut heads = BTreeMap::new();
        let mut holds = |path: &str, text: &str| {
            let bytes = heads.entry(path.to_owned()).or_insert_with(|| head(path).unwrap_or_default());
            memchr::memmem::find(bytes, text.as_bytes()).is_some() && !text.is_empty()
        };
        found.extend(contracts.iter().filter_map(|own| own.in_folder(folder.as_ref(), &names, &mut holds)));
    }
    found.sort_by(|a, b| {
        let place = |candidate: &Candidate| (candidate.depth(), candidate.folder.clone());
        place(a).cmp(&place(b)).then_with(|| b.weight.cmp(&a.weight)).then_with(|| a.stack.cmp(&b.stack))
    });
    found
}

/// The markers of one contract, ready to be matched: a project has many folders.
struct Markers<'c> {
    contract: &'c Contract,
    markers: Vec<(GlobMatcher, &'c Marker)>,
}

impl<'c> Markers<'c> {
    fn of(contract: &'c Contract) -> Self {
        let markers = contract.markers.iter().filter_map(|marker| Some((glob(marker)?.compile_matcher(), marker)));
        Self { contract, markers: markers.collect() }
    }

    /// What speaks for this stack in one folder, of which `names` are those that some stack asks for.
    fn in_folder(
        &self,
        folder: Option<&Folder>,
        names: &[&str],
        holds: &mut impl FnMut(&str, &str) -> bool,
    ) -> Option<Candidate> {
        let stack = self.contract.stack.clone();
        let mut candidate = Candidate { stack, folder: folder.cloned(), weight: 0, because: Vec::new() };
        for (glob, marker) in &self.markers {
            let path = |name: &str| joined(folder, name);
            let speaks =
                |name: &&&str| glob.is_match(name) && marker.text.as_ref().is_none_or(|text| holds(&path(name), text));
            if let Some(name) = names.iter().find(speaks) {
                candidate.weight = candidate.weight.saturating_add(marker.weight);
                let file = path(name);
                if !candidate.because.contains(&file) {
                    candidate.because.push(file);
                }
            }
        }
        (candidate.weight > 0).then_some(candidate)
    }
}

/// Contracts are checked when they are read, so what cannot be compiled does not occur, and would match nothing.
fn glob(marker: &Marker) -> Option<Glob> {
    GlobBuilder::new(&marker.file).literal_separator(true).build().ok()
}

/// The folders in which a file lies that some stack asks for, with the names of those files; the flattest first.
fn folders<'f>(contracts: &[Markers<'_>], files: &'f [String]) -> Vec<(&'f str, Vec<&'f str>)> {
    let markers = all_of(contracts);
    let mut folders: BTreeMap<(usize, &str), Vec<&str>> = BTreeMap::new();
    for path in files {
        let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
        if !markers.is_match(name) || folder.split('/').any(is_passed_over) {
            continue;
        }
        let depth = if folder.is_empty() { 0 } else { folder.split('/').count() };
        if depth <= DEPTH_MAX {
            folders.entry((depth, folder)).or_default().push(name);
        }
    }
    folders.into_iter().map(|((_, folder), names)| (folder, names)).take(FOLDERS_MAX).collect()
}

/// One matcher for the files that all stacks ask for: a project has thousands of others.
fn all_of(contracts: &[Markers<'_>]) -> GlobSet {
    let mut set = GlobSetBuilder::new();
    let markers = contracts.iter().flat_map(|own| &own.markers);
    markers.for_each(|(matcher, _)| _ = set.add(matcher.glob().clone()));
    set.build().unwrap_or_default()
}

fn is_passed_over(folder: &str) -> bool {
    folder.starts_with('.') || PASSED_OVER.contains(&folder)
}

/// The projects among candidates: of each folder the likeliest stack, and none below the folder of another, which has it as a
/// part. With a project at the top there are no others.
pub fn projects(candidates: &[Candidate]) -> Vec<&Candidate> {
    let mut projects: Vec<&Candidate> = Vec::new();
    for candidate in candidates {
        let part_of = |whole: &&Candidate| match (&whole.folder, &candidate.folder) {
            (None, _) => true,
            (Some(whole), Some(part)) => whole == part || whole.strip(part.as_str()).is_some(),
            (Some(_), None) => false,
        };
        if !projects.iter().any(part_of) {
            projects.push(candidate);
        }
    }
    projects
}

#[cfg(test)]
mod tests;
