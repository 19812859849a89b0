//! `GET /api/jobs/{id}/reports`: what the stages reported, as one ZIP, once the job has ended.

use axum::{extract::State, response::Response};

use super::{
    download::{Asked, Download, ETag},
    path::JobPath,
};
use crate::{access::Principal, app::App, error::ApiError, report_store};

/// The reports; 409 until the job has ended.
pub async fn reports(
    State(app): State<App>,
    who: Principal,
    JobPath(id): JobPath,
    asked: Asked,
) -> Result<Response, ApiError> {
    let place = asked.place(&app)?;
    let stored = report_store::reports(&app, &who, id).await?;
    let download = Download {
        kind: "application/zip",
        name: format!("{id}-reports.zip"),
        files: vec![(stored.file, stored.bytes)],
        etag: Some(ETag::of(&[&stored.digest])),
    };
    download.answer(&asked, place)
}
