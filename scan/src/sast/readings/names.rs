//! Full names of Java types said as the rules say them: `java.util.Random` is `Random`. A rule that names a type simply does not
//! see `new java.util.Random()`, which means the same and needs no import.

/// What packages begin with whose types the rules name. A variable may be called so as well; what is read as it stands covers that.
const ROOTS: [&str; 9] = ["java", "javax", "jakarta", "org", "com", "io", "net", "reactor", "groovy"];

/// The text with the packages before types left out; lines stay where they are. Imports, the package's own line, comments and
/// texts are not touched.
pub(super) fn simple(text: &str) -> String {
    let (mut out, mut from, mut at) = (String::new(), 0, 0);
    let (mut after_dot, bytes) = (false, text.as_bytes());
    while at < text.len() {
        let end = at + token(&text[at..]);
        let word = &text[at..end];
        match word {
            "import" | "package" if !after_dot => {
                at = text[end..].find(';').map_or(text.len(), |semicolon| end + semicolon);
                continue;
            }
            _ if !after_dot && ROOTS.contains(&word) => {
                if let Some(length) = package(&text[end..]) {
                    out.push_str(&text[from..at]);
                    out.extend(text[at..end + length].matches('\n'));
                    from = end + length;
                    at = from;
                    continue;
                }
            }
            _ => {}
        }
        if !is_blank(word) {
            after_dot = bytes[at] == b'.';
        }
        at = end;
    }
    out.push_str(&text[from..]);
    out
}

/// How much of a text, which follows the first part of a name, belongs to a package: all before the name of a type.
fn package(text: &str) -> Option<usize> {
    let (mut at, mut parts) = (0, 0);
    loop {
        at += blanks(&text[at..]);
        at += text[at..].starts_with('.').then_some(1)?;
        at += blanks(&text[at..]);
        let first = text[at..].chars().next().filter(|c| c.is_alphabetic() || *c == '_')?;
        if first.is_uppercase() {
            return (parts > 0).then_some(at);
        }
        at += token(&text[at..]);
        parts += 1;
    }
}

/// Bytes of white space and comments at the start.
fn blanks(text: &str) -> usize {
    let mut at = 0;
    while at < text.len() {
        let length = token(&text[at..]);
        if !is_blank(&text[at..at + length]) {
            break;
        }
        at += length;
    }
    at
}

fn is_blank(token: &str) -> bool {
    token.starts_with("//") || token.starts_with("/*") || token.starts_with(char::is_whitespace)
}

/// Bytes of the first token: a comment, a text, a name, a run of white space, or one other character. At least 1.
fn token(text: &str) -> usize {
    let until = |end: &str, from: usize| text[from..].find(end).map_or(text.len(), |at| from + at + end.len());
    let first = text.chars().next().unwrap_or_default();
    let run = |keep: fn(char) -> bool| text.find(|c| !keep(c)).unwrap_or(text.len());
    match first {
        '/' if text.starts_with("//") => text.find('\n').unwrap_or(text.len()),
        '/' if text.starts_with("/*") => until("*/", 2),
        '"' if text.starts_with("\"\"\"") => quoted(text, "\"\"\""),
        '"' => quoted(text, "\""),
        '\'' => quoted(text, "'"),
        c if c.is_whitespace() => run(char::is_whitespace),
        c if c.is_alphanumeric() || c == '_' || c == '$' => run(|c| c.is_alphanumeric() || c == '_' || c == '$'),
        c => c.len_utf8().max(1).min(text.len()),
    }
}

/// Bytes of a text with its marks. Only a text block goes on over the end of its line.
fn quoted(text: &str, mark: &str) -> usize {
    let mut at = mark.len();
    while at < text.len() {
        let rest = &text[at..];
        match rest.chars().next().unwrap_or_default() {
            '\\' => at += 1 + rest[1..].chars().next().map_or(0, char::len_utf8),
            '\n' if mark.len() == 1 => return at,
            _ if rest.starts_with(mark) => return at + mark.len(),
            c => at += c.len_utf8(),
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::simple;

    #[test]
    fn types_are_named_without_their_package() {
        for (source, expected) in [
            ("java.util.Random r = new java.util.Random();", "Random r = new Random();"),
            ("java.util.Map.Entry<java.lang.String, java.io.File> e;", "Map.Entry<String, File> e;"),
            ("void a(@org.a.b.RequestParam String s)", "void a(@RequestParam String s)"),
            ("java . /* x */ util .\n  Random r;", "\nRandom r;"),
            ("java // x\n.util.Random r;", "\nRandom r;"),
            (r#"'"'; "\""; java.io.File f;"#, r#"'"'; "\""; File f;"#),
            ("\"\"\"\n \"java.io.File\" \"\"\"; java.io.File f;", "\"\"\"\n \"java.io.File\" \"\"\"; File f;"),
        ] {
            assert_eq!(simple(source), expected, "{source}");
        }
    }

    #[test]
    fn what_is_no_full_name_of_a_type_stays() {
        for source in [
            "import java.util.Random;\nimport static java.util.Map.entry;",
            "package org.a.B;",
            "// java.util.Random\n/* java.util.Random */ String s = \"java.util.Random\";",
            "org.find(); org.repository.find(); net.Client c; a.org.b.C d; x.java.util.Random y;",
            "java.",
            "java.util.",
            "java /* ",
            "\"\\",
            "'",
            "\"\"\"",
            "java.util.random",
        ] {
            assert_eq!(simple(source), source);
        }
    }
}
