//! Files that have no name any more and take room as long as somebody has them open: no walk over a tree finds them.
//!
//! The kernel names what the processes of a container have open or mapped, in `/proc`. Each of these names is only looked at, through
//! the kernel's own link; nothing is opened. To see them, this process must be root in the engine's own process namespace.

use std::{
    collections::HashSet,
    fs,
    path::{Path, PathBuf},
};

use rustix::fs::{FileType, stat, statfs};

use super::measure::Taken;

/// How many descriptors and mappings are looked at.
const LOOKED_AT_MAX: usize = 100_000;
/// File systems in memory (tmpfs, hugetlbfs): what lies there counts as memory already.
const IN_MEMORY: [u64; 2] = [0x0102_1994, 0x9584_58f6];

/// What processes hold of files without a name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Held {
    /// What was seen.
    pub taken: Taken,
    /// Whether that is all: they may have more open than is looked at.
    pub whole: bool,
}

/// What the processes of these containers hold of files without a name; `None` where this process cannot see them.
pub fn held_by(containers: &[String]) -> Option<Held> {
    let processes = processes_of(containers);
    if processes.is_empty() { None } else { held_of(&processes, LOOKED_AT_MAX) }
}

/// Looks at no more than so many descriptors and mappings.
fn held_of(processes: &[PathBuf], mut left: usize) -> Option<Held> {
    let (mut seen, mut taken) = (HashSet::new(), Taken::default());
    for process in processes {
        for links in [process.join("fd"), process.join("map_files")] {
            let entries = match fs::read_dir(&links) {
                Ok(entries) => entries,
                // It has ended meanwhile.
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
                Err(_) => return None,
            };
            for entry in entries.flatten() {
                if left == 0 {
                    return Some(Held { taken, whole: false });
                }
                left -= 1;
                taken = taken.plus(nameless(&entry.path(), &mut seen).unwrap_or_default());
            }
        }
    }
    Some(Held { taken, whole: true })
}

/// The processes of containers, as folders of `/proc`. A control group carries the container's id whatever made it.
fn processes_of(containers: &[String]) -> Vec<PathBuf> {
    let is_number = |path: &Path| path.file_name().is_some_and(|name| name.as_encoded_bytes()[0].is_ascii_digit());
    let is_one = |groups: &str| containers.iter().any(|id| !id.is_empty() && groups.contains(id.as_str()));
    let is_in = |path: &PathBuf| fs::read_to_string(path.join("cgroup")).is_ok_and(|groups| is_one(&groups));
    let all = fs::read_dir("/proc").into_iter().flatten().flatten().map(|entry| entry.path());
    all.filter(|path| is_number(path)).filter(is_in).collect()
}

/// What a file takes that is open under this link, if it has no name, was not seen yet, and is on a disk.
fn nameless(link: &Path, seen: &mut HashSet<(u64, u64)>) -> Option<Taken> {
    let stat = stat(link).ok()?;
    let is_file = FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile;
    if !is_file || stat.st_nlink > 0 || !seen.insert((stat.st_dev, stat.st_ino)) {
        return None;
    }
    let kind = statfs(link).ok()?.f_type as u64 & 0xffff_ffff;
    let bytes = u64::try_from(stat.st_blocks).unwrap_or(0) * 512;
    (!IN_MEMORY.contains(&kind)).then_some(Taken { bytes, files: 1 })
}

#[cfg(test)]
mod tests {
    use std::{fs::File, io::Write};

    use super::*;

    #[test]
    fn an_open_file_without_a_name_is_seen_once_and_one_with_a_name_never() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        let mut file = File::create(&path).unwrap();
        file.write_all(&[1; 100_000]).unwrap();
        use std::os::fd::AsRawFd;
        let link = PathBuf::from(format!("/proc/self/fd/{}", file.as_raw_fd()));
        let mut seen = HashSet::new();
        assert_eq!(nameless(&link, &mut seen), None);
        fs::remove_file(&path).unwrap();
        let taken = nameless(&link, &mut seen).unwrap();
        assert!(taken.bytes >= 100_000 && taken.files == 1, "{taken:?}");
        assert_eq!(nameless(&link, &mut seen), None, "by another descriptor of the same file");
        assert_eq!(held_by(&["no such container".to_owned(), String::new()]), None);
        let me = [PathBuf::from("/proc/self")];
        let all = held_of(&me, LOOKED_AT_MAX).unwrap();
        assert!(all.whole && all.taken.bytes >= 100_000, "{all:?}");
        assert!(!held_of(&me, 2).unwrap().whole, "more is open than was looked at");
    }
}
