//! A folder of a project, as people name it: looked at once where it comes in, and trusted from there on.

use std::{fmt, str::FromStr};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::foreign::{shown, shown_up_to};

/// The longest path, in bytes.
const PATH_MAX: usize = 500;

/// How the top of a project is asked for.
pub const TOP: &str = ".";

/// A folder below the top of a project: names with `/` between them, none of which leads elsewhere.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
pub struct Folder(String);

/// Why a text names no folder of a project.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidFolder {
    /// It is a path of the whole machine.
    #[error("`{0}` begins with a slash: name the folder as seen from the top of the project")]
    Rooted(String),
    /// A part of it is `..`.
    #[error("`{0}` has `..` in it, which leads out of folders: name the folder as seen from the top of the project")]
    Upwards(String),
    /// It holds what no terminal should print.
    #[error("`{0}` has a character that cannot be shown")]
    Hidden(String),
    /// It is too long.
    #[error("it has more than {PATH_MAX} bytes")]
    Long,
    /// It is the top of the project.
    #[error("`{0}` is the top of the project and no folder below it")]
    Top(String),
}

impl Folder {
    /// The folder that somebody asks for; `None` for the top of the project: `.`, or nothing. Slashes too many are forgiven.
    ///
    /// # Errors
    /// [`InvalidFolder`].
    pub fn asked(text: &str) -> Result<Option<Self>, InvalidFolder> {
        let text = text.trim();
        let told = || shown(text);
        if text.len() > PATH_MAX {
            return Err(InvalidFolder::Long);
        }
        if text.starts_with('/') {
            return Err(InvalidFolder::Rooted(told()));
        }
        if shown_up_to(text, PATH_MAX) != text {
            return Err(InvalidFolder::Hidden(told()));
        }
        let parts: Vec<&str> = text.split('/').filter(|part| !matches!(*part, "" | ".")).collect();
        if parts.contains(&"..") {
            return Err(InvalidFolder::Upwards(told()));
        }
        Ok((!parts.is_empty()).then(|| Self(parts.join("/"))))
    }

    /// The path, as seen from the top of the project.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The path of what lies in it, as seen from the top of the project.
    pub fn join(&self, path: &str) -> String {
        format!("{}/{path}", self.0)
    }

    /// The path of what lies in it, as seen from itself; `None` for what lies elsewhere.
    pub fn strip<'p>(&self, path: &'p str) -> Option<&'p str> {
        path.strip_prefix(self.0.as_str())?.strip_prefix('/')
    }
}

/// The path of what lies in a folder, or in none, as seen from the top of the project.
pub fn joined(folder: Option<&Folder>, path: &str) -> String {
    folder.map_or_else(|| path.to_owned(), |folder| folder.join(path))
}

impl fmt::Display for Folder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for Folder {
    type Err = InvalidFolder;

    fn from_str(text: &str) -> Result<Self, InvalidFolder> {
        Self::asked(text)?.ok_or_else(|| InvalidFolder::Top(text.to_owned()))
    }
}

impl TryFrom<String> for Folder {
    type Error = InvalidFolder;

    fn try_from(text: String) -> Result<Self, InvalidFolder> {
        text.parse()
    }
}

impl From<Folder> for String {
    fn from(folder: Folder) -> Self {
        folder.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_below_the_top_or_is_refused() {
        let told = |text: &str| match Folder::asked(text) {
            Ok(folder) => folder.map_or_else(|| "top".to_owned(), |folder| folder.to_string()),
            Err(error) => error.to_string(),
        };
        for (text, expected) in [
            ("complete", "complete"),
            ("./services//api/", "services/api"),
            ("a b/ü", "a b/ü"),
            (".", "top"),
            ("", "top"),
            ("./", "top"),
            (
                "a/../b",
                "`a/../b` has `..` in it, which leads out of folders: name the folder as seen from the top of the project",
            ),
            ("/etc", "`/etc` begins with a slash: name the folder as seen from the top of the project"),
        ] {
            assert_eq!(told(text), expected, "{text}");
        }
        for bad in ["a\u{1b}b", "a\u{202e}b", "..", &"x".repeat(PATH_MAX + 1)] {
            assert!(Folder::asked(bad).is_err(), "{bad:?}");
        }
        for bad in ["\"..\"", "\"/\"", "\".\"", "7"] {
            assert!(
                serde_json::from_str::<Folder>(bad).is_err(),
                "what is written in a record is looked at, too: {bad}"
            );
        }
    }

    #[test]
    fn paths_go_in_and_out() {
        let folder: Folder = "a/b".parse().unwrap();
        assert_eq!(folder.join("c"), "a/b/c");
        assert_eq!((folder.strip("a/b/c"), folder.strip("a/bc"), folder.strip("a/b")), (Some("c"), None, None));
        assert_eq!((joined(None, "c"), joined(Some(&folder), "c")), ("c".to_owned(), "a/b/c".to_owned()));
    }
}
