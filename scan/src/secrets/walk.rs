//! Every file of the project, whatever it is called and wherever it lies.

use std::{
    ffi::OsStr,
    fs,
    path::{Path, PathBuf},
    rc::Rc,
};

use super::{
    batch::Origin,
    content::{Part, Reader},
};
use crate::{report, stage::Failure};

/// More than any project that is admitted has.
const MAX_ENTRIES: usize = 1_000_000;
/// Largest file that is read, in bytes: it is held in memory.
const MAX_FILE: u64 = 256 << 20;
/// Shortest part of a file's name that could be a secret, in characters.
const MIN_SECRET: usize = 16;

/// Looks at all files below a folder, links not followed, in a steady order. Says how many there are.
pub(super) fn read_all(reader: &mut Reader<'_>, root: &Path) -> Result<usize, Failure> {
    let (mut folders, mut seen, mut files) = (vec![PathBuf::new()], 0, 0);
    while let Some(folder) = folders.pop() {
        let mut entries = match fs::read_dir(root.join(&folder)).and_then(Iterator::collect::<Result<Vec<_>, _>>) {
            Ok(entries) => entries,
            Err(error) => {
                reader.unread(&origin(&folder), &format!("the folder cannot be read: {error}"))?;
                continue;
            }
        };
        entries.sort_by_key(fs::DirEntry::file_name);
        seen += entries.len();
        if seen > MAX_ENTRIES {
            reader.unread(&origin(&folder), &format!("there are more than {MAX_ENTRIES} files and folders"))?;
            break;
        }
        for entry in entries {
            let path = folder.join(entry.file_name());
            if may_hold_a_secret(&entry.file_name()) {
                let name = [entry.file_name().as_encoded_bytes(), b"\n"].concat();
                (reader.sink)(&origin(&path), Part::Strings(&name, vec![1]))?;
            }
            let kind = entry.file_type().map_err(|error| Failure::tool(format!("{}: {error}", path.display())))?;
            if kind.is_dir() {
                folders.push(path);
                continue;
            }
            files += 1;
            let place = origin(&path);
            let content = if kind.is_symlink() {
                // What it leads to is another file. Its own text is a name.
                fs::read_link(root.join(&path)).map(|target| target.into_os_string().into_encoded_bytes())
            } else if kind.is_file() {
                report::bytes(&root.join(&path), MAX_FILE)
            } else {
                reader.unread(&place, "neither a file nor a folder")?;
                continue;
            };
            match content {
                Ok(bytes) => reader.read(&place, &bytes, 0)?,
                Err(error) => reader.unread(&place, &format!("cannot be read: {error}"))?,
            }
        }
    }
    Ok(files)
}

/// Whether a name has a part in it that is as long as a secret, with a digit in it. Each name that is read costs a piece.
fn may_hold_a_secret(name: &OsStr) -> bool {
    let parts = name.as_encoded_bytes().split(|byte| !(byte.is_ascii_alphanumeric() || b"_-+=".contains(byte)));
    parts.into_iter().any(|part| part.len() >= MIN_SECRET && part.iter().any(u8::is_ascii_digit))
}

fn origin(path: &Path) -> Rc<Origin> {
    let path = if path.as_os_str().is_empty() { ".".into() } else { path.to_string_lossy() };
    Rc::new(Origin { path: path.into_owned(), commit: None })
}
