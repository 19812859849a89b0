//! `/`: the jobs, newest first, as a table that a phone shows as cards.

mod filter;

use std::time::Duration;

use askama::Template;
use axum::{
    extract::{Query, State, rejection::QueryRejection},
    http::{StatusCode, Uri, header},
    response::{IntoResponse, Response, sse::Event},
};
use futures::stream;
use jiff::Timestamp;
use pipelinex_common::{
    headline,
    id::JobId,
    store::{JobView, Store, StoreError},
};
use tokio::time::sleep;

pub use self::filter::Wish;
use self::filter::{Chip, Filter};
use super::{PageError, icons::state, labels, page};
use crate::{
    access::{Principal, Right},
    app::App,
    error::ApiError,
    routes::{
        jobs::{self, Look, why_broken},
        sse,
    },
};

/// Jobs on a page.
const JOBS: usize = 20;
/// How often an open list is compared with what there is.
const LOOK_EVERY: Duration = Duration::from_millis(1500);

#[derive(Template)]
#[template(path = "home.html")]
struct HomePage {
    wish: Wish,
    chips: Vec<Chip>,
    list: ListPart,
    command: String,
}

/// The table alone.
#[derive(Template)]
#[template(path = "list.html")]
struct ListPart {
    jobs: Vec<Row>,
    next: Option<String>,
    filtered: bool,
    older: bool,
    projects: Vec<String>,
    branches: Vec<String>,
}

enum Row {
    Whole(Box<WholeRow>),
    Broken(JobId, String),
}

