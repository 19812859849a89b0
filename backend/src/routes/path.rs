//! Ids and names in a path, parsed at the edge: what is not one leads nowhere, which is 404.

use axum::{
    extract::{FromRequestParts, RawPathParams},
    http::request::Parts,
};
use pipelinex_common::{
    id::{InvalidJobId, JobId},
    slug::Slug,
};

use super::runs::Part;
use crate::error::ApiError;

/// The job of a path.
pub struct JobPath(pub JobId);

/// The job, the step and the file of a path. The file is a path below the step's artifacts that leads nowhere else.
pub struct ArtifactPath {
    /// The job.
    pub id: JobId,
    /// The step.
    pub step: Slug,
    /// The file.
    pub path: String,
}

/// The project of a path.
pub struct ProjectPath(pub String);

impl<S: Send + Sync> FromRequestParts<S> for ProjectPath {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        Ok(Self(parameter(parts, state, "name").await?))
    }
}

/// What a host of repositories tells of pushes, by its id.
pub struct HookPath(pub String);

impl<S: Send + Sync> FromRequestParts<S> for HookPath {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        Ok(Self(parameter(parts, state, "id").await?))
    }
}

/// The job and the finding of a path; the latter by its fingerprint, or the beginning of it.
pub struct FindingPath(pub JobId, pub String);

impl<S: Send + Sync> FromRequestParts<S> for FindingPath {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let id = parameter(parts, state, "id").await?.parse()?;
        Ok(Self(id, parameter(parts, state, "fingerprint").await?))
    }
}

/// The job and the stage of a path; the stage in any letter case.
pub struct StagePath(pub JobId, pub String);

/// The job and the step of a path, by its slug or its written name.
pub struct StepPath(pub JobId, pub String);

impl<S: Send + Sync> FromRequestParts<S> for StepPath {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let id = parameter(parts, state, "id").await?.parse()?;
        Ok(Self(id, parameter(parts, state, "step").await?))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for JobPath {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        Ok(Self(parameter(parts, state, "id").await?.parse()?))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for StagePath {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let id = parameter(parts, state, "id").await?.parse()?;
        Ok(Self(id, parameter(parts, state, "stage").await?))
    }
}

/// The pipeline of a path, and what of it is asked for.
pub struct HistoryPath {
    /// The pipeline, or a project.
    pub name: String,
    /// The number of a run.
    pub run: Option<String>,
    /// A stage, and a step of it.
    pub part: Part,
}

impl<S: Send + Sync> FromRequestParts<S> for HistoryPath {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let name = parameter(parts, state, "name").await?;
        let run = parameter(parts, state, "run").await.ok();
        let part =
            Part { stage: parameter(parts, state, "stage").await.ok(), job: parameter(parts, state, "job").await.ok() };
        Ok(Self { name, run, part })
    }
}

impl<S: Send + Sync> FromRequestParts<S> for ArtifactPath {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let nothing = || ApiError::NotFound { detail: "there is no such artifact".to_owned() };
        let id = parameter(parts, state, "id").await?.parse()?;
        let step = parameter(parts, state, "step").await?.parse().map_err(|_| nothing())?;
        let path = parameter(parts, state, "path").await?;
        let plain = |part: &str| !part.is_empty() && part != "." && part != ".." && !part.contains('\0');
        if path.split('/').all(plain) { Ok(Self { id, step, path }) } else { Err(nothing()) }
    }
}

async fn parameter<S: Send + Sync>(parts: &mut Parts, state: &S, name: &str) -> Result<String, ApiError> {
    let all = RawPathParams::from_request_parts(parts, state).await.map_err(|_| InvalidJobId)?;
    let found = all.iter().find(|(known, _)| *known == name).map(|(_, value)| value.to_owned());
    found.ok_or_else(|| InvalidJobId.into())
}
