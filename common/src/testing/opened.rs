//! Counts what is opened: what a look over many jobs costs is asserted by counting, never by time.

use std::{collections::BTreeSet, io, mem::MaybeUninit, os::fd::OwnedFd, path::PathBuf};

use rustix::fs::inotify;

/// Folders, and which of them had a file of theirs opened since they are watched.
#[derive(Debug)]
pub struct Opened {
    events: OwnedFd,
    folders: BTreeSet<i32>,
}

impl Opened {
    /// Watches folders from now on. Looks that open nothing are not seen.
    ///
    /// # Errors
    /// Those of the system, for example when it watches as much as it may.
    pub fn watch(folders: impl Iterator<Item = PathBuf>) -> io::Result<Self> {
        let events = inotify::init(inotify::CreateFlags::NONBLOCK | inotify::CreateFlags::CLOEXEC)?;
        for folder in folders {
            inotify::add_watch(&events, &folder, inotify::WatchFlags::OPEN)?;
        }
        Ok(Self { events, folders: BTreeSet::new() })
    }

    /// How many of the folders were opened, or a file in them.
    pub fn count(&mut self) -> usize {
        let mut buffer = [MaybeUninit::uninit(); 16 * 1024];
        let mut reader = inotify::Reader::new(&self.events, &mut buffer);
        while let Ok(event) = reader.next() {
            self.folders.insert(event.wd());
        }
        self.folders.len()
    }
}
