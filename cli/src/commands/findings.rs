//! `findings`: what the scanners of a job found, the worst first.

use pipelinex_common::{
    findings::{Severity, diff::Standing},
    id::JobId,
};
use serde::Deserialize;

use crate::{
    args::FindingsFormat,
    client::{Client, ClientError, Findings, FoundIn},
    exit::Exit,
    failure::Failure,
    output::{Line, Output, Style},
    show,
};

/// The longest message of a finding that is shown, in characters; `--json` has all of it.
const MESSAGE_MAX: usize = 200;

/// Which findings are wanted.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    /// Only those that the run before had not.
    pub new: bool,
    /// The job to compare with, in place of the run before.
    pub baseline: Option<JobId>,
    /// How they are told.
    pub format: FindingsFormat,
}

/// Lists the findings. That there are some does not make the exit code: the verdict on the job is what `status` tells.
pub async fn findings(client: &Client, out: &Output, id: JobId, wanted: &Wanted) -> Result<Exit, Failure> {
    if let Some(format) = wanted.format.of_server() {
        let mut body = client.exported_findings(id, wanted.new, wanted.baseline, format).await?;
        while let Some(piece) = body.next().await? {
            out.bytes(&piece)?;
        }
        return Ok(Exit::Passed);
    }
    let json = out.json() || wanted.format == FindingsFormat::Json;
    let answer = client.findings(id, wanted.new, wanted.baseline).await?;
    let found = Findings::deserialize(&answer).map_err(|error| ClientError::NotUnderstood(error.to_string()))?;
    if json {
        out.document(&answer)?;
    } else {
        let compared = found.baseline.is_some();
        let fixed = found.fixed.iter().filter(|_| !wanted.new);
        found.findings.iter().chain(fixed).try_for_each(|row| out.data(line(row, compared)))?;
        let so_far = if found.complete { "" } else { ", and the job goes on" };
        out.say(format!("{}{so_far}", show::findings_text(&found.counts)));
        compared_words(&found, wanted).into_iter().for_each(|words| out.say(words));
        if found.counts.total() > found.findings.len() as u64 {
            out.say(format!("these are the worst {}; the reports have all", found.findings.len()));
        }
    }
    match found.unreadable.first() {
        None => Ok(Exit::Passed),
        Some(first) => Err(Failure::errored(format!(
            "the findings of {} cannot be read, so this is not all: {}",
            first.stage, first.reason
        ))),
    }
}

/// How they stand beside the run before, in words; an older server says nothing of it.
fn compared_words(found: &Findings, wanted: &Wanted) -> Option<String> {
    let Some(run) = &found.baseline else {
        let told = found.findings.iter().any(|row| row.state.is_some());
        return told.then(|| "no earlier run of this project and branch has ended, so all of them are new".to_owned());
    };
    let count = |standing| found.findings.iter().chain(&found.fixed).filter(|row| row.state == Some(standing)).count();
    let told = [
        (count(Standing::New), "new"),
        (count(Standing::Reopened), "reopened"),
        (count(Standing::Unchanged), "as before"),
        (count(Standing::Fixed), "fixed"),
    ];
    // Those that were not asked for are in no list.
    let told = told.into_iter().filter(|(count, word)| *count > 0 || (wanted.new && *word == "new"));
    let told: Vec<String> = told.map(|(count, word)| format!("{count} {word}")).collect();
    let told = if told.is_empty() { "nothing in either".to_owned() } else { told.join(", ") };
    Some(format!("compared with run #{} ({}): {told}", run.run_number, run.job_id))
}

fn line(row: &FoundIn, compared: bool) -> Line {
    let finding = &row.finding;
    let (style, word) = severity(finding.severity);
    let mut line = Line::new().column(style, word, 8).text("  ").column(Style::Name, &row.stage, 10).text("  ");
    if let Some(state) = row.state.filter(|_| compared) {
        let style = match state {
            Standing::New | Standing::Reopened => Style::Bad,
            Standing::Unchanged => Style::Dim,
            Standing::Fixed => Style::Good,
        };
        line = line.column(style, state.as_str(), 9).text("  ");
    }
    let line = line.add(Style::Bold, finding.rule.as_str());
    let line = finding.place().map_or(line.clone(), |place| line.text("  ").text(place));
    let accepted = row.decision.as_ref().filter(|known| !known.expired);
    let line = accepted.map_or(line.clone(), |known| line.add(Style::Dim, format!("  [{}]", known.verdict.words())));
    let fixed = finding.fixed_in.as_ref().map(|version| format!(" (fixed in {version})")).unwrap_or_default();
    let message: String = finding.message.split_whitespace().collect::<Vec<_>>().join(" ");
    let cut: String = message.chars().take(MESSAGE_MAX).collect();
    let more = if cut.len() < message.len() { "…" } else { "" };
    line.add(Style::Dim, format!("{fixed}  {cut}{more}"))
}

fn severity(severity: Severity) -> (Style, &'static str) {
    match severity {
        Severity::Critical => (Style::Bad, "critical"),
        Severity::High => (Style::Bad, "high"),
        Severity::Medium => (Style::Warn, "medium"),
        Severity::Low => (Style::Plain, "low"),
        Severity::Info => (Style::Dim, "info"),
    }
}
