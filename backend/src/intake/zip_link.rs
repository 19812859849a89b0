//! The target of a link in a ZIP is the content of its entry, and is read by the scan: a plan knows where its links lead.

use std::io::{Read, Seek};

use flate2::{Crc, Decompress, FlushDecompress, Status};

use super::{
    refusal::{Refusal, Rule},
    zip_directory::read_at,
    zip_scan::{ScanError, Source},
};

/// Reads a target, which is as long as declared, uses exactly its own bytes, and matches its checksum, or is refused.
pub(super) fn read_target<R: Read + Seek>(
    reader: &mut R,
    name: &[u8],
    source: Source,
    size: u64,
) -> Result<Vec<u8>, ScanError> {
    let refuse = |rule, what: &str| Refusal::of_entry(rule, name, format!("{what}; pack the project again"));
    // Both were found short when the entry was classified.
    let length = |bytes: u64| usize::try_from(bytes).unwrap_or(usize::MAX);
    let mut bytes = vec![0; length(source.length)];
    read_at(reader, source.start, &mut bytes)?;
    let target = match source.deflated {
        false => bytes,
        true => {
            // One byte of room more shows what is longer than it says.
            let mut target = Vec::with_capacity(length(size) + 1);
            let mut stream = Decompress::new(false);
            let status = stream.decompress_vec(&bytes, &mut target, FlushDecompress::Finish);
            let ended = matches!(status, Ok(Status::StreamEnd)) && stream.total_in() == source.length;
            ended.then_some(target).ok_or_else(|| refuse(Rule::Damaged, "its compressed content is broken"))?
        }
    };
    if target.len() as u64 != size {
        return Err(refuse(Rule::SizeMismatch, "its content is not as long as declared").into());
    }
    let mut crc = Crc::new();
    crc.update(&target);
    match crc.sum() == source.crc {
        true => Ok(target),
        false => Err(refuse(Rule::CrcMismatch, "it was damaged on its way or by its packer").into()),
    }
}
