//! What is left on the engine: of jobs that have ended, of jobs that are gone, of attempts that are over, and of no job at all.
//!
//! Only what carries the label of this installation is even looked at. What belongs to no job that has ended is left alone
//! for a grace: its job may be on a disk that is mounted in a moment, its holder may be about to remove it.

use std::{
    collections::{BTreeMap, HashMap},
    time::Duration,
};

use pipelinex_common::{
    id::JobId,
    slug::Slug,
    store::{Snapshot, Store, StoreError},
};
use serde::Serialize;

use crate::{
    engine::{Engine, EngineError, Kind, Thing},
    spec::{self, LABEL_CREATED, LABEL_INSTANCE, LABEL_JOB, LABEL_SERVICE, LABEL_STEP},
    tree::LABEL_PROBE,
};

/// How old something must be that a probe made: it lasts for seconds, and what the engine made after the death of its worker, the
/// next probe has not seen.
const PROBE_GRACE: Duration = Duration::from_secs(60);

/// Something of ours that nobody needs any more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Leftover {
    /// What it is.
    pub kind: Kind,
    /// Its name on the engine.
    pub name: String,
    /// What it is removed by.
    #[serde(skip)]
    pub id: String,
    /// Why nobody needs it.
    pub why: Why,
    /// The job it was made for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub job: Option<JobId>,
    /// How long ago it was made, where it says when.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub age_seconds: Option<u64>,
}

/// Why nobody needs something any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Why {
    /// Its job has ended.
    JobEnded,
    /// There is no such job any more.
    JobGone,
    /// Its step has ended, or is run again in a later attempt.
    AttemptOver,
    /// It was made for no job.
    NoJob,
}

/// What has become of a job.
enum Fate {
    Open(Vec<Slug>),
    Ended,
    Gone,
    /// Its folder cannot be looked at now.
    Unknown,
}

/// Lists what is left on the engine, containers first. `grace`: how old something must be whose job has not ended.
///
/// # Errors
/// [`EngineError`] when the engine cannot be asked.
pub async fn find(engine: &Engine, store: &Store, grace: Duration) -> Result<Vec<Leftover>, EngineError> {
    let mine = format!("{LABEL_INSTANCE}={}", store.instance().as_str());
    let things = engine.things(&[mine]).await?;
    let mut fates: HashMap<JobId, Fate> = HashMap::new();
    for job in things.iter().filter_map(job_of) {
        fates.entry(job).or_insert_with(|| fate(store, job));
    }
    let now = jiff::Timestamp::now().as_second();
    let latest = latest_attempts(&things);
    let judge = |thing: &Thing| {
        let job = job_of(thing);
        let age = thing.labels.get(LABEL_CREATED).and_then(|at| at.parse::<i64>().ok());
        let age_seconds = age.map(|at| u64::try_from(now - at).unwrap_or(0));
        let why = why(thing, job.and_then(|job| fates.get(&job)), &latest)?;
        // What does not say when it was made may have been made just now.
        let grace = if thing.labels.contains_key(LABEL_PROBE) { grace.min(PROBE_GRACE) } else { grace };
        let spared = why != Why::JobEnded && age_seconds.is_none_or(|age| age < grace.as_secs());
        let (name, id) = (thing.name.clone(), thing.id.clone());
        (!spared).then_some(Leftover { kind: thing.kind, name, id, why, job, age_seconds })
    };
    let mut left: Vec<Leftover> = things.iter().filter_map(judge).collect();
    left.sort_by(|a, b| (a.kind, &a.name).cmp(&(b.kind, &b.name)));
    Ok(left)
}

/// Removes what [`find`] found, each unless it is in use again. Returns what is gone; what cannot be removed is logged and stops
/// nothing else.
pub async fn remove(engine: &Engine, store: &Store, left: Vec<Leftover>) -> Vec<Leftover> {
    let mut removed = Vec::new();
    for thing in left {
        match engine.remove_thing(thing.kind, &thing.id).await {
            Ok(()) => removed.push(thing),
            Err(error) => tracing::warn!(name = thing.name, %error, "a leftover could not be removed"),
        }
    }
    for id in removed.iter().filter(|thing| thing.why == Why::JobEnded).filter_map(|thing| thing.job) {
        let folders = store.job(id).and_then(|job| super::remove_folders(store, &job));
        if let Err(error) = folders {
            tracing::warn!(job = %id, %error, "what is left of an ended job could not be removed");
        }
    }
    removed
}

fn job_of(thing: &Thing) -> Option<JobId> {
    thing.labels.get(LABEL_JOB)?.parse().ok()
}

fn fate(store: &Store, id: JobId) -> Fate {
    let job = match store.job(id) {
        Ok(job) => job,
        Err(StoreError::NoSuchJob(_)) => return Fate::Gone,
        Err(_) => return Fate::Unknown,
    };
    if job.look() == Snapshot::Ended {
        return Fate::Ended;
    }
    let names = std::fs::read_dir(job.paths().ends()).into_iter().flatten().flatten();
    let step = |name: std::ffi::OsString| name.to_str()?.strip_suffix(".json")?.parse().ok();
    Fate::Open(names.filter_map(|entry| step(entry.file_name())).collect())
}

/// Which container of which step: the step's own, or one that runs beside it.
type Place<'a> = (JobId, &'a str, Option<&'a str>);

/// And in which attempt and try.
fn place_of(thing: &Thing) -> Option<(Place<'_>, (u32, u32))> {
    let label = |key: &str| thing.labels.get(key).map(String::as_str);
    let place = (job_of(thing)?, label(LABEL_STEP)?, label(LABEL_SERVICE));
    (thing.kind == Kind::Container).then_some((place, spec::attempt_and_try(&thing.labels)?))
}

fn latest_attempts(things: &[Thing]) -> BTreeMap<Place<'_>, (u32, u32)> {
    let mut latest = BTreeMap::new();
    for (place, attempt) in things.iter().filter_map(place_of) {
        let most = latest.entry(place).or_insert(attempt);
        *most = attempt.max(*most);
    }
    latest
}

fn why(thing: &Thing, fate: Option<&Fate>, latest: &BTreeMap<Place<'_>, (u32, u32)>) -> Option<Why> {
    match fate {
        None => Some(Why::NoJob),
        Some(Fate::Ended) => Some(Why::JobEnded),
        Some(Fate::Gone) => Some(Why::JobGone),
        Some(Fate::Unknown) => None,
        // Volumes and networks of a job serve all its attempts.
        Some(Fate::Open(ended)) => {
            let (place, attempt) = place_of(thing)?;
            let over = ended.iter().any(|step| step.as_str() == place.1) || latest.get(&place) > Some(&attempt);
            over.then_some(Why::AttemptOver)
        }
    }
}
