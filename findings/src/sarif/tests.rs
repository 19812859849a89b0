use proptest::prelude::*;
use serde_json::json;

use super::*;

const APP: &str = "/home/runner/app";

/// A report of one run, with the results and whatever else it has.
fn run(mut run: Value, results: Value) -> Report {
    if run["tool"].is_null() {
        run["tool"] = json!({"driver": {"name": "tool"}});
    }
    run["results"] = results;
    parse(json!({"version": "2.1.0", "runs": [run]}).to_string().as_bytes(), APP).unwrap()
}

fn at(uri: &str, line: u64) -> Value {
    json!([{"physicalLocation": {"artifactLocation": {"uri": uri}, "region": {"startLine": line}}}])
}

fn messages(report: &Report) -> Vec<&str> {
    report.findings.iter().map(|finding| finding.message.as_str()).collect()
}

#[test]
fn a_finding_has_rule_place_and_severity() {
    let report = run(
        json!({"tool": {"driver": {"name": "gitleaks"}}}),
        json!([
            {"ruleId": "aws-access-token", "message": {"text": "found"}, "locations": at("/home/runner/app/src/a.txt", 7)},
            {"ruleId": "x", "level": "note"},
        ]),
    );
    let [first, second] = &report.findings[..] else { panic!("{report:?}") };
    assert_eq!((first.path.as_deref(), first.line, first.severity), (Some("src/a.txt"), Some(7), Severity::High));
    assert_eq!((second.path.as_deref(), second.line, second.severity), (None, None, Severity::Low));
}

#[test]
fn what_shows_no_scan_is_no_report() {
    for bad in [
        "",
        "{}",
        "[]",
        r#"{"runs": []}"#,
        r#"{"runs": [{}]}"#,
        r#"{"runs": [{"tool": {"driver": {"name": "t"}}}]}"#,
        r#"{"runs": [{"tool": {"driver": {"name": "t"}}, "results": null}]}"#,
        r#"{"runs": [{"to"#,
        r#"{"runs": [{"tool": {"driver": {"name": "t"}}, "results": [],
            "externalPropertyFileReferences": {"results": [{"location": {"uri": "x"}}]}}]}"#,
        r#"{"inlineExternalProperties": [{"results": [{}]}],
            "runs": [{"tool": {"driver": {"name": "t"}}, "results": []}]}"#,
    ] {
        assert!(parse(bad.as_bytes(), APP).is_err(), "{bad}");
    }
    let marked = b"\xef\xbb\xbf{\"runs\": [{\"tool\": {\"driver\": {\"name\": \"t\"}}, \"results\": []}]}";
    assert_eq!(parse(marked, APP).unwrap(), Report::default());
    let many = json!({"runs": [{"tool": {"driver": {"name": "t"}}, "results": vec![json!({"kind": "pass"}); MAX_FINDINGS + 1]}]});
    assert!(parse(many.to_string().as_bytes(), APP).unwrap_err().to_string().contains("more than"));
}

#[test]
fn a_suppression_counts_where_it_is_accepted() {
    let live = [
        json!(null),
        json!([]),
        json!("no list"),
        json!([{"kind": "external", "status": "rejected"}]),
        json!([{"kind": "external", "status": "underReview"}]),
        json!([{"kind": "inSource"}, {"kind": "external", "status": "rejected"}]),
        json!([{"kind": "external", "status": "a status of another version"}]),
        json!([7]),
    ];
    let accepted = [json!([{"kind": "inSource"}]), json!([{"kind": "external", "status": "accepted"}])];
    let result = |(number, suppressions): (usize, &Value)| json!({"ruleId": "r", "locations": at("a.java", number as u64 + 1), "suppressions": suppressions});
    let report = run(json!({}), live.iter().chain(&accepted).enumerate().map(result).collect());
    assert_eq!((report.findings.len(), report.set_aside.suppressed), (live.len(), 2));
    assert_eq!(report.set_aside.words(), "2 suppressed");
}

