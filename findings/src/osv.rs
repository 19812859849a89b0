//! The JSON of osv-scanner 2: known vulnerabilities of the packages of one bill of materials.

use std::cmp::Ordering;

use serde_json::Value;

use super::{BadReport, Finding, MAX_FINDINGS, Severity, shortened};

/// The findings of a report: one for each package and group of advisories that mean the same.
///
/// A package may carry `pipelinex: {location}`, which our wrapper adds from the bill of materials: where in the jar it is.
///
/// # Errors
/// [`BadReport`]: not JSON, no `results`, a source without packages, more than [`MAX_FINDINGS`].
pub fn parse(text: &[u8]) -> Result<Vec<Finding>, BadReport> {
    let mut findings = Vec::new();
    each_package(text, |package| {
        let groups = package["groups"].as_array().map(Vec::as_slice).unwrap_or_default();
        findings.extend(groups.iter().map(|group| finding(package, group)));
        if findings.len() > MAX_FINDINGS { Err(format!("it has more than {MAX_FINDINGS} findings")) } else { Ok(()) }
    })?;
    Ok(findings)
}

/// How many packages were looked up, as a report says that was made with `--all-packages`.
///
/// # Errors
/// As [`parse`].
pub fn packages(text: &[u8]) -> Result<u64, BadReport> {
    let mut count = 0;
    each_package(text, |_| {
        count += 1;
        Ok(())
    })?;
    Ok(count)
}

fn each_package(text: &[u8], mut visit: impl FnMut(&Value) -> Result<(), String>) -> Result<(), BadReport> {
    let bad = |reason: String| BadReport { format: "osv-scanner", reason };
    let report: Value = serde_json::from_slice(text).map_err(|error| bad(error.to_string()))?;
    let results = report["results"].as_array().ok_or_else(|| bad("it has no results".to_owned()))?;
    for result in results {
        let packages = result["packages"].as_array().ok_or_else(|| bad("a source has no packages".to_owned()))?;
        for package in packages {
            visit(package).map_err(bad)?;
        }
    }
    Ok(())
}

fn finding(package: &Value, group: &Value) -> Finding {
    let ids = strings(&group["ids"]);
    let all = package["vulnerabilities"].as_array().map(Vec::as_slice).unwrap_or_default();
    let advisories: Vec<&Value> =
        all.iter().filter(|advisory| advisory["id"].as_str().is_some_and(|id| ids.contains(&id))).collect();
    let about = &package["package"];
    let (name, version) = (about["name"].as_str().unwrap_or("unnamed"), about["version"].as_str().unwrap_or("?"));
    let affected: Vec<&Value> = advisories.iter().flat_map(|advisory| matching(advisory, name)).collect();
    // osv-scanner leaves the group of a Maven artifact out; the advisory has it.
    let full_name = affected.first().and_then(|entry| entry["package"]["name"].as_str()).unwrap_or(name);
    Finding {
        tool: "osv-scanner".to_owned(),
        rule: shortened(rule(&ids, group)),
        severity: severity(group, &advisories),
        message: shortened(message(&advisories)),
        path: package["pipelinex"]["location"].as_str().map(shortened),
        line: None,
        package: Some(shortened(&format!("{full_name}@{version}"))),
        fixed_in: fixed_in(&affected, version).map(shortened),
        url: None,
        fingerprint: String::new(),
        context: None,
    }
}

fn strings(list: &Value) -> Vec<&str> {
    list.as_array().map(|list| list.iter().filter_map(Value::as_str).collect()).unwrap_or_default()
}

/// The name that most people know: a CVE where there is one.
fn rule<'a>(ids: &[&'a str], group: &'a Value) -> &'a str {
    let aliases = strings(&group["aliases"]);
    let mut names = ids.iter().copied().chain(aliases);
    let first = ids.iter().copied().find(|id| id.starts_with("GHSA-")).or(ids.first().copied()).unwrap_or("unnamed");
    names.find(|name| name.starts_with("CVE-")).unwrap_or(first)
}

fn message<'a>(advisories: &[&'a Value]) -> &'a str {
    let told = |key: &str| advisories.iter().filter_map(|a| a[key].as_str()).find(|text| !text.trim().is_empty());
    told("summary").or_else(|| told("details").and_then(|text| text.lines().next())).unwrap_or("a known vulnerability")
}

/// From the group's CVSS score; where there is none, from the word that the GitHub advisory database uses.
fn severity(group: &Value, advisories: &[&Value]) -> Severity {
    if let Some(score) = group["max_severity"].as_str().and_then(|score| score.parse().ok()) {
        return Severity::of_cvss(score);
    }
    let word = |advisory: &&Value| match advisory["database_specific"]["severity"].as_str()? {
        "CRITICAL" => Some(Severity::Critical),
        "HIGH" => Some(Severity::High),
        "MODERATE" | "MEDIUM" => Some(Severity::Medium),
        "LOW" => Some(Severity::Low),
        _ => None,
    };
    advisories.iter().filter_map(word).max().unwrap_or(Severity::Medium)
}

