//! A file system of its own that a test can fill: mounted by the test, which has to be root, and unmounted at its end.

use std::{
    fs::File,
    path::{Path, PathBuf},
    process::Command,
};

use rustix::fs::{FallocateFlags, fallocate, statvfs};
use tempfile::TempDir;

/// The size of the disk, in bytes.
const BYTES: u64 = 64 * 1024 * 1024;
/// What takes the space away; it belongs to nobody under test.
const FILLER: &str = ".filler";
/// What takes the inodes away.
const FILES: &str = ".files";

/// A disk of 64 MiB.
pub struct SmallDisk {
    folder: TempDir,
    root: PathBuf,
}

impl SmallDisk {
    /// One in memory: it is full to the byte that was asked for.
    pub fn in_memory() -> Self {
        Self::mounted(|_, root| run(Command::new("mount").args(["-t", "tmpfs", "-o", "size=64m", "tmpfs"]).arg(root)))
    }

    /// An ext4 in a file; `None` where there are no loop devices.
    pub fn ext4() -> Option<Self> {
        Self::ext4_made_with(&[])
    }

    fn ext4_made_with(how: &[&str]) -> Option<Self> {
        Path::new("/dev/loop-control").exists().then(|| {
            Self::mounted(|folder, root| {
                let image = folder.join("image");
                File::create(&image).and_then(|file| file.set_len(BYTES)).expect("an image file");
                run(Command::new("mkfs.ext4").args(["-q", "-m", "0"]).args(how).arg(&image));
                run(Command::new("mount").args(["-o", "loop"]).arg(&image).arg(root));
            })
        })
    }

    /// An ext4 in a file with quotas of projects; `None` where the kernel has none, or there are no loop devices.
    pub fn ext4_with_quotas() -> Option<Self> {
        let folder = tempfile::tempdir().expect("a folder to mount in");
        let (root, image) = (folder.path().join("disk"), folder.path().join("image"));
        std::fs::create_dir(&root).expect("a place to mount at");
        File::create(&image).and_then(|file| file.set_len(BYTES)).expect("an image file");
        let features = ["-q", "-m", "0", "-O", "quota,project", "-E", "quotatype=prjquota"];
        run(Command::new("mkfs.ext4").args(features).arg(&image));
        let mounted = Command::new("mount").args(["-o", "loop,prjquota"]).arg(&image).arg(&root).output();
        mounted.is_ok_and(|ended| ended.status.success()).then_some(Self { folder, root })
    }

    /// One in memory with so few inodes that a test can use them up.
    pub fn with_few_inodes(inodes: u64) -> Self {
        let options = format!("size=64m,nr_inodes={inodes}");
        Self::mounted(|_, root| run(Command::new("mount").args(["-t", "tmpfs", "-o", &options, "tmpfs"]).arg(root)))
    }

    /// An ext4 in a file with so few inodes; `None` where there are no loop devices.
    pub fn ext4_with_few_inodes(inodes: u64) -> Option<Self> {
        Self::ext4_made_with(&["-N", &inodes.to_string()])
    }

    /// Takes inodes away until none is left.
    pub fn take_inodes(&self) {
        let folder = self.root.join(FILES);
        let _ = std::fs::create_dir(&folder);
        let mut number = 0;
        while File::create_new(folder.join(number.to_string())).is_ok() || folder.join(number.to_string()).exists() {
            number += 1;
        }
    }

    /// Gives them back.
    pub fn give_inodes(&self) {
        let _ = std::fs::remove_dir_all(self.root.join(FILES));
    }

    fn mounted(mount: impl FnOnce(&Path, &Path)) -> Self {
        let folder = tempfile::tempdir().expect("a folder to mount in");
        let root = folder.path().join("disk");
        std::fs::create_dir(&root).expect("a place to mount at");
        mount(folder.path(), &root);
        Self { folder, root }
    }

    /// Where it is mounted.
    pub fn path(&self) -> &Path {
        &self.root
    }

    /// How much can be written, in bytes.
    pub fn free(&self) -> u64 {
        let stat = statvfs(&self.root).expect("a disk says how it is");
        stat.f_bavail * stat.f_frsize
    }

    /// Takes space away until so many bytes are left. Returns how many are.
    pub fn leave(&self, bytes: u64) -> u64 {
        self.make_room();
        let filler = File::create(self.root.join(FILLER)).expect("a filler");
        // A file system keeps some of it for its own tables, so this comes closer step by step.
        let mut size = 0;
        let mut step = self.free().saturating_sub(bytes);
        while step >= 4096 {
            if self.free() >= bytes + step && fallocate(&filler, FallocateFlags::empty(), size, step).is_ok() {
                size += step;
            } else {
                step /= 2;
            }
        }
        self.free()
    }

    /// Gives the space back.
    pub fn make_room(&self) {
        // A program that another thread is just starting may still hold it: cut to nothing, it takes no space even then.
        let _ = File::options().write(true).open(self.root.join(FILLER)).and_then(|filler| filler.set_len(0));
        let _ = std::fs::remove_file(self.root.join(FILLER));
        // A journal gives blocks to others once their removal is written.
        crate::disk::sync_file_system(&self.root).expect("a disk that can be synced");
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // What still has a file open there keeps it until it ends; the name is free at once.
        let _ = Command::new("umount").arg("-l").arg(&self.root).status();
        let _ = self.folder.path();
    }
}

fn run(command: &mut Command) {
    let ended = command.output().expect("mount and mkfs are there");
    let said = String::from_utf8_lossy(&ended.stderr).into_owned();
    assert!(ended.status.success(), "{command:?} (this test needs root): {said}");
}
