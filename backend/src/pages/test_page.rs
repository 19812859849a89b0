//! `/jobs/{id}/tests`: all test cases of a job, to be searched and narrowed.

use askama::Template;
use axum::{
    extract::{Query, State, rejection::QueryRejection},
    http::StatusCode,
    response::Response,
};
use pipelinex_common::findings::TestState;

use super::{PageError, icons::icon, labels, page as page_of};
use crate::{
    access::Principal,
    app::App,
    error::ApiError,
    routes::{
        JobPath,
        test_cases::{self, TestsPage, Wish},
    },
};

#[derive(Template)]
#[template(path = "tests.html")]
struct Page {
    id: String,
    project: String,
    run: u64,
    wish: Wish,
    tests: TestsPage,
    states: [(&'static str, &'static str); 6],
}

/// The page.
pub async fn page(
    State(app): State<App>,
    who: Principal,
    path: Result<JobPath, ApiError>,
    wish: Result<Query<Wish>, QueryRejection>,
) -> Result<Response, PageError> {
    let JobPath(id) = path?;
    let malformed =
        || ApiError::Malformed { code: "query", detail: "the query takes state, q, limit and cursor".to_owned() };
    let Query(mut wish) = wish.map_err(|_| malformed())?;
    // A field that was left empty is sent empty.
    wish.state = wish.state.filter(|state| !state.is_empty());
    let filter = wish.check()?;
    let (metadata, tests) = app
        .read_job(&who, id, move |job| {
            Ok((job.metadata().map_err(ApiError::broken)?, test_cases::gather(job, &filter)?))
        })
        .await?;
    let states = [
        ("", "All"),
        ("failed,error", "Failed"),
        ("flaky", "Flaky"),
        ("skipped", "Skipped"),
        ("passed", "Passed"),
        ("error", "Broken"),
    ];
    let (project, run) = (metadata.project, metadata.run_number);
    Ok(page_of(StatusCode::OK, &Page { id: id.to_string(), project, run, wish, tests, states }))
}

/// The class of the style for how a test ended; also the name of an icon.
fn class(state: &TestState) -> &'static str {
    match state {
        TestState::Failed | TestState::Error => "fail",
        TestState::Flaky => "find",
        TestState::Skipped => "skip",
        TestState::Passed => "pass",
    }
}