#[test]
fn a_result_that_is_no_problem_is_no_finding() {
    let of_kind = |kind: &str| json!({"ruleId": "r", "kind": kind, "message": {"text": kind}});
    let kinds = ["pass", "notApplicable", "informational", "open", "review", "fail", "unheard-of"].map(of_kind);
    let report = run(json!({}), kinds.to_vec().into());
    assert_eq!(messages(&report), ["to be reviewed by a person: review", "fail", "unheard-of"]);
    let severities: Vec<_> = report.findings.iter().map(|finding| finding.severity).collect();
    assert_eq!(severities, [Severity::Low, Severity::Medium, Severity::Medium], "what needs a person is a note");
    assert_eq!(report.set_aside, SetAside { passed: 3, undecided: 1, ..SetAside::default() });
    let levels = json!([{"kind": "review", "level": "error"}, {"kind": "review", "level": "none"}, {"kind": "pass", "level": "error"}]);
    let report = run(json!({}), levels);
    let severities: Vec<_> = report.findings.iter().map(|finding| finding.severity).collect();
    assert_eq!(severities, [Severity::High, Severity::Low]);
    let states =
        ["new", "unchanged", "updated", "absent"].map(|state| json!({"ruleId": state, "baselineState": state}));
    let report = run(json!({}), states.to_vec().into());
    assert_eq!((report.findings.len(), report.set_aside.absent), (3, 1));
}

#[test]
fn a_tool_that_says_that_it_failed_has_failed() {
    let failed = |invocations: Value| run(json!({"invocations": invocations}), json!([{"ruleId": "r"}]));
    for (invocations, said) in [
        (json!([{"executionSuccessful": true}]), None),
        (json!([{"exitCode": 0}]), None),
        (json!([{"executionSuccessful": false}]), Some("tool says that it failed: it does not say why")),
        (json!([{"executionSuccessful": "False", "exitCode": 2}]), Some("tool says that it failed: exit code 2")),
        (
            json!([{"executionSuccessful": true}, {"executionSuccessful": false, "toolExecutionNotifications":
                [{"level": "note", "message": {"text": "began"}}, {"level": "error", "message": {"text": "no rules"}}]}]),
            Some("tool says that it failed: no rules"),
        ),
        (
            json!([{"executionSuccessful": false, "toolConfigurationNotifications": [{"message": {"text": "bad file"}}]}]),
            Some("tool says that it failed: bad file"),
        ),
    ] {
        let report = failed(invocations);
        assert_eq!(report.failed.as_deref(), said);
        assert_eq!(report.findings.len(), 1, "what it found all the same is kept");
    }
}

/// One rule in the tool, one in each of two extensions; the second has the id of the first.
fn rules() -> Value {
    json!({"tool": {
        "driver": {"name": "tool", "guid": "AAAA", "rules": [
            {"id": "r0", "guid": "0000", "defaultConfiguration": {"level": "error"}},
            {"id": "CA1000", "defaultConfiguration": {"level": "note"}}]},
        "extensions": [
            {"name": "pack", "guid": "BBBB", "rules": [{"id": "ext", "properties": {"security-severity": "9.1"}}]},
            {"name": "other", "guid": "CCCC", "rules": [{"id": "r0", "guid": "cccc-0", "defaultConfiguration": {"level": "none"}}]}]}})
}

#[test]
fn a_rule_is_found_by_id_index_or_guid_in_the_tool_and_its_extensions() {
    use Severity::{Critical, High, Info, Low, Medium};
    for (result, rule, severity) in [
        (json!({"ruleId": "r0"}), "r0", High),
        (json!({"ruleIndex": 0}), "r0", High),
        (json!({"rule": {"index": 1}}), "CA1000", Low),
        (json!({"rule": {"id": "CA1000"}}), "CA1000", Low),
        (json!({"rule": {"guid": "0000"}}), "r0", High),
        (json!({"ruleId": "CA1000/1"}), "CA1000/1", Low),
        (json!({"ruleId": "CA1000/1/2", "ruleIndex": 1}), "CA1000/1/2", Low),
        (json!({"ruleId": "CA1000/1", "ruleIndex": 0}), "CA1000/1", Low),
        (json!({"ruleId": "renamed", "ruleIndex": 0}), "renamed", High),
        (json!({"ruleId": "ext", "rule": {"index": 0, "toolComponent": {"index": 0}}}), "ext", Critical),
        (json!({"rule": {"index": 0, "toolComponent": {"name": "pack"}}}), "ext", Critical),
        (json!({"rule": {"index": 0, "toolComponent": {"guid": "bbbb"}}}), "ext", Critical),
        (json!({"rule": {"guid": "CCCC-0", "toolComponent": {"index": 1}}}), "r0", Info),
        (json!({"ruleId": "r0", "rule": {"toolComponent": {"name": "other"}}}), "r0", Info),
        (json!({"ruleId": "ext"}), "ext", Critical),
        (json!({"ruleId": "unheard-of", "ruleIndex": 99}), "unheard-of", Medium),
        (json!({"ruleIndex": -1}), "unnamed", Medium),
        (json!({"rule": {"toolComponent": {"index": 99}, "index": 7}}), "unnamed", Medium),
    ] {
        let report = run(rules(), json!([result]));
        assert_eq!((report.findings[0].rule.as_str(), report.findings[0].severity), (rule, severity), "{result}");
    }
}

