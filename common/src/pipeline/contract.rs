//! The contract file out of the tree.

mod lookups;

use std::collections::{BTreeMap, HashMap};

use super::{
    diagnostic::{Code, Rejected},
    fields::{self, Keys, glob, globs, integer, list, mapping, parsed, text},
    problems::{At, Problems, quoted},
    stack::{
        BuildOutput, Contains, Contract, Marker, Mention, OptionalPath, Pattern, StackKey, ValueCheck, ValueTest,
        Versions, normalised,
    },
    yaml::{self, Node, Value},
};
use crate::database::DatabaseKind;

/// Reads the file.
pub(super) fn read(file: &str, text: &str, checks: &[&'static str]) -> Result<Contract, Rejected> {
    let mut problems = Problems::new(file, text);
    let contract = yaml::parse(text, &mut problems).and_then(|root| contract(&root, checks, &mut problems));
    problems.finish(contract)
}

const CONTRACT: Keys = Keys {
    of: "a contract",
    known: &[
        "stack",
        "pipeline",
        "detect",
        "versions",
        "required",
        "patterns",
        "contains",
        "values",
        "optional",
        "semantic",
        "applies",
        "mentions",
        "build_output",
    ],
    planned: &[],
};
const STACK: Keys = Keys { of: "`stack`", known: &["language", "framework", "build_tool", "frameworks"], planned: &[] };
const VERSIONS: Keys = Keys { of: "an entry of `versions`", known: &["default", "supported", "from"], planned: &[] };
const PATTERN: Keys = Keys { of: "an item of `patterns`", known: &["id", "glob", "min", "hint"], planned: &[] };
const CONTAINS: Keys = Keys {
    of: "an item of `contains`",
    known: &["id", "glob", "text", "exactly", "min", "several", "hint"],
    planned: &[],
};
const VALUE: Keys = Keys {
    of: "an item of `values`",
    known: &["id", "file", "path", "is", "one_of", "like", "accepts", "level", "message", "hint"],
    planned: &[],
};
const MENTION: Keys = Keys {
    of: "an item of `mentions`",
    known: &["id", "glob", "any", "unless", "without_database", "warning"],
    planned: &[],
};
const BUILD_OUTPUT: Keys = Keys { of: "an item of `build_output`", known: &["folder", "beside"], planned: &[] };
const DETECT: Keys = Keys { of: "`detect`", known: &["markers", "tells", "fallback"], planned: &[] };
const MARKER: Keys = Keys { of: "an item of `markers`", known: &["file", "text", "weight"], planned: &[] };
const OPTIONAL: Keys = Keys { of: "an item of `optional`", known: &["path", "warning"], planned: &[] };

/// Every part is read before any is asked for, so that all problems are noted.
fn contract(root: &Node, checks: &[&'static str], problems: &mut Problems<'_>) -> Option<Contract> {
    if !mapping(root, &CONTRACT, problems) {
        return None;
    }
    let stack = fields::required(root, "stack", CONTRACT.of, problems).and_then(|node| stack(node, problems));
    let frameworks = root.get("stack").and_then(|node| node.get("frameworks"));
    let frameworks = frameworks.and_then(|node| fields::texts(node, "`frameworks`", problems)).unwrap_or_default();
    let frameworks = frameworks.into_iter().map(|word| word.value).collect();
    let versions = root.get("versions").map(|node| versions(node, problems)).unwrap_or_default();
    let required = root.get("required").and_then(|node| globs(node, "`required`", problems)).unwrap_or_default();
    let checks: Vec<(&'static str, &'static str)> = checks.iter().map(|name| (*name, *name)).collect();
    let values = items(root, "values", problems, value);
    check_tools(root, &versions, problems);
    let detect = root.get("detect").filter(|node| mapping(node, &DETECT, problems));
    let part = |key: &str| detect.and_then(|node| node.get(key));
    let contract = Contract {
        stack: stack.unwrap_or_else(|| StackKey::new("", "", "")),
        frameworks,
        versions,
        required,
        patterns: items(root, "patterns", problems, pattern),
        contains: items(root, "contains", problems, contains),
        optional: items(root, "optional", problems, optional),
        values,
        mentions: items(root, "mentions", problems, mention),
        build_output: items(root, "build_output", problems, build_output),
        semantic: items(root, "semantic", problems, |node, problems| {
            fields::one_of(node, "a semantic check", &checks, problems).map(str::to_owned)
        }),
        pipeline: root
            .get("pipeline")
            .and_then(|node| parsed(node, "`pipeline`", PIPELINE_SHAPE, pipeline_name, problems)),
        markers: detect.map(|node| items(node, "markers", problems, marker)).unwrap_or_default(),
        tells: part("tells").map(|node| lookups::tells(node, problems)).unwrap_or_default(),
        fallback: part("fallback").and_then(|node| fields::boolean(node, "`fallback`", problems)).unwrap_or_default(),
        applies: root.get("applies").map(|node| applies(node, problems)).unwrap_or_default(),
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

fn glob_of(node: &Node, key: &str, keys: &Keys, problems: &mut Problems<'_>) -> Option<String> {
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
    let from = node.get("from").map(|node| lookups::version_files(node, problems)).unwrap_or_default();
    Some(Versions { default: default.value, supported, from })
}

/// The files of which a stage needs some.
fn applies(node: &Node, problems: &mut Problems<'_>) -> BTreeMap<String, Vec<String>> {
    if !matches!(node.value, yaml::Value::Map(_)) {
        fields::wrong_type(node, "`applies`", "a mapping of stages", problems);
    }
    let entries = node.entries().iter();
    entries.filter_map(|entry| Some((entry.key.clone(), globs(&entry.value, &quoted(&entry.key), problems)?))).collect()
}

fn pattern(node: &Node, problems: &mut Problems<'_>) -> Option<Pattern> {
    if !mapping(node, &PATTERN, problems) {
        return None;
    }
    let id = word(node, "id", &PATTERN, problems);
    let glob = glob_of(node, "glob", &PATTERN, problems);
    let min = number(node, "min", &PATTERN, problems);
    let hint = word(node, "hint", &PATTERN, problems);
    Some(Pattern { id: id?.value, glob: glob?, min: min?, hint: hint?.value })
}

fn contains(node: &Node, problems: &mut Problems<'_>) -> Option<Contains> {
    if !mapping(node, &CONTAINS, problems) {
        return None;
    }
    let id = word(node, "id", &CONTAINS, problems);
    let glob = glob_of(node, "glob", &CONTAINS, problems);
    let wanted = word(node, "text", &CONTAINS, problems);
    let count = contains_count(node, problems);
    let several = node.get("several").and_then(|node| text(node, "`several`", problems)).map(|text| text.value);
    let hint = word(node, "hint", &CONTAINS, problems);
    let (min, max) = count?;
    Some(Contains { id: id?.value, glob: glob?, text: wanted?.value, min, max, several, hint: hint?.value })
}

/// How often at least and at most.
fn contains_count(node: &Node, problems: &mut Problems<'_>) -> Option<(u64, Option<u64>)> {
    match (node.get("exactly"), node.get("min"), node.get("several")) {
        (Some(exactly), None, None) => integer(exactly, "`exactly`", problems).map(|count| (count, Some(count))),
        (None, Some(min), _) => Some((integer(min, "`min`", problems)?, None)),
        _ => {
            let message = "an item of `contains` has either `exactly`, or `min` and, if wanted, `several`";
            problems.error(Code::InvalidValue, node.at, message.to_owned());
            None
        }
    }
}

fn optional(node: &Node, problems: &mut Problems<'_>) -> Option<OptionalPath> {
    if !mapping(node, &OPTIONAL, problems) {
        return None;
    }
    let path = glob_of(node, "path", &OPTIONAL, problems);
    let warning = word(node, "warning", &OPTIONAL, problems);
    Some(OptionalPath { path: path?, warning: warning?.value })
}

const PIPELINE_SHAPE: &str = "the name of a pipeline has lower-case letters, digits and hyphens";

fn pipeline_name(text: &str) -> Option<String> {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (text.len() <= 100 && text.bytes().all(plain)).then(|| text.to_owned())
}

/// The endings of files in which a value can be looked up.
const STRUCTURED: [&str; 5] = [".json", ".yml", ".yaml", ".toml", ".xml"];

fn value(node: &Node, problems: &mut Problems<'_>) -> Option<ValueCheck> {
    if !mapping(node, &VALUE, problems) {
        return None;
    }
    let id = word(node, "id", &VALUE, problems);
    let file = glob_of(node, "file", &VALUE, problems);
    if let Some(file) = file.as_ref().filter(|file| !STRUCTURED.iter().any(|ending| file.ends_with(ending))) {
        let message = format!("{} has none of the endings {}", quoted(file), STRUCTURED.join(", "));
        problems.error(Code::InvalidValue, node.at, message);
    }
    let path = word(node, "path", &VALUE, problems);
    let levels = [("error", false), ("warning", true)];
    let warn = node.get("level").map_or(Some(false), |node| fields::one_of(node, "`level`", &levels, problems));
    let test = value_test(node, problems);
    let message = word(node, "message", &VALUE, problems);
    let hint = word(node, "hint", &VALUE, problems);
    Some(ValueCheck {
        id: id?.value,
        file: file?,
        path: path?.value,
        test: test?,
        warn: warn?,
        message: message?.value,
        hint: hint?.value,
    })
}

fn mention(node: &Node, problems: &mut Problems<'_>) -> Option<Mention> {
    if !mapping(node, &MENTION, problems) {
        return None;
    }
    let id = word(node, "id", &MENTION, problems);
    let glob = glob_of(node, "glob", &MENTION, problems);
    let any =
        fields::required(node, "any", MENTION.of, problems).and_then(|node| fields::texts(node, "`any`", problems));
    let unless = node.get("unless").map(|node| fields::texts(node, "`unless`", problems));
    let kind = |text: &str| match text {
        "true" => Some(Some(DatabaseKind::Postgresql)),
        "false" => Some(None),
        word => word.parse().ok().map(Some),
    };
    let kinds = "it names a database: postgresql, mysql, mariadb or redis";
    let without_database =
        node.get("without_database").map(|node| fields::parsed(node, "`without_database`", kinds, kind, problems));
    let warning = word(node, "warning", &MENTION, problems);
    let plain = |texts: Vec<At<String>>| texts.into_iter().map(|text| text.value).collect();
    Some(Mention {
        id: id?.value,
        glob: glob?,
        any: plain(any?),
        unless: plain(unless.unwrap_or_default().unwrap_or_default()),
        without_database: without_database.flatten().flatten(),
        warning: warning?.value,
    })
}

fn build_output(node: &Node, problems: &mut Problems<'_>) -> Option<BuildOutput> {
    if !mapping(node, &BUILD_OUTPUT, problems) {
        return None;
    }
    let [folder, beside] = ["folder", "beside"].map(|key| word(node, key, &BUILD_OUTPUT, problems));
    Some(BuildOutput { folder: folder?.value, beside: beside?.value })
}

fn value_test(node: &Node, problems: &mut Problems<'_>) -> Option<ValueTest> {
    let given: Vec<&str> =
        ["is", "one_of", "like", "accepts"].into_iter().filter(|key| node.get(key).is_some()).collect();
    let [key] = given[..] else {
        let message = "an item of `values` names one of `is`, `one_of`, `like` and `accepts`";
        problems.error(Code::InvalidValue, node.at, message.to_owned());
        return None;
    };
    let node = node.get(key)?;
    match key {
        "is" => {
            let words = [("present", ValueTest::Present), ("absent", ValueTest::Absent)];
            let found = fields::one_of(node, "`is`", &[("present", 0), ("absent", 1)], problems)?;
            words.into_iter().nth(found).map(|(_, test)| test)
        }
        "one_of" => {
            let texts = fields::texts(node, "`one_of`", problems)?;
            Some(ValueTest::OneOf(texts.into_iter().map(|text| text.value).collect()))
        }
        "like" => Some(ValueTest::Like(glob(node, "`like`", problems)?)),
        _ => Some(ValueTest::Accepts(text(node, "`accepts`", problems)?.value)),
    }
}

/// A tool whose version a check asks for has to be one that the stack has versions of.
fn check_tools(root: &Node, versions: &BTreeMap<String, Versions>, problems: &mut Problems<'_>) {
    let Some(Value::List(items)) = root.get("values").map(|node| &node.value) else {
        return;
    };
    for node in items.iter().filter_map(|item| item.get("accepts")) {
        if let Value::Scalar { text, .. } = &node.value
            && !versions.contains_key(text)
        {
            let message = format!("`versions` has no {}", quoted(text));
            problems.error(Code::InvalidValue, node.at, message).suggest(
                text,
                versions.keys().map(String::as_str),
                None,
            );
        }
    }
}

fn marker(node: &Node, problems: &mut Problems<'_>) -> Option<Marker> {
    if !mapping(node, &MARKER, problems) {
        return None;
    }
    let file = glob_of(node, "file", &MARKER, problems);
    let text = node.get("text").and_then(|node| text(node, "`text`", problems)).map(|text| text.value);
    let weight = fields::required(node, "weight", MARKER.of, problems)
        .and_then(|node| integer::<u32>(node, "`weight`", problems));
    Some(Marker { file: file?, text, weight: weight? })
}

/// A refusal names its rule, so each rule has a name of its own.
fn check_ids(root: &Node, problems: &mut Problems<'_>) {
    let mut first = HashMap::new();
    let lists = ["patterns", "contains", "values", "mentions"].iter().filter_map(|key| root.get(key));
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
