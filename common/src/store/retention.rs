//! Old jobs: which of those that have ended are more than the operator keeps, and removing one whole.

use std::{
    collections::HashMap,
    fs,
    time::{Duration, SystemTime},
};

use serde::{Deserialize, Serialize};

use super::{Job, Snapshot, Store, StoreError};
use crate::{disk::DiskError, foreign, id::JobId};

/// How much of what has ended is kept. What is not named is kept without end.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Keep {
    /// Jobs that ended longer ago are removed.
    pub age: Option<Duration>,
    /// At most so many jobs that have ended are kept, the latest.
    pub jobs: Option<usize>,
    /// The latest jobs that have ended are kept as long as they take no more room together, in bytes.
    pub bytes: Option<u64>,
}

impl Keep {
    /// Whether everything is kept.
    pub fn everything(&self) -> bool {
        *self == Self::default()
    }
}

/// Why a job is removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Because {
    /// It ended too long ago.
    Age,
    /// There are enough later ones.
    Count,
    /// The later ones take all the room.
    Bytes,
}

/// A job that has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EndedJob {
    /// The job.
    pub id: JobId,
    /// When: the time of final.json, which is made once.
    pub ended: SystemTime,
    /// The room it takes, in bytes; 0 where nobody asked.
    pub bytes: u64,
}

/// Which jobs are too many. A job that has not ended is not among those that are asked about.
pub fn surplus(mut ended: Vec<EndedJob>, keep: &Keep, now: SystemTime) -> Vec<(EndedJob, Because)> {
    ended.sort_unstable_by_key(|job| std::cmp::Reverse((job.ended, job.id)));
    let (mut bytes, mut removed) = (0u64, Vec::new());
    for (place, job) in ended.into_iter().enumerate() {
        bytes = bytes.saturating_add(job.bytes);
        // A job that ended in our future is new.
        let age = now.duration_since(job.ended).unwrap_or_default();
        if keep.age.is_some_and(|most| age > most) {
            removed.push((job, Because::Age));
        } else if keep.jobs.is_some_and(|most| place >= most) {
            removed.push((job, Because::Count));
        } else if keep.bytes.is_some_and(|most| bytes > most) {
            removed.push((job, Because::Bytes));
        }
    }
    removed
}

impl Store {
    /// The jobs that have ended and are more than what is kept. Sizes are looked up only where `keep` goes by them, and then
    /// remembered in `sizes`: a job that has ended does not grow.
    ///
    /// # Errors
    /// [`StoreError::Disk`] when the folder cannot be listed. A job that cannot be measured counts as empty.
    pub fn surplus(
        &self,
        keep: &Keep,
        sizes: &mut HashMap<JobId, u64>,
    ) -> Result<Vec<(EndedJob, Because)>, StoreError> {
        if keep.everything() {
            return Ok(Vec::new());
        }
        let mut ended = Vec::new();
        for id in self.ids()? {
            let paths = self.layout().job(id);
            let Some(at) = fs::symlink_metadata(paths.final_record()).ok().and_then(|meta| meta.modified().ok()) else {
                continue;
            };
            let archive = self.layout().report_archive(id);
            let measure = || foreign::measure(paths.root()).unwrap_or(0) + foreign::measure(&archive).unwrap_or(0);
            let bytes = if keep.bytes.is_some() { *sizes.entry(id).or_insert_with(measure) } else { 0 };
            ended.push(EndedJob { id, ended: at, bytes });
        }
        let there: std::collections::HashSet<JobId> = ended.iter().map(|job| job.id).collect();
        sizes.retain(|id, _| there.contains(id));
        Ok(surplus(ended, keep, SystemTime::now()))
    }

    /// Removes a job that has ended, by one rename: a reader sees it whole or not at all. Its disk space comes back with
    /// [`Self::empty_trash`]. `false`, and nothing is done, where the job has not ended or is gone.
    ///
    /// # Errors
    /// [`StoreError::Disk`].
    pub fn remove_ended(&self, job: &Job) -> Result<bool, StoreError> {
        if job.look() != Snapshot::Ended {
            return Ok(false);
        }
        self.unmark_run(job);
        self.throw_away(job.paths().root())?;
        self.throw_away(&self.layout().report_archive(job.id()))?;
        Ok(true)
    }

    /// Removes report archives of jobs that are gone: one that was being made while its job was removed. Returns how many.
    ///
    /// # Errors
    /// [`StoreError::Disk`].
    pub fn sweep_report_archives(&self) -> Result<usize, StoreError> {
        let folder = self.layout().report_archives();
        let entries = fs::read_dir(&folder).map_err(DiskError::io("list", &folder))?.flatten();
        let ids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<JobId>().ok());
        let orphans: Vec<JobId> = ids.filter(|id| matches!(self.job(*id), Err(StoreError::NoSuchJob(_)))).collect();
        for id in &orphans {
            self.throw_away(&self.layout().report_archive(*id))?;
        }
        Ok(orphans.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_too_old_too_many_or_too_large_goes_and_the_latest_stay() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000);
        let ids: Vec<JobId> = (0..5).map(|_| JobId::generate()).collect();
        // Job n ended n hours ago and takes 10 bytes; told in no order.
        let job = |n: usize| EndedJob { id: ids[n], ended: now - Duration::from_secs(n as u64 * 3600), bytes: 10 };
        let removed = |keep: Keep| {
            let removed = surplus([3, 0, 4, 1, 2].map(job).to_vec(), &keep, now);
            let place = |id: JobId| ids.iter().position(|other| *other == id).unwrap();
            removed.into_iter().map(|(job, why)| (place(job.id), why)).collect::<Vec<_>>()
        };
        use Because::{Age, Bytes, Count};
        assert_eq!(removed(Keep::default()), []);
        let age = Some(Duration::from_secs(3 * 3600));
        assert_eq!(removed(Keep { age, ..Keep::default() }), [(4, Age)], "three hours are not more than three");
        assert_eq!(removed(Keep { jobs: Some(3), ..Keep::default() }), [(3, Count), (4, Count)]);
        assert_eq!(removed(Keep { bytes: Some(49), ..Keep::default() }), [(4, Bytes)]);
        assert_eq!(removed(Keep { bytes: Some(50), ..Keep::default() }), []);
        let all = Keep { age, jobs: Some(3), bytes: Some(20) };
        assert_eq!(removed(all), [(2, Bytes), (3, Count), (4, Age)]);
        assert_eq!(removed(Keep { jobs: Some(0), ..Keep::default() }).len(), 5);
    }
}
