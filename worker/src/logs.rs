//! The log of a step: append-only text, and an index that ties it to the engine's own record.
//!
//! A row of the index is `lines stored_end received_ms`, written after the text it speaks of, once for each write that ends on
//! a line. Whoever takes a step over cuts both files to what they agree on and skips that many whole lines of the engine's
//! log: never bytes, because engines replace invalid UTF-8 in their record and so change lengths, but not line ends.

mod recorded;
mod taken_up;
#[cfg(test)]
mod tests;

use std::{
    collections::VecDeque,
    fs::{self, File},
    io::Write,
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

use pipelinex_common::{
    disk::{self, DiskError},
    layout::JobPaths,
    limits::StepLimits,
    slug::Slug,
};

use crate::mask::{Mask, Masking};

use self::{
    recorded::Recorded,
    taken_up::{SkipLines, agreed, restart},
};

/// How much of the end of a log is kept when it is too long to store.
const TAIL_BYTES: usize = 64 * 1024;

/// A row of the index is written when so much was stored since the last one,
const ROW_BYTES: u64 = 4096;
/// or when so much time has passed.
const ROW_PAUSE: Duration = Duration::from_millis(200);

/// The bytes that an engine stores of an output that is printed whole.
pub fn recorded_bytes(printed: &[u8]) -> u64 {
    let mut recorded = Recorded::default();
    recorded.take(printed);
    recorded.bytes()
}

/// What became of a piece of log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Appended {
    /// Stored, or counted where nothing more is stored.
    Taken,
    /// The engine has stored more of the output than it may.
    TooMuch,
}

/// Where the log of a step is. That there is one says that the step had a container.
#[derive(Clone, Copy, Debug)]
pub struct LogPlace<'a> {
    /// The job's files.
    pub paths: &'a JobPaths,
    /// The step.
    pub step: &'a Slug,
    /// What may be stored.
    pub limits: &'a StepLimits,
    /// What is taken out of it.
    pub mask: &'a Mask,
}

impl LogPlace<'_> {
    /// Opens the log, cut to what text and index agree on.
    ///
    /// # Errors
    /// [`DiskError`].
    pub fn open(&self) -> Result<LogWriter, DiskError> {
        let log = LogWriter::open(self.paths, self.step, self.limits)?;
        Ok(LogWriter { masking: self.mask.stream(), ..log })
    }

    /// Whether there is one.
    pub fn is_there(&self) -> bool {
        self.paths.log(self.step).exists()
    }

    /// Removes the log of a container that was never started.
    ///
    /// # Errors
    /// [`DiskError`].
    pub fn discard(&self) -> Result<(), DiskError> {
        for path in [self.paths.log_index(self.step), self.paths.log(self.step)] {
            match fs::remove_file(&path) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    return Err(DiskError::io("remove", path)(error));
                }
                _ => {}
            }
        }
        Ok(())
    }
}

/// Writes the log of one step.
#[derive(Debug)]
pub struct LogWriter {
    text: Arc<File>,
    index: File,
    path: PathBuf,
    tail_path: PathBuf,
    stored: u64,
    lines: u64,
    /// What the engine has stored of this output.
    recorded: Recorded,
    stored_limit: u64,
    raw_limit: u64,
    /// What came after storing stopped; `None` while everything is stored.
    tail: Option<VecDeque<u8>>,
    /// Whether text was written that nobody has asked the disk to keep yet.
    unsynced: bool,
    /// What a follower of the engine's record has to pass over, because it is stored already.
    skip: SkipLines,
    /// Where the last row of the index ends, and when it was written.
    last_row: Option<(u64, Instant)>,
    /// Bytes of the index in whole rows.
    rows: u64,
    /// What the disk had no space for.
    gap: Gap,
    /// What of it nobody may read.
    masking: Masking,
}

