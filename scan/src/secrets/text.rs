//! Which characters some bytes are, and which readable strings are in bytes that are no text.
//!
//! Nothing here decides by the first bytes of a file. Text is handed on as it is, also where its encoding is not UTF-8;
//! of everything else each readable string is handed on, one character in one, two or four bytes.

mod foreign;

pub(super) use foreign::{ebcdic_runs, utf7};

/// Shortest readable string that is taken out of binary data, in characters. No secret is shorter.
pub(super) const MIN_RUN: usize = 8;
/// One control character in so many bytes makes them no text.
const CONTROL_SHARE: usize = 50;

/// The byte order mark.
const MARK: char = '\u{feff}';

/// What some bytes are.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// One byte is one character, or a part of one: UTF-8 and what came before it.
    Text,
    /// UTF-16 or UTF-32, decoded.
    Wide {
        /// Its characters as UTF-8.
        text: String,
        /// Bytes of the smallest character.
        width: usize,
    },
    /// Something else.
    Binary,
}

/// Looks at all bytes.
pub(super) fn shape(bytes: &[u8]) -> Shape {
    if let Some((text, width)) = decoded(bytes) {
        return Shape::Wide { text, width };
    }
    let controls = bytes.iter().filter(|byte| is_control(**byte)).count();
    if controls * CONTROL_SHARE > bytes.len() { Shape::Binary } else { Shape::Text }
}

fn is_control(byte: u8) -> bool {
    matches!(byte, 0..=6 | 14..=26 | 28..=31 | 127)
}

/// The text of UTF-16 and UTF-32, with a byte order mark or without, if it is one.
fn decoded(bytes: &[u8]) -> Option<(String, usize)> {
    if bytes.len() < 2 || !bytes.iter().take(64 * 1024).any(|byte| *byte == 0) && !starts_with_mark(bytes) {
        return None;
    }
    let tries: [(usize, bool); 4] = [(4, false), (4, true), (2, false), (2, true)];
    tries.into_iter().find_map(|(width, big)| {
        let text = decode(bytes, width, big);
        let marked = text.starts_with(MARK);
        let text = if marked { text[MARK.len_utf8()..].to_owned() } else { text };
        is_readable(&text, bytes.len() / width, marked).then_some((text, width))
    })
}

fn starts_with_mark(bytes: &[u8]) -> bool {
    bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff])
}

/// Characters by one width and order; what is none becomes U+FFFD.
fn decode(bytes: &[u8], width: usize, big: bool) -> String {
    if width == 4 {
        let unit = |c: &[u8]| {
            let four = [c[0], c[1], c[2], c[3]];
            if big { u32::from_be_bytes(four) } else { u32::from_le_bytes(four) }
        };
        bytes.chunks_exact(4).map(|c| char::from_u32(unit(c)).unwrap_or(char::REPLACEMENT_CHARACTER)).collect()
    } else {
        let unit = |c: &[u8]| if big { u16::from_be_bytes([c[0], c[1]]) } else { u16::from_le_bytes([c[0], c[1]]) };
        char::decode_utf16(bytes.chunks_exact(2).map(unit)).map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER)).collect()
    }
}

/// Whether decoding gave what people write: hardly a character that is none and, without a mark, Latin ones among them.
fn is_readable(text: &str, units: usize, marked: bool) -> bool {
    let (mut odd, mut plain) = (0_usize, 0_usize);
    for c in text.chars() {
        let unassigned = matches!(c, char::REPLACEMENT_CHARACTER | '\u{e000}'..='\u{f8ff}' | '\u{fff0}'..='\u{ffff}');
        odd += usize::from(unassigned || c.is_control() && !c.is_whitespace());
        plain += usize::from(c.is_ascii() && !c.is_ascii_control() || c.is_ascii_whitespace());
    }
    odd * CONTROL_SHARE <= units && (marked || plain * 4 >= units) && units > 0
}

