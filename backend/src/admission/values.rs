//! Checks of the value at a path of a structured file, as contracts write them.

mod range;

pub use range::accepts;

use pipelinex_common::{
    foreign::shown,
    pipeline::stack::{Contract, ValueCheck, ValueTest},
    request::Versions,
};
use serde_json::Value;

use super::{
    checks::{
        Opinion,
        xml::{self, Element, XmlError},
    },
    facts::{Content, Facts, Matcher},
    problem::{Problem, Rule},
};

/// Applies the checks of a contract to every file that they name.
pub fn check(facts: &Facts, contract: &Contract, versions: &Versions) -> Opinion {
    let mut opinion = Opinion::default();
    for check in &contract.values {
        let glob = Matcher::new(&check.file);
        for (path, content) in facts.contents.iter().filter(|(path, _)| glob.is_match(path)) {
            match one(check, path, content, versions) {
                Ok(()) => {}
                Err(problem) if check.warn && problem.rule == Rule::REQUIRED_VALUE => {
                    opinion.warnings.push(format!("{}: {}", problem.message, problem.hint));
                }
                Err(problem) => opinion.problems.extend((!opinion.problems.contains(&problem)).then_some(problem)),
            }
        }
    }
    opinion
}

fn one(check: &ValueCheck, path: &str, content: &Content, versions: &Versions) -> Result<(), Problem> {
    let bytes = match content {
        Content::Read(bytes) => bytes,
        Content::Refused(reason) => return Err(unreadable(path, reason)),
    };
    let root = Tree::read(path, bytes).map_err(|reason| unreadable(path, &reason))?;
    let found = root.at(check.path.split('.'));
    let text = found.as_deref().unwrap_or_default();
    let holds = match (&check.test, &found) {
        (ValueTest::Present, found) => found.is_some(),
        (ValueTest::Absent, found) => found.is_none(),
        (_, None) => true,
        (ValueTest::OneOf(words), Some(_)) => words.iter().any(|word| word == text),
        (ValueTest::Like(pattern), Some(_)) => Matcher::new(pattern).is_match(text),
        (ValueTest::Accepts(tool), Some(_)) => {
            // A version that does not exist is told elsewhere.
            versions.get(tool).is_none_or(|version| accepts(text, version).unwrap_or(true))
        }
    };
    if holds {
        return Ok(());
    }
    let says = if found.is_some() { format!(" (it says `{}`)", shown(text)) } else { String::new() };
    let message = format!("{}: {}{says}", check.id, check.message);
    Err(Problem::at(Rule::REQUIRED_VALUE, path, message, check.hint.as_str()))
}

fn unreadable(path: &str, reason: &str) -> Problem {
    let message = format!("{} is not read: {reason}", shown(path));
    Problem::at(Rule::UNREADABLE_FILE, path, message, "submit it as a plain file that its own tool can read")
}

/// A structured file.
pub(super) enum Tree {
    Keys(Value),
    Elements(Element),
}

