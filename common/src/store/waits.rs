//! Steps that wait for a person or for their time, and jobs that nothing is left of but such steps.
//!
//! `waits/STEP.json` is created once, when the step could have run. A job in which nothing else is left is let go of: its holder leaves
//! `waits/parked-CLAIM.json`, which says until when nobody has to look at it, and that counts as long as that claim is the latest one.
//! Whoever takes the job up again adds `waits/resumed-CLAIM.json`: the time between the two is none of the job's.

use std::{collections::BTreeMap, fs, time::Duration};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Job, ResourceGroup, StoreError, claims, reserve::Room};
use crate::{
    clock::Stamp,
    disk::{self, DiskError, Versioned},
    execution::Execution,
    slug::Slug,
};

/// `waits/STEP.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct WaitRecord {
    /// Schema version of the file.
    pub schema: u32,
    /// Since when it waits.
    pub since: Stamp,
}

impl Versioned for WaitRecord {
    const SCHEMA: u32 = 1;
}

/// `waits/parked-CLAIM.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct ParkedRecord {
    schema: u32,
    since: Stamp,
    /// When something is due by itself.
    until: Timestamp,
    /// How many wishes to start a step were known by then.
    wishes: usize,
    /// The resource groups that its steps wait for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    groups: Vec<String>,
}

impl Versioned for ParkedRecord {
    const SCHEMA: u32 = 1;
}

/// `waits/resumed-CLAIM.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct ResumedRecord {
    schema: u32,
    at: Stamp,
}

impl Versioned for ResumedRecord {
    const SCHEMA: u32 = 1;
}

/// `wishes/play-STEP.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct PlayWish {
    schema: u32,
    wished_at: Timestamp,
}

impl Job {
    /// Records that a step could run and waits, and returns since when it does: from now on, or from before.
    ///
    /// # Errors
    /// [`StoreError::Disk`].
    pub fn record_wait(&self, step: &Slug) -> Result<Stamp, StoreError> {
        disk::make_dir(&self.paths().waits(), 0o2750)?;
        let (path, since) = (self.paths().wait(step), Stamp::now());
        let record = WaitRecord { schema: WaitRecord::SCHEMA, since: since.clone() };
        match disk::read_json::<WaitRecord>(&path)? {
            Some(before) => Ok(before.since),
            None if self.create(&path, &record, Room::Small)? => Ok(since),
            None => Ok(disk::read_json::<WaitRecord>(&path)?.map_or(since, |before| before.since)),
        }
    }

    /// Wishes that a step be started which waits for that. Wishing again changes nothing. The end, where the job has one.
    ///
    /// # Errors
    /// [`StoreError::Disk`]: nobody may then count on the wish.
    pub fn wish_play(&self, step: &Slug) -> Result<Option<Execution>, StoreError> {
        if let Some(end) = self.final_record()? {
            return Ok(Some(end));
        }
        let folder = self.paths().wishes();
        disk::make_dir(&folder, 0o750)?;
        let wish = PlayWish { schema: 1, wished_at: Timestamp::now() };
        if !self.create(&self.paths().play_wish(step), &wish, Room::Spare)? {
            disk::sync_dir(&folder)?;
        }
        self.final_record()
    }

    /// Whether somebody wishes that a step be started. The folder is the backend's: only its being there is believed.
    pub fn is_play_wished(&self, step: &Slug) -> bool {
        fs::symlink_metadata(self.paths().play_wish(step)).is_ok()
    }

    /// Wishes that are a reason to look at a job which waits.
    fn play_wishes(&self) -> usize {
        let names = fs::read_dir(self.paths().wishes()).into_iter().flatten().flatten();
        let is_one = |name: &str| name.starts_with("play-") || name == "superseded.json";
        names.filter(|name| is_one(&name.file_name().to_string_lossy())).count()
    }

    /// Lets nobody look at the job before something is wished for or due. `wishes`: those for its waiting steps were looked for after
    /// this count was taken with [`Self::known_wishes`]. `groups`: the resource groups that it waits for, by [`ResourceGroup::id`].
    ///
    /// # Errors
    /// [`StoreError::Disk`].
    pub fn park(&self, claim: u64, until: Timestamp, wishes: usize, groups: Vec<String>) -> Result<(), StoreError> {
        // Who waits for a resource group has nothing in it yet.
        disk::make_dir(&self.paths().waits(), 0o2750)?;
        let since = Stamp::now();
        let record = ParkedRecord { schema: ParkedRecord::SCHEMA, since, until, wishes, groups };
        self.create(&self.paths().parked(claim), &record, Room::Small)?;
        crate::fault_event!("parked", job = self.id(), claim = claim);
        Ok(())
    }

    /// How many wishes to start a step there are.
    pub fn known_wishes(&self) -> usize {
        self.play_wishes()
    }

    /// Whether nothing of the job is to be done before somebody wishes for it or a time has come. What cannot be read is looked at.
    pub fn is_parked(&self) -> bool {
        // One look for the many jobs of which no step waits.
        if fs::symlink_metadata(self.paths().waits()).is_err() {
            return false;
        }
        let Ok(latest) = claims::latest_claim(&self.paths().claims()) else { return false };
        let Ok(Some(parked)) = disk::read_json::<ParkedRecord>(&self.paths().parked(latest)) else { return false };
        let layout = self.paths().workspaces();
        let is_held = |id: &String| matches!(ResourceGroup::known_as(&layout, id).holder(&layout), Ok(Some(_)));
        Timestamp::now() < parked.until
            && parked.groups.iter().all(is_held)
            && self.play_wishes() <= parked.wishes
            && self.cancel_wish().is_none()
    }

    /// How long nobody held the job because all that was left of it waited; from now on somebody does.
    ///
    /// # Errors
    /// [`StoreError::Disk`].
    pub fn resume(&self) -> Result<Duration, StoreError> {
        let mut waited = Duration::ZERO;
        for (claim, parked) in self.all_parked()? {
            let path = self.paths().resumed(claim);
            let record = ResumedRecord { schema: ResumedRecord::SCHEMA, at: Stamp::now() };
            self.create(&path, &record, Room::Small)?;
            let at = disk::read_json::<ResumedRecord>(&path)?.map_or(record.at, |before| before.at);
            waited += parked.since.until(&at, None);
        }
        Ok(waited)
    }

    fn all_parked(&self) -> Result<BTreeMap<u64, ParkedRecord>, StoreError> {
        let folder = self.paths().waits();
        let entries = match fs::read_dir(&folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(BTreeMap::new()),
            Err(error) => return Err(DiskError::io("list", &folder)(error).into()),
        };
        let mut all = BTreeMap::new();
        for entry in entries.flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            let claim = name.strip_prefix("parked-").and_then(|rest| rest.strip_suffix(".json")?.parse().ok());
            if let Some(claim) = claim
                && let Some(record) = disk::read_json(&entry.path())?
            {
                all.insert(claim, record);
            }
        }
        Ok(all)
    }
}
