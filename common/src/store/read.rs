//! What readers see of a job: the admission record, and the end laid over the live record.

use super::{Quarantine, StoreError};
use crate::{
    disk::{self, DiskError},
    execution::{Execution, StepEnd},
    id::JobId,
    layout::JobPaths,
    metadata::Metadata,
    slug::Slug,
    state::JobState,
};

/// A job that is there.
#[derive(Clone, Debug)]
pub struct Job {
    id: JobId,
    paths: JobPaths,
}

/// What a reader gets to see.
#[derive(Clone, Debug, PartialEq)]
pub struct JobView {
    /// The admission record.
    pub metadata: Metadata,
    /// The live record, or the end.
    pub execution: Execution,
    /// Somebody wishes it to be canceled.
    pub cancel_wished: bool,
    /// Why no worker goes on with it, where its files are the reason; the record's error then says it, too.
    pub quarantine: Option<Quarantine>,
}

/// What a look at the files says, without opening more than is needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Snapshot {
    /// It has ended.
    Ended,
    /// It waits or runs.
    Open,
}

impl Job {
    pub(super) fn new(id: JobId, paths: JobPaths) -> Self {
        Self { id, paths }
    }

    /// Its id.
    pub fn id(&self) -> JobId {
        self.id
    }

    /// Its files.
    pub fn paths(&self) -> &JobPaths {
        &self.paths
    }

    /// The admission record.
    ///
    /// # Errors
    /// [`StoreError::Disk`] when it is missing or cannot be read.
    pub fn metadata(&self) -> Result<Metadata, StoreError> {
        let metadata: Option<Metadata> = disk::read_json(&self.paths.metadata())?;
        let missing = || DiskError::Torn { path: self.paths.metadata(), reason: "it is missing".to_owned() };
        Ok(metadata.ok_or_else(missing)?)
    }

    /// The end, once there is one.
    ///
    /// # Errors
    /// [`StoreError::Disk`].
    pub fn final_record(&self) -> Result<Option<Execution>, StoreError> {
        Ok(disk::read_json(&self.paths.final_record())?)
    }

    /// Whether the job has ended: one look, nothing opened.
    pub fn look(&self) -> Snapshot {
        // Also a link that leads nowhere: nothing could be created in its place.
        let there = std::fs::symlink_metadata(self.paths.final_record()).is_ok();
        if there { Snapshot::Ended } else { Snapshot::Open }
    }

    /// Everything a reader gets to see. A live record that is torn is shown as if nothing had happened yet, with a sentence
    /// about it: the worker draws it again, the end is in a file of its own.
    ///
    /// # Errors
    /// [`StoreError`] when metadata.json or final.json cannot be read, or the job was removed meanwhile.
    pub fn view(&self) -> Result<JobView, StoreError> {
        let seen = self.view_of_files();
        // Old jobs are removed by one rename: whatever was read of one while it went is of no worth.
        let gone =
            std::fs::symlink_metadata(self.paths.root()).is_err_and(|e| e.kind() == std::io::ErrorKind::NotFound);
        if gone { Err(StoreError::NoSuchJob(self.id)) } else { seen }
    }

    fn view_of_files(&self) -> Result<JobView, StoreError> {
        let metadata = self.metadata()?;
        let (execution, quarantine) = match self.final_record()? {
            Some(end) => (end, None),
            None => self.open_record(&metadata)?,
        };
        Ok(JobView { metadata, execution, cancel_wished: self.cancel_wish().is_some(), quarantine })
    }

    fn open_record(&self, metadata: &Metadata) -> Result<(Execution, Option<Quarantine>), StoreError> {
        let (mut execution, quarantine) = (self.live_record(metadata)?, self.quarantine_of_open());
        if let Some(quarantine) = &quarantine {
            execution.error = Some(quarantine.to_string());
        }
        Ok((execution, quarantine))
    }

    fn live_record(&self, metadata: &Metadata) -> Result<Execution, StoreError> {
        match disk::read_json::<Execution>(&self.paths.state()) {
            Ok(Some(execution)) => Ok(execution),
            Ok(None) => Ok(metadata.initial_execution()),
            Err(error @ (DiskError::Torn { .. } | DiskError::FutureSchema { .. })) => {
                let mut execution = metadata.initial_execution();
                execution.error = Some(error.to_string());
                if self.paths.claim(1).exists() {
                    execution.state = JobState::Running;
                }
                Ok(execution)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// How a step ended, once it has.
    ///
    /// # Errors
    /// [`StoreError::Disk`].
    pub fn end_of(&self, step: &Slug) -> Result<Option<StepEnd>, StoreError> {
        Ok(disk::read_json(&self.paths.end(step))?)
    }
}