#[test]
fn a_severity_is_a_score_else_a_level_else_a_rank() {
    use Severity::{Critical, High, Info, Low, Medium};
    let about = |configuration: Value, score: Value| {
        json!({"tool": {"driver": {"name": "t", "rules":
            [{"id": "r", "defaultConfiguration": configuration, "properties": {"security-severity": score}}]}}})
    };
    for (result, configuration, score, severity) in [
        (json!({"level": "note"}), json!({"level": "error"}), json!("9.8"), Critical),
        (json!({"level": "note"}), json!({"level": "error"}), json!(7.1), High),
        (json!({"level": "note", "properties": {"security-severity": " 4.0 "}}), json!(null), json!("9.8"), Medium),
        (json!({"level": "note"}), json!({"level": "error"}), json!("NaN"), Low),
        (json!({"level": "note"}), json!({"level": "error"}), json!("99"), Low),
        (json!({}), json!({"level": "error"}), json!(null), High),
        (json!({}), json!({"rank": 95.0}), json!(null), Critical),
        (json!({"rank": 10}), json!({"rank": 95.0}), json!(null), Low),
        (json!({"rank": -1}), json!({"rank": -1.0}), json!(null), Medium),
        (json!({"level": "none"}), json!({"rank": 95.0}), json!(null), Info),
        (json!({"level": "odd"}), json!({}), json!(null), Medium),
    ] {
        let mut found = result.clone();
        found["ruleId"] = json!("r");
        let report = run(about(configuration, score), json!([found]));
        assert_eq!(report.findings[0].severity, severity, "{result}");
    }
}

#[test]
fn an_invocation_may_set_the_level_of_a_rule() {
    let with = |invocations: Value, result: Value| {
        let mut about = rules();
        about["invocations"] = invocations;
        run(about, json!([result])).findings[0].severity
    };
    let override_of = |descriptor: Value, level: &str| json!({"executionSuccessful": true, "ruleConfigurationOverrides": [{"descriptor": descriptor, "configuration": {"level": level}}]});
    let ours = json!([override_of(json!({"index": 0}), "note")]);
    assert_eq!(with(ours.clone(), json!({"ruleId": "r0"})), Severity::Low);
    assert_eq!(with(ours.clone(), json!({"ruleId": "r0", "level": "warning"})), Severity::Medium, "its own level wins");
    assert_eq!(
        with(ours, json!({"rule": {"index": 0, "toolComponent": {"index": 1}}})),
        Severity::Info,
        "another rule"
    );
    let two = json!([override_of(json!({"id": "r0"}), "none"), override_of(json!({"id": "r0"}), "warning")]);
    assert_eq!(with(two.clone(), json!({"ruleId": "r0", "provenance": {"invocationIndex": 1}})), Severity::Medium);
    assert_eq!(with(two, json!({"ruleId": "r0"})), Severity::High, "of which of the two nobody says");
}

