//! Hard limits of what a step writes, where the file system keeps them itself: project quotas of ext4 and XFS.
//!
//! A project's number is set on a step's folders before anything is in them, and whatever is made in them belongs to the same project.
//! The kernel's calls for this have no safe wrapper in Rust, so the usual programs are asked: `chattr` (e2fsprogs) and `setquota`
//! (quota), two calls a tree. How much is used costs none: the file system tells it of each of these folders as if it were a disk.

use std::{
    ffi::OsStr,
    fs::{self, File},
    os::unix::{fs::MetadataExt, process::CommandExt},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use pipelinex_common::{
    foreign::Taken,
    free_space::Disk,
    store::{RUNNER_GID, RUNNER_UID},
};

/// Numbers of our projects are at least this one: below it are those that people give.
const FIRST: u64 = 1 << 30;
/// A project that has less than so many bytes left has used its quota up: what did not fit was not written.
const SLACK: u64 = 64 * 1024;
/// What the probe allows, in bytes, and tries to pass.
const PROBE_BYTES: u64 = 1024 * 1024;

/// A file system that keeps quotas of projects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quotas {
    /// Where it is mounted.
    pub mounted: PathBuf,
    /// Its kind, such as `ext4`.
    pub kind: String,
}

impl Quotas {
    /// Finds out whether the file system of a folder keeps quotas, by trying to pass one there. Blocks.
    ///
    /// # Errors
    /// Why it does not, as the end of a sentence.
    pub fn probe(folder: &Path) -> Result<Self, String> {
        let mounts = fs::read_to_string("/proc/self/mountinfo").map_err(|error| error.to_string())?;
        let place = folder.canonicalize().map_err(|error| error.to_string())?;
        let quotas = mounted(&mounts, &place)?;
        if !rustix::process::geteuid().is_root() {
            return Err("only root sets project quotas".to_owned());
        }
        let probe = place.join(format!(".quota-{}", uuid::Uuid::new_v4().as_simple()));
        fs::create_dir(&probe).map_err(|error| error.to_string())?;
        let tried = quotas.try_to_pass(&probe);
        let removed = fs::remove_dir_all(&probe).map_err(|error| error.to_string());
        tried.and(removed)?;
        Ok(quotas)
    }

    fn try_to_pass(&self, probe: &Path) -> Result<(), String> {
        let most = Taken { bytes: PROBE_BYTES, files: 100 };
        self.limit(&[probe], &most)?;
        if taken(probe, probe.parent().unwrap_or(probe), &most).is_none() {
            return Err("the file system does not tell how much of a quota is used".to_owned());
        }
        let passed = write_as_runner(&probe.join("file"), 2 * PROBE_BYTES).map_err(|error| error.to_string())?;
        if passed { Err("the file system lets a quota be passed".to_owned()) } else { Ok(()) }
    }

    /// Limits what these folders, which are empty or limited already, may take together. The first one's inode gives the project
    /// its number, so no two that are there at the same time share one.
    ///
    /// # Errors
    /// What the programs said.
    pub fn limit(&self, folders: &[&Path], most: &Taken) -> Result<(), String> {
        let first = folders.first().ok_or("no folder")?;
        let inode = fs::symlink_metadata(first).map_err(|error| error.to_string())?.ino();
        let project = (FIRST | (inode & (FIRST - 1))).to_string();
        for folder in folders {
            let args = ["-p", &project, "+P", "--"].map(OsStr::new);
            run(Command::new("chattr").args(args).arg(folder))?;
        }
        let blocks = (most.bytes / 1024).max(1).to_string();
        let args = ["-P", &project, "0", &blocks, "0", &most.files.to_string()];
        run(Command::new("setquota").args(args).arg(&self.mounted))
    }
}

/// Writes a file as the user of runners, whom quotas hold back: root may pass some. Returns whether it was written whole.
fn write_as_runner(path: &Path, bytes: u64) -> std::io::Result<bool> {
    let mut write = Command::new("head");
    write.args(["-c", &bytes.to_string(), "/dev/zero"]).uid(RUNNER_UID).gid(RUNNER_GID).current_dir("/");
    Ok(write.stdout(File::create(path)?).stderr(Stdio::null()).status()?.success())
}

/// What a folder with a quota takes of it; all of it where no more fits. `None` where it has none of at most this.
pub fn taken(folder: &Path, root: &Path, most: &Taken) -> Option<Taken> {
    let (of_folder, of_root) = (Disk::of(folder).ok()?, Disk::of(root).ok()?);
    let has_one =
        of_folder.all != of_root.all && of_folder.all.bytes <= most.bytes && of_folder.all.files <= most.files;
    has_one.then(|| used(&of_folder, most))
}

fn used(quota: &Disk, most: &Taken) -> Taken {
    let used = quota.used();
    Taken {
        bytes: if quota.free.bytes < SLACK { most.bytes + 1 } else { used.bytes },
        files: if quota.free.files == 0 { most.files + 1 } else { used.files },
    }
}