/// Readable strings with the line that each is in, for characters of one, two or four bytes.
pub(super) fn runs(bytes: &[u8], width: usize, mut each: impl FnMut(&[u8], u64)) {
    let (mut at, mut line, mut counted) = (0, 1_u64, 0);
    let mut text = Vec::new();
    while at < bytes.len() {
        let start = at;
        text.clear();
        while at < bytes.len() && is_readable_byte(bytes[at]) && is_zero(bytes, at + 1, width - 1) {
            text.push(bytes[at]);
            at += width;
        }
        // The last character of a big-endian string stands behind its zeros.
        let whole = text.len();
        if width > 1 && whole > 0 && at < bytes.len() && is_readable_byte(bytes[at]) {
            text.push(bytes[at]);
        }
        if whole >= MIN_RUN || text.len() >= MIN_RUN {
            line += bytes[counted..start].iter().filter(|byte| **byte == b'\n').count() as u64;
            counted = start;
            each(&text[..whole], line);
            if text.len() > whole {
                each(&text, line);
            }
        }
        at = if whole == 0 { start + 1 } else { at };
    }
}

fn is_readable_byte(byte: u8) -> bool {
    matches!(byte, b'\t' | b' '..=b'~')
}

fn is_zero(bytes: &[u8], from: usize, count: usize) -> bool {
    bytes.get(from..from + count).is_some_and(|zeros| zeros.iter().all(|byte| *byte == 0))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "first line\ncode 0123456789abcdef\n";

    fn wide(text: &str, width: usize, big: bool, mark: bool) -> Vec<u8> {
        let text = if mark { format!("\u{feff}{text}") } else { text.to_owned() };
        let unit = |value: u32| {
            let four = value.to_be_bytes();
            let mut bytes = four[4 - width..].to_vec();
            if !big {
                bytes.reverse();
            }
            bytes
        };
        text.chars().flat_map(|c| unit(u32::from(c))).collect()
    }

    #[test]
    fn wide_characters_are_decoded_in_each_order_with_a_mark_and_without() {
        for (width, big, mark) in
            [2, 4].into_iter().flat_map(|w| [(w, true, true), (w, true, false), (w, false, true), (w, false, false)])
        {
            let expected = Shape::Wide { text: TEXT.to_owned(), width };
            assert_eq!(shape(&wide(TEXT, width, big, mark)), expected, "{width} {big} {mark}");
        }
    }

    #[test]
    fn a_mark_is_enough_for_a_text_without_latin_letters() {
        let text = "\u{6587}\u{5b57}\u{3068}\u{8a00}\u{8449}".repeat(40);
        assert_eq!(shape(&wide(&text, 2, false, true)), Shape::Wide { text: text.clone(), width: 2 });
        // Bytes of another encoding behind a mark decode to something, too. Their readable strings are looked at in any case.
        let narrow = b"\xff\xfecode 0123456789abcdef";
        let mut found = 0;
        runs(narrow, 1, |text, _| found += usize::from(text == b"code 0123456789abcdef"));
        assert!(found == 1 && shape(narrow) != Shape::Text);
    }

    #[test]
    fn text_stays_text_whatever_it_begins_with() {
        for text in [
            "MZ: 1\ncode",
            "%PDF\ncode",
            "PK\x03 key of a text that goes on and on, 0123456789 0123456789",
            "gr\u{fc}n",
        ] {
            assert_eq!(shape(text.as_bytes()), Shape::Text, "{text}");
        }
        assert_eq!(shape(b"gr\xfcn und bl\xe4u"), Shape::Text);
        assert_eq!(shape(&[0, 1, 2, 3, 200, 100]), Shape::Binary);
    }

    #[test]
    fn readable_strings_are_found_with_their_lines() {
        let mut bytes = b"\x00\x01abcdefgh\x00\n\x02short\x00".to_vec();
        bytes.extend(wide("sixteenbits", 2, true, false));
        bytes.extend([1, 1, 1]);
        bytes.extend(wide("thirtytwobits", 4, false, false));
        let found = |width| {
            let mut all = Vec::new();
            runs(&bytes, width, |text, line| all.push((String::from_utf8_lossy(text).into_owned(), line)));
            all
        };
        assert_eq!(found(1), [("abcdefgh".to_owned(), 1)]);
        assert_eq!(found(2), [("sixteenbit".to_owned(), 2), ("sixteenbits".to_owned(), 2)]);
        assert_eq!(found(4), [("thirtytwobits".to_owned(), 2)]);
    }
}
