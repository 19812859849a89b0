//! `cache`: what of a step's tree is kept for the steps of later jobs, and under which key.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{
    context::PROJECT_DIR,
    diagnostic::Code,
    fields::{self, mapping, text},
    keys,
    model::ArtifactsWhen,
    problems::{At, Problems, quoted},
    vars,
    yaml::{Node, Value},
};

/// The most caches of one step: GitLab's limit.
pub(crate) const CACHES_MAX: usize = 4;
/// The most `fallback_keys` of one cache: GitLab's limit.
pub(crate) const FALLBACKS_MAX: usize = 5;
/// The most patterns of `key: files`: GitLab's limit.
pub(crate) const KEY_FILES_MAX: usize = 2;
/// The key of a cache that names none.
pub const DEFAULT_KEY: &str = "default";
/// How paths in the step's own cache folder begin; what stands for it is known to the step alone.
const CACHE_DIR: [&str; 2] = ["$CACHE_DIR", "${CACHE_DIR}"];

/// A cache of a step.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cache {
    /// Under which key it is kept.
    pub key: CacheKey,
    /// Under which keys one is looked for besides, the first that is there counts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fallback_keys: Vec<String>,
    /// Globs of files and folders, relative to the project.
    pub paths: Vec<String>,
    /// The same below `$CACHE_DIR`; an empty one is all of it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub in_cache_dir: Vec<String>,
    /// Whether it is read, written or both.
    pub policy: CachePolicy,
    /// After which ends of the step it is written.
    pub when: ArtifactsWhen,
}

/// Under which key a cache is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CacheKey {
    /// This one.
    Text(String),
    /// One made of what is in these files of the project.
    Files {
        /// What it begins with; `None`: the place of the cache among those of the step.
        prefix: Option<String>,
        /// Globs.
        files: Vec<String>,
    },
}

/// Whether a cache is read, written or both.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CachePolicy {
    /// Read before the step, and written after it.
    #[default]
    PullPush,
    /// Only read.
    Pull,
    /// Only written.
    Push,
}

impl CachePolicy {
    /// Whether it is read.
    pub fn reads(self) -> bool {
        self != Self::Push
    }

    /// Whether it is written.
    pub fn writes(self) -> bool {
        self != Self::Pull
    }
}

const POLICIES: [(&str, CachePolicy); 3] =
    [("pull-push", CachePolicy::PullPush), ("pull", CachePolicy::Pull), ("push", CachePolicy::Push)];

/// A cache as it is written.
#[derive(Clone)]
pub(crate) struct RawCache {
    key: RawKey,
    fallback_keys: Vec<At<String>>,
    paths: Vec<At<String>>,
    policy: Option<At<String>>,
    when: ArtifactsWhen,
}

#[derive(Clone)]
enum RawKey {
    Text(Option<At<String>>),
    Files { prefix: Option<At<String>>, files: Vec<String> },
}

/// Reads `cache`, one or several; what does not fit is noted and left out.
pub(crate) fn read(node: &Node, problems: &mut Problems<'_>) -> Vec<RawCache> {
    let one = std::slice::from_ref(node);
    let items = if let Value::List(items) = &node.value { items.as_slice() } else { one };
    if items.len() > CACHES_MAX {
        let message = format!("a step has at most {CACHES_MAX} caches, here are {}", items.len());
        problems.error(Code::InvalidValue, node.at, message);
    }
    items.iter().filter_map(|item| read_one(item, problems)).collect()
}

fn read_one(node: &Node, problems: &mut Problems<'_>) -> Option<RawCache> {
    if !mapping(node, &keys::CACHE, problems) || node.entries().is_empty() {
        return None;
    }
    let choices = [
        ("on_success", ArtifactsWhen::OnSuccess),
        ("on_failure", ArtifactsWhen::OnFailure),
        ("always", ArtifactsWhen::Always),
    ];
    let when = node.get("when").and_then(|node| fields::one_of(node, "`cache: when`", &choices, problems));
    let policy = node.get("policy").and_then(|node| read_policy(node, problems));
    let mut listed = |key: &str| {
        let written = node.get(key)?;
        let what = format!("`{key}`");
        fields::list(written, &what, problems)?;
        fields::texts(written, &what, problems)
    };
    let (paths, fallback_keys) = (listed("paths").unwrap_or_default(), listed("fallback_keys").unwrap_or_default());
    if node.get("paths").is_none() {
        problems
            .warning(Code::Notice, node.at, "this cache has no `paths`: nothing is kept")
            .help("name files or folders with `paths`");
    }
    if fallback_keys.len() > FALLBACKS_MAX {
        let message = format!("a cache has at most {FALLBACKS_MAX} fallback keys, here are {}", fallback_keys.len());
        problems.error(Code::InvalidValue, node.get("fallback_keys").map_or(node.at, |keys| keys.at), message);
    }
    fallback_keys.iter().for_each(|key| check_key(key, problems));
    let key = node.get("key").map_or(RawKey::Text(None), |node| read_key(node, problems));
    Some(RawCache { key, fallback_keys, paths, policy, when: when.unwrap_or_default() })
}

