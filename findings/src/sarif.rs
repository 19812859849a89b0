//! SARIF 2.1.0, as scanners write it: read leniently in what is optional, strictly in what makes it a report at all.
//!
//! Not every result is a finding (sections 3.27.9, .23, .24): a rule that passed, a result that somebody suppressed and one
//! of an earlier run are counted apart. And not every report is one of a scan: a tool that says that it failed has shown
//! nothing, however few results it has (3.20.14).

mod message;
mod place;
mod rules;
#[cfg(test)]
mod tests;

use std::{
    collections::HashSet,
    hash::{BuildHasher, RandomState},
};

use serde_json::Value;

use super::{BadReport, Finding, MAX_FINDINGS, SetAside, Severity, shortened, text};
use place::Place;
use rules::{Rule, Rules};

/// How many places of one result become findings; a tool that names more of them repeats itself.
const PLACES_MAX: usize = 50;

/// What a report says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// The problems that a person should look at.
    pub findings: Vec<Finding>,
    /// Results that are none.
    pub set_aside: SetAside,
    /// What the tool says where it says that it failed: its results are then not all there are.
    pub failed: Option<String>,
}

/// Reads a report. `app_dir` is where the scanner saw the project: paths below it become relative.
///
/// # Errors
/// [`BadReport`]: not JSON, no `runs`, a run without a tool or without `results`, results in another file, more than
/// [`MAX_FINDINGS`]. An empty file is no report.
pub fn parse(bytes: &[u8], app_dir: &str) -> Result<Report, BadReport> {
    let report: Value = serde_json::from_slice(&text::json(bytes)).map_err(|error| bad(error.to_string()))?;
    let runs = report["runs"].as_array().ok_or_else(|| bad("it has no runs"))?;
    if runs.is_empty() {
        return Err(bad("it has no run, so nothing was scanned"));
    }
    if list(&report["inlineExternalProperties"]).iter().any(|outside| !list(&outside["results"]).is_empty()) {
        return Err(bad("it has results outside of its runs (inlineExternalProperties), which are not read"));
    }
    let mut reader = Reader { app_dir, report: Report::default(), seen: HashSet::new(), hasher: RandomState::new() };
    let mut left = MAX_FINDINGS;
    for run in runs {
        let tool = run["tool"]["driver"]["name"].as_str().ok_or_else(|| bad("a run names no tool"))?;
        if !list(&run["externalPropertyFileReferences"]["results"]).is_empty() {
            return Err(bad("its results are in another file (externalPropertyFileReferences), which is not read"));
        }
        let results = run["results"].as_array().ok_or_else(|| bad("a run has no results"))?;
        let many = || bad(format!("it has more than {MAX_FINDINGS} findings"));
        left = left.checked_sub(results.len()).ok_or_else(many)?;
        reader.report.failed = reader.report.failed.or_else(|| failed(tool, run));
        let rules = Rules::of(run);
        results.iter().for_each(|result| reader.take(tool, run, &rules, result));
        if reader.report.findings.len() > MAX_FINDINGS {
            return Err(many());
        }
    }
    Ok(reader.report)
}

fn bad(reason: impl Into<String>) -> BadReport {
    BadReport { format: "SARIF", reason: reason.into() }
}

/// The items of a list; none where it is no list.
fn list(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

/// An index into another list of the report. The standard's -1 is none.
fn index(value: &Value) -> Option<usize> {
    usize::try_from(value.as_u64()?).ok()
}

/// What a tool says where one of its invocations did not succeed.
fn failed(tool: &str, run: &Value) -> Option<String> {
    let failed = |invocation: &&Value| {
        let succeeded = &invocation["executionSuccessful"];
        *succeeded == false || succeeded.as_str().is_some_and(|text| text.eq_ignore_ascii_case("false"))
    };
    let invocation = list(&run["invocations"]).iter().find(failed)?;
    let told = ["toolExecutionNotifications", "toolConfigurationNotifications"].map(|key| list(&invocation[key]));
    let notes = || told.iter().copied().flatten();
    let note = notes().find(|note| note["level"] == "error").or_else(|| notes().next());
    let text = |value: &Value| value.as_str().map(str::trim).filter(|text| !text.is_empty()).map(str::to_owned);
    let said = note
        .and_then(|note| text(&note["message"]["text"]).or_else(|| text(&note["exception"]["message"])))
        .or_else(|| text(&invocation["exitCodeDescription"]))
        .or_else(|| text(&invocation["processStartFailureMessage"]))
        .or_else(|| text(&invocation["exitSignalName"]))
        .or_else(|| invocation["exitCode"].as_i64().map(|code| format!("exit code {code}")))
        .unwrap_or_else(|| "it does not say why".to_owned());
    Some(shortened(&format!("{tool} says that it failed: {said}")))
}

/// Why a result is no finding.
enum Verdict {
    Problem,
    /// The tool leaves the decision to a person.
    Review,
    Passed,
    Undecided,
    Suppressed,
    Absent,
}

fn verdict(result: &Value) -> Verdict {
    if result["baselineState"] == "absent" {
        return Verdict::Absent;
    }
    let problem = match result["kind"].as_str() {
        Some("pass" | "notApplicable" | "informational") => return Verdict::Passed,
        Some("open") => return Verdict::Undecided,
        Some("review") => Verdict::Review,
        // The default, and what no version of the standard knows: better one too many.
        _ => Verdict::Problem,
    };
    // A suppression without a status is accepted; one that is rejected or under review is no decision yet.
    let suppressions = list(&result["suppressions"]);
    let accepted = |suppression: &Value| {
        suppression.is_object() && (suppression["status"].is_null() || suppression["status"] == "accepted")
    };
    if !suppressions.is_empty() && suppressions.iter().all(accepted) { Verdict::Suppressed } else { problem }
}

struct Reader<'a> {
    app_dir: &'a str,
    report: Report,
    seen: HashSet<u64>,
    hasher: RandomState,
}

