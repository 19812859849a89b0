use proptest::prelude::*;

use super::*;

fn counts(text: &str) -> TestCounts {
    parse(text.as_bytes()).unwrap().counts
}

fn of(tests: u64, failures: u64, errors: u64, skipped: u64) -> TestCounts {
    TestCounts { tests, failures, errors, skipped, ..TestCounts::default() }
}

fn failed(text: &str) -> Vec<String> {
    parse(text.as_bytes()).unwrap().failed.iter().map(FailedTest::words).collect()
}

#[test]
fn cases_are_counted_and_totals_are_not_believed() {
    let report = r#"<?xml version="1.0"?><testsuite name="s" tests="99"><properties/>
        <testcase name="a"/><testcase name="b"><failure>x</failure><error/></testcase>
        <testcase name="c"><skipped/></testcase><testcase name="d"><system-out>&lt;failure/&gt;</system-out></testcase>
        <testcase name="e"><error type="t"/></testcase></testsuite>"#;
    assert_eq!(counts(report), of(5, 1, 1, 1));
}

#[test]
fn what_is_no_report_or_a_part_of_one_is_an_error() {
    for bad in ["", "text", "<html></html>", "<testsuite><testcase></testsuite>", "<testcase/>"] {
        assert!(parse(bad.as_bytes()).is_err(), "{bad}");
    }
    for cut_off in ["<testsuite><testcase/>", "<testsuites><testsuite/>", "<testsuite><testcase name=\"a\"><failure>x"]
    {
        let error = parse(cut_off.as_bytes()).unwrap_err().to_string();
        assert!(error.contains("cut off"), "{error}");
    }
    let deep = "<testsuite>".repeat(100_000);
    assert!(parse(deep.as_bytes()).unwrap_err().to_string().contains("nested"));
}

#[test]
fn suites_nest_and_a_case_may_stand_in_any_of_them() {
    let nested = "<testsuites><testsuite><testcase/><testsuite><testcase><failure/></testcase></testsuite></testsuite></testsuites>";
    assert_eq!(counts(nested), of(2, 1, 0, 0));
    assert_eq!(
        counts("<testsuites><testcase name='a'/><testcase name='b'><failure/></testcase></testsuites>"),
        of(2, 1, 0, 0)
    );
    assert_eq!(
        counts("<x:testsuites xmlns:x='j'><x:testsuite><x:testcase/></x:testsuite></x:testsuites>"),
        of(1, 0, 0, 0)
    );
}

#[test]
fn a_suite_that_broke_beside_its_cases_is_counted_once() {
    let beside = r#"<testsuites><testsuite name="s" tests="1" errors="0"><testcase name="a"/></testsuite>
        <testsuite name="t" tests="0" errors="1"><system-err>

        container could not start
        at x</system-err></testsuite></testsuites>"#;
    assert_eq!(counts(beside), of(1, 0, 1, 0));
    assert_eq!(failed(beside), ["t: container could not start"]);
    let element = r#"<testsuite name="t" errors="1"><error message="no runner"/><testcase/></testsuite>"#;
    assert_eq!((counts(element), failed(element)), (of(1, 0, 1, 0), vec!["t: no runner".to_owned()]));
    // Every level says it again.
    let summed = r#"<testsuites failures="1" errors="1"><testsuite failures="1" errors="1"><testsuite errors="1"/>
        <testcase><failure/></testcase></testsuite></testsuites>"#;
    assert_eq!(counts(summed), of(1, 1, 1, 0));
    // Catch2 counts assertions, pytest an error of the teardown beside the failure.
    assert_eq!(
        counts("<testsuite failures='3'><testcase><failure/><failure/><failure/></testcase></testsuite>"),
        of(1, 1, 0, 0)
    );
    // One and the same, told as a failure here and as an error there.
    assert_eq!(counts("<testsuite errors='1'><testcase><failure/></testcase></testsuite>"), of(1, 1, 0, 0));
    assert_eq!(
        counts("<testsuite failures='2' errors='no' ><testcase><failure/></testcase></testsuite>"),
        of(1, 2, 0, 0)
    );
    let huge = format!("<testsuite errors='{0}' failures='{0}'/>", u64::MAX);
    assert!(counts(&huge).failed() == u64::MAX);
}

