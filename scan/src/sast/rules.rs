//! What the rules of a scan say of themselves: their languages, and which of them are not about tests.

use std::{collections::BTreeSet, path::Path};

use super::language::Language;
use crate::{project, report, stage::Failure};

/// Largest file of rules, in bytes.
const MAX_RULES: u64 = 4 << 20;
/// What a rule's metadata says if sources of tests are no business of it. Semgrep's own way, a glob, has no beginning of a path.
const WITHOUT_TESTS: &str = "tests: left out";

/// The rules of a scan, as far as they matter here.
pub(super) struct Rules {
    /// Languages that at least one rule is written in.
    pub(super) languages: BTreeSet<Language>,
    /// Ids of rules that leave the sources of tests alone.
    pub(super) without_tests: BTreeSet<String>,
    ids: BTreeSet<String>,
}

impl Rules {
    /// Reads the lines that matter of all files of rules. Semgrep is who judges whether they are whole.
    ///
    /// # Errors
    /// One cannot be read.
    pub(super) fn open(folder: &Path) -> Result<Self, Failure> {
        let mut rules = Self { languages: BTreeSet::new(), without_tests: BTreeSet::new(), ids: BTreeSet::new() };
        for path in project::files(folder) {
            if path.extension().is_some_and(|ending| ending == "yaml" || ending == "yml") {
                let text = report::bytes(&path, MAX_RULES)
                    .map_err(|error| Failure::tool(format!("the rules {} cannot be read: {error}", path.display())))?;
                rules.read(&String::from_utf8_lossy(&text));
            }
        }
        Ok(rules)
    }

    fn read(&mut self, text: &str) {
        let mut id = String::new();
        for line in text.lines().map(str::trim) {
            if let Some(found) = line.strip_prefix("- id: ") {
                id = found.trim_matches(['"', '\'']).to_owned();
                self.ids.insert(id.clone());
            }
            if line.contains(WITHOUT_TESTS) && !line.starts_with('#') {
                self.without_tests.insert(id.clone());
            }
            if let Some((_, listed)) = line.split_once("languages:") {
                let listed = listed.split(']').next().unwrap_or_default();
                let words: Vec<&str> = listed.split(|c: char| !c.is_ascii_alphanumeric()).collect();
                self.languages.extend(Language::ALL.into_iter().filter(|language| words.contains(&language.id())));
            }
        }
    }

    /// Whether there is a rule of this name.
    pub(super) fn has(&self, id: &str) -> bool {
        self.ids.contains(id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn languages_and_exceptions_are_read_from_the_rules() {
        let mut rules = Rules { languages: BTreeSet::new(), without_tests: BTreeSet::new(), ids: BTreeSet::new() };
        rules.read("rules:\n  - id: a\n    languages: [java]\n    metadata:\n      tests: left out\n  - id: b\n    languages: [javascript, go]\n");
        assert_eq!(rules.languages, BTreeSet::from([Language::Java, Language::JavaScript, Language::Go]));
        assert!(rules.has("b") && !rules.has("c") && rules.without_tests == BTreeSet::from(["a".to_owned()]));
    }
}
