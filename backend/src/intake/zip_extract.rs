//! Unpacks a ZIP into a folder of ours: scan first, then a few threads that write, and stop soon when nobody waits.

use std::{
    fs::File,
    io::{self, BufReader, Read, Seek, SeekFrom},
    os::unix::fs::FileExt,
    path::Path,
    sync::{
        Arc, LazyLock,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

use pipelinex_common::limits::IntakeLimits;
use tokio::sync::Semaphore;

use super::{
    refusal::IntakeError,
    zip_scan::{Plan, ScanError, scan},
    zip_warning::Warning,
    zip_workers::write_all,
};

/// The threads of one unpacking: more do not make a disk faster.
const THREADS_PER_ARCHIVE: usize = 4;
/// The headers that the scan reads are small and far apart.
const SCAN_BUFFER_BYTES: usize = 1024;

/// Threads that unpack, in the whole process: many uploads wait for each other and leave the machine to the API.
static UNPACKING_THREADS: LazyLock<Arc<Semaphore>> = LazyLock::new(|| Arc::new(Semaphore::new(2 * cores())));

/// What was unpacked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unpacked {
    /// Files written, links included.
    pub files: u64,
    /// Bytes written.
    pub bytes: u64,
    /// The single top folder that was peeled off.
    pub peeled: Option<String>,
    /// What the submitter should know.
    pub warnings: Vec<Warning>,
}

/// Unpacks `archive` into `target`, a folder that is created here, or is empty.
///
/// After an error, `target` may hold a part: it belongs to staging, which removes it as a whole. A refusal by the scan
/// comes before anything is created. Nothing is synced: the store does that once for the whole job. If the future is
/// dropped, the threads end at their next chunk; until then they may still write into `target`.
pub async fn unpack(archive: &Path, target: &Path, limits: &IntakeLimits) -> Result<Unpacked, IntakeError> {
    let threads = cores().min(THREADS_PER_ARCHIVE);
    // The semaphore is never closed, so that there always is a permit.
    let permits = u32::try_from(threads).unwrap_or(1);
    let permit = UNPACKING_THREADS.clone().acquire_many_owned(permits).await.ok();
    let stop = StopOnDrop(Arc::default());
    let (source, target, limits) = (archive.to_owned(), target.to_owned(), limits.clone());
    let stopped = stop.0.clone();
    let unpacking = tokio::task::spawn_blocking(move || {
        // Held by the threads, not by the future: who hangs up does not make room before they have ended.
        let _permit = permit;
        unpack_blocking(&source, &target, &limits, threads, &stopped)
    });
    unpacking.await.unwrap_or_else(|panic| Err(IntakeError::io("unpack", archive, io::Error::other(panic))))
}

fn cores() -> usize {
    thread::available_parallelism().map_or(1, usize::from)
}

struct StopOnDrop(Arc<AtomicBool>);

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

fn unpack_blocking(
    archive: &Path,
    target: &Path,
    limits: &IntakeLimits,
    threads: usize,
    stop: &AtomicBool,
) -> Result<Unpacked, IntakeError> {
    let file = File::open(archive).map_err(|error| IntakeError::io("open", archive, error))?;
    let plan = plan(&file, limits).map_err(|error| match error {
        ScanError::Refused(refusal) => IntakeError::Refused(refusal),
        ScanError::Read(error) => IntakeError::io("read", archive, error),
    })?;
    let bytes = write_all(&plan, &file, archive, target, limits, threads, stop)?;
    let Plan { entries, links, peeled, warnings, .. } = plan;
    Ok(Unpacked { files: (entries.len() + links.len()) as u64, bytes, peeled, warnings })
}

fn plan(file: &File, limits: &IntakeLimits) -> Result<Plan, ScanError> {
    let reader = Pread { file, length: file.metadata()?.len(), position: 0 };
    scan(BufReader::with_capacity(SCAN_BUFFER_BYTES, reader), limits)
}

/// A file that is read by position: to seek costs nothing, and nobody else's position moves.
struct Pread<'a> {
    file: &'a File,
    length: u64,
    position: u64,
}

impl Read for Pread<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read_at(buffer, self.position)?;
        self.position += read as u64;
        Ok(read)
    }
}

impl Seek for Pread<'_> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let position = match to {
            SeekFrom::Start(position) => Some(position),
            SeekFrom::End(offset) => self.length.checked_add_signed(offset),
            SeekFrom::Current(offset) => self.position.checked_add_signed(offset),
        };
        self.position = position.ok_or(io::ErrorKind::InvalidInput)?;
        Ok(self.position)
    }
}
