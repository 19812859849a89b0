//! JUnit XML, as many tools write it: counted from the test cases, since the totals in attributes are often wrong.

use quick_xml::{Reader, events::Event};

use super::{BadReport, TestCounts};

/// Adds up the test cases of one file.
///
/// # Errors
/// [`BadReport`]: not XML, or no test suite in it.
pub fn count(text: &[u8]) -> Result<TestCounts, BadReport> {
    let bad = |reason: String| BadReport { format: "JUnit", reason };
    let mut reader = Reader::from_reader(text);
    let mut counts = TestCounts::default();
    // Whether the case that is open has been counted as something else than passed: a case may fail and break.
    let (mut in_case, mut told, mut suites) = (false, false, 0u64);
    loop {
        match reader.read_event().map_err(|error| bad(error.to_string()))? {
            Event::Start(tag) | Event::Empty(tag)
                if matches!(tag.local_name().as_ref(), "testsuite" | "testsuites") =>
            {
                suites += 1;
            }
            Event::Start(tag) if tag.local_name().as_ref() == "testcase" => {
                counts.tests += 1;
                (in_case, told) = (true, false);
            }
            Event::Empty(tag) if tag.local_name().as_ref() == "testcase" => counts.tests += 1,
            Event::End(tag) if tag.local_name().as_ref() == "testcase" => in_case = false,
            Event::Start(tag) | Event::Empty(tag) if in_case && !told => {
                told = true;
                match tag.local_name().as_ref() {
                    "failure" => counts.failures += 1,
                    "error" => counts.errors += 1,
                    "skipped" => counts.skipped += 1,
                    _ => told = false,
                }
            }
            Event::Eof if suites == 0 => return Err(bad("it has no test suite".to_owned())),
            Event::Eof => return Ok(counts),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cases_are_counted_and_totals_are_not_believed() {
        let report = br#"<?xml version="1.0"?><testsuite name="s" tests="99"><properties/>
            <testcase name="a"/><testcase name="b"><failure>x</failure><error/></testcase>
            <testcase name="c"><skipped/></testcase><testcase name="d"><system-out>&lt;failure/&gt;</system-out></testcase>
            <testcase name="e"><error type="t"/></testcase></testsuite>"#;
        assert_eq!(count(report).unwrap(), TestCounts { tests: 5, failures: 1, errors: 1, skipped: 1 });
    }

    #[test]
    fn what_is_no_report_is_an_error() {
        for bad in ["", "text", "<html></html>", "<testsuite><testcase></testsuite>"] {
            assert!(count(bad.as_bytes()).is_err(), "{bad}");
        }
    }
}
