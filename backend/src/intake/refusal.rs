//! Why a submission is not taken in: the submitter's fault as a [`Refusal`], ours as the other variants of [`IntakeError`].

use std::{fmt, io, path::PathBuf};

use pipelinex_common::disk::is_full;
use serde::{Serialize, Serializer};

/// How much of an entry's name a message shows, in characters.
const SHOWN_NAME_CHARS: usize = 120;

/// Defines [`Rule`] from one table: variant, wire spelling, what it says.
macro_rules! rules {
    ($($(#[$doc:meta])* $variant:ident = $wire:literal, $says:literal;)*) => {
        /// What a ZIP must not be or hold. The spellings are part of the API: a test pins them.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Rule { $(#[doc = concat!("`", $wire, "`: ", $says, ".")] $variant,)* }

        impl Rule {
            /// Every rule, in the order in which they are documented.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// The spelling in answers and metadata.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $wire,)* }
            }

            /// What is wrong, as the beginning of a sentence.
            pub fn says(self) -> &'static str {
                match self { $(Self::$variant => $says,)* }
            }
        }
    };
}

rules! {
    NotAZip = "zip-not-a-zip", "the upload is not a ZIP file";
    Truncated = "zip-truncated", "the ZIP ends before its end";
    Empty = "zip-empty", "the ZIP holds no file";
    Damaged = "zip-damaged", "the ZIP is damaged";
    MultiDisk = "zip-multi-disk", "the ZIP is one part of several";
    PrependedData = "zip-prepended-data", "something stands before the ZIP inside the file";
    TrailingData = "zip-trailing-data", "something follows the ZIP inside the file";
    HiddenData = "zip-hidden-data", "the ZIP holds bytes that belong to no entry";
    AmbiguousDirectory = "zip-ambiguous-directory", "the ZIP can be read in two ways";
    DirectoryTooLarge = "zip-directory-too-large", "the list of entries of the ZIP is too large";
    TooManyEntries = "zip-too-many-entries", "the ZIP holds too many files and folders";
    TooLarge = "zip-too-large", "the ZIP is too large when unpacked";
    Overlap = "zip-overlap", "entries of the ZIP share their bytes";
    PathEscape = "zip-path-escape", "the path of an entry leaves the project";
    AbsolutePath = "zip-absolute-path", "the path of an entry is absolute";
    Backslash = "zip-backslash", "the path of an entry has a backslash";
    DrivePath = "zip-drive-path", "the path of an entry names a drive";
    NameTrailing = "zip-name-trailing-dot-or-space", "the name of an entry is nothing but dots and spaces";
    NameControl = "zip-name-control-character", "the name of an entry has a control character";
    NameInvisible = "zip-name-invisible-character", "the name of an entry has an invisible character";
    NameDotOrEmpty = "zip-name-dot-or-empty", "the path of an entry has an empty part or a single dot";
    NameNotUtf8 = "zip-name-not-utf8", "the name of an entry is not UTF-8";
    NameTooLong = "zip-name-too-long", "the name of an entry is too long";
    PathTooLong = "zip-path-too-long", "the path of an entry is too long";
    TooDeep = "zip-too-deep", "an entry lies too deep";
    Symlink = "zip-symlink", "an entry is a symbolic link that cannot be made";
    LinkLeaves = "zip-link-leaves-project", "a link leads out of the project";
    Hardlink = "zip-hardlink", "an entry is a hard link";
    SpecialFile = "zip-special-file", "an entry is a device or a socket";
    Encrypted = "zip-encrypted", "an entry is encrypted";
    UnsupportedMethod = "zip-unsupported-method", "an entry is compressed by a method that is not taken";
    DuplicateName = "zip-duplicate-name", "two entries have the same path";
    CaseCollision = "zip-case-collision", "two paths differ only in upper and lower case, which the disk of this server cannot tell apart";
    UnicodeCollision = "zip-unicode-collision", "two paths look the same and are spelled differently in Unicode";
    FileAndFolder = "zip-file-and-folder", "a path is a file and a folder at once";
    FolderWithData = "zip-folder-with-data", "a folder of the ZIP has content of its own";
    NameMismatch = "zip-name-mismatch", "an entry has two different names";
    HeaderMismatch = "zip-header-mismatch", "the two headers of an entry contradict each other";
    SizeMismatch = "zip-size-mismatch", "an entry is not as long as it says";
    CrcMismatch = "zip-crc-mismatch", "the content of an entry does not match its checksum";
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for Rule {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

/// Why a ZIP is refused: the rule, the entry if it is about one, and what to do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Refusal {
    /// The rule that is broken.
    pub rule: Rule,
    /// The name of the entry, escaped and shortened: safe to show and to log.
    pub entry: Option<String>,
    /// What the submitter can do.
    pub hint: String,
}

impl Refusal {
    /// A refusal of the archive as a whole.
    pub fn of_archive(rule: Rule, hint: impl Into<String>) -> Self {
        Self { rule, entry: None, hint: hint.into() }
    }

    /// A refusal because of one entry, whose name may be any bytes.
    pub fn of_entry(rule: Rule, name: &[u8], hint: impl Into<String>) -> Self {
        Self { rule, entry: Some(shown(name)), hint: hint.into() }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.rule.says())?;
        if let Some(entry) = &self.entry {
            write!(f, " (\"{entry}\")")?;
        }
        write!(f, ": {} [{}]", self.hint, self.rule)
    }
}

