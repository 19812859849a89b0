//! Findings: one normalised shape for what scanners report, and one pure parser for each format they report it in.

pub mod junit;
pub mod sarif;

use serde::{Deserialize, Serialize};

use crate::execution::FindingCounts;

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
