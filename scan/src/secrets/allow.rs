//! What SECRETS may leave unread, from the file of rows that ships with the rules: each row has a reason.
//!
//! A row names a field of lock files that holds digests. A field's value is left out only where it can be nothing but a
//! digest: by its length, and by not being text in disguise. There is no row for a path.

use std::{borrow::Cow, ops::Range, path::Path};

use serde::Deserialize;

use crate::{report, stage::Failure};

/// Largest file of rows, in bytes.
const MAX_ROWS: u64 = 1 << 20;
/// Bytes of the digests that are in use: MD5, SHA-1, SHA-224, SHA-256, SHA-384, SHA-512.
const DIGESTS: [usize; 6] = [16, 20, 28, 32, 48, 64];
/// No digest in Base64 has so many capitals and digits in a row, but for one in a hundred: those are scanned.
const MAX_CAPITALS: usize = 16;

/// The rows.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Allow {
    digests: Vec<Digest>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Digest {
    files: Vec<String>,
    fields: Vec<String>,
    #[serde(rename = "reason")]
    _reason: String,
}

impl Allow {
    /// Reads the rows.
    ///
    /// # Errors
    /// They cannot be read, or one has no reason.
    pub(super) fn open(path: &Path) -> Result<Self, Failure> {
        let failed = |reason: String| Failure::tool(format!("{} cannot be used: {reason}", path.display()));
        let text = report::bytes(path, MAX_ROWS).map_err(|error| failed(error.to_string()))?;
        serde_json::from_slice(&text).map_err(|error| failed(error.to_string()))
    }

    /// A text without the digests in the fields of a lock file; as long as it was.
    pub(super) fn without_digests<'a>(&self, path: &str, text: &'a [u8]) -> Cow<'a, [u8]> {
        let name = path.rsplit(['/', '!']).next().unwrap_or(path);
        let rows = self.digests.iter().filter(|row| row.files.iter().any(|file| file == name));
        let fields: Vec<&str> = rows.flat_map(|row| row.fields.iter().map(String::as_str)).collect();
        if fields.is_empty() {
            return Cow::Borrowed(text);
        }
        let mut text = text.to_vec();
        for line in text.split_mut(|byte| *byte == b'\n') {
            for field in &fields {
                let mut at = 0;
                while let Some(end) = find(&line[at..], field.as_bytes()) {
                    at += end;
                    let value = value(&line[at..]);
                    mask(&mut line[at + value.start..at + value.end]);
                }
            }
        }
        Cow::Owned(text)
    }
}

/// Where the first of these words ends.
fn find(line: &[u8], word: &[u8]) -> Option<usize> {
    line.windows(word.len()).position(|part| part == word).map(|at| at + word.len())
}

/// Where the value of a field is in what follows its name: in quotes, or one word. Nothing behind it belongs to the field.
fn value(rest: &[u8]) -> Range<usize> {
    let is_quote = |byte: &u8| matches!(byte, b'"' | b'\'');
    let blanks = |at: usize| at + rest[at..].iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
    let closed = usize::from(rest.first().is_some_and(is_quote));
    let separator = blanks(closed);
    let is_separated = matches!(rest.get(separator), Some(b':' | b'='));
    let start = if is_separated { blanks(separator + 1) } else { separator };
    // A quote that closes no name opens the value, as in `checksum = "`; one that closes a value has nothing behind it.
    let (start, quote) = match rest.get(start) {
        Some(quote) if is_quote(quote) => (start + 1, Some(*quote)),
        _ if closed == 1 && !is_separated => (1, Some(rest[0])),
        _ => (start, None),
    };
    let ends = |byte: &u8| match quote {
        Some(quote) => *byte == quote,
        None => {
            is_quote(byte)
                || matches!(byte, b' ' | b'\t' | b'\r' | b',' | b';' | b'{'..=b'}' | b'[' | b']' | b'<' | b'>')
        }
    };
    start..rest[start..].iter().position(ends).map_or(rest.len(), |end| start + end)
}

fn mask(line: &mut [u8]) {
    let part_of_digest = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'=');
    for token in line.split_mut(|byte| !part_of_digest(byte)) {
        // Yarn writes the key of its cache and a slash before a digest.
        let hex = token.iter().rposition(|byte| *byte == b'/').map_or(0, |slash| slash + 1);
        if let Some(bytes) = from_hex(&token[hex..]) {
            if is_digest(&bytes) {
                token[hex..].fill(b'x');
            }
        } else if from_base64(token).is_some_and(|bytes| is_digest(&bytes)) && !shouts(token) {
            token.fill(b'x');
        }
    }
}

fn is_digest(bytes: &[u8]) -> bool {
    let readable = bytes.iter().filter(|byte| matches!(byte, b' '..=b'~')).count();
    DIGESTS.contains(&bytes.len()) && readable * 10 < bytes.len() * 7
}

fn shouts(token: &[u8]) -> bool {
    token.split(|byte| !byte.is_ascii_uppercase() && !byte.is_ascii_digit()).any(|run| run.len() >= MAX_CAPITALS)
}

