//! `/`: the form, and the jobs.

use std::collections::BTreeMap;

use askama::Template;
use axum::{
    extract::{Query, State},
    http::{HeaderMap, StatusCode, Uri, header},
    response::{IntoResponse, Response},
};
use jiff::Timestamp;
use pipelinex_common::{
    folder::Folder,
    id::JobId,
    limits::MIB,
    metadata::PlannedStage,
    pipeline::stack::StackKey,
    store::{JobView, Store, StoreError},
};

use super::{
    PageError,
    form::{self, Form, Texts},
    lines::{Lines, host_of},
    page, words,
};
use crate::{
    access::{Principal, Right},
    app::App,
    error::{Choice, Problem},
    routes::jobs::{Look, gather, why_broken},
};

/// Jobs on a page.
const JOBS: usize = 20;

/// What the form's page shows.
#[derive(Template)]
#[template(path = "home.html")]
pub struct HomePage {
    form: Form,
    lines: Lines,
    verdict: Option<Verdict>,
    jobs: Vec<Row>,
    /// The cursor of the next page.
    next: Option<JobId>,
    /// Whether this is not the first page.
    older: bool,
    limits: String,
}

/// What admission says of a project that was only looked at, or refused.
#[derive(Default, Template)]
#[template(path = "verdict.html")]
pub struct Verdict {
    /// Whether it would be admitted.
    pub accepted: bool,
    /// What is wrong in one sentence, where there is no list.
    pub detail: Option<String>,
    /// Why it is refused.
    pub problems: Vec<Problem>,
    /// What there is to choose from instead.
    pub candidates: Vec<Choice>,
    /// What an accepted project is taken for.
    pub taken_for: Option<StackKey>,
    /// The folder of it that would be built.
    pub folder: Option<Folder>,
    /// The folder that was picked from a list, which is gone with this verdict.
    pub picked: Option<String>,
    /// What a person should know.
    pub warnings: Vec<String>,
    /// What would run.
    pub stages: Vec<PlannedStage>,
}

enum Row {
    Whole(Box<WholeRow>),
    Broken(JobId, String),
}

struct WholeRow {
    id: JobId,
    word: &'static str,
    project: String,
    run: u64,
    pipeline: String,
    detail: String,
    created: String,
    took: String,
}

/// `GET /jobs`: the list is on the first page.
pub async fn list(uri: Uri) -> Response {
    let query = uri.query().map(|query| format!("?{query}")).unwrap_or_default();
    (StatusCode::SEE_OTHER, [(header::LOCATION, format!("/{query}"))]).into_response()
}

/// The page.
pub async fn home(
    State(app): State<App>,
    who: Principal,
    headers: HeaderMap,
    Query(mut query): Query<BTreeMap<String, String>>,
) -> Result<Response, PageError> {
    let cursor = query.remove("cursor").and_then(|text| text.parse().ok());
    draw(&app, &who, &headers, query, None, StatusCode::OK, cursor).await
}

/// The page, with a verdict over what was sent.
pub async fn draw(
    app: &App,
    who: &Principal,
    headers: &HeaderMap,
    texts: Texts,
    verdict: Option<Verdict>,
    status: StatusCode,
    before: Option<JobId>,
) -> Result<Response, PageError> {
    let whose = who.clone();
    let (jobs, next) = app.read(move |store| Ok(rows(store, &whose, before)?)).await?;
    let form = Form::new(app, texts.clone());
    let shown = if texts.contains_key("stack") { texts.clone() } else { as_sent(&form) };
    let lines = Lines::of_form(&shown, &host_of(headers));
    let limits = &app.config.intake;
    let limits = format!(
        "A ZIP of at most {} MiB, unpacked at most {} MiB in {} files, {} folders deep.",
        limits.upload_bytes / MIB,
        limits.unpacked_bytes / MIB,
        limits.files,
        limits.depth
    );
    Ok(page(status, &HomePage { form, lines, verdict, jobs, next, older: before.is_some(), limits }))
}

/// The texts that a browser would send if nothing was changed.
fn as_sent(form: &Form) -> Texts {
    let chosen = |choices: &[form::Choice]| choices.iter().find(|c| c.chosen).map(|c| c.value.clone());
    let lists = [("stack", &form.stacks)];
    let lists = lists.into_iter().filter_map(|(name, list)| Some((name.to_owned(), chosen(list)?)));
    let on = form.stages.iter().filter(|stage| stage.on).map(|stage| (stage.field.clone(), "on".to_owned()));
    lists.chain(on).chain([("stages".to_owned(), form.shown())]).collect()
}

fn rows(store: &Store, who: &Principal, before: Option<JobId>) -> Result<(Vec<Row>, Option<JobId>), StoreError> {
    let now = Timestamp::now();
    gather(store, before, JOBS, |id| match store.job(id).and_then(|job| job.view()) {
        Ok(view) if !who.may_with(Right::See, &view.metadata) => Look::NotTheirs,
        Ok(view) => Look::Row(Row::Whole(Box::new(WholeRow::new(id, view, now)))),
        Err(StoreError::NoSuchJob(_)) => Look::NotTheirs,
        Err(_) if !who.sees_broken() => Look::NotTheirs,
        Err(error) => Look::Row(Row::Broken(id, why_broken(id, &error))),
    })
}

impl WholeRow {
    fn new(id: JobId, view: JobView, now: Timestamp) -> Self {
        let JobView { metadata, execution, cancel_wished, quarantine } = view;
        let canceling = cancel_wished && !execution.state.is_final();
        let took = execution.started_at.map(|from| words::since(from, execution.finished_at.unwrap_or(now)));
        Self {
            id,
            word: if quarantine.is_some() { "broken" } else { words::job_word(execution.state) },
            project: metadata.project,
            run: metadata.run_number,
            pipeline: metadata.pipeline_name,
            detail: match canceling {
                true => "to be canceled".to_owned(),
                false => execution.error.or(execution.current_stage).unwrap_or_default(),
            },
            created: words::at(metadata.created_at),
            took: took.unwrap_or_default(),
        }
    }
}
