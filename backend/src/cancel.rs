//! Canceling a job: the wish is durable before anybody is told so, and a worker grants it.

use pipelinex_common::{
    id::JobId,
    store::{JobView, Wished},
};

use crate::{
    access::{Principal, Right},
    app::App,
    error::ApiError,
};

/// Wishes that a job be canceled, and rings for a worker. Returns how the job stood right after: one that was QUEUED then is
/// never started.
///
/// # Errors
/// 404 where there is no such job; 409 with the state that won when it has ended; 507 when the disk is full.
pub async fn cancel(app: &App, who: &Principal, id: JobId, words: &'static str) -> Result<JobView, ApiError> {
    let wish = move |job: &pipelinex_common::store::Job| match job.wish_cancel(words)? {
        Wished::Durable => job.view().map_err(ApiError::broken),
        Wished::Ended(end) => Err(ApiError::Ended { state: end.state, reason: end.reason }),
    };
    let view = app.with_job(who, Right::Cancel, id, wish).await?;
    tracing::info!(job = %id, state = %view.execution.state, "canceling is wished for");
    if let Err(error) = app.doorbell.ring(id).await {
        tracing::debug!(job = %id, %error, "nobody heard the bell; workers look by themselves");
    }
    Ok(view)
}
