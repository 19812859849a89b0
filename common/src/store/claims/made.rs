//! How the file of a claim comes to be: made aside, locked before anybody can see it, and linked. On a disk without an inode left it
//! is one that was there before: that of the dead claim before it, or one that was kept ready.

use std::{
    fs::{File, OpenOptions},
    io::Write,
    os::unix::fs::{FileExt, OpenOptionsExt},
    path::Path,
};

use uuid::Uuid;

use super::super::{Job, StoreError, spare};
use crate::disk::{self, DiskError};

impl Job {
    /// Makes the file of a claim with this text. `None` when another was quicker.
    pub(super) fn make_claim(&self, number: u64, text: &[u8]) -> Result<Option<File>, StoreError> {
        let (folder, path) = (self.paths().claims(), self.paths().claim(number));
        let aside = folder.join(format!(".new-{}", Uuid::new_v4().as_simple()));
        let mut options = OpenOptions::new();
        let (made, aside) = match written(options.create_new(true).mode(0o640), &aside, text) {
            Err(full) if full.is_full() => {
                if let Some(inherited) = self.inherit_claim(number, text)? {
                    return Ok(Some(inherited));
                }
                let spare = spare::take(&self.paths().workspaces(), &folder).ok_or(full)?;
                (written(&mut OpenOptions::new(), &spare, text)?, spare)
            }
            made => (made?, aside),
        };
        match disk::link_new(&aside, &path) {
            Ok(linked) => Ok(linked.then_some(made)),
            // Somebody clears up behind the end of the job.
            Err(error) if error.is_missing() => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Makes the file of the claim before this one the file of this one: its holder is dead, and holders of lower claims see the
    /// higher number. `None` where there is none, or somebody else has it. It is moved and not linked, because a second name takes
    /// an inode on tmpfs.
    fn inherit_claim(&self, number: u64, text: &[u8]) -> Result<Option<File>, StoreError> {
        let (old, new) = (self.paths().claim(number.saturating_sub(1)), self.paths().claim(number));
        let Ok(file) = OpenOptions::new().read(true).write(true).custom_flags(disk::nofollow()).open(&old) else {
            return Ok(None);
        };
        // Held over the rename: there is no moment in which the new claim looks dead.
        if file.try_lock().is_err() || !disk::publish(&old, &new)? {
            return Ok(None);
        }
        let written = file.write_all_at(text, 0).and_then(|()| file.set_len(text.len() as u64));
        written.and_then(|()| file.sync_all()).map_err(DiskError::io("write", &new))?;
        Ok(Some(file))
    }
}

/// Opens a file that nobody else can see yet, locks it, and writes this text into it. One that cannot be written is removed.
fn written(how: &mut OpenOptions, path: &Path, text: &[u8]) -> Result<File, DiskError> {
    let opened = how.read(true).write(true).custom_flags(disk::nofollow()).open(path);
    let mut file = opened.map_err(DiskError::io("create", path))?;
    file.lock().map_err(DiskError::io("lock", path))?;
    if let Err(error) = file.write_all(text).and_then(|()| file.sync_all()) {
        let _ = std::fs::remove_file(path);
        return Err(DiskError::io("write", path)(error));
    }
    Ok(file)
}
