//! Where the data of every entry lies, by the local headers; and that they leave no byte of the archive unexplained.
//!
//! From the first byte to the list of entries, the archive must be local header, data, data descriptor, and the next.
//! What overlaps is a bomb, what lies between is hidden from us and seen by a reader that streams.

use std::io::{Read, Seek};

use zip::read::{ZipArchiveMetadata, ZipFileEntry};

use super::{
    refusal::{Refusal, Rule},
    zip_directory::{Directory, Listed, read_at, u16_at, u32_at, u64_at},
    zip_entry::check_extra,
    zip_names::{has_unicode_path, unicode_path},
    zip_scan::ScanError,
    zip_sniff::prepended,
};

const LOCAL_HEADER: &[u8; 4] = b"PK\x03\x04";
const LOCAL_HEADER_LENGTH: usize = 30;
/// Stands before the first entry of an archive that was to be split and then fitted into one file.
const NOT_SPLIT: &[u8; 4] = b"PK00";
const DESCRIPTOR: &[u8; 4] = b"PK\x07\x08";
const DESCRIPTOR_FLAG: u16 = 1 << 3;
/// What changes how an entry is read: encryption, a descriptor, a patch, strong encryption, a masked header.
const READING_FLAGS: u16 = 1 | DESCRIPTOR_FLAG | 1 << 5 | 1 << 6 | 1 << 13;

/// Finds the first byte of each entry's data, in the order of the list.
pub(super) fn locate<R: Read + Seek>(
    metadata: &ZipArchiveMetadata,
    directory: &Directory,
    reader: &mut R,
) -> Result<Vec<u64>, ScanError> {
    let entries = (0..metadata.len()).map(|index| metadata.entry(index)).collect::<Result<Vec<_>, _>>()?;
    let mut order: Vec<usize> = (0..entries.len()).collect();
    order.sort_unstable_by_key(|&index| entries[index].header_start());
    let first = order.first().map_or(0, |&first| entries[first].header_start());
    if first != 0 && !(first == NOT_SPLIT.len() as u64 && begins_unsplit(reader)?) {
        return Err(prepended(reader)?.into());
    }
    let mut data_starts = vec![0; entries.len()];
    for (place, &index) in order.iter().enumerate() {
        let next = order.get(place + 1).map_or(directory.start, |&next| entries[next].header_start());
        data_starts[index] = locate_one(reader, &entries[index], &directory.entries[index], next)?;
    }
    Ok(data_starts)
}

fn begins_unsplit<R: Read + Seek>(reader: &mut R) -> Result<bool, ScanError> {
    let mut start = [0; NOT_SPLIT.len()];
    read_at(reader, 0, &mut start)?;
    Ok(&start == NOT_SPLIT)
}

/// Checks one local header and what follows the data, up to where the next entry begins.
fn locate_one<R: Read + Seek>(
    reader: &mut R,
    entry: &ZipFileEntry<'_>,
    listed: &Listed,
    next: u64,
) -> Result<u64, ScanError> {
    let refuse = |rule, hint: &str| ScanError::from(Refusal::of_entry(rule, &listed.name, hint));
    let overlap = || refuse(Rule::Overlap, "pack the project again");
    let header_end = entry.header_start().saturating_add(LOCAL_HEADER_LENGTH as u64);
    if header_end > next {
        return Err(overlap());
    }
    let mut header = [0; LOCAL_HEADER_LENGTH];
    read_at(reader, entry.header_start(), &mut header)?;
    if !header.starts_with(LOCAL_HEADER) {
        return Err(refuse(Rule::Damaged, "its header is not where the list says; pack the project again"));
    }
    let (name_length, extra_length) = (usize::from(u16_at(&header, 26)), usize::from(u16_at(&header, 28)));
    let data_start = header_end + (name_length + extra_length) as u64;
    let data_end = data_start.saturating_add(entry.compressed_size());
    if data_end > next {
        return Err(overlap());
    }
    let mut tail = vec![0; name_length + extra_length];
    reader.read_exact(&mut tail)?;
    if tail[..name_length] != listed.name {
        return Err(refuse(Rule::NameMismatch, "the ZIP shows another name to other programs; pack the project again"));
    }
    let extra = &tail[name_length..];
    check_extra(&listed.name, extra)?;
    check_agreement(&header, extra, entry, listed)?;
    check_gap(reader, entry, listed, data_end, next)?;
    Ok(data_start)
}

