//! The tree a step works in: an overlay above `source/`, or a copy of it where the engine's host cannot.

use std::{
    collections::BTreeMap,
    fs::{self, File, OpenOptions},
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
    path::Path,
    time::Duration,
};

use pipelinex_common::{
    disk::{self, DiskError},
    foreign::{Beneath, ForeignError},
    layout::JobPaths,
    slug::Slug,
    store::{RUNNER_GID, RUNNER_UID, Store, StoreError, make_runner_dir},
};

use crate::{
    engine::{Engine, VolumeSpec},
    spec::{
        ContainerLimits, ContainerSpec, JobContext, KeptLog, LABEL_CREATED, LABEL_INSTANCE, Mount, MountSource,
        Program, TreeKind,
    },
};

/// Why a tree could not be made.
#[derive(Debug, thiserror::Error)]
pub enum TreeError {
    /// Our own files.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The submitted files.
    #[error(transparent)]
    Foreign(#[from] ForeignError),
}

impl From<DiskError> for TreeError {
    fn from(error: DiskError) -> Self {
        Self::Store(error.into())
    }
}

/// Makes the folders of a tree; those that are there stay.
///
/// # Errors
/// [`TreeError`].
pub fn prepare(paths: &JobPaths, owner: &Slug, kind: TreeKind) -> Result<(), TreeError> {
    let tree = paths.tree(owner);
    disk::make_dir(&tree, 0o711)?;
    make_runner_dir(&tree.join("cache"))?;
    match kind {
        TreeKind::Overlay => {
            make_runner_dir(&tree.join("upper"))?;
            disk::make_dir(&tree.join("work"), 0o700)?;
        }
        TreeKind::Copy if tree.join("copy").exists() => {}
        TreeKind::Copy => {
            // Aside first: a copy that a dying worker left half made is not taken for a whole one.
            let aside = tree.join(".copy");
            let _ = fs::remove_dir_all(&aside);
            copy(&paths.source(), &aside)?;
            fs::rename(&aside, tree.join("copy")).map_err(DiskError::io("move", &aside))?;
        }
    }
    Ok(())
}

/// How the trees of a job were made by whoever began it; `None` before the first.
pub fn begun_with(paths: &JobPaths) -> Option<TreeKind> {
    let mut trees = fs::read_dir(paths.trees()).ok()?.flatten();
    trees.find_map(|tree| {
        let has = |name: &str| tree.path().join(name).is_dir();
        if has("upper") { Some(TreeKind::Overlay) } else { has("copy").then_some(TreeKind::Copy) }
    })
}

/// The volume of an overlay tree.
pub fn overlay_volume(context: &JobContext, owner: &Slug) -> VolumeSpec {
    let tree = context.on_engine.tree(owner);
    overlay(context.tree_volume(owner), &context.on_engine.source(), &tree, context.labels())
}

fn overlay(name: String, lower: &Path, tree: &Path, labels: BTreeMap<String, String>) -> VolumeSpec {
    // userxattr: what the overlay hides is then in attributes that a worker without CAP_SYS_ADMIN can read, and neither
    // redirects nor metadata-only copies are made, so the upper folder alone tells everything. Linux 5.11 and later.
    let o = format!(
        "lowerdir={},upperdir={},workdir={},userxattr,nosuid,nodev",
        lower.display(),
        tree.join("upper").display(),
        tree.join("work").display()
    );
    let options = [("type", "overlay".to_owned()), ("device", "overlay".to_owned()), ("o", o)];
    VolumeSpec { name, options: options.map(|(k, v)| (k.to_owned(), v)).into_iter().collect(), labels }
}

/// What a step wrote, over what was submitted.
///
/// # Errors
/// [`ForeignError`].
pub fn open(paths: &JobPaths, owner: &Slug, kind: TreeKind) -> Result<Beneath, ForeignError> {
    let tree = paths.tree(owner);
    match kind {
        TreeKind::Overlay => Beneath::open_overlay(&tree.join("upper"), &paths.source()),
        TreeKind::Copy => Beneath::open(&tree.join("copy")),
    }
}

fn copy(source: &Path, target: &Path) -> Result<(), TreeError> {
    let beneath = Beneath::open(source)?;
    let walk = beneath.walk(usize::MAX)?;
    make_runner_dir(target)?;
    for folder in &walk.folders {
        make_runner_dir(&target.join(folder))?;
    }
    for found in &walk.files {
        let from = beneath.file(&found.path)?;
        let path = target.join(&found.path);
        let executable = from.metadata().is_ok_and(|meta| meta.permissions().mode() & 0o111 != 0);
        let mode = if executable { 0o755 } else { 0o644 };
        let to = OpenOptions::new().write(true).create_new(true).mode(mode).open(&path);
        copy_file(from, to.map_err(DiskError::io("create", &path))?, &path)?;
    }
    Ok(())
}

fn copy_file(mut from: File, mut to: File, path: &Path) -> Result<(), DiskError> {
    // The kernel shares the blocks where the file system can.
    std::io::copy(&mut from, &mut to).map_err(DiskError::io("copy to", path))?;
    if rustix::process::geteuid().is_root() {
        let (uid, gid) = (rustix::fs::Uid::from_raw(RUNNER_UID), rustix::fs::Gid::from_raw(RUNNER_GID));
        rustix::fs::fchown(&to, Some(uid), Some(gid)).map_err(|error| DiskError::io("chown", path)(error.into()))?;
    }
    Ok(())
}

/// Label of what a probe makes.
const LABEL_PROBE: &str = "pipelinex.probe";

/// Finds out whether the engine's host can lay an overlay over our folder, by having one mounted and read. Says why not.
///
/// # Errors
/// The reason, as a sentence.
pub async fn probe(engine: &Engine, store: &Store, on_engine: &Path, image: &str) -> Result<(), String> {
    if on_engine.to_string_lossy().contains([',', ':']) {
        return Err(format!("the path {} has a comma or a colon in it", on_engine.display()));
    }
    // One at a time, so that whatever another probe left was left by a worker that died over it.
    let _alone = probe_lock(store).await?;
    let mut labels: BTreeMap<String, String> =
        [(LABEL_INSTANCE, store.instance().as_str().to_owned()), (LABEL_PROBE, "1".to_owned())]
            .map(|(key, value)| (key.to_owned(), value))
            .into();
    let mine: Vec<String> = labels.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let inside = store.layout().root().join(".probe");
    clear_probes(engine, &mine, &inside).await;
    labels.insert(LABEL_CREATED.to_owned(), jiff::Timestamp::now().as_second().to_string());
    let name = format!("pipelinex-probe-{}", uuid::Uuid::new_v4().as_simple());
    let result = probe_in(engine, &name, &inside, &on_engine.join(".probe"), image, labels).await;
    clear_probes(engine, &mine, &inside).await;
    result
}

async fn clear_probes(engine: &Engine, labels: &[String], inside: &Path) {
    if let Ok(found) = engine.find(labels).await
        && let Err(error) = engine.remove(&found).await
    {
        tracing::warn!(%error, "what a probe left could not be removed");
    }
    let _ = fs::remove_dir_all(inside);
}

async fn probe_lock(store: &Store) -> Result<File, String> {
    let path = store.layout().index().join("probe.lock");
    let lock = move || {
        let file = OpenOptions::new().write(true).create(true).truncate(false).mode(0o640).open(&path)?;
        file.lock().map(|()| file)
    };
    let locked = tokio::task::spawn_blocking(lock).await.map_err(|panic| panic.to_string())?;
    locked.map_err(|error| format!("the lock of the probe cannot be taken: {error}"))
}

/// Whether this process reads the probe's overlay as its container saw it: what that hides is in attributes that not every
/// process may see.
fn readable(inside: &Path) -> Result<Result<(), String>, ForeignError> {
    let walk = Beneath::open_overlay(&inside.join("upper"), &inside.join("lower"))?.walk(100)?;
    let found: Vec<&str> = walk.files.iter().map(|found| found.path.as_str()).collect();
    Ok(match found.as_slice() {
        ["lower", "upper"] => Ok(()),
        other => Err(format!("an overlay cannot be read here as a container sees it (seen: {other:?})")),
    })
}

async fn probe_in(
    engine: &Engine,
    name: &str,
    inside: &Path,
    outside: &Path,
    image: &str,
    labels: BTreeMap<String, String>,
) -> Result<(), String> {
    let text = |error: &dyn std::fmt::Display| error.to_string();
    disk::make_dir(inside, 0o711).map_err(|e| text(&e))?;
    for folder in ["lower", "upper", "work"] {
        make_runner_dir(&inside.join(folder)).map_err(|e| text(&e))?;
    }
    make_runner_dir(&inside.join("lower/remade")).map_err(|e| text(&e))?;
    for file in ["lower/lower", "lower/remade/old"] {
        fs::write(inside.join(file), "").map_err(|e| text(&e))?;
    }
    let volume = overlay(name.to_owned(), &outside.join("lower"), outside, labels.clone());
    engine.create_volume(&volume).await.map_err(|e| text(&e))?;
    let spec = ContainerSpec {
        name: name.to_owned(),
        image: image.to_owned(),
        program: Program::Command(
            ["/bin/sh", "-c", "test -e lower && rm -r remade && mkdir remade && touch upper"]
                .map(str::to_owned)
                .to_vec(),
        ),
        env: Default::default(),
        mounts: vec![Mount {
            source: MountSource::Volume(name.to_owned()),
            target: crate::spec::HOME.to_owned(),
            read_only: false,
        }],
        limits: ContainerLimits { memory_bytes: 64 << 20, milli_cpus: 1000, pids: 32, tmp_bytes: 1 << 20 },
        scratch: Vec::new(),
        network: None,
        health: None,
        log: KeptLog::All,
        labels: labels.clone(),
    };
    engine.create(&spec).await.map_err(|e| text(&e))?;
    engine.start(name).await.map_err(|e| text(&e))?;
    for _ in 0..200 {
        match engine.inspect(name).await.map_err(|e| text(&e))? {
            Some(status) if status.phase == crate::engine::Phase::Ended => {
                return readable(inside).map_err(|error| error.to_string())?;
            }
            _ => tokio::time::sleep(Duration::from_millis(25)).await,
        }
    }
    Err("a container to try it with did not end".to_owned())
}
