//! How much room a tree takes that foreign code may have made: of any depth, with few descriptors and no recursion, following no
//! link.

use std::{collections::HashSet, ffi::CString, os::fd::OwnedFd, path::Path};

use rustix::{
    fs::{AtFlags, Dir, FileType, Mode, OFlags, fstat, openat, statat},
    io::Errno,
};

use super::{ForeignError, failed, open_root};

/// What an entry takes at least, in bytes: its inode, and a line of its folder. A flood of empty files fills a disk, too.
const LEAST: u64 = 1024;
/// How many folders are open at the same time, each inside of the one before.
const OPEN_MAX: usize = 32;

/// Room on a disk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Taken {
    /// Bytes.
    pub bytes: u64,
    /// Files, folders and whatever else has an inode.
    pub files: u64,
}

impl Taken {
    /// Whether it is more of either than `most`.
    pub fn exceeds(&self, most: &Self) -> bool {
        self.bytes > most.bytes || self.files > most.files
    }

    /// Both sums.
    pub fn plus(self, other: Self) -> Self {
        Self { bytes: self.bytes.saturating_add(other.bytes), files: self.files.saturating_add(other.files) }
    }
}

/// What was counted of a tree.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Measured {
    /// The sum.
    pub taken: Taken,
    /// Folders that could not be opened, because they are not this process's to read or were moved while it counted: what is in
    /// them is missing in the sum.
    pub unseen: u64,
}

/// The bytes that everything below `folder` takes on its disk. What vanishes meanwhile counts as far as it was seen.
///
/// # Errors
/// [`ForeignError`] when the folder itself cannot be opened or listed.
pub fn measure(folder: &Path) -> Result<u64, ForeignError> {
    let all = Taken { bytes: u64::MAX, files: u64::MAX };
    Ok(measure_up_to(folder, &all)?.taken.bytes)
}

/// What everything below `folder` takes, as far as it has to be counted to know that it is more than `most`.
///
/// # Errors
/// As [`measure`].
pub fn measure_up_to(folder: &Path, most: &Taken) -> Result<Measured, ForeignError> {
    let mut count = Count { most: *most, measured: Measured::default(), linked: HashSet::new() };
    let mut levels = vec![count.level(open_root(folder)?)?];
    while let Some(level) = levels.last_mut().filter(|_| !count.is_over()) {
        let Some(name) = level.inside.pop() else {
            count.go_up(&mut levels);
            continue;
        };
        let opened = level.folder.as_ref().map(|folder| open(folder, &name));
        match opened.map(|opened| opened.and_then(|inner| count.level(inner).map_err(|_| Errno::IO))) {
            Some(Ok(inner)) => {
                levels.push(inner);
                // The topmost stays open: from there the count goes on wherever it loses its way.
                if let Some(far) = levels.len().checked_sub(OPEN_MAX + 1).filter(|far| *far > 0) {
                    levels[far].folder = None;
                }
            }
            // Removed while it is counted, it counts as far as it was seen.
            Some(Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP)) => {}
            Some(Err(_)) | None => count.measured.unseen += 1,
        }
    }
    Ok(count.measured)
}

/// A folder on the way from the top to where the count stands.
struct Level {
    /// `None` while it is far above: it is opened again from below.
    folder: Option<OwnedFd>,
    /// Its device and inode, by which it is known again.
    id: (u64, u64),
    /// Folders in it that were not entered yet.
    inside: Vec<CString>,
}

struct Count {
    most: Taken,
    measured: Measured,
    /// Files of several names that were counted, by device and inode.
    linked: HashSet<(u64, u64)>,
}

impl Count {
    fn is_over(&self) -> bool {
        self.measured.taken.exceeds(&self.most)
    }

