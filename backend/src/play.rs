//! Starting a step by hand: the wish is durable before anybody is told so, and a worker grants it.

use pipelinex_common::{
    execution::{StepRecord, Waiting},
    id::JobId,
    slug::Slug,
    state::StepState,
    store::Job,
};

use crate::{
    access::{Principal, Right},
    app::App,
    error::ApiError,
};

/// Wishes that a step be started which waits for that, by its slug or its written name, and rings for a worker. Returns both.
///
/// # Errors
/// 404 where there is no such job or step; 409 when the job has ended, or the step does not wait; 507 when the disk is full.
pub async fn play(app: &App, who: &Principal, id: JobId, step: String) -> Result<(Slug, String), ApiError> {
    let played = app.with_job(who, Right::Retry, id, move |job| wish(job, &step)).await?;
    tracing::info!(job = %id, step = %played.0, "a step is started by hand");
    if let Err(error) = app.doorbell.ring(id).await {
        tracing::debug!(job = %id, %error, "nobody heard the bell; workers look by themselves");
    }
    Ok(played)
}

fn wish(job: &Job, asked: &str) -> Result<(Slug, String), ApiError> {
    let execution = job.view().map_err(ApiError::broken)?.execution;
    if execution.state.is_final() {
        return Err(ApiError::Ended { state: execution.state, reason: execution.reason });
    }
    let mut steps = execution.stages.values().flat_map(|stage| &stage.steps);
    let named = |slug: &Slug, record: &StepRecord| {
        slug.as_str().eq_ignore_ascii_case(asked) || record.name.eq_ignore_ascii_case(asked)
    };
    let Some((slug, record)) = steps.find(|(slug, record)| named(slug, record)) else {
        return Err(ApiError::NotFound {
            detail: "the job has no such step, or no worker has taken it yet".to_owned(),
        });
    };
    let waits = matches!(record.waiting, Some(Waiting::Manual | Waiting::Delayed));
    // Whoever asks again is told the same, until it runs.
    let is_asked_for = record.status == StepState::Pending && job.is_play_wished(slug);
    if !waits && !is_asked_for {
        let detail = format!("{} does not wait to be started: {}", record.name, record.message);
        return Err(ApiError::NotYet { detail });
    }
    match job.wish_play(slug)? {
        Some(end) => Err(ApiError::Ended { state: end.state, reason: end.reason }),
        None => Ok((slug.clone(), record.name.clone())),
    }
}
