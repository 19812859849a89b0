//! A finding of ours that must come back: a tool that reads nothing and says "no findings" is found out by it.

use std::{fs, path::PathBuf};

use crate::{
    sarif,
    stage::{Failure, Stage},
};

/// The rule of the product that must find the planted hole, where the rules of this scan have it.
const RULE: &str = "java-command-injection";
const RULE_FILE: &str = "global/semgrep/command-injection.yaml";

/// What was planted.
pub(super) struct Canary {
    /// The rule that was made for this scan alone.
    pub(super) config: PathBuf,
    /// Rules that must find something in it.
    expected: Vec<String>,
}

impl Canary {
    /// Plants it in a folder whose name no project can know.
    ///
    /// # Errors
    /// It cannot be written.
    pub(super) fn plant(stage: &Stage, place: &std::path::Path) -> Result<Self, Failure> {
        let name: String = place.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let word: String = name.chars().filter(char::is_ascii_alphanumeric).collect();
        let (folder, config) = (place.join("canary"), place.join("canary.yaml"));
        fs::create_dir_all(&folder).map_err(|error| Failure::tool(format!("/tmp: {error}")))?;
        let id = format!("canary-{}", word.to_lowercase());
        let rule = format!(
            "rules:\n  - id: {id}\n    languages: [java]\n    severity: INFO\n    message: planted\n    pattern: canary{word}(\"...\")\n"
        );
        let source = format!(
            "import java.io.IOException;\nclass Canary {{\n  @GetMapping(\"/\") void a(@RequestParam String s) throws IOException {{\n    \
             Runtime.getRuntime().exec(\"ping \" + s);\n    canary{word}(\"x\");\n  }}\n}}\n"
        );
        sarif::write(&config, rule.as_bytes())?;
        sarif::write(&folder.join("Canary.java"), source.as_bytes())?;
        let ours = stage.pipelines.join(RULE_FILE).exists().then(|| RULE.to_owned());
        Ok(Self { config, expected: ours.into_iter().chain([id]).collect() })
    }

    /// Whether it came back: the rules that found something in it.
    ///
    /// # Errors
    /// One of those that must did not.
    pub(super) fn check(&self, found: &[String]) -> Result<(), Failure> {
        match self.expected.iter().find(|rule| !found.contains(rule)) {
            None => Ok(()),
            Some(_) => Err(Failure::tool(
                "semgrep did not find the hole that was planted for it, so what it says of the project means nothing",
            )),
        }
    }
}
