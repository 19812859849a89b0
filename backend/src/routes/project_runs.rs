//! The latest runs of a project, of one branch or of all: what its badge and its feed are drawn of.

use axum::extract::{Query, rejection::QueryRejection};
use pipelinex_common::store::JobView;
use serde::Deserialize;

use super::jobs;
use crate::{access::Principal, app::App, error::ApiError};

/// So many runs are looked at, whatever their branch and whether they have ended.
const RUNS_MAX: usize = 50;

/// What is asked for.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Wish {
    /// Runs of this branch alone.
    pub branch: Option<String>,
}

/// Those that whoever asks may see, the newest first.
///
/// # Errors
/// 404 where there is no run of such a project for them, and 400.
pub async fn latest(
    app: &App,
    who: Principal,
    project: String,
    wish: Result<Query<Wish>, QueryRejection>,
) -> Result<(Wish, Vec<JobView>), ApiError> {
    let Query(wish) =
        wish.map_err(|_| ApiError::Malformed { code: "query", detail: "the query takes branch, once".to_owned() })?;
    let mut runs = app.read(move |store| Ok(jobs::runs_of(store, &who, &project, RUNS_MAX)?)).await?;
    if runs.is_empty() {
        return Err(ApiError::NotFound { detail: "there is no such project".to_owned() });
    }
    runs.retain(|run| wish.branch.is_none() || run.metadata.branch == wish.branch);
    Ok((wish, runs))
}
