//! `GET /api/jobs/{id}/{stage}/logs`: what a stage has printed so far, from any offset on.

use std::fs::File;

use axum::{
    extract::{Query, State, rejection::QueryRejection},
    http::HeaderValue,
    response::Response,
};
use pipelinex_common::{
    execution::StageRecord,
    foreign::{Beneath, ForeignError},
    slug::Slug,
    state::StepState,
    store::Job,
};
use serde::Deserialize;

use super::{
    LOG_COMPLETE, NEXT_OFFSET,
    download::{self, Asked, Download, ETag},
    path::StagePath,
};
use crate::{access::Principal, app::App, error::ApiError};

/// What is asked for.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Wish {
    /// Where to begin, in bytes.
    #[serde(default)]
    offset: u64,
    /// One step of a stage that has several.
    step: Option<String>,
}

/// What there is of a log from an offset on.
struct Excerpt {
    download: Download,
    complete: bool,
}

/// The log, as a file. While the stage runs it is what has been printed so far, and `x-log-next-offset` is the `offset`
/// at which to go on; `x-log-complete: true` says that nothing will follow.
pub async fn logs(
    State(app): State<App>,
    who: Principal,
    StagePath(id, stage): StagePath,
    wish: Result<Query<Wish>, QueryRejection>,
    asked: Asked,
) -> Result<Response, ApiError> {
    let Query(wish) = wish.map_err(|_| malformed("the query takes `offset`, in bytes, and `step`"))?;
    let place = asked.place(&app)?;
    let offset = wish.offset;
    let Excerpt { download, complete } = app.read_job(&who, id, move |job| find(job, &stage, &wish)).await?;
    let next = offset.saturating_add(download.bytes());
    let mut response = download.answer(&asked, place)?;
    let headers = response.headers_mut();
    headers.insert(NEXT_OFFSET, HeaderValue::from(next));
    headers.insert(LOG_COMPLETE, HeaderValue::from_static(if complete { "true" } else { "false" }));
    Ok(response)
}

fn malformed(detail: &str) -> ApiError {
    ApiError::Malformed { code: "query", detail: detail.to_owned() }
}

fn not_found(detail: String) -> ApiError {
    ApiError::NotFound { detail }
}

fn find(job: &Job, asked: &str, wish: &Wish) -> Result<Excerpt, ApiError> {
    // Read before the files are looked at: a stage that has ended by now prints nothing more.
    let execution = job.view().map_err(ApiError::broken)?.execution;
    let named = |name: &str| name.eq_ignore_ascii_case(asked) || Slug::of(name).as_str().eq_ignore_ascii_case(asked);
    let Some((name, stage)) = execution.stages.iter().find(|(name, _)| named(name)) else {
        let names: Vec<_> = execution.stages.keys().map(String::as_str).collect();
        return Err(not_found(format!("the job has no such stage; it has {}", names.join(", "))));
    };
    if stage.status == StepState::Skipped {
        return Err(not_found(format!("{name} was skipped ({}), so it has no log", stage.message)));
    }
    let steps = choose(name, stage, wish)?;
    let complete = execution.state.is_final() || stage.status.is_final() || steps.iter().all(|step| step.1);
    if steps.len() > 1 && wish.offset > 0 && !complete {
        return Err(malformed("several steps of this stage print at the same time: say which with `step`"));
    }
    let mut files = open(job, &steps, complete)?;
    download::skip(&mut files, wish.offset)?;
    let slug = Slug::of(name);
    let file_name = if wish.step.is_some() { format!("{slug}-{}.log", steps[0].0) } else { format!("{slug}.log") };
    let address = format!("{}/{file_name}?{}", job.id(), wish.offset);
    // Only a job that has ended has logs that nobody writes to.
    let etag = execution.state.is_final().then(|| ETag::of_files(&address, &files)).transpose()?;
    let download = Download { kind: "application/octet-stream", name: file_name, files, etag };
    Ok(Excerpt { download, complete })
}

/// The steps whose logs make up the answer, each with whether it has ended.
fn choose(name: &str, stage: &StageRecord, wish: &Wish) -> Result<Vec<(Slug, bool)>, ApiError> {
    let mut steps: Vec<_> = stage.steps.iter().map(|(slug, step)| (slug.clone(), step.status.is_final())).collect();
    if steps.is_empty() {
        // Nobody has drawn the steps yet: a built-in stage has one, of its own name.
        steps.push((Slug::of(name), false));
    }
    if let Some(asked) = &wish.step {
        steps.retain(|(slug, _)| slug.as_str().eq_ignore_ascii_case(asked));
    }
    if steps.is_empty() {
        let names: Vec<_> = stage.steps.keys().map(Slug::as_str).collect();
        return Err(not_found(format!("{name} has no such step; it has {}", names.join(", "))));
    }
    Ok(steps)
}

/// The files of the steps. The kept tail of a log that was too long follows it once its step has ended.
fn open(job: &Job, steps: &[(Slug, bool)], complete: bool) -> Result<Vec<(File, u64)>, ApiError> {
    let folder = match Beneath::open(&job.paths().logs()) {
        Ok(folder) => folder,
        Err(ForeignError::Missing(_)) => return Ok(Vec::new()),
        Err(error) => return Err(error.into()),
    };
    let mut files = Vec::new();
    for (slug, ended) in steps {
        let endings: &[&str] = if *ended || complete { &["log", "tail"] } else { &["log"] };
        for ending in endings {
            match folder.file(&format!("{slug}.{ending}")) {
                Ok(file) => {
                    let bytes = file.metadata().map_err(ApiError::io)?.len();
                    files.push((file, bytes));
                }
                Err(ForeignError::Missing(_)) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
    Ok(files)
}
