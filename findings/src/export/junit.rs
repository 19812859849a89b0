//! JUnit XML: all test cases of a job as one file, as Jenkins, GitLab and IDEs read it; a suite for each stage and class.

use std::fmt::Write;

use quick_xml::escape::escape;

use crate::{TestCase, TestState};

/// Test cases as one file; each with its stage. `name` is what they are of, `left_out` how many passed besides.
pub fn junit<'a>(name: &str, cases: impl Iterator<Item = (&'a str, &'a TestCase)>, left_out: u64) -> String {
    let mut suites: Vec<(String, Vec<&TestCase>)> = Vec::new();
    let mut places = std::collections::HashMap::new();
    for (stage, case) in cases {
        let suite = if case.suite.is_empty() { &case.class } else { &case.suite };
        let key = format!("{stage}: {suite}");
        let at = *places.entry(key.clone()).or_insert_with(|| {
            suites.push((key, Vec::new()));
            suites.len() - 1
        });
        suites[at].1.push(case);
    }
    let all = suites.iter().flat_map(|(_, cases)| cases.iter().copied());
    let mut text = format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites{}>\n", numbers(name, all));
    if left_out > 0 {
        let _ = writeln!(text, "  <!-- {left_out} more tests passed, and are left out -->");
    }
    for (name, cases) in &suites {
        let _ = writeln!(text, "  <testsuite{}>", numbers(name, cases.iter().copied()));
        cases.iter().for_each(|case| write_case(&mut text, case));
        text.push_str("  </testsuite>\n");
    }
    text.push_str("</testsuites>\n");
    text
}

fn numbers<'a>(name: &str, cases: impl Iterator<Item = &'a TestCase>) -> String {
    let (mut tests, mut failures, mut errors, mut skipped, mut took) = (0, 0, 0, 0, 0);
    for case in cases {
        tests += 1;
        took += case.duration_ms.unwrap_or_default();
        match case.state {
            TestState::Failed => failures += 1,
            TestState::Error => errors += 1,
            TestState::Skipped => skipped += 1,
            TestState::Flaky | TestState::Passed => {}
        }
    }
    format!(
        " name=\"{}\" tests=\"{tests}\" failures=\"{failures}\" errors=\"{errors}\" skipped=\"{skipped}\" time=\"{}\"",
        clean(name),
        seconds(took)
    )
}

fn seconds(milliseconds: u64) -> String {
    format!("{}.{:03}", milliseconds / 1000, milliseconds % 1000)
}

/// A text in which nothing is markup, and no character that XML has no place for.
fn clean(text: &str) -> String {
    let allowed = |c: &char| matches!(c, '\t' | '\n' | ' '..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..);
    escape(text.chars().filter(allowed).collect::<String>()).replace('\n', "&#10;")
}

fn write_case(text: &mut String, case: &TestCase) {
    // A suite that broke beside its tests has no name of its own.
    let name = if case.name.is_empty() { "(suite)" } else { &case.name };
    let _ = write!(text, "    <testcase name=\"{}\" classname=\"{}\"", clean(name), clean(&case.class));
    if let Some(took) = case.duration_ms {
        let _ = write!(text, " time=\"{}\"", seconds(took));
    }
    if let Some(file) = &case.file {
        let _ = write!(text, " file=\"{}\"", clean(file));
    }
    if let Some(line) = case.line {
        let _ = write!(text, " line=\"{line}\"");
    }
    text.push_str(">\n");
    let message = clean(&case.message);
    let trace = clean(&case.trace).replace("&#10;", "\n");
    let _ = match case.state {
        TestState::Passed => Ok(()),
        TestState::Skipped => writeln!(text, "      <skipped message=\"{message}\"/>"),
        state => {
            let tag = match state {
                TestState::Failed => "failure",
                TestState::Flaky => "flakyFailure",
                _ => "error",
            };
            writeln!(text, "      <{tag} message=\"{message}\" type=\"{}\">{trace}</{tag}>", state.as_str())
        }
    };
    if !case.output.is_empty() {
        let _ = writeln!(text, "      <system-out>{}</system-out>", clean(&case.output).replace("&#10;", "\n"));
    }
    text.push_str("    </testcase>\n");
}
