//! SARIF 2.1.0: a run for each tool, with the state of each result beside the run before, and what was accepted as suppressed.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::{Row, Sheet};
use crate::{Severity, diff::Standing};

pub(super) fn write(sheet: &Sheet<'_>) -> String {
    let mut tools: BTreeMap<&str, Vec<&Row<'_>>> = BTreeMap::new();
    for row in &sheet.rows {
        tools.entry(&row.finding.tool).or_default().push(row);
    }
    let mut runs: Vec<Value> = tools.into_iter().map(|(tool, rows)| run(sheet, tool, &rows)).collect();
    if runs.is_empty() {
        // A report of nothing found is a report all the same.
        runs.push(run(sheet, "Pipelinex", &[]));
    }
    let report = json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": runs,
    });
    format!("{report:#}\n")
}

fn run(sheet: &Sheet<'_>, tool: &str, rows: &[&Row<'_>]) -> Value {
    let rules: BTreeSet<&str> = rows.iter().map(|row| row.finding.rule.as_str()).collect();
    let rules: Vec<&str> = rules.into_iter().collect();
    let described: Vec<Value> = rules.iter().map(|rule| json!({"id": rule})).collect();
    let results: Vec<Value> = rows.iter().map(|row| result(sheet, row, &rules)).collect();
    json!({
        "tool": {"driver": {"name": tool, "rules": described}},
        "automationDetails": {"id": format!("pipelinex/{}/", sheet.title)},
        "invocations": [{"executionSuccessful": true, "endTimeUtc": format!("{}Z", sheet.at)}],
        "properties": {"pipelinex": sheet.version},
        "results": results,
    })
}

fn result(sheet: &Sheet<'_>, row: &Row<'_>, rules: &[&str]) -> Value {
    let finding = row.finding;
    let mut result = json!({
        "ruleId": finding.rule,
        "ruleIndex": rules.binary_search(&finding.rule.as_str()).ok(),
        "level": level(finding.severity),
        "message": {"text": if finding.message.is_empty() { &finding.rule } else { &finding.message }},
        "partialFingerprints": {"pipelinex/v1": finding.fingerprint},
        "properties": {"severity": finding.severity.as_str(), "security-severity": score(finding.severity), "stage": row.stage},
    });
    for (name, value) in [("package", &finding.package), ("fixedIn", &finding.fixed_in), ("url", &finding.url)] {
        if let Some(value) = value {
            result["properties"][name] = value.as_str().into();
        }
    }
    if let Some(path) = &finding.path {
        let mut place = json!({"artifactLocation": {"uri": encoded(path), "uriBaseId": "%SRCROOT%"}});
        if path.contains("://") {
            place = json!({"artifactLocation": {"uri": encoded(path)}});
        }
        if let Some(line) = finding.line {
            place["region"] = json!({"startLine": line});
        }
        result["locations"] = json!([{"physicalLocation": place}]);
    }
    if sheet.beside.is_some() {
        result["baselineState"] = match row.state {
            Standing::New | Standing::Reopened => "new",
            Standing::Unchanged => "unchanged",
            Standing::Fixed => "absent",
        }
        .into();
    }
    if let Some(reason) = row.accepted {
        result["suppressions"] = json!([{"kind": "external", "status": "accepted", "justification": reason}]);
    }
    result
}

fn level(severity: Severity) -> &'static str {
    match severity {
        Severity::Critical | Severity::High => "error",
        Severity::Medium => "warning",
        Severity::Low => "note",
        Severity::Info => "none",
    }
}

/// The number that GitHub's code scanning reads, in the middle of the band of each severity.
fn score(severity: Severity) -> &'static str {
    match severity {
        Severity::Critical => "9.5",
        Severity::High => "8.0",
        Severity::Medium => "5.5",
        Severity::Low => "2.0",
        Severity::Info => "0.0",
    }
}

/// A path as a URI.
fn encoded(path: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~/:@!$&'()*+,;=".contains(&byte);
    path.bytes().map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}
