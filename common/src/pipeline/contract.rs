//! The contract file out of the tree.

use std::collections::{BTreeMap, HashMap};

use super::{
    diagnostic::{Code, Rejected},
    fields::{self, Keys, glob, globs, integer, list, mapping, text},
    problems::{At, Problems, quoted},
    stack::{Contains, Contract, OptionalPath, Pattern, SemanticCheck, StackKey, Versions, normalised},
    yaml::{self, Node, Value},
};

/// Reads the file.
pub(super) fn read(file: &str, text: &str) -> Result<Contract, Rejected> {
    let mut problems = Problems::new(file, text);
    let contract = yaml::parse(text, &mut problems).and_then(|root| contract(&root, &mut problems));
    problems.finish(contract)
}

const CONTRACT: Keys = Keys {
    of: "a contract",
    known: &["stack", "versions", "required", "patterns", "contains", "optional", "semantic"],
    planned: &[],
};
const STACK: Keys = Keys { of: "`stack`", known: &["language", "framework", "build_tool"], planned: &[] };
const VERSIONS: Keys = Keys { of: "an entry of `versions`", known: &["default", "supported"], planned: &[] };
const PATTERN: Keys = Keys { of: "an item of `patterns`", known: &["id", "glob", "min", "hint"], planned: &[] };
const CONTAINS: Keys =
    Keys { of: "an item of `contains`", known: &["id", "glob", "text", "exactly", "hint"], planned: &[] };
const OPTIONAL: Keys = Keys { of: "an item of `optional`", known: &["path", "warning"], planned: &[] };

/// Every part is read before any is asked for, so that all problems are noted.
fn contract(root: &Node, problems: &mut Problems<'_>) -> Option<Contract> {
    if !mapping(root, &CONTRACT, problems) {
        return None;
    }
    let stack = fields::required(root, "stack", CONTRACT.of, problems).and_then(|node| stack(node, problems));
    let versions = root.get("versions").map(|node| versions(node, problems)).unwrap_or_default();
    let required = root.get("required").and_then(|node| globs(node, "`required`", problems)).unwrap_or_default();
    let checks = SemanticCheck::ALL.map(|check| (check.as_str(), check));
    let contract = Contract {
        stack: stack.unwrap_or_else(|| StackKey::new("", "", "")),
        versions,
        required,
        patterns: items(root, "patterns", problems, pattern),
        contains: items(root, "contains", problems, contains),
        optional: items(root, "optional", problems, optional),
        semantic: items(root, "semantic", problems, |node, problems| {
            fields::one_of(node, "a semantic check", &checks, problems)
        }),
    };
    check_ids(root, problems);
    Some(contract)
}

fn items<T>(
    root: &Node,
    key: &str,
    problems: &mut Problems<'_>,
    read: impl Fn(&Node, &mut Problems<'_>) -> Option<T>,
) -> Vec<T> {
    let items = root.get(key).and_then(|node| list(node, &quoted(key), problems)).unwrap_or_default();
    items.iter().filter_map(|item| read(item, problems)).collect()
}

fn stack(node: &Node, problems: &mut Problems<'_>) -> Option<StackKey> {
    if !mapping(node, &STACK, problems) {
        return None;
    }
    let [language, framework, build_tool] = ["language", "framework", "build_tool"].map(|key| {
        let word = word(node, key, &STACK, problems)?;
        if normalised(&word.value).is_empty() {
            problems.error(Code::InvalidValue, word.at, format!("{} is no name", quoted(&word.value)));
        }
        Some(word.value)
    });
    Some(StackKey::new(&language?, &framework?, &build_tool?))
}

fn word(node: &Node, key: &str, keys: &Keys, problems: &mut Problems<'_>) -> Option<At<String>> {
    let node = fields::required(node, key, keys.of, problems)?;
    text(node, &quoted(key), problems)
}

fn number(node: &Node, key: &str, keys: &Keys, problems: &mut Problems<'_>) -> Option<u64> {
    let node = fields::required(node, key, keys.of, problems)?;
    integer(node, &quoted(key), problems)
}

fn pattern_of(node: &Node, key: &str, keys: &Keys, problems: &mut Problems<'_>) -> Option<String> {
    let node = fields::required(node, key, keys.of, problems)?;
    glob(node, &quoted(key), problems)
}

fn versions(node: &Node, problems: &mut Problems<'_>) -> BTreeMap<String, Versions> {
    if !matches!(node.value, yaml::Value::Map(_)) {
        fields::wrong_type(node, "`versions`", "a mapping", problems);
    }
    let entries = node.entries().iter();
    entries.filter_map(|entry| Some((entry.key.clone(), versions_of(&entry.value, problems)?))).collect()
}

fn versions_of(node: &Node, problems: &mut Problems<'_>) -> Option<Versions> {
    if !mapping(node, &VERSIONS, problems) {
        return None;
    }
    let default = word(node, "default", &VERSIONS, problems);
    let supported = fields::required(node, "supported", VERSIONS.of, problems)
        .and_then(|node| fields::texts(node, "`supported`", problems));
    let (default, supported) = (default?, supported?);
    let supported: Vec<String> = supported.into_iter().map(|version| version.value).collect();
    if !supported.contains(&default.value) {
        let message = format!("the default {} is not one of `supported`", quoted(&default.value));
        problems.error(Code::InvalidValue, default.at, message);
    }
    Some(Versions { default: default.value, supported })
}

fn pattern(node: &Node, problems: &mut Problems<'_>) -> Option<Pattern> {
    if !mapping(node, &PATTERN, problems) {
        return None;
    }
    let id = word(node, "id", &PATTERN, problems);
    let glob = pattern_of(node, "glob", &PATTERN, problems);
    let min = number(node, "min", &PATTERN, problems);
    let hint = word(node, "hint", &PATTERN, problems);
    Some(Pattern { id: id?.value, glob: glob?, min: min?, hint: hint?.value })
}

fn contains(node: &Node, problems: &mut Problems<'_>) -> Option<Contains> {
    if !mapping(node, &CONTAINS, problems) {
        return None;
    }
    let id = word(node, "id", &CONTAINS, problems);
    let glob = pattern_of(node, "glob", &CONTAINS, problems);
    let text = word(node, "text", &CONTAINS, problems);
    let exactly = number(node, "exactly", &CONTAINS, problems);
    let hint = word(node, "hint", &CONTAINS, problems);
    Some(Contains { id: id?.value, glob: glob?, text: text?.value, exactly: exactly?, hint: hint?.value })
}

fn optional(node: &Node, problems: &mut Problems<'_>) -> Option<OptionalPath> {
    if !mapping(node, &OPTIONAL, problems) {
        return None;
    }
    let path = pattern_of(node, "path", &OPTIONAL, problems);
    let warning = word(node, "warning", &OPTIONAL, problems);
    Some(OptionalPath { path: path?, warning: warning?.value })
}

/// A refusal names its rule, so each rule has a name of its own.
fn check_ids(root: &Node, problems: &mut Problems<'_>) {
    let mut first = HashMap::new();
    let lists = ["patterns", "contains"].iter().filter_map(|key| root.get(key));
    let items =
        lists.filter_map(|node| if let Value::List(items) = &node.value { Some(items) } else { None }).flatten();
    for id in items.filter_map(|item| item.get("id")) {
        let Value::Scalar { text, .. } = &id.value else {
            continue;
        };
        if let Some(first) = first.insert(text.as_str(), id.at) {
            let message = format!("two rules are called {}", quoted(text));
            problems.error(Code::InvalidValue, id.at, message).also(first, "first used here");
        }
    }
}
