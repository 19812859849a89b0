//! The threads that write the files of a plan.
//!
//! Every file is created new, below a folder that was made here and is held open: nothing that exists is written to, and
//! no link is followed. A small file costs six calls: read, create, mode, write, close, and nothing else.

use std::{
    fs::File,
    io::{self, Write},
    os::fd::{AsFd, OwnedFd},
    path::{Path, PathBuf},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
    thread,
};

use pipelinex_common::limits::IntakeLimits;
use rustix::{
    fs::{AtFlags, CWD, Mode, OFlags, chmodat, fchmod, mkdirat, openat, symlinkat},
    io::Errno,
};

use super::{
    project_path::ProjectPath,
    refusal::{IntakeError, Refusal, Rule},
    zip_inflate::{Broken, Inflater},
    zip_scan::{Plan, PlannedFile},
};

/// What a thread takes at once, so that neighbours, which share a folder, stay together.
const FILES_AT_ONCE: usize = 16;

const FOLDER_MODE: Mode = Mode::from_raw_mode(0o755);
const FILE_MODE: Mode = Mode::from_raw_mode(0o644);
const EXECUTABLE_MODE: Mode = Mode::from_raw_mode(0o755);

/// Writes everything that is planned, and returns how many bytes that were.
pub(super) fn write_all(
    plan: &Plan,
    archive: &File,
    archive_path: &Path,
    target: &Path,
    limits: &IntakeLimits,
    threads: usize,
    stop: &AtomicBool,
) -> Result<u64, IntakeError> {
    let root = make_root(target)?;
    make_folders(&root, target, plan)?;
    let mut files: Vec<&PlannedFile> = plan.entries.iter().collect();
    files.sort_by_key(|file| file.path.split().0);
    let work = Work {
        archive,
        archive_path,
        root: &root,
        target,
        plan,
        files,
        stop,
        budget: limits.unpacked_bytes,
        next: AtomicUsize::new(0),
        bytes: AtomicU64::new(0),
        failed: Mutex::new(None),
    };
    thread::scope(|scope| {
        let helpers = threads.min(work.files.len().div_ceil(FILES_AT_ONCE)).max(1);
        (0..helpers).for_each(|_| drop(scope.spawn(|| work.run_aside())));
    });
    if let Some(error) = work.failed.into_inner().unwrap_or_else(PoisonError::into_inner) {
        return Err(error);
    }
    if stop.load(Ordering::Relaxed) {
        return Err(IntakeError::io("unpack", archive_path, io::ErrorKind::Interrupted));
    }
    make_links(&root, target, plan)?;
    let linked: u64 = plan.links.iter().map(|link| link.target.len() as u64).sum();
    Ok(work.bytes.into_inner() + linked)
}

fn make_root(target: &Path) -> Result<OwnedFd, IntakeError> {
    match mkdirat(CWD, target, FOLDER_MODE) {
        Ok(()) | Err(Errno::EXIST) => {}
        Err(error) => return Err(IntakeError::io("create", target, error)),
    }
    open_folder(CWD, target).map_err(|error| IntakeError::io("open", target, error))
}

fn make_folders(root: &OwnedFd, target: &Path, plan: &Plan) -> Result<(), IntakeError> {
    for folder in &plan.dirs {
        let path = folder.as_str();
        // The mode of `mkdir` is cut by the umask; containers run as somebody else.
        let made = mkdirat(root, path, FOLDER_MODE).and_then(|()| chmodat(root, path, FOLDER_MODE, AtFlags::empty()));
        made.map_err(|error| not_created(plan, folder, target, error))?;
    }
    Ok(())
}

/// After all files, so that nothing is written through a link; no part of a link's own path is one.
fn make_links(root: &OwnedFd, target: &Path, plan: &Plan) -> Result<(), IntakeError> {
    for link in &plan.links {
        symlinkat(&*link.target, root, link.path.as_str()).map_err(|error| match error {
            // Some file systems hold less than a path may have.
            Errno::NAMETOOLONG => {
                let hint = "its target is longer than the disk of this server holds; make it shorter";
                Refusal::of_entry(Rule::Symlink, link.path.as_str().as_bytes(), hint).into()
            }
            error => not_created(plan, &link.path, target, error),
        })?;
    }
    Ok(())
}

