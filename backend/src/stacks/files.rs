//! Where the files of the stacks come from: the binary itself, or a folder that the operator names.

use std::{borrow::Cow, collections::BTreeMap, fs, path::Path};

use pipelinex_common::limits::MIB;
use rust_embed::RustEmbed;

use super::StacksError;

/// The largest file of a stack, in bytes.
const FILE_MAX: u64 = MIB;
/// The most files of all stacks together: a guard against a mistaken `--pipelines /`.
const FILES_MAX: usize = 5_000;
/// How deep folders are read.
const DEPTH_MAX: usize = 8;

#[derive(RustEmbed)]
#[folder = "../pipelines/"]
struct Embedded;

/// Files by their path below the folder.
pub(super) type Files = BTreeMap<String, Cow<'static, [u8]>>;

/// The files of the repository as they were when the program was built.
pub(super) fn embedded() -> Files {
    let paths = Embedded::iter().filter(|path| !is_hidden(path));
    paths.filter_map(|path| Embedded::get(&path).map(|file| (path.to_string(), file.data))).collect()
}

fn is_hidden(path: &str) -> bool {
    path.split('/').any(|part| part.starts_with('.') || part.ends_with('~'))
}

/// The files of a folder of the operator's own. Links are followed, for mounted configuration is made of them.
pub(super) fn of_folder(dir: &Path) -> Result<Files, StacksError> {
    let mut files = Files::new();
    read_folder(dir, "", 0, &mut files)?;
    Ok(files)
}

fn read_folder(folder: &Path, prefix: &str, depth: usize, files: &mut Files) -> Result<(), StacksError> {
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |source| StacksError::Io { path, source }
    };
    for entry in fs::read_dir(folder).map_err(failed(folder))? {
        let path = entry.map_err(failed(folder))?.path();
        let Some(name) = path.file_name().and_then(|name| name.to_str()).filter(|name| !is_hidden(name)) else {
            continue;
        };
        let meta = fs::metadata(&path).map_err(failed(&path))?;
        let too_much = if depth > DEPTH_MAX {
            Some(format!("is nested more than {DEPTH_MAX} deep"))
        } else if files.len() >= FILES_MAX {
            Some(format!("is one of more than {FILES_MAX} files"))
        } else {
            (meta.is_file() && meta.len() > FILE_MAX).then(|| format!("has more than {FILE_MAX} bytes"))
        };
        if let Some(why) = too_much {
            return Err(StacksError::Broken(vec![format!("{} {why}: is this a folder of stacks?", path.display())]));
        }
        let below = format!("{prefix}{name}");
        if meta.is_dir() {
            read_folder(&path, &format!("{below}/"), depth + 1, files)?;
        } else if meta.is_file() {
            files.insert(below, Cow::Owned(fs::read(&path).map_err(failed(&path))?));
        }
    }
    Ok(())
}
