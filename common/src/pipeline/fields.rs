//! Typed reading out of the tree. Each reader notes what does not fit, with the place, and returns `None`, so that its
//! caller goes on to the next key.

use super::{
    diagnostic::Code,
    problems::{At, Place, Problems, quoted},
    yaml::{Kind, Node, Value},
};

/// The keys of one kind of mapping.
pub(crate) struct Keys {
    /// What the mapping is, in the words of a message: "a step".
    pub of: &'static str,
    /// The keys it has.
    pub known: &'static [&'static str],
    /// The keys that GitLab has, and that Pipelinex does not run yet.
    pub planned: &'static [&'static str],
}

/// Checks that the node is a mapping with these keys only.
pub(crate) fn mapping(node: &Node, keys: &Keys, problems: &mut Problems<'_>) -> bool {
    let Value::Map(entries) = &node.value else {
        let message = format!("{} is a mapping, here is {}", keys.of, node.describe());
        problems.error(Code::WrongType, node.at, message);
        return false;
    };
    for entry in entries {
        check_key(&entry.key, entry.key_at, keys, problems);
    }
    true
}

/// Notes a key that the mapping does not have.
pub(crate) fn check_key(key: &str, at: Place, keys: &Keys, problems: &mut Problems<'_>) {
    if keys.known.contains(&key) {
        return;
    }
    if keys.planned.contains(&key) {
        let noted =
            problems.error(Code::NotSupported, at, format!("{} in {} is not supported yet", quoted(key), keys.of));
        if let Some(instead) = super::keys::instead_of(key) {
            noted.help(instead);
        }
        return;
    }
    let all = format!("{} has: {}", keys.of, keys.known.join(", "));
    problems.error(Code::UnknownKey, at, format!("unknown key {} in {}", quoted(key), keys.of)).suggest(
        key,
        keys.known.iter().chain(keys.planned).copied(),
        Some(all),
    );
}

/// A scalar as text; numbers and truth values as they are written.
pub(crate) fn text(node: &Node, what: &str, problems: &mut Problems<'_>) -> Option<At<String>> {
    match &node.value {
        Value::Scalar { text, .. } if !text.is_empty() => Some(At { value: text.clone(), at: node.at }),
        Value::Scalar { .. } => {
            problems.error(Code::InvalidValue, node.at, format!("{what} is empty"));
            None
        }
        _ => {
            wrong_type(node, what, "a text", problems);
            None
        }
    }
}

/// `true` or `false`.
pub(crate) fn boolean(node: &Node, what: &str, problems: &mut Problems<'_>) -> Option<bool> {
    match &node.value {
        Value::Scalar { kind: Kind::Bool(value), .. } => Some(*value),
        _ => {
            wrong_type(node, what, "`true` or `false`", problems);
            None
        }
    }
}

/// A whole number.
pub(crate) fn integer<N: std::str::FromStr>(node: &Node, what: &str, problems: &mut Problems<'_>) -> Option<N> {
    let number = match &node.value {
        Value::Scalar { text, kind: Kind::Number } => text.parse().ok(),
        _ => None,
    };
    if number.is_none() {
        wrong_type(node, what, "a whole number", problems);
    }
    number
}

/// A list of whole numbers, or one by itself; `what`: one of them.
pub(crate) fn integers<N: std::str::FromStr>(node: &Node, what: &str, problems: &mut Problems<'_>) -> Option<Vec<N>> {
    let one = std::slice::from_ref(node);
    let items = if let Value::List(items) = &node.value { items.as_slice() } else { one };
    items.iter().map(|item| integer(item, what, problems)).collect()
}

/// The items of a list.
pub(crate) fn list<'n>(node: &'n Node, what: &str, problems: &mut Problems<'_>) -> Option<&'n [Node]> {
    match &node.value {
        Value::List(items) => Some(items),
        _ => {
            wrong_type(node, what, "a list", problems);
            None
        }
    }
}

/// A list of texts, or one text by itself.
pub(crate) fn texts(node: &Node, what: &str, problems: &mut Problems<'_>) -> Option<Vec<At<String>>> {
    let item = format!("an item of {what}");
    match &node.value {
        Value::List(items) => items.iter().map(|node| text(node, &item, problems)).collect(),
        _ => text(node, what, problems).map(|text| vec![text]),
    }
}

