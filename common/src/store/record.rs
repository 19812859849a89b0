//! What the holder of a job writes: ends of steps, attempts, the live record, and the one final record.

use std::{fs, path::Path};

use jiff::Timestamp;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::{Claim, Job, StoreError, reserve::Room};
use crate::{
    clock::{EngineRun, Stamp},
    disk::{self, DiskError, Versioned},
    execution::{Execution, StepEnd},
    slug::Slug,
    state::{InvalidTransition, JobState},
};

/// How often a drawing is made that somebody clears away while it is made.
const DRAWINGS: usize = 3;

/// One attempt: `attempts/<n>`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AttemptRecord {
    /// Schema version of the file.
    pub schema: u32,
    /// The claim that began it.
    pub claim: u64,
    /// When.
    pub begun_at: Timestamp,
    /// The same moment as deadlines go by it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clock: Option<Stamp>,
    /// The run of the engine under which the job began: of the first attempt, where the engine told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub engine: Option<EngineRun>,
}

impl Versioned for AttemptRecord {
    const SCHEMA: u32 = 1;
}

/// When a step's container was about to be made: `starts/<step>.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct StartRecord {
    schema: u32,
    clock: Stamp,
}

impl Versioned for StartRecord {
    const SCHEMA: u32 = 1;
}

impl Job {
    /// Records that a step begins now, before its container is made: no restart of a worker gives it its time again.
    ///
    /// # Errors
    /// [`StoreError::Disk`].
    pub fn record_start(&self, step: &Slug, clock: &Stamp) -> Result<(), StoreError> {
        disk::make_dir(&self.paths().starts(), 0o750)?;
        let record = StartRecord { schema: StartRecord::SCHEMA, clock: clock.clone() };
        Ok(disk::write_json(&self.paths().start(step), &record)?)
    }

    /// When a step began whose container is there; `None` where nobody has recorded it.
    ///
    /// # Errors
    /// [`StoreError::Disk`].
    pub fn start_of(&self, step: &Slug) -> Result<Option<Stamp>, StoreError> {
        Ok(readable::<StartRecord>(&self.paths().start(step))?.map(|record| record.clock))
    }

    /// When the first worker began to run the job, and under which run of the engine; `None` before that.
    ///
    /// # Errors
    /// [`StoreError::Disk`].
    pub fn first_attempt(&self) -> Result<Option<AttemptRecord>, StoreError> {
        Ok(readable(&self.paths().attempt(1))?)
    }

