//! One file, looked at whole: text as it is, archives by what is in them, of everything else each readable string.
//!
//! What is neither text nor data whose structure is known is named as not read, though its strings are looked at.

use std::rc::Rc;

use super::{
    allow::Allow,
    archive,
    batch::Origin,
    structure,
    text::{self, Shape},
};
use crate::stage::Failure;

/// Archives in archives are opened to this depth; the file itself has depth 0.
pub(super) const MAX_DEPTH: u32 = 4;
/// What is left behind the end of a known format is looked at if it could hold anything.
const MIN_REST: usize = 8;
/// Readable strings are handed on in portions of about that many bytes, the end of one again with the next.
const PORTION: usize = 60_000;
const AGAIN: usize = 8 * 1024;

/// A part of a file.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Part<'a> {
    /// Text, whole and in order.
    Text(&'a [u8]),
    /// Lines that stand somewhere in the file, and where.
    Strings(&'a [u8], Vec<u64>),
    /// Nobody looked at it, for this reason.
    Unread(String),
    /// All of a file, before it is looked into, where that was asked for instead of its texts.
    Whole(&'a [u8]),
}

/// Takes parts.
pub(super) type Sink<'a> = dyn FnMut(&Rc<Origin>, Part<'_>) -> Result<(), Failure> + 'a;

/// How much may be unpacked in one scan.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// Bytes that all entries of all archives unpack to.
    pub(super) bytes: u64,
    /// Entries of all archives.
    pub(super) entries: u64,
    /// Bytes that are held in memory at once: an archive in an archive, and so on.
    pub(super) held: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { bytes: 1 << 30, entries: 200_000, held: 256 << 20 }
    }
}

/// Looks at files.
pub(super) struct Reader<'a> {
    pub(super) sink: &'a mut Sink<'a>,
    pub(super) allow: &'a Allow,
    pub(super) left: Limits,
    /// Whether files are handed on as they are, and not their texts.
    pub(super) whole: bool,
}