/// The same, where a text may be empty.
pub(crate) fn texts_or_empty(node: &Node, what: &str, problems: &mut Problems<'_>) -> Option<Vec<String>> {
    let one = |node: &Node, problems: &mut Problems<'_>| match &node.value {
        Value::Scalar { text, .. } => Some(text.clone()),
        _ => {
            wrong_type(node, &format!("an item of {what}"), "a text", problems);
            None
        }
    };
    match &node.value {
        Value::List(items) => items.iter().map(|item| one(item, problems)).collect(),
        _ => one(node, problems).map(|text| vec![text]),
    }
}

/// An image that is there is not pulled again: a policy that wants it is refused.
pub(crate) fn check_pull_policy(policy: &Node, problems: &mut Problems<'_>) {
    let words = texts(policy, "`pull_policy`", problems).unwrap_or_default();
    if !words.iter().any(|word| word.value == "if-not-present") {
        problems
            .error(Code::NotSupported, policy.at, "an image that is there is not pulled again")
            .help("write `pull_policy: if-not-present`, or leave it out");
    }
}

/// One of a closed set of words.
pub(crate) fn one_of<T: Copy>(
    node: &Node,
    what: &str,
    choices: &[(&'static str, T)],
    problems: &mut Problems<'_>,
) -> Option<T> {
    let word = text(node, what, problems)?;
    let found = choices.iter().find(|(name, _)| *name == word.value).map(|(_, value)| *value);
    if found.is_none() {
        let names: Vec<_> = choices.iter().map(|(name, _)| *name).collect();
        let all = format!("{what} is one of: {}", names.join(", "));
        let message = format!("{} is no value of {what}", quoted(&word.value));
        problems.error(Code::InvalidValue, word.at, message).suggest(&word.value, names, Some(all));
    }
    found
}

/// A value that a function of text understands.
pub(crate) fn parsed<T>(
    node: &Node,
    what: &str,
    shape: &str,
    read: impl Fn(&str) -> Option<T>,
    problems: &mut Problems<'_>,
) -> Option<T> {
    let written = text(node, what, problems)?;
    let value = read(&written.value);
    if value.is_none() {
        let message = format!("{} is no value of {what}", quoted(&written.value));
        problems.error(Code::InvalidValue, written.at, message).help(shape);
    }
    value
}

/// Globs or paths inside the project.
pub(crate) fn globs(node: &Node, what: &str, problems: &mut Problems<'_>) -> Option<Vec<String>> {
    let globs = texts(node, what, problems)?;
    globs.into_iter().map(|glob| checked_glob(glob, what, problems)).collect()
}

/// One glob or path inside the project.
pub(crate) fn glob(node: &Node, what: &str, problems: &mut Problems<'_>) -> Option<String> {
    let glob = text(node, what, problems)?;
    checked_glob(glob, what, problems)
}

fn checked_glob(glob: At<String>, what: &str, problems: &mut Problems<'_>) -> Option<String> {
    let outside = glob.value.starts_with('/') || glob.value.split('/').any(|part| part == "..");
    if outside {
        let message = format!("{} in {what} leads out of the project", quoted(&glob.value));
        problems.error(Code::InvalidValue, glob.at, message).help("write a path relative to the project's top folder");
        return None;
    }
    if let Err(error) = globset::Glob::new(&glob.value) {
        let message = format!("{} in {what} is no pattern: {}", quoted(&glob.value), error.kind());
        problems.error(Code::InvalidValue, glob.at, message);
        return None;
    }
    Some(glob.value)
}

pub(crate) fn wrong_type(node: &Node, what: &str, expected: &str, problems: &mut Problems<'_>) {
    let message = format!("{what} is {expected}, here is {}", node.describe());
    problems.error(Code::WrongType, node.at, message);
}

/// A key that has to be there.
pub(crate) fn required<'n>(node: &'n Node, key: &str, of: &str, problems: &mut Problems<'_>) -> Option<&'n Node> {
    let found = node.get(key);
    if found.is_none() {
        problems.error(Code::MissingKey, node.at, format!("{of} has no {}", quoted(key)));
    }
    found
}