    /// When these steps began, as far as somebody has recorded it.
    ///
    /// # Errors
    /// [`StoreError::Disk`].
    pub fn starts_of<'a>(&self, steps: impl Iterator<Item = &'a Slug>) -> Result<Vec<Stamp>, StoreError> {
        steps.filter_map(|step| self.start_of(step).transpose()).collect()
    }

    /// Records how a step ended. `false` when another holder did so first: what stands there counts.
    ///
    /// # Errors
    /// [`StoreError::Disk`].
    pub fn record_end(&self, step: &Slug, end: &StepEnd) -> Result<bool, StoreError> {
        disk::make_dir(&self.paths().ends(), 0o750)?;
        let won = self.create(&self.paths().end(step), end, Room::Small)?;
        crate::fault_event!("end", job = self.id(), step = step, claim = end.claim, won = won);
        Ok(won)
    }

    /// Redraws the live record. On a full disk the old drawing stays, until the next one: it is a picture of other files.
    ///
    /// # Errors
    /// [`StoreError::Disk`], for anything but a full disk.
    pub fn draw_state(&self, execution: &Execution) -> Result<(), StoreError> {
        match disk::write_json(&self.paths().state(), execution) {
            Err(error) if error.is_full() => {
                tracing::warn!(job = %self.id(), %error, "the disk is full: the live record stays as it was drawn last");
                Ok(())
            }
            drawn => Ok(drawn?),
        }
    }

    /// Puts a live record that cannot be read aside, for a person to look at; the holder draws a new one.
    ///
    /// # Errors
    /// [`StoreError::Disk`], also for a record that a newer program wrote: that one is left alone, and so is the job.
    pub fn put_torn_state_aside(&self) -> Result<(), StoreError> {
        let path = self.paths().state();
        match disk::read_json::<Execution>(&path) {
            Ok(_) => Ok(()),
            Err(DiskError::Torn { .. }) => {
                let aside = path.with_file_name(format!("state.json.torn-{}", Timestamp::now().as_millisecond()));
                tracing::warn!(path = %aside.display(), "a live record that cannot be read was put aside");
                disk::publish(&path, &aside)?;
                Ok(())
            }
            Err(other) => Err(other.into()),
        }
    }

    /// The number of the latest attempt; 0 before the first.
    ///
    /// # Errors
    /// [`StoreError::Disk`].
    pub fn latest_attempt(&self) -> Result<u32, StoreError> {
        let folder = self.paths().attempts();
        let entries = match fs::read_dir(&folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(0),
            Err(error) => return Err(DiskError::io("list", &folder)(error).into()),
        };
        let numbers = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<u32>().ok());
        Ok(numbers.max().unwrap_or(0))
    }

    /// Begins the first attempt, and with it the job's time, under this run of the engine. Else as [`Self::begin_attempt`].
    ///
    /// # Errors
    /// [`StoreError::Disk`].
    pub fn begin(&self, claim: &Claim, engine: Option<EngineRun>) -> Result<u32, StoreError> {
        self.attempt(claim, 1, engine)
    }

    /// Begins the attempt that follows `after` and returns its number. If another holder has begun it, it is the same one: an
    /// older holder that wakes up here raises nothing.
    ///
    /// # Errors
    /// [`StoreError::Disk`].
    pub fn begin_attempt(&self, claim: &Claim, after: u32) -> Result<u32, StoreError> {
        self.attempt(claim, after + 1, None)
    }

    fn attempt(&self, claim: &Claim, number: u32, engine: Option<EngineRun>) -> Result<u32, StoreError> {
        disk::make_dir(&self.paths().attempts(), 0o750)?;
        let clock = Stamp::now();
        let (schema, begun_at) = (AttemptRecord::SCHEMA, clock.at);
        let record = AttemptRecord { schema, claim: claim.number(), begun_at, clock: Some(clock), engine };
        if self.create(&self.paths().attempt(number), &record, Room::Small)? {
            crate::fault_event!("attempt", job = self.id(), attempt = number, claim = claim.number());
        }
        Ok(number)
    }

    /// Ends the job: creates final.json, which nothing ever replaces, and draws state.json like it. `false` when the job had
    /// ended already: that end counts.
    ///
    /// # Errors
    /// [`StoreError::Transition`] for a state that ends nothing, [`StoreError::Disk`].
    pub fn finish(&self, end: &Execution) -> Result<bool, StoreError> {
        if !JobState::Running.become_(end.state)?.is_final() {
            return Err(InvalidTransition { from: JobState::Running, to: end.state }.into());
        }
        let won = self.create(&self.paths().final_record(), end, Room::Large)?;
        crate::fault_event!("final", job = self.id(), state = end.state, won = won);
        self.release();
        if won {
            self.draw_end(end);
        }
        Ok(won)
    }

    /// Draws state.json like the end, which stands already and which readers see in its place: nothing fails for it. Whoever sees
    /// the end may be clearing up behind us, and take away what is just being written.
    fn draw_end(&self, end: &Execution) {
        for _ in 0..DRAWINGS {
            match self.draw_state(end) {
                Ok(()) => return,
                Err(StoreError::Disk(error)) if error.is_missing() => {}
                Err(error) => {
                    return tracing::warn!(job = %self.id(), %error, "the live record is not drawn like the end");
                }
            }
        }
    }
}

/// A record that the job can do without: one that cannot be read is as good as none.
fn readable<T: DeserializeOwned + Versioned>(path: &Path) -> Result<Option<T>, DiskError> {
    match disk::read_json(path) {
        Err(error @ (DiskError::Torn { .. } | DiskError::FutureSchema { .. })) => {
            tracing::warn!(%error, "a deadline is counted without this record");
            Ok(None)
        }
        read => read,
    }
}
