//! `GET /api/jobs`: the jobs, newest first, a page at a time. A job that cannot be read is listed as broken.

use axum::{
    Json,
    extract::{Query, State, rejection::QueryRejection},
};
use jiff::Timestamp;
use pipelinex_common::{
    access::Owner,
    execution::{FindingCounts, TestCounts},
    headline::{self, Headline},
    id::JobId,
    metadata::AdmissionStatus,
    request::Stack,
    state::{JobState, Reason},
    store::{Job, JobView, ProjectKey, Quarantine, Store, StoreError},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::job::address;
use crate::{
    access::{Principal, Right},
    app::App,
    error::{ApiError, UNREADABLE},
};

/// Jobs on a page when nothing is said.
const PAGE: usize = 20;
/// The most jobs on a page.
const PAGE_MAX: usize = 200;
/// So many jobs are opened for one page at most: a filter that matches nothing must not read the whole disk. The page
/// then ends early, and its `next` goes on.
const OPENED_MAX: usize = 1000;

/// What is asked for.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Filter {
    state: Option<String>,
    project: Option<String>,
    branch: Option<String>,
    limit: Option<usize>,
    cursor: Option<String>,
}

/// A page.
#[derive(Debug, Serialize, JsonSchema)]
pub struct JobsPage {
    jobs: Vec<Row>,
    /// The cursor of the next page; absent on the last.
    next: Option<JobId>,
}

#[derive(Debug, Serialize, JsonSchema)]
#[serde(untagged)]
enum Row {
    Whole(Box<WholeRow>),
    Broken { job_id: JobId, broken: String, link: String },
}

#[derive(Debug, Serialize, JsonSchema)]
struct WholeRow {
    job_id: JobId,
    state: JobState,
    reason: Option<Reason>,
    error: Option<String>,
    current_stage: Option<String>,
    status: AdmissionStatus,
    stack: Stack,
    project: String,
    /// Who submitted it.
    owner: Owner,
    pipeline_name: String,
    run_number: u64,
    branch: Option<String>,
    commit: Option<String>,
    warnings: usize,
    created_at: Timestamp,
    started_at: Option<Timestamp>,
    finished_at: Option<Timestamp>,
    headline: Headline,
    findings: FindingCounts,
    #[serde(skip_serializing_if = "Option::is_none")]
    tests: Option<TestCounts>,
    cancel_wished: bool,
    /// Why no worker goes on with it, where its files are the reason.
    #[serde(skip_serializing_if = "Option::is_none")]
    broken: Option<String>,
    link: String,
}

/// A filter, checked.
struct Wanted {
    state: Option<JobState>,
    project: Option<String>,
    branch: Option<String>,
    limit: usize,
    before: Option<JobId>,
}

/// One page of the jobs.
pub async fn list(
    State(app): State<App>,
    who: Principal,
    filter: Result<Query<Filter>, QueryRejection>,
) -> Result<Json<JobsPage>, ApiError> {
    let Query(filter) = filter.map_err(|_| malformed("the query takes state, project, branch, limit and cursor"))?;
    let query = filter.check()?;
    Ok(Json(app.read(move |store| page(store, &who, &query)).await?))
}

fn malformed(detail: impl Into<String>) -> ApiError {
    ApiError::Malformed { code: "query", detail: detail.into() }
}

impl Filter {
    fn check(self) -> Result<Wanted, ApiError> {
        let state = self.state.map(|text| {
            let known = JobState::ALL.into_iter().find(|state| state.as_str().eq_ignore_ascii_case(&text));
            known.ok_or_else(|| {
                malformed(format!("`state` is one of {}", JobState::ALL.map(JobState::as_str).join(", ")))
            })
        });
        let before = self.cursor.map(|text| text.parse().map_err(|_| malformed("`cursor` is the `next` of a page")));
        let limit = self.limit.unwrap_or(PAGE);
        if !(1..=PAGE_MAX).contains(&limit) {
            return Err(malformed(format!("`limit` is a number from 1 to {PAGE_MAX}")));
        }
        Ok(Wanted {
            state: state.transpose()?,
            project: self.project,
            branch: self.branch,
            limit,
            before: before.transpose()?,
        })
    }
}

fn page(store: &Store, who: &Principal, query: &Wanted) -> Result<JobsPage, ApiError> {
    let (jobs, next) = gather(store, query.before, query.limit, |id| row(store, who, id, query))?;
    Ok(JobsPage { jobs, next })
}

/// What a look at a job gives whoever asks for a page of them.
pub(crate) enum Look<T> {
    /// A row of it.
    Row(T),
    /// None, though they may see it: the filter passes it over.
    PassedOver,
    /// It is not there for them.
    NotTheirs,
}

