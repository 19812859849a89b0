//! What a step's tree holds for others: its artifacts.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use globset::{GlobBuilder, GlobSet, GlobSetBuilder};
use pipelinex_common::{
    disk::DiskError,
    foreign::{Beneath, Found, Leads, Walk, shown},
    pipeline::model::ArtifactsWhen,
};

use super::{
    Collected, Collector, ENTRIES_PER_FILE,
    budget::{Budget, Copied},
};
use crate::spec::APP_DIR;

impl Collector<'_> {
    /// Copies what the definition names from the tree.
    pub(super) fn gather_from_tree(
        &self,
        aside: &Path,
        succeeded: bool,
        collected: &mut Collected,
    ) -> Result<(), DiskError> {
        let artifacts = &self.step.artifacts;
        let wanted = match artifacts.when {
            ArtifactsWhen::Always => true,
            ArtifactsWhen::OnSuccess => succeeded,
            ArtifactsWhen::OnFailure => !succeeded,
        };
        if !wanted || artifacts.paths.is_empty() {
            return Ok(());
        }
        let (Some(paths), Some(exclude)) = (globs(&artifacts.paths), globs(&artifacts.exclude)) else {
            collected.warn("a pattern of artifacts cannot be read; nothing was collected");
            return Ok(());
        };
        let is_artifact = |path: &str| in_set(&paths, path) && !in_set(&exclude, path);
        let limit = ENTRIES_PER_FILE * self.limits.collected_files as usize;
        let opened = crate::tree::open(self.paths, self.tree_owner, self.trees);
        let walked = opened.and_then(|tree| tree.walk_for(limit, &is_artifact).map(|walk| (tree, walk)));
        let (tree, walk) = match walked {
            Ok(both) => both,
            Err(error) => {
                collected.warn(format!("no artifacts were collected: {error}"));
                return Ok(());
            }
        };
        if walk.cut {
            collected.warn("the tree has more files than are looked through");
        }
        collected.warn_left("artifacts", &walk);
        let mut keeping = Keeping {
            tree: &tree,
            walk: &walk,
            to: aside.join("artifacts"),
            at: APP_DIR,
            budget: Budget::new("artifacts", self.limits.artifact_bytes, self.limits.collected_files),
            kept: BTreeSet::new(),
        };
        let matched = walk.files.iter().filter(|found| is_artifact(&found.path)).collect::<Vec<_>>();
        let links = walk.links.iter().filter(|link| is_artifact(link)).collect::<Vec<_>>();
        for found in &matched {
            keeping.file(found, &found.path, collected)?;
        }
        for link in &links {
            keeping.link(link, collected)?;
        }
        let nothing = matched.is_empty() && links.is_empty() && walk.passed_over.is_empty();
        if nothing && succeeded {
            collected.warn(format!("no file matches artifacts: {}", artifacts.paths.join(", ")));
        }
        Ok(())
    }
}

/// Where a cache is gathered, and how much of it.
pub(crate) struct Kept<'a> {
    pub to: PathBuf,
    /// Where the step saw the folder that it is taken from.
    pub at: &'a str,
    pub bytes: u64,
    pub files: u64,
}

/// Copies everything that a walk found, as artifacts are copied, and keeps when each file was written.
pub(crate) fn keep_all(tree: &Beneath, walk: &Walk, kept: Kept<'_>, told: &mut Collected) -> Result<(), DiskError> {
    let budget = Budget::new("a cache", kept.bytes, kept.files).keeping_times();
    let mut keeping = Keeping { tree, walk, to: kept.to, at: kept.at, budget, kept: BTreeSet::new() };
    walk.files.iter().try_for_each(|found| keeping.file(found, &found.path, told))?;
    walk.links.iter().try_for_each(|link| keeping.link(link, told))
}

/// Artifacts while they are copied.
struct Keeping<'a> {
    tree: &'a Beneath,
    walk: &'a Walk,
    to: PathBuf,
    /// Where the step saw the tree.
    at: &'a str,
    budget: Budget,
    /// Paths of the files that are there by now.
    kept: BTreeSet<String>,
}

impl Keeping<'_> {
    fn file(&mut self, found: &Found, path: &str, collected: &mut Collected) -> Result<(), DiskError> {
        if let Copied::Whole = self.budget.copy(self.tree, found, &self.to.join(path), collected)? {
            self.kept.insert(path.to_owned());
            collected.add_artifact(path);
        }
        Ok(())
    }

    /// Keeps a link as one that leads to the same among the artifacts. Where its target is a file of the tree that is no artifact
    /// itself, that is copied in its place. What leads out is left.
    fn link(&mut self, link: &str, collected: &mut Collected) -> Result<(), DiskError> {
        let left = match self.tree.leads_to(link, Some(self.at)) {
            Ok(Leads::File(found)) if self.kept.contains(&found.path) => {
                return self.as_link(link, &found.path, collected);
            }
            Ok(Leads::File(found)) if self.walk.has_all_names_of(&found) => return self.file(&found, link, collected),
            Ok(Leads::File(_)) => "its target has another name elsewhere (a hard link)".to_owned(),
            Ok(Leads::Folder(folder)) if self.is_kept(&folder) => return self.as_link(link, &folder, collected),
            Ok(Leads::Folder(_)) => "it is a link to a folder of which nothing is kept".to_owned(),
            Ok(Leads::Out) => "it is a link that leads out of the project".to_owned(),
            Ok(Leads::Nowhere) => "it is a link to nothing that can be kept".to_owned(),
            Err(error) => error.to_string(),
        };
        collected.warn(format!("{}: {}: {left}", self.budget.what(), shown(link)));
        Ok(())
    }

    fn as_link(&mut self, link: &str, target: &str, collected: &mut Collected) -> Result<(), DiskError> {
        if self.budget.link(link, &relative(link, target), &self.to.join(link), collected)? {
            collected.add_artifact(link);
        }
        Ok(())
    }

    /// Whether anything below this folder was kept.
    fn is_kept(&self, folder: &str) -> bool {
        let below = if folder.is_empty() { String::new() } else { format!("{folder}/") };
        self.kept.range(below.clone()..).next().is_some_and(|path| path.starts_with(&below))
    }
}

/// The target of a link, as seen from where the link lies; both are paths below one folder.
fn relative(link: &str, target: &str) -> PathBuf {
    let mut from = link.split('/').collect::<Vec<_>>();
    from.pop();
    let mut to = target.split('/').filter(|part| !part.is_empty()).collect::<Vec<_>>();
    let common = from.iter().zip(&to).take_while(|(a, b)| a == b).count();
    let up = std::iter::repeat_n("..", from.len() - common).collect::<Vec<_>>();
    let path: PathBuf = up.into_iter().chain(to.drain(common..)).collect();
    // A link to the folder that it lies in.
    if path.as_os_str().is_empty() { PathBuf::from(".") } else { path }
}

/// Whether a path, or a folder it lies in, is in the set: `artifacts: paths: [target/]` means all below.
pub(crate) fn in_set(set: &GlobSet, path: &str) -> bool {
    Path::new(path).ancestors().any(|part| !part.as_os_str().is_empty() && set.is_match(part))
}

pub(crate) fn globs(patterns: &[String]) -> Option<GlobSet> {
    let mut set = GlobSetBuilder::new();
    for pattern in patterns {
        // A star stays within one folder, as in GitLab.
        set.add(GlobBuilder::new(pattern.trim_end_matches('/')).literal_separator(true).build().ok()?);
    }
    set.build().ok()
}
