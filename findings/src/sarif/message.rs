//! What a result says (section 3.11): its own text, or one of the texts of its rule, with arguments filled in.

use serde_json::Value;

use super::{list, rules::Rule};
use crate::MAX_TEXT;

/// The text of a result; where it has none, the description of its rule.
pub(super) fn of(result: &Value, rule: &Rule<'_>) -> String {
    let message = &result["message"];
    let looked_up = || {
        let id = message["id"].as_str()?;
        let [own, tool] = rule.components;
        let lists = [&rule.about["messageStrings"], &own["globalMessageStrings"], &tool["globalMessageStrings"]];
        lists.iter().find_map(|list| text(&list[id], "text").or_else(|| text(&list[id], "markdown")))
    };
    let own = text(message, "text").or_else(looked_up).or_else(|| text(message, "markdown"));
    match own {
        Some(own) => filled(own, list(&message["arguments"])),
        None => {
            let descriptions = ["shortDescription", "fullDescription"].iter();
            let described = descriptions.copied().find_map(|key| text(&rule.about[key], "text"));
            described.or_else(|| text(message, "id")).unwrap_or_default().to_owned()
        }
    }
}

fn text<'a>(value: &'a Value, key: &str) -> Option<&'a str> {
    value[key].as_str().filter(|text| !text.trim().is_empty())
}

/// Fills arguments into `{0}`, and makes one brace of two. A placeholder without an argument stays. No more is made than can
/// be shown: a short text may repeat a long argument without end.
fn filled(text: &str, arguments: &[Value]) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find(['{', '}']).filter(|_| out.len() <= 8 * MAX_TEXT) {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        if rest.starts_with("{{") || rest.starts_with("}}") {
            out.push_str(&rest[..1]);
            rest = &rest[2..];
            continue;
        }
        match placeholder(rest) {
            Some((number, length)) if number < arguments.len() => {
                out.push_str(&argument(&arguments[number]));
                rest = &rest[length..];
            }
            _ => {
                out.push_str(&rest[..1]);
                rest = &rest[1..];
            }
        }
    }
    out.push_str(rest);
    out
}

/// The number in `{12}` at the beginning of a text, and how long all of it is.
fn placeholder(text: &str) -> Option<(usize, usize)> {
    let end = text.find('}')?;
    let digits = text.get(1..end).filter(|digits| !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()))?;
    Some((digits.parse().ok()?, end + 1))
}

fn argument(value: &Value) -> String {
    match value {
        Value::String(text) => text.chars().take(MAX_TEXT + 1).collect(),
        other => other.to_string().chars().take(MAX_TEXT + 1).collect(),
    }
}
