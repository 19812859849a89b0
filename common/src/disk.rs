//! The only code that writes the files of a job: whole, durable, and versioned.
//!
//! A JSON file is written to a temporary name in the same folder, synced, moved to its place, and the folder synced: a
//! reader sees the old page or the new one, also after a power cut. What cannot be read is an error with its path and
//! never "absent".

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
};

use rustix::fs::OFlags;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;
use uuid::Uuid;

/// Mode of the files of a job: the worker writes, the backend's group reads, nobody else.
const FILE_MODE: u32 = 0o640;
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

/// What went wrong with a file of ours.
#[derive(Debug, thiserror::Error)]
pub enum DiskError {
    /// The system refused.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// What was tried, as a verb.
        action: &'static str,
        /// On which file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The file is there and is not what it should be.
    #[error("{} cannot be read: {reason}", path.display())]
    Torn {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A newer program wrote it: it is left alone.
    #[error("{} has schema version {found}, this program knows {known}: upgrade pipelinex to read it", path.display())]
    FutureSchema {
        /// Which file.
        path: PathBuf,
        /// The version in the file.
        found: u64,
        /// The newest version known here.
        known: u32,
    },
}

impl DiskError {
    /// Gives an error of the system its file and verb.
    pub fn io(action: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { action, path, source }
    }

    /// Whether the disk, or a quota on it, is full.
    pub fn is_full(&self) -> bool {
        use io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};
        matches!(self, Self::Io { source, .. } if matches!(source.kind(), StorageFull | QuotaExceeded | FileTooLarge))
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
    let temp = write_aside(path, value)?;
    let linked = fs::hard_link(&temp, path);
    let removed = fs::remove_file(&temp);
    match linked {
        Ok(()) => {
            removed.map_err(DiskError::io("remove", &temp))?;
            sync_parent(path)?;
            Ok(true)
        }
        Err(taken) if taken.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        Err(other) => Err(DiskError::io("create", path)(other)),
    }
}

fn write_aside<T: Serialize>(path: &Path, value: &T) -> Result<PathBuf, DiskError> {
    let mut text = serde_json::to_vec_pretty(value)
        .map_err(|error| DiskError::io("write", path)(io::Error::new(io::ErrorKind::InvalidData, error)))?;
    text.push(b'\n');
    if text.len() as u64 > JSON_MAX {
        let error = io::Error::new(io::ErrorKind::InvalidData, "it would be larger than what is read back");
        return Err(DiskError::io("write", path)(error));
    }
    let temp = path.with_file_name(format!(".tmp-{}", Uuid::new_v4().as_simple()));
    let written = write_new(&temp, &text, FILE_MODE);
    if written.is_err() {
        // Nobody reads a temporary name; what is left of one is swept with the job.
        let _ = fs::remove_file(&temp);
    }
    written.map(|()| temp)
}

/// Puts a file in place of what was there, whole for everybody who opens it, but not synced: for what its writer makes
/// again after a crash before anybody reads it, or syncs together with more.
///
/// # Errors
/// [`DiskError::Io`].
pub fn write_unsynced(path: &Path, content: &[u8], mode: u32) -> Result<(), DiskError> {
    let temp = path.with_file_name(format!(".tmp-{}", Uuid::new_v4().as_simple()));
    let written = create_new(&temp, content, mode);
    let moved = written.and_then(|_| fs::rename(&temp, path).map_err(DiskError::io("replace", path)));
    if moved.is_err() {
        let _ = fs::remove_file(&temp);
    }
    moved
}

/// Creates a file that is not there yet, with its whole content, and syncs it.
///
/// # Errors
/// [`DiskError::Io`], also when it is there already.
pub fn write_new(path: &Path, content: &[u8], mode: u32) -> Result<(), DiskError> {
    create_new(path, content, mode)?.sync_all().map_err(DiskError::io("sync", path))
}

/// [`write_new`] without the sync: for what is synced together with more before anybody counts on it.
///
/// # Errors
/// [`DiskError::Io`], also when it is there already.
pub fn write_new_unsynced(path: &Path, content: &[u8], mode: u32) -> Result<(), DiskError> {
    create_new(path, content, mode).map(|_| ())
}

fn create_new(path: &Path, content: &[u8], mode: u32) -> Result<File, DiskError> {
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode)
        .custom_flags(nofollow())
        .open(path)
        .map_err(DiskError::io("create", path))?;
    file.write_all(content).map_err(DiskError::io("write", path))?;
    // The umask of whoever started us does not decide who can read a job.
    file.set_permissions(fs::Permissions::from_mode(mode)).map_err(DiskError::io("set the mode of", path))?;
    Ok(file)
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

/// Reads a small file of ours; `None` when it is not there.
///
/// # Errors
/// [`DiskError`], also when it is a link, no regular file, or larger than `max` bytes.
pub fn read_file(path: &Path, max: u64) -> Result<Option<Vec<u8>>, DiskError> {
    let torn = |reason: String| DiskError::Torn { path: path.to_owned(), reason };
    // Non-blocking, so that a pipe put in its place does not stop us.
    let opened = OpenOptions::new().read(true).custom_flags(nofollow() | OFlags::NONBLOCK.bits() as i32).open(path);
    let file = match opened {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) if error.raw_os_error() == Some(rustix::io::Errno::LOOP.raw_os_error()) => {
            return Err(torn("it is a link".to_owned()));
        }
        Err(error) => return Err(DiskError::io("open", path)(error)),
    };
    let meta = file.metadata().map_err(DiskError::io("look at", path))?;
    if !meta.is_file() {
        return Err(torn("it is not a regular file".to_owned()));
    }
    if meta.len() > max {
        return Err(torn(format!("it has {} bytes, at most {max} are expected", meta.len())));
    }
    let mut content = Vec::with_capacity(meta.len() as usize);
    file.take(max).read_to_end(&mut content).map_err(DiskError::io("read", path))?;
    Ok(Some(content))
}

