//! Keeping what a step left as a cache: whole or not at all.

use std::path::Path;

use globset::GlobSet;
use pipelinex_common::{
    execution::{CacheRecord, StepRecord},
    foreign::{Beneath, Walk, shown},
    layout::JobPaths,
    limits::MIB,
    pipeline::model::{ArtifactsWhen, Cache, Step, StepKind},
    slug::Slug,
    state::StepState,
    store::{CacheScope, OF_CACHE_DIR, OF_PROJECT, Store, TreeError},
};

use super::{Restored, key_of};
use crate::{
    collect::{Collected, Kept, globs, in_set, keep_all},
    spec::{APP_DIR, CACHE_DIR, TreeKind},
};

/// How many entries of a tree are looked at for each file that a step may make: what was submitted is among them.
const ENTRIES_PER_FILE: u64 = 2;
/// How many things of a cache that were left out are named.
const LEFT_NAMED_MAX: usize = 3;

/// What the caches of a step are kept with.
pub(crate) struct Keeper<'a> {
    pub store: &'a Store,
    /// `None`: nothing is kept for whoever submitted this.
    pub scope: Option<&'a CacheScope>,
    pub paths: &'a JobPaths,
    pub step: &'a Step,
    /// The step whose tree it worked in.
    pub owner: &'a Slug,
    pub trees: TreeKind,
    /// Whether the pipeline is the project's own: then what is written counts, and not only what is new.
    pub is_own: bool,
    /// The most that one cache may have, in bytes and files.
    pub bytes: u64,
    pub files: u64,
}

