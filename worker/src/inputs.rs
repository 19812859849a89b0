//! What a step gets of what others have left: copies of their published artifacts. A scan gets them in a folder of its own that a
//! runner reads and cannot write, any other step in its tree. Their names were given by foreign code, so they are read like
//! everything else of that kind.

use std::{fs, path::Path};

use pipelinex_common::{
    disk::{self, DiskError},
    folder::Folder,
    foreign::{Beneath, ForeignError, Taken, Walk},
    layout::JobPaths,
    limits::{MIB, StepLimits},
    pipeline::model::{Pipeline, Step, StepKind},
    slug::Slug,
    store::{Copying, Links, Onto, Store, TreeError, Whose, copy_tree},
};

/// The steps whose artifacts a step gets, or `None` when it has no use for any: a scan gets those of all it needs, as far as
/// they are to be handed on, and the step whose artifacts its target is made of.
pub fn producers(pipeline: &Pipeline, step: &Step) -> Option<Vec<Slug>> {
    if step.kind != StepKind::Scan {
        return None;
    }
    let needed = step.needs.iter().flatten().filter(|need| need.artifacts).map(|need| need.step.as_str());
    let mut names: Vec<&str> = needed.collect();
    if let Some(target) = step.target.as_ref().filter(|target| !names.contains(&target.artifact_of.as_str())) {
        names.push(&target.artifact_of);
    }
    let slugs = names.iter().filter_map(|name| pipeline.steps.iter().find(|step| step.name == *name));
    (!names.is_empty()).then(|| slugs.map(|step| step.slug.clone()).collect())
}

/// Copies the artifacts of the producers into `inputs/<step>/<producer>/`. What a former holder copied is thrown away first: it
/// may be half of it. An application runs in the folder that is built, also where nothing was published of that.
///
/// # Errors
/// [`TreeError`].
pub fn prepare(
    store: &Store,
    paths: &JobPaths,
    step: &Slug,
    producers: &[Slug],
    folder: Option<&Folder>,
    limits: &StepLimits,
) -> Result<(), TreeError> {
    let inputs = paths.inputs_of(step);
    if inputs.exists() {
        store.throw_away(&inputs)?;
    }
    disk::make_dir(&inputs, 0o755)?;
    for producer in producers {
        let to = inputs.join(producer.as_str());
        match Beneath::open(&paths.artifacts_of(producer)) {
            // It published nothing.
            Err(ForeignError::Missing(_)) => disk::make_dir(&to, 0o755)?,
            artifacts => {
                let how = Copying { whose: Whose::Ours, links: Links::Inside, file_bytes: limits.artifact_bytes };
                copy_tree(&artifacts?, &to, how)?;
            }
        }
        if let Some(folder) = folder {
            make_missing(&to, folder)?;
        }
    }
    Ok(())
}

/// Makes a folder where nothing at all was published of its first part: what was, foreign code has named, and is let be.
fn make_missing(root: &Path, folder: &Folder) -> Result<(), DiskError> {
    let parts: Vec<&str> = folder.as_str().split('/').collect();
    let there = parts.first().is_none_or(|first| fs::symlink_metadata(root.join(first)).is_ok());
    let mut path = root.to_owned();
    for part in parts.into_iter().filter(|_| !there) {
        path.push(part);
        disk::make_dir(&path, 0o755)?;
    }
    Ok(())
}

/// The steps whose artifacts are laid into the tree of a step: those it needs, as far as they are to be handed on, or without `needs`
/// all of earlier stages. In the order of stages and, within one, of the file, as in GitLab: what a later one published wins. What
/// those made that work in the same tree is there.
pub fn laid(pipeline: &Pipeline, step: &Step) -> Vec<Slug> {
    if step.kind == StepKind::Scan {
        return Vec::new();
    }
    let rank = |step: &Step| pipeline.stages.iter().position(|stage| *stage == step.stage);
    let is_given = |other: &Step| match (&step.dependencies, &step.needs) {
        (_, Some(needs)) => needs.iter().any(|need| need.artifacts && need.step == other.name),
        (Some(names), None) => names.contains(&other.name),
        (None, None) => rank(other) < rank(step),
    };
    let others = pipeline.steps.iter().filter(|other| other.tree_owner() != step.tree_owner() && is_given(other));
    let mut others: Vec<&Step> = others.collect();
    others.sort_by_key(|other| rank(other));
    others.into_iter().map(|other| other.slug.clone()).collect()
}