/// The mount that a folder is on, if it keeps quotas of projects.
fn mounted(mounts: &str, folder: &Path) -> Result<Quotas, String> {
    let row = |line: &str| {
        let (mount, file_system) = line.split_once(" - ")?;
        let mut kind = file_system.split(' ');
        let (kind, options) = (kind.next()?.to_owned(), kind.nth(1)?.to_owned());
        Some((PathBuf::from(mount.split(' ').nth(4)?.replace("\\040", " ")), kind, options))
    };
    let above = mounts.lines().filter_map(row).filter(|(at, ..)| folder.starts_with(at));
    // Of several at the same place the last one is seen.
    let found = above.max_by_key(|(at, ..)| at.as_os_str().len());
    let (mounted, kind, options) = found.ok_or("its file system is not known")?;
    if !["ext4", "xfs"].contains(&kind.as_str()) {
        return Err(format!("{kind} has none"));
    }
    let keeps = options.split(',').any(|option| ["prjquota", "pquota"].contains(&option));
    keeps.then_some(Quotas { mounted, kind: kind.clone() }).ok_or(format!("{kind} is mounted without prjquota"))
}

fn run(command: &mut Command) -> Result<(), String> {
    let program = command.get_program().to_string_lossy().into_owned();
    let ended = command.output().map_err(|error| format!("{program} cannot be run: {error}"))?;
    let said = String::from_utf8_lossy(&ended.stderr).trim().to_owned();
    ended.status.success().then_some(()).ok_or_else(|| format!("{program}: {said}"))
}

#[cfg(test)]
mod tests {
    use pipelinex_common::testing::SmallDisk;

    use super::*;

    #[test]
    fn only_a_file_system_that_is_mounted_with_project_quotas_counts() {
        let mounts = "\
22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw\n\
30 22 254:1 / /srv rw,relatime shared:2 - xfs /dev/vdb rw,attr2,prjquota\n\
31 30 254:2 / /srv/a\\040b rw,relatime - ext4 /dev/vdc rw,prjquota\n\
32 30 0:40 / /srv/memory rw - tmpfs tmpfs rw,size=64k\n\
33 30 254:3 / /srv/counted rw - xfs /dev/vdd rw,pqnoenforce\n";
        let found = |folder: &str| mounted(mounts, Path::new(folder)).map(|found| (found.mounted, found.kind));
        let keeps = |at: &str, kind: &str| Ok((PathBuf::from(at), kind.to_owned()));
        assert_eq!(found("/srv/workspaces"), keeps("/srv", "xfs"));
        assert_eq!(found("/srv/a b/workspaces"), keeps("/srv/a b", "ext4"));
        assert_eq!(found("/home"), Err("ext4 is mounted without prjquota".to_owned()));
        assert_eq!(found("/srv/memory/x"), Err("tmpfs has none".to_owned()));
        assert_eq!(found("/srv/counted"), Err("xfs is mounted without prjquota".to_owned()));
    }

    #[test]
    fn a_quota_that_is_used_up_is_more_than_was_allowed() {
        let most = Taken { bytes: 1 << 20, files: 100 };
        let quota = |bytes, files| Disk { all: most, free: Taken { bytes, files }, read_only: false };
        assert_eq!(used(&quota(1 << 19, 60), &most), Taken { bytes: 1 << 19, files: 40 });
        assert!(used(&quota(4096, 60), &most).bytes > most.bytes);
        assert!(used(&quota(1 << 19, 0), &most).files > most.files);
    }

    #[test]
    fn without_quotas_it_is_said_why_and_nothing_is_left() {
        let disk = SmallDisk::in_memory();
        assert_eq!(Quotas::probe(disk.path()), Err("tmpfs has none".to_owned()));
        assert_eq!(fs::read_dir(disk.path()).unwrap().count(), 0);
    }

    /// Where the kernel of this machine can: not all have CONFIG_QFMT_V2. PIPELINEX_QUOTA_TEST=required asks for such a kernel.
    #[test]
    #[expect(clippy::print_stdout, reason = "a test that could not run says so")]
    fn what_is_in_a_tree_cannot_pass_its_quota_and_is_told_without_counting() {
        let Some(disk) = SmallDisk::ext4_with_quotas() else {
            let required = std::env::var("PIPELINEX_QUOTA_TEST").is_ok_and(|asked| asked == "required");
            assert!(!required, "PIPELINEX_QUOTA_TEST=required, and no ext4 with project quotas can be mounted here");
            println!("NOT RUN: no ext4 with project quotas can be mounted here");
            return;
        };
        let quotas = Quotas::probe(disk.path()).unwrap();
        let (tree, beside) = (disk.path().join("tree"), disk.path().join("beside"));
        [&tree, &beside].into_iter().for_each(|folder| fs::create_dir(folder).unwrap());
        let most = Taken { bytes: 4 << 20, files: 50 };
        quotas.limit(&[&tree, &beside], &most).unwrap();
        fs::create_dir_all(tree.join("a/b")).unwrap();
        fs::write(tree.join("a/b/file"), vec![1; 1 << 20]).unwrap();
        let now = taken(&tree, disk.path(), &most).unwrap();
        assert!((1 << 20..2 << 20).contains(&now.bytes) && now.files == 5, "{now:?}");
        assert!(!write_as_runner(&beside.join("large"), 4 << 20).unwrap());
        assert!(taken(&tree, disk.path(), &most).unwrap().exceeds(&most));
        assert_eq!(taken(disk.path(), disk.path(), &most), None);
    }
}
