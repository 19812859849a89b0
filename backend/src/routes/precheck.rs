//! `POST /api/precheck`: what admission would say, and no job.

use axum::{
    Json,
    extract::{Request, State},
};
use pipelinex_common::{
    folder::Folder,
    metadata::{AdmissionStatus, PlannedStage},
    request::Stack,
};
use schemars::JsonSchema;
use serde::Serialize;

use crate::{
    access::Principal,
    app::App,
    error::{ApiError, Choice, Problem},
    submission,
    submission::body_zip,
};

/// The verdict.
#[derive(Debug, Default, Serialize, JsonSchema)]
pub struct Precheck {
    accepted: bool,
    /// What a submission would be admitted as; absent when it is refused.
    status: Option<AdmissionStatus>,
    /// What it is taken for; absent when it is refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    stack: Option<Stack>,
    /// The folder that would be built; absent: the top.
    #[serde(skip_serializing_if = "Option::is_none")]
    folder: Option<Folder>,
    warnings: Vec<String>,
    problems: Vec<Problem>,
    /// What there is to choose from instead.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    candidates: Vec<Choice>,
    /// What would run.
    stages: Vec<PlannedStage>,
}

/// 200 with the verdict, also when it is a refusal; other codes where there was nothing to judge.
pub async fn precheck(State(app): State<App>, who: Principal, request: Request) -> Result<Json<Precheck>, ApiError> {
    let (upload, _) = body_zip::receive(&app, request).await?;
    match submission::precheck(&app, &who, upload.into()).await {
        Ok(judged) => Ok(Json(Precheck {
            accepted: true,
            status: Some(judged.verdict.status),
            stack: Some(judged.stack().clone()),
            folder: judged.folder().cloned(),
            warnings: judged.verdict.warnings,
            stages: judged.verdict.stages,
            ..Precheck::default()
        })),
        Err(ApiError::Refused { problems, candidates, .. }) => {
            Ok(Json(Precheck { problems, candidates, ..Precheck::default() }))
        }
        Err(other) => Err(other),
    }
}