    /// Counts the entries of a folder.
    fn level(&mut self, folder: OwnedFd) -> Result<Level, ForeignError> {
        let io = |error: Errno| failed("", error.into());
        let stat = fstat(&folder).map_err(io)?;
        let mut inside = Vec::new();
        for entry in Dir::read_from(&folder).map_err(io)? {
            let entry = entry.map_err(io)?;
            let name = entry.file_name();
            if name == c"." || name == c".." {
                continue;
            }
            let Ok(stat) = statat(&folder, name, AtFlags::SYMLINK_NOFOLLOW) else { continue };
            let is_folder = FileType::from_raw_mode(stat.st_mode) == FileType::Directory;
            if is_folder {
                inside.push(name.to_owned());
            } else if stat.st_nlink > 1 && !self.linked.insert((stat.st_dev, stat.st_ino)) {
                continue;
            }
            // The system counts in blocks of 512 bytes, whatever the disk does.
            let bytes = (u64::try_from(stat.st_blocks).unwrap_or(0) * 512).max(LEAST);
            self.measured.taken = self.measured.taken.plus(Taken { bytes, files: 1 });
            if self.is_over() {
                break;
            }
        }
        Ok(Level { folder: Some(folder), id: (stat.st_dev, stat.st_ino), inside })
    }

    /// Leaves the lowest level. Where the one above it is closed, it is opened from below, if it is still the same one; else
    /// whatever was moved meanwhile is not seen, and the count goes on at the nearest level that is open.
    fn go_up(&mut self, levels: &mut Vec<Level>) {
        let done = levels.pop();
        let (Some(below), Some(above)) = (done.and_then(|done| done.folder), levels.last_mut()) else { return };
        if above.folder.is_some() {
            return;
        }
        above.folder = open(&below, c"..")
            .ok()
            .filter(|folder| fstat(folder).is_ok_and(|stat| (stat.st_dev, stat.st_ino) == above.id));
        while let Some(lost) = levels.pop_if(|level| level.folder.is_none()) {
            self.measured.unseen += 1 + lost.inside.len() as u64;
        }
    }
}

fn open(folder: &OwnedFd, name: &std::ffi::CStr) -> Result<OwnedFd, Errno> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    openat(folder, name, flags, Mode::empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn all() -> Taken {
        Taken { bytes: u64::MAX, files: u64::MAX }
    }

    /// Folders nested so deep that no path leads to the last one, with a file in it.
    fn nest(top: &Path, depth: usize, bytes: usize) {
        use rustix::fs::mkdirat;
        let mut folder = open_root(top).unwrap();
        for _ in 0..depth {
            mkdirat(&folder, c"d", Mode::RWXU).unwrap();
            folder = open(&folder, c"d").unwrap();
        }
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::CLOEXEC;
        let file = openat(&folder, c"large", flags, Mode::RUSR).unwrap();
        std::io::Write::write_all(&mut fs::File::from(file), &vec![1; bytes]).unwrap();
    }

    #[test]
    fn any_depth_is_counted() {
        let dir = tempfile::tempdir().unwrap();
        nest(dir.path(), 80, 1 << 20);
        assert!(measure(dir.path()).unwrap() >= 1 << 20);
        nest(&dir.path().join("d"), 0, 4096);
        let deep = dir.path().join("deep");
        fs::create_dir(&deep).unwrap();
        nest(&deep, 5000, 1 << 20);
        for number in 0..3 {
            fs::create_dir(dir.path().join(format!("d/d/beside-{number}"))).unwrap();
        }
        let measured = measure_up_to(dir.path(), &all()).unwrap();
        assert_eq!((measured.taken.files, measured.unseen), (80 + 1 + 1 + 1 + 5000 + 1 + 3, 0));
        assert!(measured.taken.bytes >= 2 << 20);
        super::super::remove_tree(dir.path()).unwrap();
    }

    #[test]
    fn a_file_of_two_names_counts_once_and_counting_ends_where_it_is_too_much() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("file"), vec![1; 100_000]).unwrap();
        fs::hard_link(dir.path().join("file"), dir.path().join("again")).unwrap();
        let measured = measure_up_to(dir.path(), &all()).unwrap();
        assert_eq!(measured.taken.files, 1);
        assert!((100_000..200_000).contains(&measured.taken.bytes), "{measured:?}");
        for number in 0..100 {
            fs::write(dir.path().join(number.to_string()), "").unwrap();
        }
        let most = Taken { bytes: u64::MAX, files: 10 };
        assert_eq!(measure_up_to(dir.path(), &most).unwrap().taken.files, 11);
    }
}
