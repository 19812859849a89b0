//! Findings in the formats of others: SARIF, CycloneDX, SPDX, GitLab's reports, CSV and Markdown; and tests as JUnit XML. Pure: rows
//! in, a text out.

mod csv;
mod cyclonedx;
mod gitlab;
mod junit;
mod markdown;
mod sarif;
mod spdx;
#[cfg(test)]
mod tests;

pub use junit::junit;
use serde_json::Value;

use crate::{Finding, diff::Standing};

/// A finding with what is known about it.
#[derive(Clone, Debug)]
pub struct Row<'a> {
    /// The stage that found it.
    pub stage: &'a str,
    /// How it stands beside the run before.
    pub state: Standing,
    /// What was found.
    pub finding: &'a Finding,
    /// Why it counts no more, where somebody accepted it.
    pub accepted: Option<&'a str>,
    /// Whether that is because it is no fault.
    pub false_positive: bool,
}

/// What is exported.
#[derive(Clone, Debug)]
pub struct Sheet<'a> {
    /// What it is of: `shop #12`.
    pub title: &'a str,
    /// What it is compared with: `#11`; `None` where there is nothing.
    pub beside: Option<String>,
    /// When the run ended, as RFC 3339 without a zone: `2027-01-31T12:00:00`.
    pub at: &'a str,
    /// The version of this program.
    pub version: &'a str,
    /// The job's id, a UUID.
    pub id: &'a str,
    /// The project's name.
    pub project: &'a str,
    /// Which state of it: a commit, or else the run.
    pub revision: &'a str,
    /// The components of the bill of materials, as [`crate::cyclonedx::entries`] gives them.
    pub bill: &'a [Value],
    /// The worst first, and what is fixed last.
    pub rows: Vec<Row<'a>>,
}

/// A format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// SARIF 2.1.0.
    Sarif,
    /// For a sheet.
    Csv,
    /// For a comment on a merge request.
    Markdown,
    /// CycloneDX 1.6: the bill of materials, with what is known against it.
    CycloneDx,
    /// CycloneDX 1.6: what is known against the bill alone, with what was decided about it.
    Vex,
    /// SPDX 2.3 as JSON.
    Spdx,
    /// GitLab's report of static analysis.
    GitlabSast,
    /// GitLab's report of secrets.
    GitlabSecretDetection,
    /// GitLab's report of dependencies.
    GitlabDependencyScanning,
}

impl Format {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Sarif,
        Self::Csv,
        Self::Markdown,
        Self::CycloneDx,
        Self::Vex,
        Self::Spdx,
        Self::GitlabSast,
        Self::GitlabSecretDetection,
        Self::GitlabDependencyScanning,
    ];

    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Sarif => "sarif",
            Self::Csv => "csv",
            Self::Markdown => "markdown",
            Self::CycloneDx => "cyclonedx",
            Self::Vex => "cyclonedx-vex",
            Self::Spdx => "spdx",
            Self::GitlabSast => "gitlab-sast",
            Self::GitlabSecretDetection => "gitlab-secret-detection",
            Self::GitlabDependencyScanning => "gitlab-dependency-scanning",
        }
    }

    /// Its media type.
    pub fn media_type(self) -> &'static str {
        match self {
            Self::Sarif => "application/sarif+json",
            Self::Csv => "text/csv; charset=utf-8",
            Self::Markdown => "text/markdown; charset=utf-8",
            Self::CycloneDx | Self::Vex => "application/vnd.cyclonedx+json",
            Self::Spdx => "application/spdx+json",
            Self::GitlabSast | Self::GitlabSecretDetection | Self::GitlabDependencyScanning => "application/json",
        }
    }

    /// The end of a file's name.
    pub fn extension(self) -> &'static str {
        match self {
            Self::Sarif => "sarif",
            Self::Csv => "csv",
            Self::Markdown => "md",
            Self::CycloneDx => "cdx.json",
            Self::Vex => "vex.cdx.json",
            Self::Spdx => "spdx.json",
            Self::GitlabSast | Self::GitlabSecretDetection | Self::GitlabDependencyScanning => "json",
        }
    }

    /// Whether it is made of the bill of materials, and says nothing where there is none.
    pub fn needs_bill(self) -> bool {
        matches!(self, Self::CycloneDx | Self::Vex | Self::Spdx)
    }

    /// The text.
    pub fn write(self, sheet: &Sheet<'_>) -> String {
        match self {
            Self::Sarif => sarif::write(sheet),
            Self::Csv => csv::write(sheet),
            Self::Markdown => markdown::write(sheet),
            Self::CycloneDx => cyclonedx::write(sheet),
            Self::Vex => cyclonedx::write_vex(sheet),
            Self::Spdx => spdx::write(sheet),
            Self::GitlabSast => gitlab::write(sheet, gitlab::Kind::Sast),
            Self::GitlabSecretDetection => gitlab::write(sheet, gitlab::Kind::SecretDetection),
            Self::GitlabDependencyScanning => gitlab::write(sheet, gitlab::Kind::DependencyScanning),
        }
    }
}

/// Who published an advisory, and where it can be read; `None` where its id does not say so.
fn advisory(rule: &str) -> Option<(&'static str, String)> {
    let plain = rule.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    let known = [
        ("CVE-", "NVD", "https://nvd.nist.gov/vuln/detail/"),
        ("GHSA-", "GitHub Advisories", "https://github.com/advisories/"),
        ("", "OSV", "https://osv.dev/vulnerability/"),
    ];
    let (_, name, url) = known.into_iter().find(|(beginning, ..)| rule.starts_with(beginning))?;
    (plain && rule.contains('-')).then(|| (name, format!("{url}{rule}")))
}
