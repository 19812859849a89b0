//! Archives: what is in them is looked at as if it lay beside them, to a limited depth and size.

mod tar;

use std::{
    io::{self, Cursor, Read},
    rc::Rc,
};

use flate2::bufread::{DeflateDecoder, GzDecoder};
use zip::{CompressionMethod, ZipArchive};

use super::{
    batch::Origin,
    content::{MAX_DEPTH, Reader},
};
use crate::stage::{Failure, one_line};

/// Longest name of an entry that is told, in characters.
const MAX_NAME: usize = 300;
/// The end of a ZIP's directory, and how far before the end of the file it may be.
const ZIP_END: &[u8] = b"PK\x05\x06";
const ZIP_TAIL: usize = 66_000;
/// The begin of an entry of a ZIP.
const ZIP_ENTRY: &[u8] = b"PK\x03\x04";

/// Looks into an archive; says whether it is one.
pub(super) fn look_into(
    reader: &mut Reader<'_>,
    origin: &Rc<Origin>,
    bytes: &[u8],
    depth: u32,
) -> Result<bool, Failure> {
    let zip = zip_of(bytes);
    let tar = tar::is_tar(bytes);
    let gzip = bytes.starts_with(b"\x1f\x8b\x08");
    if !(matches!(zip, Some(Ok(_))) || tar || gzip) {
        if let Some(Err(error)) = zip {
            reader.unread(origin, &format!("a ZIP archive that cannot be opened: {error}"))?;
        }
        return Ok(false);
    }
    if depth >= MAX_DEPTH {
        reader.strings(origin, bytes, &[1, 2, 4])?;
        reader.unread(origin, &format!("archives in archives are opened to a depth of {MAX_DEPTH}, this is deeper"))?;
        return Ok(true);
    }
    match zip {
        Some(Ok(archive)) => unzip(reader, origin, bytes, archive, depth)?,
        _ if tar => tar::untar(reader, origin, bytes, depth)?,
        _ => gunzip(reader, origin, bytes, depth)?,
    }
    Ok(true)
}

/// Whether these bytes are an archive that is looked into.
pub(super) fn is_one(bytes: &[u8]) -> bool {
    bytes.starts_with(b"\x1f\x8b\x08") || tar::is_tar(bytes) || matches!(zip_of(bytes), Some(Ok(_)))
}

/// Whether they begin like a ZIP that cannot be opened.
pub(super) fn is_torn(bytes: &[u8]) -> bool {
    matches!(zip_of(bytes), Some(Err(_)))
}

/// The origin of something inside an archive.
fn inside(origin: &Rc<Origin>, name: &str) -> Rc<Origin> {
    let name = one_line(name, MAX_NAME);
    Rc::new(Origin { path: format!("{}!{name}", origin.path), commit: origin.commit.clone() })
}

/// The archive, or why what begins like one is none.
fn zip_of(bytes: &[u8]) -> Option<Result<ZipArchive<Cursor<&[u8]>>, String>> {
    let tail = &bytes[bytes.len().saturating_sub(ZIP_TAIL)..];
    let starts = bytes.starts_with(ZIP_ENTRY);
    if !starts && !tail.windows(ZIP_END.len()).any(|part| part == ZIP_END) {
        return None;
    }
    match ZipArchive::new(Cursor::new(bytes)) {
        Ok(archive) => Some(Ok(archive)),
        Err(error) => starts.then(|| Err(error.to_string())),
    }
}

fn unzip(
    reader: &mut Reader<'_>,
    origin: &Rc<Origin>,
    bytes: &[u8],
    mut archive: ZipArchive<Cursor<&[u8]>>,
    depth: u32,
) -> Result<(), Failure> {
    let (mut known, mut readable) = (Vec::new(), Vec::new());
    for index in 0..archive.len() {
        let (name, unpacked) = match member(&mut archive, index) {
            Ok(member) => {
                known.push((member.head, member.start));
                if member.is_folder {
                    continue;
                }
                let unpacked = if member.encrypted {
                    Err("encrypted".to_owned())
                } else {
                    archive.by_index(index).map_err(|error| error.to_string()).and_then(|packed| take(reader, packed))
                };
                // Of an entry that cannot be unpacked, and is named, the strings are read instead.
                let body = (member.start, unpacked.as_ref().map_or(member.end, |_| member.unpacked_end(bytes)));
                known.push(body);
                readable.extend(unpacked.is_ok().then_some(body));
                (member.name, unpacked)
            }
            Err(error) => (format!("entry {index}"), Err(error)),
        };
        entry(reader, &inside(origin, &name), unpacked, depth)?;
    }
    // What is in no unpacked entry: names, comments, what no directory lists, and what stands behind the end of packed data.
    for gap in gaps(bytes, &readable) {
        reader.strings(origin, gap, &[1, 2, 4])?;
    }
    if gaps(bytes, &known).iter().any(|gap| gap.windows(ZIP_ENTRY.len()).any(|part| part == ZIP_ENTRY)) {
        reader.unread(origin, "a ZIP archive with entries that its directory does not list")?;
    }
    Ok(())
}

/// What a ZIP's directory says of an entry.
struct Member {
    name: String,
    is_folder: bool,
    encrypted: bool,
    method: CompressionMethod,
    /// Where its own header, its content and the next thing begin.
    head: u64,
    start: u64,
    end: u64,
}

