//! The list of all jobs, kept in memory between looks: to read a folder of a hundred thousand jobs again for each page of
//! twenty would take longer than all the rest of that page.
//!
//! The folder's time of change says whether the list still holds, whoever made or removed jobs, in this process or another.
//! While a long list is read anew, readers get the one before; what this process admitted is in it at once.

use std::{
    os::unix::fs::MetadataExt,
    path::Path,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant, SystemTime},
};

use super::StoreError;
use crate::{disk::DiskError, id::JobId};

/// A list that is read in less is always read at once: nobody notices.
const QUICK: Duration = Duration::from_millis(5);
/// A list older than this is not given while a new one is read.
const STALE: Duration = Duration::from_secs(5);
/// However quiet the folder seems, its list is read anew after so long: clocks of file servers are not ours.
const DISTRUST: Duration = Duration::from_secs(60);
/// A folder that changed within this time may change again without its time of change telling: file systems count in steps,
/// the coarsest that we know of in two seconds.
const SETTLED: Duration = Duration::from_secs(2);

/// One process's list of the jobs of one folder.
#[derive(Debug, Default)]
pub(super) struct IdList {
    known: Mutex<Known>,
    /// Held by the one who reads the folder.
    reading: Mutex<()>,
    /// Whether a thread is reading it for everybody.
    behind: AtomicBool,
}

#[derive(Debug, Default)]
struct Known {
    listed: Option<Listed>,
    /// Admitted by this process since the folder was last begun to be read.
    added: Vec<JobId>,
}

#[derive(Clone, Debug)]
struct Listed {
    /// Newest first.
    ids: Arc<Vec<JobId>>,
    /// The folder's time of change, from before it was read.
    changed: (i64, i64),
    /// Whether every later change changes that time.
    settled: bool,
    at: Instant,
    took: Duration,
}

impl IdList {
    /// All jobs, newest first. At most [`STALE`] old, and only where reading the folder takes long.
    pub(super) fn get(self: &Arc<Self>, root: &Path) -> Result<Arc<Vec<JobId>>, StoreError> {
        let Some(listed) = self.known().listed.clone() else { return self.read(root) };
        let age = listed.at.elapsed();
        if listed.settled && age < DISTRUST && listed.changed == time_of_change(root)? {
            return Ok(listed.ids);
        }
        if listed.took < QUICK || age >= STALE {
            return self.read(root);
        }
        self.read_behind(root);
        Ok(listed.ids)
    }

    /// A job that this process has made.
    pub(super) fn add(&self, id: JobId) {
        let mut known = self.known();
        known.added.push(id);
        if let Some(listed) = &mut known.listed {
            insert(Arc::make_mut(&mut listed.ids), id);
        }
    }

    fn read_behind(self: &Arc<Self>, root: &Path) {
        if self.behind.swap(true, Ordering::AcqRel) {
            return;
        }
        let (me, root) = (Arc::clone(self), root.to_owned());
        std::thread::spawn(move || {
            // Whoever asks next reads it, and is told what is wrong.
            if let Err(error) = me.read(&root) {
                tracing::debug!(%error, "the list of jobs could not be read anew");
            }
            me.behind.store(false, Ordering::Release);
        });
    }

