//! Says what a file is that is no ZIP, or not only one: the first thing to know for who sent the wrong file.

use std::io::{Read, Seek, SeekFrom};

use super::{
    refusal::{Refusal, Rule},
    zip_directory::read_at,
    zip_scan::ScanError,
};

const LOCAL_HEADER: &[u8; 4] = b"PK\x03\x04";

/// The refusal of a file that has no end of an archive.
pub(super) fn no_end<R: Read + Seek>(reader: &mut R, length: u64) -> Result<Refusal, ScanError> {
    let start = first_bytes(reader, length)?;
    if start.starts_with(LOCAL_HEADER) {
        return Ok(cut_off());
    }
    if start.starts_with(b"PK\x07\x08") {
        return Ok(multi_disk());
    }
    Ok(Refusal::of_archive(Rule::NotAZip, format!("{}; send the project as a .zip file", looks_like(&start))))
}

/// The refusal of an archive that does not start at the first byte.
pub(super) fn prepended<R: Read + Seek>(reader: &mut R) -> Result<Refusal, ScanError> {
    let length = reader.seek(SeekFrom::End(0))?;
    let start = first_bytes(reader, length)?;
    let hint = format!("{}; send the ZIP alone, not a self-extracting or combined file", looks_like(&start));
    Ok(Refusal::of_archive(Rule::PrependedData, hint))
}

fn first_bytes<R: Read + Seek>(reader: &mut R, length: u64) -> Result<Vec<u8>, ScanError> {
    let mut start = vec![0; usize::try_from(length.min(512)).unwrap_or(512)];
    read_at(reader, 0, &mut start)?;
    Ok(start)
}

/// Says what a file seems to be by its first bytes.
fn looks_like(start: &[u8]) -> &'static str {
    const MAGIC: [(&[u8], &str); 12] = [
        (b"\x1f\x8b", "it seems to be a gzip file, perhaps a .tar.gz"),
        (b"BZh", "it seems to be a bzip2 file, perhaps a .tar.bz2"),
        (b"\xfd7zXZ\0", "it seems to be an xz file, perhaps a .tar.xz"),
        (b"\x28\xb5\x2f\xfd", "it seems to be a Zstandard file"),
        (b"7z\xbc\xaf\x27\x1c", "it seems to be a 7-Zip archive"),
        (b"Rar!", "it seems to be a RAR archive"),
        (b"%PDF", "it seems to begin with a PDF document"),
        (b"\x7fELF", "it seems to begin with a Linux program"),
        (b"MZ", "it seems to begin with a Windows program"),
        (b"#!", "it seems to begin with a script"),
        (b"PK\x05\x06", "it seems to begin with an empty ZIP"),
        (b"PK\x03\x04", "it seems to begin with another ZIP"),
    ];
    if start.is_empty() {
        return "it is empty";
    }
    if start.get(257..262) == Some(b"ustar") {
        return "it seems to be a tar archive";
    }
    let known = MAGIC.iter().find(|(magic, _)| start.starts_with(magic)).map(|(_, name)| *name);
    let text = || !start.contains(&0) && start.iter().filter(|byte| !byte.is_ascii()).count() * 4 < start.len();
    known.unwrap_or(if text() { "it seems to be text" } else { "its kind is not known" })
}

pub(super) fn cut_off() -> Refusal {
    Refusal::of_archive(Rule::Truncated, "the upload was perhaps cut off; send it again")
}

pub(super) fn multi_disk() -> Refusal {
    Refusal::of_archive(Rule::MultiDisk, "join the parts or pack again as one file")
}
