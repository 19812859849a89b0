//! What `.gitattributes` makes of a file's content on its way out: line ends, and the id of the file. Both are done as Git does
//! them on Linux. Filters are programs and are never run, and other encodings than UTF-8 are only told.
//!
//! Patterns are those of gitattributes(5): as in `.gitignore`, without `!` and without folders. The deepest file counts most,
//! and in one file the last line.

use std::borrow::Cow;

use git2::Odb;
use globset::{GlobBuilder, GlobSet, GlobSetBuilder};

use super::{objects::broken_pack, tree::Planned};
use crate::intake::{ProjectPath, git::fault::CloneError};

const NAME: &str = ".gitattributes";
/// The largest file that is read, in bytes; honest ones have a few hundred.
const FILE_MAX: usize = 256 * 1024;
/// The most lines of one file that set something we know.
const LINES_MAX: usize = 2000;

/// All that a repository says.
pub(super) struct Attributes {
    /// The outermost folder first.
    files: Vec<AttributesFile>,
    /// One that could not be read.
    unread: Option<String>,
}

struct AttributesFile {
    /// The folder it lies in, with a slash; empty for the project's own.
    folder: String,
    patterns: GlobSet,
    /// By pattern: what it sets.
    settings: Vec<Vec<Setting>>,
}

/// One word of a line: a name, and what it is set to; `None` takes a setting back.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Setting {
    name: Name,
    value: Option<Value>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Name {
    Text,
    /// The old name of `text`.
    Crlf,
    Eol,
    Ident,
    Encoding,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Value {
    On,
    Off,
    Is(String),
}

/// What is done to one file.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Wanted {
    line_ends: LineEnds,
    ident: bool,
    /// Whether Git would write it in another encoding than UTF-8.
    pub other_encoding: bool,
}

#[derive(Debug, Default, PartialEq, Eq)]
enum LineEnds {
    #[default]
    AsTheyAre,
    /// CR LF.
    Crlf,
    /// CR LF, where the content looks like text that has none yet.
    CrlfIfText,
}

impl Attributes {
    /// Reads every `.gitattributes` of a plan.
    pub fn read(files: &[Planned], objects: &Odb<'_>) -> Result<Self, CloneError> {
        let mut all = Self { files: Vec::new(), unread: None };
        for file in files.iter().filter(|file| file.path.split().1 == NAME) {
            let content = objects.read(file.blob).map_err(|error| broken_pack(&error))?;
            let folder = file.path.as_str().strip_suffix(NAME).unwrap_or_default();
            match AttributesFile::parse(folder, content.data()) {
                Some(parsed) => all.files.push(parsed),
                None => all.unread = Some(file.path.to_string()),
            }
        }
        all.files.sort_by_key(|file| file.folder.len());
        Ok(all)
    }

    /// A file that could not be read.
    pub fn unread(&self) -> Option<&str> {
        self.unread.as_deref()
    }

    /// What is done to a file.
    pub fn of(&self, path: &ProjectPath) -> Wanted {
        let mut set: [Option<&Value>; 5] = [None; 5];
        for file in &self.files {
            let Some(below) = path.as_str().strip_prefix(&file.folder) else { continue };
            for at in file.patterns.matches(below) {
                for setting in &file.settings[at] {
                    set[setting.name as usize] = setting.value.as_ref();
                }
            }
        }
        let value = |name: Name| set[name as usize];
        let is = |name: Name, text: &str| matches!(value(name), Some(Value::Is(is)) if is == text);
        let text = if value(Name::Text).is_some() { Name::Text } else { Name::Crlf };
        let line_ends = match value(text) {
            _ if !is(Name::Eol, "crlf") => LineEnds::AsTheyAre,
            Some(Value::Off) => LineEnds::AsTheyAre,
            _ if is(text, "auto") => LineEnds::CrlfIfText,
            _ => LineEnds::Crlf,
        };
        let utf8 = |name: &str| name.eq_ignore_ascii_case("utf-8") || name.eq_ignore_ascii_case("utf8");
        let other_encoding = matches!(value(Name::Encoding), Some(Value::Is(name)) if !utf8(name));
        Wanted { line_ends, ident: value(Name::Ident) == Some(&Value::On), other_encoding }
    }
}