impl Reader<'_> {
    /// Hands on all that is in these bytes, and names what is not looked at.
    pub(super) fn read(&mut self, origin: &Rc<Origin>, bytes: &[u8], depth: u32) -> Result<(), Failure> {
        if self.whole && depth > 0 {
            (self.sink)(origin, Part::Whole(bytes))?;
        }
        if bytes.is_empty() || archive::look_into(self, origin, bytes, depth)? {
            return Ok(());
        }
        if self.whole {
            return self.packed(origin, bytes);
        }
        match text::shape(bytes) {
            Shape::Text => {
                (self.sink)(origin, Part::Text(&self.allow.without_digests(&origin.path, bytes)))?;
                if let Some(proof) = structure::in_text(bytes) {
                    self.packed_texts(origin, &proof)?;
                }
                if let Some(text) = text::utf7(bytes) {
                    (self.sink)(origin, Part::Text(&text))?;
                }
                if bytes.contains(&0) {
                    self.strings(origin, bytes, &[2, 4])?;
                }
            }
            Shape::Wide { text, width } => {
                (self.sink)(origin, Part::Text(&self.allow.without_digests(&origin.path, text.as_bytes())))?;
                let others: Vec<usize> = [1, 2, 4].into_iter().filter(|other| *other != width).collect();
                self.strings(origin, bytes, &others)?;
            }
            Shape::Binary => self.binary(origin, bytes, depth)?,
        }
        if !bytes.is_ascii() {
            self.ebcdic(origin, bytes)?;
        }
        self.packed(origin, bytes)
    }

    fn packed(&mut self, origin: &Rc<Origin>, bytes: &[u8]) -> Result<(), Failure> {
        match structure::packed(bytes) {
            Some(name) => self.unread(origin, &format!("an archive of a format that is not looked into ({name})")),
            None => Ok(()),
        }
    }

    fn binary(&mut self, origin: &Rc<Origin>, bytes: &[u8], depth: u32) -> Result<(), Failure> {
        let Some(proof) = structure::prove(bytes) else {
            self.strings(origin, bytes, &[1, 2, 4])?;
            if structure::packed(bytes).is_none() {
                self.unread(
                    origin,
                    "binary data of an unknown format, or damaged: only readable strings were scanned",
                )?;
            }
            return Ok(());
        };
        self.strings(origin, &bytes[proof.strings_from.min(proof.end)..proof.end], &[1, 2, 4])?;
        self.packed_texts(origin, &proof)?;
        self.rest(origin, &bytes[proof.end..], depth)
    }

    /// Hands on what was packed in something, and says if that is not all.
    fn packed_texts(&mut self, origin: &Rc<Origin>, proof: &structure::Proof) -> Result<(), Failure> {
        if proof.incomplete {
            self.unread(origin, "it has compressed parts that could not be unpacked as a whole")?;
        }
        let mut portion = Portion::default();
        for (number, text) in proof.texts.iter().enumerate().filter(|(_, text)| text.len() >= text::MIN_RUN) {
            portion.add(text, number as u64 + 1, &mut |part| (self.sink)(origin, part))?;
        }
        portion.end(&mut |part| (self.sink)(origin, part))
    }

    /// What follows the end of something known is a file of its own.
    pub(super) fn rest(&mut self, origin: &Rc<Origin>, bytes: &[u8], depth: u32) -> Result<(), Failure> {
        if bytes.len() < MIN_REST || bytes.iter().all(|byte| *byte == 0) {
            return Ok(());
        }
        if depth > MAX_DEPTH {
            self.strings(origin, bytes, &[1, 2, 4])?;
            return self.unread(origin, "too many parts, one behind the other");
        }
        self.read(origin, bytes, depth + 1)
    }

    /// Hands on the readable strings, for characters of these widths.
    pub(super) fn strings(&mut self, origin: &Rc<Origin>, bytes: &[u8], widths: &[usize]) -> Result<(), Failure> {
        if self.whole {
            return Ok(());
        }
        for width in widths {
            let (mut portion, mut failed) = (Portion::default(), Ok(()));
            text::runs(bytes, *width, |text, line| {
                if failed.is_ok() {
                    failed = portion.add(text, line, &mut |part| (self.sink)(origin, part));
                }
            });
            failed?;
            portion.end(&mut |part| (self.sink)(origin, part))?;
        }
        Ok(())
    }

    fn ebcdic(&mut self, origin: &Rc<Origin>, bytes: &[u8]) -> Result<(), Failure> {
        let (mut portion, mut failed) = (Portion::default(), Ok(()));
        text::ebcdic_runs(bytes, |text, line| {
            if failed.is_ok() {
                failed = portion.add(text, line, &mut |part| (self.sink)(origin, part));
            }
        });
        failed?;
        portion.end(&mut |part| (self.sink)(origin, part))
    }

    pub(super) fn unread(&mut self, origin: &Rc<Origin>, reason: &str) -> Result<(), Failure> {
        (self.sink)(origin, Part::Unread(reason.to_owned()))
    }
}

type Take<'a> = dyn FnMut(Part<'_>) -> Result<(), Failure> + 'a;

/// Strings that are handed on together.
#[derive(Default)]
struct Portion {
    text: Vec<u8>,
    lines: Vec<u64>,
}

impl Portion {
    fn add(&mut self, text: &[u8], line: u64, take: &mut Take<'_>) -> Result<(), Failure> {
        if text.len() > PORTION {
            self.end(take)?;
            return take(Part::Text(text));
        }
        self.text.extend_from_slice(text);
        self.text.push(b'\n');
        let parts = 1 + text.iter().filter(|byte| **byte == b'\n').count();
        self.lines.extend(std::iter::repeat_n(line, parts));
        if self.text.len() <= PORTION {
            return Ok(());
        }
        let from = self.text.len() - AGAIN;
        let again = self.text[from..].iter().position(|byte| *byte == b'\n').map(|end| from + end + 1);
        let again = self.text[again.unwrap_or(self.text.len())..].to_vec();
        let lines = again.iter().filter(|byte| **byte == b'\n').count();
        let last = self.lines[self.lines.len() - lines..].to_vec();
        self.end(take)?;
        (self.text, self.lines) = (again, last);
        Ok(())
    }

    fn end(&mut self, take: &mut Take<'_>) -> Result<(), Failure> {
        let text = std::mem::take(&mut self.text);
        let lines = std::mem::take(&mut self.lines);
        if text.is_empty() { Ok(()) } else { take(Part::Strings(&text, lines)) }
    }
}
