//! Ids and names in a path, parsed at the edge: what is not one leads nowhere, which is 404.

use axum::{
    extract::{FromRequestParts, RawPathParams},
    http::request::Parts,
};
use pipelinex_common::id::{InvalidJobId, JobId};

use crate::error::ApiError;

/// The job of a path.
pub struct JobPath(pub JobId);

/// The job and the stage of a path; the stage in any letter case.
pub struct StagePath(pub JobId, pub String);

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

async fn parameter<S: Send + Sync>(parts: &mut Parts, state: &S, name: &str) -> Result<String, ApiError> {
    let all = RawPathParams::from_request_parts(parts, state).await.map_err(|_| InvalidJobId)?;
    let found = all.iter().find(|(known, _)| *known == name).map(|(_, value)| value.to_owned());
    found.ok_or_else(|| InvalidJobId.into())
}
