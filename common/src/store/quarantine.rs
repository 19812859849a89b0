//! Jobs that are set aside: a file that their record rests on cannot be read, or a newer program wrote it.
//!
//! Nothing is written about it. Whoever looks at a job sees it in the job's own files, and once those are mended the job goes
//! on. What can be drawn again (state.json) sets nothing aside, unless a newer program drew it. What keeps a worker from taking
//! the folder over sets it aside as well, so that nobody waits for a job that waits for them.

use std::{
    fmt, fs,
    path::{Path, PathBuf},
};

use serde::Serialize;

use super::{Job, StoreError, claims};
use crate::{
    disk::{self, DiskError},
    execution::{Execution, StepEnd},
    id::JobId,
    store::ClaimRecord,
};

/// The largest claim file that is looked at, in bytes.
const CLAIM_MAX: u64 = 64 * 1024;

/// Why a job is set aside; as text, a sentence for people that names no path outside of the job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quarantine {
    /// The file, in full: for the operator.
    pub path: PathBuf,
    /// What is wrong with it.
    pub kind: QuarantineKind,
}

/// What is wrong with a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub enum QuarantineKind {
    /// It is missing, torn, empty, or no file: why.
    Unreadable(String),
    /// A newer program wrote it: this schema version, where that one is known here.
    Newer(u64, u32),
}

impl Quarantine {
    /// What an error says about the files of a job; `None` where it is the system that failed.
    pub fn of(error: &StoreError) -> Option<Self> {
        match error {
            StoreError::Disk(error) => Self::of_file(error),
            StoreError::NoSuchJob(_) | StoreError::Transition(_) | StoreError::Taken(_) => None,
        }
    }

    fn of_file(error: &DiskError) -> Option<Self> {
        match error {
            DiskError::Torn { path, reason } => {
                Some(Self { path: path.clone(), kind: QuarantineKind::Unreadable(reason.clone()) })
            }
            DiskError::FutureSchema { path, found, known } => {
                Some(Self { path: path.clone(), kind: QuarantineKind::Newer(*found, *known) })
            }
            DiskError::Io { .. } => None,
        }
    }

    /// What to do about it.
    pub fn advice(&self) -> &'static str {
        match self.kind {
            QuarantineKind::Unreadable(_) => {
                "restore the file from a backup, take away what does not belong there, or move the job's folder away; all other jobs go on"
            }
            QuarantineKind::Newer(..) => "upgrade this program, or let the newer one end the job; all other jobs go on",
        }
    }

    /// The path below the job's folder.
    fn file(&self) -> &Path {
        let below = self.path.iter().rev().position(|part| part.to_str().is_some_and(|p| p.parse::<JobId>().is_ok()));
        let parts = self.path.iter().count();
        let mut file = self.path.components();
        (0..below.map_or(0, |below| parts - below)).for_each(|_| _ = file.next());
        file.as_path()
    }
}

impl fmt::Display for Quarantine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let file = self.file().display();
        match &self.kind {
            QuarantineKind::Unreadable(reason) => write!(f, "{file} of this job cannot be read: {reason}")?,
            QuarantineKind::Newer(found, known) => {
                write!(
                    f,
                    "{file} of this job was written by a newer pipelinex (schema version {found}, known are {known})"
                )?;
            }
        }
        write!(f, "; {}", self.advice())
    }
}

impl Job {
    /// Whether the job is set aside. An open one costs a look into each of its records and at each of its
    /// names, one that has ended into two.
    pub fn quarantine(&self) -> Option<Quarantine> {
        let ended = self.metadata().and_then(|_| self.final_record());
        match ended {
            Ok(Some(_)) => None,
            Ok(None) => self.quarantine_of_open(),
            Err(error) => Quarantine::of(&error),
        }
    }

    /// The same for a job whose admission record can be read, and that has not ended.
    pub(super) fn quarantine_of_open(&self) -> Option<Quarantine> {
        let records = self.check_state().and_then(|()| self.check_ends()).and_then(|()| self.check_claims());
        let checked = records.and_then(|()| self.check_entries());
        checked.err().and_then(|error| Quarantine::of(&error))
    }

    /// A torn one is drawn again; one from the future is somebody else's.
    fn check_state(&self) -> Result<(), StoreError> {
        match disk::read_json::<Execution>(&self.paths().state()) {
            Err(error @ DiskError::FutureSchema { .. }) => Err(error.into()),
            _ => Ok(()),
        }
    }

    fn check_ends(&self) -> Result<(), StoreError> {
        for name in names(&self.paths().ends())?.iter().filter(|name| name.ends_with(".json")) {
            disk::read_json::<StepEnd>(&self.paths().ends().join(name))?;
        }
        self.all_tries()?;
        Ok(())
    }

    /// One that cannot be read counts as dead once it stands still; one from the future may beat in another way.
    fn check_claims(&self) -> Result<(), StoreError> {
        names(&self.paths().attempts())?;
        let folder = self.paths().claims();
        if names(&folder)?.is_empty() {
            return Ok(());
        }
        let path = self.paths().claim(claims::latest_claim(&folder)?);
        let text = disk::read_file(&path, CLAIM_MAX).ok().flatten().unwrap_or_default();
        Ok(ClaimRecord::refuse_newer(&path, &text)?)
    }
}

/// The names in a folder of ours that may not be there yet.
fn names(folder: &Path) -> Result<Vec<String>, StoreError> {
    let torn = |reason: &str| DiskError::Torn { path: folder.to_owned(), reason: reason.to_owned() };
    match fs::symlink_metadata(folder) {
        Ok(meta) if meta.is_dir() => {}
        Ok(meta) if meta.is_symlink() => return Err(torn("it is a link").into()),
        Ok(_) => return Err(torn("it is not a folder").into()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(DiskError::io("look at", folder)(error).into()),
    }
    let entries = fs::read_dir(folder).map_err(DiskError::io("list", folder))?;
    Ok(entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok()).collect())
}
