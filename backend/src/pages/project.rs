//! `/projects/{name}`: whether a project gets better or worse. Its last runs as a strip, how many tests and findings they had, and
//! which findings are open since when.

use std::collections::BTreeMap;

use askama::Template;
use axum::{extract::State, http::StatusCode, response::Response};
use jiff::Timestamp;
use pipelinex_common::{
    findings::Finding,
    headline,
    store::{JobView, Store, StoreError},
};

use super::{
    PageError,
    icons::state,
    job::encoded,
    labels::{self, severity_class},
    lines::quoted,
    page as page_of,
};
use crate::{
    access::Principal,
    app::App,
    error::ApiError,
    routes::{ProjectPath, gather_findings, jobs},
};

/// Runs on the strip.
const RUNS: usize = 32;
/// Open findings that are shown.
const OPEN_SHOWN: usize = 50;
/// The strip: how wide one run is, and how tall the longest.
const STEP: u64 = 38;
const TALL: u64 = 70;
/// The trends: how tall they are.
const TREND: u64 = 60;

#[derive(Template)]
#[template(path = "project.html")]
struct Page {
    name: String,
    address: String,
    last: Option<Bar>,
    /// The oldest first.
    bars: Vec<Bar>,
    width: u64,
    told: String,
    trends: Vec<Trend>,
    open: Vec<Open>,
    more_open: usize,
}

/// One run on the strip.
struct Bar {
    id: String,
    run: u64,
    class: &'static str,
    outcome: String,
    detail: String,
    branch: String,
    took: String,
    x: u64,
    y: u64,
    height: u64,
    tall: bool,
}

/// A line of numbers, one for each run that has one.
struct Trend {
    title: &'static str,
    /// The points, as SVG takes them.
    points: String,
    last: u64,
    change: String,
}

/// A finding of the last run that looked.
struct Open {
    finding: Finding,
    job: String,
    since: String,
    since_utc: String,
}

/// The page.
pub async fn page(
    State(app): State<App>,
    who: Principal,
    path: Result<ProjectPath, ApiError>,
) -> Result<Response, PageError> {
    let ProjectPath(name) = path?;
    let drawn = app.read(move |store| draw(store, &who, name)).await?;
    Ok(page_of(StatusCode::OK, &drawn))
}

fn draw(store: &Store, who: &Principal, name: String) -> Result<Page, ApiError> {
    let mut runs = jobs::runs_of(store, who, &name, RUNS)?;
    if runs.is_empty() {
        return Err(ApiError::NotFound { detail: format!("there is no project {name} with a job that you may see") });
    }
    runs.reverse();
    let now = Timestamp::now();
    let spans: Vec<u64> = runs.iter().map(|run| span(run, now)).collect();
    let longest = spans.iter().copied().max().unwrap_or_default().max(1);
    let bars: Vec<Bar> = (0..)
        .step_by(STEP as usize)
        .zip(runs.iter().zip(&spans))
        .map(|(x, (run, span))| Bar::new(run, x, *span, longest))
        .collect();
    let (mut open, more_open) = open_findings(store, who, &runs, now)?;
    open.truncate(OPEN_SHOWN);
    let counted = |of: &dyn Fn(&JobView) -> Option<u64>| -> Vec<(usize, u64)> {
        runs.iter().enumerate().filter_map(|(at, run)| Some((at, of(run)?))).collect()
    };
    let finished = |run: &JobView| run.execution.state.is_final();
    let tests = counted(&|run| headline::tests(&run.execution.stages).map(|counts| counts.tests));
    let findings = counted(&|run| {
        let looked = run.execution.stages.values().any(|stage| labels::findings_of(stage).is_some());
        looked.then(|| headline::findings(&run.execution.stages).total())
    });
    let seconds = counted(&|run| finished(run).then(|| span(run, now) / 1000));
    let trends = [("Seconds", seconds), ("Tests", tests), ("Findings", findings)];
    Ok(Page {
        address: encoded(&name).replace('/', "%2F"),
        told: told(&bars),
        width: bars.len() as u64 * STEP,
        last: runs.last().map(|run| Bar::new(run, 0, 0, 1)),
        trends: trends.into_iter().filter_map(|(title, points)| Trend::of(title, &points, runs.len())).collect(),
        bars,
        open,
        more_open,
        name,
    })
}

fn span(run: &JobView, now: Timestamp) -> u64 {
    let execution = &run.execution;
    let Some(from) = execution.started_at else { return 0 };
    let to = execution.finished_at.unwrap_or(now);
    u64::try_from(to.as_millisecond() - from.as_millisecond()).unwrap_or_default()
}

