//! `GET /api/report/..`: past runs, in the words and shapes of the predecessor that kept them in a database.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Query, State, rejection::QueryRejection},
    http::{HeaderMap, HeaderName, HeaderValue},
};
use jiff::{Timestamp, civil::Date, tz::TimeZone};
use pipelinex_common::{foreign::shown, state::JobState, store::Store};
use serde::Deserialize;

use super::{
    jobs::job_of,
    path::HistoryPath,
    runs::{Part, PipelineRun, state_of},
};
use crate::{
    access::{Principal, Right},
    app::App,
    error::ApiError,
    history::{BeingRead, HistoryError, Run},
};

/// How many runs there are in all, also those of other pages.
pub const TOTAL: HeaderName = HeaderName::from_static("x-total-count");
/// Runs on a page when nothing is said.
const SIZE: usize = 20;
/// The most runs on a page.
const SIZE_MAX: usize = 200;

/// What is asked for.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Filter {
    run: Option<String>,
    commit: Option<String>,
    branch: Option<String>,
    status: Option<String>,
    from: Option<String>,
    to: Option<String>,
    page: Option<String>,
    size: Option<String>,
    stage: Option<String>,
    job: Option<String>,
}

/// A filter, checked.
#[derive(Debug, Default)]
struct Wanted {
    name: Option<String>,
    run: Option<u64>,
    commit: Option<String>,
    branch: Option<String>,
    state: Option<JobState>,
    from: Option<Timestamp>,
    to: Option<Timestamp>,
    page: usize,
    size: usize,
    part: Part,
}

type Answer = Result<(HeaderMap, Json<Vec<PipelineRun>>), ApiError>;

/// Runs of all pipelines.
pub async fn pipelines(
    State(app): State<App>,
    who: Principal,
    filter: Result<Query<Filter>, QueryRejection>,
) -> Answer {
    answer(app, who, checked(filter)?).await
}

/// Runs of one, or a part of each.
pub async fn pipeline(
    State(app): State<App>,
    who: Principal,
    HistoryPath { name, run, part }: HistoryPath,
    filter: Result<Query<Filter>, QueryRejection>,
) -> Answer {
    let mut wanted = checked(filter)?;
    wanted.name = Some(name);
    if let Some(run) = run {
        wanted.run = Some(number("run", &run)?);
    }
    if part.stage.is_some() {
        wanted.part = part;
    }
    answer(app, who, wanted).await
}

fn malformed(detail: String) -> ApiError {
    ApiError::Malformed { code: "query", detail }
}

fn number(name: &str, text: &str) -> Result<u64, ApiError> {
    text.parse().map_err(|_| malformed(format!("`{name}` is a number, and {} is none", shown(text))))
}

/// A point in time; of a day its first moment, in UTC.
fn time(name: &str, text: &str) -> Result<Timestamp, ApiError> {
    let day = || text.parse::<Date>().ok()?.to_zoned(TimeZone::UTC).ok().map(|start| start.timestamp());
    text.parse().ok().or_else(day).ok_or_else(|| {
        malformed(format!("`{name}` is a time such as 2026-01-31T12:00:00Z, or a day such as 2026-01-31"))
    })
}

fn checked(filter: Result<Query<Filter>, QueryRejection>) -> Result<Wanted, ApiError> {
    let told = "the query takes run, commit, branch, status, from, to, page, size, stage and job";
    let Query(filter) = filter.map_err(|_| malformed(told.to_owned()))?;
    let state = filter.status.map(|text| {
        let known = "PENDING, RUNNING, SUCCESS, FAILED, CANCELED";
        state_of(&text).ok_or_else(|| malformed(format!("`status` is one of {known}")))
    });
    let small = |name, text: Option<String>| text.map(|text| number(name, &text)).transpose();
    let size = small("size", filter.size)?.map_or(SIZE, |size| usize::try_from(size).unwrap_or(usize::MAX));
    if !(1..=SIZE_MAX).contains(&size) {
        return Err(malformed(format!("`size` is a number from 1 to {SIZE_MAX}")));
    }
    Ok(Wanted {
        name: None,
        run: small("run", filter.run)?,
        commit: filter.commit.map(|commit| commit.to_ascii_lowercase()),
        branch: filter.branch,
        state: state.transpose()?,
        from: filter.from.map(|text| time("from", &text)).transpose()?,
        to: filter.to.map(|text| time("to", &text)).transpose()?,
        page: small("page", filter.page)?.map_or(0, |page| usize::try_from(page).unwrap_or(usize::MAX)),
        size,
        part: Part { stage: filter.stage, job: filter.job },
    })
}

impl Wanted {
    fn takes(&self, run: &Run) -> bool {
        self.name.as_ref().is_none_or(|name| run.is_of(name))
            && self.run.is_none_or(|number| run.number == number)
            && self.branch.as_ref().is_none_or(|branch| run.branch.as_deref() == Some(branch))
            && self.state.is_none_or(|state| run.state == state)
            && self.from.is_none_or(|from| run.created_at >= from)
            && self.to.is_none_or(|to| run.created_at < to)
            && self.commit.as_ref().is_none_or(|commit| {
                run.commit.as_ref().is_some_and(|known| known.to_ascii_lowercase().starts_with(commit.as_str()))
            })
    }
}

async fn answer(app: App, who: Principal, wanted: Wanted) -> Answer {
    let history = app.history.clone();
    let (total, runs) = app.read(move |store| find(&history, store, &who, &wanted)).await?;
    Ok((HeaderMap::from_iter([(TOTAL, HeaderValue::from(total))]), Json(runs)))
}

fn find(
    history: &Arc<crate::history::History>,
    store: &Store,
    who: &Principal,
    wanted: &Wanted,
) -> Result<(usize, Vec<PipelineRun>), ApiError> {
    let theirs = |run: &Run| wanted.takes(run) && who.may(Right::See, &run.owner, &run.project);
    let found = history.find(store, &theirs).map_err(unready)?;
    if let (Some(name), true) = (&wanted.name, found.is_empty()) {
        let theirs = |run: &Run| run.is_of(name) && who.may(Right::See, &run.owner, &run.project);
        if history.find(store, &theirs).map_err(unready)?.is_empty() {
            let detail =
                format!("there is no run of a pipeline or a project {}, or none that you may see", shown(name));
            return Err(ApiError::NotFound { detail });
        }
    }
    let total = found.len();
    let page = found.into_iter().skip(wanted.page.saturating_mul(wanted.size)).take(wanted.size);
    let runs: Vec<PipelineRun> = page
        .filter_map(|run| PipelineRun::of(&job_of(store, who, run.id).ok()?, &wanted.part).ok().flatten())
        .collect();
    Ok((total, runs))
}

/// What is told where the history cannot be asked.
pub fn unready(error: HistoryError) -> ApiError {
    match error {
        HistoryError::Store(error) => error.into(),
        HistoryError::BeingRead(BeingRead { read, of }) => ApiError::Unavailable {
            detail: format!(
                "the server reads its history for the first time since it started: {read} of {of} jobs; come again in a moment"
            ),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_is_its_first_moment_and_what_is_no_time_is_told() {
        assert_eq!(time("from", "2026-01-31").unwrap(), "2026-01-31T00:00:00Z".parse().unwrap());
        assert_eq!(time("from", "2026-01-31T12:00:00+02:00").unwrap(), "2026-01-31T10:00:00Z".parse().unwrap());
        for bad in ["", "yesterday", "2026-13-01", "12:00"] {
            assert!(time("from", bad).is_err(), "{bad}");
        }
    }
}
