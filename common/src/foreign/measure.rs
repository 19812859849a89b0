//! How much room a tree takes that foreign code may have made: following no link, and no deeper than anything of ours goes.

use std::{os::fd::OwnedFd, path::Path};

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, openat, statat};

use super::{DEEPEST, ForeignError, failed, open_root};

/// What an entry takes at least, in bytes: its inode, and a line of its folder. A flood of empty files fills a disk, too.
const LEAST: u64 = 1024;

/// The bytes that everything below `folder` takes on its disk. What vanishes meanwhile counts as far as it was seen.
///
/// # Errors
/// [`ForeignError`] when the folder itself cannot be opened or listed.
pub fn measure(folder: &Path) -> Result<u64, ForeignError> {
    measure_up_to(folder, u64::MAX)
}

/// The same, as far as it has to be counted to know that it is more than `most` bytes.
///
/// # Errors
/// As [`measure`].
pub fn measure_up_to(folder: &Path, most: u64) -> Result<u64, ForeignError> {
    below(&open_root(folder)?, 0, most)
}

fn below(folder: &OwnedFd, depth: usize, most: u64) -> Result<u64, ForeignError> {
    let mut bytes = 0;
    for entry in Dir::read_from(folder).map_err(|error| failed("", error.into()))? {
        let entry = entry.map_err(|error| failed("", error.into()))?;
        let name = entry.file_name();
        if name == c"." || name == c".." {
            continue;
        }
        let Ok(stat) = statat(folder, name, AtFlags::SYMLINK_NOFOLLOW) else { continue };
        // The system counts in blocks of 512 bytes, whatever the disk does.
        bytes += (u64::try_from(stat.st_blocks).unwrap_or(0) * 512).max(LEAST);
        if FileType::from_raw_mode(stat.st_mode) == FileType::Directory && depth < DEEPEST {
            let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            if let Ok(inner) = openat(folder, name, flags, Mode::empty()) {
                // Removed while it is counted, it counts as far as it was seen.
                bytes += below(&inner, depth + 1, most.saturating_sub(bytes)).unwrap_or(0);
            }
        }
        if bytes > most {
            break;
        }
    }
    Ok(bytes)
}
