//! A value at a place in a file of a project, as contracts name places: content in, text out.

use pipelinex_common::pipeline::stack::Place;
use regex::Regex;

use super::values::Tree;

/// The text at a place; `None` where there is none, or the file cannot be read as what it is called.
pub fn at(file: &str, content: &[u8], place: &Place) -> Option<String> {
    let text = match place {
        Place::FirstLine => plain_lines(content)?.next()?.to_owned(),
        Place::Row(word) => plain_lines(content)?.find_map(|line| rest_of_row(line, word))?,
        Place::Pattern(pattern) => matched(content, pattern)?,
        Place::Path(keys) if file.ends_with(".properties") => property(content, &keys.join("."))?,
        Place::Path(keys) => Tree::read(file, content).ok()?.at(keys.iter().map(String::as_str))?,
    };
    Some(text.trim().to_owned()).filter(|text| !text.is_empty())
}

/// The lines that say something. What follows a `#` or `//` is a comment.
fn plain_lines(content: &[u8]) -> Option<impl Iterator<Item = &str>> {
    let text = std::str::from_utf8(content.strip_prefix(b"\xef\xbb\xbf").unwrap_or(content)).ok()?;
    Some(text.lines().map(without_comment).filter(|line| !line.is_empty()))
}

fn without_comment(line: &str) -> &str {
    let line = line.split(" #").next().unwrap_or_default();
    let line = line.split(" //").next().unwrap_or_default().trim();
    if line.starts_with('#') || line.starts_with("//") { "" } else { line }
}

/// What follows the first word of a line; of several versions the first.
fn rest_of_row(line: &str, word: &str) -> Option<String> {
    let mut words = line.split_whitespace();
    (words.next()? == word).then(|| words.next().map(str::to_owned)).flatten()
}

/// The first group of the first match.
fn matched(content: &[u8], pattern: &str) -> Option<String> {
    let found = Regex::new(pattern).ok()?.captures(std::str::from_utf8(content).ok()?)?;
    Some(found.get(1)?.as_str().to_owned())
}

fn property(content: &[u8], key: &str) -> Option<String> {
    let text = std::str::from_utf8(content).ok()?;
    let lines = text.lines().map(str::trim).filter(|line| !line.starts_with(['#', '!']));
    let mut pairs = lines.filter_map(|line| line.split_once(['=', ':']));
    pairs.find(|(name, _)| name.trim() == key).map(|(_, value)| value.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_found_where_each_tool_keeps_it() {
        let path = |keys: &[&str]| Place::Path(keys.iter().map(|key| (*key).to_owned()).collect());
        let row = |word: &str| Place::Row(word.to_owned());
        let toolchain = Place::Pattern(r"JavaLanguageVersion\.of\((\d+)\)".to_owned());
        let pom = "<project><properties><java.version>21</java.version></properties></project>";
        for (file, content, place, expected) in [
            (".nvmrc", "\u{feff}# which\n\nv22.3.0 # ours\n", Place::FirstLine, Some("v22.3.0")),
            (".java-version", "\n", Place::FirstLine, None),
            (".tool-versions", "nodejs 20.1.0 18\njava temurin-17.0.9+9\n", row("nodejs"), Some("20.1.0")),
            (".tool-versions", "#java 8\njava temurin-17.0.9+9", row("java"), Some("temurin-17.0.9+9")),
            ("go.mod", "module a\n\ngo 1.22.0 // least\ntoolchain go1.24.1\n", row("go"), Some("1.22.0")),
            ("go.mod", "module a\n\ngo 1.22.0\ntoolchain go1.24.1\n", row("toolchain"), Some("go1.24.1")),
            ("package.json", r#"{"engines": {"node": ">=18"}}"#, path(&["engines", "node"]), Some(">=18")),
            ("package.json", "{", path(&["engines", "node"]), None),
            ("pom.xml", pom, path(&["project", "properties", "java.version"]), Some("21")),
            (
                "pyproject.toml",
                "[project]\nrequires-python = '>=3.10'",
                path(&["project", "requires-python"]),
                Some(">=3.10"),
            ),
            ("rust-toolchain.toml", "[toolchain]\nchannel = \"1.80\"", path(&["toolchain", "channel"]), Some("1.80")),
            ("gradle.properties", "# x=1\njava.version = 17\n", path(&["java", "version"]), Some("17")),
            ("build.gradle", "languageVersion = JavaLanguageVersion.of(21)", toolchain.clone(), Some("21")),
            ("build.gradle", "sourceCompatibility = '17'", toolchain, None),
            (".nvmrc", "\u{0}\u{fffd}", Place::FirstLine, Some("\u{0}\u{fffd}")),
        ] {
            assert_eq!(at(file, content.as_bytes(), &place).as_deref(), expected, "{file}: {content}");
        }
        assert_eq!(at(".nvmrc", b"\xff", &Place::FirstLine), None);
    }
}