/// Makes a folder that is not there yet; one that is there is fine.
///
/// # Errors
/// [`DiskError::Io`]; also when the name is taken by something else.
pub fn make_dir(path: &Path, mode: u32) -> Result<(), DiskError> {
    match fs::DirBuilder::new().mode(mode).create(path) {
        Ok(()) => {
            fs::set_permissions(path, fs::Permissions::from_mode(mode)).map_err(DiskError::io("set the mode of", path))
        }
        Err(taken) if taken.kind() == io::ErrorKind::AlreadyExists => {
            let meta = fs::symlink_metadata(path).map_err(DiskError::io("look at", path))?;
            let torn = || DiskError::Torn { path: path.to_owned(), reason: "it is not a folder".to_owned() };
            if meta.is_dir() { Ok(()) } else { Err(torn()) }
        }
        Err(error) => Err(DiskError::io("make the folder", path)(error)),
    }
}

/// Moves a file or folder to a name that must be free, and makes that durable. `false` when the name is taken.
///
/// # Errors
/// [`DiskError::Io`].
pub fn publish(from: &Path, to: &Path) -> Result<bool, DiskError> {
    use rustix::fs::{CWD, RenameFlags, renameat_with};
    match renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
        Ok(()) => {
            sync_parent(to)?;
            Ok(true)
        }
        Err(rustix::io::Errno::EXIST) => Ok(false),
        Err(error) => Err(DiskError::io("publish", to)(error.into())),
    }
}

/// Makes everything durable that was written to the file system of `path`. One call is far quicker than one for each of
/// thousands of files.
///
/// # Errors
/// [`DiskError::Io`].
pub fn sync_file_system(path: &Path) -> Result<(), DiskError> {
    let dir = File::open(path).map_err(DiskError::io("open", path))?;
    rustix::fs::syncfs(&dir).map_err(|error| DiskError::io("sync", path)(error.into()))
}

/// Syncs a folder: its entries are then durable.
///
/// # Errors
/// [`DiskError::Io`].
pub fn sync_dir(path: &Path) -> Result<(), DiskError> {
    let dir = File::open(path).map_err(DiskError::io("open", path))?;
    dir.sync_all().map_err(DiskError::io("sync", path))
}