impl Reader<'_> {
    fn take(&mut self, tool: &str, run: &Value, rules: &Rules<'_>, result: &Value) {
        let set_aside = &mut self.report.set_aside;
        let review = match verdict(result) {
            Verdict::Problem => false,
            Verdict::Review => true,
            Verdict::Passed => return set_aside.passed += 1,
            Verdict::Undecided => return set_aside.undecided += 1,
            Verdict::Suppressed => return set_aside.suppressed += 1,
            Verdict::Absent => return set_aside.absent += 1,
        };
        let rule = rules.of_result(result);
        let severity = if review { severity_of_review(result) } else { severity(tool, result, &rule) };
        let message = message::of(result, &rule);
        let message = if review { format!("to be reviewed by a person: {message}") } else { message };
        // A problem that has to be cured in two places is shown at both.
        for place in place::of(run, result, self.app_dir, PLACES_MAX) {
            let key = (tool, &rule.id, severity, &message, &place);
            if !self.seen.insert(self.hasher.hash_one(key)) {
                self.report.set_aside.repeated += 1;
                continue;
            }
            let Place { path, line, .. } = place;
            self.report.findings.push(Finding {
                tool: shortened(tool),
                rule: shortened(&rule.id),
                severity,
                message: shortened(&message),
                path: path.map(|path| shortened(&path)),
                line,
                package: None,
                fixed_in: None,
                url: None,
                fingerprint: String::new(),
                context: None,
            });
        }
    }
}

/// Of a result that a person has to decide on. The standard knows no level for it, so it counts as a note unless the tool
/// gives one all the same.
fn severity_of_review(result: &Value) -> Severity {
    result["level"].as_str().and_then(of_level).filter(|severity| *severity != Severity::Info).unwrap_or(Severity::Low)
}

fn severity(tool: &str, result: &Value, rule: &Rule<'_>) -> Severity {
    // The number that GitHub's code scanning reads; its bands are those of CVSS 3.
    let scores = [&result["properties"], &rule.about["properties"]];
    if let Some(score) = scores.iter().find_map(|properties| number(&properties["security-severity"], 10.0)) {
        return Severity::of_cvss(score);
    }
    let own = |key: &str| [&result[key], &rule.configured[key], &rule.about["defaultConfiguration"][key]];
    if let Some(severity) = own("level").iter().find_map(|level| of_level(level.as_str()?)) {
        return severity;
    }
    if let Some(rank) = own("rank").iter().find_map(|rank| number(rank, 100.0)) {
        return Severity::of_cvss(rank / 10.0);
    }
    // gitleaks names no level; what it finds opens a door. The default of the standard is "warning".
    if tool == "gitleaks" { Severity::High } else { Severity::Medium }
}

fn of_level(level: &str) -> Option<Severity> {
    Some(match level {
        "error" => Severity::High,
        "warning" => Severity::Medium,
        "note" => Severity::Low,
        "none" => Severity::Info,
        _ => return None,
    })
}

/// A number from 0 to `most`, which some tools write as a text. Anything else says nothing.
fn number(value: &Value, most: f64) -> Option<f64> {
    let number = value.as_f64().or_else(|| value.as_str()?.trim().parse().ok())?;
    (0.0..=most).contains(&number).then_some(number)
}
