//! What runs of a source in JavaScript, TypeScript, Python or Go, where a scanner could read something else: escapes and letters that
//! stand for others in names, line ends that end a comment, and encodings.

use unicode_normalization::UnicodeNormalization;

use super::{Reading, Reads, decoded, escape, is_same};
use crate::sast::language::Language;

/// Lines of a Python source that may name its encoding (PEP 263).
const CODING_LINES: usize = 2;

/// How a source in another language than Java is read.
pub(in crate::sast) fn of(language: Language, bytes: &[u8]) -> Reads {
    let wide = bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]);
    if wide && language != Language::TypeScript {
        return Reads::No("it begins like UTF-16, which nothing reads in this language");
    }
    let (text, mut doubt) = match decoded(bytes) {
        Ok(decoded) => decoded,
        Err(reason) => return Reads::No(reason),
    };
    let (text, lines) = match language {
        Language::Python => {
            if names_other_encoding(&text) {
                doubt = Some("it names an encoding in which its bytes may mean something else");
            }
            with_lines(&text.nfkc_names(), &['\r'])
        }
        Language::JavaScript | Language::TypeScript => {
            with_lines(&without_escapes(&text), &['\r', '\u{2028}', '\u{2029}'])
        }
        Language::Java | Language::Go => with_lines(&text, &[]),
    };
    match doubt {
        Some(doubt) => Reads::Doubtful(Reading { text, lines }, doubt),
        None if is_same(&text, bytes) => Reads::AsIs,
        None => Reads::Also(Reading { text, lines }),
    }
}

/// The text with one line feed for each line end, and for each of its lines the line as an editor counts: a return with its line feed
/// is one, and what only the language takes for an end is none.
fn with_lines(text: &str, ends: &[char]) -> (String, Vec<usize>) {
    let (mut out, mut lines, mut line) = (String::with_capacity(text.len()), vec![1], 1);
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        if c == '\r' && chars.peek() == Some(&'\n') {
            continue;
        }
        if c != '\n' && !ends.contains(&c) {
            out.push(c);
            continue;
        }
        line += usize::from(matches!(c, '\n' | '\r'));
        out.push('\n');
        lines.push(line);
    }
    (out, lines)
}

/// JavaScript's escapes of letters, digits, `_` and `$` become these: in a name, in a text and in a regular expression they mean the same.
fn without_escapes(text: &str) -> String {
    if !text.contains("\\u") {
        return text.to_owned();
    }
    let chars: Vec<char> = text.chars().collect();
    let (mut out, mut at) = (String::with_capacity(text.len()), 0);
    while at < chars.len() {
        let plain =
            |(c, length): (char, usize)| (c.is_ascii_alphanumeric() || matches!(c, '_' | '$')).then_some((c, length));
        match (chars[at] == '\\')
            .then(|| braced(&chars[at..]).or_else(|| escape(&chars[at..])).and_then(plain))
            .flatten()
        {
            Some((c, length)) => {
                out.push(c);
                at += length;
            }
            // A backslash and what it escapes belong together.
            None if chars[at] == '\\' => {
                out.extend(&chars[at..chars.len().min(at + 2)]);
                at += 2;
            }
            None => {
                out.push(chars[at]);
                at += 1;
            }
        }
    }
    out
}

/// `\u{65}`.
fn braced(chars: &[char]) -> Option<(char, usize)> {
    let digits: String = chars.strip_prefix(&['\\', 'u', '{'])?.iter().take_while(|c| **c != '}').take(80).collect();
    let c = char::from_u32(u32::from_str_radix(&digits, 16).ok()?)?;
    (chars.get(3 + digits.len()) == Some(&'}')).then_some((c, 4 + digits.len()))
}

/// Python takes letters that are forms of others for these, in names.
trait Names {
    fn nfkc_names(&self) -> String;
}

impl Names for String {
    fn nfkc_names(&self) -> String {
        if self.is_ascii() {
            return self.clone();
        }
        let mut out = String::with_capacity(self.len());
        for c in self.chars() {
            let form: String = if c.is_ascii() { String::new() } else { std::iter::once(c).nfkc().collect() };
            let name = !form.is_empty() && form.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
            if name { out.push_str(&form) } else { out.push(c) }
        }
        out
    }
}

/// Whether one of the first lines says `coding: NAME` with a name that is not one of those in which ASCII is ASCII.
fn names_other_encoding(text: &str) -> bool {
    let named = |line: &str| {
        let rest = line.split_once('#')?.1.split_once("coding")?.1.strip_prefix([':', '='])?;
        let name: String =
            rest.trim_start().chars().take_while(|c| c.is_ascii_alphanumeric() || "-_.".contains(*c)).collect();
        let name = name.to_lowercase().replace('_', "-");
        let plain = ["utf-8", "utf8", "ascii", "us-ascii", "latin-1", "latin1", "iso-8859-", "windows-125", "cp125"];
        (!name.is_empty()).then(|| !plain.iter().any(|plain| name.starts_with(plain)))
    };
    text.split(['\n', '\r']).take(CODING_LINES).any(|line| named(line).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(language: Language, text: &str) -> (String, Vec<usize>) {
        match of(language, text.as_bytes()) {
            Reads::Also(reading) => (reading.text, reading.lines),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn names_are_read_as_the_language_does() {
        assert_eq!(
            read(Language::JavaScript, r"\u0065v\u{61}l(r\u0065q) '\\u0065 \u0022'").0,
            r"eval(req) '\\u0065 \u0022'"
        );
        assert_eq!(read(Language::Python, "\u{ff45}v\u{1d41a}l(x) # \u{e4}\u{2026}").0, "eval(x) # \u{e4}\u{2026}");
        assert_eq!(of(Language::Go, "a := \"\u{ff45}\"\r\n".as_bytes()), Reads::AsIs);
    }

    #[test]
    fn a_comment_ends_where_the_language_ends_it() {
        assert_eq!(read(Language::TypeScript, "// a\u{2028}b\r\nc\rd"), ("// a\nb\nc\nd".to_owned(), vec![1, 1, 2, 3]));
        assert_eq!(read(Language::Python, "# a\rb"), ("# a\nb".to_owned(), vec![1, 2]));
    }

    #[test]
    fn encodings_that_hide_code_are_doubted() {
        let doubted = |text: &str| matches!(of(Language::Python, text.as_bytes()), Reads::Doubtful(..));
        assert!(doubted("#!/usr/bin/python\n# -*- coding: utf_7 -*-\n") && doubted("# vim: fileencoding=Shift_JIS\n"));
        assert!(!doubted("# coding: utf-8\n") && !doubted("# the coding of it\n") && !doubted("\n\n# coding: utf-7\n"));
        assert!(matches!(of(Language::JavaScript, &[0xff, 0xfe, b'a', 0]), Reads::No(_)));
    }
}
