//! What a step gets of what others have left: copies of their published artifacts, in a folder of its own that a runner reads
//! and cannot write. Their names were given by foreign code, so they are read like everything else of that kind.

use std::{fs, path::Path};

use pipelinex_common::{
    disk::{self, DiskError},
    folder::Folder,
    foreign::{Beneath, ForeignError},
    layout::JobPaths,
    limits::StepLimits,
    pipeline::model::{Pipeline, Step, StepKind},
    slug::Slug,
    store::{Copying, Links, Store, TreeError, Whose, copy_tree},
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
