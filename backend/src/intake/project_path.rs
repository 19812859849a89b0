//! A path inside a project, parsed once: what holds one can be created on Linux, where jobs run, and shown without surprise.
//!
//! Names that only Windows or macOS cannot have are taken, since projects have them: they are names like others to the calls
//! that create them, and downloads write them differently. Refused is what leaves the project, what a person cannot see
//! as it is, and what would be `..` for a program that trims. Nothing is rewritten: that is how two entries become one.

use std::fmt;

use super::refusal::{Refusal, Rule};

/// A relative path of plain components, joined by `/`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProjectPath(String);

impl ProjectPath {
    /// Parses the name of an entry; one trailing `/` (a folder's) is taken off.
    pub fn parse(name: &[u8]) -> Result<Self, Refusal> {
        let path = Self::parse_linux(name)?;
        match path.0.contains('\\') {
            true => {
                let hint =
                    "pack again with a tool that writes / between folders (Compress-Archive of PowerShell 7, not 5.1)";
                Err(Refusal::of_entry(Rule::Backslash, name, hint))
            }
            false => Ok(path),
        }
    }

    /// Parses a path of Git, which separates by `/` alone: a backslash is a character of a name, as on Linux.
    pub(super) fn parse_linux(name: &[u8]) -> Result<Self, Refusal> {
        let refuse = |(rule, hint)| Refusal::of_entry(rule, name, hint);
        let text = std::str::from_utf8(name).map_err(|_| refuse((Rule::NameNotUtf8, NOT_UTF8_HINT)))?;
        check_characters(text).map_err(refuse)?;
        check_anchor(text).map_err(refuse)?;
        let path = text.strip_suffix('/').unwrap_or(text);
        path.split('/').try_for_each(check_component).map_err(refuse)?;
        Ok(Self(path.to_owned()))
    }

    /// Whether a part of the path is `.git`, or would be on a file system that forgives more than ours.
    pub(super) fn has_dot_git(&self) -> bool {
        self.components().any(is_dot_git)
    }

    /// The whole path.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The path's parts, outermost first.
    pub fn components(&self) -> impl Iterator<Item = &str> {
        self.0.split('/')
    }

    /// The folder the path lies in, empty for the project's own, and its name there.
    pub fn split(&self) -> (&str, &str) {
        self.0.rsplit_once('/').unwrap_or(("", &self.0))
    }

    /// The path below `top`, if it lies below it.
    pub(super) fn below(&self, top: &str) -> Option<Self> {
        let rest = self.0.strip_prefix(top)?.strip_prefix('/')?;
        Some(Self(rest.to_owned()))
    }

    /// The folders above the path, outermost first.
    pub(super) fn ancestors(&self) -> impl Iterator<Item = Self> {
        self.0.match_indices('/').map(|(at, _)| Self(self.0[..at].to_owned()))
    }
}

impl fmt::Display for ProjectPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