impl std::error::Error for Refusal {}

/// Why an intake did not succeed.
#[derive(Debug, thiserror::Error)]
pub enum IntakeError {
    /// The submitter's fault.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// Our fault: a file of ours could not be read or written.
    #[error("{doing} {}: {source}", path.display())]
    Io {
        /// What was being done, such as "write".
        doing: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Nobody's fault but the operator's: the disk or the quota is full.
    #[error("no space left on the disk of the workspaces")]
    Full,
}

impl IntakeError {
    /// An error of ours; a full disk becomes [`IntakeError::Full`].
    pub fn io(doing: &'static str, path: impl Into<PathBuf>, source: impl Into<io::Error>) -> Self {
        let source = source.into();
        if is_full(&source) { Self::Full } else { Self::Io { doing, path: path.into(), source } }
    }
}

/// A name as it may be shown: nothing that steers a terminal or hides, and not endless.
fn shown(name: &[u8]) -> String {
    let text = String::from_utf8_lossy(name);
    let escape = |c: char| match c {
        '"' | '\\' => format!("\\{c}"),
        ' '..='~' => c.to_string(),
        c if c.is_alphanumeric() => c.to_string(),
        c => c.escape_unicode().to_string(),
    };
    let mut shown: String = text.chars().take(SHOWN_NAME_CHARS).map(escape).collect();
    if text.chars().nth(SHOWN_NAME_CHARS).is_some() {
        shown.push_str("...");
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wire_spellings_are_pinned() {
        let spelled: Vec<_> = Rule::ALL.iter().map(|rule| rule.as_str()).collect();
        insta::assert_snapshot!(spelled.join("\n"), @r"
        zip-not-a-zip
        zip-truncated
        zip-empty
        zip-damaged
        zip-multi-disk
        zip-prepended-data
        zip-trailing-data
        zip-hidden-data
        zip-ambiguous-directory
        zip-directory-too-large
        zip-too-many-entries
        zip-too-large
        zip-overlap
        zip-path-escape
        zip-absolute-path
        zip-backslash
        zip-drive-path
        zip-name-trailing-dot-or-space
        zip-name-control-character
        zip-name-invisible-character
        zip-name-dot-or-empty
        zip-name-not-utf8
        zip-name-too-long
        zip-path-too-long
        zip-too-deep
        zip-symlink
        zip-link-leaves-project
        zip-hardlink
        zip-special-file
        zip-encrypted
        zip-unsupported-method
        zip-duplicate-name
        zip-case-collision
        zip-unicode-collision
        zip-file-and-folder
        zip-folder-with-data
        zip-name-mismatch
        zip-header-mismatch
        zip-size-mismatch
        zip-crc-mismatch
        ");
        assert!(spelled.iter().all(|name| name.starts_with("zip-")));
    }

    #[test]
    fn a_refusal_is_one_sentence_with_rule_entry_and_hint() {
        let refusal = Refusal::of_entry(Rule::PathEscape, b"../../x", "pack the project from inside its folder");
        let sentence = "the path of an entry leaves the project (\"../../x\"): pack the project from inside its folder \
            [zip-path-escape]";
        assert_eq!(refusal.to_string(), sentence);
        let json = serde_json::to_value(&refusal).unwrap();
        let expected = serde_json::json!({
            "rule": "zip-path-escape",
            "entry": "../../x",
            "hint": "pack the project from inside its folder",
        });
        assert_eq!(json, expected);
    }

    #[test]
    fn names_are_escaped_and_shortened() {
        assert_eq!(shown(b"a\x1b[31m\n\"b\\"), "a\\u{1b}[31m\\u{a}\\\"b\\\\");
        assert_eq!(shown("r\u{202e}é".as_bytes()), "r\\u{202e}é");
        assert_eq!(shown(&[0xff, b'a']), "\\u{fffd}a");
        assert_eq!(shown(&vec![b'x'; 64 * 1024]).len(), SHOWN_NAME_CHARS + 3);
    }

    #[test]
    fn a_full_disk_is_neither_the_submitters_fault_nor_a_broken_one() {
        let full = |errno: rustix::io::Errno| IntakeError::io("write", "x", errno);
        assert!(matches!(full(rustix::io::Errno::NOSPC), IntakeError::Full));
        assert!(matches!(full(rustix::io::Errno::DQUOT), IntakeError::Full));
        assert!(matches!(full(rustix::io::Errno::FBIG), IntakeError::Full));
        assert!(matches!(full(rustix::io::Errno::IO), IntakeError::Io { .. }));
    }
}