/// The entries of an advisory that are about this package: `group:name` there is `name` in a report on Maven.
fn matching<'a>(advisory: &'a Value, name: &str) -> Vec<&'a Value> {
    let entries = advisory["affected"].as_array().map(Vec::as_slice).unwrap_or_default();
    let same = |entry: &&Value| {
        entry["package"]["name"].as_str().is_some_and(|full| full.rsplit(':').next() == Some(name) || full == name)
    };
    entries.iter().filter(same).collect()
}

/// The lowest fixed version above the one in use; advisories name one for each line of releases.
fn fixed_in<'a>(affected: &[&'a Value], version: &str) -> Option<&'a str> {
    let list = |value: &'a Value| value.as_array().map(Vec::as_slice).unwrap_or_default().iter();
    let events = affected.iter().flat_map(|entry| list(&entry["ranges"])).flat_map(|range| list(&range["events"]));
    let fixes = events.filter_map(|event| event["fixed"].as_str());
    fixes.filter(|fix| by_numbers(fix, version) == Ordering::Greater).min_by(|a, b| by_numbers(a, b))
}

/// Orders versions by their numbers; good enough to choose among the fixes of one advisory.
fn by_numbers(a: &str, b: &str) -> Ordering {
    let parts = |text: &str| -> Vec<(u64, String)> {
        let split = text.split(['.', '-', '+', '_']).take(16);
        split.map(|part| part.parse().map_or((0, part.to_owned()), |number| (number, String::new()))).collect()
    };
    parts(a).cmp(&parts(b))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What osv-scanner 2.6.0 wrote about a jar, shortened.
    const REPORT: &[u8] = include_bytes!("../tests/osv.json");

    #[test]
    fn a_group_of_advisories_is_one_finding() {
        let findings = parse(REPORT).unwrap();
        let told: Vec<_> = findings
            .iter()
            .map(|f| (f.rule.as_str(), f.severity, f.package.as_deref().unwrap(), f.fixed_in.as_deref()))
            .collect();
        assert_eq!(
            told,
            [
                ("CVE-2021-44228", Severity::Critical, "org.apache.logging.log4j:log4j-core@2.14.1", Some("2.15.0")),
                ("CVE-2022-1471", Severity::High, "org.yaml:snakeyaml@1.33", Some("2.0")),
                ("GHSA-0000-0000-0001", Severity::Medium, "org.springframework:spring-core@6.2.19", None),
            ]
        );
        assert_eq!(findings[0].path.as_deref(), Some("BOOT-INF/lib/log4j-core-2.14.1.jar"));
        assert_eq!(findings[1].message, "SnakeYaml Constructor Deserialization Remote Code Execution");
        assert_eq!(packages(REPORT).unwrap(), 4);
    }

    #[test]
    fn the_fix_is_the_next_one_in_use() {
        let entry = serde_json::json!({"ranges": [{"events": [{"introduced": "0"}, {"fixed": "2.3.2"}]},
            {"events": [{"fixed": "2.12.4"}]}, {"events": [{"fixed": "2.17.1"}]}]});
        assert_eq!(fixed_in(&[&entry], "2.4"), Some("2.12.4"));
        assert_eq!(fixed_in(&[&entry], "2.14.1"), Some("2.17.1"));
        assert_eq!(fixed_in(&[&entry], "3.0"), None);
    }

    #[test]
    fn a_hostile_report_is_an_error_or_short() {
        for bad in ["", "[]", "{}", r#"{"results": 1}"#, r#"{"results": [{}]}"#, r#"{"results": [{"packages": [{"#] {
            assert!(parse(bad.as_bytes()).is_err(), "{bad}");
        }
        let odd = r#"{"results": [{"packages": [{"package": 7, "groups": [{"ids": [1, null], "max_severity": "NaN"}, 3]}]}]}"#;
        assert_eq!(parse(odd.as_bytes()).unwrap().len(), 2);
        let long = format!(r#"{{"results":[{{"packages":[{{"groups":[{{"ids":["{}"]}}]}}]}}]}}"#, "x".repeat(1 << 20));
        assert!(parse(long.as_bytes()).unwrap()[0].rule.len() < 2048);
        let many = format!(r#"{{"results":[{{"packages":[{{"groups":[{}1]}}]}}]}}"#, "1,".repeat(MAX_FINDINGS));
        assert!(parse(many.as_bytes()).unwrap_err().to_string().contains("more than"));
    }
}