type Problem = (Rule, &'static str);

const NOT_UTF8_HINT: &str = "pack the project with a tool that writes names in UTF-8 (zip, 7-Zip, Explorer of Windows 10 or later), or rename it";

fn check_characters(text: &str) -> Result<(), Problem> {
    if text.chars().any(char::is_control) {
        return Err((Rule::NameControl, "rename it without control characters such as line breaks"));
    }
    if text.chars().any(is_invisible) {
        return Err((Rule::NameInvisible, "rename it without zero-width and text-direction characters"));
    }
    Ok(())
}

/// Characters that take no room, or turn the direction of what follows: a name with them is not what it looks like. The two
/// joiners are left out, without which neither Persian nor many an emoji can be written.
fn is_invisible(c: char) -> bool {
    matches!(c,
        '\u{00ad}' | '\u{034f}' | '\u{061c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180e}'
        | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}'
        | '\u{feff}' | '\u{ffa0}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// The zero-width joiner and non-joiner: names that differ in them alone look the same.
pub(super) fn is_joiner(c: char) -> bool {
    matches!(c, '\u{200c}' | '\u{200d}')
}

fn check_anchor(text: &str) -> Result<(), Problem> {
    if text.starts_with('/') {
        return Err((Rule::AbsolutePath, "pack the project with paths relative to its folder"));
    }
    let bytes = text.as_bytes();
    // `a:b` is a name; `c:` alone, or before a folder, is a drive.
    let drive = bytes.len() >= 2 && bytes[0].is_ascii_alphabetic() && bytes[1] == b':';
    match drive && matches!(bytes.get(2), None | Some(b'/' | b'\\')) {
        true => Err((Rule::DrivePath, "pack the project with paths relative to its folder")),
        false => Ok(()),
    }
}

fn check_component(name: &str) -> Result<(), Problem> {
    if matches!(name, "" | ".") {
        return Err((Rule::NameDotOrEmpty, "pack again with plain paths, without // and /./"));
    }
    if name == ".." {
        return Err((Rule::PathEscape, "pack the project from inside its folder, without .. in any path"));
    }
    if name.chars().all(|c| matches!(c, '.' | ' ')) {
        return Err((
            Rule::NameTrailing,
            "rename it: Windows takes trailing dots and spaces away, and nothing is left",
        ));
    }
    Ok(())
}

/// Whether a name is `.git` on Windows (NTFS) or macOS (HFS+), by the rules with which Git keeps itself from making one:
/// any case, trailing dots and spaces, the short name `git~1`, a stream behind a colon, a backslash, joiners.
fn is_dot_git(name: &str) -> bool {
    name.split('\\').any(|part| {
        let part = part.split(':').next().unwrap_or(part);
        let seen: String = part.chars().filter(|c| !is_joiner(*c)).collect();
        let seen = seen.trim_end_matches(['.', ' ']);
        seen.eq_ignore_ascii_case(".git") || seen.eq_ignore_ascii_case("git~1")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(name: &[u8]) -> Option<Rule> {
        ProjectPath::parse(name).err().map(|refusal| refusal.rule)
    }

    #[test]
    fn a_hostile_name_is_refused_by_the_rule_that_says_why() {
        let cases: &[(&str, &[u8], Rule)] = &[
            ("Z01", b"../../x", Rule::PathEscape),
            ("Z01", b"..", Rule::PathEscape),
            ("Z02", b"a/../../x", Rule::PathEscape),
            ("Z02", b"a/..", Rule::PathEscape),
            ("Z02", b"a/../", Rule::PathEscape),
            ("Z02", b"a/.. /x", Rule::NameTrailing),
            ("Z02", b"a/.../x", Rule::NameTrailing),
            ("Z03", b"/abs", Rule::AbsolutePath),
            ("Z03", b"/", Rule::AbsolutePath),
            ("Z04", b"//abs", Rule::AbsolutePath),
            ("Z05", b"..\\..\\x", Rule::Backslash),
            ("Z06", b"C:\\x", Rule::DrivePath),
            ("Z06", b"C:", Rule::DrivePath),
            ("Z06", b"c:/x", Rule::DrivePath),
            ("Z06", b"\\\\srv\\share", Rule::Backslash),
            ("Z06", b"\\\\?\\C:\\x", Rule::Backslash),
            ("Z06", b"a\\b", Rule::Backslash),
            ("Z07", b"a\0b", Rule::NameControl),
            ("Z07", b"a.txt\0", Rule::NameControl),
            ("Z08", b".", Rule::NameDotOrEmpty),
            ("Z08", b"", Rule::NameDotOrEmpty),
            ("Z08", b"./", Rule::NameDotOrEmpty),
            ("Z09", b"a/./b", Rule::NameDotOrEmpty),
            ("Z09", b"a//b", Rule::NameDotOrEmpty),
            ("Z09", b"a//", Rule::NameDotOrEmpty),
            ("Z11", b"a\nb", Rule::NameControl),
            ("Z11", b"\x1b[2J", Rule::NameControl),
            ("Z11", b"a\x7f", Rule::NameControl),
            ("Z11", "a\u{85}".as_bytes(), Rule::NameControl),
            ("Z11", "x\u{202e}gpj.exe".as_bytes(), Rule::NameInvisible),
            ("Z11", "po\u{200b}m.xml".as_bytes(), Rule::NameInvisible),
            ("Z11", "\u{feff}pom.xml".as_bytes(), Rule::NameInvisible),
            ("Z08", b" ", Rule::NameTrailing),
            ("Z08", b"a/. ./x", Rule::NameTrailing),
            ("Z65", b"a\xff.txt", Rule::NameNotUtf8),
            ("Z66", b"gr\x81n.txt", Rule::NameNotUtf8),
        ];
        for (case, name, expected) in cases {
            assert_eq!(rule(name), Some(*expected), "{case}: {}", name.escape_ascii());
        }
    }

    #[test]
    fn honest_names_pass_unchanged() {
        for name in
            ["pom.xml", ".gitignore", "..a", "a..b", "src/main/Größe.java", "日本.txt", "a b", "com10", "👩\u{200d}💻"]
        {
            assert_eq!(ProjectPath::parse(name.as_bytes()).unwrap().as_str(), name);
        }
        // Names that Windows cannot have (Z08, Z10), and a word of Persian.
        for name in
            ["con/aux.sql", "src/nul.txt", "com1", "a:b", "f:stream", "a.", "a ", "a /b", "می\u{200c}خواهم", "x|y?"]
        {
            assert_eq!(ProjectPath::parse(name.as_bytes()).unwrap().as_str(), name);
        }
        assert_eq!(ProjectPath::parse(b"src/main/").unwrap().as_str(), "src/main");
    }

    #[test]
    fn git_s_own_folder_is_known_in_every_disguise() {
        for name in [
            ".git/config",
            "a/.GIT",
            "git~1",
            "GIT~1/hooks",
            ".git ",
            ".git. .",
            "git~1.",
            ".git::$INDEX_ALLOCATION/x",
            ".git:x",
            ".g\u{200c}it",
            ".git\u{200d}",
            ".git\\config",
            "a\\.git",
            ".Git .\\x",
        ] {
            assert!(ProjectPath::parse_linux(name.as_bytes()).unwrap().has_dot_git(), "{name}");
        }
        for name in [".gitignore", ".gitattributes", "git", "git~2", ".git2", "x.git", ". git", "agit~1", "git~1x"] {
            assert!(!ProjectPath::parse_linux(name.as_bytes()).unwrap().has_dot_git(), "{name}");
        }
    }

    #[test]
    fn a_path_knows_its_folder_and_what_lies_above() {
        let path = ProjectPath::parse(b"a/b/c").unwrap();
        assert_eq!(path.split(), ("a/b", "c"));
        assert_eq!(path.ancestors().map(|p| p.0).collect::<Vec<_>>(), ["a", "a/b"]);
        assert_eq!(path.below("a").unwrap().as_str(), "b/c");
        assert_eq!(path.below("b"), None);
        assert_eq!(ProjectPath::parse(b"a").unwrap().split(), ("", "a"));
    }
}
