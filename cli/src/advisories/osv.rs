//! One advisory in the OSV format, as far as an import has to know it.
//!
//! osv-scanner passes over an advisory that it does not understand without a word, and it does not understand one with a
//! field, or a kind of severity, that it does not know. So what is imported is looked at here, and such things are left out.

use std::collections::BTreeSet;

use jiff::Timestamp;
use pipelinex_common::{advisories::Ecosystem, foreign::shown};
use serde_json::Value;

use self::Shape::{Any, Fields, List, Typed};

/// The longest id, in bytes: the longest published ones have about 30.
const ID_BYTES: usize = 100;

/// What an import has to know of an advisory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Advisory {
    /// Its name, and that of its file.
    pub id: String,
    /// The ecosystems of the packages that it affects.
    pub ecosystems: BTreeSet<Ecosystem>,
    /// When it was last changed.
    pub changed: Option<Timestamp>,
    /// Whether it has something that the scanner does not know.
    pub unknown_fields: bool,
}

/// What the scanner knows of a part of an advisory.
enum Shape {
    /// Everything is taken.
    Any,
    /// An object with these fields.
    Fields(&'static [(&'static str, Shape)]),
    /// An object of a list with these fields; where its `type` is none of the words, it is left out.
    Typed(&'static [&'static str], &'static [(&'static str, Shape)]),
    /// A list of such parts.
    List(&'static Shape),
}

/// Kinds of severity.
const SEVERITIES: [&str; 4] = ["UNSPECIFIED", "CVSS_V2", "CVSS_V3", "CVSS_V4"];
/// Kinds of references.
const REFERENCES: [&str; 12] = [
    "NONE",
    "WEB",
    "ADVISORY",
    "REPORT",
    "FIX",
    "PACKAGE",
    "ARTICLE",
    "EVIDENCE",
    "DISCUSSION",
    "DETECTION",
    "INTRODUCED",
    "GIT",
];
/// Kinds of credits.
const CREDITS: [&str; 11] = [
    "UNSPECIFIED",
    "OTHER",
    "FINDER",
    "REPORTER",
    "ANALYST",
    "COORDINATOR",
    "REMEDIATION_DEVELOPER",
    "REMEDIATION_REVIEWER",
    "REMEDIATION_VERIFIER",
    "TOOL",
    "SPONSOR",
];
/// Kinds of ranges of versions. One that is not known cannot be left out: nothing would be affected any more.
const RANGE_KINDS: [&str; 4] = ["UNSPECIFIED", "GIT", "SEMVER", "ECOSYSTEM"];

const SEVERITY: Shape = List(&Typed(&SEVERITIES, &[("type", Any), ("score", Any)]));
const PACKAGE: Shape = Fields(&[("ecosystem", Any), ("name", Any), ("purl", Any)]);
const EVENTS: Shape = List(&Fields(&[
    ("introduced", Any),
    ("fixed", Any),
    ("last_affected", Any),
    ("lastAffected", Any),
    ("limit", Any),
]));
const RANGES: Shape = List(&Fields(&[("type", Any), ("repo", Any), ("events", EVENTS), ("database_specific", Any)]));
const AFFECTED: Shape = List(&Fields(&[
    ("package", PACKAGE),
    ("severity", SEVERITY),
    ("ranges", RANGES),
    ("versions", Any),
    ("ecosystem_specific", Any),
    ("database_specific", Any),
]));
/// The fields of OSV 1.7, as osv-scanner 2.6 reads them.
const ADVISORY: Shape = Fields(&[
    ("schema_version", Any),
    ("id", Any),
    ("modified", Any),
    ("published", Any),
    ("withdrawn", Any),
    ("aliases", Any),
    ("upstream", Any),
    ("related", Any),
    ("summary", Any),
    ("details", Any),
    ("severity", SEVERITY),
    ("affected", AFFECTED),
    ("references", List(&Typed(&REFERENCES, &[("type", Any), ("url", Any)]))),
    ("credits", List(&Typed(&CREDITS, &[("name", Any), ("contact", Any), ("type", Any)]))),
    ("database_specific", Any),
]);

/// Reads an advisory.
///
/// # Errors
/// Why it is none, for a person.
pub fn read(content: &[u8]) -> Result<Advisory, String> {
    let mut value: Value = serde_json::from_slice(content).map_err(|error| format!("it is not JSON: {error}"))?;
    let id = value["id"].as_str().ok_or("it is no OSV advisory: it has no `id`")?.to_owned();
    let plain = |c: char| c.is_ascii_alphanumeric() || "._:-".contains(c);
    if id.is_empty() || id.len() > ID_BYTES || id.starts_with('.') || !id.chars().all(plain) {
        return Err("its `id` is no name of a file".to_owned());
    }
    let affected = value["affected"].as_array().ok_or_else(|| format!("{id} has no list `affected`"))?;
    let mut ecosystems = BTreeSet::new();
    for name in affected.iter().filter_map(|affected| affected["package"]["ecosystem"].as_str()) {
        // `Debian:12` is the release 12 of Debian, and in the database of Debian.
        let name = name.split(':').next().unwrap_or(name);
        ecosystems.insert(name.parse().map_err(|error| format!("{id} affects an ecosystem without a name: {error}"))?);
    }
    if ecosystems.is_empty() {
        return Err(format!("{id} affects no package of an ecosystem"));
    }
    let ranges = affected.iter().filter_map(|affected| affected["ranges"].as_array()).flatten();
    if let Some(kind) = ranges.filter_map(|range| range["type"].as_str()).find(|kind| !RANGE_KINDS.contains(kind)) {
        return Err(format!("{id} has a range of the type {}, which osv-scanner does not know", shown(kind)));
    }
    let changed = [&value["modified"], &value["published"]].into_iter().find_map(Value::as_str);
    let changed = changed.map(str::parse).transpose().map_err(|_| format!("{id} was changed at no time"))?;
    let unknown_fields = prune(&mut value, &ADVISORY);
    Ok(Advisory { id, ecosystems, changed, unknown_fields })
}