impl AttributesFile {
    fn parse(folder: &str, content: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(content).ok().filter(|text| text.len() <= FILE_MAX)?;
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let (mut patterns, mut settings, mut macros) = (GlobSetBuilder::new(), Vec::new(), Vec::new());
        for line in text.lines() {
            let Some((pattern, words)) = split_line(line) else { continue };
            if let Some(name) = pattern.strip_prefix("[attr]") {
                macros.push((name.to_owned(), read_words(words, &macros)));
                continue;
            }
            let set = read_words(words, &macros);
            let Some(glob) = glob_of(&pattern).filter(|_| !set.is_empty()) else { continue };
            // What Git cannot match either matches nothing.
            let Ok(glob) = GlobBuilder::new(&glob).literal_separator(true).backslash_escape(true).build() else {
                continue;
            };
            patterns.add(glob);
            settings.push(set);
        }
        let patterns = (settings.len() <= LINES_MAX).then(|| patterns.build().ok()).flatten()?;
        Some(Self { folder: folder.to_owned(), patterns, settings })
    }
}

/// The pattern of a line, which may be quoted, and its words.
fn split_line(line: &str) -> Option<(String, &str)> {
    let line = line.trim_matches([' ', '\t', '\r']);
    if line.is_empty() || line.starts_with(['#', '!']) {
        return None;
    }
    if let Some(quoted) = line.strip_prefix('"')
        && let Some((pattern, words)) = quoted.split_once('"')
    {
        return (!pattern.contains('\\')).then(|| (pattern.to_owned(), words));
    }
    let end = line.find([' ', '\t'])?;
    Some((line[..end].to_owned(), &line[end..]))
}

/// A pattern without a slash is that of a name in any folder. Braces mean nothing to Git.
fn glob_of(pattern: &str) -> Option<String> {
    if pattern.ends_with('/') {
        return None;
    }
    let plain = pattern.replace('{', "[{]").replace('}', "[}]");
    match plain.contains('/') {
        true => Some(plain.strip_prefix('/').unwrap_or(&plain).to_owned()),
        false => Some(format!("**/{plain}")),
    }
}

fn read_words(words: &str, macros: &[(String, Vec<Setting>)]) -> Vec<Setting> {
    let mut settings = Vec::new();
    for word in words.split_whitespace() {
        let (name, value) = match (word.strip_prefix('-'), word.strip_prefix('!'), word.split_once('=')) {
            (Some(name), _, _) => (name, Some(Value::Off)),
            (_, Some(name), _) => (name, None),
            (_, _, Some((name, is))) => (name, Some(Value::Is(is.to_owned()))),
            _ => (word, Some(Value::On)),
        };
        let name = match name {
            "text" => Name::Text,
            "crlf" => Name::Crlf,
            "eol" => Name::Eol,
            "ident" => Name::Ident,
            "working-tree-encoding" => Name::Encoding,
            "binary" if value == Some(Value::On) => {
                settings.push(Setting { name: Name::Text, value: Some(Value::Off) });
                continue;
            }
            other => {
                let known = macros.iter().rev().find(|(known, _)| known == other && value == Some(Value::On));
                settings.extend(known.into_iter().flat_map(|(_, set)| set.clone()));
                continue;
            }
        };
        settings.push(Setting { name, value });
    }
    settings
}

impl Wanted {
    /// The content as it is written: the id first, then the line ends.
    pub fn convert<'a>(&self, content: &'a [u8], id: &str) -> Cow<'a, [u8]> {
        let content = match self.ident {
            true => Cow::Owned(with_id(content, id)),
            false => Cow::Borrowed(content),
        };
        match self.line_ends {
            LineEnds::Crlf => Cow::Owned(with_crlf(&content)),
            LineEnds::CrlfIfText if is_text_with_lf(&content) => Cow::Owned(with_crlf(&content)),
            LineEnds::CrlfIfText | LineEnds::AsTheyAre => content,
        }
    }
}