fn sync_parent(path: &Path) -> Result<(), DiskError> {
    sync_dir(path.parent().unwrap_or(Path::new(".")))
}

fn nofollow() -> i32 {
    (OFlags::NOFOLLOW | OFlags::CLOEXEC).bits() as i32
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Page {
        schema: u32,
        text: String,
    }

    impl Versioned for Page {
        const SCHEMA: u32 = 2;
    }

    fn page(text: &str) -> Page {
        Page { schema: 2, text: text.to_owned() }
    }

    #[test]
    fn a_page_is_replaced_whole_and_created_once() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("page.json");
        assert!(read_json::<Page>(&path).unwrap().is_none());
        assert!(create_json(&path, &page("first")).unwrap());
        assert!(!create_json(&path, &page("second")).unwrap(), "a created page is never replaced");
        assert_eq!(read_json::<Page>(&path).unwrap().unwrap(), page("first"));
        write_json(&path, &page("third")).unwrap();
        assert_eq!(read_json::<Page>(&path).unwrap().unwrap(), page("third"));
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "nothing temporary stays");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, FILE_MODE);
    }

    #[test]
    fn of_many_who_create_at_once_one_wins() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("final.json");
        let winners: usize = std::thread::scope(|scope| {
            let tries: Vec<_> = (0..8)
                .map(|n| {
                    let path = &path;
                    scope.spawn(move || create_json(path, &page(&n.to_string())).unwrap())
                })
                .collect();
            tries.into_iter().map(|t| usize::from(t.join().unwrap())).sum()
        });
        assert_eq!(winners, 1);
    }

    #[test]
    fn a_record_of_an_older_program_is_brought_up_step_by_step() {
        #[derive(Debug, PartialEq, Deserialize)]
        struct Third {
            schema: u32,
            name: String,
            size: u64,
        }
        impl Versioned for Third {
            const SCHEMA: u32 = 3;

            fn upgrade(from: u32, mut record: Value) -> Result<Value, String> {
                let fields = record.as_object_mut().ok_or("it is no record")?;
                match from {
                    1 => _ = fields.remove("title").map(|title| fields.insert("name".to_owned(), title)),
                    2 => _ = fields.entry("size").or_insert(0.into()),
                    _ => return Err("never written".to_owned()),
                }
                Ok(record)
            }
        }
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("record.json");
        let read = |content: &str| {
            fs::write(&path, content).unwrap();
            read_json::<Third>(&path).map_err(|error| error.to_string())
        };
        let third = |name: &str, size| Ok(Some(Third { schema: 3, name: name.to_owned(), size }));
        assert_eq!(read(r#"{"schema": 1, "title": "a"}"#), third("a", 0));
        assert_eq!(read(r#"{"schema": 2, "name": "b"}"#), third("b", 0));
        assert_eq!(read(r#"{"schema": 3, "name": "c", "size": 7}"#), third("c", 7));
        assert!(read(r#"{"schema": 0}"#).unwrap_err().contains("never written"));
    }

    #[test]
    fn what_cannot_be_read_is_an_error_with_its_path_and_never_absent() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("page.json");
        for (content, expected) in [
            ("", "empty"),
            ("{\"schema\": 2, \"te", "EOF"),
            ("{\"text\": \"a\"}", "no schema version"),
            ("{\"schema\": 2}", "missing field"),
            ("{\"schema\": 3, \"novel\": true}", "upgrade pipelinex"),
        ] {
            fs::write(&path, content).unwrap();
            let error = read_json::<Page>(&path).unwrap_err().to_string();
            assert!(error.contains(expected) && error.contains("page.json"), "{error}");
        }
        fs::remove_file(&path).unwrap();
        std::os::unix::fs::symlink("/etc/hostname", &path).unwrap();
        assert!(read_json::<Page>(&path).unwrap_err().to_string().contains("link"));
        fs::remove_file(&path).unwrap();
        fs::create_dir(&path).unwrap();
        assert!(read_json::<Page>(&path).unwrap_err().to_string().contains("not a regular file"));
    }
}
