//! The folders and files that an archive would make, looked at as a whole: no two of them may meet on Linux, or look the same.
//!
//! Two cases of one name are two files on Linux, and projects have them. They are taken and told: every file is created new,
//! so that on a disk that forgives case one is refused and never written over the other, and links come last.

use std::{
    collections::{HashMap, HashSet, hash_map},
    fmt,
};

use pipelinex_common::{foreign::shown, limits::IntakeLimits};
use unicode_normalization::UnicodeNormalization;

use super::{
    project_path::{ProjectPath, is_joiner},
    refusal::{Refusal, Rule},
};

/// Paths that differ in upper and lower case alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Twins {
    /// How many pairs.
    pub pairs: usize,
    /// The first pair.
    pub first: (String, String),
}

impl fmt::Display for Twins {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (one, other) = (shown(&self.first.0), shown(&self.first.1));
        let pairs = if self.pairs == 1 { "a pair" } else { "pairs" };
        write!(
            f,
            "{pairs} of paths differ only in upper and lower case, `{one}` and `{other}`{}: \
             Windows and macOS cannot hold both",
            if self.pairs == 1 { String::new() } else { format!(" and {} more", self.pairs - 1) }
        )
    }
}

/// Every path that an archive would make, folders that are only implied included.
#[derive(Default)]
pub(super) struct Tree {
    /// By the path as a person sees it.
    nodes: HashMap<String, Node>,
    /// By the path as a file system sees it that forgives case.
    cases: HashMap<String, String>,
    twins: Option<Twins>,
    /// Folders by their exact path: most entries lie in one that is known already.
    folders: HashSet<String>,
}

struct Node {
    path: ProjectPath,
    is_folder: bool,
}

impl Tree {
    /// Adds an entry and the folders above it.
    pub fn add(&mut self, path: &ProjectPath, is_folder: bool, limits: &IntakeLimits) -> Result<(), Refusal> {
        // One more than allowed here and below: the outermost folder may be peeled off.
        if path.components().count() > limits.depth as usize + 1 {
            return Err(too_deep(path, limits));
        }
        if !self.folders.contains(path.split().0) {
            path.ancestors().try_for_each(|folder| self.insert(folder, true))?;
        }
        self.insert(path.clone(), is_folder)?;
        match self.nodes.len() as u64 > limits.files.saturating_add(1) {
            true => Err(too_many(limits)),
            false => Ok(()),
        }
    }

    fn insert(&mut self, path: ProjectPath, is_folder: bool) -> Result<(), Refusal> {
        match self.nodes.entry(looks(path.as_str())) {
            hash_map::Entry::Occupied(there) => {
                let there = there.get();
                if there.path != path || !there.is_folder || !is_folder {
                    return Err(collision(there, &path, is_folder));
                }
            }
            hash_map::Entry::Vacant(free) => {
                if is_folder {
                    self.folders.insert(path.as_str().to_owned());
                }
                match self.cases.entry(fold(path.as_str())) {
                    hash_map::Entry::Vacant(free) => drop(free.insert(path.as_str().to_owned())),
                    hash_map::Entry::Occupied(there) => {
                        let first = || (there.get().clone(), path.as_str().to_owned());
                        self.twins.get_or_insert_with(|| Twins { pairs: 0, first: first() }).pairs += 1;
                    }
                }
                free.insert(Node { path, is_folder });
            }
        }
        Ok(())
    }

    /// The paths that differ in case alone.
    pub fn twins(&self) -> Option<Twins> {
        self.twins.clone()
    }

    /// The one folder that holds everything, if there is one: what `project.zip` of a folder `project` has.
    pub fn single_top(&self) -> Option<&str> {
        let mut top = self.nodes.values().filter(|node| node.path.split().0.is_empty());
        let only = top.next().filter(|node| node.is_folder)?;
        top.next().is_none().then(|| only.path.as_str())
    }

    /// The folders below `peeled`, each after the one it lies in.
    pub fn folders_below(&self, peeled: Option<&str>) -> Vec<ProjectPath> {
        let folders = self.nodes.values().filter(|node| node.is_folder).map(|node| &node.path);
        let mut below: Vec<_> = folders.filter_map(|path| peel(path, peeled)).collect();
        below.sort_unstable();
        below
    }

    /// The limits that count from inside the folder that was peeled off.
    pub fn check(&self, peeled: Option<&str>, limits: &IntakeLimits) -> Result<(), Refusal> {
        if self.nodes.len() as u64 - u64::from(peeled.is_some()) > limits.files {
            return Err(too_many(limits));
        }
        self.nodes.values().filter_map(|node| peel(&node.path, peeled)).try_for_each(|path| check_length(&path, limits))
    }
}

/// A path as it is inside the peeled folder; `None` for that folder itself.
pub(super) fn peel(path: &ProjectPath, peeled: Option<&str>) -> Option<ProjectPath> {
    match peeled {
        Some(top) => path.below(top),
        None => Some(path.clone()),
    }
}

fn check_length(path: &ProjectPath, limits: &IntakeLimits) -> Result<(), Refusal> {
    let refuse = |rule, hint| Err(Refusal::of_entry(rule, path.as_str().as_bytes(), hint));
    if path.as_str().len() > limits.path_bytes {
        return refuse(Rule::PathTooLong, format!("a path may have {} bytes", limits.path_bytes));
    }
    if path.components().any(|name| name.len() > limits.name_bytes) {
        return refuse(Rule::NameTooLong, format!("a name may have {} bytes", limits.name_bytes));
    }
    match path.components().count() > limits.depth as usize {
        true => Err(too_deep(path, limits)),
        false => Ok(()),
    }
}

fn collision(there: &Node, path: &ProjectPath, is_folder: bool) -> Refusal {
    let refuse = |rule, hint| Refusal::of_entry(rule, path.as_str().as_bytes(), hint);
    if there.path == *path {
        return match there.is_folder == is_folder {
            true => refuse(Rule::DuplicateName, "one of them would overwrite the other; pack the project again".into()),
            false => refuse(Rule::FileAndFolder, "remove or rename one of the two".into()),
        };
    }
    let other = Refusal::of_entry(Rule::UnicodeCollision, there.path.as_str().as_bytes(), "").entry.unwrap_or_default();
    refuse(Rule::UnicodeCollision, format!("rename one of the two, the other is \"{other}\""))
}

fn too_deep(path: &ProjectPath, limits: &IntakeLimits) -> Refusal {
    let hint = format!("a path may have {} parts", limits.depth);
    Refusal::of_entry(Rule::TooDeep, path.as_str().as_bytes(), hint)
}

fn too_many(limits: &IntakeLimits) -> Refusal {
    let hint = format!("a project may have {}; leave out what a build makes or downloads", limits.files);
    Refusal::of_archive(Rule::TooManyEntries, hint)
}

/// The path as a person sees it: without joiners, and in one Unicode form.
fn looks(path: &str) -> String {
    if path.is_ascii() {
        return path.to_owned();
    }
    path.chars().filter(|c| !is_joiner(*c)).nfd().collect()
}

/// The path as a file system sees it that forgives case and Unicode form.
fn fold(path: &str) -> String {
    if path.is_ascii() {
        return path.to_ascii_lowercase();
    }
    // Upper before lower case folds what has several lower-case forms, such as the two sigmas.
    path.nfd().collect::<String>().to_uppercase().to_lowercase().nfd().collect()
}