#[test]
fn a_test_that_was_run_again_counts_by_its_last_run() {
    let flaky =
        "<testsuite failures='2'><testcase name='a'><flakyFailure message='m'/><flakyError/></testcase></testsuite>";
    assert_eq!(counts(flaky), TestCounts { flaky: 1, ..of(1, 0, 0, 0) });
    let failing = "<testsuite failures='3'><testcase name='a'><failure message='m'/><rerunFailure/><rerunError/></testcase></testsuite>";
    assert_eq!(counts(failing), of(1, 1, 0, 0));
}

#[test]
fn how_a_test_ended_may_stand_in_an_attribute() {
    let google = "<testsuite disabled='1'><testcase status='notrun' result='suppressed'/><testcase status='run' result='completed'/></testsuite>";
    assert_eq!(counts(google), of(2, 0, 0, 1));
    assert_eq!(
        counts("<testsuite><testcase status='disabled'/><testcase><disabled/></testcase></testsuite>"),
        of(2, 0, 0, 2)
    );
    let told = "<testsuite><testcase name='a' status='fail'><failure message='why'/></testcase><testcase name='b' status='FAILED'/></testsuite>";
    assert_eq!((counts(told), failed(told)), (of(2, 2, 0, 0), vec!["a: why".to_owned(), "b".to_owned()]));
}

#[test]
fn a_failed_test_says_its_first_line() {
    let report = "<testsuite name='com.example.GreeterTest'>
        <testcase classname='com.example.GreeterTest' name='greets'><failure message='expected: &lt;a&gt; but was: &lt;b&gt;&#10;more' type='T'>x</failure></testcase>
        <testcase name='breaks'><error type='java.lang.NullPointerException'><![CDATA[
java.lang.NullPointerException
\tat x]]></error></testcase>
        <testcase name='bare'><error type='java.lang.Error'/></testcase>
        <testcase name='odd'><failure message='a &bad; b\nc'/></testcase>
        <testcase name='written'><failure>1 &lt; 2 &amp; x&#33;</failure></testcase></testsuite>";
    assert_eq!(
        failed(report),
        [
            "GreeterTest.greets: expected: <a> but was: <b>",
            "GreeterTest.breaks: java.lang.NullPointerException",
            "GreeterTest.bare: java.lang.Error",
            "GreeterTest.odd: a &bad; b",
            "GreeterTest.written: 1 < 2 & x!",
        ]
    );
    let many = format!("<testsuite>{}</testsuite>", "<testcase><failure/></testcase>".repeat(500));
    let report = parse(many.as_bytes()).unwrap();
    assert_eq!((report.counts, report.failed.len()), (of(500, 500, 0, 0), FAILED_MAX));
    let long =
        format!("<testsuite><testcase name='{0}'><failure>{0}</failure></testcase></testsuite>", "ü".repeat(1 << 20));
    assert!(failed(&long)[0].len() < 2048);
}

#[test]
fn cases_that_did_not_fail_are_told_by_their_class() {
    let report = "<testsuite><testcase classname='a.B' name='x'/><testcase classname='a.B'><skipped/></testcase>
        <testcase classname='a.C'><failure/></testcase><testcase name='n'/></testsuite>";
    let classes = parse(report.as_bytes()).unwrap().classes;
    assert_eq!(classes.into_iter().collect::<Vec<_>>(), [("a.B".to_owned(), of(2, 0, 0, 1))]);
}

#[test]
fn encodings_are_read() {
    let latin = b"<?xml version=\"1.0\" encoding=\"ISO-8859-1\"?>\n<testsuite name=\"s\"><testcase name=\"gr\xfcn\"/><testcase name=\"b\"><failure message=\"\xe4\"/></testcase></testsuite>";
    let report = parse(latin).unwrap();
    assert_eq!((report.counts, report.failed[0].words()), (of(2, 1, 0, 0), "s.b: ä".to_owned()));
    let wide: Vec<u8> =
        "\u{feff}<testsuite><testcase/></testsuite>".encode_utf16().flat_map(u16::to_le_bytes).collect();
    assert_eq!(parse(&wide).unwrap().counts, of(1, 0, 0, 0));
}

