//! Looks for a text in Java code as the compiler sees it: what stands in a comment, a string or a text block is not code.
//!
//! Unicode escapes (`\u0040`) are not translated: nobody writes an annotation that way who wants it found.

/// How often `text` stands in the code of a Java source file.
///
/// An annotation (`@Name`) is counted as a whole: written with its package, with spaces or a comment after the `@`, and
/// not as the beginning of a longer name. Any other text is looked for as it is.
pub fn count(source: &[u8], text: &str) -> usize {
    let code = blank(source);
    match text.strip_prefix('@') {
        Some(name) if !name.is_empty() && name.bytes().all(is_name) => annotations(&code, name.as_bytes()),
        _ => occurrences(&code, text),
    }
}

/// How often `text` stands in a file of any kind.
pub fn occurrences(content: &[u8], text: &str) -> usize {
    let (text, mut from, mut found) = (text.as_bytes(), 0, 0);
    while !text.is_empty() && from + text.len() <= content.len() {
        if content[from..].starts_with(text) {
            found += 1;
            from += text.len();
        } else {
            from += 1;
        }
    }
    found
}

fn annotations(code: &[u8], name: &[u8]) -> usize {
    let signs = code.iter().enumerate().filter(|(_, byte)| **byte == b'@');
    signs.filter(|(at, _)| last_name(&code[at + 1..]) == Some(name)).count()
}

/// The last part of the dotted name at the start of `code`.
fn last_name(mut code: &[u8]) -> Option<&[u8]> {
    let mut last = None;
    loop {
        code = code.trim_ascii_start();
        let end = code.iter().position(|byte| !is_name(*byte)).unwrap_or(code.len());
        if end == 0 {
            return last;
        }
        last = Some(&code[..end]);
        code = code[end..].trim_ascii_start();
        match code.strip_prefix(b".") {
            Some(rest) => code = rest,
            None => return last,
        }
    }
}

fn is_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'$' | 0x80..)
}

/// The code alone: every byte of a comment or literal is a space.
fn blank(source: &[u8]) -> Vec<u8> {
    let mut code = Vec::with_capacity(source.len());
    while let Some(&byte) = source.get(code.len()) {
        let rest = &source[code.len()..];
        let hidden = match rest {
            [b'/', b'/', ..] => line_end(rest),
            [b'/', b'*', ..] => past(rest, 2, b"*/", Literal::Comment),
            [b'"', b'"', b'"', ..] => past(rest, 3, b"\"\"\"", Literal::Block),
            [quote @ (b'"' | b'\''), ..] => past(rest, 1, &[*quote], Literal::Line),
            _ => 0,
        };
        if hidden == 0 {
            code.push(byte);
        } else {
            code.resize(code.len() + hidden, b' ');
        }
    }
    code
}

fn line_end(rest: &[u8]) -> usize {
    rest.iter().position(is_line_end).unwrap_or(rest.len())
}

fn is_line_end(byte: &u8) -> bool {
    matches!(byte, b'\n' | b'\r')
}

#[derive(Clone, Copy, PartialEq)]
enum Literal {
    /// Without escapes.
    Comment,
    /// With escapes, over several lines.
    Block,
    /// With escapes, to the end of the line at most: an unclosed quote hides no more than that.
    Line,
}

/// The length of what begins here, opened by `skip` bytes and closed by `end`; unclosed, it is as long as it can be.
fn past(rest: &[u8], skip: usize, end: &[u8], literal: Literal) -> usize {
    let mut at = skip;
    // Never looks further than what it returns, so that a file of nothing but quotes is still read once.
    while at < rest.len() {
        if rest[at..].starts_with(end) {
            return at + end.len();
        } else if literal == Literal::Line && is_line_end(&rest[at]) {
            return at;
        } else if literal != Literal::Comment && rest[at] == b'\\' && rest.get(at + 1).is_none_or(|b| !is_line_end(b)) {
            at += 2;
        } else {
            at += 1;
        }
    }
    rest.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn boot(source: &str) -> usize {
        count(source.as_bytes(), "@SpringBootApplication")
    }

    #[test]
    fn only_code_counts() {
        for (source, expected) in [
            ("@SpringBootApplication class A {}", 1),
            ("@SpringBootApplication(scanBasePackages = \"x\") class A {}", 1),
            ("@SpringBootApplication class A {}\n@SpringBootApplication class B {}", 2),
            ("@org.springframework.boot.autoconfigure.SpringBootApplication class A {}", 1),
            ("@ /* why */ SpringBootApplication\nclass A {}", 1),
            ("@SpringBootApplication", 1),
            ("// @SpringBootApplication\nclass A {}", 0),
            ("// old mac\r@SpringBootApplication class A {}", 1),
            ("/** {@code @SpringBootApplication} */ class A {}", 0),
            ("/* /* @SpringBootApplication */ class A {}", 0),
            ("/**/@SpringBootApplication class A {}", 1),
            ("/*/ @SpringBootApplication */ class A {}", 0),
            ("String s = \"@SpringBootApplication\";", 0),
            ("String s = \"\\\"@SpringBootApplication\";", 0),
            ("String s = \"\\\\\"; @SpringBootApplication class A {}", 1),
            ("String s = \"//\"; @SpringBootApplication class A {}", 1),
            ("String s = \"\"; @SpringBootApplication class A {}", 1),
            ("char c = '\"'; @SpringBootApplication class A {}", 1),
            ("char c = '\\''; @SpringBootApplication class A {}", 1),
            ("String s = \"\"\"\n  \"@SpringBootApplication\n  \\\"\"\" @SpringBootApplication\n  \"\"\";", 0),
            ("String unclosed = \"\n@SpringBootApplication class A {}", 1),
            ("/* unclosed @SpringBootApplication", 0),
            ("\"\\", 0),
            ("@SpringBootApplicationTest class A {}", 0),
            ("@Über.SpringBootApplication class A {}", 1),
            ("@SpringBootApplicationÜ class A {}", 0),
            ("@SpringBootApplication.Other class A {}", 0),
            ("@interface SpringBootApplication {}", 0),
            ("import org.springframework.boot.autoconfigure.SpringBootApplication;", 0),
            ("", 0),
        ] {
            assert_eq!(boot(source), expected, "{source}");
        }
    }

    #[test]
    fn other_texts_are_looked_for_as_they_are() {
        assert_eq!(count(b"void main(String[] a) {} // void main(", "void main("), 1);
        assert_eq!(occurrences(b"aaaa", "aa"), 2);
        assert_eq!(occurrences(b"aaaa", ""), 0);
        assert_eq!(occurrences(b"a", "aa"), 0);
    }

    #[test]
    fn a_hostile_file_costs_its_length_once() {
        for piece in ["\"", "'", "/*", "\\", "@", "@a.", "\"\"\"", "/", "\\\"\n"] {
            let source = piece.repeat(1_000_000 / piece.len());
            let started = std::time::Instant::now();
            count(source.as_bytes(), "@SpringBootApplication");
            assert!(started.elapsed().as_secs() < 30, "{piece}: {:?}", started.elapsed());
        }
    }
}
