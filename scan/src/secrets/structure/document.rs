//! What holds records: PDF, SQLite, DER (certificates, key stores).

use super::{MAX_INFLATED, Proof, cursor::Cursor, image::Unpacked};

/// Most streams of one PDF that are unpacked.
const MAX_STREAMS: usize = 20_000;

/// From its header to the last `%%EOF`, whose cross-reference is where `startxref` says. Packed streams are unpacked.
pub(super) fn pdf(bytes: &[u8]) -> Option<Proof> {
    let major = bytes.strip_prefix(b"%PDF-")?.first()?;
    let close = find_last(bytes, b"%%EOF")?;
    let start = find_last(&bytes[..close], b"startxref")?;
    let number = std::str::from_utf8(&bytes[start + 9..close]).ok()?.trim().parse::<usize>().ok()?;
    let table = bytes.get(number..start)?;
    let referenced = table.starts_with(b"xref") || is_object(table);
    if !matches!(major, b'1' | b'2') || !referenced {
        return None;
    }
    let mut end = close + 5;
    while matches!(bytes.get(end), Some(b'\r' | b'\n')) {
        end += 1;
    }
    Some(streams(&bytes[..close]).proof(end))
}

fn find_last(bytes: &[u8], word: &[u8]) -> Option<usize> {
    bytes.windows(word.len()).rposition(|part| part == word)
}

/// `12 0 obj`: the cross-reference is a stream.
fn is_object(bytes: &[u8]) -> bool {
    let head = String::from_utf8_lossy(&bytes[..bytes.len().min(40)]).into_owned();
    let mut words = head.split_ascii_whitespace();
    let is_number = |word: Option<&str>| word.is_some_and(|word| word.parse::<u32>().is_ok());
    is_number(words.next()) && is_number(words.next()) && words.next().is_some_and(|word| word.starts_with("obj"))
}

fn streams(bytes: &[u8]) -> Unpacked {
    let (mut unpacked, mut at, mut count) = (Unpacked::within(MAX_INFLATED), 0, 0);
    while let Some(found) = bytes[at..].windows(6).position(|part| part == b"stream") {
        at += found + 6;
        let body = &bytes[at..];
        let body = body.strip_prefix(b"\r\n").or_else(|| body.strip_prefix(b"\n")).unwrap_or(body);
        if count >= MAX_STREAMS {
            unpacked.incomplete = true;
            break;
        }
        if let Some(whole) = unpacked.add(body) {
            count += 1;
            unpacked.incomplete |= !whole;
        }
    }
    unpacked
}

/// As many pages as the header says, each as large as it says.
pub(super) fn sqlite(bytes: &[u8]) -> Option<usize> {
    let mut at = Cursor::behind(bytes, b"SQLite format 3\0")?;
    let page = match at.be16()? {
        1 => 65_536,
        page => page,
    };
    let pages = at.to(28)?.be32()?;
    let end = page.checked_mul(pages)?;
    (page.is_power_of_two() && page >= 512 && pages > 0 && end <= bytes.len()).then_some(end)
}

/// One sequence as long as it says, whose parts fill it.
pub(super) fn der(bytes: &[u8]) -> Option<usize> {
    let mut at = Cursor::new(bytes);
    let end = element(&mut at, Some(0x30))?;
    let mut parts = 0;
    while at.at < end {
        let stop = element(&mut at, None)?;
        at = at.to(stop)?;
        parts += 1;
    }
    (at.at == end && parts > 1 && end <= bytes.len()).then_some(end)
}

/// Reads a tag and a length; says where the element ends.
fn element(at: &mut Cursor<'_>, tag: Option<u8>) -> Option<usize> {
    let found = at.byte()?;
    let known = found & 0xc0 != 0 || matches!(found & 0x1f, 1..=6 | 10 | 12 | 16..=23 | 30);
    if !known || tag.is_some_and(|tag| tag != found) {
        return None;
    }
    let length = match at.byte()? {
        short @ 0..=0x7f => usize::from(short),
        long @ 0x81..=0x84 => {
            at.take(usize::from(long & 0x7f))?.iter().fold(0, |length, byte| length << 8 | usize::from(*byte))
        }
        _ => return None,
    };
    at.at.checked_add(length)
}
