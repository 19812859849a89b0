//! What a pipeline is made for: the variables that are there before its first line, and the files and changes that its rules
//! ask about. A value, so that the same file in the same context always gives the same plan.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::{disk::Versioned, slug::Slug};

/// Where a step finds the project. `CI_PROJECT_DIR` says so.
pub const PROJECT_DIR: &str = "/home/runner/app";

/// Variables that are known only once a step runs, and that the worker sets: what refers to them is left for it.
pub const SET_BY_THE_WORKER: [&str; 4] = ["CI_JOB_ID", "CI_PIPELINE_ID", "CI_PIPELINE_IID", "PIPELINEX_JOB_ID"];

/// What a pipeline is made for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Context {
    /// Predefined variables: anything else of the same name counts more.
    pub predefined: BTreeMap<String, String>,
    /// Variables of whoever submits: they count more than anything else.
    pub given: BTreeMap<String, String>,
    /// The files of the project, for `rules:exists`, as seen from its top.
    pub files: BTreeSet<String>,
    /// The text of those that may be included.
    pub texts: BTreeMap<String, String>,
    /// Whether the project is a clone.
    pub is_clone: bool,
    /// What changed since the refs that `changes: compare_to` names; nothing of an upload.
    pub changes: BTreeMap<String, Changed>,
}

/// What changed since a ref.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Changed {
    /// These paths, as seen from the top of the project: since the last commit that both have in common, as GitLab compares.
    Paths(BTreeSet<String>),
    /// The repository has no such ref.
    NoSuchRef,
    /// Nobody knows, for this reason: it then counts as changed.
    Unknown(String),
}

/// `pipelines/repository.json`: what was known of the repository that a project was taken from. Kept so that the job can be run
/// again without it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Repository {
    /// Schema version of the file.
    pub schema: u32,
    /// The tag, where one was asked for.
    pub tag: Option<String>,
    /// Its default branch.
    pub default_branch: Option<String>,
    /// What changed since each ref that pipeline files compare to.
    pub changes: BTreeMap<String, Changed>,
}

impl Versioned for Repository {
    const SCHEMA: u32 = 1;
}

/// The refs that a pipeline file compares to (`changes: compare_to`), as they are written, plain or quoted. Nothing is parsed for it:
/// one that is found and means nothing costs one look.
pub fn refs_compared_to(text: &str) -> impl Iterator<Item = &str> {
    text.lines().filter_map(|line| {
        let (before, after) = line.split_once("compare_to:")?;
        if before.contains('#') {
            return None;
        }
        let after = after.trim_start();
        let value = match after.chars().next()? {
            quote @ ('"' | '\'') => after[1..].split(quote).next()?,
            _ => after.split([' ', '\t', ',', '}', '#']).next()?,
        };
        (!value.is_empty()).then_some(value)
    })
}

/// Whether a file of a project may be included by a pipeline file whose text is `text`: few projects have any, and then none is read.
pub fn may_be_included<'f>(text: &str, files: impl Iterator<Item = &'f String>) -> Vec<&'f String> {
    const FILES_MAX: usize = 1_000;
    if !text.contains("include") {
        return Vec::new();
    }
    files.filter(|name| name.ends_with(".yml") || name.ends_with(".yaml")).take(FILES_MAX).collect()
}

/// Where a project came from, as far as variables tell of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Origin<'a> {
    /// The name of the project.
    pub project: &'a str,
    /// The pipeline file.
    pub file: &'a str,
    /// The branch, if one is known.
    pub branch: Option<&'a str>,
    /// The tag, if it is one.
    pub tag: Option<&'a str>,
    /// The commit, if one is known.
    pub commit: Option<&'a str>,
    /// What made the pipeline: `web`, `api`.
    pub source: &'a str,
    /// The repository's default branch, if one is known.
    pub default_branch: Option<&'a str>,
}

