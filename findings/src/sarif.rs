//! SARIF 2.1.0, as scanners write it: read leniently in what is optional, strictly in what makes it a report at all.

use serde_json::Value;

use super::{BadReport, Finding, MAX_FINDINGS, Severity, shortened};

/// The findings of a SARIF report. `app_dir` is where the scanner saw the project: paths below it become relative.
///
/// # Errors
/// [`BadReport`]: not JSON, no `runs`, a run without a tool or without `results`, more than [`MAX_FINDINGS`]. An empty file is no report.
pub fn parse(text: &[u8], app_dir: &str) -> Result<Vec<Finding>, BadReport> {
    let bad = |reason: String| BadReport { format: "SARIF", reason };
    let report: Value = serde_json::from_slice(text).map_err(|error| bad(error.to_string()))?;
    let runs = report["runs"].as_array().ok_or_else(|| bad("it has no runs".to_owned()))?;
    if runs.is_empty() {
        return Err(bad("it has no run, so nothing was scanned".to_owned()));
    }
    let mut findings = Vec::new();
    for run in runs {
        let tool = run["tool"]["driver"]["name"].as_str().ok_or_else(|| bad("a run names no tool".to_owned()))?;
        let results = run["results"].as_array().ok_or_else(|| bad("a run has no results".to_owned()))?;
        if findings.len() + results.len() > MAX_FINDINGS {
            return Err(bad(format!("it has more than {MAX_FINDINGS} findings")));
        }
        findings.extend(results.iter().map(|result| finding(tool, run, result, app_dir)));
    }
    Ok(findings)
}

fn finding(tool: &str, run: &Value, result: &Value, app_dir: &str) -> Finding {
    let rule = result["ruleId"].as_str().or_else(|| result["rule"]["id"].as_str()).unwrap_or("unnamed").to_owned();
    let place = &result["locations"][0]["physicalLocation"];
    Finding {
        severity: severity(tool, run, result, &rule),
        message: shortened(result["message"]["text"].as_str().unwrap_or_default()),
        path: place["artifactLocation"]["uri"].as_str().map(|uri| shortened(relative(uri, app_dir))),
        line: place["region"]["startLine"].as_u64(),
        package: None,
        fixed_in: None,
        url: None,
        tool: shortened(tool),
        rule: shortened(&rule),
    }
}

fn severity(tool: &str, run: &Value, result: &Value, rule: &str) -> Severity {
    let rules = run["tool"]["driver"]["rules"].as_array();
    let described =
        rules.and_then(|rules| rules.iter().find(|described| described["id"] == rule)).unwrap_or(&Value::Null);
    // The number that GitHub's code scanning reads; its bands are those of CVSS 3.
    let score = [&result["properties"], &described["properties"]].iter().find_map(|properties| {
        let score = &properties["security-severity"];
        score.as_f64().or_else(|| score.as_str()?.parse().ok())
    });
    if let Some(score) = score {
        return Severity::of_cvss(score);
    }
    let level = result["level"].as_str().or_else(|| described["defaultConfiguration"]["level"].as_str());
    match level {
        Some("error") => Severity::High,
        Some("note") => Severity::Low,
        Some("none") => Severity::Info,
        // gitleaks names no level; what it finds opens a door.
        None if tool == "gitleaks" => Severity::High,
        // The default of the standard is "warning".
        _ => Severity::Medium,
    }
}

fn relative<'a>(uri: &'a str, app_dir: &str) -> &'a str {
    let path = uri.strip_prefix("file://").unwrap_or(uri);
    path.strip_prefix(app_dir).map_or(path, |rest| rest.trim_start_matches('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    const APP: &str = "/home/runner/app";

    #[test]
    fn a_finding_has_rule_place_and_severity() {
        let report = r#"{"runs": [{"tool": {"driver": {"name": "gitleaks"}}, "results": [
            {"ruleId": "aws-access-token", "message": {"text": "found"}, "locations": [{"physicalLocation":
                {"artifactLocation": {"uri": "/home/runner/app/src/a.txt"}, "region": {"startLine": 7}}}]},
            {"ruleId": "x", "level": "note"}]}]}"#;
        let findings = parse(report.as_bytes(), APP).unwrap();
        assert_eq!(findings[0].path.as_deref(), Some("src/a.txt"));
        assert_eq!((findings[0].line, findings[0].severity), (Some(7), Severity::High));
        assert_eq!((findings[1].line, findings[1].severity), (None, Severity::Low));
    }

    #[test]
    fn what_shows_no_scan_is_no_report() {
        for bad in [
            "",
            "{}",
            "[]",
            "{\"runs\": []}",
            "{\"runs\": [{}]}",
            "{\"runs\": [{\"tool\": {\"driver\": {\"name\": \"t\"}}}]}",
            "{\"runs\": [{\"to",
        ] {
            assert!(parse(bad.as_bytes(), APP).is_err(), "{bad}");
        }
    }
}
