use serde_json::{Value, json};

use super::*;
use crate::{Severity, TestCase, TestState, mark, testing::finding};

/// One of each kind, from a project that tries to be a formula, a mention and a link.
fn found() -> Vec<Finding> {
    let mut found = vec![
        Finding {
            message: "=HYPERLINK(\"http://evil.test\") | @all <b>[x](y)</b>\nnext, line".to_owned(),
            ..finding("js-xss", "src/a b.js", Some(7))
        },
        Finding { tool: "gitleaks".to_owned(), ..finding("aws-key", "c.txt", Some(1)) },
        Finding {
            tool: "osv-scanner".to_owned(),
            severity: Severity::Critical,
            package: Some("@a/b@1.0".to_owned()),
            fixed_in: Some("1.1".to_owned()),
            ..finding("CVE-2022-1", "package-lock.json", None)
        },
        finding("gone", "old.js", Some(3)),
    ];
    mark(&mut found, |_, _| None);
    found
}

fn written(format: Format, found: &[Finding], accepted: Option<usize>) -> String {
    let stages = ["SAST", "SECRETS", "SCA", "SAST"];
    let states = [Standing::New, Standing::Unchanged, Standing::Reopened, Standing::Fixed];
    let rows = found.iter().enumerate().map(|(at, finding)| Row {
        stage: stages[at],
        state: states[at],
        finding,
        accepted: (accepted == Some(at)).then_some("no danger"),
        false_positive: false,
    });
    let sheet = Sheet {
        title: "shop #2",
        beside: Some("#1".to_owned()),
        at: "2027-01-31T12:00:00",
        version: "1.0",
        id: "0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b",
        project: "shop",
        revision: "#2",
        bill: &[],
        rows: rows.collect(),
    };
    format.write(&sheet)
}

#[test]
fn sarif_is_read_again_as_what_it_was() {
    let found = found();
    let text = written(Format::Sarif, &found, Some(1));
    let read = crate::sarif::parse(text.as_bytes(), "/app").unwrap();
    // What is accepted is suppressed, what is fixed is absent.
    assert_eq!((read.set_aside.suppressed, read.set_aside.absent, read.failed), (1, 1, None));
    let told: Vec<_> = read.findings.iter().map(|f| (f.rule.as_str(), f.severity, f.path.as_deref(), f.line)).collect();
    let expected = [
        ("CVE-2022-1", Severity::Critical, Some("package-lock.json"), None),
        ("js-xss", Severity::High, Some("src/a b.js"), Some(7)),
    ];
    assert_eq!(told, expected);
    let report: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(report["runs"].as_array().unwrap().len(), 3, "one for each tool");
    let states: Vec<&Value> = report["runs"]
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|run| run["results"].as_array().unwrap())
        .map(|result| &result["baselineState"])
        .collect();
    assert_eq!(states, ["unchanged", "new", "new", "absent"]);
    let nothing = written(Format::Sarif, &[], None);
    assert_eq!(crate::sarif::parse(nothing.as_bytes(), "/app").unwrap(), crate::sarif::Report::default());
}

#[test]
fn no_field_of_a_sheet_is_a_formula_and_no_text_of_a_comment_is_markup() {
    let csv = written(Format::Csv, &found(), None);
    assert_eq!(csv.matches("\r\n").count(), 5, "{csv}");
    assert!(csv.contains("\"'=HYPERLINK(\"\"http://evil.test\"\") | @all <b>[x](y)</b>\nnext, line\""), "{csv}");
    assert!(
        csv.contains("critical,reopened,,SCA,osv-scanner,CVE-2022-1,package-lock.json,,'@a/b@1.0,1.1,,m,"),
        "{csv}"
    );
    let comment = written(Format::Markdown, &found(), Some(1));
    assert!(
        comment
            .starts_with("### Findings of shop \\#2\n\n1 new, 1 reopened, 1 fixed, 1 accepted, compared with \\#1.\n"),
        "{comment}"
    );
    assert!(comment.contains("| high | js-xss | src/a b.js:7 | t | =HYPERLINK"), "{comment}");
    assert!(comment.contains("m (accepted: no danger) |"), "{comment}");
    for markup in ["<b>", "[x](y)", "://", "@all", " | @"] {
        assert!(!comment.contains(markup), "{markup}: {comment}");
    }
}

#[test]
fn each_report_of_gitlabs_has_the_findings_of_its_kind() {
    let of = |format, accepted| -> Vec<Value> {
        let report: Value = serde_json::from_str(&written(format, &found(), accepted)).unwrap();
        report["vulnerabilities"].as_array().unwrap().clone()
    };
    let sast = of(Format::GitlabSast, None);
    assert_eq!(sast.len(), 1);
    assert_eq!((&sast[0]["severity"], &sast[0]["identifiers"][0]["type"]), (&json!("High"), &json!("pipelinex_rule")));
    assert_eq!(sast[0]["location"], json!({"file": "src/a b.js", "start_line": 7}));
    let secrets = of(Format::GitlabSecretDetection, None);
    let place = json!({"file": "c.txt", "start_line": 1, "commit": {"sha": "0000000"}});
    assert_eq!((secrets.len(), &secrets[0]["location"]), (1, &place));
    assert!(of(Format::GitlabSecretDetection, Some(1)).is_empty(), "what is accepted is not reported");
    let dependencies = of(Format::GitlabDependencyScanning, None);
    let dependency = json!({"package": {"name": "@a/b"}, "version": "1.0"});
    assert_eq!((dependencies.len(), &dependencies[0]["location"]["dependency"]), (1, &dependency));
    assert_eq!(dependencies[0]["identifiers"][0]["type"], "cve");
    assert_eq!(dependencies[0]["solution"], "Upgrade to 1.1");
}

#[test]
fn tests_as_junit_are_read_again_as_what_they_were() {
    let case = |name: &str, state: TestState, message: &str| TestCase {
        class: "dev.shop.A<T>".to_owned(),
        name: name.to_owned(),
        suite: String::new(),
        state,
        duration_ms: Some(1250),
        file: None,
        line: None,
        message: message.to_owned(),
        cause: String::new(),
        trace: if message.is_empty() { String::new() } else { format!("{message}\n\tat ]]> <b>&amp;") },
        output: if message.is_empty() { String::new() } else { "said \"it\"\u{ffff}".to_owned() },
        reruns: 0,
    };
    let cases = [
        case("fails", TestState::Failed, "expected <a> & 'b'"),
        case("breaks", TestState::Error, "broke"),
        case("flips \u{1}\"", TestState::Flaky, "sometimes"),
        case("later", TestState::Skipped, "not on Mondays"),
        case("works", TestState::Passed, ""),
    ];
    let text = junit("shop #2", cases.iter().map(|case| ("TEST", case)), 0);
    let mut read = Vec::new();
    let report = crate::junit::read(text.as_bytes(), &mut |case| read.push(case)).unwrap();
    let counts = report.counts;
    assert_eq!((counts.tests, counts.failures, counts.errors, counts.skipped), (5, 1, 1, 1), "{text}");
    let told = |cases: &[TestCase]| -> Vec<_> {
        cases
            .iter()
            .map(|c| (c.name.replace('\u{1}', ""), c.class.clone(), c.state, c.message.clone(), c.duration_ms))
            .collect()
    };
    assert_eq!(told(&read), told(&cases), "{text}");
    assert!(
        text.starts_with("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name=\"shop #2\" tests=\"5\""),
        "{text}"
    );
}
