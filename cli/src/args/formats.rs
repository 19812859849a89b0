//! In which formats a job, its tests and its findings are told.

use clap::ValueEnum;
use pipelinex_common::findings::export::Format;

/// How a job is told as a whole.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum ReportFormat {
    /// For people.
    #[default]
    Text,
    /// Status, tests and findings as the API gives them, in one document.
    Json,
    /// One page that needs no network and no script.
    Html,
}

/// How tests are told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum TestsFormat {
    /// For people.
    #[default]
    Text,
    /// As the API gives them.
    Json,
    /// JUnit XML.
    Junit,
}

/// How findings are told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum FindingsFormat {
    /// For people.
    #[default]
    Text,
    /// As the API gives them.
    Json,
    /// SARIF 2.1.0.
    Sarif,
    /// For a sheet.
    Csv,
    /// For a comment on a merge request.
    Markdown,
    /// The bill of materials with what is known against it, as CycloneDX 1.6.
    Cyclonedx,
    /// What is known against the bill alone, with what was decided about it, as CycloneDX 1.6.
    CyclonedxVex,
    /// The bill of materials as SPDX 2.3.
    Spdx,
    /// GitLab's report of static analysis.
    GitlabSast,
    /// GitLab's report of secrets.
    GitlabSecretDetection,
    /// GitLab's report of dependencies.
    GitlabDependencyScanning,
}

impl FindingsFormat {
    /// The format as the server calls it; `None`: it is written here.
    pub fn of_server(self) -> Option<Format> {
        match self {
            Self::Text | Self::Json => None,
            Self::Sarif => Some(Format::Sarif),
            Self::Csv => Some(Format::Csv),
            Self::Markdown => Some(Format::Markdown),
            Self::Cyclonedx => Some(Format::CycloneDx),
            Self::CyclonedxVex => Some(Format::Vex),
            Self::Spdx => Some(Format::Spdx),
            Self::GitlabSast => Some(Format::GitlabSast),
            Self::GitlabSecretDetection => Some(Format::GitlabSecretDetection),
            Self::GitlabDependencyScanning => Some(Format::GitlabDependencyScanning),
        }
    }
}