const WHOLE: &str = r#"<?xml version="1.0" encoding="windows-1252"?><testsuites errors="1"><testsuite name="s" failures="1">
    <testcase classname="a.B" name="c"><failure message="m">t &amp; <![CDATA[c]]></failure></testcase>
    <testcase status="notrun"/><system-err>x</system-err></testsuite></testsuites>"#;

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_bytes_break_it(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        let _ = parse(&bytes);
    }

    #[test]
    fn no_damage_to_a_report_breaks_it(edits in prop::collection::vec((0..WHOLE.len(), any::<u8>()), 1..8), end in 0..=WHOLE.len()) {
        let mut bytes = WHOLE.as_bytes().to_vec();
        edits.iter().for_each(|(at, byte)| bytes[*at] = *byte);
        bytes.truncate(end);
        let _ = parse(&bytes);
    }

    /// A file that a tool could not write to its end is never taken for a whole one.
    #[test]
    fn a_report_that_is_cut_off_is_an_error(end in 0..WHOLE.len()) {
        prop_assert!(parse(&WHOLE.as_bytes()[..end]).is_err());
    }
}

#[test]
fn what_only_an_attribute_tells_counts_once() {
    let counts = |text: &str| parse(text.as_bytes()).unwrap().counts;
    let failed = counts(r#"<testsuite failures="1"><testcase name="a" status="failed"/></testsuite>"#);
    assert_eq!((failed.tests, failed.failures, failed.errors), (1, 1, 0));
    let broken = counts(r#"<testsuite errors="1"><testcase name="a" result="error"><failure/></testcase></testsuite>"#);
    assert_eq!(broken.failed(), 1);
    let broken =
        counts(r#"<testsuites errors="1"><testsuite errors="1"><testcase status="broken"/></testsuite></testsuites>"#);
    assert_eq!((broken.tests, broken.failures, broken.errors), (1, 0, 1));
}

#[test]
fn the_last_cause_of_a_long_trace_is_kept() {
    let frames = "\tat a.b.C.d(C.java:1)\n".repeat(500);
    let trace = format!(
        "java.lang.IllegalStateException: no context\n{frames}Caused by: a.First: one\n{frames}Caused by: b.Last: &lt;two&gt;\n{frames}"
    );
    let report = format!(
        "<testsuite name=\"s\"><testcase classname=\"a.T\" name=\"x\"><error message=\"no context\">{trace}</error></testcase>\
         <testcase classname=\"a.T\" name=\"y\"><failure><![CDATA[b.Last: said\nCaused by: b.Last: said]]></failure></testcase></testsuite>"
    );
    assert_eq!(failed(&report), ["T.x: no context (caused by b.Last: <two>)", "T.y: b.Last: said"]);
}

fn cases(text: &str) -> Vec<TestCase> {
    let mut cases = Vec::new();
    read(text.as_bytes(), &mut |case| cases.push(case)).unwrap();
    cases
}

#[test]
fn a_case_has_its_state_its_time_its_place_and_what_it_said() {
    let surefire = r#"<testsuite name="dev.shop.OrderServiceTest" time="1,234.5">
        <properties><property name="a" value="b"/></properties>
        <testcase name="total" classname="dev.shop.OrderServiceTest" time="1,000.25">
          <failure message="&#27;[31mexpected: &lt;3&gt;&#27;[0m but was: &lt;2&gt;" type="org.opentest4j.AssertionFailedError"><![CDATA[org.opentest4j.AssertionFailedError: expected: <3> but was: <2>
	at org.junit.jupiter.api.AssertEquals.fail(AssertEquals.java:182)
	at dev.shop.OrderServiceTest.total(OrderServiceTest.java:48)]]></failure>
          <system-out>connecting to db://shop:s3cret@db/orders</system-out></testcase>
        <testcase name="empty" classname="dev.shop.OrderServiceTest" time="0.01"><system-out>noise</system-out></testcase>
        <testcase name="later" classname="dev.shop.OrderServiceTest"><skipped message="not on Mondays"/></testcase>
        <testcase name="now_and_then" classname="dev.shop.OrderServiceTest"><flakyFailure message="timed out">trace</flakyFailure></testcase>
        <testcase name="breaks" classname="dev.shop.OrderServiceTest"><error type="java.lang.NullPointerException"/><rerunError/></testcase>
        </testsuite>"#;
    let cases = cases(surefire);
    let states: Vec<_> = cases.iter().map(|case| (case.name.as_str(), case.state.as_str(), case.duration_ms)).collect();
    assert_eq!(
        states,
        [
            ("total", "failed", Some(1_000_250)),
            ("empty", "passed", Some(10)),
            ("later", "skipped", None),
            ("now_and_then", "flaky", None),
            ("breaks", "error", None),
        ]
    );
    let total = &cases[0];
    assert_eq!(
        (total.title().as_str(), total.message.as_str()),
        ("OrderServiceTest.total", "expected: <3> but was: <2>")
    );
    assert_eq!(total.place().as_deref(), Some("OrderServiceTest.java:48"));
    assert_eq!(total.output, "connecting to db://shop:[redacted]@db/orders");
    assert_eq!((cases[1].output.as_str(), cases[2].message.as_str()), ("", "not on Mondays"));
    assert_eq!((cases[3].message.as_str(), cases[3].reruns), ("timed out", 1));
    assert_eq!(cases[4].message, "java.lang.NullPointerException");
}

#[test]
fn a_suite_that_broke_is_a_case_without_a_name_and_files_come_from_attributes_too() {
    let of = |text: &str| -> Vec<String> {
        cases(text).iter().map(|case| format!("{} {} {:?}", case.state.as_str(), case.title(), case.place())).collect()
    };
    let jest = r#"<testsuites><testsuite name="cart" errors="1" file="test/cart.test.ts"><testsuite name="inner">
        <testcase name="adds" classname="cart adds"/></testsuite><testcase name="b" file="b.py" line="7"/></testsuite></testsuites>"#;
    assert_eq!(of(jest), ["passed cart adds.adds None", "passed cart.b Some(\"b.py:7\")", "error cart None"]);
    let latin = b"<?xml version=\"1.0\" encoding=\"ISO-8859-1\"?><testsuite name=\"s\"><testcase name=\"gr\xfcn\"><failure message=\"\xfc\"/></testcase></testsuite>";
    let mut all = Vec::new();
    read(latin, &mut |case| all.push(case)).unwrap();
    assert_eq!((all[0].name.as_str(), all[0].message.as_str(), all[0].class.as_str()), ("grün", "ü", "s"));
}

#[test]
fn long_output_keeps_its_end_and_long_traces_their_beginning() {
    let long = "line of output\n".repeat(20_000);
    let report = format!(
        "<testsuite><testcase name='a'><failure>first\n{long}</failure><system-out>{long}</system-out><system-err>last words</system-err></testcase></testsuite>"
    );
    let case = &cases(&report)[0];
    assert!(case.trace.starts_with("first\n") && case.trace.len() < 7_000, "{}", case.trace.len());
    assert!(case.output.ends_with("last words") && case.output.len() < 4_000, "{}", case.output.len());
}

#[test]
fn a_message_that_announces_what_follows_is_told_with_it() {
    let node = "<testsuites><testcase name='a' classname='test' file='/home/runner/app/test/a.test.js'>\
                <failure message=\"Expected values to be strictly equal:&#10;&#10;'Ada' !== 'Bob'&#10;\"/></testcase></testsuites>";
    let case = &cases(node)[0];
    assert_eq!(case.message, "Expected values to be strictly equal: 'Ada' !== 'Bob'");
    assert_eq!(case.file.as_deref(), Some("test/a.test.js"));
}
