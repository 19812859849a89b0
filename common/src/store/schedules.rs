//! Schedules of projects, and when each last fired: `.access/schedules/PROJECT-ID.json`, `.events/fired/ID.json`.

use std::path::PathBuf;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{
    Store, StoreError,
    triggers::{TriggerError, find, new_id, read_all, remove_file},
};
use crate::disk::{self, Versioned};

/// What becomes of a time that came while no server ran.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Missed {
    /// It is made up for: one job, however many times were missed.
    #[default]
    Once,
    /// It is left out. A few minutes late still counts.
    Skip,
}

impl Missed {
    /// Every rule.
    pub const ALL: [Self; 2] = [Self::Once, Self::Skip];

    /// The spelling in files and flags.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Once => "once",
            Self::Skip => "skip",
        }
    }
}

impl std::fmt::Display for Missed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

impl std::str::FromStr for Missed {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let known = Self::ALL.into_iter().find(|rule| rule.as_str() == text);
        known.ok_or_else(|| "times that were missed are made up for `once`, or `skip` leaves them out".to_owned())
    }
}

/// `.access/schedules/PROJECT-ID.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScheduleRecord {
    /// Schema version of the file.
    pub schema: u32,
    /// Its id.
    pub id: String,
    /// The project of its jobs.
    pub project: String,
    /// When: minute, hour, day of the month, month, day of the week.
    pub cron: String,
    /// By the clock of this time zone, an IANA name.
    pub zone: String,
    /// A firing comes up to so many seconds late, each by a number of its own.
    pub jitter_seconds: u32,
    /// What becomes of times that were missed.
    #[serde(default)]
    pub missed: Missed,
    /// The repository that is cloned.
    pub url: String,
    /// The branch; `None`: the default one.
    pub git_ref: Option<String>,
    /// The name of the token for a private repository, as a request names it.
    pub token: Option<String>,
    /// When it was made.
    pub created_at: Timestamp,
    /// By whom.
    pub created_by: String,
}

impl Versioned for ScheduleRecord {
    const SCHEMA: u32 = 1;
}

/// A schedule that is to be made.
#[derive(Clone, Debug)]
pub struct NewSchedule<'a> {
    /// The project.
    pub project: &'a str,
    /// When.
    pub cron: &'a str,
    /// By which clock.
    pub zone: &'a str,
    /// How late at most, in seconds.
    pub jitter_seconds: u32,
    /// What becomes of times that were missed.
    pub missed: Missed,
    /// The repository.
    pub url: &'a str,
    /// The branch.
    pub git_ref: Option<String>,
    /// The name of a token.
    pub token: Option<String>,
    /// Who makes it.
    pub by: &'a str,
}

/// `.events/fired/ID.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Fired {
    schema: u32,
    /// Times up to this one were seen to.
    until: Timestamp,
}

impl Versioned for Fired {
    const SCHEMA: u32 = 1;
}

impl Store {
    /// Makes a schedule.
    ///
    /// # Errors
    /// [`TriggerError`].
    pub fn add_schedule(&self, new: NewSchedule<'_>) -> Result<ScheduleRecord, TriggerError> {
        let record = ScheduleRecord {
            schema: ScheduleRecord::SCHEMA,
            id: new_id(),
            project: new.project.to_owned(),
            cron: new.cron.to_owned(),
            zone: new.zone.to_owned(),
            jitter_seconds: new.jitter_seconds,
            missed: new.missed,
            url: new.url.to_owned(),
            git_ref: new.git_ref,
            token: new.token,
            created_at: Timestamp::now(),
            created_by: new.by.to_owned(),
        };
        self.add_of_project(&self.layout.schedules(), &record.project, &record.id, &record)?;
        Ok(record)
    }

    /// All schedules; one that cannot be read is told in the log, and does not fire.
    ///
    /// # Errors
    /// [`StoreError::Disk`] when the folder cannot be listed.
    pub fn schedules(&self) -> Result<Vec<ScheduleRecord>, StoreError> {
        let mut all: Vec<ScheduleRecord> = read_all(&self.layout.schedules())?;
        all.sort_by(|a, b| (&a.project, a.created_at).cmp(&(&b.project, b.created_at)));
        Ok(all)
    }

    /// The schedule of this id; `None` where there is none.
    ///
    /// # Errors
    /// [`StoreError::Disk`].
    pub fn schedule(&self, id: &str) -> Result<Option<ScheduleRecord>, StoreError> {
        find(&self.layout.schedules(), id)?.map_or(Ok(None), |path| Ok(disk::read_json(&path)?))
    }

    /// Removes a schedule, and what it asked for that is no job yet. `false` where there is none.
    ///
    /// # Errors
    /// [`StoreError::Disk`].
    pub fn remove_schedule(&self, id: &str) -> Result<bool, StoreError> {
        let removed = self.remove_of_project(&self.layout.schedules(), id)?;
        remove_file(&self.fired_file(id))?;
        Ok(removed)
    }

    /// Up to when the times of a schedule were seen to: at first, when it was made.
    ///
    /// # Errors
    /// [`StoreError::Disk`].
    pub fn fired_until(&self, schedule: &ScheduleRecord) -> Result<Timestamp, StoreError> {
        let fired: Option<Fired> = disk::read_json(&self.fired_file(&schedule.id))?;
        Ok(fired.map_or(schedule.created_at, |fired| fired.until))
    }

    /// Writes that down.
    ///
    /// # Errors
    /// [`StoreError::Disk`].
    pub fn set_fired_until(&self, schedule: &ScheduleRecord, until: Timestamp) -> Result<(), StoreError> {
        Ok(disk::write_json(&self.fired_file(&schedule.id), &Fired { schema: Fired::SCHEMA, until })?)
    }

    fn fired_file(&self, id: &str) -> PathBuf {
        self.layout.fired().join(format!("{id}.json"))
    }
}
