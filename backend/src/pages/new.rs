//! `/new`: the form.

use std::collections::BTreeMap;

use askama::Template;
use axum::{
    extract::{Query, State},
    http::{HeaderMap, StatusCode},
    response::Response,
};
use pipelinex_common::{folder::Folder, limits::MIB, metadata::PlannedStage, pipeline::stack::StackKey};

use super::{
    form::{self, Form, Texts},
    icons::{icon, state},
    lines::{Lines, server_of},
    page,
};
use crate::{
    access::Principal,
    app::App,
    error::{Choice, Problem},
};

/// What the form's page shows.
#[derive(Template)]
#[template(path = "new.html")]
pub struct NewPage {
    form: Form,
    lines: Lines,
    verdict: Option<Verdict>,
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

/// The page.
pub async fn form_page(
    State(app): State<App>,
    _who: Principal,
    headers: HeaderMap,
    Query(texts): Query<BTreeMap<String, String>>,
) -> Response {
    draw(&app, &headers, texts, None, StatusCode::OK)
}

/// The page, with a verdict over what was sent.
pub fn draw(app: &App, headers: &HeaderMap, texts: Texts, verdict: Option<Verdict>, status: StatusCode) -> Response {
    let form = Form::new(app, texts.clone());
    let shown = if texts.contains_key("stack") { texts.clone() } else { as_sent(&form) };
    let lines = Lines::of_form(&shown, &server_of(app, headers));
    let limits = &app.config.intake;
    let limits = format!(
        "A ZIP of at most {} MiB, unpacked at most {} MiB in {} files, {} folders deep.",
        limits.upload_bytes / MIB,
        limits.unpacked_bytes / MIB,
        limits.files,
        limits.depth
    );
    page(status, &NewPage { form, lines, verdict, limits })
}

/// The texts that a browser would send if nothing was changed.
fn as_sent(form: &Form) -> Texts {
    let chosen = |choices: &[form::Choice]| choices.iter().find(|c| c.chosen).map(|c| c.value.clone());
    let lists = [("stack", &form.stacks)];
    let lists = lists.into_iter().filter_map(|(name, list)| Some((name.to_owned(), chosen(list)?)));
    let on = form.stages.iter().filter(|stage| stage.on).map(|stage| (stage.field.clone(), "on".to_owned()));
    lists.chain(on).chain([("stages".to_owned(), form.shown())]).collect()
}