/// A part of a log that a full disk kept away. The step goes on: its log is a record of it and no reason for it to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Gap {
    /// Everything is there.
    None,
    /// Something is missing, and the log does not say so yet.
    Unmarked,
    /// The log says where.
    Marked,
}

/// Stands in a log where something is missing.
const GAP_MARKER: &str = "\n[pipelinex] the disk was full: a part of this log is missing here\n";

impl LogWriter {
    /// Opens the log of a step. What a former holder wrote stays, as far as text and index agree on it; into new files, so that
    /// an older holder's open descriptor writes into nothing. A follower of
    /// the engine's record passes over what is in it already.
    ///
    /// # Errors
    /// [`DiskError`].
    pub fn open(paths: &JobPaths, step: &Slug, limits: &StepLimits) -> Result<Self, DiskError> {
        let (path, index_path) = (paths.log(step), paths.log_index(step));
        let (lines, stored, rows) = agreed(&path, &index_path)?;
        let text = restart(&path, stored)?;
        let index = restart(&index_path, rows)?;
        Ok(Self {
            text: Arc::new(text),
            index,
            path,
            tail_path: paths.log_tail(step),
            stored,
            lines,
            recorded: Recorded::default(),
            stored_limit: limits.log_stored_bytes,
            raw_limit: limits.log_raw_bytes,
            tail: None,
            unsynced: true,
            skip: SkipLines(lines),
            last_row: None,
            rows,
            gap: Gap::None,
            masking: Mask::default().stream(),
        })
    }

    /// Whole lines in the log.
    #[cfg(test)]
    fn lines(&self) -> u64 {
        self.lines
    }

    /// Whether somebody else has opened this log since: what is written here goes nowhere.
    pub fn was_taken(&self) -> bool {
        use std::os::unix::fs::MetadataExt;
        self.text.metadata().is_ok_and(|meta| meta.nlink() == 0)
    }

    /// Appends what a container has printed, from its first byte on, as far as it is not stored already.
    ///
    /// # Errors
    /// [`DiskError`].
    pub fn append_following(&mut self, bytes: &[u8]) -> Result<Appended, DiskError> {
        // What is stored here already takes room in the engine's record as well.
        self.recorded.take(bytes);
        let mut skip = self.skip;
        let fresh = skip.pass(bytes);
        self.skip = skip;
        // After whole lines were counted: a mark takes no line end away, and what is held back is none.
        let masked = self.masking.take(fresh);
        self.append(&masked)?;
        Ok(if self.recorded.bytes() > self.raw_limit { Appended::TooMuch } else { Appended::Taken })
    }

    fn append(&mut self, bytes: &[u8]) -> Result<(), DiskError> {
        if bytes.is_empty() {
            return Ok(());
        }
        self.unsynced = true;
        let room = self.stored_limit.saturating_sub(self.stored).min(bytes.len() as u64) as usize;
        let (store, rest) = if self.tail.is_some() { (&[][..], bytes) } else { bytes.split_at(room) };
        let store = if self.store(store)? { store } else { &[] };
        self.lines += bytes.iter().filter(|byte| **byte == b'\n').count() as u64;
        if !rest.is_empty() {
            self.keep_tail(rest)?;
        } else if store.ends_with(b"\n") && self.row_is_due() {
            self.write_row()?;
        }
        Ok(())
    }

    /// Writes text, whole or not at all. `false` when the disk is full: the log then says where something is missing.
    fn store(&mut self, bytes: &[u8]) -> Result<bool, DiskError> {
        if bytes.is_empty() {
            return Ok(true);
        }
        if self.gap == Gap::Unmarked && self.mark_gap()? == Gap::Unmarked {
            return Ok(false);
        }
        if self.append_whole(bytes)? {
            self.gap = Gap::None;
            return Ok(true);
        }
        if self.gap == Gap::None {
            tracing::warn!(path = %self.path.display(), "the disk is full: a part of this log is not kept");
            self.gap = Gap::Unmarked;
            // What is left of the last block is mostly enough for it.
            self.mark_gap()?;
        }
        Ok(false)
    }

