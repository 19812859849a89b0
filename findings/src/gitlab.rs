//! GitLab's own report formats, which many scanners write: security reports (`sast`, `secret_detection`, `dependency_scanning`,
//! `container_scanning`, `dast`; <https://gitlab.com/gitlab-org/security-products/security-report-schemas>) and Code Quality.

use serde_json::Value;

use super::{BadReport, Finding, MAX_FINDINGS, SetAside, Severity, sarif::Report, shortened};

/// The vulnerabilities of a security report. A scan that says it failed is a tool that failed.
///
/// # Errors
/// [`BadReport`]: not JSON, no `vulnerabilities`, more than [`MAX_FINDINGS`].
pub fn parse(text: &[u8]) -> Result<Report, BadReport> {
    let bad = |reason: String| BadReport { format: "GitLab security", reason };
    let report: Value = serde_json::from_slice(text).map_err(|error| bad(error.to_string()))?;
    let all = report["vulnerabilities"].as_array().ok_or_else(|| bad("it has no vulnerabilities".to_owned()))?;
    if all.len() > MAX_FINDINGS {
        return Err(bad(format!("it has more than {MAX_FINDINGS} findings")));
    }
    let scanner = &report["scan"]["scanner"];
    let tool = scanner["id"].as_str().or_else(|| scanner["name"].as_str()).unwrap_or("gitlab");
    let status = report["scan"]["status"].as_str();
    Ok(Report {
        findings: all.iter().map(|vulnerability| finding(vulnerability, tool)).collect(),
        failed: (status == Some("failure")).then(|| format!("{tool} says that its scan failed")),
        set_aside: SetAside::default(),
    })
}

fn finding(vulnerability: &Value, tool: &str) -> Finding {
    let text = |value: &Value| value.as_str().filter(|text| !text.trim().is_empty()).map(shortened);
    let location = &vulnerability["location"];
    let identifiers = vulnerability["identifiers"].as_array().map(Vec::as_slice).unwrap_or_default();
    // What most people know it by: a CVE where there is one, else what the tool calls its rule, which stands first.
    let known =
        |prefix: &str| identifiers.iter().find(|id| id["type"].as_str().is_some_and(|of| of.starts_with(prefix)));
    let identifier = known("cve").or_else(|| identifiers.first());
    let rule = identifier.and_then(|id| text(&id["value"]).or_else(|| text(&id["name"])));
    let dependency = &location["dependency"];
    let package = dependency["package"]["name"].as_str().map(|name| {
        let version = dependency["version"].as_str().unwrap_or("?");
        shortened(&format!("{name}@{version}"))
    });
    let of_scanner = &vulnerability["scanner"];
    let url = location["hostname"].as_str().map(|host| {
        let (method, path) =
            (location["method"].as_str().unwrap_or("GET"), location["path"].as_str().unwrap_or_default());
        shortened(&format!("{method} {host}{path}"))
    });
    Finding {
        tool: of_scanner["id"].as_str().map_or_else(|| tool.to_owned(), shortened),
        rule: rule.or_else(|| text(&vulnerability["name"])).unwrap_or_else(|| "unnamed".to_owned()),
        severity: severity(vulnerability["severity"].as_str()),
        message: text(&vulnerability["message"])
            .or_else(|| text(&vulnerability["name"]))
            .or_else(|| text(&vulnerability["description"]))
            .unwrap_or_default(),
        path: text(&location["file"]),
        line: location["start_line"].as_u64(),
        package,
        fixed_in: None,
        url,
        fingerprint: String::new(),
        context: None,
    }
}

/// What nobody knows the severity of is looked at as if it were bad.
fn severity(word: Option<&str>) -> Severity {
    match word.unwrap_or_default().to_ascii_lowercase().as_str() {
        "critical" => Severity::Critical,
        "high" => Severity::High,
        "low" => Severity::Low,
        "info" => Severity::Info,
        _ => Severity::Medium,
    }
}

