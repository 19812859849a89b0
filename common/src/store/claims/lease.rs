//! What a claim can be judged by in a folder: its lock, or its heartbeat alone.
//!
//! A lock is taken by the kernel from whoever dies, so a free one shows a dead holder at once. That holds only where all
//! who look share that kernel and the kernel keeps the lock itself. File systems of the network keep it elsewhere, in ways that
//! differ by version and mount option, and give it up when a connection breaks while the holder lives. So a lock is believed on
//! the file systems listed here and on no other: one that nobody knows costs 20 seconds and no job.

use std::{fmt, path::Path};

use crate::disk::DiskError;

/// By what the claims in a folder are judged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Lease {
    /// By the lock, and by the heartbeat of a holder that is alive and does nothing.
    Lock {
        /// The local file system.
        file_system: &'static str,
    },
    /// By the heartbeat alone.
    Heartbeat {
        /// The file system that is not known to be local.
        file_system: String,
    },
}

/// Local file systems whose locks are kept by this machine's kernel, by the magic number that `statfs` tells. An overlay is
/// one: it is mounted over local ones only (the kernel refuses others as its upper layer).
const LOCAL: [(u32, &str); 12] = [
    (0x0000_EF53, "ext4"),
    (0x5846_5342, "xfs"),
    (0x9123_683E, "btrfs"),
    (0x0102_1994, "tmpfs"),
    (0x794C_7630, "overlay"),
    (0xF2F5_2010, "f2fs"),
    (0x2FC1_2FC1, "zfs"),
    (0xCA45_1A4E, "bcachefs"),
    (0x3153_464A, "jfs"),
    (0x5265_4973, "reiserfs"),
    (0x0000_3434, "nilfs"),
    (0x8584_58F6, "ramfs"),
];

/// File systems of the network and of user space, for a name that says something to a person.
const REMOTE: [(u32, &str); 13] = [
    (0x0000_6969, "nfs"),
    (0xFF53_4D42, "cifs"),
    (0xFE53_4D42, "smb"),
    (0x0000_517B, "smb"),
    (0x6573_5546, "fuse"),
    (0x0102_1997, "9p"),
    (0x00C3_6400, "ceph"),
    (0x5346_414F, "afs"),
    (0x0BD0_0BD0, "lustre"),
    (0x0116_1970, "gfs2"),
    (0x7461_636F, "ocfs2"),
    (0x4750_4653, "gpfs"),
    (0x7372_7279, "coda"),
];

impl Lease {
    /// By what claims in this folder are judged.
    ///
    /// # Errors
    /// [`DiskError::Io`] when the folder's file system cannot be asked for.
    pub fn of(folder: &Path) -> Result<Self, DiskError> {
        let stat = rustix::fs::statfs(folder).map_err(|error| DiskError::io("look at", folder)(error.into()))?;
        // The field has another width on other machines; the number has 32 bits on all.
        Ok(Self::of_magic(stat.f_type as u32))
    }

    fn of_magic(magic: u32) -> Self {
        let named =
            |list: &[(u32, &'static str)]| list.iter().find(|(number, _)| *number == magic).map(|(_, name)| *name);
        match (named(&LOCAL), named(&REMOTE)) {
            (Some(file_system), _) => Self::Lock { file_system },
            (None, Some(name)) => Self::Heartbeat { file_system: name.to_owned() },
            (None, None) => Self::Heartbeat { file_system: format!("unknown, {magic:#x}") },
        }
    }

    /// Whether a lock is believed.
    pub fn is_lock(&self) -> bool {
        matches!(self, Self::Lock { .. })
    }
}

impl fmt::Display for Lease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Lock { file_system } => write!(f, "by lock ({file_system})"),
            Self::Heartbeat { file_system } => write!(f, "by heartbeat alone ({file_system})"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_is_believed_on_local_file_systems_that_are_known_and_on_no_other() {
        for (magic, _) in LOCAL {
            assert!(Lease::of_magic(magic).is_lock(), "{magic:#x}");
        }
        for (magic, name) in REMOTE {
            assert_eq!(Lease::of_magic(magic), Lease::Heartbeat { file_system: name.to_owned() });
        }
        let unknown = Lease::of_magic(0x1234_5678);
        assert!(!unknown.is_lock());
        assert_eq!(unknown.to_string(), "by heartbeat alone (unknown, 0x12345678)");
    }

    #[test]
    fn the_kernel_is_asked() {
        // Nobody keeps jobs there, and it is on every machine: a file system that is not on the list.
        assert!(!Lease::of(Path::new("/proc")).unwrap().is_lock());
        assert!(Lease::of(&std::env::temp_dir()).unwrap().is_lock(), "tests run on a local file system");
        assert!(Lease::of(Path::new("/proc/none")).is_err());
    }
}
