//! The tree a step works in: an overlay above `source/`, or a copy of it where the engine's host cannot.

use std::{
    collections::BTreeMap,
    fs::{self, File, OpenOptions},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use pipelinex_common::{
    disk::{self, DiskError},
    foreign::{Beneath, ForeignError},
    layout::JobPaths,
    slug::Slug,
    store::{Copying, Links, Store, TreeError, Whose, copy_tree, make_runner_dir},
};

use crate::{
    engine::{Engine, VolumeSpec},
    helper::{self, Helper, Rights},
    spec::{JobContext, LABEL_CREATED, LABEL_INSTANCE, MountSource, OPEN_FILES_MAX, TreeKind},
};

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
            // Aside first: a copy that a dying worker left half made is not taken for a whole one. Links are as an overlay shows
            // them, also those to what a build has yet to make; the admission has refused those that lead out.
            let aside = tree.join(".copy");
            let _ = fs::remove_dir_all(&aside);
            let how = Copying { whose: Whose::Runners, links: Links::Kept, file_bytes: u64::MAX };
            copy_tree(&Beneath::open(&paths.source())?, &aside, how)?;
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

/// The folder that steps of a tree write to.
pub fn written(paths: &JobPaths, owner: &Slug, kind: TreeKind) -> PathBuf {
    let name = match kind {
        TreeKind::Overlay => "upper",
        TreeKind::Copy => "copy",
    };
    paths.tree(owner).join(name)
}

/// Marks that a step begins now, on the file system that holds its tree and so by the clock of what is written there. The mark
/// lies beside the tree: no step reaches it.
///
/// # Errors
/// [`DiskError`].
pub fn mark_beginning(paths: &JobPaths, owner: &Slug, step: &Slug) -> Result<(), DiskError> {
    disk::write_unsynced(&beginning(paths, owner, step), b"", 0o640)
}

/// When a step began, by the clock of the file system that holds its tree; `None` where nobody has marked it.
pub fn begun_at(paths: &JobPaths, owner: &Slug, step: &Slug) -> Option<SystemTime> {
    fs::symlink_metadata(beginning(paths, owner, step)).ok()?.modified().ok()
}

fn beginning(paths: &JobPaths, owner: &Slug, step: &Slug) -> PathBuf {
    paths.tree(owner).join(format!(".began-{step}"))
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

/// Label of what a probe makes.
pub(crate) const LABEL_PROBE: &str = "pipelinex.probe";

/// Finds out whether the engine's host can lay an overlay over our folder, by having one mounted and read, and with that how many
/// open files it can allow. Says why not.
///
/// # Errors
/// The reason, as a sentence.
pub async fn probe(engine: &Engine, store: &Store, on_engine: &Path, image: &str) -> Result<u64, String> {
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
    clear_probes(engine, store, &mine, &inside).await;
    labels.insert(LABEL_CREATED.to_owned(), jiff::Timestamp::now().as_second().to_string());
    let name = format!("pipelinex-probe-{}", uuid::Uuid::new_v4().as_simple());
    let result = probe_in(engine, &name, &inside, &on_engine.join(".probe"), image, labels).await;
    clear_probes(engine, store, &mine, &inside).await;
    result
}

async fn clear_probes(engine: &Engine, store: &Store, labels: &[String], inside: &Path) {
    if let Ok(found) = engine.find(labels).await
        && let Err(error) = engine.remove(&found).await
    {
        tracing::warn!(%error, "what a probe left could not be removed");
    }
    // What a container made there is not always ours to remove.
    let _ = store.throw_away(inside);
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
fn readable(inside: &Path) -> Result<(), String> {
    let overlay = Beneath::open_overlay(&inside.join("upper"), &inside.join("lower"));
    let walk = overlay.and_then(|overlay| overlay.walk(100)).map_err(|error| error.to_string())?;
    let found: Vec<&str> = walk.files.iter().map(|found| found.path.as_str()).collect();
    match found.as_slice() {
        ["lower", "upper"] => Ok(()),
        other => Err(format!("an overlay cannot be read here as a container sees it (seen: {other:?})")),
    }
}

async fn probe_in(
    engine: &Engine,
    name: &str,
    inside: &Path,
    outside: &Path,
    image: &str,
    labels: BTreeMap<String, String>,
) -> Result<u64, String> {
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
    let script = "test -e lower && rm -r remade && mkdir remade && touch upper";
    let helper = Helper {
        name: name.to_owned(),
        image: image.to_owned(),
        script: script.to_owned(),
        rights: Rights::Runner,
        shows: MountSource::Volume(name.to_owned()),
        at: crate::spec::HOME.to_owned(),
        labels,
        patience: Duration::from_secs(5),
        open_files: OPEN_FILES_MAX,
    };
    let open_files = helper::run_with_open_files(engine, helper).await?;
    readable(inside).map(|()| open_files)
}
