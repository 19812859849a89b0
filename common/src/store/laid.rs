//! Laying what one step published over the tree of another: one name at a time through open folders, so that no link in that tree is
//! followed, also none that somebody makes meanwhile. What is laid wins over what is there, and doing it again comes to the same.

use std::{
    fs::File,
    os::{fd::OwnedFd, unix::ffi::OsStrExt},
    path::{Path, PathBuf},
};

use rustix::{
    fs::{AtFlags, Mode, OFlags, XattrFlags, fsetxattr, mkdirat, openat, renameat, symlinkat, unlinkat},
    io::Errno,
};
use uuid::Uuid;

use super::{
    Links, Store, TreeError, Whose,
    copies::{Copying, fill},
    handover::give_folder_to_runner,
    staging::open_folder,
};
use crate::{
    disk::DiskError,
    foreign::{Beneath, ForeignError, Leads, Walk, shown},
};

/// What artifacts are laid over.
#[derive(Clone, Copy, Debug)]
pub struct Onto<'a> {
    /// The folder that a step writes to.
    pub folder: &'a Path,
    /// Whether it is the upper one of an overlay: then what is not in it may be in the one below.
    pub is_upper: bool,
}

impl Store {
    /// Lays a tree over another one, and makes it the runner's. A file, link or folder that is there under the name of something else
    /// gives way. Of links only those are laid that lead to something inside of what is laid. Nothing is synced.
    ///
    /// # Errors
    /// [`TreeError`]; what was laid until then stays.
    pub fn lay(&self, from: &Beneath, walk: &Walk, onto: Onto<'_>) -> Result<(), TreeError> {
        let trash = self.layout().trash();
        let opened = open_folder(onto.folder).map_err(|error| DiskError::io("open", onto.folder)(error.into()))?;
        let mut laying = Laying {
            onto,
            top: opened,
            way: Vec::new(),
            trash: open_folder(&trash).map_err(|error| DiskError::io("open", &trash)(error.into()))?,
        };
        for folder in &walk.folders {
            laying.enter(folder)?;
        }
        for found in &walk.files {
            laying.file(from, &found.path)?;
        }
        for link in &walk.links {
            if !matches!(from.leads_to(link, None)?, Leads::Out | Leads::Nowhere) {
                laying.link(link, from.link_target(link)?.as_bytes())?;
            }
        }
        Ok(())
    }
}

struct Laying<'a> {
    onto: Onto<'a>,
    top: OwnedFd,
    /// The folder that was entered last, and those on the way to it.
    way: Vec<(String, OwnedFd)>,
    trash: OwnedFd,
}

impl Laying<'_> {
    /// Opens a folder below the top, and makes what is missing on the way.
    fn enter(&mut self, path: &str) -> Result<(), TreeError> {
        let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
        let known = self.way.iter().zip(&parts).take_while(|((name, _), part)| name == *part).count();
        self.way.truncate(known);
        for part in &parts[known..] {
            let folder = self.folder(part)?;
            self.way.push(((*part).to_owned(), folder));
        }
        Ok(())
    }

    fn here(&self) -> &OwnedFd {
        self.way.last().map_or(&self.top, |(_, folder)| folder)
    }

    /// Where something is, for messages.
    fn at(&self, name: &str) -> PathBuf {
        let below = self.way.iter().map(|(name, _)| Path::new(name));
        std::iter::once(self.onto.folder).chain(below).chain([Path::new(name)]).collect()
    }

    /// What went wrong with something in the tree. Mode bits that a step set are its doing, and no failure of our disk.
    fn failed(&self, action: &'static str, name: &str) -> impl Fn(Errno) -> TreeError {
        let at = self.at(name);
        move |error| match error {
            Errno::ACCESS | Errno::PERM => {
                let reason = "its mode bits keep the worker out, and an artifact belongs there".to_owned();
                ForeignError::Refused { path: shown(&at.to_string_lossy()), reason }.into()
            }
            error => DiskError::io(action, &at)(error.into()).into(),
        }
    }

    /// Opens the folder of this name, or makes it where there is none.
    fn folder(&self, name: &str) -> Result<OwnedFd, TreeError> {
        let here = self.here();
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let in_the_way = match openat(here, name, flags, Mode::empty()) {
            Ok(folder) => return Ok(folder),
            Err(Errno::NOENT) => false,
            Err(Errno::NOTDIR | Errno::LOOP) => true,
            Err(error) => return Err(self.failed("open", name)(error)),
        };
        let failed = self.failed("make the folder", name);
        if in_the_way {
            unlinkat(here, name, AtFlags::empty()).map_err(&failed)?;
        }
        mkdirat(here, name, Mode::RWXU).map_err(&failed)?;
        let folder = openat(here, name, flags, Mode::empty()).map_err(&failed)?;
        if in_the_way && self.onto.is_upper {
            // What hid the folder below hides it still: a step that removed one does not find its files again.
            fsetxattr(&folder, c"user.overlay.opaque", b"y", XattrFlags::empty()).map_err(&failed)?;
        }
        give_folder_to_runner(&folder, &self.at(name))?;
        Ok(folder)
    }

    /// Enters the folder of a path, and takes away what has its last name.
    fn make_way<'p>(&mut self, path: &'p str) -> Result<&'p str, TreeError> {
        let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
        self.enter(folder)?;
        match unlinkat(self.here(), name, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => {}
            // A folder, of whatever depth.
            Err(Errno::ISDIR | Errno::PERM) => {
                let moved = renameat(self.here(), name, &self.trash, Uuid::new_v4().to_string());
                moved.map_err(self.failed("replace", name))?;
            }
            Err(error) => return Err(self.failed("replace", name)(error)),
        }
        Ok(name)
    }

    fn file(&mut self, from: &Beneath, path: &str) -> Result<(), TreeError> {
        let name = self.make_way(path)?;
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let made = openat(self.here(), name, flags, Mode::RUSR | Mode::WUSR);
        let file = File::from(made.map_err(self.failed("create", name))?);
        let how = Copying { whose: Whose::Runners, links: Links::Inside, file_bytes: u64::MAX };
        fill(from, path, file, &self.at(name), how)
    }

    fn link(&mut self, path: &str, target: &[u8]) -> Result<(), TreeError> {
        let name = self.make_way(path)?;
        symlinkat(target, self.here(), name).map_err(self.failed("create", name))
    }
}