/// Lays the artifacts of the producers over a tree, one after the other. Whoever does it again comes to the same.
///
/// # Errors
/// [`TreeError`]; that it is too much before anything is written.
pub fn lay(
    store: &Store,
    paths: &JobPaths,
    producers: &[Slug],
    onto: Onto<'_>,
    limits: &StepLimits,
) -> Result<(), TreeError> {
    let mut all: Vec<(Beneath, Walk)> = Vec::new();
    for producer in producers {
        match Beneath::open(&paths.artifacts_of(producer)) {
            // It published nothing.
            Err(ForeignError::Missing(_)) => {}
            artifacts => {
                let artifacts = artifacts?;
                let walk = artifacts.walk(usize::MAX)?;
                all.push((artifacts, walk));
            }
        }
    }
    let (taken, most) = (all.iter().map(|(_, walk)| size(walk)).fold(Taken::default(), Taken::plus), limits.disk());
    if taken.exceeds(&most) {
        return Err(ForeignError::TooMuch(format!(
            "the artifacts of earlier steps have {} MiB in {} files, and a step may have {} MiB in {} files (--step-disk, --step-files)",
            taken.bytes / MIB,
            taken.files,
            most.bytes / MIB,
            most.files
        ))
        .into());
    }
    for (artifacts, walk) in &all {
        store.lay(artifacts, walk, onto)?;
        pipelinex_common::fault_point!("worker.laid");
    }
    Ok(())
}

fn size(walk: &Walk) -> Taken {
    let files = (walk.files.len() + walk.folders.len() + walk.links.len()) as u64;
    Taken { bytes: walk.files.iter().map(|found| found.bytes).fold(0, u64::saturating_add), files }
}

/// Whether a step published an artifact whose path matches the glob.
///
/// # Errors
/// [`TreeError`].
pub fn published(paths: &JobPaths, producer: &Slug, glob: &str, limits: &StepLimits) -> Result<bool, TreeError> {
    let artifacts = match Beneath::open(&paths.artifacts_of(producer)) {
        Err(ForeignError::Missing(_)) => return Ok(false),
        artifacts => artifacts?,
    };
    // A definition with a glob that is none was refused.
    let Ok(glob) = globset::GlobBuilder::new(glob).literal_separator(true).build() else { return Ok(false) };
    let (glob, limit) = (glob.compile_matcher(), 2 * limits.collected_files as usize);
    Ok(artifacts.walk(limit)?.files.iter().any(|file| glob.is_match(&file.path)))
}

#[cfg(test)]
mod tests {
    use std::{fs::Permissions, os::unix::fs::PermissionsExt};

    use super::*;

    fn pipeline(needs: &str, ours: &str) -> Pipeline {
        let text = format!(
            "default: {{image: i}}\nA a: {{script: x}}\nb: {{script: x}}\n\
             c: {{script: x, needs: {needs}}}\n.pipelinex: {{jobs: {{c: {{{ours}}}}}}}\n"
        );
        pipelinex_common::pipeline::read("p.yml", &text).unwrap()
    }

    #[test]
    fn a_scan_gets_what_it_needs_and_what_its_target_is_made_of() {
        let target = "kind: scan, network: internal, target: {artifact_of: A a, command: x}";
        for (needs, ours, expected) in [
            ("[]", "kind: scan", None),
            ("[b]", "kind: normal", None),
            ("[{job: b, artifacts: false}]", "kind: scan", None),
            ("[A a, {job: b, optional: true}]", "kind: scan", Some(vec!["a-a", "b"])),
            ("[A a, b]", target, Some(vec!["a-a", "b"])),
            ("[{job: A a, artifacts: false}]", target, Some(vec!["a-a"])),
        ] {
            let pipeline = pipeline(needs, ours);
            let found = producers(&pipeline, &pipeline.steps[2]);
            let found = found.map(|slugs| slugs.iter().map(Slug::to_string).collect::<Vec<_>>());
            assert_eq!(found, expected.map(|e| e.into_iter().map(str::to_owned).collect()), "{needs} {ours}");
        }
    }

