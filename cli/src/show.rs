//! How jobs look to a person: rows, tables, one sentence for the verdict. Values in, lines out.

use jiff::{Timestamp, tz::TimeZone};
pub use pipelinex_common::humanize::span;
use pipelinex_common::{
    coverage,
    execution::{FailedTest, FindingCounts, StageRecord, StepRecord},
    headline::{self, Outcome},
    humanize::{between, counted},
    state::{JobState, StepState},
};

use crate::{
    client::{ExecutionView, Listed, Status, findings_of, tests_of},
    output::{Line, Style},
};

/// The widest that a stage's name makes its column.
const STAGE_WIDTH_MAX: usize = 20;

/// The width of the column of stages.
pub fn stage_width(execution: &ExecutionView) -> usize {
    execution.stages.keys().map(|name| name.chars().count()).max().unwrap_or_default().min(STAGE_WIDTH_MAX)
}

/// A day and a time, as clocks here show them.
pub fn day(at: Timestamp) -> String {
    at.to_zoned(TimeZone::system()).strftime("%Y-%m-%d %H:%M").to_string()
}

/// The mark of a stage: a word and a colour.
fn mark(status: StepState) -> (Style, &'static str) {
    match status {
        StepState::Pending => (Style::Dim, "WAIT"),
        StepState::Running => (Style::Name, "RUN "),
        StepState::Success => (Style::Good, "PASS"),
        StepState::Failed => (Style::Bad, "FAIL"),
        StepState::Skipped => (Style::Dim, "SKIP"),
        StepState::Canceled => (Style::Warn, "STOP"),
    }
}

/// One row for a stage.
pub fn stage_row(name: &str, stage: &StageRecord, width: usize) -> Line {
    let (style, word) = mark(stage.status);
    let time = stage.duration_ms.map(span).unwrap_or_default();
    let mut line = Line::new().text(" ").add(style, word).text("  ").column(Style::Bold, name, width).text("  ");
    line = line.column(Style::Plain, &time, 12);
    let mut remarks = Vec::new();
    if let Some(reason) = stage.reason {
        // A message that says no more than the reason is not worth a second mention.
        let plain = stage.message.is_empty() || stage.message == reason.as_str().replace('_', " ");
        remarks.push(if plain { reason.to_string() } else { format!("{reason}: {}", stage.message) });
    }
    remarks.extend(stage.waits_for_place().then(|| stage.message.clone()));
    remarks.extend(counts(stage));
    line.text(remarks.join(", "))
}

/// One row for a step.
pub fn step_row(record: &StepRecord, width: usize) -> Line {
    let (style, word) = match record.status {
        StepState::Failed if record.allow_failure => (Style::Warn, "FAIL"),
        status => mark(status),
    };
    let time = record.duration_ms.map(span).unwrap_or_default();
    let line = Line::new().text(" ").add(style, word).text("  ").column(Style::Bold, &record.name, width).text("  ");
    let mut remarks = Vec::new();
    if let Some(reason) = record.reason.filter(|_| record.status != StepState::Success) {
        remarks.push(format!("{reason}: {}", record.message));
    }
    remarks.extend(record.allow_failure.then(|| "it may fail".to_owned()));
    remarks.extend(record.number.map(|number| format!("try {number}")));
    remarks.extend(record.tests.as_ref().map(|tests| tests.words()));
    line.column(Style::Plain, &time, 12).text(remarks.join(", "))
}

/// Unread files that are shown of one stage.
const UNREAD_SHOWN: usize = 10;

/// What a person should know of a stage though it did not change its verdict, each in a line below the stage's; and the files
/// that a scan did not read.
pub fn stage_warnings(stage: &StageRecord) -> Vec<Line> {
    let several = stage.steps.len() > 1;
    let of_step = |step: &StepRecord| {
        let name = if several { format!("{}: ", step.name) } else { String::new() };
        step.warnings.iter().map(move |text| format!("{name}{text}")).collect::<Vec<_>>()
    };
    let indented = || Line::new().text("       ");
    let warnings = stage.steps.values().flat_map(of_step).map(|text| indented().append(warning(&text)));
    let unread = coverage::lines(stage);
    let more = unread.len().saturating_sub(UNREAD_SHOWN);
    let more = (more > 0).then(|| format!("{more} more lines in result.json among the reports"));
    let shown = unread.into_iter().take(UNREAD_SHOWN).chain(more);
    warnings.chain(shown.map(|text| indented().add(Style::Warn, "not read").text(": ").text(text))).collect()
}

/// The tests that failed, each in a line below the stage's.
pub fn failed_tests(stage: &StageRecord) -> Vec<Line> {
    let tests = stage.steps.values().flat_map(|step| &step.failed_tests);
    let line = |test: &FailedTest| {
        let said = test.said();
        let said = if said.is_empty() { said } else { format!(": {said}") };
        Line::new().text("       ").add(Style::Bad, "failed").text(" ").add(Style::Bold, test.title()).text(said)
    };
    tests.map(line).collect()
}

