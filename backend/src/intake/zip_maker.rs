//! Which program made an archive, as far as its headers show: a hint can then say what to do with that program.

use super::{
    refusal::{Refusal, Rule},
    zip_directory::{Directory, Listed, fields},
};

/// What gives a program away in the extra fields: Java's mark, and libarchive's own field.
const EXTRA_JAVA: u16 = 0xcafe;
const EXTRA_LIBARCHIVE: u16 = 0x6c78;
/// Times and owners as Info-ZIP writes them.
const EXTRA_TIMES: u16 = 0x5455;
const EXTRA_OWNER: u16 = 0x7875;
const UNIX: u8 = 3;
/// Hexadecimal digits of a commit's id.
const COMMIT_DIGITS: usize = 40;

/// A program that packs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Maker {
    GitArchive,
    InfoZip,
    Java,
    Libarchive,
    Macos,
    SevenZip,
}

impl Maker {
    /// The program that made an archive, where that can be told.
    pub fn of(directory: &Directory) -> Option<Self> {
        let is_commit = directory.comment.len() == COMMIT_DIGITS
            && directory.comment.iter().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        if is_commit {
            return Some(Self::GitArchive);
        }
        let any = |told: fn(&Listed) -> bool| directory.entries.iter().any(told);
        match () {
            () if any(|entry| has(entry, EXTRA_JAVA)) => Some(Self::Java),
            () if any(|entry| has(entry, EXTRA_LIBARCHIVE)) => Some(Self::Libarchive),
            () if any(|entry| entry.name.starts_with(b"__MACOSX/")) => Some(Self::Macos),
            () if any(|entry| entry.version == 63) => Some(Self::SevenZip),
            () if any(|entry| entry.system == UNIX && entry.version == 30 && has(entry, EXTRA_TIMES))
                && any(|entry| has(entry, EXTRA_OWNER)) =>
            {
                Some(Self::InfoZip)
            }
            () => None,
        }
    }

    /// The refusal, with what is known of the program.
    pub fn advise(self, mut refusal: Refusal) -> Refusal {
        let advice = self.advice(refusal.rule).map(|advice| format!(": {advice}")).unwrap_or_default();
        refusal.hint = format!("{} (it was made by {}{advice})", refusal.hint, self.name());
        refusal
    }

    fn name(self) -> &'static str {
        match self {
            Self::GitArchive => "git archive or a Git host",
            Self::InfoZip => "zip (Info-ZIP)",
            Self::Java => "a Java program such as jar, Maven or Gradle",
            Self::Libarchive => "libarchive (bsdtar, or tar of Windows or macOS)",
            Self::Macos => "macOS (Finder or ditto)",
            Self::SevenZip => "7-Zip",
        }
    }

    /// What to do with that program.
    fn advice(self, rule: Rule) -> Option<&'static str> {
        match (self, rule) {
            (Self::SevenZip, Rule::UnsupportedMethod) => Some("choose the method Deflate, 7z a -tzip -mm=Deflate"),
            (Self::SevenZip, Rule::Encrypted) => Some("leave the password empty"),
            (Self::InfoZip, Rule::UnsupportedMethod) => Some("zip -Z deflate"),
            (Self::InfoZip, Rule::Encrypted) => Some("zip without -e and -P"),
            (Self::InfoZip, Rule::MultiDisk) => Some("zip -s 0 joins the parts"),
            (Self::InfoZip, Rule::Symlink | Rule::LinkLeaves) => Some("zip without -y packs the file itself"),
            (Self::InfoZip, Rule::DirectoryTooLarge) => Some("zip -X"),
            (Self::Libarchive, Rule::Symlink | Rule::LinkLeaves) => Some("tar -L packs the file itself"),
            (Self::Macos, Rule::Encrypted) => Some("zip without -e and -P"),
            (_, _) => None,
        }
    }
}

fn has(entry: &Listed, id: u16) -> bool {
    fields(&entry.extra).any(|(known, _)| known == id)
}
