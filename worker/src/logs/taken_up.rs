//! Where a log is taken up that somebody else began.

use std::{
    fs::{self, File, OpenOptions},
    io::Read,
    os::unix::fs::OpenOptionsExt,
    path::Path,
};

use pipelinex_common::disk::{self, DiskError};
use uuid::Uuid;

/// The largest index that is read, in bytes: a row each 4 KiB of the largest log, and one each 200 ms of a day.
const INDEX_MAX: u64 = 64 * 1024 * 1024;

/// What text and index agree on: whole lines, bytes of text, bytes of index.
pub(super) fn agreed(text: &Path, index: &Path) -> Result<(u64, u64, u64), DiskError> {
    let rows = disk::read_file(index, INDEX_MAX)?.unwrap_or_default();
    let rows = String::from_utf8_lossy(&rows);
    let stored = fs::symlink_metadata(text).map_or(0, |meta| meta.len());
    let mut agreed = (0, 0, 0);
    let mut at = 0;
    for row in rows.split_inclusive('\n') {
        at += row.len() as u64;
        let mut numbers = row.trim_end().split(' ').map(str::parse::<u64>);
        let (Some(Ok(lines)), Some(Ok(end)), true) = (numbers.next(), numbers.next(), row.ends_with('\n')) else {
            break;
        };
        if end > stored {
            break;
        }
        agreed = (lines, end, at);
    }
    Ok(agreed)
}

/// A new file with the first `keep` bytes of the one at `path`, in its place; on a disk without space the same file, cut. What a death leaves of it has a name that nobody reads,
/// and goes with the end of the job.
pub(super) fn restart(path: &Path, keep: u64) -> Result<File, DiskError> {
    let create = |path: &Path| {
        let file = OpenOptions::new().append(true).create_new(true).mode(0o640).open(path);
        file.map_err(DiskError::io("create", path))
    };
    if !path.exists() {
        return create(path);
    }
    let aside = path.with_file_name(format!(".tmp-{}", Uuid::new_v4().as_simple()));
    let old = File::open(path).map_err(DiskError::io("open", path))?;
    let replaced = create(&aside).and_then(|mut file| {
        std::io::copy(&mut old.take(keep), &mut file).map_err(DiskError::io("write", &aside))?;
        fs::rename(&aside, path).map_err(DiskError::io("replace", path))?;
        Ok(file)
    });
    match replaced {
        Err(full) if full.is_full() => {
            let _ = fs::remove_file(&aside);
            cut_in_place(path, keep)
        }
        Err(error) => {
            let _ = fs::remove_file(&aside);
            Err(error)
        }
        replaced => replaced,
    }
}

/// An older holder that woke up would still write into it. But most holders before us are dead, and without this the job would wait for
/// space that perhaps only its own end brings.
fn cut_in_place(path: &Path, keep: u64) -> Result<File, DiskError> {
    let file = OpenOptions::new().append(true).custom_flags(rustix::fs::OFlags::NOFOLLOW.bits() as i32).open(path);
    let file = file.map_err(DiskError::io("open", path))?;
    file.set_len(keep).map_err(DiskError::io("cut", path))?;
    Ok(file)
}

/// Passes on what follows after a number of whole lines: for an engine's record of which the beginning is stored already.
#[derive(Clone, Copy, Debug)]
pub(super) struct SkipLines(pub(super) u64);

impl SkipLines {
    /// The part of `bytes` that is not stored yet.
    pub(super) fn pass<'a>(&mut self, mut bytes: &'a [u8]) -> &'a [u8] {
        while self.0 > 0 {
            match bytes.iter().position(|byte| *byte == b'\n') {
                Some(end) => bytes = &bytes[end + 1..],
                None => return &[],
            }
            self.0 -= 1;
        }
        bytes
    }
}
