//! Tries of a step. What a step is recorded as (`ends/STEP.json`), its log, reports and artifacts under their known names are those of
//! its last try; what an earlier one came to is below `tries/STEP/N/`, whole: `end.json`, `start.json`, `log`, `tail`, `reports/` and
//! `artifacts/`.
//!
//! `end.json` is created once, before the container of the try goes, and is all that says that the next one is due. The log follows,
//! last of all, and is never left out: from then on the log under the known name is that of the next try. A step without such a folder
//! has had one try, so what an older program left needs no step in between.

use std::{collections::BTreeMap, fs};

use super::{Job, StoreError, reserve::Room};
use crate::{
    disk::{self, DiskError},
    execution::{StepEnd, TryRecord},
    slug::Slug,
};

/// More tries than this no step has, whatever lies in its folder.
const TRIES_MAX: u32 = 100;

impl Job {
    /// The ends of the tries of a step that were followed by another, or are to be; in order.
    ///
    /// # Errors
    /// [`StoreError::Disk`].
    pub fn tries_of(&self, step: &Slug) -> Result<Vec<StepEnd>, StoreError> {
        let mut tries = Vec::new();
        for number in 1..=TRIES_MAX {
            match disk::read_json::<StepEnd>(&self.paths().try_end(step, number))? {
                Some(end) => tries.push(end),
                None => break,
            }
        }
        Ok(tries)
    }

    /// The same for every step that has any.
    ///
    /// # Errors
    /// [`StoreError::Disk`].
    pub fn all_tries(&self) -> Result<BTreeMap<Slug, Vec<StepEnd>>, StoreError> {
        let folder = self.paths().tries();
        let entries = match fs::read_dir(&folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(BTreeMap::new()),
            Err(error) => return Err(DiskError::io("list", &folder)(error).into()),
        };
        let mut all = BTreeMap::new();
        // A name that is no step's is nobody's.
        for step in entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<Slug>().ok()) {
            let tries = self.tries_of(&step)?;
            if !tries.is_empty() {
                all.insert(step, tries);
            }
        }
        Ok(all)
    }

    /// Records how a try ended that is followed by another. `false` when another holder did so first: what stands there counts.
    ///
    /// # Errors
    /// [`StoreError::Disk`].
    pub fn record_try(&self, step: &Slug, number: u32, end: &StepEnd) -> Result<bool, StoreError> {
        self.make_try_folder(step, number)?;
        let won = self.create(&self.paths().try_end(step, number), end, Room::Small)?;
        crate::fault_event!("try", job = self.id(), step = step, number = number, claim = end.claim, won = won);
        Ok(won)
    }

    /// Makes the folder of a try, for what is published of it.
    ///
    /// # Errors
    /// [`DiskError`].
    pub fn make_try_folder(&self, step: &Slug, number: u32) -> Result<(), DiskError> {
        let paths = self.paths();
        for (parent, folder) in [
            (paths.root().to_owned(), paths.tries()),
            (paths.tries(), paths.tries_of(step)),
            (paths.tries_of(step), paths.try_folder(step, number)),
        ] {
            if !folder.exists() {
                disk::make_dir(&folder, 0o2750)?;
                disk::sync_dir(&parent)?;
            }
        }
        Ok(())
    }

    /// Whether what the known names still had of a try that is on record has been put with it.
    pub fn is_put_aside(&self, step: &Slug, number: u32) -> bool {
        number == 0 || self.paths().try_log(step, number).exists()
    }

    /// Puts the log of a try that is on record with it, which gives its name to the next one. It may be called again at any time:
    /// nothing that is there is replaced.
    ///
    /// # Errors
    /// [`StoreError::Disk`].
    pub fn put_try_aside(&self, step: &Slug, number: u32) -> Result<(), StoreError> {
        let (paths, log) = (self.paths(), self.paths().try_log(step, number));
        if self.is_put_aside(step, number) {
            return Ok(());
        }
        for (from, to) in
            [(paths.start(step), paths.try_start(step, number)), (paths.log_tail(step), paths.try_tail(step, number))]
        {
            if from.exists() {
                disk::publish(&from, &to)?;
            }
        }
        let index = paths.log_index(step);
        if let Err(error) = fs::remove_file(&index)
            && error.kind() != std::io::ErrorKind::NotFound
        {
            return Err(DiskError::io("remove", index)(error).into());
        }
        // Last of all, and also where there is none: what lies under its name after this is of the next try.
        if paths.log(step).exists() {
            disk::publish(&paths.log(step), &log)?;
        } else {
            disk::write_new(&log, b"", 0o640)?;
        }
        Ok(())
    }
}

/// What readers are shown of tries that are over.
pub fn shown(tries: &[StepEnd]) -> Vec<TryRecord> {
    (1..).zip(tries).map(|(number, end)| TryRecord::of(number, &end.record)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        disk::Versioned,
        execution::StepRecord,
        id::JobId,
        state::{Reason, StepState},
        store::Store,
        testing::sample,
    };

    fn job(dir: &std::path::Path) -> Job {
        let (store, id) = (Store::open(dir).unwrap(), JobId::generate());
        store.admit(store.stage().unwrap(), &sample::metadata(id, ["BUILD"])).unwrap();
        let job = store.job(id).unwrap();
        store.take_over(&job).unwrap();
        job
    }

    fn end(claim: u64) -> StepEnd {
        let record = StepRecord::bare("BUILD", StepState::Failed, Some(Reason::ScriptFailure), "code 75");
        StepEnd { schema: StepEnd::SCHEMA, stage: "BUILD".to_owned(), claim, record }
    }

    #[test]
    fn a_folder_that_knows_no_tries_is_one_whose_steps_have_had_none() {
        let dir = tempfile::tempdir().unwrap();
        let (job, step) = (job(dir.path()), Slug::of("BUILD"));
        assert_eq!(job.tries_of(&step).unwrap(), []);
        assert!(job.all_tries().unwrap().is_empty() && job.is_put_aside(&step, 0));
    }

    #[test]
    fn the_first_record_of_a_try_counts_and_its_log_is_never_taken_from_the_next() {
        let dir = tempfile::tempdir().unwrap();
        let (job, step) = (job(dir.path()), Slug::of("BUILD"));
        let log = job.paths().log(&step);
        fs::write(&log, "first\n").unwrap();
        assert!(job.record_try(&step, 1, &end(1)).unwrap());
        assert!(!job.record_try(&step, 1, &end(2)).unwrap(), "another holder was first");
        assert_eq!(job.tries_of(&step).unwrap(), [end(1)]);
        assert!(!job.is_put_aside(&step, 1));
        job.put_try_aside(&step, 1).unwrap();
        assert_eq!(
            (fs::read_to_string(job.paths().try_log(&step, 1)).unwrap().as_str(), log.exists()),
            ("first\n", false)
        );
        fs::write(&log, "second\n").unwrap();
        // By a holder that slept over it.
        job.put_try_aside(&step, 1).unwrap();
        assert_eq!(fs::read_to_string(&log).unwrap(), "second\n");
        // A try that had no container has a log all the same from then on.
        fs::remove_file(&log).unwrap();
        job.record_try(&step, 2, &end(2)).unwrap();
        job.put_try_aside(&step, 2).unwrap();
        fs::write(&log, "third\n").unwrap();
        job.put_try_aside(&step, 2).unwrap();
        assert_eq!(fs::read_to_string(&log).unwrap(), "third\n");
    }
}
