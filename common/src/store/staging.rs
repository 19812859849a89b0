//! From a submission to a job: everything is built aside, and one rename makes it a job.

use std::{
    fs::{self, File},
    os::fd::OwnedFd,
    path::Path,
    time::Duration,
};

use rustix::{
    fs::{CWD, Mode, OFlags, openat, renameat},
    io::Errno,
};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::{Lease, Store, StoreError, leftovers::is_old};
use crate::{
    access::Owner,
    disk::{self, DiskError},
    foreign::{self, ForeignError},
    layout::JobPaths,
    metadata::Metadata,
};

/// Longer than a submission takes that somebody still waits for.
const SPARED: Duration = Duration::from_secs(60 * 60);

/// A submission that is not a job yet. Dropped without [`Store::admit`], it leaves nothing behind; left by a process that
/// died, it is swept once its lock is free.
#[derive(Debug)]
pub struct Staging {
    paths: JobPaths,
    // Locked as long as this lives: an advisory lock on the folder itself, so that nothing of it moves into the job.
    _lock: File,
    kept: bool,
}

impl Staging {
    /// The paths of the job to be.
    pub fn paths(&self) -> &JobPaths {
        &self.paths
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        if !self.kept
            && let Err(error) = fs::remove_dir_all(self.paths.root())
        {
            tracing::warn!(path = %self.paths.root().display(), %error, "a staging folder could not be removed");
        }
    }
}

impl Store {
    /// A new staging folder with empty `source/` and `pipelines/`.
    ///
    /// # Errors
    /// [`StoreError::Disk`].
    pub fn stage(&self) -> Result<Staging, StoreError> {
        let (paths, lock) = self.locked_folder()?;
        let staging = Staging { paths, _lock: lock, kept: false };
        for folder in [staging.paths.source(), staging.paths.pipelines()] {
            disk::make_dir(&folder, 0o755)?;
        }
        Ok(staging)
    }

    /// A new folder that is locked. Until it is locked a sweep takes it for a dead process's, and may remove it between any
    /// two of these steps: that is no error, another one is made.
    fn locked_folder(&self) -> Result<(JobPaths, File), StoreError> {
        loop {
            let paths = JobPaths::at(self.layout.staging().join(Uuid::new_v4().to_string()));
            let locked = disk::make_dir(paths.root(), 0o750).and_then(|()| {
                let lock = File::open(paths.root()).map_err(DiskError::io("open", paths.root()))?;
                lock.lock().map_err(DiskError::io("lock", paths.root()))?;
                Ok(lock)
            });
            match locked {
                Ok(lock) if paths.root().exists() => return Ok((paths, lock)),
                Ok(_) => {}
                // The folder of them all must be there, or this would never end.
                Err(error) if error.is_missing() && self.layout.staging().exists() => {}
                Err(error) => {
                    let _ = fs::remove_dir(paths.root());
                    return Err(error.into());
                }
            }
        }
    }

    /// The next run number of an owner's project and pipeline, created exclusively: no two jobs share one.
    ///
    /// # Errors
    /// [`StoreError::Disk`].
    pub fn next_run_number(&self, owner: &Owner, project: &str, pipeline: &str) -> Result<u64, StoreError> {
        self.count_run((owner, project, pipeline), |highest| highest + 1)
    }

    /// Takes a run number that a client counts itself. The next ones are higher; that no job has it already is the caller's to know.
    ///
    /// # Errors
    /// [`StoreError::Disk`].
    pub fn take_run_number(
        &self,
        number: u64,
        owner: &Owner,
        project: &str,
        pipeline: &str,
    ) -> Result<u64, StoreError> {
        self.count_run((owner, project, pipeline), |_| number)
    }

