//! What a step comes to on a disk that is full. Where the job itself filled it, waiting for space would be waiting for itself: the
//! step ends with `disk_limit` and its tree goes. Where others did, the job waits for space, unless it is ended anyway.

use std::collections::BTreeSet;

use pipelinex_common::{
    disk::DiskError,
    execution::StepRecord,
    foreign::{Taken, measure_up_to},
    free_space::{Disk, Watermark},
    limits::MIB,
    slug::Slug,
    state::{Reason, StepState},
    store::{StoreError, TreeError},
};

use super::JobSteps;
use crate::{
    lock,
    run::RunError,
    step::{StepError, Stop},
};

/// Below this a disk is full: a record or a folder finds no place.
const FULL: Watermark = Watermark { bytes: MIB, files: 64 };
/// A job that wrote this part of a disk filled it.
const PART: u64 = 8;

/// Whether an error says that the disk is full.
pub(super) fn is_full(error: &StepError) -> bool {
    match error {
        StepError::Disk(disk) | StepError::Tree(TreeError::Store(StoreError::Disk(disk))) => disk.is_full(),
        _ => false,
    }
}

impl JobSteps {
    /// Why a step cannot begin or go on, where what this job wrote fills the disk.
    pub(super) async fn filled_by_us(&self) -> Option<Stop> {
        let (root, folders) = (self.worker.store.layout().root().to_owned(), [self.paths.trees(), self.paths.outbox()]);
        let filled = tokio::task::spawn_blocking(move || {
            let disk = Disk::of(&root).ok().filter(|disk| disk.is_below(&FULL))?;
            let files = if disk.all.files == 0 { u64::MAX } else { disk.all.files / PART };
            let part = Taken { bytes: disk.all.bytes / PART, files };
            let measured = folders.iter().filter_map(|folder| measure_up_to(folder, &part).ok());
            let ours = measured.fold(Taken::default(), |sum, measured| sum.plus(measured.taken));
            ours.exceeds(&part).then_some(disk.free)
        });
        let free = filled.await.ok().flatten()?;
        let message = format!(
            "the disk of the workspaces is full ({} MiB and {} files free), and what this job wrote is a large part of it: nothing \
             of this step could be kept (--step-disk and --step-files limit what a step may write)",
            free.bytes / MIB,
            free.files
        );
        Some(Stop::new(Reason::DiskLimit, message))
    }

    /// The end of a step whose reports and artifacts found no space; the error where the job waits for space instead.
    pub(super) async fn not_collected(&self, mut record: StepRecord, full: DiskError) -> Result<StepRecord, DiskError> {
        let ordered = self.order.borrow().is_some();
        match self.filled_by_us().await {
            Some(stop) if record.status == StepState::Success || record.reason == Some(Reason::ScriptFailure) => {
                (record.status, record.reason, record.message) = (StepState::Failed, Some(stop.reason), stop.message);
            }
            None if !ordered => return Err(full),
            _ => record.message += "; its reports and artifacts found no space on the disk",
        }
        tracing::warn!(step = record.name, error = %full, "the disk is full: what a step left is not kept");
        Ok(record)
    }

    /// Throws away what a step wrote that has ended because of that, unless a step that runs works in the same tree: the disk needs the
    /// space. A later step of that tree gets a new one.
    ///
    /// # Errors
    /// [`RunError`].
    pub fn drop_written(&self, step: &Slug, running: &BTreeSet<Slug>) -> Result<(), RunError> {
        self.worker.runtime.block_on(self.remove_all_of(step));
        let owner = |slug: &Slug| self.definition.step(slug).map(|step| self.definition.tree_owner(step));
        let Some(tree) = owner(step).filter(|tree| !running.iter().any(|other| owner(other) == Some(tree))) else {
            return Ok(());
        };
        lock(&self.trees).remove(tree);
        for folder in [self.paths.tree(tree), self.paths.tree(step), self.paths.outbox_of(step)] {
            self.worker.store.throw_away(&folder)?;
        }
        self.worker.empty_trash();
        Ok(())
    }
}
