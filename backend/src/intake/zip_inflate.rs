//! Turns the bytes of one entry into its content, and takes nothing on trust: the content is as long as declared, uses
//! exactly the bytes that are its own, and matches its checksum, or it is refused.
//!
//! The `zip` crate's reader checks the checksum and the upper bound, and says so in the text of an I/O error; it does not
//! see that a stream ends before its entry does. It also makes a new decompressor and buffer for each of the thousands of
//! small files of a project. Hence this loop, over the same decompressor.

use std::{fs::File, io, os::unix::fs::FileExt};

use flate2::{Crc, Decompress, FlushDecompress, Status};

use super::{
    refusal::{Refusal, Rule},
    zip_scan::PlannedFile,
};

/// How much is read and written at once; nearly every source file fits, and costs one call of each.
const CHUNK_BYTES: usize = 256 * 1024;

/// Why the content of an entry did not arrive.
pub(super) enum Broken<E> {
    /// The archive's fault.
    Refused(Refusal),
    /// The archive could not be read.
    Read(io::Error),
    /// What the sink said.
    Sink(E),
}

impl<E> From<io::Error> for Broken<E> {
    fn from(error: io::Error) -> Self {
        Self::Read(error)
    }
}

/// The buffers and the decompressor of one thread.
pub(super) struct Inflater {
    decompress: Decompress,
    input: Vec<u8>,
    output: Vec<u8>,
}

impl Inflater {
    pub fn new() -> Self {
        Self { decompress: Decompress::new(false), input: vec![0; CHUNK_BYTES], output: vec![0; CHUNK_BYTES] }
    }

    /// Hands the content of `file` to `sink`, chunk by chunk; whether it is right is known only at the end.
    pub fn copy<E>(
        &mut self,
        archive: &File,
        file: &PlannedFile,
        sink: impl FnMut(&[u8]) -> Result<(), E>,
    ) -> Result<(), Broken<E>> {
        let mut content = Content { file, crc: Crc::new(), length: 0, sink };
        match file.source.deflated {
            true => self.inflate(archive, &mut content)?,
            false => self.copy_stored(archive, &mut content)?,
        }
        content.check()
    }

    fn copy_stored<E, S>(&mut self, archive: &File, content: &mut Content<'_, S>) -> Result<(), Broken<E>>
    where
        S: FnMut(&[u8]) -> Result<(), E>,
    {
        let mut unread = Unread::of(content.file);
        while unread.length > 0 {
            let chunk = unread.next(archive, &mut self.input)?;
            content.push(chunk)?;
        }
        Ok(())
    }

    fn inflate<E, S>(&mut self, archive: &File, content: &mut Content<'_, S>) -> Result<(), Broken<E>>
    where
        S: FnMut(&[u8]) -> Result<(), E>,
    {
        self.decompress.reset(false);
        let mut unread = Unread::of(content.file);
        let mut input: &[u8] = &[];
        // If all is at hand and fits, the decompressor needs no window of its own.
        let at_once = unread.length <= CHUNK_BYTES as u64 && content.file.size < CHUNK_BYTES as u64;
        let flush = if at_once { FlushDecompress::Finish } else { FlushDecompress::None };
        loop {
            if input.is_empty() && unread.length > 0 {
                input = unread.next(archive, &mut self.input)?;
            }
            let (taken, given) = (self.decompress.total_in(), self.decompress.total_out());
            let status = self.decompress.decompress(input, &mut self.output, flush);
            let status = status.map_err(|_| content.refuse(Rule::Damaged, "its compressed content is broken"))?;
            let taken = length_of(self.decompress.total_in() - taken);
            let given = length_of(self.decompress.total_out() - given);
            input = &input[taken..];
            content.push(&self.output[..given])?;
            match status {
                Status::StreamEnd if input.is_empty() && unread.length == 0 => return Ok(()),
                Status::StreamEnd => {
                    return Err(content.refuse(Rule::SizeMismatch, "its compressed content ends before its bytes do"));
                }
                Status::Ok | Status::BufError if taken == 0 && given == 0 => {
                    return Err(content.refuse(Rule::SizeMismatch, "its compressed content has no end"));
                }
                Status::Ok | Status::BufError => {}
            }
        }
    }
}

/// The part of an entry's bytes that was not read yet.
struct Unread {
    start: u64,
    length: u64,
}

impl Unread {
    fn of(file: &PlannedFile) -> Self {
        Self { start: file.source.start, length: file.source.length }
    }

    fn next<'b>(&mut self, archive: &File, buffer: &'b mut [u8]) -> io::Result<&'b [u8]> {
        let chunk = &mut buffer[..CHUNK_BYTES.min(length_of(self.length))];
        archive.read_exact_at(chunk, self.start)?;
        self.start += chunk.len() as u64;
        self.length -= chunk.len() as u64;
        Ok(chunk)
    }
}

/// What came out so far, on its way to the sink.
struct Content<'a, S> {
    file: &'a PlannedFile,
    crc: Crc,
    length: u64,
    sink: S,
}

impl<S> Content<'_, S> {
    fn push<E>(&mut self, chunk: &[u8]) -> Result<(), Broken<E>>
    where
        S: FnMut(&[u8]) -> Result<(), E>,
    {
        self.length += chunk.len() as u64;
        if self.length > self.file.size {
            return Err(self.refuse(Rule::SizeMismatch, "its content is longer than declared"));
        }
        self.crc.update(chunk);
        match chunk.is_empty() {
            true => Ok(()),
            false => (self.sink)(chunk).map_err(Broken::Sink),
        }
    }

    fn check<E>(&self) -> Result<(), Broken<E>> {
        if self.length != self.file.size {
            return Err(self.refuse(Rule::SizeMismatch, "its content is shorter than declared"));
        }
        match self.crc.sum() == self.file.source.crc {
            true => Ok(()),
            false => Err(self.refuse(Rule::CrcMismatch, "it was damaged on its way or by its packer")),
        }
    }

    fn refuse<E>(&self, rule: Rule, what: &str) -> Broken<E> {
        let name = self.file.path.as_str().as_bytes();
        Broken::Refused(Refusal::of_entry(rule, name, format!("{what}; pack the project again")))
    }
}

/// A length that is known to fit a buffer, or is compared with one that does.
fn length_of(bytes: u64) -> usize {
    usize::try_from(bytes).unwrap_or(usize::MAX)
}
