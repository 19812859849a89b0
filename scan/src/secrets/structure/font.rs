//! Fonts: TrueType and OpenType (also as a collection's member), WOFF, WOFF2, EOT.

use super::cursor::Cursor;

/// So far tables may end before the next one or the file: they are aligned.
const PADDING: usize = 4;

/// A table directory whose tables follow each other up to the end, one of them a font's head.
pub(super) fn sfnt(bytes: &[u8]) -> Option<usize> {
    let starts = [b"\0\x01\0\0".as_slice(), b"OTTO", b"true"];
    let mut at = starts.iter().find_map(|magic| Cursor::behind(bytes, magic))?;
    let count = at.be16()?;
    at.skip(6)?;
    let (mut parts, mut headed) = (Vec::new(), false);
    for _ in 0..count {
        let tag = at.take(4)?;
        at.skip(4)?;
        let (start, length) = (at.be32()?, at.be32()?);
        let table = bytes.get(start..start.checked_add(length)?)?;
        headed |= tag == b"head" && table.get(12..16) == Some(&[0x5f, 0x0f, 0x3c, 0xf5]);
        parts.push((start, start + length));
    }
    headed.then(|| filled(at.at, parts)).flatten()
}

/// Where parts end that leave no room between them.
fn filled(first: usize, mut parts: Vec<(usize, usize)>) -> Option<usize> {
    parts.sort_unstable();
    parts.into_iter().try_fold(first, |end, (start, stop)| (start < end + PADDING).then_some(end.max(stop)))
}

/// A header that names the size of the file, and tables inside it.
pub(super) fn woff(bytes: &[u8]) -> Option<usize> {
    let mut at = Cursor::behind(bytes, b"wOFF")?;
    at.skip(4)?;
    let (length, count) = (at.be32()?, at.be16()?);
    at.skip(10)?;
    let (mut extra, mut parts) = (Vec::new(), Vec::new());
    for place in 0..2 {
        let (start, size) = (at.be32()?, at.be32()?);
        if place == 0 {
            at.skip(4)?;
        }
        if start > 0 {
            extra.push((start, start.checked_add(size)?));
        }
    }
    for _ in 0..count {
        at.skip(4)?;
        let (start, size) = (at.be32()?, at.be32()?);
        at.skip(8)?;
        parts.push((start, start.checked_add(size)?));
    }
    parts.extend(extra);
    let end = filled(at.at, parts)?;
    (count > 0 && length >= end && length < end + PADDING && length <= bytes.len()).then_some(length)
}

/// A header whose sizes agree.
pub(super) fn woff2(bytes: &[u8]) -> Option<usize> {
    let mut at = Cursor::behind(bytes, b"wOF2")?;
    at.skip(4)?;
    let (length, count, reserved) = (at.be32()?, at.be16()?, at.be16()?);
    let (_, packed) = (at.be32()?, at.be32()?);
    at.skip(4)?;
    let (meta, meta_length, _) = (at.be32()?, at.be32()?, at.be32()?);
    let (private, private_length) = (at.be32()?, at.be32()?);
    let mut end = at.at;
    for _ in 0..count {
        // Flags, a tag where they name none, and one or two lengths of up to five bytes.
        let flags = at.byte()?;
        at.skip(if flags & 0x3f == 0x3f { 4 } else { 0 })?;
        let transformed = matches!(flags & 0x3f, 10 | 11) != (flags >> 6 == 3) || flags >> 6 != 0 && flags >> 6 != 3;
        for _ in 0..1 + usize::from(transformed) {
            while at.byte()? & 0x80 != 0 {}
        }
        end = at.at;
    }
    end = end.checked_add(packed)?;
    for (start, size) in [(meta, meta_length), (private, private_length)] {
        if start > 0 {
            end = (start < end + PADDING).then_some(start.checked_add(size)?)?;
        }
    }
    (reserved == 0 && count > 0 && length >= end && length < end + PADDING && length <= bytes.len()).then_some(length)
}

/// Microsoft's envelope: its size, its mark, and the font at its end, as it is or in the vendor's packing.
pub(super) fn eot(bytes: &[u8]) -> Option<usize> {
    /// The flag of a packed font; another says that its bytes are changed besides.
    const PACKED: usize = 4;
    let mut at = Cursor::new(bytes);
    let (size, font, version, flags) = (at.le32()?, at.le32()?, at.le32()?, at.le32()?);
    let marked = bytes.get(34..36) == Some(b"LP") && matches!(version, 0x1_0000 | 0x2_0001 | 0x2_0002);
    let start = size.checked_sub(font)?;
    let font = bytes.get(start..size)?;
    let is_font = if flags & PACKED == 0 { sfnt(font).is_some() } else { micro_type(font).is_some() };
    (marked && start >= 36 && is_font).then_some(size)
}

/// MicroType Express: a version, how far copies reach back, and three blocks behind each other
/// (<https://www.w3.org/submissions/MTX/>, section 4).
fn micro_type(bytes: &[u8]) -> Option<()> {
    /// Version, reach, and where the second and the third block begin.
    const HEADER: usize = 10;
    let be24 = |at: usize| bytes.get(at..at + 3).map(|b| b.iter().fold(0, |sum, byte| sum << 8 | usize::from(*byte)));
    let (data, code) = (be24(4)?, be24(7)?);
    (bytes[0] == 3 && HEADER < data && data < code && code < bytes.len()).then_some(())
}
