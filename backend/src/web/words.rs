//! How jobs are told on pages: states, time spans and counts in the words of a person.

use jiff::Timestamp;
use pipelinex_common::{
    execution::{Execution, FindingCounts, StageRecord},
    headline,
    state::{JobState, StepState},
};

pub use pipelinex_common::words::{between as since, span};

/// A time for people: UTC, to the second.
pub fn at(time: Timestamp) -> String {
    time.strftime("%Y-%m-%d %H:%M:%S UTC").to_string()
}

/// The word for a job's state; also a class of the style.
pub fn job_word(state: JobState) -> &'static str {
    match state {
        JobState::Queued => "queued",
        JobState::Running => "running",
        JobState::Succeeded => "passed",
        JobState::Failed => "failed",
        JobState::Canceled => "canceled",
    }
}

/// The word for a stage's state; also a class of the style.
pub fn stage_word(state: StepState) -> &'static str {
    match state {
        StepState::Pending => "waiting",
        StepState::Running => "running",
        StepState::Success => "passed",
        StepState::Failed => "failed",
        StepState::Skipped => "skipped",
        StepState::Canceled => "canceled",
    }
}

/// Why a stage failed or was left out, or what it waits for.
pub fn reason(stage: &StageRecord) -> String {
    match stage.reason {
        Some(reason) => reason.as_str().replace('_', " "),
        None if stage.waits_for_place() => "for a place".to_owned(),
        None => String::new(),
    }
}

/// Where a job stands, in one sentence.
pub fn sentence(created_at: Timestamp, execution: &Execution, cancel_wished: bool, now: Timestamp) -> String {
    let until = |from: Option<Timestamp>| from.map(|from| since(from, execution.finished_at.unwrap_or(now)));
    let why = execution.error.clone().or_else(|| execution.reason.map(|reason| reason.to_string()));
    let why = why.map(|why| format!(": {why}")).unwrap_or_else(|| ".".to_owned());
    let time = until(execution.started_at).unwrap_or_default();
    match execution.state {
        JobState::Queued if cancel_wished => {
            "Waiting for a worker, which will cancel it and start nothing: somebody asked for that.".to_owned()
        }
        JobState::Running if cancel_wished => {
            format!("Being canceled, after {time}: what runs gets ten seconds to end.")
        }
        JobState::Queued => format!("Waiting for a worker for {}.", since(created_at, now)),
        JobState::Running => {
            let stages = execution.stages.iter().filter(|(_, stage)| stage.status == StepState::Running);
            let running: Vec<&str> = stages.map(|(name, _)| name.as_str()).collect();
            let now = if running.is_empty() { "between two stages".to_owned() } else { running.join(", ") };
            format!("Running for {time}, now at {now}.")
        }
        JobState::Succeeded | JobState::Failed => {
            let said = capital(&headline::of(execution).sentence());
            format!("{said}{} It took {time}.", if said.ends_with(['.', '!', '?']) { "" } else { "." })
        }
        JobState::Canceled if execution.started_at.is_none() => format!("Canceled before it began{why}"),
        JobState::Canceled => format!("Canceled after {time}{why}"),
    }
}

/// A sentence begins with a capital.
pub fn capital(text: &str) -> String {
    let mut rest = text.chars();
    rest.next().map(|first| first.to_uppercase().chain(rest).collect()).unwrap_or_default()
}

/// What the findings of a stage's steps add up to; `None` where nothing was looked for.
pub fn findings_of(stage: &StageRecord) -> Option<FindingCounts> {
    stage.steps.values().filter_map(|step| step.findings).reduce(|sum, next| sum.plus(&next))
}

/// Counts by severity, the worst first; nothing where there are none.
pub fn severities(counts: FindingCounts) -> Vec<(&'static str, u64)> {
    counts.by_severity().into_iter().filter(|(_, count)| *count > 0).collect()
}

/// What a stage's tests came to.
pub fn tests(stage: &StageRecord) -> Option<String> {
    let counts = stage.steps.values().filter_map(|step| step.tests);
    counts.reduce(|sum, next| sum.plus(&next)).map(|counts| counts.words())
}

/// A log for a page: what a terminal would obey (colours, cursors, bells, right-to-left tricks) is left out or shown as a
/// mark, and a line that was overwritten with a carriage return begins anew.
pub fn log_text(raw: &[u8]) -> String {
    let text = String::from_utf8_lossy(raw);
    let mut out = String::with_capacity(text.len());
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        match c {
            '\u{1b}' => skip_escape(&mut rest),
            '\r' if rest.peek() == Some(&'\n') => {}
            '\r' => out.push('\n'),
            '\n' | '\t' => out.push(c),
            c if c.is_control() || hides(c) => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

fn hides(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

/// ECMA-48: a control sequence ends at its first letter, a string (title, link) at BEL or ESC.
fn skip_escape(rest: &mut std::iter::Peekable<std::str::Chars<'_>>) {
    match rest.next() {
        Some('[') => while rest.next().is_some_and(|c| !('\u{40}'..='\u{7e}').contains(&c)) {},
        Some(']' | 'P' | '_' | '^') => {
            while let Some(c) = rest.next() {
                if c == '\u{7}' || c == '\n' {
                    break;
                }
                if c == '\u{1b}' {
                    rest.next();
                    break;
                }
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_on_a_page_obeys_nothing() {
        let cases: [(&str, &str); 6] = [
            ("\u{1b}[31mred\u{1b}[0m\n", "red\n"),
            ("a\r\nb\rc", "a\nb\nc"),
            ("\u{1b}]8;;http://evil.test\u{7}link", "link"),
            ("\u{1b}]0;title\u{1b}\\x", "x"),
            ("bell\u{7}", "bell\u{fffd}"),
            ("a\u{202e}b", "a\u{fffd}b"),
        ];
        for (raw, shown) in cases {
            assert_eq!(log_text(raw.as_bytes()), shown, "{raw:?}");
        }
        assert_eq!(log_text(b"\xff<b>"), "\u{fffd}<b>", "escaping is the template's");
    }
}