impl Tree {
    /// Reads a file; the ending of its name tells the format.
    pub(super) fn read(path: &str, bytes: &[u8]) -> Result<Self, String> {
        if path.ends_with(".xml") {
            return xml::parse(bytes).map(Tree::Elements).map_err(|error| match error {
                XmlError::Encoding(is) => format!("it is not in UTF-8 but in {is}"),
                XmlError::Doctype => "it has a document type declaration, which is never read".to_owned(),
                XmlError::Malformed(why) => why,
            });
        }
        let text = std::str::from_utf8(bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes));
        let text = text.map_err(|_| "it is not in UTF-8".to_owned())?;
        let said = |error: &dyn std::fmt::Display| shown(&error.to_string());
        let value = if path.ends_with(".json") {
            serde_json::from_str(text).map_err(|error| said(&error))
        } else if path.ends_with(".toml") {
            toml::from_str(text).map_err(|error| shown(error.message()))
        } else {
            serde_saphyr::from_str(text).map_err(|error| said(&error))
        };
        value.map(Tree::Keys)
    }

    /// The value at a path of keys, as text; a list or an object that is there is an empty text.
    pub(super) fn at<'k>(&self, mut keys: impl Iterator<Item = &'k str>) -> Option<String> {
        match self {
            Tree::Keys(root) => {
                let value = keys.try_fold(root, |value, key| match value {
                    Value::Array(items) => items.get(key.parse::<usize>().ok()?),
                    value => value.get(key),
                })?;
                match value {
                    Value::Null => None,
                    Value::String(text) => Some(text.clone()),
                    Value::Array(_) | Value::Object(_) => Some(String::new()),
                    plain => Some(plain.to_string()),
                }
            }
            Tree::Elements(root) => {
                let names: Vec<&str> = keys.collect();
                let (first, rest) = names.split_first()?;
                (root.name == *first).then(|| root.at(rest)).flatten().map(|element| element.text.clone())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use pipelinex_common::pipeline::stack;

    use super::*;

    fn told(file: &str, content: &str, check: &str) -> String {
        let text = format!(
            "stack: {{language: a, framework: b, build_tool: c}}\nversions: {{node: {{default: '24', supported: ['24']}}}}\n\
             values: [{{id: x, file: '{file}', {check}, message: wrong, hint: mend it}}]\n"
        );
        let contract = stack::read("c.yml", &text, &[]).unwrap();
        let facts = Facts {
            contents: [(file.to_owned(), Content::Read(content.as_bytes().to_vec()))].into(),
            ..Facts::default()
        };
        let versions: Versions = [("node".to_owned(), "24".to_owned())].into_iter().collect();
        let Opinion { problems, warnings } = super::check(&facts, &contract, &versions);
        problems.iter().map(|p| p.message.clone()).chain(warnings.into_iter().map(|w| format!("warning {w}"))).collect()
    }

    #[test]
    fn a_value_is_found_in_each_format() {
        let present = "path: a.b, is: present";
        for (file, good, bad) in [
            ("x.json", r#"{"a": {"b": 1}}"#, r#"{"a": {"b": null}}"#),
            ("x.yml", "a: {b: 1}", "a: 1"),
            ("x.toml", "[a]\nb = 1", "[b]\na = 1"),
        ] {
            assert_eq!(
                (told(file, good, present).as_str(), told(file, bad, present).as_str()),
                ("", "x: wrong"),
                "{file}"
            );
        }
        assert_eq!(told("x.xml", "<a><b>1</b></a>", present), "");
        assert_eq!(told("x.xml", "<a><c/></a>", present), "x: wrong");
        for (file, broken) in [("x.json", "{"), ("x.yml", "a: [1"), ("x.toml", "= 1"), ("x.xml", "<a>")] {
            assert!(told(file, broken, present).starts_with(&format!("{file} is not read: ")), "{file}");
        }
    }

    #[test]
    fn what_is_there_is_compared_and_what_is_not_passes() {
        let json = r#"{"engines": {"node": ">=18 <21"}, "type": "module", "list": [{"a": true}]}"#;
        for (check, expected) in [
            ("path: engines.node, accepts: node", "x: wrong (it says `>=18 <21`)"),
            ("path: engines.node, accepts: node, level: warning", "warning x: wrong (it says `>=18 <21`): mend it"),
            ("path: engines.npm, accepts: node", ""),
            ("path: type, one_of: [commonjs]", "x: wrong (it says `module`)"),
            ("path: type, one_of: [commonjs, module]", ""),
            ("path: type, like: 'mod*'", ""),
            ("path: list.0.a, one_of: ['true']", ""),
            ("path: list, is: absent", "x: wrong (it says ``)"),
            ("path: none, is: absent", ""),
        ] {
            assert_eq!(told("x.json", json, check), expected, "{check}");
        }
    }
}
