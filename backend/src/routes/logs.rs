//! `GET /api/jobs/{id}/{stage}/logs`: what a stage has printed so far, from any offset on.

use std::{
    fs::File,
    io::{Read, Seek},
};

use axum::{
    Json,
    extract::{Query, State, rejection::QueryRejection},
    http::HeaderValue,
    response::{IntoResponse, Response},
};
use pipelinex_common::{
    execution::{Execution, StageRecord},
    slug::Slug,
    state::StepState,
    store::Job,
};
use serde::Deserialize;
use serde_json::json;

use super::{
    LOG_COMPLETE, NEXT_OFFSET,
    download::{self, Asked, Download, ETag},
    log_files::{Chosen, choose, open},
    log_window::{self, Found, TAIL_MAX},
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
    /// One try of a step that had several; the last one where nothing is said.
    #[serde(rename = "try")]
    number: Option<u32>,
    /// The last so many lines.
    tail: Option<usize>,
    /// A range of lines, from 1, both ends included: `3-17`, `3-`.
    lines: Option<String>,
    /// Lines with this text in them, counted and with what stands around them, as JSON.
    q: Option<String>,
    /// How many lines around each of these.
    context: Option<usize>,
}

/// Which part of a log is wanted.
enum Part {
    /// All from an offset on.
    From(u64),
    Tail(usize),
    Lines(u64, u64),
    Search(String, usize),
}

impl Wish {
    fn part(&self) -> Result<Part, ApiError> {
        let asked = [self.offset > 0, self.tail.is_some(), self.lines.is_some(), self.q.is_some()];
        if asked.iter().filter(|asked| **asked).count() > 1 {
            return Err(malformed("`offset`, `tail`, `lines` and `q` each say which part: give one of them"));
        }
        let context = self.context.unwrap_or(0);
        if context > CONTEXT_MAX || self.context.is_some() && self.q.is_none() {
            return Err(malformed("`context` goes with `q`, and is a number up to 20"));
        }
        Ok(match self {
            Self { tail: Some(0), .. } => return Err(malformed("`tail` is a number of lines, from 1 to 100000")),
            Self { tail: Some(lines), .. } if *lines > TAIL_MAX => {
                return Err(malformed("`tail` is a number of lines, from 1 to 100000"));
            }
            Self { tail: Some(lines), .. } => Part::Tail(*lines),
            Self { lines: Some(lines), .. } => {
                let (first, last) = line_range(lines)
                    .ok_or_else(|| malformed("`lines` is a range from 1 on, such as 3-17, or 3- to the end"))?;
                Part::Lines(first, last)
            }
            Self { q: Some(text), .. } if text.trim().is_empty() => {
                return Err(malformed("`q` is the text to look for"));
            }
            Self { q: Some(text), .. } => Part::Search(text.clone(), context),
            Self { offset, .. } => Part::From(*offset),
        })
    }
}

fn line_range(text: &str) -> Option<(u64, u64)> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let first: u64 = first.trim().parse().ok()?;
    let last = if last.trim().is_empty() { u64::MAX } else { last.trim().parse().ok()? };
    (1..=last).contains(&first).then_some((first, last))
}

/// The most lines around a match.
const CONTEXT_MAX: usize = 20;

/// What there is of a log.
enum Excerpt {
    /// A part of it, and where that begins.
    Bytes { download: Download, begin: u64, complete: bool },
    /// What a search found.
    Matches(Found, bool),
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
    let takes =
        "the query takes `step`, `try` (a number) and one of `offset` (bytes), `tail` (lines), `lines` (3-17) and `q`";
    let Query(wish) = wish.map_err(|_| malformed(takes))?;
    let part = wish.part()?;
    let place = asked.place(&app)?;
    let excerpt = app.read_job(&who, id, move |job| find(job, &stage, &wish, &part)).await?;
    let (download, begin, complete) = match excerpt {
        Excerpt::Bytes { download, begin, complete } => (download, begin, complete),
        Excerpt::Matches(found, complete) => {
            let Found { count, matches } = found;
            return Ok(Json(json!({"complete": complete, "count": count, "matches": matches})).into_response());
        }
    };
    let next = begin.saturating_add(download.bytes());
    let mut response = download.answer(&asked, place)?;
    let headers = response.headers_mut();
    headers.insert(NEXT_OFFSET, HeaderValue::from(next));
    headers.insert(LOG_COMPLETE, HeaderValue::from_static(if complete { "true" } else { "false" }));
    Ok(response)
}

pub(super) fn malformed(detail: &str) -> ApiError {
    ApiError::Malformed { code: "query", detail: detail.to_owned() }
}

fn not_found(detail: String) -> ApiError {
    ApiError::NotFound { detail }
}

