//! What changed since the refs that the project's pipeline files compare to (`changes: compare_to`): paths that differ from the last
//! commit which both have in common, as GitLab compares. Fetched are the commits, and of that one the folders; no file comes twice.

use std::{
    collections::{BTreeMap, BTreeSet, BinaryHeap, HashSet},
    fs,
    path::Path,
};

use git2::{Commit, ObjectType, Oid, Repository, Tree};
use pipelinex_common::{
    foreign::Beneath,
    pipeline::context::{self, Changed},
};

use super::{
    advert::Advertisement,
    fetch::{self, Wants, Without},
    http::Carrier,
    objects::{self, broken_pack},
};
use crate::intake::git::{fault::CloneError, order::Order};

/// The most refs that are compared to.
const REFS_MAX: usize = 10;
/// The most pipeline files that are looked at for the key, and the largest, in bytes.
const FILES_MAX: usize = 1_000;
const FILE_MAX: u64 = 512 * 1024;
/// Folders within folders: deeper is not looked.
const FOLDERS_MAX: usize = 200;
/// More paths than this are not told apart: everything then counts as changed.
const PATHS_MAX: usize = 50_000;

/// What changed since each ref that is named. Nothing is asked of the host where no file names one.
pub(super) async fn since(
    order: &Order,
    carrier: &mut Carrier,
    advert: &Advertisement,
    objects: &Path,
    commit: &Commit<'_>,
) -> Result<BTreeMap<String, Changed>, CloneError> {
    let mut changes = BTreeMap::new();
    for written in named(&order.source)? {
        let name = with_default_branch(&written, advert);
        let is_commit = name.len() == 40 && name.bytes().all(|byte| byte.is_ascii_hexdigit());
        let changed = match advert.id_of(&name).map(str::to_owned) {
            Some(id) => compare(order, carrier, advert, (objects, commit), &id).await?,
            None if is_commit && advert.serves_any_commit() => {
                compare(order, carrier, advert, (objects, commit), &name.to_ascii_lowercase()).await?
            }
            None if is_commit => Changed::Unknown("the host gives out branches and tags only".to_owned()),
            None if name.contains('$') => {
                Changed::Unknown(format!("`compare_to: {written}` has a variable that is not known yet"))
            }
            None => Changed::NoSuchRef,
        };
        changes.insert(name, changed);
    }
    Ok(changes)
}

/// The refs that pipeline files name, as they are written.
fn named(source: &Path) -> Result<BTreeSet<String>, CloneError> {
    let wrong = |error: &dyn std::fmt::Display| CloneError::internal("look for pipeline files", error);
    let beneath = Beneath::open(source).map_err(|error| wrong(&error))?;
    let is_one = |path: &str| path.ends_with(".yml") || path.ends_with(".yaml");
    let walk = beneath.walk(usize::MAX).map_err(|error| wrong(&error))?;
    let files = walk.files.iter().filter(|file| is_one(&file.path)).take(FILES_MAX);
    let texts = files.filter_map(|file| beneath.read(&file.path, FILE_MAX).ok());
    let mut names = BTreeSet::new();
    for text in texts {
        names.extend(context::refs_compared_to(&String::from_utf8_lossy(&text)).map(str::to_owned));
    }
    Ok(names.into_iter().take(REFS_MAX).collect())
}

fn with_default_branch(written: &str, advert: &Advertisement) -> String {
    let branch = advert.head_branch().unwrap_or("main");
    written.replace("${CI_DEFAULT_BRANCH}", branch).replace("$CI_DEFAULT_BRANCH", branch)
}

async fn compare(
    order: &Order,
    carrier: &mut Carrier,
    advert: &Advertisement,
    (objects, commit): (&Path, &Commit<'_>),
    base: &str,
) -> Result<Changed, CloneError> {
    let head = commit.id().to_string();
    if !advert.can("filter") {
        return Ok(Changed::Unknown("the host cannot send commits without their files".to_owned()));
    }
    let [commits, folders] = ["compared-commits", "compared-folders"].map(|name| order.scratch.join(name));
    let wants = Wants { ids: vec![&head, base], whole_history: true, without: Without::Trees };
    match fetch::fetch(carrier, advert, &wants, &commits, &order.limits).await {
        Err(CloneError::TooLarge(_)) => {
            return Ok(Changed::Unknown("the history is too long to compare with".to_owned()));
        }
        fetched => fetched?,
    }
    let common = {
        let repository = objects::open(&commits)?;
        let base = objects::commit(&repository, base)?;
        in_common(&repository, commit.id(), base.id(), order.limits.clone_objects)?
    };
    let changed = match common {
        None => Changed::Unknown("the two have no commit in common".to_owned()),
        Some(common) if common == commit.id() => Changed::Paths(BTreeSet::new()),
        Some(common) => {
            let id = common.to_string();
            if advert.serves_any_commit() || advert.tips().contains(&id.as_str()) {
                let wants = Wants { ids: vec![&id], whole_history: false, without: Without::Files };
                fetch::fetch(carrier, advert, &wants, &folders, &order.limits).await?;
                let repository = objects::open_all(&[objects, &folders])?;
                differing(&repository, &objects::commit(&repository, &id)?, &objects::commit(&repository, &head)?)?
            } else {
                Changed::Unknown("the host does not give out the commit that both have in common".to_owned())
            }
        }
    };
    for folder in [commits, folders] {
        match fs::remove_dir_all(folder) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(CloneError::io("remove a folder", &error));
            }
            _ => {}
        }
    }
    Ok(changed)
}