/// Something that a person should know.
pub fn warning(text: &str) -> Line {
    Line::new().add(Style::Warn, "warning").text(": ").text(text)
}

fn counts(stage: &StageRecord) -> Option<String> {
    let mut parts = Vec::new();
    // The verdict over tests says them already.
    let said = |words: &String| stage.reason.is_some() && stage.message.contains(words.as_str());
    parts.extend(tests_of(stage).map(|tests| tests.words()).filter(|words| !said(words)));
    parts.extend(stage.coverage_words());
    if let Some(findings) = findings_of(stage) {
        parts.push(findings_text(&findings));
    }
    parts.extend(coverage::words(stage));
    (!parts.is_empty()).then(|| parts.join(", "))
}

/// How many there are, and how bad.
pub fn findings_text(findings: &FindingCounts) -> String {
    let set_aside = findings.set_aside.words();
    let set_aside = if set_aside.is_empty() { set_aside } else { format!(", {set_aside}") };
    match findings.total() {
        0 => format!("no findings{set_aside}"),
        total => format!("{} ({}){set_aside}", counted(total, "finding"), findings.words()),
    }
}

/// The verdict, or how far the job is, in one sentence.
pub fn verdict(status: &Status, now: Timestamp) -> Line {
    let execution = &status.execution;
    let headline = headline::told(execution.state, execution.reason, execution.error.as_deref(), &execution.stages);
    let until = |from: Option<Timestamp>| from.map(|from| between(from, execution.finished_at.unwrap_or(now)));
    let (style, word) = match execution.state {
        JobState::Queued => (Style::Dim, "QUEUED"),
        JobState::Running => (Style::Name, "RUNNING"),
        JobState::Succeeded if headline.outcome == Outcome::PassedWithFindings => (Style::Warn, "PASSED WITH FINDINGS"),
        JobState::Succeeded => (Style::Good, "PASSED"),
        JobState::Failed => (Style::Bad, "FAILED"),
        JobState::Canceled => (Style::Warn, "CANCELED"),
    };
    let time = match execution.state {
        JobState::Queued => until(Some(status.job.created_at)).map(|time| format!(", waiting for {time}")),
        JobState::Running => until(execution.started_at).map(|time| format!(" for {time}")),
        _ => until(execution.started_at).map(|time| format!(" after {time}")),
    };
    let wished = execution.cancel_wished && !execution.state.is_final();
    let wished = wished.then(|| "it is to be canceled".to_owned());
    let told = match execution.state {
        JobState::Queued | JobState::Running => None,
        JobState::Succeeded => {
            let parts = [headline.detail, headline.left_out].into_iter().filter(|part| !part.is_empty());
            Some(parts.collect::<Vec<_>>().join("; ")).filter(|told| !told.is_empty())
        }
        JobState::Failed | JobState::Canceled => Some(headline.detail).filter(|detail| !detail.is_empty()),
    };
    let why = told.or_else(|| execution.error.clone()).or(wished);
    let why = why.map(|why| format!(": {why}")).unwrap_or_default();
    Line::new()
        .text("job ")
        .text(status.job.id.to_string())
        .text(" ")
        .add(style, word)
        .text(time.unwrap_or_default())
        .text(why)
}

/// A table of jobs.
pub fn job_table(rows: &[Listed], now: Timestamp) -> Vec<Line> {
    let run = |row: &Listed| row.run_number.map(|number| format!("#{number}")).unwrap_or_default();
    let age = |row: &Listed| row.created_at.map(|time| between(time, now)).unwrap_or_default();
    // Without accounts nobody in particular submits, and there is nothing to say.
    let owners = rows.iter().any(|row| row.owner.is_some());
    let mut cells = vec![["ID", "PROJECT", "RUN", "STATE", "STAGE", "AGE"].map(str::to_owned).to_vec()];
    cells.extend(rows.iter().map(|row| {
        let stage = if row.canceling { Some("to be canceled".to_owned()) } else { row.current_stage.clone() };
        let stage = stage.unwrap_or_default();
        vec![row.id.clone(), cut(&row.project, 24), run(row), row.state.clone(), cut(&stage, STAGE_WIDTH_MAX), age(row)]
    }));
    if owners {
        cells[0].push("BY".to_owned());
        cells[1..].iter_mut().zip(rows).for_each(|(cells, row)| cells.push(row.owner.clone().unwrap_or_default()));
    }
    aligned(&cells, cell_style)
}

/// A table whose first row is its head.
pub fn table(rows: &[Vec<String>]) -> Vec<Line> {
    aligned(rows, |_, _| Style::Plain)
}

fn aligned<R: AsRef<[String]>>(rows: &[R], style: impl Fn(usize, &str) -> Style) -> Vec<Line> {
    let columns = rows.first().map_or(0, |row| row.as_ref().len());
    let width =
        |column: usize| rows.iter().map(|row| row.as_ref()[column].chars().count()).max().unwrap_or_default() + 2;
    let widths: Vec<_> = (0..columns).map(width).collect();
    let lines = rows.iter().enumerate().map(|(index, row)| {
        row.as_ref().iter().zip(&widths).enumerate().fold(Line::new(), |line, (column, (cell, width))| {
            line.column(if index == 0 { Style::Bold } else { style(column, cell) }, cell, *width)
        })
    });
    lines.collect()
}