/// Where something is in the way, and paths differ in case alone, the disk forgives case: that is said, and nothing written over.
fn not_created(plan: &Plan, path: &ProjectPath, target: &Path, error: Errno) -> IntakeError {
    match (error, &plan.twins) {
        (Errno::EXIST, Some(twins)) => {
            let hint = format!("rename one of the two: {twins}");
            Refusal::of_entry(Rule::CaseCollision, path.as_str().as_bytes(), hint).into()
        }
        _ => IntakeError::io("create", target.join(path.as_str()), error),
    }
}

fn open_folder(at: impl AsFd, path: impl rustix::path::Arg) -> rustix::io::Result<OwnedFd> {
    openat(at, path, OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty())
}

/// How far the threads give way, as a nice value.
const GIVE_WAY: i32 = 10;

/// What the threads of one unpacking share.
struct Work<'a> {
    archive: &'a File,
    archive_path: &'a Path,
    root: &'a OwnedFd,
    target: &'a Path,
    plan: &'a Plan,
    /// Ordered by folder.
    files: Vec<&'a PlannedFile>,
    stop: &'a AtomicBool,
    budget: u64,
    next: AtomicUsize,
    /// Bytes that really came out, of all threads.
    bytes: AtomicU64,
    /// The first error.
    failed: Mutex<Option<IntakeError>>,
}

/// The folder in which a thread is at work.
struct Folder<'a> {
    path: &'a str,
    fd: OwnedFd,
}

/// Why a thread ends early.
enum Halt {
    /// Somebody said stop: the caller, or a thread that failed.
    Stopped,
    Failed(IntakeError),
}

impl From<IntakeError> for Halt {
    fn from(error: IntakeError) -> Self {
        Self::Failed(error)
    }
}

impl<'a> Work<'a> {
    /// On a thread of its own that gives way: whoever asks the API something meanwhile is not kept waiting for a time slice.
    fn run_aside(&self) {
        // Without the right to, or elsewhere than on Linux, it only gives way less.
        let _ = rustix::process::setpriority_process(None, GIVE_WAY);
        self.run();
    }

    /// Writes files until none is left; the first error stops all threads.
    fn run(&self) {
        if let Err(Halt::Failed(error)) = self.take_files() {
            self.failed.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
            self.stop.store(true, Ordering::Relaxed);
        }
    }

    fn take_files(&self) -> Result<(), Halt> {
        let (mut inflater, mut folder) = (Inflater::new(), None);
        loop {
            let first = self.next.fetch_add(FILES_AT_ONCE, Ordering::Relaxed);
            let Some(left) = self.files.get(first..).filter(|left| !left.is_empty()) else { return Ok(()) };
            for file in left.iter().take(FILES_AT_ONCE) {
                if self.stop.load(Ordering::Relaxed) {
                    return Err(Halt::Stopped);
                }
                self.write_file(file, &mut inflater, &mut folder)?;
                pipelinex_common::fault_point!("intake.mid-extract");
            }
        }
    }

    fn write_file(
        &self,
        file: &'a PlannedFile,
        inflater: &mut Inflater,
        folder: &mut Option<Folder<'a>>,
    ) -> Result<(), Halt> {
        let mut out = self.create(file, folder)?;
        let copied = inflater.copy(self.archive, file, |chunk| {
            self.spend(chunk.len() as u64)?;
            out.write_all(chunk).map_err(|error| IntakeError::io("write", self.path_of(file), error).into())
        });
        copied.map_err(|broken| match broken {
            Broken::Refused(refusal) => Halt::Failed(refusal.into()),
            Broken::Read(error) => Halt::Failed(IntakeError::io("read", self.archive_path, error)),
            Broken::Sink(halt) => halt,
        })
    }

