//! The end of a ZIP and its list of entries, read strictly before the `zip` crate sees the file.
//!
//! The crate searches: it takes archives with something before or after them, tries one end record after another, merges
//! entries of the same name, and makes room for as many entries as the file announces. All that is right for reading
//! what somebody has, and wrong for what a stranger sends. Here an archive has one reading: it starts at the first byte,
//! ends at the last one that is not zero, and its list has the length and the number of entries that it says. Then the
//! crate reads it.

use std::{
    collections::HashSet,
    io::{BufReader, Read, Seek, SeekFrom},
};

use pipelinex_common::limits::{IntakeLimits, MIB};

use super::{
    refusal::{Refusal, Rule},
    zip_scan::ScanError,
    zip_sniff::{cut_off, multi_disk, no_end, prepended},
};

const END: &[u8; 4] = b"PK\x05\x06";
const ZIP64_END: &[u8; 4] = b"PK\x06\x06";
const ZIP64_LOCATOR: &[u8; 4] = b"PK\x06\x07";
const CENTRAL_HEADER: &[u8; 4] = b"PK\x01\x02";
const END_LENGTH: usize = 22;
const LOCATOR_LENGTH: usize = 20;
const ZIP64_END_LENGTH: usize = 56;
const CENTRAL_HEADER_LENGTH: usize = 46;

/// Entries may be more than a project's files, because resource forks and `.git` are left out; but not endlessly many,
/// because each costs memory before it can be left out.
const ENTRIES_PER_FILE: u64 = 4;
/// How much is read at once where zeros at the end are skipped, in bytes.
const ZEROS_AT_ONCE: u64 = 64 * 1024;
/// A list of 10,000 entries has about 1.5 MiB.
const DIRECTORY_BYTES: u64 = 16 * MIB;

/// Where the list of entries is, and what the crate does not tell about the entries.
pub(super) struct Directory {
    /// The first byte of the list: entries end here.
    pub start: u64,
    /// Where the archive ends; only zeros follow.
    pub end: u64,
    /// The comment of the archive.
    pub comment: Vec<u8>,
    /// In the order of the list.
    pub entries: Vec<Listed>,
}

/// One entry of the list.
pub(super) struct Listed {
    /// The name as it stands in the central header, before any extra field changes it.
    pub name: Vec<u8>,
    /// The extra field.
    pub extra: Vec<u8>,
    /// The general purpose flags.
    pub flags: u16,
    /// The compression method.
    pub method: u16,
    /// The version of the format that the packer knows, times ten.
    pub version: u8,
    /// The system that the packer says it ran on.
    pub system: u8,
}

/// Reads the end records and the list.
pub(super) fn read_directory<R: Read + Seek>(reader: &mut R, limits: &IntakeLimits) -> Result<Directory, ScanError> {
    let length = reader.seek(SeekFrom::End(0))?;
    let end = find_end(reader, length)?;
    if end.entries > limits.files.saturating_mul(ENTRIES_PER_FILE) {
        let hint = format!("a project may have {} files and folders, the ZIP lists {}", limits.files, end.entries);
        return Err(Refusal::of_archive(Rule::TooManyEntries, hint).into());
    }
    if end.size > DIRECTORY_BYTES {
        let hint = "its names, comments and extra fields take more than 16 MiB; pack again with zip -r -X";
        return Err(Refusal::of_archive(Rule::DirectoryTooLarge, hint).into());
    }
    check_position(reader, &end)?;
    let entries = walk(reader, &end, limits)?;
    Ok(Directory { start: end.offset, end: end.archive_end, comment: end.comment, entries })
}

/// What the end records say, ZIP64 taken into account.
struct EndRecord {
    /// Where the end records start: the list must end here.
    position: u64,
    entries: u64,
    size: u64,
    offset: u64,
    archive_end: u64,
    comment: Vec<u8>,
}

