//! `only` and `except`: GitLab's old way to say for which branches and tags a step is there. Read as far as they speak of refs, with a
//! notice; `rules` say the same and more.

use std::collections::BTreeMap;

use super::{
    diagnostic::Code,
    expr,
    fields::{self, mapping},
    keys,
    problems::{At, Problems, quoted},
    yaml::{Node, Value},
};

/// The words that stand for a kind of ref, or for what made the pipeline.
const WORDS: [&str; 12] = [
    "branches",
    "tags",
    "pushes",
    "web",
    "api",
    "schedules",
    "triggers",
    "pipelines",
    "merge_requests",
    "external",
    "chat",
    "external_pull_requests",
];

/// For which refs a step is there.
#[derive(Clone)]
pub(crate) struct Refs {
    only: Option<Vec<Pattern>>,
    except: Vec<Pattern>,
}

#[derive(Clone)]
struct Pattern {
    text: String,
    regex: Option<regex::Regex>,
    /// The project that it is for.
    project: Option<String>,
}

/// Reads `only` and `except` of a step; `None`: it has neither.
pub(crate) fn read(step: &Node, problems: &mut Problems<'_>) -> Option<Refs> {
    let entries = step.entries().iter().filter(|entry| matches!(entry.key.as_str(), "only" | "except"));
    let mut found = false;
    for entry in entries {
        found = true;
        let key = quoted(&entry.key);
        if step.get("rules").is_some() {
            let message = format!("{key} and `rules` cannot stand together");
            problems.error(Code::InvalidValue, entry.key_at, message).help(format!("write {key} as a rule"));
        } else {
            let message = format!("{key} is an old way to write `rules`");
            let help = "write `rules:`, such as `rules: [{if: '$CI_COMMIT_BRANCH == \"main\"'}]`";
            problems.warning(Code::Notice, entry.key_at, message).help(help);
        }
    }
    let mut patterns = |key: &str| step.get(key).map(|node| read_patterns(node, key, problems));
    let (only, except) = (patterns("only"), patterns("except"));
    found.then(|| Refs { only, except: except.unwrap_or_default() })
}

fn read_patterns(node: &Node, key: &str, problems: &mut Problems<'_>) -> Vec<Pattern> {
    let what = quoted(key);
    let node = match &node.value {
        Value::Map(_) if mapping(node, &keys::REFS, problems) => {
            match fields::required(node, "refs", &what, problems) {
                Some(refs) => refs,
                None => return Vec::new(),
            }
        }
        Value::Map(_) => return Vec::new(),
        _ => node,
    };
    let written = fields::texts(node, &what, problems).unwrap_or_default();
    written.into_iter().filter_map(|text| pattern(text, problems)).collect()
}

fn pattern(written: At<String>, problems: &mut Problems<'_>) -> Option<Pattern> {
    let text = written.value;
    let (text, project) = match text.rsplit_once('@') {
        // An `@` inside of a regular expression belongs to that.
        Some((text, project)) if text.get(1..).is_none_or(|rest| !text.starts_with('/') || rest.contains('/')) => {
            (text.to_owned(), Some(project.to_owned()))
        }
        _ => (text, None),
    };
    let mut regex = None;
    if text.len() > 1 && text.starts_with('/') {
        match expr::regex(&text) {
            Ok(read) => regex = Some(read),
            Err(why) => {
                let message = format!("{} is no regular expression: {why}", quoted(&text));
                problems.error(Code::BadExpression, written.at, message);
                return None;
            }
        }
    }
    Some(Pattern { text, regex, project })
}

impl Refs {
    /// Whether the step is there, by what is predefined.
    pub fn fit(&self, known: &BTreeMap<String, String>) -> bool {
        let any = |patterns: &[Pattern]| patterns.iter().any(|pattern| pattern.fits(known));
        self.only.as_deref().is_none_or(any) && !any(&self.except)
    }
}

impl Pattern {
    fn fits(&self, known: &BTreeMap<String, String>) -> bool {
        let value = |name: &str| known.get(name).map(String::as_str);
        let of_project = self.project.as_deref().is_none_or(|project| value("CI_PROJECT_PATH") == Some(project));
        let (branch, tag) = (value("CI_COMMIT_BRANCH"), value("CI_COMMIT_TAG"));
        let source = value("CI_PIPELINE_SOURCE");
        let fits = match (self.text.as_str(), &self.regex) {
            (_, Some(regex)) => branch.or(tag).is_some_and(|name| regex.is_match(name)),
            ("branches", _) => branch.is_some(),
            ("tags", _) => tag.is_some(),
            ("pushes", _) => source == Some("push"),
            (word, _) if WORDS.contains(&word) => {
                source.is_some_and(|source| source == word || format!("{source}s") == word)
            }
            (name, _) => branch.or(tag) == Some(name),
        };
        fits && of_project
    }
}
