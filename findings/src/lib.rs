//! Findings: one normalised shape for what scanners report, and one pure parser for each format they report it in.

pub mod junit;
pub mod osv;
pub mod sarif;
pub mod wapiti;

use serde::{Deserialize, Serialize};

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
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

/// One result of a scanner, normalised.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
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
}

/// What the JUnit reports of a step add up to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TestCounts {
    /// Test cases that ran or were skipped.
    pub tests: u64,
    /// Assertions that did not hold.
    pub failures: u64,
    /// Tests that broke otherwise.
    pub errors: u64,
    /// Tests that were not run.
    pub skipped: u64,
}

/// How many findings a step published, by severity.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FindingCounts {
    /// Severity critical.
    pub critical: u64,
    /// Severity high.
    pub high: u64,
    /// Severity medium.
    pub medium: u64,
    /// Severity low.
    pub low: u64,
    /// Neither of these.
    pub info: u64,
}

impl FindingCounts {
    /// All of them.
    pub fn total(&self) -> u64 {
        self.critical + self.high + self.medium + self.low + self.info
    }
}

/// Counts findings by severity.
pub fn count(findings: &[Finding]) -> FindingCounts {
    let mut counts = FindingCounts::default();
    for finding in findings {
        *match finding.severity {
            Severity::Critical => &mut counts.critical,
            Severity::High => &mut counts.high,
            Severity::Medium => &mut counts.medium,
            Severity::Low => &mut counts.low,
            Severity::Info => &mut counts.info,
        } += 1;
    }
    counts
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
