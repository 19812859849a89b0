//! One upload in a folder of its own, and what lies there afterwards.

use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use pipelinex_backend::intake::{IntakeError, Refusal, Unpacked, unpack};
use pipelinex_common::limits::IntakeLimits;
use tempfile::TempDir;

/// An upload that was unpacked, or refused.
pub struct Upload {
    folder: TempDir,
    pub result: Result<Unpacked, IntakeError>,
}

/// Paths and what they hold; folders end in `/`, links in `@`.
pub type Tree = BTreeMap<String, Vec<u8>>;

impl Upload {
    pub fn of(archive: &[u8]) -> Self {
        Self::with_limits(archive, &IntakeLimits::default())
    }

    pub fn with_limits(archive: &[u8], limits: &IntakeLimits) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("upload.zip");
        fs::write(&file, archive).unwrap();
        Self::of_file(folder, &file, limits)
    }

    pub fn of_file(folder: TempDir, archive: &Path, limits: &IntakeLimits) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let result = runtime.block_on(unpack(archive, &folder.path().join("source"), limits));
        let upload = Self { folder, result };
        upload.assert_nothing_outside();
        upload
    }

    fn assert_nothing_outside(&self) {
        let names = fs::read_dir(self.folder.path()).unwrap().map(|entry| entry.unwrap().file_name());
        let strangers: Vec<_> = names.filter(|name| name != "upload.zip" && name != "source").collect();
        assert!(strangers.is_empty(), "written outside of the target: {strangers:?}");
    }

    pub fn refusal(&self) -> &Refusal {
        match &self.result {
            Err(IntakeError::Refused(refusal)) => refusal,
            other => panic!("not refused: {other:?}"),
        }
    }

    pub fn unpacked(&self) -> &Unpacked {
        self.result.as_ref().unwrap()
    }

    pub fn target(&self) -> PathBuf {
        self.folder.path().join("source")
    }

    pub fn mode(&self, path: &str) -> u32 {
        fs::symlink_metadata(self.target().join(path)).unwrap().permissions().mode()
    }

    pub fn tree(&self) -> Tree {
        read_tree(&self.target())
    }
}

/// Reads a folder; anything but files, folders and links fails the test.
pub fn read_tree(root: &Path) -> Tree {
    let mut tree = Tree::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let (path, kind) = entry.map(|entry| (entry.path(), entry.file_type().unwrap())).unwrap();
            let name = path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
            if kind.is_dir() {
                tree.insert(name + "/", Vec::new());
                folders.push(path);
            } else if kind.is_symlink() {
                let target = fs::read_link(&path).unwrap();
                tree.insert(name + "@", target.into_os_string().into_encoded_bytes());
            } else {
                assert!(kind.is_file(), "neither file, folder nor link: {name}");
                tree.insert(name, fs::read(&path).unwrap());
            }
        }
    }
    tree
}

/// A tree as a test writes it down.
pub fn tree<const N: usize>(entries: [(&str, &str); N]) -> Tree {
    entries.into_iter().map(|(path, content)| (path.to_owned(), content.as_bytes().to_vec())).collect()
}
