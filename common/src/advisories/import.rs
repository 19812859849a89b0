//! Makes an import: aside, whole, durable, and in force by one file that is replaced.
//!
//! Containers read it as user 10001 through a bind of its folder, so everything in it can be read by everybody.

use std::{
    collections::BTreeMap,
    fs::{self, File, OpenOptions},
    io,
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
};

use jiff::Timestamp;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::{ARCHIVE, AdvisoryDb, CURRENT, Current, Ecosystem, EcosystemInfo, INFO, OSV_FOLDER, current};
use crate::{
    disk::{self, DiskError, Versioned},
    layout::Layout,
};

/// Mode of the folders of an import.
const FOLDER_MODE: u32 = 0o755;
/// Mode of its files.
const FILE_MODE: u32 = 0o644;

/// Why an import cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// Two at once would each throw away what the other one keeps.
    #[error("another import is under way; try again when it has ended")]
    Busy,
    /// The system refused.
    #[error(transparent)]
    Disk(#[from] DiskError),
}

/// An import that is being made. Dropped without [`Self::publish`], it leaves nothing behind; what a process that died left
/// of one is removed by the next that is published.
#[derive(Debug)]
pub struct Import {
    layout: Layout,
    name: String,
    published: bool,
    // Locked as long as this lives: one import at a time.
    _lock: File,
}

/// What is known of an ecosystem that was written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counted {
    /// How many advisories there are.
    pub advisories: u64,
    /// When the newest of them was changed.
    pub newest: Option<Timestamp>,
}

impl Import {
    /// Begins an import beside those that are there.
    ///
    /// # Errors
    /// [`ImportError`].
    pub fn begin(layout: &Layout) -> Result<Self, ImportError> {
        let root = layout.advisories();
        disk::make_dir(&root, FOLDER_MODE)?;
        let path = root.join(".lock");
        let lock = OpenOptions::new().create(true).append(true).mode(0o600).open(&path);
        let lock = lock.map_err(DiskError::io("open", &path))?;
        lock.try_lock().map_err(|error| match error {
            fs::TryLockError::WouldBlock => ImportError::Busy,
            fs::TryLockError::Error(error) => DiskError::io("lock", &path)(error).into(),
        })?;
        let import = Self { layout: layout.clone(), name: Uuid::new_v4().to_string(), published: false, _lock: lock };
        disk::make_dir(&import.folder(), FOLDER_MODE)?;
        disk::make_dir(&import.folder().join(OSV_FOLDER), FOLDER_MODE)?;
        Ok(import)
    }

    /// The folder of this import, for files without a name that are gone when they are closed.
    pub fn folder(&self) -> PathBuf {
        self.layout.advisories().join(&self.name)
    }

    /// The empty file for the advisories of an ecosystem.
    ///
    /// # Errors
    /// [`DiskError`], also when it was asked for before.
    pub fn create(&self, ecosystem: &Ecosystem) -> Result<File, DiskError> {
        let path = self.place(ecosystem)?;
        let created = OpenOptions::new().read(true).write(true).create_new(true).mode(FILE_MODE).open(&path);
        let file = created.map_err(DiskError::io("create", &path))?;
        open_to_all(&file, &path)?;
        Ok(file)
    }

    fn place(&self, ecosystem: &Ecosystem) -> Result<PathBuf, DiskError> {
        let folder = self.folder().join(OSV_FOLDER).join(ecosystem.as_str());
        disk::make_dir(&folder, FOLDER_MODE)?;
        Ok(folder.join(ARCHIVE))
    }

    /// Puts the import in force. Ecosystems that it does not have are taken over from the import that was in force, which is
    /// kept for the scans that still read it; older ones are removed.
    ///
    /// # Errors
    /// [`DiskError`]; what was in force then still is. A file of a newer program is left alone, one that is torn is replaced.
    pub fn publish(mut self, source: &str, written: &BTreeMap<Ecosystem, Counted>) -> Result<AdvisoryDb, DiskError> {
        let before = match current(&self.layout) {
            Err(DiskError::Torn { .. }) => None,
            other => other?,
        };
        let mut db = AdvisoryDb {
            schema: AdvisoryDb::SCHEMA,
            imported_at: Timestamp::now(),
            source: source.to_owned(),
            ecosystems: BTreeMap::new(),
        };
        for (ecosystem, counted) in written {
            db.ecosystems.insert(ecosystem.to_string(), measure(&self.place(ecosystem)?, counted)?);
        }
        if let Some((folder, old)) = &before {
            self.take_over(folder, old, &mut db)?;
        }
        let info = self.folder().join(INFO);
        let text = serde_json::to_vec_pretty(&db).map_err(|error| DiskError::io("write", &info)(error.into()))?;
        disk::write_new(&info, &text, FILE_MODE)?;
        disk::sync_file_system(&self.folder())?;
        let now = Current { schema: Current::SCHEMA, folder: self.name.clone() };
        disk::write_json(&self.layout.advisories().join(CURRENT), &now)?;
        self.published = true;
        self.sweep(before.map(|(folder, _)| folder).as_deref());
        Ok(db)
    }

    /// The same files under a second name: they are never changed.
    fn take_over(&self, folder: &Path, old: &AdvisoryDb, db: &mut AdvisoryDb) -> Result<(), DiskError> {
        for (name, info) in &old.ecosystems {
            let Ok(ecosystem) = name.parse::<Ecosystem>() else { continue };
            if db.ecosystems.contains_key(name) {
                continue;
            }
            let place = self.place(&ecosystem)?;
            let from = folder.join(OSV_FOLDER).join(name).join(ARCHIVE);
            fs::hard_link(&from, &place).map_err(DiskError::io("take over", &from))?;
            let imported_at = info.imported_at.or(Some(old.imported_at));
            let source = info.source.clone().or_else(|| Some(old.source.clone()));
            db.ecosystems.insert(name.clone(), EcosystemInfo { imported_at, source, ..info.clone() });
        }
        Ok(())
    }

    /// What cannot be removed is tried again at the next import, and is in nobody's way until then.
    fn sweep(&self, before: Option<&Path>) {
        let Ok(entries) = fs::read_dir(self.layout.advisories()) else { return };
        for path in entries.flatten().map(|entry| entry.path()) {
            let import =
                path.file_name().and_then(|name| name.to_str()).is_some_and(|name| name.parse::<Uuid>().is_ok());
            if import && path != self.folder() && Some(path.as_path()) != before {
                let _ = fs::remove_dir_all(&path);
            }
        }
    }
}

impl Drop for Import {
    fn drop(&mut self) {
        if !self.published {
            let _ = fs::remove_dir_all(self.folder());
        }
    }
}

fn measure(path: &Path, counted: &Counted) -> Result<EcosystemInfo, DiskError> {
    let mut file = File::open(path).map_err(DiskError::io("open", path))?;
    let mut digest = Sha256::new();
    let bytes = io::copy(&mut file, &mut digest).map_err(DiskError::io("read", path))?;
    let sha256 = hex::encode(digest.finalize());
    let Counted { advisories, newest } = *counted;
    Ok(EcosystemInfo { advisories, newest, sha256, bytes, imported_at: None, source: None })
}

/// No umask of whoever started us decides who can read an import.
fn open_to_all(file: &File, path: &Path) -> Result<(), DiskError> {
    file.set_permissions(fs::Permissions::from_mode(FILE_MODE)).map_err(DiskError::io("set the mode of", path))
}
