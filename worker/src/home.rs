//! The folders of a container's own besides its tree: its home and /var/tmp. They are on disk, empty when the container is made,
//! and lie below `trees/STEP/`, so that they count as what the step writes and go when the job's trees go.

use std::path::Path;

use pipelinex_common::{
    disk,
    store::{Store, TreeError, make_runner_dir},
};

use crate::spec::{HOME, Mount, bind};

/// Where programs keep temporary files that may be large.
const VAR_TMP: &str = "/var/tmp";

/// Whose folders they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owner {
    /// The step's own container's.
    Step,
    /// Those of the application beside it.
    Application,
}

impl Owner {
    /// Names below `trees/STEP/`, with where they are mounted.
    fn folders(self) -> [(&'static str, &'static str); 2] {
        match self {
            Self::Step => [("home", HOME), ("var-tmp", VAR_TMP)],
            Self::Application => [("app-home", HOME), ("app-var-tmp", VAR_TMP)],
        }
    }
}

/// The mounts; `tree` is `trees/STEP/` as the engine's host sees it. Engines mount parents before what lies below them.
pub fn mounts(tree: &Path, owner: Owner) -> impl Iterator<Item = Mount> {
    owner.folders().into_iter().map(move |(name, target)| bind(tree.join(name), target, false))
}

/// Makes the folders anew below `tree`, with a place in the home for each other mount that lies there: an engine would make it,
/// too, but not on every host. What a former container left in them is thrown away.
///
/// # Errors
/// [`TreeError`].
pub fn make(store: &Store, tree: &Path, owner: Owner, mounts: &[Mount]) -> Result<(), TreeError> {
    disk::make_dir(tree, 0o711)?;
    for (name, target) in owner.folders() {
        let folder = tree.join(name);
        if folder.exists() {
            store.throw_away(&folder)?;
        }
        make_runner_dir(&folder)?;
        let below = mounts.iter().filter_map(|mount| Path::new(&mount.target).strip_prefix(target).ok());
        for inner in below.filter(|inner| inner.components().count() == 1) {
            disk::make_dir(&folder.join(inner), 0o755)?;
        }
    }
    Ok(())
}
