//! The JSON of wapiti 3: what it found in an application that runs.

use serde_json::{Map, Value};

use super::{BadReport, Finding, MAX_FINDINGS, Severity, shortened};

/// The findings of a report; what wapiti lists as additional, like fingerprints of techniques, is none.
///
/// # Errors
/// [`BadReport`]: not JSON, nothing crawled, no `vulnerabilities`, more than [`MAX_FINDINGS`].
pub fn parse(text: &[u8]) -> Result<Vec<Finding>, BadReport> {
    let report = read(text)?;
    let of = |key: &str| report[key].as_object().ok_or_else(|| bad(format!("it has no {key}")));
    let categories = of("vulnerabilities")?.iter().chain(of("anomalies")?);
    let mut findings = Vec::new();
    for (category, entries) in categories {
        let entries = entries.as_array().ok_or_else(|| bad(format!("`{}` is no list", shortened(category))))?;
        if findings.len() + entries.len() > MAX_FINDINGS {
            return Err(bad(format!("it has more than {MAX_FINDINGS} findings")));
        }
        findings.extend(entries.iter().map(|entry| finding(category, entry)));
    }
    Ok(findings)
}

/// How many pages the crawler reached; never 0.
///
/// # Errors
/// As [`parse`].
pub fn pages(text: &[u8]) -> Result<u64, BadReport> {
    read(text).map(|report| report["infos"]["crawled_pages_nbr"].as_u64().unwrap_or_default())
}

fn bad(reason: String) -> BadReport {
    BadReport { format: "wapiti", reason }
}

/// Reads it and refuses what wapiti writes just as calmly when no page answered.
fn read(text: &[u8]) -> Result<Map<String, Value>, BadReport> {
    let report: Map<String, Value> = serde_json::from_slice(text).map_err(|error| bad(error.to_string()))?;
    let pages = report.get("infos").and_then(|infos| infos["crawled_pages_nbr"].as_u64());
    match pages {
        None => Err(bad("it does not say how many pages were crawled".to_owned())),
        Some(0) => Err(bad("no page was crawled, so nothing was scanned".to_owned())),
        Some(_) if !report.contains_key("vulnerabilities") || !report.contains_key("anomalies") => {
            Err(bad("it has no vulnerabilities and anomalies".to_owned()))
        }
        Some(_) => Ok(report),
    }
}

fn finding(category: &str, entry: &Value) -> Finding {
    let text = |key: &str| entry[key].as_str().unwrap_or_default();
    let parameter = text("parameter");
    let mut url = format!("{} {}", text("method"), text("path"));
    if !parameter.is_empty() {
        url.push_str(&format!(" (parameter {parameter})"));
    }
    Finding {
        tool: "wapiti".to_owned(),
        rule: shortened(category),
        severity: severity(entry["level"].as_u64()),
        message: shortened(text("info")),
        path: None,
        line: None,
        package: None,
        fixed_in: None,
        url: Some(shortened(url.trim())),
        fingerprint: String::new(),
        context: None,
    }
}

/// The levels of wapiti's `language/vulnerability.py`.
fn severity(level: Option<u64>) -> Severity {
    match level {
        Some(0) => Severity::Info,
        Some(1) => Severity::Low,
        Some(3) => Severity::High,
        Some(4) => Severity::Critical,
        _ => Severity::Medium,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What wapiti 3.2.3 wrote about an application with a reflected XSS, shortened.
    const REPORT: &str = include_str!("../tests/wapiti.json");

    #[test]
    fn a_finding_names_category_severity_and_where() {
        let findings = parse(REPORT.as_bytes()).unwrap();
        let told: Vec<_> = findings.iter().map(|f| (f.rule.as_str(), f.severity, f.url.as_deref().unwrap())).collect();
        assert_eq!(
            told,
            [
                ("Content Security Policy Configuration", Severity::Low, "GET /"),
                ("Reflected Cross Site Scripting", Severity::Medium, "GET /search (parameter q)"),
            ]
        );
        assert_eq!(pages(REPORT.as_bytes()).unwrap(), 5);
    }

    #[test]
    fn a_report_on_a_host_that_never_answered_is_none() {
        let nothing = REPORT.replace("\"crawled_pages_nbr\": 5", "\"crawled_pages_nbr\": 0");
        assert!(parse(nothing.as_bytes()).unwrap_err().to_string().contains("no page was crawled"));
    }

    #[test]
    fn a_hostile_report_is_an_error_or_short() {
        let infos = r#""infos": {"crawled_pages_nbr": 1}"#;
        for bad in ["", "[]", "{}", "{\"infos\": 1}", &format!("{{{infos}}}")] {
            assert!(parse(bad.as_bytes()).is_err(), "{bad}");
        }
        let odd =
            format!(r#"{{{infos}, "vulnerabilities": {{"x": [1, {{"level": -1, "path": []}}]}}, "anomalies": {{}}}}"#);
        assert_eq!(parse(odd.as_bytes()).unwrap().len(), 2);
        let torn = format!(r#"{{{infos}, "vulnerabilities": {{"x": 3}}, "anomalies": {{}}}}"#);
        assert!(parse(torn.as_bytes()).is_err());
    }
}
