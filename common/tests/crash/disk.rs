//! What may be on a disk after a power cut: every state that the calls until then allow.
//!
//! Of a file, what was written since its last sync may be there, missing, cut in half, or zeros of the right length. Of the names
//! that were made, moved or removed since their folder was synced, each may be there or not, in any combination: a journal keeps
//! more order than that, but nobody promises it. Moves are whole. A sync of the file system makes everything durable.

use std::{
    collections::{BTreeMap, HashSet},
    fs,
    path::Path,
};

use super::trace::{Call, is_in};

/// How many names may be in doubt for all of their combinations to be tried; of more, some.
const ALL_OF: usize = 7;

/// What became of bytes that were not synced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Unsynced {
    There,
    Missing,
    Half,
    Zeros,
}

const ALL_UNSYNCED: [Unsynced; 4] = [Unsynced::There, Unsynced::Missing, Unsynced::Half, Unsynced::Zeros];

/// Files and folders by name; `None` for a folder.
pub type Tree = BTreeMap<String, Option<Vec<u8>>>;

/// The numbers of files by name; `None` for a folder.
type Names = BTreeMap<String, Option<usize>>;

/// What a file holds: now, and after its last sync.
type Written = BTreeMap<usize, (Vec<u8>, Vec<u8>)>;

/// A disk, and what was asked of it.
pub struct Disk<'a> {
    calls: &'a [Call],
    /// The names that there are before each call, if all before it are there.
    names: Vec<Names>,
}

impl<'a> Disk<'a> {
    pub fn new(calls: &'a [Call]) -> Self {
        let mut now = Names::from([(String::new(), None)]);
        let mut names = Vec::new();
        for call in calls {
            names.push(now.clone());
            rename(&mut now, call);
        }
        names.push(now);
        Self { calls, names }
    }

    /// The trees that may be there after a crash right behind so many calls; of more than `most`, some from all over.
    pub fn after(&self, cut: usize, most: usize) -> Vec<Tree> {
        let written = written(&self.calls[..cut]);
        let is_dirty = written.values().any(|(now, durable)| now != durable);
        let mut seen = HashSet::new();
        let choices = choices(&doubtful(&self.calls[..cut])).into_iter();
        let names = choices.map(|missing| self.replay(cut, &missing)).filter(|names| seen.insert(names.clone()));
        let unsynced = if is_dirty { &ALL_UNSYNCED[..] } else { &ALL_UNSYNCED[..1] };
        let all: Vec<_> =
            names.flat_map(|names| unsynced.iter().map(move |unsynced| (names.clone(), *unsynced))).collect();
        // Not the same kind of state behind each call.
        let step = all.len().div_ceil(most).max(1);
        let chosen = all.into_iter().skip(cut % step).step_by(step);
        chosen.map(|(names, unsynced)| filled(names, &written, unsynced)).collect()
    }

    /// The names after so many calls, without those that are missing.
    fn replay(&self, cut: usize, missing: &[usize]) -> Names {
        let from = missing.first().copied().unwrap_or(cut);
        let mut names = self.names[from].clone();
        for (number, call) in self.calls[..cut].iter().enumerate().skip(from) {
            if !missing.contains(&number) {
                rename(&mut names, call);
            }
        }
        // The missing call may have made the folder that others are in, or the first name of what has a second one.
        let folders: HashSet<String> =
            names.iter().filter(|(_, file)| file.is_none()).map(|(name, _)| name.clone()).collect();
        names.retain(|name, _| name.match_indices('/').all(|(at, _)| folders.contains(&name[..at])));
        names
    }
}

/// What a call does to the names.
fn rename(names: &mut Names, call: &Call) {
    match call {
        Call::Create { file, name } => _ = names.insert(name.clone(), Some(*file)),
        Call::MakeDir { name } => _ = names.insert(name.clone(), None),
        Call::Link { from, to } => {
            if let Some(file) = names.get(from).copied() {
                names.insert(to.clone(), file);
            }
        }
        Call::Rename { from, to } => {
            let moved: Vec<String> = names.keys().filter(|name| is_in(name, from)).cloned().collect();
            for name in moved {
                if let Some(file) = names.remove(&name) {
                    names.insert(format!("{to}{}", &name[from.len()..]), file);
                }
            }
        }
        Call::Unlink { name } => names.retain(|other, _| !is_in(other, name)),
        _ => {}
    }
}