fn with_crlf(content: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(content.len() + content.len() / 16);
    for (at, byte) in content.iter().enumerate() {
        if *byte == b'\n' && (at == 0 || content[at - 1] != b'\r') {
            out.push(b'\r');
        }
        out.push(*byte);
    }
    out
}

/// As Git sees it: no CR and no NUL, and at most one odd byte in 128.
fn is_text_with_lf(content: &[u8]) -> bool {
    let content = content.strip_suffix(b"\x1a").unwrap_or(content);
    let odd = |byte: &&u8| matches!(**byte, 1..=7 | 11 | 14..=26 | 28..=31 | 127);
    let odd = content.iter().filter(odd).count();
    let lines = content.iter().filter(|byte| **byte == b'\n').count();
    !content.contains(&0) && !content.contains(&b'\r') && (content.len() - odd - lines) >> 7 >= odd
}

/// Puts the id behind every `$Id$`, also where an older one stands; what another system wrote there stays.
fn with_id(content: &[u8], id: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(content.len());
    let mut left = content;
    while let Some(at) = left.iter().position(|byte| *byte == b'$') {
        out.extend_from_slice(&left[..=at]);
        left = &left[at + 1..];
        let Some(rest) = left.strip_prefix(b"Id") else { continue };
        let end = match rest.first() {
            Some(b'$') => 0,
            Some(b':') => match rest.iter().position(|byte| *byte == b'$') {
                Some(end) if is_own_id(&rest[1..end]) => end,
                Some(_) => continue,
                None => break,
            },
            _ => continue,
        };
        out.extend_from_slice(format!("Id: {id} $").as_bytes());
        left = &rest[end + 1..];
    }
    out.extend_from_slice(left);
    out
}

/// What Git itself puts there is one word; more is another system's.
fn is_own_id(inside: &[u8]) -> bool {
    let space = inside.iter().skip(1).position(|byte| *byte == b' ').map(|at| at + 1);
    !inside.contains(&b'\n') && space.is_none_or(|at| at + 1 >= inside.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(files: &[(&str, &str)], path: &str) -> Wanted {
        let parse = |(folder, text): &(&str, &str)| AttributesFile::parse(folder, text.as_bytes()).unwrap();
        let all = Attributes { files: files.iter().map(parse).collect(), unread: None };
        all.of(&ProjectPath::parse(path.as_bytes()).unwrap())
    }

    #[test]
    fn the_last_line_of_the_deepest_file_counts() {
        let root = "* text=auto\n*.bat text eol=crlf\n/docs/**/*.txt eol=crlf\n*.png binary\n# x eol=crlf\n*.jar eol=crlf -text\n";
        let files = [("", root), ("src/", "*.bat !eol\nkeep.bat eol=crlf\n*.{x} eol=crlf\n\"with space\" eol=crlf\n")];
        for (path, expected) in [
            ("a.bat", LineEnds::Crlf),
            ("lib/a.bat", LineEnds::Crlf),
            ("a.txt", LineEnds::AsTheyAre),
            ("docs/a.txt", LineEnds::CrlfIfText),
            ("docs/b/c/a.txt", LineEnds::CrlfIfText),
            ("lib/docs/a.txt", LineEnds::AsTheyAre),
            ("a.jar", LineEnds::AsTheyAre),
            ("src/a.bat", LineEnds::AsTheyAre),
            ("src/keep.bat", LineEnds::Crlf),
            ("src/a.{x}", LineEnds::CrlfIfText),
            ("src/a.x", LineEnds::AsTheyAre),
            ("src/with space", LineEnds::CrlfIfText),
        ] {
            assert_eq!(wanted(&files, path).line_ends, expected, "{path}");
        }
        let files = [(
            "",
            "[attr]dos text eol=crlf\n*.cmd dos\n*.rc working-tree-encoding=UTF-16\n*.c working-tree-encoding=utf-8 ident\n",
        )];
        assert_eq!(wanted(&files, "a.cmd").line_ends, LineEnds::Crlf);
        assert!(wanted(&files, "a.rc").other_encoding && !wanted(&files, "a.c").other_encoding);
        assert!(wanted(&files, "a.c").ident && !wanted(&files, "a.rc").ident);
    }
}
