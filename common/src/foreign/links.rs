//! Where the links of a foreign folder lead. The kernel follows none of them: it is asked whether following one would leave, or
//! they are read and followed here, one name at a time beneath the folder.

use std::{
    collections::{HashMap, VecDeque},
    ffi::{CString, OsString},
    os::{
        fd::{AsFd, OwnedFd},
        unix::ffi::OsStringExt,
    },
};

use rustix::{
    fs::{Mode, OFlags, ResolveFlags, openat2, readlinkat},
    io::Errno,
};

use super::{BENEATH, Beneath, ForeignError, Found, Seen, explain, failed, look, reopen, shown};

/// The most links that are followed on the way to one target, as the kernel has it.
const HOPS_MAX: usize = 40;

/// Where a path leads, with all links on the way followed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Leads {
    /// To this regular file; its path has no link in it.
    File(Found),
    /// To this folder; the empty path is the folder itself beneath which all of this is.
    Folder(String),
    /// Out of the folder.
    Out,
    /// To nothing that is there and can be taken.
    Nowhere,
}

impl Beneath {
    /// Where a path leads, seen through all layers. `alias`: the absolute path under which the folder's maker knew it; links that
    /// begin with it stay inside.
    ///
    /// # Errors
    /// [`ForeignError`].
    pub fn leads_to(&self, path: &str, alias: Option<&str>) -> Result<Leads, ForeignError> {
        let root = || self.layers.iter().map(reopen).collect::<Result<Vec<OwnedFd>, _>>();
        // The folder of each name that was gone through, from the top down.
        let mut way: Vec<(String, Vec<OwnedFd>)> = vec![(String::new(), root()?)];
        let mut rest: VecDeque<Vec<u8>> = parts(path.as_bytes()).collect();
        let mut hops = 0;
        while let Some(name) = rest.pop_front() {
            if name == b".." {
                if way.len() == 1 {
                    return Ok(Leads::Out);
                }
                way.pop();
                continue;
            }
            let (Ok(text), Ok(name)) = (String::from_utf8(name.clone()), CString::new(name)) else {
                return Ok(Leads::Nowhere);
            };
            let Some((_, layers)) = way.last() else { return Ok(Leads::Nowhere) };
            match look(layers, &name) {
                Seen::Folder(below) => way.push((text, below)),
                Seen::File(stat) if rest.is_empty() => {
                    return Ok(Leads::File(Found::new(joined(&way, Some(&text)), &stat)));
                }
                Seen::Link if hops < HOPS_MAX => {
                    hops += 1;
                    let target = super::first_of(layers, &text, |layer| target(layer, &text))?;
                    let inner = match (target.starts_with(b"/"), alias) {
                        (false, _) => target.as_slice(),
                        (true, Some(alias)) => match target.strip_prefix(alias.as_bytes()) {
                            Some(inner) if inner.is_empty() || inner.starts_with(b"/") => {
                                way.truncate(1);
                                inner
                            }
                            _ => return Ok(Leads::Out),
                        },
                        (true, None) => return Ok(Leads::Out),
                    };
                    for part in parts(inner).collect::<Vec<_>>().into_iter().rev() {
                        rest.push_front(part);
                    }
                }
                _ => return Ok(Leads::Nowhere),
            }
        }
        Ok(Leads::Folder(joined(&way, None)))
    }

