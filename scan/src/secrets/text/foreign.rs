//! Text in encodings that share nothing with ASCII, or hide it: EBCDIC, and UTF-7.

/// Shortest string in EBCDIC that is handed on, in characters, and how many of them are letters or digits: in other data that hardly
/// happens by itself, and no secret is shorter.
const MIN_RUN: usize = 12;
const MIN_LETTERS: usize = 8;

/// The strings in EBCDIC, with the line that each is in. Its code pages agree on letters and digits, and on most of the rest.
pub(in crate::secrets) fn ebcdic_runs(bytes: &[u8], mut each: impl FnMut(&[u8], u64)) {
    let (mut text, mut letters, mut line) = (Vec::new(), 0, 1_u64);
    for byte in bytes.iter().copied().chain([0]) {
        match ebcdic(byte) {
            Some(c) => {
                letters += usize::from(c.is_ascii_alphanumeric());
                text.push(c);
            }
            None => {
                if text.len() >= MIN_RUN && letters >= MIN_LETTERS {
                    each(&text, line);
                }
                text.clear();
                letters = 0;
                // A line ends with one of two; the file may have ASCII's, too.
                line += u64::from(matches!(byte, 0x15 | 0x25 | b'\n'));
            }
        }
    }
}

fn ebcdic(byte: u8) -> Option<u8> {
    const SIGNS: &[u8; 27] = b" .<(+|&!$*);-/,%_>?:#@'=\"[]";
    const CODES: [u8; 27] = [
        0x40, 0x4b, 0x4c, 0x4d, 0x4e, 0x4f, 0x50, 0x5a, 0x5b, 0x5c, 0x5d, 0x5e, 0x60, 0x61, 0x6b, 0x6c, 0x6d, 0x6e,
        0x6f, 0x7a, 0x7b, 0x7c, 0x7d, 0x7e, 0x7f, 0xba, 0xbb,
    ];
    match byte {
        0x81..=0x89 => Some(byte - 0x81 + b'a'),
        0x91..=0x99 => Some(byte - 0x91 + b'j'),
        0xa2..=0xa9 => Some(byte - 0xa2 + b's'),
        0xc1..=0xc9 => Some(byte - 0xc1 + b'A'),
        0xd1..=0xd9 => Some(byte - 0xd1 + b'J'),
        0xe2..=0xe9 => Some(byte - 0xe2 + b'S'),
        0xf0..=0xf9 => Some(byte - 0xf0 + b'0'),
        _ => CODES.iter().position(|code| *code == byte).map(|at| SIGNS[at]),
    }
}

/// A text with what is written in UTF-7 in it decoded; none if there is nothing of the kind.
pub(in crate::secrets) fn utf7(bytes: &[u8]) -> Option<Vec<u8>> {
    let (mut out, mut at, mut found) = (Vec::new(), 0, false);
    while let Some(plus) = bytes[at..].iter().position(|byte| *byte == b'+') {
        let start = at + plus;
        let length = bytes[start + 1..].iter().take_while(|byte| sextet(**byte).is_some()).count();
        let end = start + 1 + length;
        if let Some(text) = shifted(&bytes[start + 1..end]) {
            if !found {
                out.reserve(bytes.len());
            }
            found = true;
            out.extend_from_slice(&bytes[at..start]);
            out.extend_from_slice(text.as_bytes());
            at = end + usize::from(bytes.get(end) == Some(&b'-'));
        } else {
            out.extend_from_slice(&bytes[at..=start]);
            at = start + 1;
        }
    }
    out.extend_from_slice(&bytes[at..]);
    found.then_some(out)
}

/// The characters of one shifted part: UTF-16 in Base64 without padding, with something readable in it.
fn shifted(part: &[u8]) -> Option<String> {
    let (mut bits, mut count, mut units) = (0_u32, 0, Vec::new());
    for byte in part {
        bits = bits << 6 | u32::from(sextet(*byte)?);
        count += 6;
        if count >= 16 {
            count -= 16;
            units.push(u16::try_from(bits >> count & 0xffff).ok()?);
            bits &= (1 << count) - 1;
        }
    }
    let text = String::from_utf16(&units).ok().filter(|_| count < 6 && bits == 0)?;
    let readable = |c: char| !c.is_control() || c.is_ascii_whitespace();
    (text.chars().all(readable) && text.contains(|c: char| c.is_ascii_graphic())).then_some(text)
}

fn sextet(byte: u8) -> Option<u8> {
    match byte {
        b'A'..=b'Z' => Some(byte - b'A'),
        b'a'..=b'z' => Some(byte - b'a' + 26),
        b'0'..=b'9' => Some(byte - b'0' + 52),
        b'+' => Some(62),
        b'/' => Some(63),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ebcdic_is_read_and_other_text_is_not_taken_for_it() {
        let bytes =
            [b"\x81\x82\x15".as_slice(), b"\xd7\xc1\xe2\xe2\xe6\xd6\xd9\xc4\x40\x7e\x40\xf1\xf2\xf3\xf4", b"\0"]
                .concat();
        let mut found = Vec::new();
        ebcdic_runs(&bytes, |text, line| found.push((String::from_utf8_lossy(text).into_owned(), line)));
        assert_eq!(found, [("PASSWORD = 1234".to_owned(), 2)]);
        for other in [
            "ordinary text (with signs) and LETTERS@[]",
            "Gr\u{fc}\u{df}e aus K\u{f6}ln",
            "\u{43f}\u{430}\u{440}\u{43e}\u{43b}\u{44c}",
        ] {
            ebcdic_runs(other.as_bytes(), |text, _| panic!("{other}: {}", String::from_utf8_lossy(text)));
        }
    }

    #[test]
    fn utf7_is_decoded_where_it_is_some() {
        for (text, expected) in [("key+AD0-+AEEASwBJAEE-1", "key=AKIA1"), ("+AEE-K+AEk-A", "AKIA"), ("+AEE", "A")] {
            assert_eq!(utf7(text.as_bytes()).as_deref(), Some(expected.as_bytes()), "{text}");
        }
        for plain in ["a + b", "c++", "1+-1", "x+AAAA", "sha512-q+Zx/ab+0", ""] {
            assert_eq!(utf7(plain.as_bytes()), None, "{plain}");
        }
    }
}