#[test]
fn a_message_is_looked_up_and_filled_in() {
    let about = json!({"tool": {"driver": {"name": "t",
        "globalMessageStrings": {"global": {"text": "everywhere {0}"}},
        "rules": [{"id": "r", "shortDescription": {"text": "what the rule is about"}, "messageStrings": {
            "default": {"text": "first {0} second {1}"}, "marked": {"markdown": "*{0}*"}, "braces": {"text": "{{0}} {0} {2} {x} {"}}}]}}});
    for (message, expected) in [
        (json!({"text": "plain"}), "plain"),
        (json!({"text": "plain {0}", "arguments": ["a"]}), "plain a"),
        (json!({"id": "default", "arguments": ["one", "two"]}), "first one second two"),
        (json!({"id": "default", "arguments": ["{1}", "two"]}), "first {1} second two"),
        (json!({"id": "default", "arguments": [7]}), "first 7 second {1}"),
        (json!({"id": "marked", "arguments": ["a"]}), "*a*"),
        (json!({"id": "braces", "arguments": ["a"]}), "{0} a {2} {x} {"),
        (json!({"id": "global", "arguments": ["a"]}), "everywhere a"),
        (json!({"markdown": "**only markdown**"}), "**only markdown**"),
        (json!({"id": "nowhere"}), "what the rule is about"),
        (json!(null), "what the rule is about"),
        (json!("no object"), "what the rule is about"),
    ] {
        let report = run(about.clone(), json!([{"ruleId": "r", "message": message}]));
        assert_eq!(messages(&report), [expected]);
    }
    let bomb = json!({"text": "{0}".repeat(1 << 20), "arguments": ["x".repeat(1 << 20)]});
    assert!(messages(&run(json!({}), json!([{"message": bomb}])))[0].len() < 2048);
}

#[test]
fn a_place_is_resolved_against_its_bases() {
    let about = json!({
        "originalUriBaseIds": {
            "HOME": {"uri": "file:///home/runner/"}, "SRC": {"uri": "app/", "uriBaseId": "HOME"}, "BARE": {"uri": "app/my%20folder", "uriBaseId": "HOME"},
            "ROUND": {"uri": "a/", "uriBaseId": "ROUND"}, "UNSAID": {"description": {"text": "the project"}}},
        "artifacts": [{"location": {"uri": "listed.java", "uriBaseId": "SRC"}}]});
    for (artifact, path) in [
        (json!({"uri": "a.java", "uriBaseId": "SRC"}), Some("a.java")),
        (json!({"uri": "a.java", "uriBaseId": "BARE"}), Some("my folder/a.java")),
        (json!({"uri": "a.java", "uriBaseId": "HOME"}), Some("/home/runner/a.java")),
        (json!({"uri": "/home/runner/app/a.java", "uriBaseId": "SRC"}), Some("a.java")),
        (json!({"uri": "file:///home/runner/app/a.java", "uriBaseId": "HOME"}), Some("a.java")),
        (json!({"uri": "a.java", "uriBaseId": "UNSAID"}), Some("a.java")),
        (json!({"uri": "a.java", "uriBaseId": "NOWHERE"}), Some("a.java")),
        (json!({"uri": "file:///home/runner/apple/x"}), Some("/home/runner/apple/x")),
        (json!({"index": 0}), Some("listed.java")),
        (json!({"index": 9}), None),
        (json!({}), None),
    ] {
        let location = json!([{"physicalLocation": {"artifactLocation": artifact, "region": {"startLine": 1}}}]);
        let report = run(about.clone(), json!([{"ruleId": "r", "locations": location}]));
        assert_eq!(report.findings[0].path.as_deref(), path, "{artifact}");
    }
    let round = json!([{"physicalLocation": {"artifactLocation": {"uri": "x", "uriBaseId": "ROUND"}}}]);
    assert!(run(about, json!([{"locations": round}])).findings[0].path.as_deref().unwrap().ends_with("a/x"));
    let target =
        run(json!({}), json!([{"analysisTarget": {"uri": "b.java"}}, {"locations": [{"logicalLocations": []}]}]));
    let paths: Vec<_> = target.findings.iter().map(|finding| finding.path.as_deref()).collect();
    assert_eq!(paths, [Some("b.java"), None]);
}

#[test]
fn a_line_that_is_none_is_left_out() {
    for line in [json!("7"), json!(-3), json!(0), json!(1.5), json!(null), json!([])] {
        let place = json!([{"physicalLocation": {"artifactLocation": {"uri": "a"}, "region": {"startLine": line}}}]);
        assert_eq!(run(json!({}), json!([{"locations": place}])).findings[0].line, None, "{line}");
    }
}