impl Context {
    /// The predefined variables of a project.
    pub fn of(origin: &Origin<'_>) -> Self {
        const NO_COMMIT: &str = "0000000000000000000000000000000000000000";
        let commit = origin.commit.unwrap_or(NO_COMMIT);
        let short: String = commit.chars().take(8).collect();
        let name = origin.project.rsplit('/').next().unwrap_or_default().trim_end_matches(".git");
        let path = origin
            .project
            .split_once("://")
            .map_or(origin.project, |(_, rest)| rest.split_once('/').map_or(rest, |(_, path)| path));
        let path = path.trim_end_matches(".git");
        let reference = origin.tag.or(origin.branch);
        let mut context = Self::default();
        let mut set = |name: &str, value: &str| _ = context.predefined.insert(name.to_owned(), value.to_owned());
        for name in ["CI", "GITLAB_CI", "PIPELINEX"] {
            set(name, "true");
        }
        set("CI_COMMIT_SHA", commit);
        set("CI_COMMIT_SHORT_SHA", &short);
        set("CI_COMMIT_BEFORE_SHA", NO_COMMIT);
        set("CI_CONFIG_PATH", origin.file);
        set("CI_DEFAULT_BRANCH", origin.default_branch.unwrap_or("main"));
        set("CI_PIPELINE_SOURCE", origin.source);
        set("CI_PROJECT_DIR", PROJECT_DIR);
        set("CI_PROJECT_NAME", name);
        set("CI_PROJECT_PATH", path);
        set("CI_PROJECT_PATH_SLUG", &ref_slug(path));
        set("CI_SERVER", "yes");
        // Of branch and tag one is there, or neither; the other is not even empty.
        origin.tag.into_iter().for_each(|tag| set("CI_COMMIT_TAG", tag));
        origin.branch.filter(|_| origin.tag.is_none()).into_iter().for_each(|branch| set("CI_COMMIT_BRANCH", branch));
        if let Some(reference) = reference {
            set("CI_COMMIT_REF_NAME", reference);
            set("CI_COMMIT_REF_SLUG", &ref_slug(reference));
        }
        context
    }
}

/// What is predefined for one step besides.
pub(crate) fn of_step(
    name: &str,
    stage: &str,
    image: &str,
    (index, total): (Option<usize>, usize),
) -> Vec<(String, String)> {
    let mut set = vec![
        ("CI_JOB_NAME", name.to_owned()),
        ("CI_JOB_NAME_SLUG", ref_slug(name)),
        ("CI_JOB_STAGE", stage.to_owned()),
        ("CI_JOB_IMAGE", image.to_owned()),
        ("CI_NODE_TOTAL", total.to_string()),
        ("PIPELINEX_STEP_SLUG", Slug::of(name).to_string()),
    ];
    set.extend(index.map(|index| ("CI_NODE_INDEX", index.to_string())));
    set.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

/// Lower case, everything but letters and digits a hyphen, 63 bytes, no hyphen at the ends: GitLab's.
fn ref_slug(text: &str) -> String {
    let plain = |c: char| if c.is_ascii_lowercase() || c.is_ascii_digit() { c } else { '-' };
    let slug: String = text.to_lowercase().chars().map(plain).take(63).collect();
    slug.trim_matches('-').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ref_to_compare_to_is_found_however_it_is_written() {
        let found = |line: &str| refs_compared_to(line).collect::<Vec<_>>().join(" ");
        assert_eq!(found("      compare_to: refs/heads/main"), "refs/heads/main");
        assert_eq!(found("  - changes: {paths: [a], compare_to: 'main'}"), "main");
        assert_eq!(found("compare_to: \"$CI_DEFAULT_BRANCH\" # the default"), "$CI_DEFAULT_BRANCH");
        assert_eq!(found("# nothing about compare_to: here"), "");
    }

    #[test]
    fn a_branch_a_tag_or_neither() {
        let known = |branch, tag| {
            let origin = Origin { project: "https://x.org/a/b.git", branch, tag, source: "web", ..Origin::default() };
            let context = Context::of(&origin);
            let names = ["CI_COMMIT_BRANCH", "CI_COMMIT_TAG", "CI_COMMIT_REF_NAME", "CI_COMMIT_REF_SLUG"];
            names.map(|name| context.predefined.get(name).cloned().unwrap_or_else(|| "-".to_owned())).join(" ")
        };
        assert_eq!(known(Some("Feature/A_b-"), None), "Feature/A_b- - Feature/A_b- feature-a-b");
        assert_eq!(known(Some("main"), Some("v1.0")), "- v1.0 v1.0 v1-0");
        assert_eq!(known(None, None), "- - - -");
        let context = Context::of(&Origin { project: "https://x.org/a/b.git", ..Origin::default() });
        assert_eq!(context.predefined["CI_PROJECT_PATH"], "a/b");
        assert_eq!(
            (&*context.predefined["CI_PROJECT_NAME"], &*context.predefined["CI_COMMIT_SHORT_SHA"]),
            ("b", "00000000")
        );
    }
}