struct WholeRow {
    id: JobId,
    class: &'static str,
    outcome: String,
    project: String,
    run: u64,
    detail: String,
    branch: String,
    commit: String,
    created: String,
    created_utc: String,
    /// Who submitted it; empty without accounts.
    by: String,
    took: String,
    began: String,
    tests: String,
    counts: Vec<(&'static str, u64)>,
    scanned: bool,
    pips: Vec<(u64, &'static str)>,
    told: String,
}

/// `GET /jobs`: the list is on the first page.
pub async fn list(uri: Uri) -> Response {
    let query = uri.query().map(|query| format!("?{query}")).unwrap_or_default();
    (StatusCode::SEE_OTHER, [(header::LOCATION, format!("/{query}"))]).into_response()
}

/// The page; what is no filter is a field of the form, or was refused before.
pub async fn home(
    State(app): State<App>,
    who: Principal,
    uri: Uri,
    wish: Result<Query<Wish>, QueryRejection>,
) -> Result<Response, PageError> {
    // The form was here once: an address with its fields filled in still leads to it.
    if wish.is_err() {
        let query = uri.query().unwrap_or_default();
        return Ok((StatusCode::SEE_OTHER, [(header::LOCATION, format!("/new?{query}"))]).into_response());
    }
    let (wish, filter) = checked(wish)?;
    let list = app.read(move |store| Ok(gather(store, &who, &filter)?)).await?;
    let (chips, command) = (wish.chips(), wish.command());
    Ok(page(StatusCode::OK, &HomePage { wish, chips, list, command }))
}

/// The table as it changes: `event: list` each time, and nothing while nothing happens.
pub async fn changes(
    State(app): State<App>,
    who: Principal,
    wish: Result<Query<Wish>, QueryRejection>,
) -> Result<Response, PageError> {
    let (_, filter) = checked(wish)?;
    let first = app.read({
        let (who, filter) = (who.clone(), filter.clone());
        move |store| Ok(gather(store, &who, &filter)?.mark())
    });
    let start = (app.clone(), who, filter, first.await?);
    Ok(sse::answer(stream::unfold(start, |(app, who, filter, before)| async move {
        loop {
            tokio::select! {
                () = app.closing.cancelled() => return None,
                () = sleep(LOOK_EVERY) => {}
            }
            let (whose, wanted) = (who.clone(), filter.clone());
            let list = app.read(move |store| Ok(gather(store, &whose, &wanted)?)).await.ok()?;
            let mark = list.mark();
            if mark != before {
                let html = list.render().ok()?;
                let event = Event::default().event("list").json_data(html).ok()?;
                return Some((event, (app, who, filter, mark)));
            }
        }
    })))
}

fn checked(wish: Result<Query<Wish>, QueryRejection>) -> Result<(Wish, Filter), ApiError> {
    let Query(wish) = wish.map_err(|_| ApiError::Malformed {
        code: "query",
        detail: "the query takes state, project, branch, q and cursor".to_owned(),
    })?;
    let filter = wish.check()?;
    Ok((wish, filter))
}

fn gather(store: &Store, who: &Principal, filter: &Filter) -> Result<ListPart, StoreError> {
    let now = Timestamp::now();
    let (mut projects, mut branches) = (Vec::new(), Vec::new());
    let look = |id: JobId| match store.job(id).and_then(|job| job.view()) {
        Ok(view) if !who.may_with(Right::See, &view.metadata) => Look::NotTheirs,
        Ok(view) => {
            projects.push(view.metadata.project.clone());
            branches.extend(view.metadata.branch.clone());
            match filter.wants(&view) {
                true => Look::Row(Row::Whole(Box::new(WholeRow::new(id, view, now)))),
                false => Look::PassedOver,
            }
        }
        Err(StoreError::NoSuchJob(_)) => Look::NotTheirs,
        Err(_) if !who.sees_broken() => Look::NotTheirs,
        Err(error) if filter.is_empty() => Look::Row(Row::Broken(id, why_broken(id, &error))),
        Err(_) => Look::PassedOver,
    };
    let (rows, next) = jobs::gather(store, filter.before, JOBS, look)?;
    for names in [&mut projects, &mut branches] {
        names.sort_unstable();
        names.dedup();
    }
    let next = next.map(|last| filter.query(Some(last)));
    let (filtered, older) = (!filter.is_empty(), filter.before.is_some());
    Ok(ListPart { jobs: rows, next, filtered, older, projects, branches })
}

impl ListPart {
    /// What tells one state of the list from the next; clocks do not.
    fn mark(&self) -> Vec<String> {
        let mark = |row: &Row| match row {
            Row::Whole(row) => format!("{} {} {} {:?} {}", row.id, row.outcome, row.detail, row.pips, row.told),
            Row::Broken(id, why) => format!("{id} {why}"),
        };
        self.jobs.iter().map(mark).collect()
    }
}

impl WholeRow {
    fn new(id: JobId, view: JobView, now: Timestamp) -> Self {
        let JobView { metadata, execution, cancel_wished, quarantine } = view;
        let told = headline::of(&execution);
        let canceling = cancel_wished && !execution.state.is_final();
        let took = execution.started_at.map(|from| labels::since(from, execution.finished_at.unwrap_or(now)));
        let goes_on = execution.started_at.filter(|_| !execution.state.is_final());
        let stages = || execution.stages.iter();
        let findings = headline::findings(&execution.stages);
        let words: Vec<_> =
            stages().map(|(name, stage)| format!("{name} {}", labels::stage_word(stage.status))).collect();
        let broken = quarantine.map(|quarantine| quarantine.to_string());
        let details = [told.detail, told.left_out].into_iter().filter(|part| !part.is_empty());
        Self {
            id,
            class: if broken.is_some() { "broke" } else { labels::class(told.outcome) },
            outcome: if broken.is_some() { "Broken".to_owned() } else { labels::capital(told.outcome.words()) },
            project: metadata.project,
            run: metadata.run_number,
            detail: match (broken, canceling) {
                (Some(why), _) => why,
                (_, true) => "to be canceled".to_owned(),
                _ => details.collect::<Vec<_>>().join("; "),
            },
            branch: metadata.branch.unwrap_or_default(),
            commit: metadata.commit.unwrap_or_default().chars().take(7).collect(),
            created: labels::ago(metadata.created_at, now),
            created_utc: labels::at(metadata.created_at),
            by: if metadata.owner.is_anonymous() { String::new() } else { metadata.owner.as_str().to_owned() },
            took: took.unwrap_or_default(),
            began: goes_on.map(|from| from.to_string()).unwrap_or_default(),
            tests: headline::tests(&execution.stages).map(|counts| counts.words()).unwrap_or_default(),
            counts: labels::severities(findings),
            scanned: stages().any(|(_, stage)| labels::findings_of(stage).is_some()),
            pips: (0..).step_by(14).zip(stages().map(|(_, stage)| super::job::stage_class(stage))).collect(),
            told: words.join(", "),
        }
    }
}
