//! `GET /api/jobs/{id}/report.html`: a job as one file, to mail, print or keep.

use axum::{
    extract::State,
    http::header,
    response::{IntoResponse, Response},
};

use super::path::JobPath;
use crate::{access::Principal, app::App, error::ApiError, pages::report};

/// The report of a job, also while it runs.
pub async fn html(State(app): State<App>, who: Principal, JobPath(id): JobPath) -> Result<Response, ApiError> {
    let store = app.store.clone();
    let text = app.read_job(&who, id, move |job| report::html(&store, job)).await?;
    let name = format!("inline; filename=\"pipelinex-{id}.html\"");
    let headers = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8".to_owned()),
        (header::CONTENT_DISPOSITION, name),
        (header::CONTENT_SECURITY_POLICY, report::POLICY.to_owned()),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff".to_owned()),
        (header::REFERRER_POLICY, "no-referrer".to_owned()),
        (header::CACHE_CONTROL, "no-store".to_owned()),
    ];
    Ok((headers, text).into_response())
}
