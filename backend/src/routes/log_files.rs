//! Which files a log is read from: of one step or of several, and of the last try of a step or of one before it.

use std::{fs::File, path::PathBuf};

use pipelinex_common::{
    execution::{StageRecord, StepRecord},
    foreign::{Beneath, ForeignError},
    slug::Slug,
    store::Job,
};

use crate::error::ApiError;

/// A log that is a part of the answer.
#[derive(Clone, Debug)]
pub(super) struct Chosen {
    /// The step.
    pub step: Slug,
    /// Whether nothing will follow.
    pub ended: bool,
    /// Which try.
    pub number: u32,
    /// Whether it is the last one, whose files have the known names.
    pub is_last: bool,
}

/// The steps whose logs make up the answer.
pub(super) fn choose(
    name: &str,
    stage: &StageRecord,
    step: Option<&str>,
    number: Option<u32>,
) -> Result<Vec<Chosen>, ApiError> {
    let mut steps: Vec<Chosen> = stage.steps.iter().map(|(slug, step)| last_try(slug, step)).collect();
    if steps.is_empty() {
        // Nobody has drawn the steps yet: a built-in stage has one, of its own name.
        steps.push(Chosen { step: Slug::of(name), ended: false, number: 1, is_last: true });
    }
    if let Some(asked) = step {
        steps.retain(|chosen| chosen.step.as_str().eq_ignore_ascii_case(asked));
    }
    if steps.is_empty() {
        let names: Vec<_> = stage.steps.keys().map(Slug::as_str).collect();
        let detail = format!("{name} has no such step; it has {}", names.join(", "));
        return Err(ApiError::NotFound { detail });
    }
    match number {
        None => Ok(steps),
        Some(_) if steps.len() > 1 => {
            let detail = "the stage has several steps: say with `step` which one's try".to_owned();
            Err(ApiError::Malformed { code: "query", detail })
        }
        Some(number) => {
            let last = steps.swap_remove(0);
            if !(1..=last.number).contains(&number) {
                let detail = format!("{} has no try {number}; its last is {}", last.step, last.number);
                return Err(ApiError::NotFound { detail });
            }
            let is_last = number == last.number;
            Ok(vec![Chosen { number, is_last, ended: last.ended || !is_last, ..last }])
        }
    }
}

fn last_try(slug: &Slug, step: &StepRecord) -> Chosen {
    Chosen { step: slug.clone(), ended: step.status.is_final(), number: step.number.unwrap_or(1), is_last: true }
}

/// The files of the steps. The kept tail of a log that was too long follows it once its step has ended.
pub(super) fn open(job: &Job, steps: &[Chosen], complete: bool) -> Result<Vec<(File, u64)>, ApiError> {
    let mut files = Vec::new();
    for chosen in steps {
        let Some((folder, name)) = place(job, chosen) else { continue };
        let folder = match Beneath::open(&folder) {
            Ok(folder) => folder,
            Err(ForeignError::Missing(_)) => continue,
            Err(error) => return Err(error.into()),
        };
        let endings: &[&str] = if chosen.ended || complete { &["log", "tail"] } else { &["log"] };
        for ending in endings {
            match folder.file(&format!("{name}{ending}")) {
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

/// Where the log of a try is, and how its files' names begin. The known names are those of the last try, once the log of the one
/// before has made way.
fn place(job: &Job, chosen: &Chosen) -> Option<(PathBuf, String)> {
    let (paths, step, number) = (job.paths(), &chosen.step, chosen.number);
    let known = || (paths.logs(), format!("{step}."));
    match chosen.is_last {
        true => job.is_put_aside(step, number - 1).then(known),
        false if job.is_put_aside(step, number) => Some((paths.try_folder(step, number), String::new())),
        false => Some(known()),
    }
}
