//! Where the links of a foreign folder lead. None is followed here: the kernel is asked whether following one would leave.

use std::{
    ffi::OsString,
    os::{
        fd::{AsFd, OwnedFd},
        unix::ffi::OsStringExt,
    },
};

use rustix::{
    fs::{Mode, OFlags, ResolveFlags, openat2, readlinkat},
    io::Errno,
};

use super::{BENEATH, Beneath, ForeignError, explain, failed, shown};

impl Beneath {
    /// What a link says, as bytes; it is not followed.
    ///
    /// # Errors
    /// [`ForeignError`], also when there is no link of that path.
    pub fn link_target(&self, link: &str) -> Result<OsString, ForeignError> {
        for layer in &self.layers {
            match target(layer, link) {
                Err(ForeignError::Missing(_)) => {}
                other => return Ok(OsString::from_vec(other?)),
            }
        }
        Err(ForeignError::Missing(shown(link)))
    }

    /// The target of a link that leads out of the folder, safe to show; `None` for one that stays inside.
    ///
    /// A link may go through others, so that its text alone does not tell: the kernel resolves it without opening anything.
    /// What leads nowhere yet counts by its text, for a build may make what is missing.
    ///
    /// # Errors
    /// [`ForeignError`], also when there is no link of that path.
    pub fn link_out(&self, link: &str) -> Result<Option<String>, ForeignError> {
        for layer in &self.layers {
            let target = match target(layer, link) {
                Err(ForeignError::Missing(_)) => continue,
                other => other?,
            };
            let out = climbs_out(link, &target) || resolves_outside(layer, link)?;
            return Ok(out.then(|| shown(&String::from_utf8_lossy(&target))));
        }
        Err(ForeignError::Missing(shown(link)))
    }
}

fn target(layer: &OwnedFd, link: &str) -> Result<Vec<u8>, ForeignError> {
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let opened = openat2(layer.as_fd(), link, flags, Mode::empty(), BENEATH).map_err(|error| explain(link, error))?;
    let target = readlinkat(&opened, c"", Vec::new()).map_err(|error| failed(link, error.into()))?;
    Ok(target.into_bytes())
}

/// Whether the text of a link, read from where it lies, begins at the root or climbs above the folder.
fn climbs_out(link: &str, target: &[u8]) -> bool {
    let mut depth = link.matches('/').count();
    for part in target.split(|byte| *byte == b'/') {
        match part {
            b"" | b"." => {}
            b".." if depth == 0 => return true,
            b".." => depth -= 1,
            _ => depth += 1,
        }
    }
    target.starts_with(b"/")
}

fn resolves_outside(layer: &OwnedFd, link: &str) -> Result<bool, ForeignError> {
    let beneath = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS | ResolveFlags::NO_XDEV;
    match openat2(layer.as_fd(), link, OFlags::PATH | OFlags::CLOEXEC, Mode::empty(), beneath) {
        Ok(_) => Ok(false),
        Err(Errno::XDEV) => Ok(true),
        // It leads to nothing, to itself, or through a file.
        Err(Errno::NOENT | Errno::LOOP | Errno::NOTDIR | Errno::NAMETOOLONG | Errno::ACCESS) => Ok(false),
        Err(error) => Err(failed(link, error.into())),
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::symlink};

    use super::*;

    #[test]
    fn a_link_that_leaves_is_told_from_one_that_stays() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("project");
        fs::create_dir_all(root.join("a/b")).unwrap();
        fs::write(root.join("a/file"), "x").unwrap();
        fs::write(dir.path().join("secret"), "x").unwrap();
        let inside = [("in", "a/file"), ("a/up", "../a/b"), ("a/b/top", "../.."), ("gone", "a/none"), ("self", "self")];
        let outside = [
            ("abs", "/etc/passwd"),
            ("out", "../secret"),
            ("a/out", "b/../../../secret"),
            // By its text it stays: `a/b/secret`. Through the other link it does not.
            ("a/b/two-hops", "top/../secret"),
            ("dangling", "none/../../secret"),
            ("proc", "/proc/self/root"),
        ];
        for (link, target) in inside.iter().chain(&outside) {
            symlink(target, root.join(link)).unwrap();
        }
        let beneath = Beneath::open(&root).unwrap();
        let leaves = |link: &str| beneath.link_out(link).unwrap();
        assert_eq!(inside.map(|(link, _)| leaves(link)), [const { None }; 5]);
        assert_eq!(outside.map(|(link, _)| leaves(link)), outside.map(|(_, target)| Some(target.to_owned())));
        assert!(matches!(beneath.link_out("none"), Err(ForeignError::Missing(_))));
        let mut walked = beneath.walk(100).unwrap().links;
        walked.sort();
        assert_eq!(walked.len(), inside.len() + outside.len());
    }
}
