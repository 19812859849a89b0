//! `POST /api/precheck`: what admission would say, and no job.

use axum::{
    Json,
    extract::{Request, State},
};
use pipelinex_common::metadata::{AdmissionStatus, PlannedStage};
use serde::Serialize;

use crate::{
    app::App,
    error::{ApiError, Problem},
    extract, submit,
};

/// The verdict.
#[derive(Debug, Default, Serialize)]
pub struct Precheck {
    accepted: bool,
    /// What a submission would be admitted as; absent when it is refused.
    status: Option<AdmissionStatus>,
    warnings: Vec<String>,
    problems: Vec<Problem>,
    /// What would run.
    stages: Vec<PlannedStage>,
}

/// 200 with the verdict, also when it is a refusal; other codes where there was nothing to judge.
pub async fn precheck(State(app): State<App>, request: Request) -> Result<Json<Precheck>, ApiError> {
    let (upload, _) = extract::receive(&app, request).await?;
    match submit::precheck(&app, upload.into()).await {
        Ok(judged) => Ok(Json(Precheck {
            accepted: true,
            status: Some(judged.verdict.status),
            warnings: judged.verdict.warnings,
            problems: Vec::new(),
            stages: judged.verdict.stages,
        })),
        Err(ApiError::Refused { problems, .. }) => Ok(Json(Precheck { problems, ..Precheck::default() })),
        Err(other) => Err(other),
    }
}