    fn mark_gap(&mut self) -> Result<Gap, DiskError> {
        if self.append_whole(GAP_MARKER.as_bytes())? {
            self.gap = Gap::Marked;
        }
        Ok(self.gap)
    }

    /// `false`, and nothing is changed, when the disk is full.
    fn append_whole(&mut self, bytes: &[u8]) -> Result<bool, DiskError> {
        match (&*self.text).write_all(bytes) {
            Ok(()) => {
                self.stored += bytes.len() as u64;
                Ok(true)
            }
            Err(error) if disk::is_full(&error) => {
                self.text.set_len(self.stored).map_err(DiskError::io("cut", &self.path))?;
                Ok(false)
            }
            Err(error) => Err(DiskError::io("write", &self.path)(error)),
        }
    }

    /// A row for which there is no space is left out: what lies after the last one is taken from the engine's record again.
    fn write_row(&mut self) -> Result<(), DiskError> {
        let row = format!("{} {} {}\n", self.lines, self.stored, jiff::Timestamp::now().as_millisecond());
        match self.index.write_all(row.as_bytes()) {
            Ok(()) => {
                self.rows += row.len() as u64;
                self.last_row = Some((self.stored, Instant::now()));
                Ok(())
            }
            Err(error) if disk::is_full(&error) => {
                // Half a row would make one of it and the next.
                self.index.set_len(self.rows).map_err(DiskError::io("cut", &self.path))
            }
            Err(error) => Err(DiskError::io("write", &self.path)(error)),
        }
    }

    /// Not for each of a million short writes: what lies after the last row is taken from the engine's record again.
    fn row_is_due(&self) -> bool {
        self.last_row.is_none_or(|(stored, at)| self.stored - stored >= ROW_BYTES || at.elapsed() >= ROW_PAUSE)
    }

    /// Makes durable what was appended so far, on a thread for that.
    ///
    /// # Errors
    /// [`DiskError`].
    pub fn sync(&mut self) -> impl Future<Output = Result<(), DiskError>> + use<> {
        self.unsynced = false;
        let (text, path) = (self.text.clone(), self.path.clone());
        async move {
            let synced = tokio::task::spawn_blocking(move || text.sync_all()).await;
            synced.unwrap_or_else(|panic| Err(std::io::Error::other(panic))).map_err(DiskError::io("sync", path))
        }
    }

    /// Ends the log and makes it durable.
    ///
    /// # Errors
    /// [`DiskError`].
    pub fn finish(&mut self) -> Result<(), DiskError> {
        let rest = self.masking.rest();
        self.append(&rest)?;
        if self.gap == Gap::Unmarked {
            self.mark_gap()?;
        }
        if let Some(tail) = self.tail.take() {
            let (a, b) = tail.as_slices();
            match disk::write_unsynced(&self.tail_path, &[a, b].concat(), 0o640) {
                Err(error) if error.is_full() => tracing::warn!(%error, "the end of a log is not kept"),
                written => written?,
            }
        }
        if self.unsynced {
            self.text.sync_all().map_err(DiskError::io("sync", &self.path))?;
        }
        Ok(())
    }

    fn keep_tail(&mut self, bytes: &[u8]) -> Result<(), DiskError> {
        if self.tail.is_none() {
            let marker = format!(
                "\n[pipelinex] this log is longer than {} bytes: storing stops here, the end is kept apart\n",
                self.stored_limit
            );
            self.append_whole(marker.as_bytes())?;
        }
        let tail = self.tail.get_or_insert_with(VecDeque::new);
        tail.extend(&bytes[bytes.len().saturating_sub(TAIL_BYTES)..]);
        let surplus = tail.len().saturating_sub(TAIL_BYTES);
        tail.drain(..surplus);
        Ok(())
    }
}
