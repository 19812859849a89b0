//! The text of a report: reports come in the encodings of the machines that wrote them, and say so in three places.

use std::borrow::Cow;

use encoding_rs::{Encoding, UTF_8, UTF_16BE, UTF_16LE};

/// How many bytes are looked at for the encoding that an XML declaration names.
const DECLARATION_MAX: usize = 256;

/// An XML document as text: by its byte order mark, else by the form of its first bytes, else by its declaration.
///
/// What cannot be decoded becomes a replacement character: a test case with an odd letter in its name is still a test case.
pub(crate) fn xml(bytes: &[u8]) -> Cow<'_, str> {
    let encoding = match bytes {
        [b'<', 0, ..] => UTF_16LE,
        [0, b'<', ..] => UTF_16BE,
        _ => declared(bytes).unwrap_or(UTF_8),
    };
    // A byte order mark wins over both.
    encoding.decode(bytes).0
}

/// A JSON document as text. JSON is UTF-8; a byte order mark before it is not an error for anybody but a parser.
pub(crate) fn json(bytes: &[u8]) -> Cow<'_, [u8]> {
    match Encoding::for_bom(bytes) {
        None => Cow::Borrowed(bytes),
        Some((encoding, length)) if encoding == UTF_8 => Cow::Borrowed(&bytes[length..]),
        Some((encoding, _)) => Cow::Owned(encoding.decode(bytes).0.into_owned().into_bytes()),
    }
}

/// The encoding that an XML declaration names. One that says UTF-16 in a file of single bytes is wrong: it was copied.
fn declared(bytes: &[u8]) -> Option<&'static Encoding> {
    let head = &bytes[..bytes.len().min(DECLARATION_MAX)];
    let head = String::from_utf8_lossy(head);
    let declaration = head.trim_start().strip_prefix("<?xml")?.split("?>").next()?;
    let value = declaration.split_once("encoding")?.1.trim_start().strip_prefix('=')?.trim_start();
    let quote = value.chars().next().filter(|c| matches!(c, '"' | '\''))?;
    let encoding = Encoding::for_label(value[1..].split(quote).next()?.as_bytes())?;
    Some(if encoding == UTF_16LE || encoding == UTF_16BE { UTF_8 } else { encoding })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_encoding_is_taken_from_the_mark_the_form_or_the_declaration() {
        let utf16 = |text: &str, mark: bool, swap: bool| -> Vec<u8> {
            let units = mark.then_some(0xfeff).into_iter().chain(text.encode_utf16());
            units.flat_map(|unit: u16| if swap { unit.to_be_bytes() } else { unit.to_le_bytes() }).collect()
        };
        let declared = |label: &str, byte: u8| {
            [format!("<?xml version='1.0' encoding='{label}'?><a>").as_bytes(), &[byte], b"</a>"].concat()
        };
        for (bytes, expected) in [
            (b"\xef\xbb\xbf<a>\xc3\xbc</a>".to_vec(), "ü"),
            ("<a>ü</a>".as_bytes().to_vec(), "ü"),
            (declared("ISO-8859-1", 0xfc), "ü"),
            (declared("iso-8859-15", 0xa4), "€"),
            (declared("windows-1252", 0x80), "€"),
            (declared("US-ASCII", b'u'), "u"),
            (declared("utf-16", b'u'), "u"),
            (declared("no such encoding", 0xfc), "\u{fffd}"),
            (utf16("<?xml version='1.0' encoding='UTF-16'?><a>ü</a>", true, false), "ü"),
            (utf16("<a>ü</a>", true, true), "ü"),
            (utf16("<a>ü</a>", false, false), "ü"),
            (utf16("<a>ü</a>", false, true), "ü"),
        ] {
            let text = xml(&bytes);
            assert!(text.ends_with(&format!("<a>{expected}</a>")), "{text:?}");
        }
        assert_eq!(&*json(b"\xef\xbb\xbf{}"), b"{}");
        assert_eq!(&*json(&utf16("{}", true, true)), b"{}");
        assert_eq!(&*json(b"{}"), b"{}");
    }
}
