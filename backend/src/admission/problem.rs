//! What a refusal says: which rule, where, why, and what to do about it.

use std::fmt;

use pipelinex_common::folder::{Folder, joined};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The rules by which a submission is refused. Clients branch on the written form, so it never changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(transparent)]
pub struct Rule(&'static str);

impl Rule {
    /// The stack that the request names does not exist here.
    pub const UNKNOWN_STACK: Rule = Rule("unknown-stack");
    /// The folder that the request names is not there, or is none.
    pub const UNKNOWN_FOLDER: Rule = Rule("unknown-folder");
    /// What the project says of itself in its own file cannot be understood.
    pub const PROJECT_FILE: Rule = Rule("project-file");
    /// Several projects lie below the top, and the request names none of them.
    pub const SEVERAL_PROJECTS: Rule = Rule("several-projects");
    /// The stack does not run the version asked for.
    pub const UNSUPPORTED_VERSION: Rule = Rule("unsupported-version");
    /// The request names a stage that the stack does not have.
    pub const UNKNOWN_STAGE: Rule = Rule("unknown-stage");
    /// No stage is selected that could run.
    pub const NOTHING_SELECTED: Rule = Rule("nothing-selected");
    /// A scan of the history was asked for, and a ZIP has none.
    pub const HISTORY_NEEDS_GIT: Rule = Rule("history-needs-git");
    /// The mode is `custom`, and the request names no tool.
    pub const CUSTOM_TOOL_MISSING: Rule = Rule("custom-tool-missing");
    /// A command of the request's own tool is empty, too long, or cannot be given to a shell.
    pub const CUSTOM_TOOL_COMMAND: Rule = Rule("custom-tool-command");
    /// A command of the request's own tool wants to be root.
    pub const CUSTOM_TOOL_SUDO: Rule = Rule("custom-tool-sudo");
    /// The ending of the log of the request's own tool is none.
    pub const CUSTOM_TOOL_LOG_EXT: Rule = Rule("custom-tool-log-ext");
    /// The request names a tool of its own for a stage that the operator requires.
    pub const CUSTOM_TOOL_REQUIRED: Rule = Rule("custom-tool-required");
    /// The operator requires a stage that the stack does not have.
    pub const REQUIRED_STAGE_MISSING: Rule = Rule("required-stage-missing");
    /// The project has more files than are looked at.
    pub const TOO_MANY_FILES: Rule = Rule("too-many-files");
    /// The project brings a pipeline of its own, and the operator lets nobody bring one.
    pub const OWN_PIPELINE_OFF: Rule = Rule("own-pipeline-off");
    /// The project's own pipeline uses the name of a stage that the operator requires.
    pub const REQUIRED_STAGE_TAKEN: Rule = Rule("required-stage-taken");
    /// A link of the project leads out of it.
    pub const LINK_LEAVES_PROJECT: Rule = Rule("link-leaves-project");
    /// A file or folder that has to be there is not.
    pub const REQUIRED_PATH: Rule = Rule("required-path");
    /// Fewer files of a kind than the stack needs.
    pub const REQUIRED_FILES: Rule = Rule("required-files");
    /// A text that has to be there is not, or more often than it may.
    pub const REQUIRED_TEXT: Rule = Rule("required-text");
    /// A value of a structured file is not what the stack needs.
    pub const REQUIRED_VALUE: Rule = Rule("required-value");
    /// A file that has to be read is a link, too large, or nothing that is read.
    pub const UNREADABLE_FILE: Rule = Rule("unreadable-file");

    /// Whether it says that a project does not look like one of a stack, rather than what is wrong with it.
    pub(super) fn is_of_shape(self) -> bool {
        let own = [Self::REQUIRED_PATH, Self::REQUIRED_FILES, Self::REQUIRED_TEXT, Self::REQUIRED_VALUE];
        own.contains(&self) || super::checks::OF_SHAPE.contains(&self)
    }

    /// A rule of a check that knows one language or tool.
    pub(super) const fn of_check(name: &'static str) -> Self {
        Self(name)
    }

    /// The written form, for example `required-path`.
    pub fn as_str(self) -> &'static str {
        self.0
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One reason for a refusal. All of it is safe to show.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// Which rule does not hold.
    pub rule: Rule,
    /// The file, folder or field of the request it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// What is wrong, in one sentence.
    pub message: String,
    /// What to do about it.
    pub hint: String,
    /// The place in a pipeline file.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    pub place: Option<Box<Place>>,
}

/// A place in a pipeline file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Place {
    /// The kind of the problem, such as `PX003`.
    pub code: String,
    /// Line, from 1.
    pub line: u32,
    /// Column in characters, from 1.
    pub column: u32,
    /// That line, and a marker below the place.
    pub excerpt: String,
}

impl Problem {
    /// A problem of the request as a whole.
    pub fn new(rule: Rule, message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { rule, path: None, message: message.into(), hint: hint.into(), place: None }
    }

    /// A problem of one file, folder or field of the request.
    pub fn at(rule: Rule, path: &str, message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { path: Some(pipelinex_common::foreign::shown(path)), ..Self::new(rule, message, hint) }
    }

    /// A problem of a file of that folder, told as seen from the top of the project.
    pub fn below(self, folder: Option<&Folder>) -> Self {
        Self { path: self.path.map(|path| joined(folder, &path)), ..self }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} ({})", self.rule, self.message, self.hint)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_written_form_of_each_rule_is_the_one_on_the_wire() {
        let general = [
            Rule::UNKNOWN_STACK,
            Rule::UNKNOWN_FOLDER,
            Rule::PROJECT_FILE,
            Rule::SEVERAL_PROJECTS,
            Rule::UNSUPPORTED_VERSION,
            Rule::UNKNOWN_STAGE,
            Rule::NOTHING_SELECTED,
            Rule::HISTORY_NEEDS_GIT,
            Rule::CUSTOM_TOOL_MISSING,
            Rule::CUSTOM_TOOL_COMMAND,
            Rule::CUSTOM_TOOL_SUDO,
            Rule::CUSTOM_TOOL_LOG_EXT,
            Rule::CUSTOM_TOOL_REQUIRED,
            Rule::REQUIRED_STAGE_MISSING,
            Rule::TOO_MANY_FILES,
            Rule::OWN_PIPELINE_OFF,
            Rule::REQUIRED_STAGE_TAKEN,
            Rule::LINK_LEAVES_PROJECT,
            Rule::REQUIRED_PATH,
            Rule::REQUIRED_FILES,
            Rule::REQUIRED_TEXT,
            Rule::REQUIRED_VALUE,
            Rule::UNREADABLE_FILE,
        ];
        let spelled: Vec<_> = general.into_iter().chain(crate::admission::checks::rules()).map(Rule::as_str).collect();
        insta::assert_snapshot!(spelled.join(" "), @"unknown-stack unknown-folder project-file several-projects unsupported-version unknown-stage nothing-selected history-needs-git custom-tool-missing custom-tool-command custom-tool-sudo custom-tool-log-ext custom-tool-required required-stage-missing too-many-files own-pipeline-off required-stage-taken link-leaves-project required-path required-files required-text required-value unreadable-file pom-encoding pom-doctype pom-malformed pom-multi-module pom-not-spring-boot java-too-new");
    }
}
