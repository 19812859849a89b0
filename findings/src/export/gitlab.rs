//! GitLab's security reports, version 15: what its merge requests and dashboards read. Each has the findings of its kind, without
//! what is fixed or accepted.

use serde_json::{Value, json};

use super::{Row, Sheet};
use crate::{Severity, diff::Standing};

/// The version of the schema.
const VERSION: &str = "15.0.7";

/// What a report is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Sast,
    SecretDetection,
    DependencyScanning,
}

impl Kind {
    fn as_str(self) -> &'static str {
        match self {
            Self::Sast => "sast",
            Self::SecretDetection => "secret_detection",
            Self::DependencyScanning => "dependency_scanning",
        }
    }

    fn of(row: &Row<'_>) -> Option<Self> {
        let finding = row.finding;
        if finding.package.is_some() {
            Some(Self::DependencyScanning)
        } else if finding.is_secret(row.stage) {
            Some(Self::SecretDetection)
        } else {
            finding.path.is_some().then_some(Self::Sast)
        }
    }
}

pub(super) fn write(sheet: &Sheet<'_>, kind: Kind) -> String {
    let open = |row: &&Row<'_>| row.state != Standing::Fixed && row.accepted.is_none() && Kind::of(row) == Some(kind);
    let found: Vec<Value> = sheet.rows.iter().filter(open).map(|row| vulnerability(row, kind)).collect();
    let tool =
        json!({"id": "pipelinex", "name": "Pipelinex", "vendor": {"name": "Pipelinex"}, "version": sheet.version});
    let mut report = json!({
        "version": VERSION,
        "scan": {"type": kind.as_str(), "status": "success", "start_time": sheet.at, "end_time": sheet.at, "scanner": tool, "analyzer": tool},
        "vulnerabilities": found,
    });
    if kind == Kind::DependencyScanning {
        report["dependency_files"] = json!([]);
    }
    format!("{report:#}\n")
}

fn vulnerability(row: &Row<'_>, kind: Kind) -> Value {
    let finding = row.finding;
    let file = finding.path.clone().unwrap_or_default();
    let mut location = json!({"file": file});
    if let Some(line) = finding.line {
        location["start_line"] = line.into();
    }
    if kind == Kind::SecretDetection {
        // The schema asks for a commit; a project that came as files has none.
        location["commit"] = json!({"sha": "0000000"});
    }
    if let (Kind::DependencyScanning, Some(package)) = (kind, &finding.package) {
        let (name, version) = package.rsplit_once('@').filter(|(name, _)| !name.is_empty()).unwrap_or((package, ""));
        location = json!({"file": file, "dependency": {"package": {"name": name}, "version": version}});
    }
    let mut entry = json!({
        "id": finding.fingerprint,
        "name": if finding.message.is_empty() { finding.rule.chars().take(255).collect::<String>() } else { finding.message.chars().take(255).collect() },
        "description": finding.message,
        "severity": severity(finding.severity),
        "location": location,
        "identifiers": [{"type": identifier(&finding.rule), "name": finding.rule, "value": finding.rule}],
    });
    if let Some(version) = &finding.fixed_in {
        entry["solution"] = format!("Upgrade to {version}").into();
    }
    entry
}

fn identifier(rule: &str) -> String {
    let beginning = rule.split('-').next().unwrap_or_default();
    if ["CVE", "CWE", "GHSA", "OSV"].contains(&beginning) {
        beginning.to_lowercase()
    } else {
        "pipelinex_rule".to_owned()
    }
}

fn severity(severity: Severity) -> &'static str {
    match severity {
        Severity::Critical => "Critical",
        Severity::High => "High",
        Severity::Medium => "Medium",
        Severity::Low => "Low",
        Severity::Info => "Info",
    }
}