    /// Counts bytes as they come out: whatever the headers say, no more than allowed is written.
    fn spend(&self, bytes: u64) -> Result<(), Halt> {
        if self.stop.load(Ordering::Relaxed) {
            return Err(Halt::Stopped);
        }
        if self.bytes.fetch_add(bytes, Ordering::Relaxed) + bytes > self.budget {
            let hint = format!("a project may have {} bytes; leave out what a build makes", self.budget);
            return Err(Halt::Failed(Refusal::of_archive(Rule::TooLarge, hint).into()));
        }
        Ok(())
    }

    fn create(&self, file: &'a PlannedFile, folder: &mut Option<Folder<'a>>) -> Result<File, IntakeError> {
        let failed = |error| not_created(self.plan, &file.path, self.target, error);
        let (path, name) = file.path.split();
        if !path.is_empty() && folder.as_ref().is_none_or(|folder| folder.path != path) {
            let fd = open_folder(self.root, path).map_err(failed)?;
            *folder = Some(Folder { path, fd });
        }
        let at = folder.as_ref().filter(|_| !path.is_empty()).map_or(self.root, |folder| &folder.fd);
        let mode = if file.executable { EXECUTABLE_MODE } else { FILE_MODE };
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let fd = openat(at, name, flags, mode).map_err(failed)?;
        // The mode of `open` is cut by the umask; containers run as somebody else.
        fchmod(&fd, mode).map_err(failed)?;
        Ok(fd.into())
    }

    fn path_of(&self, file: &PlannedFile) -> PathBuf {
        self.target.join(file.path.as_str())
    }
}

#[cfg(test)]
mod tests {
    use pipelinex_common::testing::zip_builder::ZipBuilder;

    use super::*;
    use crate::intake::scan;

    /// On a disk that forgives case the second of two twins is there already. Here something else is in its place.
    #[test]
    fn what_is_in_the_way_of_a_twin_is_not_written_over() {
        let folder = tempfile::tempdir().unwrap();
        let archive_path = folder.path().join("upload.zip");
        for (names, made) in [(["a", "A"], "A"), (["a/x", "A/y"], "A")] {
            let bytes = names.iter().fold(ZipBuilder::new(), |zip, name| zip.file(name, "new")).build();
            std::fs::write(&archive_path, &bytes).unwrap();
            let plan = scan(io::Cursor::new(bytes), &IntakeLimits::default()).unwrap();
            let target = folder.path().join(names[0].replace('/', "-"));
            std::fs::create_dir(&target).unwrap();
            std::fs::write(target.join(made), "old").unwrap();
            let archive = File::open(&archive_path).unwrap();
            let limits = IntakeLimits::default();
            let refused =
                write_all(&plan, &archive, &archive_path, &target, &limits, 1, &AtomicBool::new(false)).unwrap_err();
            assert!(matches!(&refused, IntakeError::Refused(r) if r.rule == Rule::CaseCollision), "{refused}");
            assert_eq!(std::fs::read(target.join(made)).unwrap(), b"old");
        }
    }

    /// The scan has already refused what declares too much; this counts what really comes out, should that ever differ.
    #[test]
    fn bytes_are_counted_as_they_come_out() {
        let folder = tempfile::tempdir().unwrap();
        let archive_path = folder.path().join("upload.zip");
        let bytes = ZipBuilder::new().file("a", vec![b'a'; 600]).file("b", vec![b'b'; 600]).build();
        std::fs::write(&archive_path, &bytes).unwrap();
        let plan = scan(io::Cursor::new(bytes), &IntakeLimits::default()).unwrap();
        let archive = File::open(&archive_path).unwrap();
        let write = |target: &str, unpacked_bytes| {
            let limits = IntakeLimits { unpacked_bytes, ..IntakeLimits::default() };
            let target = folder.path().join(target);
            write_all(&plan, &archive, &archive_path, &target, &limits, 2, &AtomicBool::new(false))
        };
        assert_eq!(write("enough", 1200).unwrap(), 1200);
        let refused = write("short", 1199);
        assert!(matches!(&refused, Err(IntakeError::Refused(r)) if r.rule == Rule::TooLarge), "{refused:?}");
    }
}
