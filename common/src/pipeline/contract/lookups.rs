//! Where a contract says that a value is found in a project: `versions: {TOOL: {from: ..}}` and `detect: {tells: ..}`.

use std::collections::BTreeMap;

use regex::Regex;

use super::{STRUCTURED, glob_of, word};
use crate::pipeline::{
    diagnostic::Code,
    fields::{self, Keys, list, mapping, text, texts},
    problems::{Problems, quoted},
    stack::{Lookup, Means, Place, Tell, VersionFile},
    yaml::{Node, Value},
};

const VERSION_FILE: Keys =
    Keys { of: "an item of `from`", known: &["file", "path", "row", "pattern", "means", "level"], planned: &[] };
const TELL: Keys = Keys { of: "an item of `tells`", known: &["file", "path", "row", "pattern", "says"], planned: &[] };
/// The endings of files with `key=value` lines.
const PROPERTIES: &str = ".properties";

/// The files that say which version of a tool is meant, in their order of precedence.
pub(super) fn version_files(node: &Node, problems: &mut Problems<'_>) -> Vec<VersionFile> {
    let items = list(node, "`from`", problems).unwrap_or_default();
    let read = |node: &Node, problems: &mut Problems<'_>| {
        if !mapping(node, &VERSION_FILE, problems) {
            return None;
        }
        let lookup = lookup(node, &VERSION_FILE, problems);
        let means = [
            ("range", Means::Range),
            ("at_least", Means::AtLeast),
            ("nearest", Means::Nearest),
            ("minimum", Means::Minimum),
        ];
        let means = node.get("means").map_or(Some(Means::Range), |n| fields::one_of(n, "`means`", &means, problems));
        let levels = [("error", false), ("warning", true)];
        let warn = node.get("level").map_or(Some(false), |n| fields::one_of(n, "`level`", &levels, problems));
        Some(VersionFile { lookup: lookup?, means: means?, warn: warn? })
    };
    items.iter().filter_map(|item| read(item, problems)).collect()
}

/// What the answer of detection says besides, by name.
pub(super) fn tells(node: &Node, problems: &mut Problems<'_>) -> BTreeMap<String, Vec<Tell>> {
    if !matches!(node.value, Value::Map(_)) {
        fields::wrong_type(node, "`tells`", "a mapping", problems);
    }
    let mut tells = BTreeMap::new();
    for entry in node.entries() {
        let items = list(&entry.value, &quoted(&entry.key), problems).unwrap_or_default();
        let all = items.iter().filter_map(|item| tell(item, problems)).collect();
        tells.insert(entry.key.clone(), all);
    }
    tells
}

fn tell(node: &Node, problems: &mut Problems<'_>) -> Option<Tell> {
    if !mapping(node, &TELL, problems) {
        return None;
    }
    let says = node.get("says").and_then(|node| text(node, "`says`", problems)).map(|text| text.value);
    Some(Tell { lookup: lookup(node, &TELL, problems)?, says })
}

fn lookup(node: &Node, keys: &Keys, problems: &mut Problems<'_>) -> Option<Lookup> {
    let file = glob_of(node, "file", keys, problems)?;
    let structured = STRUCTURED.iter().chain(&[PROPERTIES]).any(|ending| file.ends_with(ending));
    let place = match (node.get("path"), node.get("row"), node.get("pattern")) {
        (None, None, None) => Place::FirstLine,
        (None, Some(_), None) => Place::Row(word(node, "row", keys, problems)?.value),
        (None, None, Some(_)) => Place::Pattern(pattern(node, keys, problems)?),
        (Some(path), None, None) if structured => Place::Path(path_of(path, problems)?),
        (Some(path), None, None) => {
            let message = format!("{} has none of the endings {}, {PROPERTIES}", quoted(&file), STRUCTURED.join(", "));
            problems.error(Code::InvalidValue, path.at, message);
            return None;
        }
        _ => {
            problems.error(Code::InvalidValue, node.at, format!("{} has one of `path`, `row` and `pattern`", keys.of));
            return None;
        }
    };
    Some(Lookup { file, place })
}

/// A regular expression whose first group is the value.
fn pattern(node: &Node, keys: &Keys, problems: &mut Problems<'_>) -> Option<String> {
    let text = word(node, "pattern", keys, problems)?;
    let wrong = match Regex::new(&text.value) {
        Ok(pattern) if pattern.captures_len() == 2 => return Some(text.value),
        Ok(_) => "`pattern` has one group, which is the value".to_owned(),
        Err(error) => format!("`pattern` is no regular expression: {error}"),
    };
    problems.error(Code::InvalidValue, text.at, wrong);
    None
}

/// The keys of a path: a list of them, or one text with dots between them.
fn path_of(node: &Node, problems: &mut Problems<'_>) -> Option<Vec<String>> {
    let keys = texts(node, "`path`", problems)?;
    let keys: Vec<String> = keys.into_iter().map(|key| key.value).collect();
    Some(match (&node.value, keys.as_slice()) {
        (Value::Scalar { .. }, [dotted]) => dotted.split('.').map(str::to_owned).collect(),
        _ => keys,
    })
}