/// `22 passed, 5 passed with findings, 2 failed`.
fn told(bars: &[Bar]) -> String {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    bars.iter().for_each(|bar| *counts.entry(bar.outcome.as_str()).or_default() += 1);
    let words = counts.into_iter().map(|(word, count)| format!("{count} {}", word.to_lowercase()));
    words.collect::<Vec<_>>().join(", ")
}

impl Bar {
    fn new(run: &JobView, x: u64, span: u64, longest: u64) -> Self {
        let told = headline::of(&run.execution);
        let height = (span * TALL / longest).max(4);
        let class = labels::class(told.outcome);
        Self {
            id: run.metadata.job_id.to_string(),
            run: run.metadata.run_number,
            class,
            outcome: labels::capital(told.outcome.words()),
            detail: told.detail,
            branch: run.metadata.branch.clone().unwrap_or_default(),
            took: labels::span(span),
            x,
            y: 100 - height,
            height,
            tall: class == "fail",
        }
    }
}

impl Trend {
    /// `None` where fewer than two runs have a number.
    fn of(title: &'static str, points: &[(usize, u64)], runs: usize) -> Option<Self> {
        let ((_, last), before) = points.split_last()?;
        let (_, previous) = before.last()?;
        let most = points.iter().map(|(_, value)| *value).max().unwrap_or_default().max(1);
        let step = 300 / (runs.max(2) as u64 - 1);
        let place = |(at, value): &(usize, u64)| format!("{},{}", *at as u64 * step, 4 + TREND - value * TREND / most);
        let change = match last.cmp(previous) {
            std::cmp::Ordering::Equal => "as before".to_owned(),
            std::cmp::Ordering::Greater => format!("+{}", last - previous),
            std::cmp::Ordering::Less => format!("-{}", previous - last),
        };
        Some(Self { title, points: points.iter().map(place).collect::<Vec<_>>().join(" "), last: *last, change })
    }
}

/// What the last run that has ended and looked has found, with the run since which it is there without a break, the oldest first;
/// and how many of them are not shown.
fn open_findings(
    store: &Store,
    who: &Principal,
    runs: &[JobView],
    now: Timestamp,
) -> Result<(Vec<Open>, usize), ApiError> {
    let looked = |run: &&JobView| {
        run.execution.state.is_final()
            && run.execution.stages.values().any(|stage| labels::findings_of(stage).is_some())
    };
    let Some(last) = runs.iter().rev().find(looked) else { return Ok((Vec::new(), 0)) };
    let alike =
        |run: &&JobView| run.metadata.owner == last.metadata.owner && run.metadata.branch == last.metadata.branch;
    let mut open: Vec<(Finding, &JobView, bool)> = Vec::new();
    for run in runs.iter().rev().filter(looked).filter(alike) {
        let found = found_in(store, who, run)?;
        if run.metadata.job_id == last.metadata.job_id {
            open = found.into_iter().map(|finding| (finding, run, true)).collect();
            continue;
        }
        let marks: std::collections::HashSet<&str> = found.iter().map(|finding| finding.fingerprint.as_str()).collect();
        for (finding, since, unbroken) in &mut open {
            *unbroken &= marks.contains(finding.fingerprint.as_str());
            if *unbroken {
                *since = run;
            }
        }
    }
    open.sort_by_key(|(finding, since, _)| (std::cmp::Reverse(finding.severity), since.metadata.job_id));
    let more = open.len().saturating_sub(OPEN_SHOWN);
    let row = |(finding, since, _): (Finding, &JobView, bool)| Open {
        finding,
        job: since.metadata.job_id.to_string(),
        since: labels::ago(since.metadata.created_at, now),
        since_utc: labels::at(since.metadata.created_at),
    };
    Ok((open.into_iter().map(row).collect(), more))
}

/// The findings of a run that are neither accepted nor gone.
fn found_in(store: &Store, who: &Principal, run: &JobView) -> Result<Vec<Finding>, ApiError> {
    let job = match jobs::job_of(store, who, run.metadata.job_id) {
        Ok(job) => job,
        // Removed meanwhile.
        Err(StoreError::NoSuchJob(_)) => return Ok(Vec::new()),
        Err(error) => return Err(error.into()),
    };
    let page = gather_findings(store, &job)?;
    Ok(page.findings.into_iter().filter(|row| !row.is_accepted()).map(|row| row.finding).collect())
}
