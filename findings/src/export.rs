//! Findings in the formats of others: SARIF, GitLab's reports, CSV and Markdown. Pure: rows in, a text out.

mod csv;
mod gitlab;
mod markdown;
mod sarif;
#[cfg(test)]
mod tests;

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
    /// GitLab's report of static analysis.
    GitlabSast,
    /// GitLab's report of secrets.
    GitlabSecretDetection,
    /// GitLab's report of dependencies.
    GitlabDependencyScanning,
}

impl Format {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Sarif,
        Self::Csv,
        Self::Markdown,
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
            Self::GitlabSast | Self::GitlabSecretDetection | Self::GitlabDependencyScanning => "application/json",
        }
    }

    /// The end of a file's name.
    pub fn extension(self) -> &'static str {
        match self {
            Self::Sarif => "sarif",
            Self::Csv => "csv",
            Self::Markdown => "md",
            Self::GitlabSast | Self::GitlabSecretDetection | Self::GitlabDependencyScanning => "json",
        }
    }

    /// The text.
    pub fn write(self, sheet: &Sheet<'_>) -> String {
        match self {
            Self::Sarif => sarif::write(sheet),
            Self::Csv => csv::write(sheet),
            Self::Markdown => markdown::write(sheet),
            Self::GitlabSast => gitlab::write(sheet, gitlab::Kind::Sast),
            Self::GitlabSecretDetection => gitlab::write(sheet, gitlab::Kind::SecretDetection),
            Self::GitlabDependencyScanning => gitlab::write(sheet, gitlab::Kind::DependencyScanning),
        }
    }
}
