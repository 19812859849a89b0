//! What a commit's tree would make: decided from the tree alone, before a byte is written.

use git2::{ObjectType, Odb, Oid, Repository};
use pipelinex_common::limits::IntakeLimits;

use super::objects::broken_pack;
use crate::intake::{
    ProjectPath, Refusal, Rule, Twins,
    git::fault::{CloneError, GitRule},
    links::{PlannedLink, TARGET_BYTES, check_links},
    zip_tree::Tree,
};

const FILE: i32 = 0o100_644;
const FILE_OF_GROUP: i32 = 0o100_664;
const EXECUTABLE: i32 = 0o100_755;
const LINK: i32 = 0o120_000;
const SUBMODULE: i32 = 0o160_000;
const FOLDER: i32 = 0o040_000;

/// What is to be written.
#[derive(Default)]
pub(super) struct Plan {
    /// Folders, each after the one it lies in.
    pub folders: Vec<ProjectPath>,
    /// Files.
    pub files: Vec<Planned>,
    /// Links, which are made last.
    pub links: Vec<PlannedLink>,
    /// Paths that differ in upper and lower case alone.
    pub twins: Option<Twins>,
    /// Submodules: their folders stay empty.
    pub submodules: Vec<ProjectPath>,
    /// Bytes of all files and links.
    pub bytes: u64,
}

/// A file.
pub(super) struct Planned {
    /// Where.
    pub path: ProjectPath,
    /// Its content.
    pub blob: Oid,
    /// Whether it may be run.
    pub executable: bool,
}

/// Plans a tree. Each name passes the rules of the ZIP intake; a tree that holds itself many times over ends at the limit of
/// files.
pub(super) fn plan(repository: &Repository, root: Oid, limits: &IntakeLimits) -> Result<Plan, CloneError> {
    let objects = repository.odb().map_err(|error| broken_pack(&error))?;
    let mut planner = Planner { objects, limits, tree: Tree::default(), plan: Plan::default() };
    let mut left = vec![(root, String::new())];
    while let Some((id, prefix)) = left.pop() {
        let tree = repository.find_tree(id).map_err(|error| broken_pack(&error))?;
        for entry in &tree {
            let path = planner.path(&prefix, entry.name_bytes())?;
            if entry.filemode_raw() == FOLDER {
                planner.tree.add(&path, true, limits)?;
                left.push((entry.id(), format!("{path}/")));
            } else {
                planner.leaf(path, entry.id(), entry.filemode_raw())?;
            }
        }
    }
    planner.tree.check(None, limits)?;
    check_links(&planner.plan.links)?;
    planner.plan.twins = planner.tree.twins();
    planner.plan.folders = planner.tree.folders_below(None);
    Ok(planner.plan)
}

struct Planner<'a> {
    objects: Odb<'a>,
    limits: &'a IntakeLimits,
    tree: Tree,
    plan: Plan,
}

impl Planner<'_> {
    /// The path of an entry, checked before it is kept: names add up from one level to the next.
    fn path(&self, prefix: &str, name: &[u8]) -> Result<ProjectPath, CloneError> {
        let whole = [prefix.as_bytes(), name].concat();
        let refuse = |rule, hint: &str| Err(Refusal::of_entry(rule, &whole, hint).into());
        if whole.len() > self.limits.path_bytes {
            return refuse(Rule::PathTooLong, &format!("a path may have {} bytes", self.limits.path_bytes));
        }
        if name.contains(&b'/') {
            return refuse(Rule::PathEscape, "");
        }
        let path = ProjectPath::parse_linux(&whole)?;
        if path.has_dot_git() {
            let message = "an entry of the repository would be Git's own folder";
            let hint = "Git itself does not make such a name: find out who made this commit, and remove the entry";
            return Err(GitRule::DotGit.problem_at(path.as_str(), message, hint).into());
        }
        Ok(path)
    }

    fn leaf(&mut self, path: ProjectPath, id: Oid, mode: i32) -> Result<(), CloneError> {
        match mode {
            FILE | FILE_OF_GROUP | EXECUTABLE | LINK => {}
            SUBMODULE => {
                self.tree.add(&path, true, self.limits)?;
                self.plan.submodules.push(path);
                return Ok(());
            }
            _ => {
                let message = format!("an entry of the repository has the mode {mode:o}");
                let hint = "Git itself makes files, executable files, links, folders and submodules: commit it again";
                return Err(GitRule::SpecialEntry.problem_at(path.as_str(), message, hint).into());
            }
        }
        self.tree.add(&path, false, self.limits)?;
        let (size, is) = self.objects.read_header(id).map_err(|error| broken_pack(&error))?;
        if is != ObjectType::Blob || mode == LINK && size as u64 > TARGET_BYTES {
            let hint = "run git fsck where it was pushed from";
            let message = "an entry of the repository is not what it says it is";
            return Err(GitRule::Damaged.problem_at(path.as_str(), message, hint).into());
        }
        self.plan.bytes = self.plan.bytes.saturating_add(size as u64);
        if self.plan.bytes > self.limits.unpacked_bytes {
            return Err(CloneError::too_many_unpacked_bytes(self.limits));
        }
        if mode == LINK {
            let target = self.objects.read(id).map_err(|error| broken_pack(&error))?.data().to_vec();
            self.plan.links.push(PlannedLink { path, target });
        } else {
            self.plan.files.push(Planned { path, blob: id, executable: mode == EXECUTABLE });
        }
        Ok(())
    }
}
