//! A stage as its page shows it.

use jiff::Timestamp;
use pipelinex_common::{
    coverage,
    execution::{StageRecord, StepRecord, TryRecord, Waiting},
    slug::Slug,
    state::{Reason, StepState},
    store::Job,
};

use super::log::{self, LogPart};
use crate::pages::labels;

/// A stage as it is shown.
pub struct StageView {
    pub name: String,
    pub slug: String,
    /// The class of its state, and the name of its icon.
    pub class: &'static str,
    pub word: &'static str,
    /// Why it failed or was left out, and what it came to, in words.
    pub told: Vec<String>,
    pub message: String,
    pub time: String,
    pub counts: Vec<(&'static str, u64)>,
    pub failed: bool,
    /// What is known to have gone wrong, and what helps.
    pub causes: Vec<(String, String)>,
    /// The files that a scan did not read, with the reasons.
    pub unread: Vec<String>,
    pub artifacts: Vec<(String, String)>,
    pub warnings: Vec<String>,
    /// Tries before the last one: what each came to, and the query that names its log.
    pub tries: Vec<(String, String)>,
    /// Steps that wait to be started by hand or for their time: slug, name and what they wait for.
    pub plays: Vec<(String, String, String)>,
    pub has_log: bool,
    pub running: bool,
    pub open: bool,
    pub log: LogPart,
    /// Where its bar begins and how long it is, in thousandths of the job's time.
    pub bar: Option<(u64, u64)>,
}

/// The class of a stage's state, which is also the name of an icon.
pub fn class(stage: &StageRecord) -> &'static str {
    match stage.status {
        StepState::Pending => "queue",
        StepState::Running => "run",
        StepState::Success if labels::findings_of(stage).is_some_and(|found| found.total() > found.info) => "find",
        StepState::Success => "pass",
        StepState::Failed if is_no_fault_of_the_project(stage.reason) => "broke",
        StepState::Failed => "fail",
        StepState::Skipped => "skip",
        StepState::Canceled => "cancel",
    }
}

fn is_no_fault_of_the_project(reason: Option<Reason>) -> bool {
    matches!(
        reason,
        Some(Reason::ToolError | Reason::EngineError | Reason::ImageUnavailable | Reason::WorkerLost | Reason::Poison)
    )
}

impl StageView {
    pub fn new(job: &Job, name: &str, stage: &StageRecord, open: bool, span: (Timestamp, Timestamp)) -> Self {
        let slug = Slug::of(name).to_string();
        let has_log = !matches!(stage.status, StepState::Skipped | StepState::Pending);
        let failed = stage.status == StepState::Failed;
        let time = match (stage.status, stage.started_at, stage.duration_ms) {
            (StepState::Running, Some(from), _) => labels::since(from, span.1),
            (_, _, Some(took)) => labels::span(took),
            _ => String::new(),
        };
        let log = if has_log { log::part(job, stage, &slug, open, failed) } else { None }.unwrap_or_default();
        let artifacts = stage.steps.iter().flat_map(|(step, record)| {
            record.artifacts.iter().map(move |path| (path.clone(), format!("{step}/{}", super::encoded(path))))
        });
        let cause = |step: &StepRecord| {
            let cause = step.cause.as_ref()?;
            Some((cause.sentence.clone(), cause.hint.clone()))
        };
        Self {
            name: name.to_owned(),
            class: class(stage),
            word: labels::stage_word(stage.status),
            told: told(stage),
            message: stage.message.clone(),
            time,
            counts: labels::findings_of(stage).map(labels::severities).unwrap_or_default(),
            failed,
            causes: stage.steps.values().filter_map(cause).collect(),
            unread: coverage::lines(stage),
            artifacts: artifacts.collect(),
            warnings: stage.steps.values().flat_map(|step| step.warnings.clone()).collect(),
            tries: tries(stage),
            plays: stage.steps.iter().filter_map(plays).collect(),
            has_log,
            running: stage.status == StepState::Running,
            open,
            log,
            bar: bar(stage, span),
            slug,
        }
    }
}

fn plays((slug, step): (&Slug, &StepRecord)) -> Option<(String, String, String)> {
    let waits = matches!(step.waiting, Some(Waiting::Manual | Waiting::Delayed));
    waits.then(|| (slug.to_string(), step.name.clone(), step.message.clone()))
}

fn tries(stage: &StageRecord) -> Vec<(String, String)> {
    let several = stage.steps.len() > 1;
    let of_step = |(slug, step): (&Slug, &StepRecord)| {
        let (name, slug) = (if several { format!("{}: ", step.name) } else { String::new() }, slug.clone());
        let line = move |one: &TryRecord| {
            let took = one.duration_ms.map(|took| format!(" after {}", labels::span(took))).unwrap_or_default();
            (format!("{name}try {}{took}: {}", one.number, one.message), format!("step={slug}&try={}", one.number))
        };
        step.tries.iter().map(line).collect::<Vec<_>>()
    };
    stage.steps.iter().flat_map(of_step).collect()
}

/// What there is to say of a stage beside its state: tests, coverage, and why it failed or did not run.
pub fn told(stage: &StageRecord) -> Vec<String> {
    let mut told = Vec::new();
    told.extend(labels::tests(stage));
    told.extend(stage.coverage_words());
    if labels::findings_of(stage).is_some_and(|counts| counts.total() == 0) {
        told.push("no findings".to_owned());
    }
    told.extend(coverage::words(stage));
    if stage.status == StepState::Skipped && !stage.message.is_empty() {
        told.push(stage.message.clone());
        return told;
    }
    let why = matches!(stage.status, StepState::Failed | StepState::Skipped | StepState::Canceled | StepState::Pending);
    told.extend(Some(labels::reason(stage)).filter(|reason| why && !reason.is_empty()));
    told
}

/// Where a stage's bar begins and how long it is, in thousandths of the job's time.
pub fn bar(stage: &StageRecord, (from, to): (Timestamp, Timestamp)) -> Option<(u64, u64)> {
    let begin = stage.started_at?;
    let end = stage.finished_at.unwrap_or(to);
    let whole = (to.as_millisecond() - from.as_millisecond()).max(1);
    let part = |time: Timestamp| {
        ((time.as_millisecond() - from.as_millisecond()).clamp(0, whole) * 1000 / whole).unsigned_abs()
    };
    let (begin, end) = (part(begin), part(end));
    Some((begin.min(992), end.saturating_sub(begin).max(8)))
}
