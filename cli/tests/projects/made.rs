//! Makes the folder that a row speaks of: of examples and what is different, or of a clone.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use crate::rows::{Row, repository};

/// Makes it; `clones` is where real ones are.
pub fn make(row: &Row, clones: Option<&Path>, folder: &Path) {
    fs::create_dir(folder).unwrap();
    if let Some(clones) = clones {
        return check_out(row, clones, folder);
    }
    for (below, example) in
        row.from.iter().map(|name| ("", name)).chain(row.below.iter().map(|(at, name)| (&at[..], name)))
    {
        copy(&repository().join("examples").join(example), &folder.join(below));
    }
    for path in &row.remove {
        let path = folder.join(path);
        let removed = if path.is_dir() { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
        removed.unwrap_or_else(|error| panic!("{}: {}: {error}", row.name, path.display()));
    }
    for (path, content) in &row.write {
        write(&folder.join(path), content);
    }
    for (path, changes) in &row.edit {
        let path = folder.join(path);
        let mut text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", row.name));
        for (from, to) in changes {
            assert_eq!(text.matches(from).count(), 1, "{}: `{from}` in {}", row.name, path.display());
            text = text.replace(from, to);
        }
        write(&path, &text);
    }
    for (path, target) in &row.link {
        std::os::unix::fs::symlink(target, folder.join(path)).unwrap();
    }
}

fn write(path: &Path, content: &str) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, content).unwrap();
}

/// Build results are left out, and so is what speaks of the example.
fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap_or_else(|error| panic!("{}: {error}", from.display())) {
        let entry = entry.unwrap();
        let (name, path) = (entry.file_name(), entry.path());
        match entry.file_type().unwrap().is_dir() {
            true if name == "target" || name == "node_modules" => {}
            true => copy(&path, &to.join(name)),
            false => drop(fs::copy(&path, to.join(name)).unwrap()),
        }
    }
}

/// The files of a commit, as Git hands them out. Nothing is fetched.
fn check_out(row: &Row, clones: &Path, folder: &Path) {
    let (url, commit) = (row.url.as_deref().unwrap(), row.commit.as_deref().unwrap());
    let clone = clone_of(row, clones).unwrap_or_else(|| {
        panic!("{} is not in {}: git clone {url} {}", row.name, clones.display(), clones.join(&row.name).display())
    });
    let mut git = Command::new("git");
    let safe = format!("safe.directory={}", clone.display());
    git.args(["-c", &safe, "-C", clone.to_str().unwrap(), "archive", "--format=tar", commit]);
    let mut archive = git.stdout(Stdio::piped()).spawn().unwrap();
    let mut tar = Command::new("tar");
    tar.args(["-x", "-C", folder.to_str().unwrap()]).stdin(archive.stdout.take().unwrap());
    assert!(tar.status().unwrap().success(), "{}: tar", row.name);
    assert!(archive.wait().unwrap().success(), "{} has no commit {commit}: git fetch {url} {commit}", row.name);
}

/// A clone called as the row, or as owner+name of its address; bare ones count.
fn clone_of(row: &Row, clones: &Path) -> Option<PathBuf> {
    let mut address = row.url.as_deref()?.trim_end_matches(".git").rsplit('/');
    let (name, owner) = (address.next()?, address.next()?);
    let called = [row.name.clone(), name.to_owned(), format!("{owner}+{name}/repo")];
    called.iter().map(|name| clones.join(name)).find(|path| path.join(".git").exists() || path.join("objects").exists())
}
