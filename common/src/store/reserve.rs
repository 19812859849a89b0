//! Room that a running job keeps for its last words: a full disk may stop its work, and never its end from being written.
//!
//! The room is in files that are filled in place and then get their final name. To remove a file and write another would be
//! a race against whatever fills the disk. A small one for the end of a step or the beginning of an attempt, and one large
//! one for the end of the job alone. Where the disk has space nothing of this is used.

use std::{
    fs,
    path::{Path, PathBuf},
};

use serde::Serialize;
use uuid::Uuid;

use super::{Job, StoreError, spare};
use crate::{
    disk::{self, DiskError},
    layout::JobPaths,
};

/// The room for one end of a step, in bytes: a record has about one KiB, and a few more with many warnings.
const SMALL_BYTES: u64 = 16 * 1024;
/// How many of them: the stages of the built-in pipelines twice.
const SMALL_ONES: usize = 16;
/// The room for the end of the job, in bytes: all its steps are in it.
const LARGE_BYTES: u64 = 256 * 1024;
/// The name of that one; the small ones have numbers.
const LARGE_ONE: &str = "final";

/// Which room something may use.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Room {
    /// Of the small ones.
    Small,
    /// The large one, for the end of the job.
    Large,
    /// None of the job's own: it is for whoever does not hold the job.
    Spare,
}

impl Job {
    /// Makes room, or as much of it as is missing.
    ///
    /// # Errors
    /// [`StoreError::Disk`] when a job that has not begun finds the disk full: it begins later. One that has begun goes on with
    /// what it has.
    pub(super) fn reserve(&self) -> Result<(), StoreError> {
        let folder = self.paths().reserve();
        let begun = folder.exists();
        let make = || {
            disk::make_dir(&folder, 0o700)?;
            make_missing(&folder.join(LARGE_ONE), LARGE_BYTES)?;
            (0..SMALL_ONES).try_for_each(|number| make_missing(&folder.join(number.to_string()), SMALL_BYTES))
        };
        match make() {
            Err(error) if begun && error.is_full() => {
                tracing::warn!(job = %self.id(), %error, "the disk is full: this job goes on with what room it has");
                Ok(())
            }
            Err(error) => {
                if !begun {
                    self.release();
                }
                Err(error.into())
            }
            Ok(()) => Ok(()),
        }
    }

    /// Creates a record of the job that must not be there yet; where the disk has no space or no inode left, in a file that was made
    /// for that before.
    pub(super) fn create<T: Serialize>(&self, path: &Path, record: &T, room: Room) -> Result<bool, StoreError> {
        match disk::create_json(path, record) {
            Err(full) if full.is_full() => {
                let folder = path.parent().unwrap_or(self.paths().root());
                // The many ends of steps would leave none of those that all jobs share.
                let shared =
                    || (room != Room::Small).then(|| spare::take(&self.paths().workspaces(), folder)).flatten();
                let spare = take(self.paths(), room).or_else(shared).ok_or(full)?;
                tracing::warn!(job = %self.id(), path = %path.display(), "the disk is full: written into reserved room");
                Ok(disk::create_json_in(&spare, path, record)?)
            }
            other => Ok(other?),
        }
    }

    /// Gives the room back: the job has ended.
    pub(super) fn release(&self) {
        let folder = self.paths().reserve();
        if let Err(error) = fs::remove_dir_all(&folder)
            && error.kind() != std::io::ErrorKind::NotFound
        {
            tracing::warn!(path = %folder.display(), %error, "the room of a job could not be given back");
        }
    }
}

fn make_missing(path: &Path, bytes: u64) -> Result<(), DiskError> {
    if path.exists() { Ok(()) } else { disk::create_room(path, bytes) }
}

/// Takes a file with room, for nobody else: another holder that is not dead after all would write into the same one.
fn take(paths: &JobPaths, room: Room) -> Option<PathBuf> {
    let folder = paths.reserve();
    let taken = folder.join(format!("taken-{}", Uuid::new_v4().as_simple()));
    let is_ours = |name: String| fs::rename(folder.join(name), &taken).is_ok();
    let found = match room {
        Room::Large => is_ours(LARGE_ONE.to_owned()),
        Room::Small => (0..SMALL_ONES).any(|number| is_ours(number.to_string())),
        Room::Spare => false,
    };
    found.then_some(taken)
}
