//! Writes the files of a plan into an empty folder. Links come last: whatever is written before cannot go through one.

use std::{
    ffi::OsStr,
    fs,
    io::{ErrorKind, Write},
    os::unix::{
        ffi::OsStrExt,
        fs::{OpenOptionsExt, symlink},
    },
    path::Path,
};

use git2::{Odb, Repository};
use pipelinex_common::{foreign::shown, limits::IntakeLimits};

use super::{
    attributes::Attributes,
    objects::broken_pack,
    tree::{Plan, Planned},
};
use crate::intake::{PlannedLink, ProjectPath, Refusal, Rule, git::fault::CloneError};

/// How a file of Git's Large File Storage begins, as long as its content was not fetched.
const LFS_POINTER: &[u8] = b"version https://git-lfs.github.com/spec/";
/// The most bytes of such a file.
const LFS_POINTER_MAX: usize = 1024;

/// What was written.
pub(super) struct Written {
    /// Files and links.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// What a person should know.
    pub warnings: Vec<String>,
}

/// Writes everything that is planned.
pub(super) fn write(
    repository: &Repository,
    plan: &Plan,
    folder: &Path,
    limits: &IntakeLimits,
) -> Result<Written, CloneError> {
    let objects = repository.odb().map_err(|error| broken_pack(&error))?;
    for path in &plan.folders {
        let made = fs::create_dir(folder.join(path.as_str()));
        made.map_err(|error| not_created(plan, path, "make the folder", &error))?;
    }
    let attributes = Attributes::read(&plan.files, &objects)?;
    let mut checkout =
        Checkout { plan, folder, limits, attributes, bytes: 0, pointers: Noted::default(), encoded: Noted::default() };
    for file in &plan.files {
        checkout.write_file(&objects, file)?;
    }
    plan.links.iter().try_for_each(|link| checkout.write_link(link))?;
    let files = (plan.files.len() + plan.links.len()) as u64;
    Ok(Written { files, bytes: checkout.bytes, warnings: checkout.warnings() })
}

struct Checkout<'a> {
    plan: &'a Plan,
    folder: &'a Path,
    limits: &'a IntakeLimits,
    attributes: Attributes,
    /// Written so far: line ends may make a file longer than its blob.
    bytes: u64,
    /// Files that stand for others, which lie elsewhere.
    pointers: Noted<'a>,
    /// Files that Git would write in another encoding.
    encoded: Noted<'a>,
}

/// How many files something is said of, and the first of them.
#[derive(Default)]
struct Noted<'a> {
    count: usize,
    first: Option<&'a ProjectPath>,
}

impl<'a> Noted<'a> {
    fn note(&mut self, path: &'a ProjectPath) {
        self.count += 1;
        self.first.get_or_insert(path);
    }

    fn told(&self, says: &str) -> Option<String> {
        let first = shown(self.first?.as_str());
        Some(says.replace("{count}", &self.count.to_string()).replace("{first}", &first))
    }
}

impl<'a> Checkout<'a> {
    fn write_file(&mut self, objects: &Odb<'_>, file: &'a Planned) -> Result<(), CloneError> {
        let blob = objects.read(file.blob).map_err(|error| broken_pack(&error))?;
        if blob.len() <= LFS_POINTER_MAX && blob.data().starts_with(LFS_POINTER) {
            self.pointers.note(&file.path);
        }
        let wanted = self.attributes.of(&file.path);
        if wanted.other_encoding {
            self.encoded.note(&file.path);
        }
        let content = wanted.convert(blob.data(), &file.blob.to_string());
        self.count(content.len())?;
        let mode = if file.executable { 0o755 } else { 0o644 };
        let mut options = fs::OpenOptions::new();
        let opened = options.write(true).create_new(true).mode(mode).open(self.folder.join(file.path.as_str()));
        let mut opened = opened.map_err(|error| not_created(self.plan, &file.path, "write", &error))?;
        opened.write_all(&content).map_err(|error| CloneError::io(&format!("write {}", file.path), &error))
    }

    fn write_link(&mut self, link: &PlannedLink) -> Result<(), CloneError> {
        self.count(link.target.len())?;
        let made = symlink(OsStr::from_bytes(&link.target), self.folder.join(link.path.as_str()));
        made.map_err(|error| not_created(self.plan, &link.path, "make the link", &error))
    }

    fn count(&mut self, bytes: usize) -> Result<(), CloneError> {
        self.bytes = self.bytes.saturating_add(bytes as u64);
        match self.bytes > self.limits.unpacked_bytes {
            true => Err(CloneError::too_many_unpacked_bytes(self.limits)),
            false => Ok(()),
        }
    }

    fn warnings(&self) -> Vec<String> {
        let submodules = Noted { count: self.plan.submodules.len(), first: self.plan.submodules.first() };
        let told = [
            submodules.told("submodules are not fetched: {count} folders are empty, the first is {first}"),
            self.pointers.told("Git LFS is not fetched: {count} files are only pointers, the first is {first}"),
            self.encoded.told(
                "working-tree-encoding is not done: {count} files are in UTF-8 and not as .gitattributes says, the first is {first}",
            ),
            self.attributes.unread().map(|path| format!("{} is too large or cannot be read: it was left aside", shown(path))),
            self.plan.twins.as_ref().map(ToString::to_string),
        ];
        told.into_iter().flatten().collect()
    }
}

/// Where something is in the way, and paths differ in case alone, the disk forgives case.
fn not_created(plan: &Plan, path: &ProjectPath, doing: &str, error: &std::io::Error) -> CloneError {
    match (error.kind(), &plan.twins) {
        (ErrorKind::AlreadyExists, Some(twins)) => {
            let hint = format!("rename one of the two: {twins}");
            Refusal::of_entry(Rule::CaseCollision, path.as_str().as_bytes(), hint).into()
        }
        _ => CloneError::io(&format!("{doing} {path}"), error),
    }
}