    fn read(&self, root: &Path) -> Result<Arc<Vec<JobId>>, StoreError> {
        let asked = Instant::now();
        let _alone = self.reading.lock().unwrap_or_else(PoisonError::into_inner);
        // Read meanwhile, by whoever was before us.
        if let Some(listed) = self.known().listed.as_ref().filter(|listed| listed.at >= asked) {
            return Ok(Arc::clone(&listed.ids));
        }
        self.known().added.clear();
        let (at, changed) = (Instant::now(), time_of_change(root)?);
        let quiet = SystemTime::UNIX_EPOCH + Duration::new(changed.0.max(0) as u64, changed.1.max(0) as u32);
        let settled = SystemTime::now().duration_since(quiet).is_ok_and(|quiet| quiet > SETTLED);
        let mut ids = list(root)?;
        let mut known = self.known();
        known.added.iter().for_each(|id| insert(&mut ids, *id));
        let ids = Arc::new(ids);
        known.listed = Some(Listed { ids: Arc::clone(&ids), changed, settled, at, took: at.elapsed() });
        Ok(ids)
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn insert(ids: &mut Vec<JobId>, id: JobId) {
    if let Err(place) = ids.binary_search_by(|other| id.cmp(other)) {
        ids.insert(place, id);
    }
}

fn time_of_change(root: &Path) -> Result<(i64, i64), StoreError> {
    let meta = std::fs::metadata(root).map_err(DiskError::io("look at", root))?;
    Ok((meta.ctime(), meta.ctime_nsec()))
}

/// Reads the folder: the ids of all jobs, newest first.
pub(super) fn list(root: &Path) -> Result<Vec<JobId>, StoreError> {
    let mut ids = Vec::new();
    for entry in std::fs::read_dir(root).map_err(DiskError::io("list", root))? {
        let entry = entry.map_err(DiskError::io("list", root))?;
        ids.extend(entry.file_name().to_str().and_then(|name| name.parse::<JobId>().ok()));
    }
    ids.sort_unstable_by(|a, b| b.cmp(a));
    Ok(ids)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder_of(ids: &[JobId]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        ids.iter().for_each(|id| std::fs::create_dir(dir.path().join(id.to_string())).unwrap());
        dir
    }

    #[test]
    fn what_another_process_makes_and_removes_is_seen() {
        let ids: Vec<JobId> = (0..3).map(|_| JobId::generate()).collect();
        let (dir, list) = (folder_of(&ids[..2]), Arc::new(IdList::default()));
        assert_eq!(*list.get(dir.path()).unwrap(), [ids[1], ids[0]]);
        std::fs::create_dir(dir.path().join(ids[2].to_string())).unwrap();
        std::fs::remove_dir(dir.path().join(ids[0].to_string())).unwrap();
        assert_eq!(*list.get(dir.path()).unwrap(), [ids[2], ids[1]]);
    }

    #[test]
    fn a_quiet_folder_is_not_read_again_and_a_long_list_is_read_behind_its_readers() {
        let ids: Vec<JobId> = (0..3).map(|_| JobId::generate()).collect();
        let (dir, list) = (folder_of(&ids[..1]), Arc::new(IdList::default()));
        let first = list.get(dir.path()).unwrap();
        // As if the folder had been quiet before it was read.
        list.known().listed.as_mut().unwrap().settled = true;
        assert!(Arc::ptr_eq(&first, &list.get(dir.path()).unwrap()), "the same list");

        list.known().listed.as_mut().unwrap().took = Duration::from_secs(1);
        std::fs::create_dir(dir.path().join(ids[1].to_string())).unwrap();
        let reading = list.reading.lock().unwrap();
        assert!(Arc::ptr_eq(&first, &list.get(dir.path()).unwrap()), "nobody waits for the new one");
        std::fs::create_dir(dir.path().join(ids[2].to_string())).unwrap();
        list.add(ids[2]);
        assert_eq!(*list.get(dir.path()).unwrap(), [ids[2], ids[0]], "what this process made is there at once");
        drop(reading);
        while list.behind.load(Ordering::Acquire) {
            std::thread::yield_now();
        }
        assert_eq!(*list.get(dir.path()).unwrap(), [ids[2], ids[1], ids[0]], "and then all of it");
        // A list that is too old is waited for.
        std::fs::remove_dir(dir.path().join(ids[1].to_string())).unwrap();
        list.known().listed.as_mut().unwrap().at = Instant::now().checked_sub(STALE).unwrap();
        assert_eq!(*list.get(dir.path()).unwrap(), [ids[2], ids[0]]);
    }
}