impl Member {
    /// Where the bytes end that its content was unpacked from: packed data may end before the room that the directory names.
    fn unpacked_end(&self, bytes: &[u8]) -> u64 {
        let place = |at: u64| usize::try_from(at).unwrap_or(usize::MAX).min(bytes.len());
        match self.method {
            CompressionMethod::Stored => self.end,
            CompressionMethod::Deflated => {
                let packed = bytes.get(place(self.start)..place(self.end)).unwrap_or_default();
                let mut stream = DeflateDecoder::new(packed);
                match io::copy(&mut stream, &mut io::sink()) {
                    Ok(_) => self.start.saturating_add(stream.total_in()),
                    Err(_) => self.start,
                }
            }
            _ => self.start,
        }
    }
}

fn member(archive: &mut ZipArchive<Cursor<&[u8]>>, index: usize) -> Result<Member, String> {
    let entry = archive.by_index_raw(index).map_err(|error| error.to_string())?;
    let start = entry.data_start().unwrap_or_default();
    Ok(Member {
        name: entry.name().map_or_else(|_| format!("entry {index}"), std::borrow::Cow::into_owned),
        is_folder: entry.is_dir() && entry.size() == 0 && entry.compressed_size() == 0,
        encrypted: entry.encrypted(),
        method: entry.compression(),
        head: entry.header_start(),
        start,
        end: start.saturating_add(entry.compressed_size()),
    })
}

/// The parts that none of these ranges covers.
fn gaps<'a>(bytes: &'a [u8], covered: &[(u64, u64)]) -> Vec<&'a [u8]> {
    let mut covered = covered.to_vec();
    covered.sort_unstable();
    let (mut gaps, mut at) = (Vec::new(), 0);
    for (start, end) in covered.into_iter().chain([(bytes.len() as u64, bytes.len() as u64)]) {
        let (start, end) = (usize::try_from(start).unwrap_or(usize::MAX), usize::try_from(end).unwrap_or(usize::MAX));
        gaps.extend(bytes.get(at..start.min(bytes.len())).filter(|gap| !gap.is_empty()));
        at = at.max(end);
    }
    gaps
}

/// Unpacks something as far as the limits of the scan allow; they are what is left.
fn take(reader: &mut Reader<'_>, packed: impl Read) -> Result<Vec<u8>, String> {
    if reader.left.entries == 0 {
        return Err("all archives together have more entries than are looked at".to_owned());
    }
    reader.left.entries -= 1;
    let most = reader.left.held.min(reader.left.bytes);
    let mut bytes = Vec::new();
    packed.take(most + 1).read_to_end(&mut bytes).map_err(|error| format!("cannot be unpacked: {error}"))?;
    reader.left.bytes = reader.left.bytes.saturating_sub(bytes.len() as u64);
    if bytes.len() as u64 > most {
        return Err(format!("unpacks to more than the {most} bytes that are left for archives"));
    }
    Ok(bytes)
}

/// Keeps an account of what is held in memory while something is looked at.
fn holding<'a>(
    reader: &mut Reader<'a>,
    bytes: &[u8],
    look: impl FnOnce(&mut Reader<'a>) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let before = reader.left.held;
    reader.left.held = before.saturating_sub(bytes.len() as u64);
    let looked = look(reader);
    reader.left.held = before;
    looked
}

/// Looks at an entry, or says why not.
fn entry(
    reader: &mut Reader<'_>,
    origin: &Rc<Origin>,
    unpacked: Result<Vec<u8>, String>,
    depth: u32,
) -> Result<(), Failure> {
    match unpacked {
        Ok(bytes) => holding(reader, &bytes, |reader| reader.read(origin, &bytes, depth + 1)),
        Err(reason) => reader.unread(origin, &reason),
    }
}

/// Members one behind the other, then what follows them. A packed tar is one archive, not two.
fn gunzip(reader: &mut Reader<'_>, origin: &Rc<Origin>, bytes: &[u8], depth: u32) -> Result<(), Failure> {
    let mut rest = bytes;
    let (mut unpacked, mut failed) = (Vec::new(), None);
    while rest.starts_with(b"\x1f\x8b\x08") {
        let mut member = GzDecoder::new(rest);
        match take(reader, &mut member) {
            Ok(bytes) if unpacked.len() as u64 + bytes.len() as u64 <= reader.left.held => unpacked.extend(bytes),
            Ok(_) => failed = Some("its members unpack to more than is held in memory".to_owned()),
            Err(reason) => failed = Some(reason),
        }
        let header = member
            .header()
            .map(|header| [header.extra(), header.comment()].into_iter().flatten().collect::<Vec<_>>().concat());
        rest = member.into_inner();
        if let Some(header) = header.filter(|header| !header.is_empty()) {
            reader.read(origin, &header, depth + 1)?;
        }
    }
    if let Some(reason) = failed {
        reader.strings(origin, rest, &[1, 2, 4])?;
        reader.unread(origin, &reason)?;
    } else {
        reader.rest(origin, rest, depth)?;
    }
    let name = origin.path.rsplit(['/', '!']).next().unwrap_or_default();
    let within = name.strip_suffix(".gz").unwrap_or("content").to_owned();
    if tar::is_tar(&unpacked) {
        return holding(reader, &unpacked, |reader| tar::untar(reader, origin, &unpacked, depth));
    }
    entry(reader, &inside(origin, &within), Ok(unpacked), depth)
}

#[cfg(test)]
mod tests;
