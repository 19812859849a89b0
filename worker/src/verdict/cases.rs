//! The verdict over the tests of a step. Its script has the first word, and a failed test in its reports the last: a build
//! that is told to go on after failed tests ends with 0.

use pipelinex_common::{
    execution::{FailedTest, StepRecord},
    foreign::shown_up_to,
    state::{Reason, StepState},
};

use crate::collect::Collected;

/// How many failed tests a message names; the record has more.
const NAMED_MAX: usize = 3;
/// Longest mention of one test in a message, and of what caused its failure, in characters each.
const MENTION_MAX: usize = 200;

/// Says what the tests came to, and fails a step that succeeded although a test failed or a report was not read, unless the operator
/// allows that.
pub fn judge_tests(record: &mut StepRecord, collected: &Collected, allowed: bool) {
    let Some(counts) = record.tests else { return };
    record.failed_tests = collected.failed_tests.clone();
    let mut words = counts.words();
    if counts.failed() > 0 {
        words.push_str(&named(record, counts.failed()));
    }
    words.push_str(&unread(collected));
    // A report that nobody read may be the one with the failed tests.
    let passed = counts.failed() == 0 && collected.broken_test_reports == 0;
    match (record.status, record.reason) {
        (StepState::Success, _) if !passed && allowed => {
            record.message = format!("{words} (the operator allows failing tests)");
        }
        (StepState::Success, _) if !passed => {
            record.status = StepState::Failed;
            record.reason = Some(Reason::ScriptFailure);
            record.message = words;
        }
        (StepState::Success, _) => record.message = words,
        // What failed says more than with which code.
        (_, Some(Reason::ScriptFailure)) if counts.failed() > 0 => record.message = words,
        _ => record.message = format!("{}; {words}", record.message),
    }
}

/// What was not read of the reports: `; not every test report was read: reports/a.xml: it is cut off; and 2 more`.
fn unread(collected: &Collected) -> String {
    let Some(first) = &collected.first_broken_test_report else { return String::new() };
    let first = shown_up_to(first, MENTION_MAX);
    match collected.broken_test_reports {
        0 | 1 => format!("; not every test report was read: {first}"),
        many => format!("; not every test report was read: {first}; and {} more", many - 1),
    }
}

/// The first failed tests: `: GreeterTest.greets: expected <a>; and 4 more`.
fn named(record: &StepRecord, failed: u64) -> String {
    let tests = record.failed_tests.iter().take(NAMED_MAX);
    let mention = |test: &FailedTest| {
        let bare = FailedTest { cause: String::new(), ..test.clone() };
        let cause = shown_up_to(&test.cause, MENTION_MAX);
        let cause = if cause.is_empty() { cause } else { format!(" (caused by {cause})") };
        format!("{}{cause}", shown_up_to(&bare.words(), MENTION_MAX))
    };
    let mentions: Vec<String> = tests.map(mention).collect();
    let more = failed.saturating_sub(mentions.len() as u64);
    match (mentions.is_empty(), more) {
        (true, _) => String::new(),
        (_, 0) => format!(": {}", mentions.join("; ")),
        _ => format!(": {}; and {more} more", mentions.join("; ")),
    }
}

#[cfg(test)]
mod tests {
    use pipelinex_common::execution::TestCounts;

    use super::*;

    fn judged(status: StepState, reason: Option<Reason>, failed: u64, allowed: bool) -> StepRecord {
        let mut record = StepRecord::bare("TEST", status, reason, "the script ended with code 1");
        record.tests = Some(TestCounts { tests: 9, failures: failed, ..TestCounts::default() });
        let test = |number: u64| FailedTest {
            class: "com.example.GreeterTest".to_owned(),
            name: format!("greets{number}"),
            message: "expected: <a> but was: <b>".to_owned(),
            cause: String::new(),
        };
        let mut collected = Collected::default();
        collected.failed_tests = (0..failed).map(test).collect();
        judge_tests(&mut record, &collected, allowed);
        record
    }

    #[test]
    fn a_failed_test_fails_a_step_that_forgave_it() {
        use StepState::{Canceled, Failed, Success};
        let one = "9 tests, 1 failed: GreeterTest.greets0: expected: <a> but was: <b>";
        let allowed = format!("{one} (the operator allows failing tests)");
        for (before, failed, allow, after, message) in [
            ((Success, None), 0, false, (Success, None), "9 tests"),
            ((Success, None), 1, false, (Failed, Some(Reason::ScriptFailure)), one),
            ((Success, None), 1, true, (Success, None), allowed.as_str()),
            ((Failed, Some(Reason::ScriptFailure)), 1, true, (Failed, Some(Reason::ScriptFailure)), one),
            (
                (Failed, Some(Reason::ScriptFailure)),
                0,
                false,
                (Failed, Some(Reason::ScriptFailure)),
                "the script ended with code 1; 9 tests",
            ),
            (
                (Failed, Some(Reason::Oom)),
                1,
                false,
                (Failed, Some(Reason::Oom)),
                &format!("the script ended with code 1; {one}"),
            ),
            (
                (Canceled, Some(Reason::CanceledByUser)),
                0,
                false,
                (Canceled, Some(Reason::CanceledByUser)),
                "the script ended with code 1; 9 tests",
            ),
        ] {
            let record = judged(before.0, before.1, failed, allow);
            assert_eq!(((record.status, record.reason), record.message.as_str()), (after, message));
            assert_eq!(record.failed_tests.len() as u64, failed);
        }
    }

    #[test]
    fn a_long_message_hides_no_cause() {
        let mut record = StepRecord::bare("TEST", StepState::Success, None, "finished");
        record.tests = Some(TestCounts { tests: 1, errors: 1, ..TestCounts::default() });
        let (message, cause) =
            ("Failed to load ApplicationContext ".repeat(20), "java.net.ConnectException: refused".to_owned());
        let (class, name) = ("a.ContextTest".to_owned(), "loads".to_owned());
        let mut collected = Collected::default();
        collected.failed_tests = vec![FailedTest { class, name, message, cause }];
        judge_tests(&mut record, &collected, false);
        let said = &record.message;
        assert!(said.contains(": ContextTest.loads: Failed to load ApplicationContext"), "{said}");
        assert!(said.ends_with("… (caused by java.net.ConnectException: refused)"), "{said}");
    }

    #[test]
    fn of_many_failed_tests_the_message_names_three() {
        let message = judged(StepState::Success, None, 5, false).message;
        assert!(message.contains("greets2: ") && message.ends_with("; and 2 more"), "{message}");
        let mut record = StepRecord::bare("TEST", StepState::Success, None, "finished");
        let mut collected = Collected::default();
        collected.broken_test_reports = 2;
        collected.first_broken_test_report = Some("a.xml: it is cut off".to_owned());
        judge_tests(&mut record, &collected, false);
        assert_eq!(record.message, "finished", "no tests, nothing to say");
        record.tests = Some(TestCounts::default());
        judge_tests(&mut record, &collected, false);
        let words = "0 tests; not every test report was read: a.xml: it is cut off; and 1 more";
        assert_eq!((record.status, record.reason), (StepState::Failed, Some(Reason::ScriptFailure)));
        assert_eq!(record.message, words);
        record.status = StepState::Success;
        judge_tests(&mut record, &collected, true);
        assert_eq!(record.status, StepState::Success);
        assert_eq!(record.message, format!("{words} (the operator allows failing tests)"));
    }
}
