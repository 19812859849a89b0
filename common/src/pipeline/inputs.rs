//! `spec: inputs` of an included file, and `$[[ inputs.NAME ]]` in it: values that the including file gives.

use std::collections::BTreeMap;

use super::{
    diagnostic::Code,
    expr,
    fields::{self, mapping},
    keys,
    problems::{Place, Problems, quoted},
    yaml::{Entry, Kind, Node, Value},
};

/// The longest text that values are put into, in bytes.
const TEXT_MAX: usize = 1024 * 1024;

/// The inputs of a file, by name.
pub(crate) type Values = BTreeMap<String, Node>;

/// A file as its head, if it begins with `spec:`, and its body, both with every line at its place.
pub(crate) fn parted(text: &str) -> (Option<String>, String) {
    let content = |line: &&str| !line.trim().is_empty() && !line.trim_start().starts_with('#') && *line != "---";
    if !text.lines().find(content).is_some_and(|line| line.starts_with("spec:")) {
        return (None, text.to_owned());
    }
    let mut begun = false;
    for (head_lines, line) in text.lines().enumerate() {
        if begun && line.trim_end() == "---" {
            let head: String = text.lines().take(head_lines).flat_map(|line| [line, "\n"]).collect();
            let body = text.lines().skip(head_lines + 1).flat_map(|line| [line, "\n"]);
            return (Some(head), "\n".repeat(head_lines + 1) + &body.collect::<String>());
        }
        begun |= line.starts_with("spec:");
    }
    (Some(text.to_owned()), String::new())
}

/// The value of each input, as it is given or by default. `at`: where the file is included.
pub(crate) fn values(
    spec: Option<&Node>,
    given: Option<&Node>,
    at: Place,
    problems: &mut Problems<'_>,
) -> Option<Values> {
    let declared = spec.and_then(|spec| {
        mapping(spec, &keys::SPEC_FILE, problems);
        let spec = spec.get("spec").filter(|spec| mapping(spec, &keys::SPEC, problems))?;
        spec.get("inputs")
    });
    let declared = declared.map(Node::entries).unwrap_or_default();
    if let Some(given) = given
        && !matches!(given.value, Value::Map(_))
    {
        fields::wrong_type(given, "`inputs`", "a mapping", problems);
        return None;
    }
    let given = given.map(Node::entries).unwrap_or_default();
    for entry in given.iter().filter(|entry| !declared.iter().any(|input| input.key == entry.key)) {
        let message = format!("the included file has no input {}", quoted(&entry.key));
        let names = declared.iter().map(|input| input.key.as_str());
        problems.error(Code::UnknownKey, entry.key_at, message).suggest(&entry.key, names, None);
    }
    let mut values = Values::new();
    for input in declared {
        let written = given.iter().find(|entry| entry.key == input.key).map(|entry| &entry.value);
        values.extend(value(input, written, at, problems).map(|value| (input.key.clone(), value)));
    }
    Some(values)
}

fn value(input: &Entry, given: Option<&Node>, at: Place, problems: &mut Problems<'_>) -> Option<Node> {
    let has_keys = !matches!(input.value.value, Value::Null);
    if has_keys && !mapping(&input.value, &keys::INPUT, problems) {
        return None;
    }
    let types = [("string", "string"), ("number", "number"), ("boolean", "boolean"), ("array", "array")];
    let of =
        input.value.get("type").and_then(|node| fields::one_of(node, "`type`", &types, problems)).unwrap_or("string");
    let Some(value) = given.or_else(|| input.value.get("default")) else {
        let message = format!("the included file wants the input {}, and it is not given", quoted(&input.key));
        problems
            .error(Code::MissingKey, at, message)
            .help(format!("write `inputs: {{{}: ...}}` beside `local`", input.key));
        return None;
    };
    let fits = match (of, &value.value) {
        ("string", Value::Scalar { .. }) | ("array", Value::List(_)) => true,
        ("number", Value::Scalar { kind, .. }) => *kind == Kind::Number,
        ("boolean", Value::Scalar { kind, .. }) => matches!(kind, Kind::Bool(_)),
        _ => false,
    };
    if !fits {
        let message = format!("the input {} is of type {of}, here is {}", quoted(&input.key), value.describe());
        problems.error(Code::WrongType, value.at, message);
        return None;
    }
    check(input, value, problems);
    Some(value.clone())
}

