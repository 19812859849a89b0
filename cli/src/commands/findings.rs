//! `findings`: what the scanners of a job found, the worst first.

use pipelinex_common::{
    findings::{Finding, Severity},
    id::JobId,
};
use serde::Deserialize;

use crate::{
    client::{Client, ClientError, Findings, FoundIn},
    exit::Exit,
    failure::Failure,
    output::{Line, Output, Style},
    show,
};

/// The longest message of a finding that is shown, in characters; `--json` has all of it.
const MESSAGE_MAX: usize = 200;

/// Lists the findings. That there are some does not make the exit code: the verdict on the job is what `status` tells.
pub async fn findings(client: &Client, out: &Output, id: JobId) -> Result<Exit, Failure> {
    let answer = client.findings(id).await?;
    let found = Findings::deserialize(&answer).map_err(|error| ClientError::NotUnderstood(error.to_string()))?;
    if out.json() {
        out.document(&answer)?;
    } else {
        found.findings.iter().try_for_each(|row| out.data(line(row)))?;
        let so_far = if found.complete { "" } else { ", and the job goes on" };
        out.say(format!("{}{so_far}", show::findings_text(&found.counts)));
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

fn line(row: &FoundIn) -> Line {
    let finding = &row.finding;
    let (style, word) = severity(finding.severity);
    let line = Line::new().column(style, word, 8).text("  ").column(Style::Name, &row.stage, 10).text("  ");
    let line = line.add(Style::Bold, finding.rule.as_str());
    let line = place(finding).map_or(line.clone(), |place| line.text("  ").text(place));
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

/// A file with its line, a dependency, or an address.
fn place(finding: &Finding) -> Option<String> {
    let file = finding.path.as_ref().map(|path| match finding.line {
        Some(line) => format!("{path}:{line}"),
        None => path.clone(),
    });
    finding.package.clone().or(file).or_else(|| finding.url.clone())
}
