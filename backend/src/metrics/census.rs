//! How many jobs there are in each state. A job that has ended never changes, so it is looked at once.

use std::collections::HashMap;

use jiff::Timestamp;
use pipelinex_common::{
    execution::Execution,
    id::JobId,
    stage::BUILT_IN,
    state::JobState,
    store::{Store, StoreError},
};
use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, histogram::Histogram},
    registry::Registry,
};

use super::whole;

/// So many jobs are opened for one scrape at most: over a large folder the first ones go on where the one before ended.
const LOOKS_MAX: usize = 5_000;
/// Seconds that jobs and stages take.
const RUN_SECONDS: [f64; 10] = [1.0, 3.0, 10.0, 30.0, 60.0, 180.0, 600.0, 1_800.0, 3_600.0, 14_400.0];

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct End {
    state: String,
    reason: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfStage {
    stage: String,
    state: String,
}

/// What is known from the scrapes before.
#[derive(Debug)]
pub struct Census {
    since: Timestamp,
    /// Jobs that have ended.
    ended: HashMap<JobId, JobState>,
    ends: Family<End, Counter>,
    seconds: Histogram,
    stage_seconds: Family<OfStage, Histogram, fn() -> Histogram>,
}

/// What there is now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counted {
    /// In the order of [`JobState::ALL`].
    pub by_state: [i64; 5],
    /// Seconds since the oldest of those that wait was admitted.
    pub oldest_waits: i64,
    /// Jobs that were not looked at yet.
    pub left: i64,
    /// Jobs whose files cannot be read.
    pub unreadable: i64,
}

impl Default for Census {
    fn default() -> Self {
        Self {
            since: Timestamp::now(),
            ended: HashMap::new(),
            ends: Family::default(),
            seconds: Histogram::new(RUN_SECONDS),
            stage_seconds: Family::new_with_constructor(|| Histogram::new(RUN_SECONDS)),
        }
    }
}

impl Census {
    /// Counts what is there.
    ///
    /// # Errors
    /// [`StoreError`] when the folder of jobs cannot be read; a job that cannot be read is counted as that.
    pub fn count(&mut self, store: &Store) -> Result<Counted, StoreError> {
        let ids = store.known_ids()?;
        // The list has the newest first.
        self.ended.retain(|id, _| ids.binary_search_by(|known| id.cmp(known)).is_ok());
        let mut counted = Counted::default();
        let mut oldest = None::<Timestamp>;
        let mut looks = 0;
        for id in ids.iter() {
            if let Some(state) = self.ended.get(id) {
                counted.add(*state);
                continue;
            }
            if looks == LOOKS_MAX {
                counted.left += 1;
                continue;
            }
            looks += 1;
            match store.job(*id).and_then(|job| job.view()) {
                Ok(view) => {
                    let state = view.execution.state;
                    counted.add(state);
                    if state == JobState::Queued {
                        let admitted = view.metadata.created_at;
                        oldest = Some(oldest.map_or(admitted, |oldest| oldest.min(admitted)));
                    }
                    if state.is_final() {
                        self.ended.insert(*id, state);
                        self.note(&view.execution);
                    }
                }
                Err(StoreError::NoSuchJob(_)) => {}
                Err(_) => counted.unreadable += 1,
            }
        }
        counted.oldest_waits = oldest.map_or(0, |oldest| oldest.duration_until(Timestamp::now()).as_secs().max(0));
        Ok(counted)
    }

    /// What ended before this process began is of no counter: a counter says what has happened since.
    fn note(&self, execution: &Execution) {
        let Some(ended) = execution.finished_at.filter(|ended| *ended >= self.since) else { return };
        let reason = execution.reason.map(|reason| reason.to_string()).unwrap_or_default();
        self.ends.get_or_create(&End { state: execution.state.as_str().to_owned(), reason }).inc();
        if let Some(began) = execution.started_at {
            self.seconds.observe(began.duration_until(ended).as_secs_f64());
        }
        for (name, stage) in &execution.stages {
            if let Some(took) = stage.duration_ms {
                // A project may call its stages what it likes: Prometheus keeps a series for each name.
                let known = BUILT_IN.iter().any(|built_in| built_in.name == name);
                let stage_name = if known { name.as_str() } else { "own" };
                let labels = OfStage { stage: stage_name.to_owned(), state: stage.status.as_str().to_owned() };
                self.stage_seconds.get_or_create(&labels).observe(took as f64 / 1000.0);
            }
        }
    }

    /// Adds the counters.
    pub fn register(&self, registry: &mut Registry) {
        registry.register("jobs_ended", "Jobs that ended while this process ran", self.ends.clone());
        registry.register("job_seconds", "From the start of a job to its end", self.seconds.clone());
        registry.register("stage_seconds", "From the start of a stage to its end", self.stage_seconds.clone());
    }
}

impl Counted {
    fn add(&mut self, state: JobState) {
        if let Some(place) = JobState::ALL.iter().position(|known| *known == state) {
            self.by_state[place] += whole(1_u8);
        }
    }
}