/// The newest commit that both lead back to.
fn in_common(repository: &Repository, ours: Oid, theirs: Oid, most: u64) -> Result<Option<Oid>, CloneError> {
    let mut of_ours = HashSet::new();
    back_from(repository, ours, most, |id| {
        of_ours.insert(id);
        false
    })?;
    back_from(repository, theirs, most, |id| of_ours.contains(&id))
}

/// Goes back from a commit, the newest first, to the first that is the one.
fn back_from(
    repository: &Repository,
    from: Oid,
    most: u64,
    mut is_it: impl FnMut(Oid) -> bool,
) -> Result<Option<Oid>, CloneError> {
    let (mut seen, mut next) = (HashSet::from([from]), BinaryHeap::new());
    let commit = |id| repository.find_commit(id).map_err(|error| broken_pack(&error));
    next.push((commit(from)?.time().seconds(), from));
    while let Some((_, id)) = next.pop() {
        if is_it(id) {
            return Ok(Some(id));
        }
        for parent in commit(id)?.parent_ids().collect::<Vec<_>>() {
            if (seen.len() as u64) < most && seen.insert(parent) {
                next.push((commit(parent)?.time().seconds(), parent));
            }
        }
    }
    Ok(None)
}

fn differing(repository: &Repository, before: &Commit<'_>, after: &Commit<'_>) -> Result<Changed, CloneError> {
    let tree = |commit: &Commit<'_>| repository.find_tree(commit.tree_id()).map_err(|error| broken_pack(&error));
    let mut paths = BTreeSet::new();
    let is_whole = walk(repository, (Some(tree(before)?), Some(tree(after)?)), "", &mut paths)?;
    let many = || Changed::Unknown(format!("more than {PATHS_MAX} paths differ"));
    Ok(if is_whole { Changed::Paths(paths) } else { many() })
}

/// Adds the paths in which two folders differ. `false`: there are too many.
fn walk(
    repository: &Repository,
    (before, after): (Option<Tree<'_>>, Option<Tree<'_>>),
    at: &str,
    paths: &mut BTreeSet<String>,
) -> Result<bool, CloneError> {
    if at.matches('/').count() > FOLDERS_MAX {
        return Ok(false);
    }
    let entries = |tree: Option<&Tree<'_>>| -> BTreeMap<Vec<u8>, (Option<ObjectType>, Oid)> {
        let each = tree.into_iter().flat_map(Tree::iter);
        each.map(|entry| (entry.name_bytes().to_vec(), (entry.kind(), entry.id()))).collect()
    };
    let (before, after) = (entries(before.as_ref()), entries(after.as_ref()));
    for name in before.keys().chain(after.keys()).collect::<BTreeSet<_>>() {
        let (old, new) = (before.get(name), after.get(name));
        if old == new {
            continue;
        }
        let path = format!("{at}{}", String::from_utf8_lossy(name));
        let sides = [old, new];
        if sides.iter().flatten().any(|(kind, _)| *kind != Some(ObjectType::Tree)) {
            paths.insert(path.clone());
        }
        let tree = |side: Option<&(Option<ObjectType>, Oid)>| {
            let id = side.filter(|(kind, _)| *kind == Some(ObjectType::Tree)).map(|(_, id)| *id);
            id.map(|id| repository.find_tree(id)).transpose().map_err(|error| broken_pack(&error))
        };
        let trees = (tree(old)?, tree(new)?);
        if (trees.0.is_some() || trees.1.is_some()) && !walk(repository, trees, &format!("{path}/"), paths)? {
            return Ok(false);
        }
        if paths.len() > PATHS_MAX {
            return Ok(false);
        }
    }
    Ok(true)
}