fn from_hex(token: &[u8]) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let pairs = (!token.is_empty() && token.len().is_multiple_of(2)).then(|| token.chunks_exact(2))?;
    pairs.map(|pair| Some(digit(pair[0])? << 4 | digit(pair[1])?)).collect()
}

fn from_base64(token: &[u8]) -> Option<Vec<u8>> {
    let body = token.strip_suffix(b"==").or_else(|| token.strip_suffix(b"=")).unwrap_or(token);
    if token.is_empty() || !token.len().is_multiple_of(4) {
        return None;
    }
    let value = |byte: &u8| match byte {
        b'A'..=b'Z' => Some(byte - b'A'),
        b'a'..=b'z' => Some(byte - b'a' + 26),
        b'0'..=b'9' => Some(byte - b'0' + 52),
        b'+' => Some(62),
        b'/' => Some(63),
        _ => None,
    };
    let (mut bytes, mut bits, mut count) = (Vec::new(), 0_u32, 0);
    for byte in body {
        bits = bits << 6 | u32::from(value(byte)?);
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push((bits >> count & 0xff) as u8);
        }
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEX: &str = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";
    const BASE64: &str = "z4PhNX7vuL3xVChQ1m2AB9Yg5AULVxXcg/SpIdNs6c5H0NE8XYXysP+DGNKHfuwvY7kxvUdBeoGlODJ6+SfaPg==";

    fn rows() -> Allow {
        Allow::open(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../pipelines/global/secrets-unread.json")).unwrap()
    }

    fn masked(file: &str, line: &str) -> String {
        String::from_utf8(rows().without_digests(file, line.as_bytes()).into_owned()).unwrap()
    }

    #[test]
    fn digests_in_their_fields_are_left_out() {
        for (file, line) in [
            ("a/package-lock.json", format!("  \"integrity\": \"sha512-{BASE64}\",")),
            ("Cargo.lock", format!("checksum = \"{HEX}\"")),
            ("x.zip!go.sum", "example.org/a v1.0.0 h1:n4bQgYhMfWWaL+qgxVrQFaO/TxsrC4Is0V1sFbDwCgg=".to_owned()),
            ("yarn.lock", format!("  checksum: 10c0/{HEX}{HEX}")),
            ("poetry.lock", format!("    {{file = \"a.whl\", hash = \"sha256:{HEX}\"}},")),
            ("Pipfile.lock", format!("    \"sha256:{HEX}\",")),
        ] {
            let masked = masked(file, &line);
            assert!(masked.len() == line.len() && masked.contains("xxxxxxxxxxxxxxxxxxxx"), "{masked}");
        }
    }

    #[test]
    fn every_field_of_a_line_is_left_out_and_nothing_behind_its_value() {
        let line = format!(
            r#"{{"a": {{"integrity":"x","apiKey":"{HEX}"}}, "integrity": ["{HEX}"], "integrityKey":"{HEX}", "b": "sha512-", "c":"{HEX}"}}"#
        );
        assert_eq!(masked("package-lock.json", &line), line);
        let line =
            format!(r#"{{"integrity":"sha512-{BASE64}","key":"{HEX}","integrity":"sha1-{HEX} sha512-{BASE64}"}}"#);
        let expected = line
            .replace(BASE64, &"x".repeat(BASE64.len()))
            .replace(&format!("sha1-{HEX}"), &format!("sha1-{}", "x".repeat(HEX.len())));
        assert_eq!(masked("package-lock.json", &line), expected);
        let line = format!(r#"checksum = "{HEX}" key = "{HEX}""#);
        assert_eq!(masked("Cargo.lock", &line), line.replacen(HEX, &"x".repeat(HEX.len()), 1));
    }

    #[test]
    fn what_only_looks_like_a_digest_stays() {
        // Text in hexadecimal, and in Base64; another length; a key inside; another field; another file.
        let key = format!("AKIA{}", "QYLPMN5HHHFPZAM2");
        let text: String = format!("aws_access={key}+").bytes().map(|byte| format!("{byte:02x}")).collect();
        for (file, line) in [
            ("Cargo.lock", format!("checksum = \"{text}\"")),
            (
                "package-lock.json",
                "\"integrity\": \"sha256-dGhpcyBpcyBhIHRleHQgb2YgdGhpcnR5LXR3byBjaGFyYWM=\"".to_owned(),
            ),
            ("package-lock.json", format!("\"integrity\": \"{key}\"")),
            (
                "package-lock.json",
                format!("\"integrity\": \"sha512-{}\"", BASE64.replacen("PhNX7vuL3xVChQ1m2AB9", &key, 1)),
            ),
            ("package-lock.json", format!("\"other\": \"{HEX}\"")),
            ("settings.json", format!("\"integrity\": \"sha512-{BASE64}\"")),
        ] {
            assert_eq!(masked(file, &line), line);
        }
    }
}