/// A page of jobs, newest first, and where the next one begins. That names no job that they may not see.
pub(crate) fn gather<T>(
    store: &Store,
    before: Option<JobId>,
    limit: usize,
    mut look: impl FnMut(JobId) -> Look<T>,
) -> Result<(Vec<T>, Option<JobId>), StoreError> {
    let known = store.known_ids()?;
    let ids = older(&known, before);
    let (mut rows, mut last, mut theirs) = (Vec::new(), None, None);
    for id in ids.iter().take(OPENED_MAX) {
        if rows.len() == limit {
            break;
        }
        last = Some(*id);
        match look(*id) {
            Look::Row(row) => {
                rows.push(row);
                theirs = last;
            }
            Look::PassedOver => theirs = last,
            Look::NotTheirs => {}
        }
    }
    let more = last.filter(|last| ids.last() != Some(last));
    Ok((rows, more.map(|last| theirs.unwrap_or_else(|| last.latest_of_its_time()))))
}

/// A job that somebody may see.
pub(crate) fn job_of(store: &Store, who: &Principal, id: JobId) -> Result<Job, StoreError> {
    let job = store.job(id)?;
    if who.may_with(Right::See, &job.metadata()?) { Ok(job) } else { Err(StoreError::NoSuchJob(id)) }
}

/// The latest runs of a project that somebody may see, the newest first. What cannot be read is left out.
pub(crate) fn runs_of(store: &Store, who: &Principal, project: &str, most: usize) -> Result<Vec<JobView>, StoreError> {
    let mut runs = Vec::new();
    for anonymous in [true, false] {
        runs.extend(store.runs_of(&ProjectKey { anonymous, name: project.to_owned() })?);
    }
    runs.sort_unstable_by_key(|run| std::cmp::Reverse(run.id));
    let view = |id| store.job(id).and_then(|job| job.view()).ok();
    let seen = runs.into_iter().take(OPENED_MAX).filter_map(|run| view(run.id));
    Ok(seen.filter(|view| who.may_with(Right::See, &view.metadata)).take(most).collect())
}

/// Those of a list, newest first, that are older than a job.
fn older(ids: &[JobId], than: Option<JobId>) -> &[JobId] {
    &ids[than.map_or(0, |than| ids.partition_point(|id| *id >= than))..]
}

fn row(store: &Store, who: &Principal, id: JobId, query: &Wanted) -> Look<Row> {
    let look = |wanted: bool, row: Row| if wanted { Look::Row(row) } else { Look::PassedOver };
    match store.job(id).and_then(|job| job.view()) {
        Ok(view) if !who.may_with(Right::See, &view.metadata) => Look::NotTheirs,
        Ok(view) => {
            let wanted = query.state.is_none_or(|state| view.execution.state == state)
                && query.project.as_ref().is_none_or(|project| view.metadata.project == *project)
                && query.branch.as_ref().is_none_or(|branch| view.metadata.branch.as_ref() == Some(branch));
            look(wanted, Row::Whole(Box::new(view.into())))
        }
        // Not there any more, or a foreign file of that name.
        Err(StoreError::NoSuchJob(_)) => Look::NotTheirs,
        Err(_) if !who.sees_broken() => Look::NotTheirs,
        Err(error) => {
            let broken = why_broken(id, &error);
            let filtered = query.state.is_some() || query.project.is_some() || query.branch.is_some();
            look(!filtered, Row::Broken { job_id: id, broken, link: address(id) })
        }
    }
}

/// What is said of a job that cannot be shown. What its files say is not logged with each look; `doctor` names their paths.
pub(crate) fn why_broken(id: JobId, error: &StoreError) -> String {
    Quarantine::of(error).map(|quarantine| quarantine.to_string()).unwrap_or_else(|| {
        tracing::warn!(job = %id, %error, "a job cannot be read");
        UNREADABLE.to_owned()
    })
}

impl From<JobView> for WholeRow {
    fn from(view: JobView) -> Self {
        let JobView { metadata, execution, cancel_wished, quarantine } = view;
        Self {
            headline: headline::of(&execution),
            findings: headline::findings(&execution.stages),
            tests: headline::tests(&execution.stages),
            job_id: metadata.job_id,
            state: execution.state,
            reason: execution.reason,
            error: execution.error,
            current_stage: execution.current_stage,
            status: metadata.status,
            stack: metadata.stack,
            project: metadata.project,
            owner: metadata.owner,
            pipeline_name: metadata.pipeline_name,
            run_number: metadata.run_number,
            branch: metadata.branch,
            commit: metadata.commit,
            warnings: metadata.warnings.len(),
            created_at: metadata.created_at,
            started_at: execution.started_at,
            finished_at: execution.finished_at,
            cancel_wished,
            broken: quarantine.map(|quarantine| quarantine.to_string()),
            link: address(metadata.job_id),
        }
    }
}