impl Keeper<'_> {
    /// Keeps what the step says, as far as it ended in that way, and writes down what became of each cache.
    pub fn keep(&self, record: &mut StepRecord) {
        if self.step.kind == StepKind::Scan || self.step.caches.is_empty() {
            return;
        }
        // Admission has told that there are none.
        let Some(scope) = self.scope else { return };
        let Restored { caches, warnings, .. } = Restored::of(self.paths, self.owner, &self.step.slug);
        record.warnings.extend(warnings);
        for (index, cache) in self.step.caches.iter().enumerate() {
            let restored = caches.get(index).and_then(|record| record.restored.clone());
            let key = match key_of(cache, index, &self.paths.source()) {
                Ok(key) => key,
                // It was told when the step began.
                Err(_) => continue,
            };
            let mut of_cache = CacheRecord { key, restored, saved: false };
            // A built-in step has nothing to say where nothing was fetched, or nothing since.
            let is_new = self.is_own || self.is_new(cache, scope, &of_cache).unwrap_or(true);
            if is_new && cache.policy.writes() && is_wanted(cache.when, record.status) {
                match self.one(cache, scope, &of_cache.key) {
                    Ok(left) => {
                        of_cache.saved = left.is_empty() || !left.iter().any(|left| left.whole);
                        record.warnings.extend(left.into_iter().map(|left| left.told));
                    }
                    Err(error) => {
                        record.warnings.push(format!("the cache {} was not kept: {error}", shown(&of_cache.key)));
                    }
                }
            }
            record.caches.push(of_cache);
        }
    }

    /// Whether the cache folder of the step has something that the cache that was laid into it has not, going by names and sizes: all
    /// that is kept there is called by what is in it.
    fn is_new(&self, cache: &Cache, scope: &CacheScope, laid: &CacheRecord) -> Result<bool, TreeError> {
        let Some(set) = globs(&cache.in_cache_dir) else { return Ok(true) };
        let folder = Beneath::open(&self.paths.tree(self.owner).join("cache"))?;
        let now = self.walk(&folder, &set, false)?;
        let before =
            match self.store.find_cache(scope, &laid.key)?.filter(|_| laid.restored.as_ref() == Some(&laid.key)) {
                Some(kept) => Beneath::open(&kept.part(OF_CACHE_DIR))?.walk(usize::MAX)?,
                None => Walk::default(),
            };
        let sizes = |walk: &Walk| walk.files.iter().map(|found| (found.path.clone(), found.bytes)).collect::<Vec<_>>();
        Ok(now.cut || sizes(&now) != sizes(&before))
    }

    fn one(&self, cache: &Cache, scope: &CacheScope, key: &str) -> Result<Vec<LeftOut>, TreeError> {
        let draft = self.store.draft_cache()?;
        let mut left = Vec::new();
        let (mut bytes, mut files) = (0, 0);
        for (part, at, patterns) in
            [(OF_PROJECT, APP_DIR, &cache.paths), (OF_CACHE_DIR, CACHE_DIR, &cache.in_cache_dir)]
        {
            // The empty pattern is the folder itself.
            let all = patterns.iter().any(String::is_empty);
            let Some(set) = globs(patterns).filter(|_| !patterns.is_empty()) else { continue };
            let tree = match part {
                OF_PROJECT => crate::tree::open(self.paths, self.owner, self.trees)?,
                _ => Beneath::open(&self.paths.tree(self.owner).join("cache"))?,
            };
            let walk = self.walk(&tree, &set, all)?;
            let to = draft.folder().join(part);
            let (taken, count) = size(&walk);
            (bytes, files) = (bytes + taken, files + count);
            if walk.cut || bytes > self.bytes || files > self.files {
                return Ok(vec![LeftOut::whole(format!(
                    "the cache {} was not kept: it has more than {} MiB or {} files (--cache-size, --step-files)",
                    shown(key),
                    self.bytes / MIB,
                    self.files
                ))]);
            }
            left.extend(self.copy(&tree, &walk, &to, at, key)?);
        }
        if files == 0 {
            let paths: Vec<&str> = cache.paths.iter().chain(&cache.in_cache_dir).map(String::as_str).collect();
            return Ok(vec![LeftOut::whole(format!(
                "the cache {} was not kept: no file matches {}",
                shown(key),
                shown(&paths.join(", "))
            ))]);
        }
        draft.publish(scope, key, bytes)?;
        Ok(left)
    }

    fn walk(&self, tree: &Beneath, set: &GlobSet, all: bool) -> Result<Walk, TreeError> {
        let limit = usize::try_from(ENTRIES_PER_FILE.saturating_mul(self.files)).unwrap_or(usize::MAX);
        Ok(tree.walk_for(limit, &|path| all || in_set(set, path))?)
    }

    fn copy(&self, tree: &Beneath, walk: &Walk, to: &Path, at: &str, key: &str) -> Result<Vec<LeftOut>, TreeError> {
        let mut told = Collected::default();
        let kept = Kept { to: to.to_owned(), at, bytes: self.bytes, files: self.files };
        keep_all(tree, walk, kept, &mut told)?;
        told.warn_left("it", walk);
        let more = told.warnings.len().saturating_sub(LEFT_NAMED_MAX);
        let named = told.warnings.into_iter().take(LEFT_NAMED_MAX);
        let mut left: Vec<LeftOut> =
            named.map(|what| LeftOut::part(format!("the cache {}: {what}", shown(key)))).collect();
        if more > 0 {
            left.push(LeftOut::part(format!("the cache {}: {more} more were left out", shown(key))));
        }
        Ok(left)
    }
}

/// What was left out of a cache.
struct LeftOut {
    told: String,
    /// It was not kept at all.
    whole: bool,
}

impl LeftOut {
    fn whole(told: String) -> Self {
        Self { told, whole: true }
    }

    fn part(told: String) -> Self {
        Self { told, whole: false }
    }
}

fn is_wanted(when: ArtifactsWhen, status: StepState) -> bool {
    match status {
        StepState::Success => when != ArtifactsWhen::OnFailure,
        StepState::Failed => when != ArtifactsWhen::OnSuccess,
        _ => false,
    }
}

fn size(walk: &Walk) -> (u64, u64) {
    let links = walk.links.len() as u64;
    walk.files.iter().fold((0, links), |(bytes, files), found| (bytes.saturating_add(found.bytes), files + 1))
}
