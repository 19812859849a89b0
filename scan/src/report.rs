//! What all reports have in common: read with a limit, counted, and told in one sentence.

use std::{
    fs::File,
    io::{self, Read},
    path::Path,
};

use pipelinex_findings::{Finding, FindingCounts};
use serde_json::Value;

use crate::stage::Failure;

/// Largest report that is read, in bytes. The worker takes no larger one.
const MAX_REPORT: u64 = 64 << 20;

/// The bytes of a report.
///
/// # Errors
/// It is missing, empty or too large.
pub(crate) fn read(tool: &str, path: &Path) -> Result<Vec<u8>, Failure> {
    match bytes(path, MAX_REPORT) {
        Ok(bytes) if bytes.is_empty() => Err(Failure::tool(format!("{tool} wrote an empty report"))),
        Ok(bytes) => Ok(bytes),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Err(Failure::tool(format!("{tool} wrote no report"))),
        Err(error) => Err(Failure::tool(format!("the report of {tool} cannot be read: {error}"))),
    }
}

/// A report as JSON.
///
/// # Errors
/// As [`read`], or it is torn.
pub(crate) fn json(tool: &str, path: &Path) -> Result<Value, Failure> {
    serde_json::from_slice(&read(tool, path)?)
        .map_err(|error| Failure::tool(format!("{tool} wrote a report that is no JSON: {error}")))
}

/// A file of at most that many bytes.
pub(crate) fn bytes(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(most + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > most {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, format!("it has more than {most} bytes")));
    }
    Ok(bytes)
}

/// The items of a list in a report; none where it is no list. Indexing would panic in a report of another shape.
pub(crate) fn items<'a>(value: &'a mut Value, key: &str) -> impl Iterator<Item = &'a mut Value> {
    value.get_mut(key).and_then(Value::as_array_mut).into_iter().flatten()
}

/// Says how many findings there are, by severity; `nothing` where there are none.
pub(crate) fn summary(findings: &[Finding], nothing: &str) -> String {
    let counts: FindingCounts = pipelinex_findings::count(findings);
    if counts.total() == 0 { nothing.to_owned() } else { format!("passed with findings: {}", counts.words()) }
}

/// One line of the log for a finding.
pub(crate) fn line(finding: &Finding) -> String {
    let mut line = format!("{:?}: {}", finding.severity, finding.rule);
    if let Some(package) = &finding.package {
        line.push_str(&format!(" in {package}"));
    }
    if let Some(path) = &finding.path {
        line.push_str(&format!(" at {path}"));
    }
    if let Some(number) = finding.line {
        line.push_str(&format!(":{number}"));
    }
    if let Some(url) = &finding.url {
        line.push_str(&format!(" at {url}"));
    }
    crate::stage::one_line(&line, 500)
}

/// The number that stands after a text in a line: what a tool says that it scanned.
pub(crate) fn number_after(line: &str, text: &str) -> Option<u64> {
    let rest = &line[line.find(text)? + text.len()..];
    let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().ok()
}

/// Whether an exit code and a report say the same: no findings with the code for none, some with the code for some.
///
/// # Errors
/// They contradict each other, so one of the two is wrong.
pub(crate) fn agree(tool: &str, found: bool, count: usize) -> Result<(), Failure> {
    match (found, count) {
        (true, 0) => Err(Failure::tool(format!("{tool} says it found something, its report is empty"))),
        (false, 1..) => Err(Failure::tool(format!("{tool} says it found nothing, its report has {count} findings"))),
        _ => Ok(()),
    }
}