/// The two headers of an entry must not lead a reader that streams to something else than one that seeks. The crate asks the
/// same and more, but not of archives with Unicode Path fields, whose names it reads in a way of its own.
fn check_agreement(
    header: &[u8; LOCAL_HEADER_LENGTH],
    extra: &[u8],
    entry: &ZipFileEntry<'_>,
    listed: &Listed,
) -> Result<(), ScanError> {
    let refuse = |rule, hint: &str| Err(Refusal::of_entry(rule, &listed.name, hint).into());
    let (flags, method) = (u16_at(header, 6), u16_at(header, 8));
    if (flags ^ listed.flags) & READING_FLAGS != 0 || method != listed.method {
        return refuse(Rule::HeaderMismatch, "its flags or methods differ; pack the project again");
    }
    let later = flags & DESCRIPTOR_FLAG != 0;
    let sums = [(14, u64::from(entry.crc32())), (18, entry.compressed_size()), (22, entry.size())];
    let agrees = |(at, listed): &(usize, u64)| match u32_at(header, *at) {
        0 if later => true,
        // The ZIP64 extra field has it.
        u32::MAX if *at != 14 => true,
        local => u64::from(local) == *listed,
    };
    if !sums.iter().all(agrees) {
        return refuse(Rule::HeaderMismatch, "its checksums or sizes differ; pack the project again");
    }
    // A name that only one of the headers gives is read by one of the readers alone.
    let local = unicode_path(&listed.name, extra);
    if local.is_some() && local != unicode_path(&listed.name, &listed.extra) {
        return refuse(Rule::NameMismatch, "the ZIP shows another name to other programs; pack the project again");
    }
    Ok(())
}

/// Whether any entry has a Unicode Path field in the list.
pub(super) fn names_are_overridden(directory: &Directory) -> bool {
    directory.entries.iter().any(|listed| has_unicode_path(&listed.extra))
}

/// Between an entry's data and the next entry stands its data descriptor, where one is announced, and nothing else.
fn check_gap<R: Read + Seek>(
    reader: &mut R,
    entry: &ZipFileEntry<'_>,
    listed: &Listed,
    data_end: u64,
    next: u64,
) -> Result<(), ScanError> {
    let length = next - data_end;
    let announced = entry.flags().as_u16() & DESCRIPTOR_FLAG != 0;
    if length == 0 && !announced {
        return Ok(());
    }
    if !announced || length > 24 {
        let hint = format!("{length} bytes after it belong to nothing; pack the project again");
        return Err(Refusal::of_entry(Rule::HiddenData, &listed.name, hint).into());
    }
    let mut gap = [0; 24];
    let gap = &mut gap[..usize::try_from(length).unwrap_or(24)];
    read_at(reader, data_end, gap)?;
    if is_descriptor(gap, entry) {
        return Ok(());
    }
    let hint = "the checksum and sizes after it are missing, or are not those of the list; pack the project again";
    Err(Refusal::of_entry(Rule::HeaderMismatch, &listed.name, hint).into())
}

/// A descriptor has an optional signature, the checksum, and two sizes of four or eight bytes.
fn is_descriptor(bytes: &[u8], entry: &ZipFileEntry<'_>) -> bool {
    let fields = match bytes.len() {
        16 | 24 if bytes.starts_with(DESCRIPTOR) => &bytes[4..],
        12 | 20 => bytes,
        _ => return false,
    };
    let sizes = match fields.len() {
        12 => (u64::from(u32_at(fields, 4)), u64::from(u32_at(fields, 8))),
        _ => (u64_at(fields, 4), u64_at(fields, 12)),
    };
    u32_at(fields, 0) == entry.crc32() && sizes == (entry.compressed_size(), entry.size())
}
