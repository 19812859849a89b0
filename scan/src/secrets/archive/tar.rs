//! Tar, as POSIX and GNU write it.

use std::{rc::Rc, str};

use super::{entry, inside, take};
use crate::{
    secrets::{batch::Origin, content::Reader},
    stage::Failure,
};

const BLOCK: usize = 512;

/// Whether it begins with a header whose checksum is right.
pub(super) fn is_tar(bytes: &[u8]) -> bool {
    bytes.get(..BLOCK).is_some_and(is_header)
}

fn is_header(block: &[u8]) -> bool {
    let sum: u64 =
        block.iter().enumerate().map(|(at, byte)| u64::from(if (148..156).contains(&at) { b' ' } else { *byte })).sum();
    block[0] != 0 && number(&block[148..156]) == Some(sum)
}

/// A number of a header: octal digits, or, of large files, binary.
fn number(field: &[u8]) -> Option<u64> {
    if field[0] & 0x80 != 0 {
        return field[1..].iter().try_fold(0_u64, |value, byte| Some(value.checked_mul(256)? | u64::from(*byte)));
    }
    let text = str::from_utf8(field).ok()?.trim_matches(['\0', ' ']);
    if text.is_empty() { Some(0) } else { u64::from_str_radix(text, 8).ok() }
}

/// Looks at the files, at what is said about them, and at what follows them.
pub(super) fn untar(reader: &mut Reader<'_>, origin: &Rc<Origin>, bytes: &[u8], depth: u32) -> Result<(), Failure> {
    let (mut at, mut said, mut long_name) = (0, Vec::new(), None);
    while let Some(header) = bytes.get(at..at + BLOCK).filter(|block| is_header(block)) {
        said.extend_from_slice(header);
        at += BLOCK;
        let size = number(&header[124..136]).and_then(|size| usize::try_from(size).ok()).unwrap_or(usize::MAX);
        let rest = &bytes[at..];
        let body = &rest[..size.min(rest.len())];
        let kind = header[156];
        match kind {
            // Names and notes; what an entry is about follows.
            b'L' | b'K' | b'x' | b'g' => {
                said.extend_from_slice(body);
                said.push(b'\n');
                long_name = name_in(kind, body).or(long_name);
            }
            _ => {
                let name = long_name.take().unwrap_or_else(|| name_of(header));
                let place = inside(origin, &name);
                if kind == b'S' {
                    reader.unread(&place, "a sparse file of an archive is not put together")?;
                }
                if !body.is_empty() {
                    let unpacked = take(reader, body);
                    entry(reader, &place, unpacked, depth)?;
                }
                if body.len() < size {
                    reader.unread(&place, "the archive ends in the middle of it")?;
                }
            }
        }
        at = at.saturating_add(size.div_ceil(BLOCK).saturating_mul(BLOCK)).min(bytes.len());
    }
    reader.strings(origin, &said, &[1, 2, 4])?;
    reader.rest(origin, &bytes[at..], depth)
}

fn name_of(header: &[u8]) -> String {
    let text = |field: &[u8]| String::from_utf8_lossy(field).trim_end_matches('\0').to_owned();
    let (name, prefix) = (text(&header[..100]), text(&header[345..500]));
    if header[257..].starts_with(b"ustar\0") && !prefix.is_empty() { format!("{prefix}/{name}") } else { name }
}

/// The name that a note gives to the next entry.
fn name_in(kind: u8, body: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(body);
    match kind {
        b'L' => Some(text.trim_end_matches('\0').to_owned()),
        b'x' => text.lines().find_map(|line| Some(line.split_once(" path=")?.1.to_owned())),
        _ => None,
    }
}
