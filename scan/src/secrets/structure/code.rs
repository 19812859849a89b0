//! Programs: Java classes, ELF, PE, WebAssembly.

use super::{Proof, cursor::Cursor};

/// A class file up to its last attribute. Its constants stand one behind the other, so each is a text of its own. An attribute
/// may hold anything, so what follows the constants is searched for strings.
pub(super) fn class(bytes: &[u8]) -> Option<Proof> {
    let mut at = Cursor::behind(bytes, b"\xca\xfe\xba\xbe")?;
    at.skip(4)?;
    let (count, mut texts, mut number) = (at.be16()?, Vec::new(), 1);
    while number < count {
        number += 1;
        match at.byte()? {
            1 => {
                let length = at.be16()?;
                texts.push(at.take(length)?.to_vec());
            }
            3 | 4 | 9..=12 | 17 | 18 => at.skip(4)?,
            // A long or double counts twice.
            5 | 6 => {
                at.skip(8)?;
                number += 1;
            }
            7 | 8 | 16 | 19 | 20 => at.skip(2)?,
            15 => at.skip(3)?,
            _ => return None,
        }
    }
    let strings_from = at.at;
    at.skip(6)?;
    let interfaces = at.be16()?;
    at.skip(interfaces * 2)?;
    for _ in ["fields", "methods"] {
        for _ in 0..at.be16()? {
            at.skip(6)?;
            attributes(&mut at)?;
        }
    }
    attributes(&mut at)?;
    Some(Proof { end: at.at, texts, strings_from, incomplete: false })
}

fn attributes(at: &mut Cursor<'_>) -> Option<()> {
    for _ in 0..at.be16()? {
        at.skip(2)?;
        let length = at.be32()?;
        at.skip(length)?;
    }
    Some(())
}

/// A header, and tables and sections that are all inside the file; the last of them is its end.
pub(super) fn elf(bytes: &[u8]) -> Option<usize> {
    let mut at = Cursor::behind(bytes, b"\x7fELF")?;
    let (class, order, version) = (at.byte()?, at.byte()?, at.byte()?);
    let (wide, big) = (class == 2, order == 2);
    if !matches!(class, 1 | 2) || !matches!(order, 1 | 2) || version != 1 {
        return None;
    }
    let half = |at: &mut Cursor<'_>| if big { at.be16() } else { at.le16() };
    let word = |at: &mut Cursor<'_>| if big { at.be32() } else { at.le32() };
    let long = |at: &mut Cursor<'_>| match (wide, big) {
        (false, _) => word(at),
        (true, false) => at.le64(),
        (true, true) => at.be64(),
    };
    at = at.to(24)?;
    let _entry = long(&mut at)?;
    let (programs, sections) = (long(&mut at)?, long(&mut at)?);
    at.skip(4)?;
    let size = half(&mut at)?;
    let (program_size, program_count) = (half(&mut at)?, half(&mut at)?);
    let (section_size, section_count) = (half(&mut at)?, half(&mut at)?);
    if size != (if wide { 64 } else { 52 }) || program_count + section_count == 0 {
        return None;
    }
    let mut end = size;
    if program_count > 0 {
        end = end.max(programs.checked_add(program_size * program_count)?);
        for number in 0..program_count {
            let mut at = at.to(programs.checked_add(program_size * number)?)?;
            // The segment's flags stand before its place in files of 64 bits, and behind its sizes in others.
            at.skip(if wide { 8 } else { 4 })?;
            let start = long(&mut at)?;
            at.skip(if wide { 16 } else { 8 })?;
            end = end.max(start.checked_add(long(&mut at)?)?);
        }
    }
    if section_count > 0 {
        end = end.max(sections.checked_add(section_size * section_count)?);
        for number in 0..section_count {
            let mut at = at.to(sections.checked_add(section_size * number)?)?;
            at.skip(4)?;
            let kind = word(&mut at)?;
            at.skip(if wide { 16 } else { 8 })?;
            let (start, length) = (long(&mut at)?, long(&mut at)?);
            // A section of zeros takes no room.
            end = if kind == 8 { end } else { end.max(start.checked_add(length)?) };
        }
    }
    (end <= bytes.len()).then_some(end)
}

/// The DOS and the PE header, and sections that are all inside the file; a signature may follow them.
pub(super) fn pe(bytes: &[u8]) -> Option<usize> {
    let header = Cursor::behind(bytes, b"MZ")?.to(60)?.le32()?;
    let mut at = Cursor::new(bytes).to(header)?;
    if at.take(4)? != b"PE\0\0" {
        return None;
    }
    at.skip(2)?;
    let count = at.le16()?;
    at.skip(12)?;
    let optional = at.le16()?;
    at.skip(2)?;
    let start = at.at;
    let magic = at.le16()?;
    let directories = start
        + match magic {
            0x10b => 96,
            0x20b => 112,
            _ => return None,
        };
    let mut end = start.checked_add(optional)?.checked_add(40 * count)?;
    let mut section = at.to(start.checked_add(optional)?)?;
    for _ in 0..count {
        section.skip(16)?;
        let (length, place) = (section.le32()?, section.le32()?);
        section.skip(16)?;
        end = if length == 0 { end } else { end.max(place.checked_add(length)?) };
    }
    // The fifth directory is the signature, by its place in the file.
    if directories + 40 <= start + optional {
        let mut at = at.to(directories + 32)?;
        let (place, length) = (at.le32()?, at.le32()?);
        end = if length == 0 { end } else { end.max(place.checked_add(length)?) };
    }
    (count > 0 && end <= bytes.len()).then_some(end)
}

/// Sections with their lengths, up to the end of the file.
pub(super) fn wasm(bytes: &[u8]) -> Option<usize> {
    let mut at = Cursor::behind(bytes, b"\0asm\x01\0\0\0")?;
    while !at.is_at_end() {
        if at.byte()? > 13 {
            return None;
        }
        let (mut length, mut shift) = (0_usize, 0);
        loop {
            let byte = at.byte()?;
            length |= usize::from(byte & 0x7f).checked_shl(shift)?;
            shift += 7;
            if byte & 0x80 == 0 {
                break;
            }
        }
        at.skip(length)?;
    }
    Some(at.at)
}
