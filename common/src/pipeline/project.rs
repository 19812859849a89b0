//! What a project says of itself in `.pipelinex.yml`: under `.pipelinex`, corrections of what was recognised. Read as strictly
//! as a pipeline, for a word that is not understood would be a correction that is not made.

use std::collections::BTreeMap;

use super::{
    diagnostic::{Code, Rejected},
    fields::{self, Keys, mapping, text},
    problems::{Problems, quoted},
    stack::StackKey,
    yaml::{self, Node, Value},
};
use crate::folder::Folder;

/// The file, at the top of what is submitted.
pub const FILE: &str = ".pipelinex.yml";

const TOP: Keys = Keys { of: "this file", known: &[".pipelinex"], planned: &[] };
const OURS: Keys = Keys {
    of: "`.pipelinex`",
    known: &["stack", "folder", "versions"],
    planned: &["build", "test", "start", "port", "env", "jobs"],
};
/// What of it is there beside steps of the project's own; the folder of a step is its script's affair.
const OURS_WITH_STEPS: Keys = Keys { of: "`.pipelinex`", known: &["stack", "versions", "jobs"], planned: &["folder"] };
const STACK: Keys = Keys { of: "`stack`", known: &["language", "framework", "build_tool"], planned: &[] };
const STACK_SHAPE: &str = "a stack is written like `node/express/npm`";

/// The corrections.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Corrections {
    /// The stack.
    pub stack: Option<StackKey>,
    /// The folder; the inner `None`: the top.
    pub folder: Option<Option<Folder>>,
    /// Versions by what they are of.
    pub versions: BTreeMap<String, String>,
    /// Whether the file is a pipeline besides: it has something at its top that is neither ours nor hidden.
    pub is_pipeline: bool,
}

/// Reads the file.
pub fn read(content: &str) -> Result<Corrections, Rejected> {
    let mut problems = Problems::new(FILE, content);
    let corrections = yaml::parse(content, &mut problems).map(|root| corrections(&root, &mut problems));
    problems.finish(corrections)
}

fn corrections(root: &Node, problems: &mut Problems<'_>) -> Corrections {
    let is_pipeline = root.entries().iter().any(|entry| !entry.key.starts_with('.'));
    let nothing = Corrections { is_pipeline, ..Corrections::default() };
    // What a pipeline has is read where it is made a plan of.
    if matches!(root.value, Value::Null) || (!is_pipeline && !mapping(root, &TOP, problems)) {
        return nothing;
    }
    let keys = if is_pipeline { &OURS_WITH_STEPS } else { &OURS };
    let Some(ours) = root.get(".pipelinex").filter(|ours| mapping(ours, keys, problems)) else {
        return nothing;
    };
    Corrections {
        is_pipeline,
        stack: ours.get("stack").and_then(|node| stack(node, problems)),
        folder: ours.get("folder").and_then(|node| folder(node, problems)),
        versions: ours.get("versions").map(|node| versions(node, problems)).unwrap_or_default(),
    }
}

fn stack(node: &Node, problems: &mut Problems<'_>) -> Option<StackKey> {
    if let Value::Map(_) = node.value {
        if !mapping(node, &STACK, problems) {
            return None;
        }
        let [language, framework, build_tool] = ["language", "framework", "build_tool"].map(|key| {
            let node = fields::required(node, key, STACK.of, problems)?;
            text(node, &quoted(key), problems)
        });
        return Some(StackKey::new(&language?.value, &framework?.value, &build_tool?.value));
    }
    let three = |text: &str| {
        let words: Vec<&str> = text.split('/').map(str::trim).filter(|word| !word.is_empty()).collect();
        let [language, framework, build_tool] = words[..] else { return None };
        Some(StackKey::new(language, framework, build_tool))
    };
    fields::parsed(node, "`stack`", STACK_SHAPE, three, problems)
}

fn folder(node: &Node, problems: &mut Problems<'_>) -> Option<Option<Folder>> {
    let written = text(node, "`folder`", problems)?;
    match Folder::asked(&written.value) {
        Ok(folder) => Some(folder),
        Err(error) => {
            problems.error(Code::InvalidValue, written.at, error.to_string());
            None
        }
    }
}

fn versions(node: &Node, problems: &mut Problems<'_>) -> BTreeMap<String, String> {
    if !matches!(node.value, Value::Map(_)) {
        fields::wrong_type(node, "`versions`", "a mapping of tools", problems);
    }
    let mut versions = BTreeMap::new();
    for entry in node.entries() {
        let version = text(&entry.value, &quoted(&entry.key), problems);
        versions.extend(version.map(|version| (entry.key.clone(), version.value)));
    }
    versions
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn corrections_are_read() {
        let text = ".pipelinex:\n  stack: Node/Express/npm\n  folder: ./web/\n  versions: {node: 24, npm: '11'}\n";
        let corrections = read(text).unwrap();
        assert_eq!(corrections.stack, Some(StackKey::new("node", "express", "npm")));
        assert_eq!(corrections.folder, Some(Some("web".parse().unwrap())));
        let versions: Vec<_> = corrections.versions.into_iter().collect();
        assert_eq!(versions, [("node".to_owned(), "24".to_owned()), ("npm".to_owned(), "11".to_owned())]);
        let long = ".pipelinex: {stack: {language: a, framework: b, build_tool: c}, folder: .}";
        assert_eq!(read(long).unwrap().stack, Some(StackKey::new("a", "b", "c")));
        assert_eq!(read(long).unwrap().folder, Some(None));
        for nothing in ["", "# nothing yet\n", "{}", ".pipelinex: {}"] {
            assert_eq!(read(nothing).unwrap(), Corrections::default(), "{nothing}");
        }
    }

    #[test]
    fn a_file_with_steps_is_a_pipeline_and_may_name_a_stack_besides() {
        let corrections = read("unit: {script: make test}\n.pipelinex: {stack: a/b/c, jobs: {unit: {}}}\n").unwrap();
        assert!(corrections.is_pipeline && corrections.stack == Some(StackKey::new("a", "b", "c")));
        assert!(read("stages: [a]").unwrap().is_pipeline && !read(".pipelinex: {}").unwrap().is_pipeline);
        let told = read("unit: {script: make test}\n.pipelinex: {folder: web}\n").unwrap_err().to_string();
        assert!(told.contains("`folder` in `.pipelinex` is not supported yet"), "{told}");
    }

    #[test]
    fn a_word_that_is_not_understood_is_told_with_its_line() {
        let text = ".pipelinex:\n  stakc: a/b/c\n  stack: java\n  folder: ../x\n  start: node x.js\n  versions: [node]\n.hidden: {}\n";
        let told = read(text).unwrap_err().to_string();
        for part in [
            ".pipelinex.yml:2:3: error[PX003]: unknown key `stakc` in `.pipelinex`",
            "did you mean `stack`?",
            "a stack is written like `node/express/npm`",
            "`../x` has `..` in it",
            "`start` in `.pipelinex` is not supported yet",
            "`versions` is a mapping of tools",
            "unknown key `.hidden` in this file",
        ] {
            assert!(told.contains(part), "{part}: {told}");
        }
    }
}
