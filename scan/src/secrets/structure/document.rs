//! What holds records: PDF, SQLite, DER (certificates, key stores).

use super::{MAX_INFLATED, Proof, cursor::Cursor, image::Unpacked};

/// Most streams of one PDF that are unpacked.
const MAX_STREAMS: usize = 20_000;
/// Where a PDF's first line may begin.
const PDF_HEAD: usize = 1024;
/// Longest dictionary of a stream that is looked at, in bytes.
const MAX_DICTIONARY: usize = 64 * 1024;

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

/// What is packed in a document that looks like text all through, as one in letters of ASCII does. Readers take one that is damaged, too.
pub(super) fn pdf_of_text(bytes: &[u8]) -> Option<Proof> {
    let head = &bytes[..bytes.len().min(PDF_HEAD)];
    find_last(head, b"%PDF-")?;
    Some(streams(bytes).proof(bytes.len()))
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
    unpacked.incomplete = find_last(bytes, b"/Encrypt").is_some();
    while let Some(found) = bytes[at..].windows(6).position(|part| part == b"stream") {
        let before = &bytes[at..at + found];
        at += found + 6;
        let body = &bytes[at..];
        let body = body.strip_prefix(b"\r\n").or_else(|| body.strip_prefix(b"\n")).unwrap_or(body);
        if count >= MAX_STREAMS {
            unpacked.incomplete = true;
            break;
        }
        let packed = if before.ends_with(b"end") { Packed::Plain } else { packed(before) };
        let added = unpacked.add(body);
        if let Some(whole) = added {
            count += 1;
            unpacked.incomplete |= !whole;
        }
        unpacked.incomplete |= packed == Packed::Otherwise || (packed == Packed::Flate && added.is_none());
    }
    unpacked
}

/// How a stream of a PDF is packed.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Packed {
    /// Not, or as a picture.
    Plain,
    Flate,
    /// In a way that is not undone here, or twice.
    Otherwise,
}

/// What the dictionary before a stream says of it: any name in it counts, wherever it stands.
fn packed(before: &[u8]) -> Packed {
    const PICTURES: [&str; 6] = ["DCTDecode", "DCT", "JPXDecode", "CCITTFaxDecode", "CCF", "JBIG2Decode"];
    const SHORT: [&str; 5] = ["LZW", "A85", "AHx", "RL", "Crypt"];
    let start = before.len().saturating_sub(MAX_DICTIONARY);
    let start = find_last(&before[start..], b"obj").map_or(start, |found| start + found);
    let (mut flate, mut other, mut pixels, mut predicted) = (0, false, false, false);
    for (name, rest) in names(&before[start..]) {
        let next = rest.trim_ascii_start();
        match name.as_str() {
            "FlateDecode" | "Fl" => flate += 1,
            // The name stands somewhere else, or behind a comment.
            "Filter" => other |= !matches!(next.first(), Some(b'/' | b'[')),
            "Predictor" => predicted |= !next.starts_with(b"1") || next.get(1).is_some_and(u8::is_ascii_digit),
            "Image" | "XRef" => pixels = true,
            name if PICTURES.contains(&name) => pixels = true,
            name => other |= name.ends_with("Decode") || SHORT.contains(&name),
        }
    }
    match flate {
        _ if other || flate > 1 || (predicted && !pixels) => Packed::Otherwise,
        0 => Packed::Plain,
        _ => Packed::Flate,
    }
}

/// The names in a dictionary, with `#41` in them decoded, and what follows each.
fn names(dictionary: &[u8]) -> impl Iterator<Item = (String, &[u8])> {
    let ends = |byte: &u8| byte.is_ascii_whitespace() || b"/[]<>(){}%\0".contains(byte);
    let starts = dictionary.iter().enumerate().filter(|(_, byte)| **byte == b'/').map(|(at, _)| at + 1);
    starts.map(move |start| {
        let rest = &dictionary[start..];
        let end = rest.iter().position(ends).unwrap_or(rest.len());
        let (mut name, mut at) = (String::new(), 0);
        while at < end {
            let digits = rest.get(at + 1..at + 3).and_then(|digits| std::str::from_utf8(digits).ok());
            let code = digits.filter(|_| rest[at] == b'#').and_then(|digits| u8::from_str_radix(digits, 16).ok());
            name.push(char::from(code.unwrap_or(rest[at])));
            at += if code.is_some() { 3 } else { 1 };
        }
        (name, &rest[end..])
    })
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