fn cell_style(column: usize, cell: &str) -> Style {
    match (column, cell) {
        (3, "SUCCEEDED") => Style::Good,
        (3, "FAILED" | "BROKEN") => Style::Bad,
        (3, "CANCELED") => Style::Warn,
        (3, "RUNNING") => Style::Name,
        _ => Style::Plain,
    }
}

fn cut(text: &str, width: usize) -> String {
    if text.chars().count() <= width { text.to_owned() } else { text.chars().take(width - 1).chain(['…']).collect() }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn plain(line: &Line) -> String {
        line.render(false, false)
    }

    #[test]
    fn spans_have_the_precision_that_matters() {
        let spans: Vec<_> = [0, 950, 9_999, 10_000, 75_000, 3_600_000, 90_000_000].map(span).to_vec();
        assert_eq!(spans, ["0.0 s", "0.9 s", "9.9 s", "10 s", "1 min 15 s", "1 h 00 min", "1 d"]);
    }

    #[test]
    fn a_stage_says_how_it_ended_and_what_it_found() {
        let stage: StageRecord = serde_json::from_value(json!({
            "status": "FAILED", "reason": "script_failure", "message": "exit code 1", "duration_ms": 61_000,
            "steps": {"test": {"name": "TEST", "status": "FAILED", "message": "",
                      "tests": {"tests": 12, "failures": 1, "errors": 0, "skipped": 2},
                      "findings": {"critical": 0, "high": 1, "medium": 0, "low": 0, "info": 0}}}
        }))
        .unwrap();
        assert_eq!(
            plain(&stage_row("TEST", &stage, 7)),
            " FAIL  TEST     1 min 01 s  script_failure: exit code 1, 12 tests, 1 failed, 2 skipped, 1 finding (1 high)"
        );
        let partly: StageRecord = serde_json::from_value(json!({
            "status": "SUCCESS", "message": "", "duration_ms": 900,
            "steps": {"sast": {"name": "SAST", "status": "SUCCESS", "message": "", "scanned": {"files": 4},
                      "warnings": ["1 file was not read: findings may be missing"],
                      "skipped": {"total": 1, "allowed": 0, "files": [{"path": "src/A.java", "reason": "too deep"}]}}}
        }))
        .unwrap();
        assert_eq!(plain(&stage_row("SAST", &partly, 4)), " PASS  SAST  0.9 s       4 files read, 1 not read");
        let below: Vec<_> = stage_warnings(&partly).iter().map(plain).collect();
        assert_eq!(
            below,
            ["       warning: 1 file was not read: findings may be missing", "       not read: src/A.java: too deep"]
        );
        let judged: StageRecord = serde_json::from_value(json!({
            "status": "FAILED", "reason": "script_failure", "message": "3 tests, 1 failed: ATest.greets: expected: <a>",
            "steps": {"test": {"name": "TEST", "status": "FAILED", "message": "",
                      "tests": {"tests": 3, "failures": 1, "errors": 0, "skipped": 0},
                      "failed_tests": [{"class": "a.ATest", "name": "greets", "message": "expected: <a>"}]}}
        }))
        .unwrap();
        assert_eq!(
            plain(&stage_row("TEST", &judged, 4)),
            " FAIL  TEST              script_failure: 3 tests, 1 failed: ATest.greets: expected: <a>"
        );
        let named: Vec<_> = failed_tests(&judged).iter().map(plain).collect();
        assert_eq!(named, ["       failed ATest.greets: expected: <a>"]);
        let skipped: StageRecord =
            serde_json::from_value(json!({"status": "SKIPPED", "reason": "not_selected", "message": "not selected"}))
                .unwrap();
        assert_eq!(plain(&stage_row("DAST", &skipped, 4)), " SKIP  DAST              not_selected");
    }

    #[test]
    fn a_table_fits_its_columns() {
        let answer = json!({"jobs": [
            {"job_id": "0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b", "project": "a-project-with-a-very-long-name", "run_number": 7,
             "state": "RUNNING", "current_stage": "BUILD", "created_at": "2026-01-01T00:00:00Z"},
            {"job_id": "x", "broken": "the files of this job cannot be read"},
        ]});
        let rows = Listed::rows(&answer).unwrap();
        let table: Vec<_> = job_table(&rows, "2026-01-01T00:01:15Z".parse().unwrap()).iter().map(plain).collect();
        assert_eq!(
            table,
            [
                "ID                                    PROJECT                   RUN  STATE    STAGE  AGE",
                "0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b  a-project-with-a-very-l…  #7   RUNNING  BUILD  1 min 15 s",
                "x                                                                    BROKEN",
            ]
        );
    }
}
