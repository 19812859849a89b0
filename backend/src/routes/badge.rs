//! `GET /api/projects/{name}/badge.svg`: what became of the last run of a project that has ended, for a README.

use axum::{
    extract::{Query, State, rejection::QueryRejection},
    http::header,
    response::{IntoResponse, Response},
};
use pipelinex_common::headline::{self, Outcome};

use super::{
    path::ProjectPath,
    project_runs::{self, Wish},
};
use crate::{access::Principal, app::App, error::ApiError};

/// How wide a letter is, and what stands around a word.
const LETTER: usize = 7;
const AROUND: usize = 16;

/// A small picture.
pub async fn badge(
    State(app): State<App>,
    who: Principal,
    ProjectPath(name): ProjectPath,
    wish: Result<Query<Wish>, QueryRejection>,
) -> Result<Response, ApiError> {
    let (_, runs) = project_runs::latest(&app, who, name, wish).await?;
    let told = runs
        .iter()
        .map(|run| headline::of(&run.execution))
        .find(|told| !matches!(told.outcome, Outcome::Queued | Outcome::Running));
    let drawn = match told {
        Some(told) => draw(told.outcome.words(), colour(told.outcome)),
        None => draw("no run yet", "#59626d"),
    };
    // A README must not show for long what is over.
    let headers = [(header::CONTENT_TYPE, "image/svg+xml"), (header::CACHE_CONTROL, "no-cache, max-age=0")];
    Ok((headers, drawn).into_response())
}

fn colour(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Passed => "#1a7f37",
        Outcome::PassedWithFindings => "#8a5300",
        Outcome::Failed | Outcome::FailedByGate => "#b42318",
        Outcome::Queued | Outcome::Running => "#0b5cad",
        Outcome::ToolBroke | Outcome::WeBroke => "#2b3138",
        Outcome::Canceled => "#59626d",
    }
}

/// Both words are ours.
fn draw(word: &str, colour: &str) -> String {
    let name = "pipelinex";
    let (left, right) = (name.len() * LETTER + AROUND, word.len() * LETTER + AROUND);
    let (width, text, beside) = (left + right, AROUND / 2, left + AROUND / 2);
    format!(
        r##"<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="20" role="img" aria-label="{name}: {word}"><title>{name}: {word}</title><rect width="{width}" height="20" rx="4" fill="#2b3138"/><path d="M{left} 0h{inner}a4 4 0 0 1 4 4v12a4 4 0 0 1-4 4h-{inner}z" fill="{colour}"/><g fill="#fff" font-family="system-ui,sans-serif" font-size="11" font-weight="600"><text x="{text}" y="14">{name}</text><text x="{beside}" y="14">{word}</text></g></svg>"##,
        inner = right - 4,
    )
}
