//! What a submitter should know of a ZIP that was taken in.

use std::fmt;

use pipelinex_common::foreign::shown;

use super::{zip_names::Reading, zip_tree::Twins};

/// Something that was taken in differently than it was sent, or that is not the same everywhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Warning {
    /// `.git` was left out.
    GitLeftOut {
        /// How many entries of the archive.
        entries: usize,
    },
    /// Traces of macOS were left out.
    MacosLeftOut {
        /// How many entries of the archive.
        entries: usize,
    },
    /// Names that do not say how they are written.
    NamesDecoded {
        /// How many.
        names: usize,
        /// The first of them, as it was read.
        first: String,
        /// How they were read.
        reading: Reading,
    },
    /// Paths that differ in upper and lower case alone.
    CaseTwins(Twins),
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::GitLeftOut { entries } => {
                write!(f, "{entries} entries of .git were left out: a ZIP is taken without its history")
            }
            Self::MacosLeftOut { entries } => {
                write!(f, "{entries} entries that macOS adds (__MACOSX, .DS_Store) were left out")
            }
            Self::NamesDecoded { names, first, reading: Reading::UnicodePath } => {
                let first = shown(first);
                write!(f, "{names} names are not in UTF-8 and were read from their extra field; the first is `{first}`")
            }
            Self::NamesDecoded { names, first, reading: Reading::Cp437 } => {
                let first = shown(first);
                write!(
                    f,
                    "{names} names are not in UTF-8 and were read as DOS writes them (CP437); the first is `{first}`. \
                     If it looks wrong, pack again with a tool that writes UTF-8 (7-Zip: -mcu=on)"
                )
            }
            Self::CaseTwins(twins) => write!(f, "{twins}"),
        }
    }
}
