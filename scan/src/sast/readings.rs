//! What a compiler reads in a Java source, where that differs from its bytes: another encoding, escapes like `\u0041`, line ends,
//! syntax that is newer than the scanner's grammar, and full names of types.

mod names;
mod others;

pub(super) use others::of as of_other;

/// A text as the compiler reads it, with the line of the file that each of its lines comes from.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Reading {
    pub(super) text: String,
    /// By line of the text, from 0: the line of the file, from 1.
    pub(super) lines: Vec<usize>,
}

/// How a file is to be read.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Reads {
    /// As it is.
    AsIs,
    /// Also like this, and this is what counts.
    Also(Reading),
    /// Also like this, and nobody can say which of the two is right.
    Doubtful(Reading, &'static str),
    /// Nobody can say what it means.
    No(&'static str),
}

/// How a Java source is read.
pub(super) fn of_java(bytes: &[u8]) -> Reads {
    let (text, doubt) = match decoded(bytes) {
        Ok(decoded) => decoded,
        Err(reason) => return Reads::No(reason),
    };
    let (text, lines) = without_escapes(text.trim_end_matches('\u{1a}'));
    let reading = Reading { text: names::simple(&older_syntax(&text)), lines };
    match doubt {
        Some(doubt) => Reads::Doubtful(reading, doubt),
        None if is_same(&reading.text, bytes) => Reads::AsIs,
        None => Reads::Also(reading),
    }
}

/// Whether these bytes can mean something else in an encoding that is not like ASCII: all that such encodings, UTF-7 among them,
/// read in another way.
pub(super) fn depends_on_encoding(bytes: &[u8]) -> bool {
    bytes.iter().any(|byte| *byte >= 0x80 || matches!(byte, 0 | 0x0e | 0x0f | 0x1b | b'\\' | b'+' | b'~'))
}

/// Whether a text is these bytes, but for line ends that every reader knows.
fn is_same(text: &str, bytes: &[u8]) -> bool {
    let unix = bytes.iter().enumerate().filter(|(at, byte)| **byte != b'\r' || bytes.get(at + 1) != Some(&b'\n'));
    text.bytes().eq(unix.map(|(_, byte)| *byte))
}

/// The text of a file, and why it may mean something else.
fn decoded(bytes: &[u8]) -> Result<(String, Option<&'static str>), &'static str> {
    const TORN: &str = "it begins like UTF-16 or UTF-32 and is neither";
    let pairs = |rest: &[u8], read: fn([u8; 2]) -> u16| {
        let units: Vec<u16> = rest.chunks_exact(2).map(|pair| read([pair[0], pair[1]])).collect();
        (rest.len().is_multiple_of(2)).then(|| String::from_utf16(&units).ok()).flatten().ok_or(TORN)
    };
    let quads = |rest: &[u8], read: fn([u8; 4]) -> u32| {
        let chars = rest.chunks_exact(4).map(|four| char::from_u32(read([four[0], four[1], four[2], four[3]])));
        (rest.len().is_multiple_of(4)).then(|| chars.collect::<Option<String>>()).flatten().ok_or(TORN)
    };
    match bytes {
        [0xff, 0xfe, 0, 0, rest @ ..] => return Ok((quads(rest, u32::from_le_bytes)?, None)),
        [0, 0, 0xfe, 0xff, rest @ ..] => return Ok((quads(rest, u32::from_be_bytes)?, None)),
        [0xff, 0xfe, rest @ ..] => return Ok((pairs(rest, u16::from_le_bytes)?, None)),
        [0xfe, 0xff, rest @ ..] => return Ok((pairs(rest, u16::from_be_bytes)?, None)),
        _ => {}
    }
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    if bytes.contains(&0) {
        return Err("it holds NUL bytes and no byte order mark, so its encoding is not known");
    }
    // Bytes that shift between sets of characters in some encodings; no source needs them.
    let shifts = bytes.iter().any(|byte| matches!(byte, 0x0e | 0x0f | 0x1b));
    let shifts = shifts.then_some("it holds bytes that switch to other characters in some encodings");
    if let Ok(text) = std::str::from_utf8(bytes) {
        return Ok((text.to_owned(), shifts));
    }
    // In one of the encodings of East Asia a backslash can be the second byte of a character: then a quote behind it ends a string.
    let eaten = bytes.windows(2).any(|pair| pair[0] >= 0x80 && pair[1] == b'\\');
    let doubt = eaten.then_some("it is not UTF-8, and where its texts end depends on its encoding");
    Ok((bytes.iter().copied().map(char::from).collect(), shifts.or(doubt)))
}

/// Java's first step (JLS 3.3 and 3.4): escapes become characters, and each line end one line feed. A backslash begins an escape
/// if an even number of backslashes stands before it; what an escape makes is not looked at again.
fn without_escapes(text: &str) -> (String, Vec<usize>) {
    let chars: Vec<char> = text.chars().collect();
    let (mut out, mut lines) = (String::with_capacity(text.len()), vec![1]);
    let (mut at, mut line, mut backslashes, mut after_return) = (0, 1, 0, false);
    while at < chars.len() {
        let raw = chars[at];
        let escape = (raw == '\\' && backslashes % 2 == 0).then(|| escape(&chars[at..])).flatten();
        let (c, length) = escape.unwrap_or((raw, 1));
        backslashes = if raw == '\\' && length == 1 { backslashes + 1 } else { 0 };
        if length == 1 && (raw == '\r' || (raw == '\n' && (at == 0 || chars[at - 1] != '\r'))) {
            line += 1;
        }
        at += length;
        let second_half = c == '\n' && after_return;
        after_return = c == '\r';
        match c {
            _ if second_half => {
                if let Some(last) = lines.last_mut() {
                    *last = line;
                }
            }
            '\r' | '\n' => {
                out.push('\n');
                lines.push(line);
            }
            c => out.push(c),
        }
    }
    (out, lines)
}

/// The character of an escape, and how many characters of the source it takes: two escapes for one beyond the basic plane.
fn escape(chars: &[char]) -> Option<(char, usize)> {
    let unit = |chars: &[char]| {
        let marks = chars.get(1..)?.iter().take_while(|c| **c == 'u').count();
        let digits: String = chars.get(1 + marks..5 + marks)?.iter().collect();
        let hex = marks > 0 && digits.chars().all(|c| c.is_ascii_hexdigit());
        Some((u32::from_str_radix(hex.then_some(digits.as_str())?, 16).ok()?, 5 + marks))
    };
    let (high, length) = unit(chars)?;
    if let Some(c) = char::from_u32(high) {
        return Some((c, length));
    }
    let rest = &chars[length..];
    let pair = rest.first().filter(|c| **c == '\\').and_then(|_| unit(rest));
    let joined = pair.and_then(|(low, more)| {
        let both = [u16::try_from(high).ok()?, u16::try_from(low).ok()?];
        Some((char::decode_utf16(both).next()?.ok()?, length + more))
    });
    Some(joined.unwrap_or((char::REPLACEMENT_CHARACTER, length)))
}

/// Says in the older syntax what the scanner's grammar does not know: `import module a.b;`, and statements before a constructor's
/// `super(...)` or `this(...)`. Both become something that no rule looks at, in the same place; nothing else of the text changes.
fn older_syntax(text: &str) -> String {
    let of_word = |(word, older): (&'static str, &'static str)| {
        let newer = move |at: &usize| is_newer(&text[..*at], word, &text[at + word.len()..]);
        text.match_indices(word).map(|(at, _)| at).filter(newer).map(move |at| (at, word, older))
    };
    let mut found: Vec<_> =
        [("super", "super_"), ("this", "this_"), ("module", "")].into_iter().flat_map(of_word).collect();
    found.sort_unstable();
    let (mut out, mut from) = (String::with_capacity(text.len()), 0);
    for (at, word, older) in found {
        out.push_str(&text[from..at]);
        out.push_str(older);
        from = at + word.len();
    }
    out.push_str(&text[from..]);
    out
}

fn is_newer(before: &str, word: &str, after: &str) -> bool {
    let before = before.trim_end_matches(|c: char| c.is_ascii_whitespace() && word != "module");
    if word == "module" {
        // A package may be called so: then a dot or a semicolon follows.
        let import = before.trim_end();
        let spaced = import.len() < before.len() && after.starts_with(|c: char| c.is_ascii_whitespace());
        let name = after.trim_start();
        let begins = |c: char| c.is_alphabetic() || c == '_' || c == '$';
        return spaced && import.ends_with("import") && name.starts_with(begins);
    }
    before.ends_with([';', '}']) && after.trim_start().starts_with('(')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8]) -> (String, Vec<usize>) {
        match of_java(bytes) {
            Reads::Also(reading) => (reading.text, reading.lines),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn escapes_are_read_as_the_language_says() {
        for (source, expected) in [
            (r"\u0041\uuuu0042", "AB"),
            (r"\\u0041\u0041", r"\\u0041A"),
            (r"\\\u0041", r"\\A"),
            (r"\u005cu0041", r"\u0041"),
            (r"\u005c\u005c", r"\\"),
            (r"\ud83d\ude00|\ud83d\u0041|\u004", "\u{1f600}|\u{fffd}A|\\u004"),
            (r#""\u0022;x();""#, r#""";x();""#),
        ] {
            assert_eq!(read(format!("{source}\r").as_bytes()).0, format!("{expected}\n"), "{source}");
        }
        assert_eq!(of_java(br"// \u004 \\u0041 \n"), Reads::AsIs, "none of these is an escape");
        assert_eq!(of_java(b"a\r\nb\r\n"), Reads::AsIs, "every reader knows these line ends");
    }

    #[test]
    fn a_line_is_told_as_the_file_has_it() {
        assert_eq!(read(b"a\\u000ab\nc"), ("a\nb\nc".to_owned(), vec![1, 1, 2]));
        assert_eq!(read(b"// a\rb\r\nc"), ("// a\nb\nc".to_owned(), vec![1, 2, 3]), "a return alone ends a line, too");
        assert_eq!(read(b"a\n\nb\x1a"), ("a\n\nb".to_owned(), vec![1, 2, 3]));
    }

    #[test]
    fn an_encoding_is_known_by_its_mark_or_not_at_all() {
        let le: Vec<u8> = [0xff, 0xfe].into_iter().chain("é\n".encode_utf16().flat_map(u16::to_le_bytes)).collect();
        assert_eq!(read(&le).0, "é\n");
        assert_eq!(read(&[0xfe, 0xff, 0, b'a']).0, "a");
        assert_eq!(read(&[0xff, 0xfe, 0, 0, b'a', 0, 0, 0]).0, "a");
        assert_eq!(read(&[0, 0, 0xfe, 0xff, 0, 0, 0, b'a']).0, "a");
        assert_eq!(read(b"\xef\xbb\xbfa").0, "a");
        assert_eq!(read(b"caf\xe9").0, "café");
        for odd in [&b"a\0"[..], &[0xff, 0xfe, b'a'], &[0xfe, 0xff, 0xd8, 0]] {
            assert!(matches!(of_java(odd), Reads::No(_)), "{odd:?}");
        }
        assert!(matches!(of_java(b"\"\x83\\\"; x(); //\";"), Reads::Doubtful(..)));
        assert_eq!(of_java("\"你\\\"\"; größe".as_bytes()), Reads::AsIs);
    }

    #[test]
    fn bytes_that_shift_between_sets_of_characters_are_doubted() {
        for odd in [&b"\"\x1b$B!!\x1b(B\""[..], b"\x0eabc\x0f", b"caf\xe9 \x1b"] {
            assert!(matches!(of_java(odd), Reads::Doubtful(..)), "{odd:?}");
        }
        assert!(depends_on_encoding(b"\"\\n\"") && depends_on_encoding(b"\xe9") && !depends_on_encoding(b"class A {}"));
    }

    #[test]
    fn newer_syntax_is_said_in_the_older() {
        assert_eq!(
            read(b"import module java.base;\nA(int x) { check(x); super (x); }\nB() { if (a) {} this(1); }").0,
            "import  java.base;\nA(int x) { check(x); super_ (x); }\nB() { if (a) {} this_(1); }"
        );
        let old = b"import module.a.B; import a.module ;\nA() { super(1); } B() { this(2); this.x = super.y(); }";
        assert_eq!(of_java(old), Reads::AsIs);
    }
}
