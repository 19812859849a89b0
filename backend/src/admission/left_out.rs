//! What a build makes again, left out of a submission: a jar of yesterday would be taken for the one that the job makes, and a
//! folder of installed packages for what the lock file says.

use std::{collections::BTreeSet, fs, path::Path};

use pipelinex_common::{
    foreign::{self, Beneath, ForeignError, shown},
    humanize::counted,
    pipeline::stack::{BuildOutput, Contract},
};

use super::facts::FILES_MAX;

/// Folders that a warning names before it says "and more".
const NAMED_MAX: usize = 5;

/// What was left out.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct LeftOut {
    /// What a person should know of it.
    pub warning: Option<String>,
    /// How many files.
    pub files: u64,
    /// How many bytes.
    pub bytes: u64,
}

/// Removes build output from a staged source, as the stack's contract names it. Blocks on the disk.
///
/// # Errors
/// [`ForeignError::Io`]: our own system.
pub fn leave_out(source: &Path, contract: &Contract) -> Result<LeftOut, ForeignError> {
    if contract.build_output.is_empty() {
        return Ok(LeftOut::default());
    }
    let walk = Beneath::open(source)?.walk(FILES_MAX)?;
    let files: BTreeSet<&str> = walk.files.iter().map(|file| file.path.as_str()).collect();
    let folders = outermost(walk.folders.iter().filter(|folder| is_output(folder, &files, &contract.build_output)));
    let mut left = LeftOut::default();
    for file in walk.files.iter().filter(|file| folders.iter().any(|folder| is_below(&file.path, folder))) {
        left.files += 1;
        left.bytes += file.bytes;
    }
    for folder in &folders {
        let path = source.join(folder);
        foreign::remove_tree(&path)?;
        fs::remove_dir(&path).map_err(|source| ForeignError::Io { path: path.display().to_string(), source })?;
    }
    left.warning = told(&folders, left.files);
    Ok(left)
}

/// Whether a folder has the name of build output and lies beside the file that makes it so. One with that file in it is a project
/// of its own.
fn is_output(folder: &str, files: &BTreeSet<&str>, rules: &[BuildOutput]) -> bool {
    let (parent, name) = folder.rsplit_once('/').map_or(("", folder), |(parent, name)| (parent, name));
    rules.iter().filter(|rule| rule.folder == name).any(|rule| {
        let beside = if parent.is_empty() { rule.beside.clone() } else { format!("{parent}/{}", rule.beside) };
        files.contains(beside.as_str()) && !files.contains(format!("{folder}/{}", rule.beside).as_str())
    })
}

fn outermost<'a>(folders: impl Iterator<Item = &'a String>) -> Vec<&'a str> {
    let mut kept: Vec<&str> = Vec::new();
    for folder in folders {
        kept.retain(|other| !is_below(other, folder));
        if !kept.iter().any(|other| is_below(folder, other)) {
            kept.push(folder);
        }
    }
    kept
}

fn is_below(path: &str, folder: &str) -> bool {
    path.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/'))
}

fn told(folders: &[&str], files: u64) -> Option<String> {
    let named: Vec<String> = folders.iter().take(NAMED_MAX).map(|folder| format!("{}/", shown(folder))).collect();
    let more = if folders.len() > named.len() { ", ..." } else { "" };
    let files = counted(files, "file");
    (!named.is_empty())
        .then(|| format!("build output was left out ({}{more}: {files}): the job makes its own", named.join(", ")))
}

#[cfg(test)]
mod tests {
    use pipelinex_common::pipeline::stack;

    use super::*;

    fn left(files: &[&str]) -> (LeftOut, Vec<String>) {
        let text =
            "stack: {language: a, framework: b, build_tool: c}\nbuild_output: [{folder: target, beside: pom.xml}]\n";
        let (contract, dir) = (stack::read("c.yml", text, &[]).unwrap(), tempfile::tempdir().unwrap());
        for file in files {
            let path = dir.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "12345").unwrap();
        }
        let left = leave_out(dir.path(), &contract).unwrap();
        let walk = Beneath::open(dir.path()).unwrap().walk(100).unwrap();
        (left, walk.files.into_iter().map(|file| file.path).collect())
    }

    #[test]
    fn what_a_build_makes_again_is_left_out_and_nothing_else() {
        let (none, kept) = left(&["pom.xml", "src/main/java/a/target/A.java", "lib/target/x"]);
        assert_eq!((none, kept.len()), (LeftOut::default(), 3), "a package, and a folder without a pom");
        let (some, kept) =
            left(&["pom.xml", "target/old.jar", "target/classes/a/target/A.class", "m/pom.xml", "m/target/x.jar"]);
        assert_eq!(kept, ["m/pom.xml", "pom.xml"]);
        assert_eq!((some.files, some.bytes), (3, 15));
        let told = some.warning.unwrap();
        assert_eq!(told, "build output was left out (m/target/, target/: 3 files): the job makes its own");
        let (module, kept) = left(&["pom.xml", "target/pom.xml", "target/src/A.java"]);
        assert_eq!((module, kept.len()), (LeftOut::default(), 3), "a module of that name");
    }
}