/// Finds the end record. Zeros may follow it, as a disk or a tape pads a file: no reader makes anything of them.
fn find_end<R: Read + Seek>(reader: &mut R, length: u64) -> Result<EndRecord, ScanError> {
    let content = without_zeros(reader, length)?;
    // The last bytes of an end record may be zeros of its own.
    let window_end = length.min(content + (END_LENGTH + usize::from(u16::MAX)) as u64);
    let window = window_end.min(2 * (END_LENGTH + usize::from(u16::MAX)) as u64 + LOCATOR_LENGTH as u64);
    let mut tail = vec![0; usize::try_from(window).unwrap_or(usize::MAX)];
    read_at(reader, window_end - window, &mut tail)?;
    let base = window_end - window;
    let content = usize::try_from(content.saturating_sub(base)).unwrap_or(0);
    let ends: Vec<_> =
        (0..tail.len().saturating_sub(END_LENGTH - 1)).filter(|&at| tail[at..].starts_with(END)).collect();
    let Some(&last) = ends.last() else { return Err(no_end(reader, length)?.into()) };
    let reaches = |at: usize| at + END_LENGTH + usize::from(u16_at(&tail, at + 20));
    if reaches(last) > tail.len() {
        return Err(cut_off().into());
    }
    if reaches(last) < content {
        let hint = format!("{} bytes follow the end of the archive; send the ZIP alone", content - reaches(last));
        return Err(Refusal::of_archive(Rule::TrailingData, hint).into());
    }
    if ends[..ends.len() - 1].iter().any(|&at| (content..=tail.len()).contains(&reaches(at))) {
        return Err(ambiguous("it has two ends; pack again, without a comment").into());
    }
    let comment = tail[last + END_LENGTH..reaches(last)].to_vec();
    let end = read_end(reader, &tail, last, base)?;
    Ok(EndRecord { archive_end: base + reaches(last) as u64, comment, ..end })
}

/// The length of the file without the zeros at its end.
fn without_zeros<R: Read + Seek>(reader: &mut R, length: u64) -> Result<u64, ScanError> {
    let mut left = length;
    while left > 0 {
        let mut piece = vec![0; usize::try_from(left.min(ZEROS_AT_ONCE)).unwrap_or(0)];
        let start = left - piece.len() as u64;
        read_at(reader, start, &mut piece)?;
        if let Some(last) = piece.iter().rposition(|byte| *byte != 0) {
            return Ok(start + last as u64 + 1);
        }
        left = start;
    }
    Ok(0)
}

fn read_end<R: Read + Seek>(reader: &mut R, tail: &[u8], at: usize, base: u64) -> Result<EndRecord, ScanError> {
    let [disk, list_disk, here, entries] = [4, 6, 8, 10].map(|field| u16_at(tail, at + field));
    let (size, offset) = (u32_at(tail, at + 12), u32_at(tail, at + 16));
    if (disk != 0 && disk != u16::MAX) || list_disk != disk || here != entries {
        return Err(multi_disk().into());
    }
    let end = EndRecord {
        position: base + at as u64,
        entries: entries.into(),
        size: size.into(),
        offset: offset.into(),
        // Both are filled in by who looked for it.
        archive_end: 0,
        comment: Vec::new(),
    };
    match at.checked_sub(LOCATOR_LENGTH).filter(|&locator| tail[locator..].starts_with(ZIP64_LOCATOR)) {
        Some(locator) => read_zip64_end(reader, &tail[locator..at], end.position - LOCATOR_LENGTH as u64, &end),
        None if disk != 0 => Err(multi_disk().into()),
        None => Ok(end),
    }
}

/// A ZIP64 end says the same as the plain one, or the plain one says "too large to say".
fn read_zip64_end<R: Read + Seek>(
    reader: &mut R,
    locator: &[u8],
    locator_position: u64,
    plain: &EndRecord,
) -> Result<EndRecord, ScanError> {
    let position = u64_at(locator, 8);
    if u32_at(locator, 4) != 0 || u32_at(locator, 16) > 1 {
        return Err(multi_disk().into());
    }
    if position.checked_add(ZIP64_END_LENGTH as u64).is_none_or(|end| end > locator_position) {
        return Err(damaged("its ZIP64 end record is not where it should be").into());
    }
    let mut record = [0; ZIP64_END_LENGTH];
    read_at(reader, position, &mut record)?;
    let ends = position.checked_add(12).and_then(|start| start.checked_add(u64_at(&record, 4)));
    if !record.starts_with(ZIP64_END) || ends != Some(locator_position) {
        return Err(damaged("its ZIP64 end record is not where it should be").into());
    }
    let [here, entries, size, offset] = [24, 32, 40, 48].map(|field| u64_at(&record, field));
    if u32_at(&record, 16) != 0 || u32_at(&record, 20) != 0 || here != entries {
        return Err(multi_disk().into());
    }
    let agrees = |short: u64, unknown: u64, long: u64| short == unknown || short == long;
    let unknown = u64::from(u32::MAX);
    if !agrees(plain.entries, u16::MAX.into(), entries)
        || !agrees(plain.size, unknown, size)
        || !agrees(plain.offset, unknown, offset)
    {
        return Err(ambiguous("its two end records contradict each other; pack again").into());
    }
    Ok(EndRecord { position, entries, size, offset, archive_end: 0, comment: Vec::new() })
}

