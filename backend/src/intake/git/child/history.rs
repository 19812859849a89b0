//! The history beside the files, for the scan that reads it: a `.git` folder of which every file is of our making, but for
//! the objects. No hook, no alternate, and a configuration that names nothing that could be run.

use std::{fs, io, path::Path};

use crate::intake::git::fault::CloneError;

const CONFIG: &str = "[core]\n\trepositoryformatversion = 0\n\tfilemode = true\n\tbare = false\n";

/// Moves the objects below `source/.git`, and names the commit.
pub(super) fn keep(objects: &Path, source: &Path, commit: &str, branch: Option<&str>) -> Result<(), CloneError> {
    let git = source.join(".git");
    let make = || -> io::Result<()> {
        fs::create_dir(&git)?;
        fs::create_dir(git.join("refs"))?;
        fs::rename(objects, git.join("objects"))?;
        let head = match branch {
            Some(branch) => {
                // One file for all names: a name never becomes a path.
                fs::write(git.join("packed-refs"), format!("{commit} refs/heads/{branch}\n"))?;
                format!("ref: refs/heads/{branch}\n")
            }
            None => format!("{commit}\n"),
        };
        fs::write(git.join("HEAD"), head)?;
        fs::write(git.join("config"), CONFIG)
    };
    make().map_err(|error| CloneError::io("keep the history", &error))
}
