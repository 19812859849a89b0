//! `audit.jsonl`: who did what to which job from where, and who was refused. Lines are added and never changed; a file that is
//! large enough is put aside under a number, and the oldest of those goes.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read, Seek, SeekFrom, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Store, StoreError, give_to_owner_of};
use crate::{
    disk::{self, DiskError},
    id::JobId,
};

/// From this size on a file is put aside, in bytes.
const FILE_MAX: u64 = 8 << 20;
/// So many files are kept aside.
const KEPT: u32 = 9;
/// Of a file so much is read for its last lines, in bytes.
const TAIL_MAX: u64 = 4 << 20;

/// One line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditLine {
    /// When.
    pub at: Timestamp,
    /// The account, `anonymous`, or a user of this machine; absent: nobody knows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub who: Option<String>,
    /// The address that the request came from; of IPv6 the network.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// What was wished for, such as `cancel`.
    pub action: String,
    /// What it was done to: a job, or an account.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
    /// `done`, or the code of the refusal.
    pub outcome: String,
}

impl AuditLine {
    /// A line of now.
    pub fn new(action: &str, outcome: impl Into<String>) -> Self {
        let (action, outcome) = (action.to_owned(), outcome.into());
        Self { at: Timestamp::now(), who: None, from: None, action, to: None, outcome }
    }

    /// The same about a job.
    #[must_use]
    pub fn about(self, job: Option<JobId>) -> Self {
        Self { to: job.map(|job| job.to_string()), ..self }
    }
}

impl Store {
    /// Adds a line.
    ///
    /// # Errors
    /// [`StoreError::Disk`]: what it tells of is done all the same.
    pub fn audit(&self, line: &AuditLine) -> Result<(), StoreError> {
        let path = self.layout.audit();
        let mut text = serde_json::to_vec(line).map_err(|error| DiskError::io("write", &path)(error.into()))?;
        text.push(b'\n');
        let _lock = disk::lock_file(&self.layout.audit_lock())?;
        // Root adds a line for a backend that runs as somebody else, who has to be able to add the next.
        give_to_owner_of(self.layout.root(), &self.layout.audit_lock())?;
        let length = fs::metadata(&path).map(|meta| meta.len()).unwrap_or_default();
        if length >= FILE_MAX {
            self.put_aside()?;
        }
        let mut file = open(&path)?;
        if length == 0 || length >= FILE_MAX {
            give_to_owner_of(self.layout.root(), &path)?;
        }
        file.write_all(&text).map_err(DiskError::io("write", &path))?;
        Ok(())
    }

    fn put_aside(&self) -> Result<(), StoreError> {
        for number in (1..KEPT).rev() {
            let (from, to) = (self.layout.audit_aside(number), self.layout.audit_aside(number + 1));
            match fs::rename(&from, to) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(DiskError::io("rename", from)(error).into());
                }
                _ => {}
            }
        }
        let path = self.layout.audit();
        fs::rename(&path, self.layout.audit_aside(1)).map_err(DiskError::io("rename", path))?;
        Ok(())
    }

    /// The last lines, the oldest first. What is no line is passed over.
    ///
    /// # Errors
    /// [`StoreError::Disk`].
    pub fn audit_tail(&self, most: usize) -> Result<Vec<AuditLine>, StoreError> {
        let aside = (1..=KEPT).map(|number| self.layout.audit_aside(number));
        let mut lines: Vec<AuditLine> = Vec::new();
        for path in std::iter::once(self.layout.audit()).chain(aside) {
            if lines.len() >= most {
                break;
            }
            let Some(text) = tail_of(&path)? else { break };
            let mut earlier: Vec<_> = text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
            earlier.append(&mut lines);
            lines = earlier;
        }
        Ok(lines.split_off(lines.len().saturating_sub(most)))
    }
}

fn open(path: &Path) -> Result<File, DiskError> {
    let mut options = OpenOptions::new();
    options.append(true).create(true).mode(0o640).custom_flags(disk::nofollow());
    options.open(path).map_err(DiskError::io("open", path))
}

fn tail_of(path: &PathBuf) -> Result<Option<String>, DiskError> {
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(DiskError::io("open", path)(error)),
    };
    let mut read = || {
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(TAIL_MAX)))?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    };
    read().map(Some).map_err(DiskError::io("read", path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_added_whole_by_many_and_the_last_are_told_also_past_a_file_that_was_put_aside() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        assert_eq!(store.audit_tail(10).unwrap(), []);
        let add = |number: usize| store.audit(&AuditLine::new("cancel", number.to_string())).unwrap();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| (0..25).for_each(add));
            }
        });
        assert_eq!(store.audit_tail(1000).unwrap().len(), 100);
        let file = OpenOptions::new().append(true).open(store.layout().audit()).unwrap();
        file.set_len(FILE_MAX).unwrap();
        add(100);
        assert_eq!(fs::read_to_string(store.layout().audit()).unwrap().lines().count(), 1);
        let outcomes: Vec<_> = store.audit_tail(1).unwrap().into_iter().map(|line| line.outcome).collect();
        assert_eq!(outcomes, ["100"]);
        for _ in 0..20 {
            OpenOptions::new().append(true).open(store.layout().audit()).unwrap().set_len(FILE_MAX).unwrap();
            add(101);
        }
        let kept = fs::read_dir(store.layout().audit().parent().unwrap()).unwrap().count();
        assert_eq!(kept, KEPT as usize + 2, "with the one that grows, and the lock");
    }
}
