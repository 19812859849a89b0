//! How much a step writes, counted while it runs and once more when it has ended: most file systems cap no folder.
//!
//! Looking costs time that a large tree takes from its own builds, so looks have pauses; but what fills the disk is seen at once, since
//! the file system itself says at any moment how full it is. docs/limits.md says how far a step gets beyond its limit.

mod guard;
mod pace;

use std::{collections::BTreeMap, path::PathBuf, sync::Arc, time::Duration};

use pipelinex_common::{
    foreign::{ForeignError, Taken, held_by, measure_up_to},
    free_space::Disk,
    limits::MIB,
    state::Reason,
};
use tokio::time::Instant;

pub use self::guard::{Grower, Guard};
use self::{guard::Seen, pace::Pace};
use crate::{engine::Engine, quota, step::Stop};

/// How often the file system is asked how full it is.
const TICK: Duration = Duration::from_millis(100);
/// How many looks in a row may miss folders that were moved while they counted.
const UNSEEN_LOOKS_MAX: u32 = 20;

/// What is watched of one step.
pub struct Watch {
    /// The engine.
    pub engine: Engine,
    /// Its own container.
    pub container: String,
    /// Those beside it: what they hold counts as the step's.
    pub beside: Vec<String>,
    /// The workspaces folder.
    pub root: PathBuf,
    /// What the step writes.
    pub folders: Vec<PathBuf>,
    /// What they may take together.
    pub most: Taken,
    /// Where what was seen is told.
    pub grower: Arc<Grower>,
}

/// One look.
struct Look {
    taken: Taken,
    /// Whether files without a name could be seen.
    held: bool,
    unseen: u64,
}

impl Watch {
    /// Returns once the folders take more than they may, with how the step ends then.
    pub async fn outgrown(&self) -> Stop {
        let (mut pace, mut ids, mut unseen) = (Pace::new(self.most), BTreeMap::new(), 0);
        loop {
            let hurried = tokio::select! {
                () = tokio::time::sleep(TICK) => false,
                () = self.grower.asked() => true,
            };
            let used = self.used().await;
            if !pace.is_due(Instant::now(), used, hurried) {
                continue;
            }
            let began = Instant::now();
            self.learn_ids(&mut ids).await;
            let Some(look) = self.look(ids.values().cloned().collect()).await else {
                pace.looked(began, used, Taken::default());
                continue;
            };
            let written = if hurried && !look.held { self.written().await } else { None };
            self.grower.saw(Seen { taken: look.taken, held: look.held, written });
            if let Some(stop) = self.too_much(look.taken) {
                return stop;
            }
            unseen = if look.unseen > 0 && rustix::process::geteuid().is_root() { unseen + 1 } else { 0 };
            if unseen > UNSEEN_LOOKS_MAX {
                let message = "its folders are moved so quickly that what it wrote cannot be counted (--step-disk)";
                return Stop::new(Reason::DiskLimit, message);
            }
            pace.looked(began, used, look.taken);
        }
    }

    /// Looks once more after the container has ended: what was written since the last look counts as well.
    pub async fn at_the_end(&self) -> Option<Stop> {
        self.too_much(self.look(Vec::new()).await?.taken)
    }

    async fn used(&self) -> Taken {
        let root = self.root.clone();
        // On a thread for that: a file system of the network may hang.
        let disk = tokio::task::spawn_blocking(move || Disk::of(&root)).await;
        disk.ok().and_then(Result::ok).map(|disk| disk.used()).unwrap_or_default()
    }

    async fn look(&self, containers: Vec<String>) -> Option<Look> {
        let (folders, root, most) = (self.folders.clone(), self.root.clone(), self.most);
        let looked = tokio::task::spawn_blocking(move || look(&folders, &root, &most, &containers));
        match looked.await {
            Ok(Ok(look)) => Some(look),
            Ok(Err(error)) => {
                tracing::warn!(container = %self.container, %error, "what a step writes cannot be counted");
                None
            }
            Err(panic) => {
                tracing::error!(%panic, "what a step writes cannot be counted");
                None
            }
        }
    }

    /// The names of all of its containers.
    fn containers(&self) -> impl Iterator<Item = &String> {
        std::iter::once(&self.container).chain(&self.beside)
    }

    /// Asks for the ids of those containers whose ids are not known yet.
    async fn learn_ids<'a>(&'a self, ids: &mut BTreeMap<&'a str, String>) {
        for name in self.containers() {
            if !ids.contains_key(name.as_str())
                && let Ok(Some(status)) = self.engine.inspect(name).await
                && !status.id.is_empty()
            {
                ids.insert(name, status.id);
            }
        }
    }

    /// What the kernel counts of its writing: of use where files without a name cannot be seen.
    async fn written(&self) -> Option<u64> {
        let mut written = None;
        for name in self.containers() {
            if let Ok(Some(usage)) = self.engine.usage(name).await {
                written = Some(usage.written_bytes.saturating_add(written.unwrap_or_default()));
            }
        }
        written
    }

    fn too_much(&self, taken: Taken) -> Option<Stop> {
        let Taken { bytes, files } = self.most;
        let message = if taken.bytes > bytes {
            format!("it wrote more than the {} MiB that it may (--step-disk)", bytes / MIB)
        } else if taken.files > files {
            format!("it made more than the {files} files and folders that it may (--step-files)")
        } else {
            return None;
        };
        Some(Stop::new(Reason::DiskLimit, message))
    }
}

fn look(
    folders: &[PathBuf],
    root: &std::path::Path,
    most: &Taken,
    containers: &[String],
) -> Result<Look, ForeignError> {
    // The quota counts everything that has an inode, with a name or without.
    if let Some(taken) = folders.first().and_then(|folder| quota::taken(folder, root, most)) {
        return Ok(Look { taken, held: true, unseen: 0 });
    }
    let (mut taken, mut unseen) = (Taken::default(), 0);
    for folder in folders {
        let left =
            Taken { bytes: most.bytes.saturating_sub(taken.bytes), files: most.files.saturating_sub(taken.files) };
        match measure_up_to(folder, &left) {
            Err(ForeignError::Missing(_)) => {}
            measured => {
                let measured = measured?;
                (taken, unseen) = (taken.plus(measured.taken), unseen + measured.unseen);
            }
        }
    }
    let held = held_by(containers).unwrap_or_default();
    Ok(Look { taken: taken.plus(held.taken), held: held.whole, unseen })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_folders_count_together_and_a_sparse_file_by_what_was_written_to_it() {
        let dir = tempfile::tempdir().unwrap();
        let (full, many, missing) = (dir.path().join("full"), dir.path().join("many"), dir.path().join("missing"));
        std::fs::create_dir_all(&full).unwrap();
        std::fs::create_dir_all(many.join("in/it")).unwrap();
        std::fs::write(full.join("file"), vec![1; 300_000]).unwrap();
        std::fs::File::create(full.join("sparse")).unwrap().set_len(1 << 40).unwrap();
        for number in 0..300 {
            std::fs::write(many.join(format!("in/it/{number}")), "").unwrap();
        }
        let most = Taken { bytes: MIB, files: 400 };
        let taken = |most: &Taken| {
            let folders = [missing.clone(), full.clone(), many.clone()];
            look(&folders, dir.path(), most, &[]).unwrap().taken
        };
        let both = taken(&most);
        assert!((600_000..MIB).contains(&both.bytes), "{both:?}");
        assert_eq!(both.files, 304);
        assert!(taken(&Taken { files: 100, ..most }).files > 100);
        assert!(taken(&Taken { bytes: 256 * 1024, ..most }).bytes > 256 * 1024);
    }
}
