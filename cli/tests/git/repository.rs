//! Repositories as Git makes them, and as it would not.

use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

const FILE: &str = "100644";

/// A bare repository.
pub struct Repository {
    path: PathBuf,
}

/// A commit in the making: its files, by mode and path.
#[derive(Default)]
pub struct Files(Vec<(String, String, Vec<u8>)>);

impl Files {
    /// A project that is admitted.
    pub fn project() -> Self {
        let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/spring-boot-maven");
        let mut files = Self::default();
        files.add_folder(&example, "");
        files
    }

    fn add_folder(&mut self, folder: &Path, prefix: &str) {
        for entry in fs::read_dir(folder).unwrap() {
            let entry = entry.unwrap();
            let name = format!("{prefix}{}", entry.file_name().to_str().unwrap());
            match entry.file_type().unwrap().is_dir() {
                true if name == "target" => {}
                true => self.add_folder(&entry.path(), &format!("{name}/")),
                false => self.0.push((FILE.to_owned(), name, fs::read(entry.path()).unwrap())),
            }
        }
    }

    pub fn file(self, path: &str, content: impl Into<Vec<u8>>) -> Self {
        self.entry(FILE, path, content)
    }

    pub fn link(self, path: &str, target: &str) -> Self {
        self.entry("120000", path, target)
    }

    /// Another mode: `100755`; or `160000`, and then the content is an id.
    pub fn entry(mut self, mode: &str, path: &str, content: impl Into<Vec<u8>>) -> Self {
        self.0.push((mode.to_owned(), path.to_owned(), content.into()));
        self
    }
}

impl Repository {
    /// An empty one.
    pub fn new(folder: &Path, name: &str) -> Self {
        let repository = Self { path: folder.join(format!("{name}.git")) };
        fs::create_dir_all(&repository.path).unwrap();
        repository.git(&["init", "--quiet", "--bare", "--initial-branch=main", "."]);
        repository
    }

    /// One with a commit on its branch `main`.
    pub fn with(folder: &Path, name: &str, files: Files) -> Self {
        let repository = Self::new(folder, name);
        repository.commit("main", files);
        repository
    }

    /// Commits these files, and no others, on top of a branch. Returns the commit.
    pub fn commit(&self, branch: &str, files: Files) -> String {
        let mut stream =
            format!("commit refs/heads/{branch}\ncommitter A <a@b> 1700000000 +0000\ndata 1\nm\n").into_bytes();
        let old = self.git_or(&["rev-parse", "--verify", "--quiet", &format!("refs/heads/{branch}")]);
        if !old.is_empty() {
            stream.extend(format!("from {old}\n").bytes());
        }
        stream.extend(b"deleteall\n");
        for (mode, path, content) in files.0 {
            if mode == "160000" {
                stream.extend(format!("M {mode} {} {path}\n", String::from_utf8(content).unwrap()).bytes());
                continue;
            }
            stream.extend(format!("M {mode} inline {path}\ndata {}\n", content.len()).bytes());
            stream.extend(content);
            stream.push(b'\n');
        }
        self.feed(&["fast-import", "--quiet", "--force"], &stream);
        self.git(&["rev-parse", &format!("refs/heads/{branch}")])
    }

    /// An object of any content, also such as Git does not make. Returns its id.
    pub fn object(&self, kind: &str, content: &[u8]) -> String {
        self.feed(&["hash-object", "-t", kind, "-w", "--stdin", "--literally"], content)
    }

    /// A tree of any entries: mode, name, id.
    pub fn tree(&self, entries: &[(&str, &[u8], &str)]) -> String {
        let mut content = Vec::new();
        for (mode, name, id) in entries {
            content.extend(format!("{mode} ").bytes());
            content.extend(*name);
            content.push(0);
            content.extend((0..40).step_by(2).map(|at| u8::from_str_radix(&id[at..at + 2], 16).unwrap()));
        }
        self.object("tree", &content)
    }

    /// Lets `main` be a commit of this tree.
    pub fn set_main(&self, tree: &str) {
        let commit = format!("tree {tree}\nauthor A <a@b> 1700000000 +0000\ncommitter A <a@b> 1700000000 +0000\n\nm\n");
        let commit = self.object("commit", commit.as_bytes());
        fs::write(self.path.join("refs/heads/main"), format!("{commit}\n")).unwrap();
    }

    /// A pack of the one object that a name stands for, and nothing that it refers to.
    pub fn pack(&self, name: &str) -> Vec<u8> {
        let id = self.git(&["rev-parse", name]);
        self.feed_bytes(&["pack-objects", "--quiet", "--stdout"], format!("{id}\n").as_bytes())
    }

    pub fn git(&self, args: &[&str]) -> String {
        self.feed(args, b"")
    }

    /// What Git says, or nothing where it says no.
    fn git_or(&self, args: &[&str]) -> String {
        String::from_utf8(self.command(args).output().unwrap().stdout).unwrap().trim().to_owned()
    }

    fn feed(&self, args: &[&str], input: &[u8]) -> String {
        String::from_utf8(self.feed_bytes(args, input)).unwrap().trim().to_owned()
    }

    fn feed_bytes(&self, args: &[&str], input: &[u8]) -> Vec<u8> {
        let mut child =
            self.command(args).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(input).unwrap();
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "git {args:?}: {}", String::from_utf8_lossy(&output.stderr));
        output.stdout
    }

    fn command(&self, args: &[&str]) -> Command {
        git(&self.path, args)
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }
}

/// Git in a folder, with no configuration but the folder's own.
pub fn git(folder: &Path, args: &[&str]) -> Command {
    let mut command = Command::new("git");
    command.current_dir(folder).args(["-c", "safe.directory=*"]).args(args);
    command.env("GIT_CONFIG_NOSYSTEM", "1").env("GIT_CONFIG_GLOBAL", "/dev/null");
    for (name, value) in [("NAME", "A"), ("EMAIL", "a@b"), ("DATE", "1700000000 +0000")] {
        command.env(format!("GIT_AUTHOR_{name}"), value).env(format!("GIT_COMMITTER_{name}"), value);
    }
    command
}
