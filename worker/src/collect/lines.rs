//! The lines that findings are on, read from what was submitted: a finding is known again by its line.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use pipelinex_common::{findings::Finding, foreign::Beneath, limits::MIB};

/// The largest file of which lines are read, in bytes.
const FILE_MAX: u64 = 8 * MIB;
/// So much is read of all files together, in bytes; findings of what is left over are known by what they say.
const READ_MAX: u64 = 256 * MIB;
/// So much of a line counts, in bytes.
const LINE_MAX: usize = 4096;

/// Lines by path and number.
pub(super) type Lines = HashMap<(String, u64), String>;

/// Reads the lines that findings are on. What cannot be read is missing.
pub(super) fn of(source: &Beneath, findings: &[Finding]) -> Lines {
    let mut wanted: BTreeMap<&str, BTreeSet<u64>> = BTreeMap::new();
    for (path, line) in findings.iter().filter_map(|finding| Some((finding.path.as_deref()?, finding.line?))) {
        wanted.entry(path).or_default().insert(line);
    }
    let (mut lines, mut left) = (Lines::new(), READ_MAX);
    for (path, numbers) in wanted {
        let Ok(content) = source.read(path, FILE_MAX.min(left)) else { continue };
        left -= content.len() as u64;
        let mut text = content.split(|byte| *byte == b'\n');
        let mut at = 0;
        for number in numbers {
            // Both go up, so each file is passed once.
            let Some(line) = number.checked_sub(at + 1).and_then(|skip| text.nth(usize::try_from(skip).ok()?)) else {
                break;
            };
            at = number;
            let line = String::from_utf8_lossy(&line[..line.len().min(LINE_MAX)]).into_owned();
            lines.insert((path.to_owned(), number), line);
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use pipelinex_common::findings::sarif;

    use super::*;

    #[test]
    fn the_lines_of_findings_are_read_and_what_lies_elsewhere_is_not() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("a.js"), "one\ntwo\nthree").unwrap();
        std::os::unix::fs::symlink("/etc/hostname", dir.path().join("b.js")).unwrap();
        let result = |path: &str, line: u64| {
            format!(
                r#"{{"ruleId": "r", "message": {{"text": "{line}"}}, "locations": [{{"physicalLocation":
                {{"artifactLocation": {{"uri": "{path}"}}, "region": {{"startLine": {line}}}}}}}]}}"#
            )
        };
        let results = [("a.js", 3), ("a.js", 1), ("a.js", 9), ("b.js", 1), ("../c.js", 1), ("/etc/hostname", 1)];
        let results: Vec<String> = results.iter().map(|(path, line)| result(path, *line)).collect();
        let report =
            format!(r#"{{"runs": [{{"tool": {{"driver": {{"name": "t"}}}}, "results": [{}]}}]}}"#, results.join(","));
        let found = sarif::parse(report.as_bytes(), "/app").unwrap().findings;
        assert_eq!(found.len(), 6);
        let lines = of(&Beneath::open(dir.path()).unwrap(), &found);
        let mut read: Vec<_> = lines.into_iter().map(|((path, line), text)| format!("{path}:{line} {text}")).collect();
        read.sort();
        assert_eq!(read, ["a.js:1 one", "a.js:3 three"]);
    }
}
