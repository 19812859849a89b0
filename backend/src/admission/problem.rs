//! What a refusal says: which rule, where, why, and what to do about it.

use std::fmt;

use serde::Serialize;

/// The rules by which a submission is refused. Clients branch on the written form, so it never changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Rule {
    /// The stack that the request names does not exist here.
    UnknownStack,
    /// The stack does not run the version asked for.
    UnsupportedVersion,
    /// The request names a stage that the stack does not have.
    UnknownStage,
    /// No stage is selected that could run.
    NothingSelected,
    /// A scan of the history was asked for, and a ZIP has none.
    HistoryNeedsGit,
    /// The mode is `custom`, and the request names no tool.
    CustomToolMissing,
    /// A command of the request's own tool is empty, too long, or cannot be given to a shell.
    CustomToolCommand,
    /// A command of the request's own tool wants to be root.
    CustomToolSudo,
    /// The ending of the log of the request's own tool is none.
    CustomToolLogExt,
    /// The request names a tool of its own for a stage that the operator requires.
    CustomToolRequired,
    /// The operator requires a stage that the stack does not have.
    RequiredStageMissing,
    /// The project has more files than are looked at.
    TooManyFiles,
    /// A link of the project leads out of it.
    LinkLeavesProject,
    /// A file or folder that has to be there is not.
    RequiredPath,
    /// Fewer files of a kind than the stack needs.
    RequiredFiles,
    /// A text that has to be there is not, or more often than it may.
    RequiredText,
    /// A file that has to be read is a link, too large, or nothing that is read.
    UnreadableFile,
    /// pom.xml is not in UTF-8.
    PomEncoding,
    /// pom.xml has a document type declaration.
    PomDoctype,
    /// pom.xml is no XML, nested too deeply, or no Maven project.
    PomMalformed,
    /// pom.xml builds several modules.
    PomMultiModule,
    /// pom.xml is not that of a Spring Boot application.
    PomNotSpringBoot,
    /// pom.xml asks for a newer Java than the job would run with.
    JavaTooNew,
}

impl Rule {
    /// All rules, in the order in which they are checked.
    pub const ALL: [Self; 23] = [
        Self::UnknownStack,
        Self::UnsupportedVersion,
        Self::UnknownStage,
        Self::NothingSelected,
        Self::HistoryNeedsGit,
        Self::CustomToolMissing,
        Self::CustomToolCommand,
        Self::CustomToolSudo,
        Self::CustomToolLogExt,
        Self::CustomToolRequired,
        Self::RequiredStageMissing,
        Self::TooManyFiles,
        Self::LinkLeavesProject,
        Self::RequiredPath,
        Self::RequiredFiles,
        Self::RequiredText,
        Self::UnreadableFile,
        Self::PomEncoding,
        Self::PomDoctype,
        Self::PomMalformed,
        Self::PomMultiModule,
        Self::PomNotSpringBoot,
        Self::JavaTooNew,
    ];

    /// The written form, for example `required-path`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::UnknownStack => "unknown-stack",
            Self::UnsupportedVersion => "unsupported-version",
            Self::UnknownStage => "unknown-stage",
            Self::NothingSelected => "nothing-selected",
            Self::HistoryNeedsGit => "history-needs-git",
            Self::CustomToolMissing => "custom-tool-missing",
            Self::CustomToolCommand => "custom-tool-command",
            Self::CustomToolSudo => "custom-tool-sudo",
            Self::CustomToolLogExt => "custom-tool-log-ext",
            Self::CustomToolRequired => "custom-tool-required",
            Self::RequiredStageMissing => "required-stage-missing",
            Self::TooManyFiles => "too-many-files",
            Self::LinkLeavesProject => "link-leaves-project",
            Self::RequiredPath => "required-path",
            Self::RequiredFiles => "required-files",
            Self::RequiredText => "required-text",
            Self::UnreadableFile => "unreadable-file",
            Self::PomEncoding => "pom-encoding",
            Self::PomDoctype => "pom-doctype",
            Self::PomMalformed => "pom-malformed",
            Self::PomMultiModule => "pom-multi-module",
            Self::PomNotSpringBoot => "pom-not-spring-boot",
            Self::JavaTooNew => "java-too-new",
        }
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
}

impl Problem {
    /// A problem of the request as a whole.
    pub fn new(rule: Rule, message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { rule, path: None, message: message.into(), hint: hint.into() }
    }

    /// A problem of one file, folder or field of the request.
    pub fn at(rule: Rule, path: &str, message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { path: Some(pipelinex_common::foreign::shown(path)), ..Self::new(rule, message, hint) }
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
        let written: Vec<_> = Rule::ALL.iter().map(|rule| serde_json::to_value(rule).unwrap()).collect();
        let spelled: Vec<_> = Rule::ALL.iter().map(|rule| rule.to_string()).collect();
        assert_eq!(written, spelled);
        insta::assert_snapshot!(spelled.join(" "), @"unknown-stack unsupported-version unknown-stage nothing-selected history-needs-git custom-tool-missing custom-tool-command custom-tool-sudo custom-tool-log-ext custom-tool-required required-stage-missing too-many-files link-leaves-project required-path required-files required-text unreadable-file pom-encoding pom-doctype pom-malformed pom-multi-module pom-not-spring-boot java-too-new");
    }
}
