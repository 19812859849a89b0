//! Files of `.access` that are replaced whole by whoever holds a lock: what projects are, and what they keep secret. They are what they
//! were or what they were to be, whatever dies.

use std::{
    fs::{self, File},
    path::Path,
};

use serde::Serialize;
use uuid::Uuid;

use super::{Store, StoreError, give_to_owner_of};
use crate::disk::{self, DiskError};

impl Store {
    /// The lock of this name in `.access`; whoever has it is alone.
    pub(super) fn access_alone(&self, name: &str) -> Result<File, StoreError> {
        let lock = self.layout.access().join(name);
        let alone = disk::lock_file(&lock)?;
        give_to_owner_of(self.layout.root(), &lock)?;
        Ok(alone)
    }

    /// Replaces a file in its folder. Whoever calls holds the lock, so what another left behind who died is in nobody's hands.
    pub(super) fn replace_access_file<T: Serialize>(
        &self,
        folder: &Path,
        path: &Path,
        record: &T,
    ) -> Result<(), StoreError> {
        for entry in fs::read_dir(folder).map_err(DiskError::io("list", folder))?.flatten() {
            if entry.file_name().as_encoded_bytes().starts_with(b".") {
                let _ = fs::remove_file(entry.path());
            }
        }
        let temp = folder.join(format!(".new-{}", Uuid::new_v4().as_simple()));
        disk::write_json(&temp, record)?;
        // Root may write for a backend that runs as somebody else, who has to be able to read it from the first moment on.
        give_to_owner_of(self.layout.root(), &temp)?;
        fs::rename(&temp, path).map_err(DiskError::io("replace", path))?;
        disk::sync_dir(folder)?;
        self.keep_access_folders()
    }
}