fn read_key(node: &Node, problems: &mut Problems<'_>) -> RawKey {
    let Value::Map(_) = &node.value else {
        let key = text(node, "`key`", problems);
        key.iter().for_each(|key| check_key(key, problems));
        return RawKey::Text(key);
    };
    mapping(node, &keys::CACHE_KEY, problems);
    let prefix = node.get("prefix").and_then(|node| text(node, "`prefix`", problems));
    prefix.iter().for_each(|prefix| check_key(prefix, problems));
    let mut files = Vec::new();
    if let Some(written) = fields::required(node, "files", "`key`", problems)
        && let Some(items) = fields::list(written, "`files`", problems)
    {
        if !(1..=KEY_FILES_MAX).contains(&items.len()) {
            let message = format!("`files` of a key has 1 to {KEY_FILES_MAX} patterns, here are {}", items.len());
            problems.error(Code::InvalidValue, written.at, message);
        }
        files = fields::globs(written, "`files`", problems).unwrap_or_default();
    }
    RawKey::Files { prefix, files }
}

/// GitLab's rule, whose keys are names of folders.
fn check_key(key: &At<String>, problems: &mut Problems<'_>) {
    let plain = key.value.to_ascii_lowercase().replace("%2e", ".");
    if plain.contains('/') || plain.contains("%2f") || plain.bytes().all(|b| b == b'.') {
        let message = format!("{} is no key of a cache", quoted(&key.value));
        problems.error(Code::InvalidValue, key.at, message).help("a key has no `/` in it, and is more than dots");
    }
}

fn read_policy(node: &Node, problems: &mut Problems<'_>) -> Option<At<String>> {
    let written = text(node, "`policy`", problems)?;
    if !written.value.contains('$') {
        policy_of(&written, problems);
    }
    Some(written)
}

fn policy_of(written: &At<String>, problems: &mut Problems<'_>) -> CachePolicy {
    let found = POLICIES.iter().find(|(name, _)| *name == written.value);
    if found.is_none() {
        let message = format!("{} is no value of `policy`", quoted(&written.value));
        let names = POLICIES.map(|(name, _)| name);
        let all = format!("`policy` is one of: {}", names.join(", "));
        problems.error(Code::InvalidValue, written.at, message).suggest(&written.value, names, Some(all));
    }
    found.map(|(_, policy)| *policy).unwrap_or_default()
}

/// The caches of a step, once its variables are known. `values`: what `$NAME` stands for; `None`: nothing is put in. One that
/// names no path is none.
pub(crate) fn settled(
    written: &[RawCache],
    values: Option<&BTreeMap<String, String>>,
    problems: &mut Problems<'_>,
) -> Vec<Cache> {
    let put = |text: &At<String>, what: &str, problems: &mut Problems<'_>| match values {
        Some(values) => vars::expand(text, what, values, problems),
        None => text.value.clone(),
    };
    let mut all = Vec::with_capacity(written.len());
    for raw in written.iter().filter(|raw| !raw.paths.is_empty()) {
        let key = match &raw.key {
            RawKey::Text(None) => CacheKey::Text(DEFAULT_KEY.to_owned()),
            RawKey::Text(Some(key)) => CacheKey::Text(put(key, "`key` of a cache", problems)),
            RawKey::Files { prefix, files } => CacheKey::Files {
                prefix: prefix.as_ref().map(|prefix| put(prefix, "`prefix` of a cache", problems)),
                files: files.clone(),
            },
        };
        let fallbacks = raw.fallback_keys.iter().map(|key| put(key, "`fallback_keys`", problems));
        let fallback_keys = fallbacks.collect();
        let (mut paths, mut in_cache_dir) = (Vec::new(), Vec::new());
        for path in &raw.paths {
            let below = CACHE_DIR.iter().find_map(|dir| path.value.strip_prefix(dir));
            match below.filter(|rest| rest.is_empty() || rest.starts_with('/')) {
                Some(rest) => {
                    let rest = At { value: rest.trim_start_matches('/').to_owned(), at: path.at };
                    in_cache_dir.extend(inside(&rest, &put(&rest, "a path of `cache`", problems), problems));
                }
                None => paths.extend(inside(path, &put(path, "a path of `cache`", problems), problems)),
            }
        }
        let policy = raw.policy.as_ref().map(|policy| {
            let value = put(policy, "`policy`", problems);
            policy_of(&At { value, at: policy.at }, problems)
        });
        let policy = policy.unwrap_or_default();
        all.push(Cache { key, fallback_keys, paths, in_cache_dir, policy, when: raw.when });
    }
    all
}

/// A path that stays inside of its folder, as a pattern.
fn inside(written: &At<String>, path: &str, problems: &mut Problems<'_>) -> Option<String> {
    let path = path.strip_prefix(&format!("{PROJECT_DIR}/")).unwrap_or(path).trim_start_matches("./");
    if path.starts_with('/') || path.split('/').any(|part| part == "..") {
        problems
            .error(Code::InvalidValue, written.at, format!("{} in `cache: paths` leads out of the project", quoted(path)))
            .help("write a path relative to the project's top folder, or one below `$CACHE_DIR`, and have the tool write there");
        return None;
    }
    if let Err(error) = globset::Glob::new(path) {
        let message = format!("{} in `cache: paths` is no pattern: {}", quoted(path), error.kind());
        problems.error(Code::InvalidValue, written.at, message);
        return None;
    }
    Some(path.to_owned())
}