/// What the files hold after these calls.
fn written(calls: &[Call]) -> Written {
    let mut written = Written::new();
    for call in calls {
        match call {
            Call::Write { file, at, bytes } => {
                let (now, _) = written.entry(*file).or_default();
                now.resize(now.len().max(at + bytes.len()), 0);
                now[*at..at + bytes.len()].copy_from_slice(bytes);
            }
            Call::Cut { file, length } => written.entry(*file).or_default().0.resize(*length, 0),
            Call::SyncFile { file } => _ = written.get_mut(file).map(|(now, durable)| durable.clone_from(now)),
            Call::SyncAll => written.values_mut().for_each(|(now, durable)| durable.clone_from(now)),
            _ => {}
        }
    }
    written
}

/// The names with what is in the files behind them.
fn filled(names: Names, written: &Written, unsynced: Unsynced) -> Tree {
    let content = |file: Option<usize>| file.map(|file| left(written.get(&file), unsynced));
    names.into_iter().map(|(name, file)| (name, content(file))).collect()
}

/// The calls that changed names and are not durable yet.
fn doubtful(calls: &[Call]) -> Vec<usize> {
    let folder = |name: &str| name.rsplit_once('/').map_or(String::new(), |(folder, _)| folder.to_owned());
    let mut doubtful: Vec<(usize, Vec<String>)> = Vec::new();
    for (number, call) in calls.iter().enumerate() {
        match call {
            Call::Create { name, .. } | Call::MakeDir { name } | Call::Unlink { name } => {
                doubtful.push((number, vec![folder(name)]));
            }
            Call::Link { to, .. } => doubtful.push((number, vec![folder(to)])),
            Call::Rename { from, to } => doubtful.push((number, vec![folder(from), folder(to)])),
            // A move is durable with the folder that it leads to: the name it leaves goes with it.
            Call::SyncDir { name } => doubtful.retain(|(_, folders)| folders.last() != Some(name)),
            Call::SyncAll => doubtful.clear(),
            Call::Write { .. } | Call::Cut { .. } | Call::SyncFile { .. } | Call::Told { .. } => {}
        }
    }
    doubtful.into_iter().map(|(number, _)| number).collect()
}

/// Which of the doubtful calls may be missing.
fn choices(doubtful: &[usize]) -> Vec<Vec<usize>> {
    if doubtful.len() <= ALL_OF {
        let all = 0..1usize << doubtful.len();
        let chosen =
            |bits: usize| doubtful.iter().enumerate().filter(move |(n, _)| bits >> n & 1 == 1).map(|(_, call)| *call);
        return all.map(|bits| chosen(bits).collect()).collect();
    }
    let mut choices = vec![Vec::new()];
    for (n, call) in doubtful.iter().enumerate() {
        // All that came later; this one alone; and all but this one.
        choices.push(doubtful[n..].to_vec());
        choices.push(vec![*call]);
        choices.push(doubtful.iter().filter(|other| *other != call).copied().collect());
    }
    choices
}

fn left(written: Option<&(Vec<u8>, Vec<u8>)>, unsynced: Unsynced) -> Vec<u8> {
    let Some((now, durable)) = written else { return Vec::new() };
    if now == durable {
        return now.clone();
    }
    // What was synced once is lost by no later write: in its place there is the old or the new, behind it anything.
    let (kept, new) = (durable.len().min(now.len()), now.len().saturating_sub(durable.len()));
    match unsynced {
        Unsynced::There => now.clone(),
        Unsynced::Missing => durable.clone(),
        Unsynced::Half => now[..kept + new / 2].to_vec(),
        Unsynced::Zeros => [&now[..kept], &vec![0; new]].concat(),
    }
}

/// Makes a folder like that.
pub fn lay_out(tree: &Tree, root: &Path) {
    for (name, content) in tree {
        let path = root.join(name);
        match content {
            None => fs::create_dir_all(path).unwrap(),
            Some(bytes) => fs::write(path, bytes).unwrap(),
        }
    }
}