#[test]
fn what_is_said_twice_counts_once_and_two_places_stay_two() {
    let result = |rule: &str, line: u64, column: u64| {
        let region = json!({"startLine": line, "startColumn": column});
        json!({"ruleId": rule, "message": {"text": "dup"}, "locations": [{"physicalLocation": {"artifactLocation": {"uri": "a"}, "region": region}}]})
    };
    let report = run(
        json!({}),
        json!([result("r", 1, 1), result("r", 1, 1), result("r", 1, 9), result("r", 2, 1), result("s", 1, 1)]),
    );
    assert_eq!((report.findings.len(), report.set_aside.repeated), (4, 1));
    let mut both = at("a", 1);
    both.as_array_mut().unwrap().extend([at("b", 2)[0].clone(), at("b", 2)[0].clone()]);
    let report = run(json!({}), json!([{"ruleId": "r", "locations": both}]));
    let places: Vec<_> =
        report.findings.iter().map(|finding| (finding.path.as_deref().unwrap(), finding.line.unwrap())).collect();
    assert_eq!(places, [("a", 1), ("b", 2)]);
    let many: Vec<Value> = (1..1000).map(|line| at("a", line)[0].clone()).collect();
    assert_eq!(run(json!({}), json!([{"locations": many}])).findings.len(), PLACES_MAX);
}

/// A report with something of everything that is looked at.
fn whole() -> Value {
    let mut run = rules();
    run["invocations"] = json!([{"executionSuccessful": true, "ruleConfigurationOverrides": [{"descriptor": {"id": "r0"}, "configuration": {"level": "note"}}]}]);
    run["originalUriBaseIds"] =
        json!({"SRC": {"uri": "file:///home/runner/app/", "uriBaseId": "ROOT"}, "ROOT": {"uri": "file:///"}});
    run["artifacts"] = json!([{"location": {"uri": "b%20c"}}]);
    run["results"] = json!([
        {"ruleId": "CA1000/1", "ruleIndex": 1, "rule": {"toolComponent": {"index": 0}}, "kind": "fail", "rank": 1.5, "provenance": {"invocationIndex": 0},
         "message": {"id": "default", "arguments": ["{0}"], "text": "{0} {{"}, "suppressions": [{"status": "rejected"}], "baselineState": "new",
         "locations": [{"physicalLocation": {"artifactLocation": {"uri": "a%2", "uriBaseId": "SRC", "index": 0}, "region": {"startLine": 1}}}]}]);
    json!({"runs": [run]})
}

/// Puts something else in the place of the value that comes up when they are counted through.
fn replaced(value: &mut Value, left: &mut usize, by: &Value) {
    if *left == 0 {
        *value = by.clone();
    }
    *left = left.wrapping_sub(1);
    match value {
        Value::Array(items) => items.iter_mut().for_each(|item| replaced(item, left, by)),
        Value::Object(fields) => fields.values_mut().for_each(|field| replaced(field, left, by)),
        _ => {}
    }
}

fn any_value() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(json!(null)),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
        "[{}%/.:0-9a-zü]{0,12}".prop_map(Value::from),
        Just(json!([])),
        Just(json!([{}, [], 1])),
        Just(json!({"index": u64::MAX, "uri": "%", "text": "{18446744073709551616}"})),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_bytes_break_it(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        let _ = parse(&bytes, APP);
    }

    #[test]
    fn no_damage_to_a_report_breaks_it(edits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8)) {
        let mut bytes = whole().to_string().into_bytes();
        edits.iter().for_each(|(at, byte)| { let at = at.index(bytes.len()); bytes[at] = *byte; });
        let _ = parse(&bytes, APP);
    }

    #[test]
    fn no_value_of_another_kind_breaks_it(edits in prop::collection::vec((0..120usize, any_value()), 1..4)) {
        let mut report = whole();
        edits.into_iter().for_each(|(mut at, by)| replaced(&mut report, &mut at, &by));
        let _ = parse(report.to_string().as_bytes(), APP);
    }
}