/// The findings of a Code Quality report: Code Climate's format, as far as GitLab reads it.
///
/// # Errors
/// [`BadReport`]: not a JSON list, more than [`MAX_FINDINGS`].
pub fn code_quality(text: &[u8]) -> Result<Report, BadReport> {
    let bad = |reason: String| BadReport { format: "Code Quality", reason };
    let all: Vec<Value> = serde_json::from_slice(text).map_err(|error| bad(error.to_string()))?;
    if all.len() > MAX_FINDINGS {
        return Err(bad(format!("it has more than {MAX_FINDINGS} findings")));
    }
    let finding = |entry: &Value| {
        let location = &entry["location"];
        let line = location["lines"]["begin"].as_u64().or_else(|| location["positions"]["begin"]["line"].as_u64());
        Finding {
            tool: entry["engine_name"].as_str().map_or_else(|| "codequality".to_owned(), shortened),
            rule: shortened(entry["check_name"].as_str().unwrap_or("unnamed")),
            severity: match entry["severity"].as_str().unwrap_or_default() {
                "blocker" => Severity::Critical,
                "critical" => Severity::High,
                "minor" => Severity::Low,
                "info" => Severity::Info,
                _ => Severity::Medium,
            },
            message: shortened(entry["description"].as_str().unwrap_or_default()),
            path: location["path"].as_str().map(|path| shortened(path.strip_prefix("./").unwrap_or(path))),
            line,
            package: None,
            fixed_in: None,
            url: None,
            fingerprint: String::new(),
            context: None,
        }
    };
    Ok(Report { findings: all.iter().map(finding).collect(), ..Report::default() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_security_report_is_read_whatever_it_is_about() {
        let report = r#"{"version": "15.0.6", "scan": {"scanner": {"id": "semgrep", "name": "Semgrep"}, "status": "success"},
          "vulnerabilities": [
            {"id": "1", "name": "SQL injection", "message": "built from text", "severity": "Critical",
             "scanner": {"id": "semgrep"}, "location": {"file": "a.py", "start_line": 7, "end_line": 9},
             "identifiers": [{"type": "semgrep_id", "name": "x", "value": "sqli"}, {"type": "cwe", "name": "CWE-89", "value": "89"}]},
            {"id": "2", "severity": "Unknown", "description": "old", "location": {"file": "go.sum",
             "dependency": {"package": {"name": "golang.org/x/net"}, "version": "v0.1.0"}},
             "identifiers": [{"type": "gemnasium", "value": "u"}, {"type": "cve", "name": "CVE-2023-1", "value": "CVE-2023-1"}]},
            {"id": "3", "name": "XSS", "severity": "Low", "location": {"hostname": "http://app", "method": "POST", "path": "/a"},
             "identifiers": []}]}"#;
        let report = parse(report.as_bytes()).unwrap();
        let told: Vec<String> = report
            .findings
            .iter()
            .map(|f| {
                format!("{} {} {} {} {}", f.tool, f.rule, f.severity.as_str(), f.message, f.place().unwrap_or_default())
            })
            .collect();
        assert_eq!(
            told,
            [
                "semgrep sqli critical built from text a.py:7",
                "semgrep CVE-2023-1 medium old golang.org/x/net@v0.1.0",
                "semgrep XSS low XSS POST http://app/a",
            ]
        );
        assert_eq!(report.failed, None);
        let failed =
            parse(br#"{"scan": {"scanner": {"id": "x"}, "status": "failure"}, "vulnerabilities": []}"#).unwrap();
        assert_eq!(failed.failed.as_deref(), Some("x says that its scan failed"));
        assert!(parse(b"{}").is_err() && parse(b"[").is_err());
    }

    #[test]
    fn code_quality_has_its_own_words_for_severity() {
        let report = br#"[{"description": "too long", "check_name": "E501", "fingerprint": "1", "severity": "minor",
            "location": {"path": "./a.py", "lines": {"begin": 3}}},
            {"description": "d", "severity": "blocker", "location": {"path": "b.js", "positions": {"begin": {"line": 4, "column": 1}}}}]"#;
        let found = code_quality(report).unwrap().findings;
        let told: Vec<_> = found.iter().map(|f| (f.rule.as_str(), f.severity, f.place().unwrap_or_default())).collect();
        let expected =
            [("E501", Severity::Low, "a.py:3".to_owned()), ("unnamed", Severity::Critical, "b.js:4".to_owned())];
        assert_eq!(told, expected);
        assert!(code_quality(b"{}").is_err());
    }
}
