//! Findings: one normalised shape for what scanners report, and one pure parser for each format they report it in.

mod cases;
pub mod code_coverage;
mod counts;
pub mod cyclonedx;
pub mod diff;
pub mod export;
mod fingerprint;
pub mod gitlab;
pub mod junit;
pub mod maven;
pub mod osv;
mod redact;
mod remedy;
pub mod sarif;
pub mod terminal;
#[cfg(test)]
mod testing;
mod text;
pub mod wapiti;

pub use cases::{TestCase, TestState};
pub use counts::{FailedTest, FindingCounts, SetAside, TestCounts, count};
pub use fingerprint::mark;
pub use redact::redact;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Worth knowing.
    Info,
    /// Unlikely to hurt.
    Low,
    /// Can hurt.
    Medium,
    /// Will hurt when somebody finds it.
    High,
    /// Is being looked for.
    Critical,
}

impl Severity {
    /// The word on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Critical => "critical",
        }
    }

    /// The band of a CVSS score, as CVSS 3 draws them.
    pub fn of_cvss(score: f64) -> Self {
        match score {
            s if s >= 9.0 => Self::Critical,
            s if s >= 7.0 => Self::High,
            s if s >= 4.0 => Self::Medium,
            s if s > 0.0 => Self::Low,
            _ => Self::Info,
        }
    }
}

/// One result of a scanner, normalised.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Finding {
    /// The tool that found it.
    pub tool: String,
    /// The rule, in the tool's spelling.
    pub rule: String,
    /// How bad it is.
    pub severity: Severity,
    /// What the tool says about it.
    pub message: String,
    /// File, relative to the project.
    pub path: Option<String>,
    /// First line, from 1.
    pub line: Option<u64>,
    /// The dependency it is in, as `name@version`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub package: Option<String>,
    /// The first version of the dependency without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fixed_in: Option<String>,
    /// The address it was found at, and the parameter that was attacked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// What it is known by in the next run, as 32 hexadecimal digits; see [`mark`]. Empty in what older programs wrote.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub fingerprint: String,
    /// A digest of the line it is on, without spaces, where that line could be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub context: Option<String>,
}

impl Finding {
    /// Where it is, as people say it: a file with its line, a dependency, or an address.
    pub fn place(&self) -> Option<String> {
        let file = || {
            let path = self.path.as_ref()?;
            Some(self.line.map_or_else(|| path.clone(), |line| format!("{path}:{line}")))
        };
        match (&self.package, self.line) {
            (Some(package), None) => Some(package.clone()),
            _ => file().or_else(|| self.package.clone()).or_else(|| self.url.clone()),
        }
    }
}

/// More findings than anybody reads; a report with more of them is refused, since each costs memory and a place on disk.
pub const MAX_FINDINGS: usize = 50_000;

/// Longest text that is kept of what a report says, in characters.
const MAX_TEXT: usize = 1000;

/// A text of a report, cut to a length that can be shown.
fn shortened(text: &str) -> String {
    match text.char_indices().nth(MAX_TEXT) {
        Some((end, _)) => format!("{} ...", &text[..end]),
        None => text.to_owned(),
    }
}

/// A report that is not what it should be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a {format} report: {reason}")]
pub struct BadReport {
    /// The format that was expected.
    pub format: &'static str,
    /// What is wrong.
    pub reason: String,
}
