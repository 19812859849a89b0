//! `tests`: the test cases of a job, those that failed first with what they say.

use pipelinex_common::{
    findings::{TestCase, TestState},
    humanize::{counted, span},
    id::JobId,
};
use serde::Deserialize;
use serde_json::Value;

use crate::{
    args::TestsFormat,
    client::{Client, ClientError},
    exit::Exit,
    failure::Failure,
    output::{Line, Output, Style},
};

/// Lines of a stack trace that are shown; `--json` has more.
const TRACE_LINES: usize = 12;

/// Which tests are wanted.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    /// Only those that did not pass.
    pub failed: bool,
    /// Only those with this text in a name, file or message.
    pub text: Option<String>,
    /// How they are told.
    pub format: TestsFormat,
}

/// An answer, as far as it is read here.
#[derive(Deserialize)]
struct Page {
    #[serde(default)]
    complete: bool,
    counts: Counts,
    tests: Vec<Row>,
    #[serde(default)]
    unreadable: Vec<Lost>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Counts {
    tests: u64,
    failed: u64,
    error: u64,
    flaky: u64,
    skipped: u64,
}

#[derive(Deserialize)]
struct Row {
    stage: String,
    #[serde(flatten)]
    case: TestCase,
}

#[derive(Deserialize)]
struct Lost {
    stage: String,
    reason: String,
}

/// Lists the tests. That some failed does not make the exit code: the verdict on the job is what `status` tells.
pub async fn tests(client: &Client, out: &Output, id: JobId, wanted: &Wanted) -> Result<Exit, Failure> {
    if wanted.format == TestsFormat::Junit {
        let mut body = client.exported_tests(id, wanted.failed, wanted.text.as_deref()).await?;
        while let Some(piece) = body.next().await? {
            out.bytes(&piece)?;
        }
        return Ok(Exit::Passed);
    }
    let answer = gather(client, id, wanted).await?;
    let page = Page::deserialize(&answer).map_err(|error| ClientError::NotUnderstood(error.to_string()))?;
    if out.json() || wanted.format == TestsFormat::Json {
        out.document(&answer)?;
    } else {
        let width = page.tests.iter().map(|row| row.stage.chars().count()).max().unwrap_or_default();
        for row in &page.tests {
            lines(row, width).into_iter().try_for_each(|line| out.data(line))?;
        }
        let so_far = if page.complete { "" } else { ", and the job goes on" };
        out.say(format!("{}{so_far}", summary(&page.counts)));
        if page.counts.tests > page.tests.len() as u64 {
            out.say(format!("these are the first {}; the reports have all", page.tests.len()));
        }
    }
    match page.unreadable.first() {
        None => Ok(Exit::Passed),
        Some(Lost { stage, reason }) => {
            Err(Failure::errored(format!("a test report of {stage} cannot be read, so this is not all: {reason}")))
        }
    }
}

/// All pages as one.
pub(super) async fn gather(client: &Client, id: JobId, wanted: &Wanted) -> Result<Value, Failure> {
    let (mut all, mut rows, mut cursor) = (None, Vec::new(), None);
    loop {
        let mut page = client.tests(id, wanted.failed, wanted.text.as_deref(), cursor).await?;
        let Some(Value::Array(tests)) = page.get_mut("tests").map(Value::take) else {
            return Err(ClientError::NotUnderstood("no list of tests".to_owned()).into());
        };
        rows.extend(tests);
        let next = page.get("next").and_then(Value::as_u64);
        let mut first: Value = all.take().unwrap_or(page);
        match next {
            // A server that gives the same page again must not keep us for ever.
            Some(next) if cursor.is_none_or(|before| before < next) => {
                (all, cursor) = (Some(first), Some(next));
            }
            _ => {
                (first["tests"], first["next"]) = (rows.into(), Value::Null);
                return Ok(first);
            }
        }
    }
}

fn lines(row: &Row, width: usize) -> Vec<Line> {
    let case = &row.case;
    let (style, word) = mark(case.state);
    let mut line = Line::new().column(style, word, 7).text("  ").column(Style::Name, &row.stage, width).text("  ");
    line = line.add(if case.has_failed() { Style::Bold } else { Style::Plain }, case.title());
    for more in [case.place(), case.duration_ms.map(span)].into_iter().flatten() {
        line = line.text("  ").add(Style::Dim, more);
    }
    let below = |style: Style, text: &str| Line::new().text("         ").add(style, text);
    let mut lines = vec![line];
    if !case.message.is_empty() {
        lines.push(below(Style::Plain, &case.message));
    }
    if !case.cause.is_empty() {
        lines.push(below(Style::Plain, &format!("caused by {}", case.cause)));
    }
    if case.has_failed() {
        // The first line of a trace mostly is the message once more.
        let trace = case.trace.lines().filter(|line| !line.trim().is_empty() && !line.contains(case.message.as_str()));
        lines.extend(trace.take(TRACE_LINES).map(|line| below(Style::Dim, &line.replace('\t', "  "))));
    }
    lines
}

fn mark(state: TestState) -> (Style, &'static str) {
    let style = match state {
        TestState::Failed | TestState::Error => Style::Bad,
        TestState::Flaky => Style::Warn,
        TestState::Skipped => Style::Dim,
        TestState::Passed => Style::Good,
    };
    (style, state.as_str())
}

fn summary(counts: &Counts) -> String {
    let mut words = counted(counts.tests, "test");
    let kinds =
        [(counts.failed, "failed"), (counts.error, "broken"), (counts.flaky, "flaky"), (counts.skipped, "skipped")];
    for (count, word) in kinds.into_iter().filter(|(count, _)| *count > 0) {
        words.push_str(&format!(", {count} {word}"));
    }
    words
}