/// An advisory without the fields that the scanner does not know.
///
/// # Errors
/// As those of [`read`].
pub fn without_unknown_fields(content: &[u8]) -> Result<Vec<u8>, String> {
    let mut value: Value = serde_json::from_slice(content).map_err(|error| format!("it is not JSON: {error}"))?;
    prune(&mut value, &ADVISORY);
    serde_json::to_vec(&value).map_err(|error| error.to_string())
}

/// Whether something was left out. What is of another type than it should be is for the scanner to refuse.
fn prune(value: &mut Value, shape: &Shape) -> bool {
    match (shape, value) {
        (Fields(known) | Typed(_, known), Value::Object(fields)) => {
            let before = fields.len();
            fields.retain(|name, _| known.iter().any(|(known, _)| known == name));
            let mut pruned = fields.len() < before;
            for (name, shape) in *known {
                pruned |= fields.get_mut(*name).is_some_and(|value| prune(value, shape));
            }
            pruned
        }
        (List(shape), Value::Array(items)) => {
            let before = items.len();
            if let Typed(words, _) = shape {
                items.retain(|item| item["type"].as_str().is_none_or(|word| words.contains(&word)));
            }
            let left_out = items.len() < before;
            items.iter_mut().fold(left_out, |pruned, item| prune(item, shape) | pruned)
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn entry(change: impl FnOnce(&mut Value)) -> Vec<u8> {
        let mut entry = json!({
            "schema_version": "1.7.0", "id": "GHSA-aaaa-bbbb-cccc", "modified": "2026-01-02T03:04:05Z",
            "withdrawn": "2026-01-03T00:00:00Z",
            "affected": [
                {"package": {"ecosystem": "Maven", "name": "g:a"},
                 "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "2"}]}]},
                {"package": {"ecosystem": "Debian:12", "name": "a"}},
                {"ranges": [{"type": "GIT", "repo": "https://x", "events": []}]},
            ],
            "severity": [{"type": "CVSS_V3", "score": "CVSS:3.1/AV:N"}],
            "references": [{"type": "WEB", "url": "https://x"}],
            "database_specific": {"anything": [1]},
        });
        change(&mut entry);
        entry.to_string().into_bytes()
    }

    fn push(list: &mut Value, item: Value) {
        list.as_array_mut().unwrap().push(item);
    }

    #[test]
    fn an_advisory_says_what_it_affects() {
        let advisory = read(&entry(|_| ())).unwrap();
        assert_eq!(advisory.id, "GHSA-aaaa-bbbb-cccc");
        assert_eq!(advisory.ecosystems.iter().map(Ecosystem::as_str).collect::<Vec<_>>(), ["Debian", "Maven"]);
        assert_eq!(advisory.changed, Some("2026-01-02T03:04:05Z".parse().unwrap()));
        assert!(!advisory.unknown_fields);
    }

    #[test]
    fn what_the_scanner_would_pass_over_is_left_out() {
        let strange = entry(|entry| {
            entry["impact"] = json!(1);
            entry["affected"][0]["package"]["cpe"] = json!("x");
            entry["affected"][0]["ranges"][0]["events"][1]["commit"] = json!("x");
            entry["severity"][0]["source"] = json!("NVD");
            push(&mut entry["severity"], json!({"type": "Ubuntu", "score": "high"}));
            push(&mut entry["references"], json!({"type": "VIDEO", "url": "https://x"}));
        });
        assert!(read(&strange).unwrap().unknown_fields);
        let pruned = without_unknown_fields(&strange).unwrap();
        assert_eq!(
            serde_json::from_slice::<Value>(&pruned).unwrap(),
            serde_json::from_slice::<Value>(&entry(|_| ())).unwrap()
        );
    }

    #[test]
    fn what_is_no_advisory_is_told() {
        let told = |content: &[u8]| read(content).unwrap_err();
        assert!(told(b"<html>").starts_with("it is not JSON"));
        assert!(told(&b"[".repeat(100_000)).starts_with("it is not JSON"));
        assert!(told(b"[]").contains("no `id`"));
        assert!(told(&entry(|entry| entry["affected"] = json!({}))).contains("no list `affected`"));
        assert!(told(&entry(|entry| entry["affected"] = json!([]))).contains("affects no package"));
        assert!(told(&entry(|entry| entry["modified"] = json!("yesterday"))).contains("at no time"));
        let range = entry(|entry| entry["affected"][0]["ranges"][0]["type"] = json!("MAGIC"));
        assert!(told(&range).contains("range of the type MAGIC"));
        for id in ["", "../../x", "a/b", "a\u{0}", "..", "ä", &"x".repeat(101)] {
            assert!(told(&entry(|entry| entry["id"] = json!(id))).contains("no name of a file"), "{id}");
        }
        let up = entry(|entry| entry["affected"][0]["package"]["ecosystem"] = json!("../../../etc"));
        assert!(told(&up).contains("ecosystem without a name"));
    }
}
