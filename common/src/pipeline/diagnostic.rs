//! What is wrong with a file, and where. Everything the dialect has to say to a person is one of these: a code that can
//! be looked up, a place, the line itself, and what to do about it.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The kind of a problem. The written form (`PX003`) is stable: people search for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Code {
    /// The file is not YAML: a tab, an open bracket, a bad indent.
    #[serde(rename = "PX001")]
    InvalidYaml,
    /// A key (so also a step) is written twice in one mapping.
    #[serde(rename = "PX002")]
    DuplicateKey,
    /// A key the dialect does not have.
    #[serde(rename = "PX003")]
    UnknownKey,
    /// A key the dialect will have, or has in GitLab, and that Pipelinex does not run yet.
    #[serde(rename = "PX004")]
    NotSupported,
    /// A list where a text is expected, and the like.
    #[serde(rename = "PX005")]
    WrongType,
    /// A value outside what the key accepts.
    #[serde(rename = "PX006")]
    InvalidValue,
    /// The file, or what its aliases unfold to, is too large.
    #[serde(rename = "PX007")]
    TooLarge,
    /// A time span that cannot be read.
    #[serde(rename = "PX008")]
    InvalidDuration,
    /// A key that has to be there is not.
    #[serde(rename = "PX009")]
    MissingKey,
    /// A stage that `stages` does not name.
    #[serde(rename = "PX010")]
    UnknownStage,
    /// A step that does not exist, named by `needs`, `tree` or `.pipelinex.jobs`.
    #[serde(rename = "PX011")]
    UnknownStep,
    /// Steps that need one another in a circle.
    #[serde(rename = "PX012")]
    Cycle,
    /// `needs` names a step of a later stage.
    #[serde(rename = "PX013")]
    NeedsLaterStage,
    /// A script without a command.
    #[serde(rename = "PX014")]
    EmptyScript,
    /// Steps that share a tree could run at once.
    #[serde(rename = "PX015")]
    SharedTree,
    /// `extends` names what does not exist, or itself.
    #[serde(rename = "PX016")]
    BadExtends,
    /// The file defines no step, or too many.
    #[serde(rename = "PX017")]
    StepCount,
    /// A variable that is used and nowhere set.
    #[serde(rename = "PX018")]
    UnsetVariable,
    /// An expression of `rules: if` that cannot be read.
    #[serde(rename = "PX019")]
    BadExpression,
    /// `needs` names a step that its rules take away.
    #[serde(rename = "PX020")]
    NeedsAbsent,
    /// The rules leave nothing to run.
    #[serde(rename = "PX021")]
    NothingToRun,
    /// `include` names what is not there, or itself.
    #[serde(rename = "PX022")]
    BadInclude,
    /// `!reference` names what is not there.
    #[serde(rename = "PX023")]
    BadReference,
    /// Something that runs, and not as its author may think.
    #[serde(rename = "PX024")]
    Notice,
}

impl Code {
    /// The written form, for example `PX003`.
    pub fn as_str(self) -> &'static str {
        match self {
            Code::InvalidYaml => "PX001",
            Code::DuplicateKey => "PX002",
            Code::UnknownKey => "PX003",
            Code::NotSupported => "PX004",
            Code::WrongType => "PX005",
            Code::InvalidValue => "PX006",
            Code::TooLarge => "PX007",
            Code::InvalidDuration => "PX008",
            Code::MissingKey => "PX009",
            Code::UnknownStage => "PX010",
            Code::UnknownStep => "PX011",
            Code::Cycle => "PX012",
            Code::NeedsLaterStage => "PX013",
            Code::EmptyScript => "PX014",
            Code::SharedTree => "PX015",
            Code::BadExtends => "PX016",
            Code::StepCount => "PX017",
            Code::UnsetVariable => "PX018",
            Code::BadExpression => "PX019",
            Code::NeedsAbsent => "PX020",
            Code::NothingToRun => "PX021",
            Code::BadInclude => "PX022",
            Code::BadReference => "PX023",
            Code::Notice => "PX024",
        }
    }
}

/// Whether the file can be run all the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// The file is refused.
    Error,
    /// The file runs.
    Warning,
}

/// A further place that belongs to a problem, such as the first of two equal keys.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Note {
    /// Line, from 1.
    pub line: u32,
    /// Column in characters, from 1.
    pub column: u32,
    /// The source line with a marker below the place.
    pub excerpt: String,
    /// What is there.
    pub message: String,
}

/// One problem of one file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Diagnostic {
    /// The kind of problem.
    pub code: Code,
    /// Whether the file is refused.
    pub severity: Severity,
    /// The file, as the caller named it.
    pub file: String,
    /// Line, from 1.
    pub line: u32,
    /// Column in characters, from 1.
    pub column: u32,
    /// The source line with a marker below the place.
    pub excerpt: String,
    /// What is wrong, in one sentence.
    pub message: String,
    /// What to do about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub help: Option<String>,
    /// Further places.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<Note>,
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (file, line, column) = (&self.file, self.line, self.column);
        let severity = match self.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        };
        writeln!(f, "{file}:{line}:{column}: {severity}[{}]: {}", self.code.as_str(), self.message)?;
        f.write_str(&self.excerpt)?;
        for note in &self.notes {
            writeln!(f, "{file}:{}:{}: note: {}", note.line, note.column, note.message)?;
            f.write_str(&note.excerpt)?;
        }
        match &self.help {
            Some(help) => writeln!(f, "help: {help}"),
            None => Ok(()),
        }
    }
}

/// A file that is refused, with everything that is wrong with it, in the order of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejected {
    /// The problems; at least one is an error.
    pub diagnostics: Vec<Diagnostic>,
}

impl fmt::Display for Rejected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, diagnostic) in self.diagnostics.iter().enumerate() {
            if index > 0 {
                writeln!(f)?;
            }
            write!(f, "{diagnostic}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Rejected {}