    /// What a link says, as bytes; it is not followed.
    ///
    /// # Errors
    /// [`ForeignError`], also when there is no link of that path.
    pub fn link_target(&self, link: &str) -> Result<OsString, ForeignError> {
        super::first_of(&self.layers, link, |layer| target(layer, link)).map(OsString::from_vec)
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

/// The names of a path that mean something.
fn parts(path: &[u8]) -> impl Iterator<Item = Vec<u8>> {
    path.split(|byte| *byte == b'/').filter(|part| !part.is_empty() && *part != b".").map(<[u8]>::to_vec)
}

fn joined(way: &[(String, Vec<OwnedFd>)], last: Option<&str>) -> String {
    let names = way.iter().skip(1).map(|(name, _)| name.as_str());
    names.chain(last).collect::<Vec<_>>().join("/")
}

fn target(layer: &OwnedFd, link: &str) -> Result<Vec<u8>, ForeignError> {
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let opened = openat2(layer.as_fd(), link, flags, Mode::empty(), BENEATH).map_err(|error| explain(link, error))?;
    let target = readlinkat(&opened, c"", Vec::new()).map_err(|error| failed(link, error.into()))?;
    Ok(target.into_bytes())
}

/// Text that is read on the way to one target, that of links on the way included, in bytes: four of the longest paths.
const WAY_MAX: usize = 16 * 1024;

/// The links of a folder that are not made yet: each part of their paths is a node below the one before it, so that a step on the
/// way of a link costs no more than the part that it goes to, however long the way is.
pub struct PlannedLinks<'a> {
    below: HashMap<(usize, &'a [u8]), usize>,
    /// By node, what the link says that lies there.
    targets: Vec<Option<&'a [u8]>>,
}

impl<'a> PlannedLinks<'a> {
    /// The links, each with what it says.
    pub fn new(links: impl IntoIterator<Item = (&'a str, &'a [u8])>) -> Self {
        let mut planned = Self { below: HashMap::new(), targets: vec![None] };
        for (link, target) in links {
            let mut node = 0;
            for part in link.as_bytes().split(|byte| *byte == b'/') {
                let next = planned.targets.len();
                node = *planned.below.entry((node, part)).or_insert(next);
                if node == next {
                    planned.targets.push(None);
                }
            }
            planned.targets[node] = Some(target);
        }
        planned
    }

    /// Whether a link would lead out of its folder: by its text, or through the other links. What leads in circles or to nothing counts
    /// by its text, as in [`Beneath::link_out`].
    pub fn leads_out(&self, link: &str, target: &[u8]) -> bool {
        climbs_out(link, target) || self.walk(link, target).0
    }

    fn next(&self, node: Option<usize>, part: &[u8]) -> Option<usize> {
        self.below.get(&(node?, part)).copied()
    }

    /// Whether the way of a link leads out, and how much text was read on it.
    fn walk(&self, link: &str, target: &[u8]) -> (bool, usize) {
        // The node of each folder that was gone through, from the top down; `None` where no link lies in it.
        let mut way = vec![Some(0)];
        for part in link.rsplit_once('/').map_or("", |(folder, _)| folder).split('/').filter(|part| !part.is_empty()) {
            way.push(self.next(way.last().copied().flatten(), part.as_bytes()));
        }
        // What is still to be walked, the next text last.
        let mut left: Vec<&[u8]> = vec![target];
        let (mut hops, mut read) = (0, 0);
        while let Some(text) = left.pop() {
            let end = text.iter().position(|byte| *byte == b'/').unwrap_or(text.len());
            let part = &text[..end];
            left.extend(text.get(end + 1..));
            read += part.len() + 1;
            match part {
                _ if read > WAY_MAX => return (true, read),
                b"" | b"." => continue,
                b".." if way.len() == 1 => return (true, read),
                b".." => {
                    way.pop();
                    continue;
                }
                name => way.push(self.next(way.last().copied().flatten(), name)),
            }
            let Some(through) = way.last().copied().flatten().and_then(|node| self.targets[node]) else { continue };
            hops += 1;
            match through.starts_with(b"/") {
                true => return (true, read),
                false if hops > HOPS_MAX => return (false, read),
                false => way.pop(),
            };
            left.push(through);
        }
        (false, read)
    }
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

    /// What is said of links that are not made yet is what the kernel says when they are.
    #[test]
    fn a_link_that_would_leave_is_told_before_it_is_made() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("project");
        fs::create_dir_all(root.join("a/b")).unwrap();
        fs::write(root.join("a/file"), "x").unwrap();
        let links = [
            ("in", "a/file"),
            ("a/up", "../a/b"),
            ("a/b/top", "../.."),
            ("a/b/two-hops", "top/../secret"),
            ("a/b/round", "top/a/b/top/in"),
            ("abs", "/etc/passwd"),
            ("through-abs", "abs/../x"),
            ("self", "self"),
            ("cycle", "cycle-back/x"),
            ("cycle-back", "cycle/y"),
            ("cur", "."),
            ("par", "cur/.."),
            ("gone", "a/none/../x"),
            ("out", "a/b/../../../secret"),
        ];
        links.iter().for_each(|(link, target)| symlink(target, root.join(link)).unwrap());
        let beneath = Beneath::open(&root).unwrap();
        let planned = PlannedLinks::new(links.iter().map(|(link, target)| (*link, target.as_bytes())));
        for (link, target) in links {
            let told = planned.leads_out(link, target.as_bytes());
            assert_eq!(told, beneath.link_out(link).unwrap().is_some(), "{link} -> {target}");
        }
    }

    #[test]
    fn each_part_of_a_way_is_looked_at_once_and_no_way_is_endless() {
        let deep = |parts: usize| "d/".repeat(parts) + "file";
        for parts in [10, 100, 999] {
            let target = deep(parts);
            let planned = PlannedLinks::new([("link", target.as_bytes()), ("d/d", b"../x".as_slice())]);
            let (out, read) = planned.walk("elsewhere/link", target.as_bytes());
            assert_eq!((out, read), (false, target.len() + 1), "{parts} parts");
        }
        // Forty links, each of which says almost as much as a link can.
        let chain: Vec<(String, String)> =
            (0..40).map(|n| (format!("l{n}"), format!("{}l{}", "./".repeat(2000), n + 1))).collect();
        let planned = PlannedLinks::new(chain.iter().map(|(link, target)| (link.as_str(), target.as_bytes())));
        let (out, read) = planned.walk("l0", chain[0].1.as_bytes());
        assert!(out && read <= WAY_MAX + 256, "{out} {read}");
        assert!(!planned.leads_out("l37", chain[37].1.as_bytes()), "three of them are nothing odd");
    }

    #[test]
    fn a_link_is_followed_name_by_name_and_never_out() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("project");
        fs::create_dir_all(root.join("a/b")).unwrap();
        fs::write(root.join("a/file"), "x").unwrap();
        fs::write(dir.path().join("secret"), "x").unwrap();
        let file = || "file a/file".to_owned();
        let links = [
            ("in", "a/file", file()),
            ("a/up", "../a/b", "folder a/b".to_owned()),
            ("through", "a/up/../file", file()),
            ("hop", "in", file()),
            ("known", "/home/runner/app/a//./file", file()),
            ("a/top", "/home/runner/app", "folder ".to_owned()),
            ("a/loop", "loop", "nowhere".to_owned()),
            ("gone", "a/none", "nowhere".to_owned()),
            ("not-a-folder", "a/file/x", "nowhere".to_owned()),
            ("abs", "/etc/passwd", "out".to_owned()),
            ("like", "/home/runner/apples", "out".to_owned()),
            ("out", "../secret", "out".to_owned()),
            ("a/b/two-hops", "../up/../../../secret", "out".to_owned()),
            ("proc", "/proc/self/root", "out".to_owned()),
        ];
        for (link, target, _) in &links {
            symlink(target, root.join(link)).unwrap();
        }
        let beneath = Beneath::open(&root).unwrap();
        for (link, target, expected) in links {
            let told = match beneath.leads_to(link, Some("/home/runner/app")).unwrap() {
                Leads::File(found) => format!("file {}", found.path),
                Leads::Folder(path) => format!("folder {path}"),
                Leads::Out => "out".to_owned(),
                Leads::Nowhere => "nowhere".to_owned(),
            };
            assert_eq!(told, expected, "{link} -> {target}");
        }
        assert_eq!(beneath.leads_to("known", None).unwrap(), Leads::Out);
    }

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