fn find(job: &Job, asked: &str, wish: &Wish, part: &Part) -> Result<Excerpt, ApiError> {
    // Read before the files are looked at: a stage that has ended by now prints nothing more.
    let execution = job.view().map_err(ApiError::broken)?.execution;
    let (name, stage) = stage_of(&execution, asked)?;
    let steps = choose(name, stage, wish.step.as_deref(), wish.number)?;
    let complete = execution.state.is_final() || stage.status.is_final() || steps.iter().all(|step| step.ended);
    if steps.len() > 1 && !complete && !matches!(part, Part::From(0)) {
        return Err(malformed("several steps of this stage print at the same time: say which with `step`"));
    }
    let mut files = open(job, &steps, complete)?;
    let (begin, end) = match part {
        Part::From(offset) => (*offset, u64::MAX),
        Part::Tail(lines) => (log_window::tail(&files, *lines).map_err(ApiError::io)?.0, u64::MAX),
        Part::Lines(first, last) => log_window::range(&files, *first, *last).map_err(ApiError::io)?,
        Part::Search(text, context) => {
            let found = log_window::search(&files, text, *context).map_err(ApiError::io)?;
            return Ok(Excerpt::Matches(found, complete));
        }
    };
    cut(&mut files, begin, end)?;
    let slug = Slug::of(name);
    let of_try = wish.number.map(|number| format!("-try-{number}")).unwrap_or_default();
    let of_step = wish.step.as_ref().map(|_| format!("-{}", steps[0].step)).unwrap_or_default();
    let file_name = format!("{slug}{of_step}{of_try}.log");
    let address = format!("{}/{file_name}?{begin}-{end}", job.id());
    // Only a job that has ended has logs that nobody writes to.
    let etag = execution.state.is_final().then(|| ETag::of_files(&address, &files)).transpose()?;
    let download = Download { kind: "application/octet-stream", name: file_name, files, etag };
    Ok(Excerpt::Bytes { download, begin, complete })
}

/// Leaves of the files what stands between two places of them all.
fn cut(files: &mut [(File, u64)], begin: u64, end: u64) -> Result<(), ApiError> {
    for (file, _) in files.iter_mut() {
        file.rewind().map_err(ApiError::io)?;
    }
    download::skip(files, begin)?;
    let mut left = end.saturating_sub(begin);
    for (_, bytes) in files.iter_mut() {
        *bytes = left.min(*bytes);
        left -= *bytes;
    }
    Ok(())
}

/// The stage that an address names, in any letter case, with its name as it is written.
fn stage_of<'a>(execution: &'a Execution, asked: &str) -> Result<(&'a str, &'a StageRecord), ApiError> {
    let named = |name: &str| name.eq_ignore_ascii_case(asked) || Slug::of(name).as_str().eq_ignore_ascii_case(asked);
    let Some((name, stage)) = execution.stages.iter().find(|(name, _)| named(name)) else {
        let names: Vec<_> = execution.stages.keys().map(String::as_str).collect();
        return Err(not_found(format!("the job has no such stage; it has {}", names.join(", "))));
    };
    if stage.status == StepState::Skipped {
        return Err(not_found(format!("{name} was skipped ({}), so it has no log", stage.message)));
    }
    Ok((name, stage))
}

/// The log of one step, as those who follow it see it.
#[derive(Clone, Debug)]
pub struct Source {
    /// The stage.
    pub stage: String,
    step: Slug,
    /// Whether nothing will follow.
    pub ended: bool,
    /// How often its containers were lost or a try of it was followed by another, and once: what prints it.
    pub attempt: u32,
    number: u32,
}

/// The log of a stage that has one step, or of the step that is named.
///
/// # Errors
/// 404 where there is none, 400 where it must be said which.
pub fn one_source(job: &Job, asked: &str, step: Option<&str>) -> Result<Source, ApiError> {
    let execution = job.view().map_err(ApiError::broken)?.execution;
    let (name, stage) = stage_of(&execution, asked)?;
    let steps = choose(name, stage, step, None)?;
    if steps.len() > 1 {
        let names: Vec<_> = steps.iter().map(|chosen| chosen.step.as_str()).collect();
        let detail = format!("{name} has several steps: say which with `step`, one of {}", names.join(", "));
        return Err(malformed(&detail));
    }
    let step = steps[0].step.clone();
    Source { stage: name.to_owned(), step, ended: false, attempt: 1, number: 1 }.again(job)
}

impl Source {
    /// How it stands now.
    ///
    /// # Errors
    /// Those of reading the job, and 404 where the step was skipped in the end.
    pub fn again(mut self, job: &Job) -> Result<Self, ApiError> {
        let execution = job.view().map_err(ApiError::broken)?.execution;
        let (_, stage) = stage_of(&execution, &self.stage)?;
        let step = stage.steps.get(&self.step);
        self.ended = execution.state.is_final() || step.map_or(stage.status.is_final(), |step| step.status.is_final());
        self.number = step.and_then(|step| step.number).unwrap_or(1);
        // Either rises by one at a time, so the sum is another each time that the text begins anew.
        let attempt = step.and_then(|step| step.attempt).unwrap_or(1).max(1);
        self.attempt = (attempt + self.number - 1).max(self.attempt);
        Ok(self)
    }

    fn chosen(&self) -> Chosen {
        Chosen { step: self.step.clone(), ended: self.ended, number: self.number, is_last: true }
    }

    /// How many lines end before an offset.
    ///
    /// # Errors
    /// Those of the system.
    pub fn lines_before(&self, job: &Job, offset: u64) -> Result<u64, ApiError> {
        let mut files = open(job, &[self.chosen()], self.ended)?;
        cut(&mut files, 0, offset)?;
        log_window::newlines(&files).map_err(ApiError::io)
    }

    /// At most so many bytes from an offset on.
    ///
    /// # Errors
    /// Those of the system.
    pub fn read(&self, job: &Job, offset: u64, most: usize) -> Result<Vec<u8>, ApiError> {
        let mut files = open(job, &[self.chosen()], self.ended)?;
        download::skip(&mut files, offset)?;
        let mut bytes = Vec::new();
        for (file, left) in &mut files {
            let room = (most - bytes.len()) as u64;
            file.take(room.min(*left)).read_to_end(&mut bytes).map_err(ApiError::io)?;
        }
        Ok(bytes)
    }
}