/// The list must end where the end records start: else something was put before the archive, or between.
fn check_position<R: Read + Seek>(reader: &mut R, end: &EndRecord) -> Result<(), ScanError> {
    let list_end = end.offset.checked_add(end.size);
    if list_end == Some(end.position) {
        return Ok(());
    }
    let mut magic = [0; 4];
    if list_end.is_some_and(|list_end| list_end < end.position) && end.size >= CENTRAL_HEADER_LENGTH as u64 {
        read_at(reader, end.position - end.size, &mut magic)?;
        if &magic == CENTRAL_HEADER {
            return Err(prepended(reader)?.into());
        }
    }
    Err(damaged("its list of entries is not where it should be").into())
}

fn walk<R: Read + Seek>(reader: &mut R, end: &EndRecord, limits: &IntakeLimits) -> Result<Vec<Listed>, ScanError> {
    reader.seek(SeekFrom::Start(end.offset))?;
    let mut list = BufReader::with_capacity(64 * 1024, reader.take(end.size));
    let mut entries = Vec::with_capacity(usize::try_from(end.entries).unwrap_or(0));
    let mut names = HashSet::new();
    for _ in 0..end.entries {
        let listed = read_listed(&mut list, limits)?;
        if !names.insert(listed.name.clone()) {
            let hint = "one of them would overwrite the other; pack the project again";
            return Err(Refusal::of_entry(Rule::DuplicateName, &listed.name, hint).into());
        }
        entries.push(listed);
    }
    if list.read(&mut [0])? != 0 {
        return Err(ambiguous("its list holds more than the entries it counts; pack again").into());
    }
    if entries.is_empty() {
        return Err(Refusal::of_archive(Rule::Empty, "put the project's files into it").into());
    }
    Ok(entries)
}

fn read_listed(list: &mut impl Read, limits: &IntakeLimits) -> Result<Listed, ScanError> {
    let mut header = [0; CENTRAL_HEADER_LENGTH];
    let mut fill = |buffer: &mut [u8]| list.read_exact(buffer).map_err(short_list);
    fill(&mut header)?;
    if !header.starts_with(CENTRAL_HEADER) {
        return Err(damaged("its list of entries is broken").into());
    }
    if u16_at(&header, 34) != 0 {
        return Err(multi_disk().into());
    }
    let [mut name, mut extra, mut comment] = [28, 30, 32].map(|field| vec![0; usize::from(u16_at(&header, field))]);
    fill(&mut name)?;
    // The folder that may be peeled off does not count; the exact check comes when it is known.
    if name.len() > limits.path_bytes + limits.name_bytes + 2 {
        let hint = format!("a path may have {} bytes", limits.path_bytes);
        return Err(Refusal::of_entry(Rule::PathTooLong, &name, hint).into());
    }
    fill(&mut extra)?;
    fill(&mut comment)?;
    let [flags, method] = [8, 10].map(|field| u16_at(&header, field));
    Ok(Listed { name, extra, flags, method, version: header[4], system: header[5] })
}

fn short_list(error: std::io::Error) -> ScanError {
    match error.kind() {
        std::io::ErrorKind::UnexpectedEof => {
            ambiguous("its list holds fewer entries than it counts; pack again").into()
        }
        _ => error.into(),
    }
}

/// Reads exactly at a position that was checked to lie inside; the end of the file is the archive's fault all the same.
pub(super) fn read_at<R: Read + Seek>(reader: &mut R, position: u64, buffer: &mut [u8]) -> Result<(), ScanError> {
    reader.seek(SeekFrom::Start(position))?;
    reader.read_exact(buffer).map_err(|error| match error.kind() {
        std::io::ErrorKind::UnexpectedEof => cut_off().into(),
        _ => error.into(),
    })
}

fn damaged(what: &str) -> Refusal {
    Refusal::of_archive(Rule::Damaged, format!("{what}; pack the project again"))
}

fn ambiguous(what: &str) -> Refusal {
    Refusal::of_archive(Rule::AmbiguousDirectory, what)
}

/// The extra fields of an entry, as far as they are whole.
pub(super) fn fields(mut extra: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    std::iter::from_fn(move || {
        let head = extra.get(..4)?;
        let (id, length) = (u16_at(head, 0), usize::from(u16_at(head, 2)));
        let data = extra.get(4..4 + length)?;
        extra = &extra[4 + length..];
        Some((id, data))
    })
}

pub(super) fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes([bytes[at], bytes[at + 1]])
}

pub(super) fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from(u16_at(bytes, at)) | u32::from(u16_at(bytes, at + 2)) << 16
}

pub(super) fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from(u32_at(bytes, at)) | u64::from(u32_at(bytes, at + 4)) << 32
}
