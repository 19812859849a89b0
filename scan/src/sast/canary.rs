//! Findings of ours that must come back, in each language that there are rules for: a tool that reads nothing and says "no findings",
//! or whose rules silently do not run, is found out by them.

use std::{fs, path::PathBuf};

use super::{language::Language, rules::Rules};
use crate::{sarif, stage::Failure};

/// A hole in each language, with a call in it that a rule of this one scan finds, and the product's rule that must find the hole
/// where this scan has it.
fn hole(language: Language) -> (&'static str, &'static str, &'static str) {
    match language {
        Language::Java => (
            "Canary.java",
            "java-command-injection",
            "import java.io.IOException;\nclass Canary {\n  @GetMapping(\"/\") void a(@RequestParam String s) throws IOException {\n    \
             Runtime.getRuntime().exec(\"ping \" + s);\n    CALL(\"x\");\n  }\n}\n",
        ),
        Language::JavaScript => (
            "canary.js",
            "js-command-injection",
            "const { exec } = require('child_process');\napp.get('/', (req, res) => {\n  exec('ping ' + req.query.s);\n  CALL(\"x\");\n});\n",
        ),
        Language::TypeScript => (
            "canary.ts",
            "js-command-injection",
            "import { exec } from 'child_process';\napp.get('/', (req: Request, res: Response) => {\n  exec('ping ' + req.query.s);\n  \
             CALL(\"x\");\n});\n",
        ),
        Language::Python => (
            "canary.py",
            "python-command-injection",
            "import os\nfrom flask import request\n\n@app.route('/')\ndef a():\n    os.system('ping ' + request.args['s'])\n    CALL(\"x\")\n",
        ),
        Language::Go => (
            "canary.go",
            "go-command-injection",
            "package canary\n\nimport (\n\t\"net/http\"\n\t\"os/exec\"\n)\n\nfunc a(w http.ResponseWriter, r *http.Request) {\n\t\
             exec.Command(\"sh\", \"-c\", \"ping \"+r.FormValue(\"s\")).Run()\n\tCALL(\"x\")\n}\n",
        ),
    }
}

/// What was planted.
pub(super) struct Canary {
    /// The rules that were made for this scan alone.
    pub(super) config: PathBuf,
    /// Rules that must find something in it, and in which file.
    expected: Vec<(String, String)>,
}

impl Canary {
    /// Plants it in a folder whose name no project can know.
    ///
    /// # Errors
    /// It cannot be written.
    pub(super) fn plant(rules: &Rules, place: &std::path::Path) -> Result<Self, Failure> {
        let name: String = place.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let word: String = name.chars().filter(char::is_ascii_alphanumeric).collect();
        let (folder, config) = (place.join("canary"), place.join("canary.yaml"));
        fs::create_dir_all(&folder).map_err(|error| Failure::tool(format!("/tmp: {error}")))?;
        let (mut made, mut expected) = (String::from("rules:\n"), Vec::new());
        for language in rules.languages.iter().copied() {
            let (file, rule, source) = hole(language);
            let id = format!("canary-{}-{}", word.to_lowercase(), language.id());
            made.push_str(&format!(
                "  - id: {id}\n    languages: [{}]\n    severity: INFO\n    message: planted\n    pattern: canary{word}(\"...\")\n",
                language.id()
            ));
            sarif::write(&folder.join(file), source.replace("CALL", &format!("canary{word}")).as_bytes())?;
            expected.push((id, file.to_owned()));
            if rules.has(rule) {
                expected.push((rule.to_owned(), file.to_owned()));
            }
        }
        if expected.is_empty() {
            return Err(Failure::tool(
                "there is no rule for any language that is known here: look into pipelines/global/semgrep",
            ));
        }
        sarif::write(&config, made.as_bytes())?;
        Ok(Self { config, expected })
    }

    /// Whether it came back: the rules that found something in it, and where.
    ///
    /// # Errors
    /// One of those that must did not.
    pub(super) fn check(&self, found: &[(String, String)]) -> Result<(), Failure> {
        match self.expected.iter().find(|expected| !found.contains(expected)) {
            None => Ok(()),
            Some((_, file)) => Err(Failure::tool(format!(
                "semgrep did not find the hole that was planted for it in {file}, so what it says of the project means nothing"
            ))),
        }
    }
}