    #[test]
    fn a_tree_gets_what_its_step_needs_or_all_of_earlier_stages_in_their_order() {
        let text = "stages: [ONE, TWO, THREE]
default: {image: i}
late: {stage: TWO, needs: []}
early: {stage: ONE}
beside: {stage: ONE}
all: {stage: THREE}
both: {stage: THREE, needs: [late, early]}
same stage: {stage: THREE, needs: [both, {job: early, optional: true}]}
none: {stage: THREE, needs: []}
not its artifacts: {stage: THREE, needs: [{job: late, artifacts: false}, beside]}
same tree: {stage: THREE, needs: [early, late]}
scan: {stage: THREE, needs: [early]}
.pipelinex: {jobs: {scan: {kind: scan}, same tree: {tree: early}}}
";
        let pipeline = pipelinex_common::pipeline::read("p.yml", &text.replace("{stage", "{script: x, stage")).unwrap();
        for (name, expected) in [
            ("early", ""),
            ("late", ""),
            ("all", "early beside late"),
            ("both", "early late"),
            ("same stage", "early both"),
            ("none", ""),
            ("not its artifacts", "beside"),
            ("same tree", "late"),
            ("scan", ""),
        ] {
            let step = pipeline.steps.iter().find(|step| step.name == name).unwrap();
            let found: Vec<String> = laid(&pipeline, step).iter().map(Slug::to_string).collect();
            assert_eq!(found.join(" "), expected, "{name}");
        }
    }

    #[test]
    fn more_artifacts_than_a_step_may_have_are_refused_before_one_is_laid() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        let paths = JobPaths::at(dir.path().join("job"));
        let (one, two, none) = (Slug::of("one"), Slug::of("two"), Slug::of("none"));
        let tree = dir.path().join("tree");
        fs::create_dir(&tree).unwrap();
        for producer in [&one, &two] {
            fs::create_dir_all(paths.artifacts_of(producer)).unwrap();
            fs::write(paths.artifacts_of(producer).join(producer.as_str()), "12345678").unwrap();
        }
        let lay = |disk_bytes, disk_files| {
            let limits = StepLimits { disk_bytes, disk_files, ..StepLimits::default() };
            let onto = Onto { folder: &tree, is_upper: false };
            lay(&store, &paths, &[one.clone(), none.clone(), two.clone()], onto, &limits)
        };
        for (bytes, files) in [(15, 2), (16, 1)] {
            let refused = lay(bytes, files).unwrap_err();
            assert!(matches!(refused, TreeError::Foreign(ForeignError::TooMuch(_))), "{refused}");
            assert_eq!(fs::read_dir(&tree).unwrap().count(), 0);
        }
        lay(16, 2).unwrap();
        assert_eq!(fs::read_dir(&tree).unwrap().count(), 2);
    }

    #[test]
    fn copies_are_the_runners_to_read_and_links_lead_nowhere() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        let paths = JobPaths::at(dir.path().join("job"));
        let (step, made, none) = (Slug::of("c"), Slug::of("a"), Slug::of("b"));
        let artifacts = paths.artifacts_of(&made);
        fs::create_dir_all(artifacts.join("target/lib")).unwrap();
        fs::create_dir_all(paths.inputs_of(&step).join("left")).unwrap();
        for (file, mode) in [("target/app.jar", 0o640), ("target/lib/run", 0o750)] {
            fs::write(artifacts.join(file), file).unwrap();
            fs::set_permissions(artifacts.join(file), Permissions::from_mode(mode)).unwrap();
        }
        for (link, target) in [("link", "/etc/passwd"), ("out", "../../../../secret"), ("latest.jar", "app.jar")] {
            std::os::unix::fs::symlink(target, artifacts.join("target").join(link)).unwrap();
        }
        let folder = "web/api".parse().unwrap();
        prepare(&store, &paths, &step, &[made, none], Some(&folder), &StepLimits::default()).unwrap();
        let mode = |path: &str| {
            let meta = fs::symlink_metadata(paths.inputs_of(&step).join(path)).ok()?;
            Some(meta.permissions().mode() & 0o7777)
        };
        assert_eq!((mode("a/target/app.jar"), mode("a/target/lib/run")), (Some(0o644), Some(0o755)));
        assert_eq!((mode("a/target/lib"), mode("b"), mode("")), (Some(0o755), Some(0o755), Some(0o755)));
        assert_eq!((mode("a/web/api"), mode("b/web/api")), (Some(0o755), Some(0o755)), "an application begins there");
        assert_eq!((mode("a/target/link"), mode("a/target/out"), mode("left")), (None, None, None));
        assert_eq!(
            fs::read_link(paths.inputs_of(&step).join("a/target/latest.jar")).unwrap().to_str(),
            Some("app.jar"),
            "a link that stays inside is kept"
        );
    }
}