/// `options` and `regex`.
fn check(input: &Entry, value: &Node, problems: &mut Problems<'_>) {
    let Value::Scalar { text, .. } = &value.value else { return };
    if let Some(options) = input.value.get("options") {
        let known = fields::texts(options, "`options`", problems).unwrap_or_default();
        if !known.iter().any(|option| option.value == *text) {
            let all: Vec<&str> = known.iter().map(|option| option.value.as_str()).collect();
            let help = format!("it is one of: {}", all.join(", "));
            let message = format!("{} is no value of the input {}", quoted(text), quoted(&input.key));
            problems.error(Code::InvalidValue, value.at, message).suggest(text, all, Some(help));
        }
    }
    if let Some(pattern) = input.value.get("regex")
        && let Some(pattern) = fields::text(pattern, "`regex`", problems)
    {
        match expr::compiled(&pattern.value, "") {
            Ok(regex) if !regex.is_match(text) => {
                let message = format!("{} is no value of the input {}", quoted(text), quoted(&input.key));
                problems
                    .error(Code::InvalidValue, value.at, message)
                    .help(format!("it fits {}", quoted(&pattern.value)));
            }
            Ok(_) => {}
            Err(why) => {
                let message = format!("{} is no regular expression: {why}", quoted(&pattern.value));
                problems.error(Code::InvalidValue, pattern.at, message);
            }
        }
    }
}

/// The file with `$[[ inputs.NAME ]]` replaced. `has_inputs`: whether the file says that it has some; in one that does not, such a
/// text is none of ours.
pub(crate) fn put_in(node: Node, values: &Values, has_inputs: bool, problems: &mut Problems<'_>) -> Node {
    if !has_inputs {
        return node;
    }
    let value = match node.value {
        Value::Scalar { text, kind } if text.contains("$[[") => return scalar(text, kind, node.at, values, problems),
        Value::List(items) => Value::List(items.into_iter().map(|item| put_in(item, values, true, problems)).collect()),
        Value::Map(entries) => {
            let one = |entry: Entry| Entry {
                key: if entry.key.contains("$[[") {
                    replaced(&entry.key, entry.key_at, values, problems)
                } else {
                    entry.key
                },
                key_at: entry.key_at,
                value: put_in(entry.value, values, true, problems),
            };
            Value::Map(entries.into_iter().map(one).collect())
        }
        other => other,
    };
    Node { at: node.at, value }
}

/// A text that is an input alone keeps the kind of that.
fn scalar(text: String, kind: Kind, at: Place, values: &Values, problems: &mut Problems<'_>) -> Node {
    let alone =
        text.trim().strip_prefix("$[[").and_then(|rest| rest.strip_suffix("]]")).filter(|rest| !rest.contains("$[["));
    if let Some(node) = alone.and_then(|inner| inner.trim().strip_prefix("inputs.")).and_then(|name| values.get(name)) {
        return Node { at, value: node.value.clone() };
    }
    let text = replaced(&text, at, values, problems);
    Node { at, value: Value::Scalar { text, kind } }
}

fn replaced(text: &str, at: Place, values: &Values, problems: &mut Problems<'_>) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("$[[") {
        out.push_str(before);
        let Some((inner, after)) = after.split_once("]]") else {
            out.push_str("$[[");
            rest = after;
            continue;
        };
        rest = after;
        let name = inner.trim();
        let known = name.strip_prefix("inputs.").and_then(|name| values.get(name));
        match known.map(|node| &node.value) {
            Some(Value::Scalar { text, .. }) => out.push_str(text),
            Some(_) => {
                let message = format!("{} is a list and stands inside of a text", quoted(name));
                problems.error(Code::WrongType, at, message).help("let it stand alone");
            }
            None if name.contains('|') => {
                problems
                    .error(Code::NotSupported, at, format!("functions of inputs are not supported: {}", quoted(name)))
                    .help("give the input the value that is wanted");
            }
            None => {
                let message = format!("{} is no input of this file", quoted(name));
                let names: Vec<String> = values.keys().map(|name| format!("inputs.{name}")).collect();
                problems.error(Code::UnsetVariable, at, message).suggest(name, names.iter().map(String::as_str), None);
            }
        }
        if out.len() > TEXT_MAX {
            problems.error(Code::TooLarge, at, "a text grows too large once inputs are put in");
            return out;
        }
    }
    out.push_str(rest);
    out
}