#[cfg(test)]
mod tests {
    use std::{
        fs::{self, Permissions},
        os::unix::fs::{PermissionsExt, symlink},
    };

    use rustix::fs::fgetxattr;

    use super::*;

    struct Place {
        _dir: tempfile::TempDir,
        store: Store,
        artifacts: PathBuf,
        tree: PathBuf,
    }

    impl Place {
        fn new() -> Self {
            let dir = tempfile::tempdir().unwrap();
            let store = Store::open(dir.path()).unwrap();
            let (artifacts, tree) = (dir.path().join("artifacts"), dir.path().join("tree"));
            fs::create_dir(&artifacts).unwrap();
            fs::create_dir(&tree).unwrap();
            Self { _dir: dir, store, artifacts, tree }
        }

        fn lay(&self) {
            let from = Beneath::open(&self.artifacts).unwrap();
            let walk = from.walk(usize::MAX).unwrap();
            self.store.lay(&from, &walk, Onto { folder: &self.tree, is_upper: true }).unwrap();
        }

        fn read(&self, path: &str) -> String {
            fs::read_to_string(self.tree.join(path)).unwrap_or_default()
        }

        fn is_opaque(&self, path: &str) -> bool {
            fgetxattr(File::open(self.tree.join(path)).unwrap(), c"user.overlay.opaque", &mut [0u8; 1]).is_ok()
        }
    }

    fn put(path: PathBuf, text: &str) -> PathBuf {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        path
    }

    #[test]
    fn what_is_laid_wins_over_whatever_has_its_name_and_twice_is_once() {
        let place = Place::new();
        for path in ["same/file", "folder-over-file/new", "file-over-folder", "plain"] {
            put(place.artifacts.join(path), "laid");
        }
        put(place.tree.join("same/file"), "was there, and longer");
        put(place.tree.join("same/beside"), "stays");
        put(place.tree.join("folder-over-file"), "was a file");
        put(place.tree.join("file-over-folder/deep/inner"), "was in a folder");
        let run = put(place.artifacts.join("run"), "laid");
        fs::set_permissions(run, Permissions::from_mode(0o750)).unwrap();
        for _ in 0..2 {
            place.lay();
            for path in ["same/file", "folder-over-file/new", "file-over-folder", "plain"] {
                assert_eq!(place.read(path), "laid", "{path}");
            }
            assert_eq!(place.read("same/beside"), "stays");
            let mode = fs::metadata(place.tree.join("run")).unwrap().permissions().mode();
            assert_eq!(mode & 0o111, 0o111, "{mode:o}");
        }
        assert!(place.is_opaque("folder-over-file"), "no folder below the overlay shows through it");
        assert!(!place.is_opaque("same"));
    }

    #[test]
    fn no_link_in_the_tree_is_followed_and_links_that_lead_out_are_not_laid() {
        let place = Place::new();
        let outside = put(place.tree.with_file_name("outside").join("file"), "not theirs");
        put(place.artifacts.join("out/file"), "laid");
        put(place.artifacts.join("name"), "laid");
        for (link, target) in [("inside", "out/file"), ("up", "../outside/file"), ("root", "/etc/passwd")] {
            symlink(target, place.artifacts.join(link)).unwrap();
        }
        symlink(outside.parent().unwrap(), place.tree.join("out")).unwrap();
        symlink(&outside, place.tree.join("name")).unwrap();
        place.lay();
        assert_eq!(fs::read_to_string(&outside).unwrap(), "not theirs");
        assert_eq!((place.read("out/file"), place.read("name")), ("laid".to_owned(), "laid".to_owned()));
        assert_eq!(fs::read_link(place.tree.join("inside")).unwrap(), Path::new("out/file"));
        assert!(["up", "root"].iter().all(|link| fs::symlink_metadata(place.tree.join(link)).is_err()));
    }
}