    fn count_run(
        &self,
        (owner, project, pipeline): (&Owner, &str, &str),
        choose: impl FnOnce(u64) -> u64,
    ) -> Result<u64, StoreError> {
        let mut digest = Sha256::new();
        // Those of anonymous are counted where they were before there were owners.
        if !owner.is_anonymous() {
            digest.update(owner.as_str());
            digest.update([0, 0]);
        }
        let digest = digest.chain_update(project).chain_update([0]).chain_update(pipeline).finalize();
        let key = hex::encode(&digest[..16]);
        let folder = self.layout.run_numbers(&key);
        disk::make_dir(&folder, 0o750)?;
        // One counts at a time: whoever had read an old highest number would else take one again that was removed since.
        let _counting = disk::lock_file(&folder.join("lock"))?;
        let entries = fs::read_dir(&folder).map_err(DiskError::io("list", &folder))?;
        let counted = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<u64>().ok());
        let highest = counted.max().unwrap_or(0);
        let number = choose(highest);
        if number > highest {
            let path = folder.join(number.to_string());
            File::create_new(&path).map_err(DiskError::io("create", &path))?;
            // Only the highest number must stay.
            let _ = fs::remove_file(folder.join(highest.to_string()));
            disk::sync_dir(&folder)?;
        }
        Ok(number)
    }

    /// Makes a staged submission a job: from the rename on it exists, and will run and end.
    ///
    /// # Errors
    /// [`StoreError::Disk`], [`StoreError::Taken`]; in both cases there is no job, and the staging folder is removed.
    pub fn admit(&self, mut staging: Staging, metadata: &Metadata) -> Result<(), StoreError> {
        let paths = &staging.paths;
        disk::make_dir(&paths.wishes(), 0o750)?;
        disk::place_json(&paths.state(), &metadata.initial_execution())?;
        crate::fault_point!("intake.before-metadata");
        disk::place_json(&paths.metadata(), metadata)?;
        crate::fault_point!("intake.after-metadata");
        self.mark_run(metadata)?;
        self.mark_for_hooks(metadata)?;
        disk::sync_file_system(paths.root())?;
        let target = self.layout.job(metadata.job_id);
        if !disk::publish(paths.root(), target.root())? {
            return Err(StoreError::Taken(metadata.job_id));
        }
        staging.kept = true;
        self.known.add(metadata.job_id);
        crate::fault_event!("admit", job = metadata.job_id);
        crate::fault_point!("intake.after-rename");
        Ok(())
    }

    /// Removes staging folders that nobody holds any more. Returns how many. Where a lock says nothing about other hosts, a young
    /// one is spared.
    ///
    /// # Errors
    /// [`StoreError::Disk`] when the folder of them cannot be listed; one that cannot be removed is logged.
    pub fn sweep_staging(&self) -> Result<usize, StoreError> {
        self.sweep_staged(&Lease::of(&self.layout.staging())?)
    }

    fn sweep_staged(&self, lease: &Lease) -> Result<usize, StoreError> {
        let folder = self.layout.staging();
        let mut swept = 0;
        for entry in fs::read_dir(&folder).map_err(DiskError::io("list", &folder))?.flatten() {
            let path = entry.path();
            let Ok(lock) = File::open(&path) else { continue };
            if is_spared(&path, lease) || lock.try_lock().is_err() {
                continue;
            }
            match fs::remove_dir_all(&path) {
                Ok(()) => swept += 1,
                Err(error) => tracing::warn!(path = %path.display(), %error, "a staging folder could not be removed"),
            }
        }
        Ok(swept)
    }

    /// Moves a folder of a job out of sight; what is in it goes with [`Self::empty_trash`]. One rename, however much it holds.
    ///
    /// # Errors
    /// [`StoreError::Disk`].
    pub fn throw_away(&self, folder: &Path) -> Result<(), StoreError> {
        // Neither the folder that it lies in nor the trash may be a link: the backend could make one, and the worker may be root.
        let name = folder
            .file_name()
            .ok_or_else(|| DiskError::io("throw away", folder)(std::io::ErrorKind::InvalidInput.into()))?;
        let from = match open_folder(folder.parent().unwrap_or(Path::new("/"))) {
            Err(Errno::NOENT) => return Ok(()),
            opened => opened.map_err(|error| DiskError::io("throw away", folder)(error.into()))?,
        };
        let trash = self.layout.trash();
        let to = open_folder(&trash).map_err(|error| DiskError::io("open", &trash)(error.into()))?;
        match renameat(&from, name, &to, Uuid::new_v4().to_string()) {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(error) => Err(DiskError::io("throw away", folder)(error.into()).into()),
        }
    }

    /// Removes what was thrown away. Takes its time over millions of files.
    ///
    /// # Errors
    /// [`ForeignError`] with what could not be removed.
    pub fn empty_trash(&self) -> Result<(), ForeignError> {
        foreign::remove_tree(&self.layout.trash())
    }
}

/// Whether a staging folder stays though its lock is free: on a file system of the network each client keeps the lock of a folder to
/// itself, so another host may be building there.
pub(super) fn is_spared(path: &Path, lease: &Lease) -> bool {
    !lease.is_lock() && !is_old(path, SPARED)
}

pub(super) fn open_folder(path: &Path) -> Result<OwnedFd, Errno> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    openat(CWD, path, flags, Mode::empty())
}

#[cfg(test)]
mod tests {
    use std::{os::unix::fs::MetadataExt, time::SystemTime};

    use super::*;
    use crate::store::Fingerprint;

    #[test]
    fn where_a_lock_says_nothing_about_other_hosts_a_young_submission_is_spared() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        // To a host that does not see the lock it looks like that of a dead process.
        let staged = store.layout().staging().join("of-another-host");
        fs::create_dir(&staged).unwrap();
        let shared = Lease::Heartbeat { file_system: "nfs".to_owned() };
        assert_eq!(store.sweep_staged(&shared).unwrap(), 0);
        File::open(&staged).unwrap().set_modified(SystemTime::now() - SPARED).unwrap();
        assert_eq!(store.sweep_staged(&shared).unwrap(), 1, "nobody waits for it any more");
        fs::create_dir(&staged).unwrap();
        assert_eq!(
            store.sweep_staged(&Lease::Lock { file_system: "ext4" }).unwrap(),
            1,
            "here a free lock says it all"
        );
    }

    #[test]
    fn keys_and_run_numbers_are_counted_under_the_lock_of_a_file() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        let anonymous = Owner::anonymous();
        let _ = store.next_run_number(&anonymous, "p", "q").unwrap();
        let runs = fs::read_dir(store.layout().index().join("runs")).unwrap().next().unwrap().unwrap().path();
        let (key, body) = (Fingerprint::of(&[b"key"]), Fingerprint::of(&[b"body"]));
        let waits: [(&Path, &(dyn Fn() + Sync)); 2] = [
            (&runs.join("lock"), &|| assert_eq!(store.next_run_number(&anonymous, "p", "q").unwrap(), 2)),
            (&store.layout().keys_lock(), &|| _ = store.bind_key(&key, &body).unwrap()),
        ];
        for (path, counts) in waits {
            let lock = disk::lock_file(path).unwrap();
            std::thread::scope(|scope| {
                let counting = scope.spawn(counts);
                while !is_waited_for(&lock) {
                    assert!(!counting.is_finished(), "{} is not asked for", path.display());
                    std::thread::yield_now();
                }
                drop(lock);
            });
        }
    }

    fn is_waited_for(lock: &File) -> bool {
        let inode = format!(":{} ", lock.metadata().unwrap().ino());
        fs::read_to_string("/proc/locks").unwrap().lines().any(|line| line.contains("->") && line.contains(&inode))
    }
}
