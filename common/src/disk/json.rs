//! JSON files: written aside and put in their place whole, read with their schema version.

use std::{
    fs::{self, OpenOptions},
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;
use uuid::Uuid;

use super::{DiskError, FILE_MODE, is_full, nofollow, publish, read_file, sync_parent, write_new};

/// The largest JSON file that is read, in bytes: a thousand steps fit many times over.
const JSON_MAX: u64 = 16 * 1024 * 1024;

/// A JSON file with a schema version in its field `schema`.
pub trait Versioned {
    /// The version that this program writes, and the newest it reads.
    const SCHEMA: u32;

    /// Brings a record that an older program wrote one version up, from `from` to `from + 1`; called until it has
    /// [`Self::SCHEMA`]. A field that older records lack and that has a default needs no version of its own.
    ///
    /// # Errors
    /// What is wrong with the record, for people; also for a version that no program ever wrote.
    fn upgrade(from: u32, record: Value) -> Result<Value, String> {
        let _ = record;
        Err(format!("no program ever wrote its schema version {from}"))
    }
}

/// Writes a JSON file in place of what was there.
///
/// # Errors
/// [`DiskError::Io`]; the old file is then still whole.
pub fn write_json<T: Serialize>(path: &Path, value: &T) -> Result<(), DiskError> {
    place_json(path, value)?;
    sync_parent(path)
}

/// [`write_json`] without the folder: for one that is synced as a whole before it is published.
///
/// # Errors
/// [`DiskError::Io`]; the old file is then still whole.
pub fn place_json<T: Serialize>(path: &Path, value: &T) -> Result<(), DiskError> {
    let temp = write_aside(path, value)?;
    fs::rename(&temp, path).map_err(DiskError::io("replace", path))
}

/// Creates a JSON file that must not be there yet. Of several who try at once exactly one is told `true`.
///
/// # Errors
/// [`DiskError::Io`] for anything but "it is there already".
pub fn create_json<T: Serialize>(path: &Path, value: &T) -> Result<bool, DiskError> {
    link_new(&write_aside(path, value)?, path)
}

/// [`create_json`] on a disk that is full: the content goes into `spare`, a file with room of its own, which becomes the new
/// one. It is used up in any case.
///
/// # Errors
/// [`DiskError::Io`]; also when the content is larger than the room, and the disk still full.
pub fn create_json_in<T: Serialize>(spare: &Path, path: &Path, value: &T) -> Result<bool, DiskError> {
    let text = json_text(path, value)?;
    let overwrite = || {
        let mut file = OpenOptions::new().write(true).custom_flags(nofollow()).open(spare)?;
        file.write_all(&text)?;
        file.set_len(text.len() as u64)?;
        file.sync_all()
    };
    let written = overwrite().map_err(DiskError::io("write", path));
    if written.is_err() {
        let _ = fs::remove_file(spare);
    }
    written.and_then(|()| link_new(spare, path))
}

/// Gives a whole file its name, unless there is one of that name, and takes its old name away.
pub(crate) fn link_new(temp: &Path, path: &Path) -> Result<bool, DiskError> {
    let linked = fs::hard_link(temp, path);
    // A tmpfs counts a second name as an inode, and has none left; a rename that replaces nothing needs none.
    if linked.as_ref().is_err_and(is_full) {
        let published = publish(temp, path);
        if !matches!(published, Ok(true)) {
            let _ = fs::remove_file(temp);
        }
        return published;
    }
    // Whoever sees the new name may be clearing up behind us, and be quicker.
    let removed = fs::remove_file(temp).or_else(|error| match error.kind() {
        io::ErrorKind::NotFound => Ok(()),
        _ => Err(error),
    });
    match linked {
        Ok(()) => {
            removed.map_err(DiskError::io("remove", temp))?;
            sync_parent(path)?;
            Ok(true)
        }
        Err(taken) if taken.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        Err(other) => Err(DiskError::io("create", path)(other)),
    }
}

fn json_text<T: Serialize>(path: &Path, value: &T) -> Result<Vec<u8>, DiskError> {
    let mut text = serde_json::to_vec_pretty(value)
        .map_err(|error| DiskError::io("write", path)(io::Error::new(io::ErrorKind::InvalidData, error)))?;
    text.push(b'\n');
    if text.len() as u64 > JSON_MAX {
        let error = io::Error::new(io::ErrorKind::InvalidData, "it would be larger than what is read back");
        return Err(DiskError::io("write", path)(error));
    }
    Ok(text)
}

fn write_aside<T: Serialize>(path: &Path, value: &T) -> Result<PathBuf, DiskError> {
    let text = json_text(path, value)?;
    let temp = path.with_file_name(format!(".tmp-{}", Uuid::new_v4().as_simple()));
    let written = write_new(&temp, &text, FILE_MODE);
    if written.is_err() {
        // Nobody reads a temporary name; what is left of one is swept with the job.
        let _ = fs::remove_file(&temp);
    }
    written.map(|()| temp)
}

/// Reads a JSON file; `None` when it is not there.
///
/// # Errors
/// [`DiskError`]: torn, empty, foreign, from the future, or not to be read at all.
pub fn read_json<T: DeserializeOwned + Versioned>(path: &Path) -> Result<Option<T>, DiskError> {
    let Some(text) = read_file(path, JSON_MAX)? else { return Ok(None) };
    let torn = |reason: String| DiskError::Torn { path: path.to_owned(), reason };
    if text.is_empty() {
        return Err(torn("it is empty".to_owned()));
    }
    let mut value: Value = serde_json::from_slice(&text).map_err(|error| torn(error.to_string()))?;
    let found = schema_of(&value).ok_or_else(|| torn("it has no schema version".to_owned()))?;
    for from in found..u64::from(T::SCHEMA) {
        value = T::upgrade(from as u32, value).map_err(torn)?;
    }
    if found > u64::from(T::SCHEMA) {
        return Err(DiskError::FutureSchema { path: path.to_owned(), found, known: T::SCHEMA });
    }
    if let Some(schema) = value.get_mut("schema") {
        *schema = T::SCHEMA.into();
    }
    serde_json::from_value(value).map(Some).map_err(|error| torn(error.to_string()))
}

fn schema_of(record: &Value) -> Option<u64> {
    record.get("schema").and_then(Value::as_u64)
}
