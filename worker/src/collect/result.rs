//! `result.json`: what a step says of itself, and what is published in its place.

use pipelinex_common::{
    coverage::{Scanned, Skipped, Unread},
    disk::{self, DiskError},
    execution::{FailedTest, FindingCounts, StepRecord, TestCounts},
    foreign::{shown, shown_up_to},
    pipeline::causes::KnownCause,
    policy::AllowUnread,
    state::{Reason, StepState},
};
use serde::Serialize;
use serde_json::{Map, Value};

use super::{Collected, Collector};
use crate::verdict::Voice;

/// The largest `result.json` that is read, in bytes: a list of unread files may be long.
pub(super) const RESULT_MAX: u64 = 1024 * 1024;
/// Unread files that are taken by name, and the longest path and reason of one, in characters.
const UNREAD_MAX: usize = 2_000;
const UNREAD_PATH_MAX: usize = 310;
const UNREAD_REASON_MAX: usize = 200;
/// The most that is kept of what a scanner tells of its work, in bytes.
const DETAILS_MAX: usize = 64 * 1024;
/// The longest sentence that a scanner of ours says, in characters: a tool's last lines may be in it.
const SENTENCE_MAX: usize = 1000;

/// result.json as it is published.
#[derive(Debug, Serialize)]
struct PublishedResult<'a> {
    stage: &'a str,
    status: StepState,
    duration_ms: u64,
    message: &'a str,
    step: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    exit_code: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tests: Option<TestCounts>,
    #[serde(skip_serializing_if = "<[FailedTest]>::is_empty")]
    failed_tests: &'a [FailedTest],
    #[serde(skip_serializing_if = "Option::is_none")]
    cause: Option<&'a KnownCause>,
    #[serde(skip_serializing_if = "Option::is_none")]
    findings: Option<FindingCounts>,
    #[serde(skip_serializing_if = "Option::is_none")]
    scanned: Option<Scanned>,
    #[serde(skip_serializing_if = "Option::is_none")]
    skipped: Option<&'a Skipped>,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    warnings: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    details: Option<&'a Map<String, Value>>,
}

impl Collected {
    /// Takes in what a step says of itself. Whatever is not as it should be is passed over: none of it is the verdict.
    pub(super) fn take_words(&mut self, text: &[u8], voice: Voice) {
        let Ok(Value::Object(mut said)) = serde_json::from_slice::<Value>(text) else { return };
        let longest = if voice == Voice::Scanner { SENTENCE_MAX } else { 200 };
        self.message = said.get("message").and_then(Value::as_str).map(|message| shown_up_to(message.trim(), longest));
        if voice == Voice::Project {
            self.not_applicable = said.get("status").and_then(Value::as_str) == Some(StepState::Skipped.as_str());
            return;
        }
        for warning in said.get("warnings").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str) {
            self.warn(shown_up_to(warning, longest));
        }
        if let Some(Value::Object(mut details)) = said.remove("details") {
            if voice == Voice::Scanner {
                self.take_coverage(&mut details);
            }
            match serde_json::to_vec(&details) {
                Ok(written) if written.len() <= DETAILS_MAX => self.details = Some(details),
                _ => self.warn(format!("the details in result.json have more than {DETAILS_MAX} bytes and were left")),
            }
        }
    }

    /// Takes what a scanner of ours says it read. The operator's rule is laid over it later.
    fn take_coverage(&mut self, details: &mut Map<String, Value>) {
        let scanned = details.get("scanned").cloned().map(serde_json::from_value);
        if let Some(Ok(scanned)) = scanned {
            self.scanned = Some(scanned);
            details.remove("scanned");
        }
        let total = details.remove("skipped_total").and_then(|total| total.as_u64()).unwrap_or_default();
        let Some(Value::Array(listed)) = details.remove("skipped") else {
            self.skipped = Skipped { total, ..Skipped::default() };
            return;
        };
        let text = |entry: &Value, key: &str, most| shown_up_to(entry[key].as_str().unwrap_or("?"), most);
        let unread = |entry: &Value| Unread {
            path: text(entry, "path", UNREAD_PATH_MAX),
            reason: text(entry, "reason", UNREAD_REASON_MAX),
            allowed: false,
        };
        let files: Vec<Unread> = listed.iter().take(UNREAD_MAX).map(unread).collect();
        self.skipped = Skipped::new(files, total.max(listed.len() as u64), &AllowUnread::default());
    }
}

impl Collector<'_> {
    /// Reads the result.json of the step.
    pub(super) fn take_result(
        &self,
        text: Result<Vec<u8>, pipelinex_common::foreign::ForeignError>,
        collected: &mut Collected,
    ) {
        match text {
            Ok(text) => collected.take_words(&text, self.voice),
            Err(error) if self.voice == Voice::Project => tracing::debug!(%error, "a result.json was left"),
            // What our own program did not read is in it.
            Err(error) if self.voice == Voice::Scanner => {
                collected.unbelievable = Some(format!("result.json: {}", shown(&error.to_string())));
            }
            Err(error) => collected.warn(format!("reports: {}", shown(&error.to_string()))),
        }
    }

    /// Writes the result that the step has in the end.
    pub(super) fn place_result(&self, record: &StepRecord, collected: &Collected) -> Result<(), DiskError> {
        let result = PublishedResult {
            stage: &self.step.stage,
            status: record.status,
            duration_ms: record.duration_ms.unwrap_or(0),
            message: &record.message,
            step: &self.step.name,
            reason: record.reason.map(Reason::as_str),
            exit_code: record.exit_code,
            tests: record.tests,
            failed_tests: &record.failed_tests,
            cause: record.cause.as_ref(),
            findings: record.findings,
            scanned: record.scanned,
            skipped: record.skipped.as_ref().map(|_| &collected.skipped),
            warnings: &record.warnings,
            details: collected.details.as_ref(),
        };
        disk::place_json(&self.aside().join("reports/result.json"), &result)
    }
}
