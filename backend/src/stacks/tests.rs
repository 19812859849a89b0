use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    os::unix::fs::{PermissionsExt, symlink},
};

use pipelinex_common::pipeline::plan::{self, Ended, StepOutcome};
use tempfile::TempDir;

use super::*;

fn asked(language: &str, framework: &str, build_tool: &str) -> Stack {
    let [language, framework, build_tool] = [language, framework, build_tool].map(str::to_owned);
    Stack { language, framework, build_tool, requires_db: false.into() }
}

/// A copy of the stacks in the repository.
fn copy() -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    for (path, content) in files::embedded() {
        let path = dir.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }
    dir
}

fn spring(stacks: &Stacks) -> &StackData {
    stacks.iter().find(|stack| stack.contract.stack.folder() == "java-spring-boot-maven").unwrap()
}

fn broken(dir: &TempDir) -> String {
    let error = Stacks::load(Some(dir.path())).unwrap_err().to_string();
    error.replace(&dir.path().display().to_string(), "DIR")
}

fn edit(dir: &TempDir, file: &str, from: &str, to: &str) {
    let path = dir.path().join("java-spring-boot-maven").join(file);
    let text = fs::read_to_string(&path).unwrap();
    assert!(text.contains(from), "{text}");
    fs::write(path, text.replacen(from, to, 1)).unwrap();
}

#[test]
fn a_stack_is_found_in_any_spelling_and_others_are_told() {
    let stacks = Stacks::load(None).unwrap();
    for (language, framework, tool) in [("java", "spring-boot", "maven"), ("Java", "Spring Boot", "Maven")] {
        assert_eq!(stacks.find(&asked(language, framework, tool)).unwrap().name, "java-spring-boot-maven");
    }
    let near = stacks.find(&asked("java", "spring-boot", "mavne")).unwrap_err();
    assert_eq!(near.did_you_mean.as_deref(), Some("java/spring-boot/maven"));
    assert_eq!(
        near.to_string(),
        "unknown-stack: there is no stack java/spring-boot/mavne (did you mean java/spring-boot/maven?)"
    );
    let far = stacks.find(&asked("cobol\u{1b}", &"x".repeat(100_000), "")).unwrap_err();
    assert_eq!((far.did_you_mean.clone(), far.available.len()), (None, stacks.iter().count()));
    assert!(far.to_string().len() < 500 && !far.to_string().contains('\u{1b}'), "{far}");
}

#[test]
fn an_installed_stack_is_all_that_a_job_needs() {
    let stacks = Stacks::load(None).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let into = dir.path().join("pipelines");
    stacks.install(spring(&stacks), &into).unwrap();
    for path in ["contract.yml", "pipeline.yml", "package.sh", "global/lib.sh", "global/maven/build.sh"] {
        let mode = fs::metadata(into.join(path)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o644, "{path}");
    }
    for folder in ["", "global", "global/maven"] {
        assert_eq!(fs::metadata(into.join(folder)).unwrap().permissions().mode() & 0o777, 0o755);
    }
    let text = fs::read_to_string(into.join("pipeline.yml")).unwrap();
    assert_eq!(pipeline::read("pipeline.yml", &text).unwrap(), spring(&stacks).pipeline);
    assert!(stacks.install(spring(&stacks), &into).is_err(), "nothing is written over");
}

/// What starts of the built-in pipeline when these steps ended so, and everything else is as selected.
fn starts(selected: &[&str], ended: &[(&str, StepOutcome)]) -> Vec<String> {
    let stacks = Stacks::load(None).unwrap();
    let pipeline = &spring(&stacks).pipeline;
    let slug = |name: &str| pipeline.steps.iter().find(|step| step.name == name).unwrap().slug.clone();
    let selected = selected.iter().map(|name| slug(name)).collect();
    let mut ended: BTreeMap<_, _> =
        ended.iter().map(|(name, outcome)| (slug(name), Ended { outcome: *outcome, exit_code: None })).collect();
    loop {
        let next = plan::next(pipeline, &selected, &ended, &BTreeSet::new(), &<_>::default());
        if next.skip.is_empty() {
            return next.start.iter().map(ToString::to_string).collect();
        }
        let skipped = Ended { outcome: StepOutcome::Skipped, exit_code: None };
        ended.extend(next.skip.into_iter().map(|(slug, _)| (slug, skipped)));
    }
}

#[test]
fn the_built_in_pipeline_keeps_its_order() {
    use StepOutcome::{Failed, Success};
    let all = ["SECRETS", "BUILD", "TEST", "SAST", "PACKAGE", "SCA", "SMOKE-TEST", "DAST"];
    assert_eq!(starts(&all, &[]), ["secrets", "sast", "build"]);
    let scans = [("SECRETS", Success), ("SAST", Success)];
    let after = |ended: &[(&str, StepOutcome)]| starts(&all, &[&scans, ended].concat());
    assert_eq!(after(&[("BUILD", Success)]), ["test"]);
    assert_eq!(after(&[("BUILD", Success), ("TEST", Success)]), ["package"]);
    // SCA runs however PACKAGE ended, and what follows a failure does not.
    assert_eq!(after(&[("BUILD", Failed)]), ["sca"]);
    assert_eq!(after(&[("BUILD", Success), ("TEST", Failed)]), ["sca"]);
    let packaged = [("BUILD", Success), ("TEST", Success), ("PACKAGE", Success)];
    assert_eq!(after(&packaged), ["sca", "smoke-test"]);
    assert_eq!(after(&[&packaged[..], &[("SCA", Failed), ("SMOKE-TEST", Success)]].concat()), ["dast"]);
    assert!(after(&[&packaged[..], &[("SCA", Success), ("SMOKE-TEST", Failed)]].concat()).is_empty());
    // Without PACKAGE it waits for BUILD, without both for nothing.
    assert_eq!(starts(&["BUILD", "SCA"], &[]), ["build"]);
    assert_eq!(starts(&["BUILD", "SCA"], &[("BUILD", Success)]), ["sca"]);
    assert_eq!(starts(&["SCA"], &[]), ["sca"]);
    assert_eq!(starts(&["BUILD", "PACKAGE", "DAST"], &packaged), ["dast"]);
}

#[test]
fn a_folder_of_the_operators_is_read_also_through_links() {
    let dir = copy();
    fs::rename(dir.path().join("global"), dir.path().join(".data")).unwrap();
    symlink(".data", dir.path().join("global")).unwrap();
    fs::write(dir.path().join("README.md"), "ours").unwrap();
    fs::write(dir.path().join("java-spring-boot-maven/.build.sh.swp"), "an editor's").unwrap();
    edit(&dir, "contract.yml", "supported: [\"3.9\"]", "supported: [\"3.9\", \"4.0\"]");
    let stacks = Stacks::load(Some(dir.path())).unwrap();
    let stack = spring(&stacks);
    assert_eq!(stack.contract.versions["build_tool"].supported, ["3.9", "4.0"]);
    assert!(!stack.files.contains_key(".build.sh.swp") && stacks.global.contains_key("gitleaks.toml"));
}

#[test]
fn a_broken_stack_is_told_at_start_with_file_line_and_column() {
    let dir = copy();
    edit(&dir, "contract.yml", "required:", "requierd:");
    edit(&dir, "pipeline.yml", "needs: [BUILD]", "needs: [BIULD]");
    insta::assert_snapshot!(broken(&dir), @r#"
the stacks cannot be used:
DIR/java-spring-boot-maven/contract.yml:28:1: error[PX003]: unknown key `requierd` in a contract
28 | requierd: [pom.xml]
   | ^^^^^^^^
help: did you mean `required`?

DIR/java-spring-boot-maven/pipeline.yml:36:11: error[PX011]: step `TEST` needs `BIULD`, which does not exist
36 |   needs: [BIULD]
   |           ^^^^^
help: did you mean `BUILD`?

DIR/java-spring-boot-maven/pipeline.yml:84:13: error[PX015]: steps `BUILD` and `TEST` share a tree and could run at once
84 |       tree: BUILD
   |             ^^^^^
help: let `TEST` need `BUILD`, or give it a tree of its own
"#);
}

#[test]
fn scripts_and_files_that_are_not_there_are_told_at_start() {
    let dir = copy();
    fs::remove_file(dir.path().join("global/lib.sh")).unwrap();
    edit(&dir, "pipeline.yml", "pipelinex-scan sast", "bash $PIPELINES_DIR/global/lib.sh");
    fs::remove_file(dir.path().join("java-spring-boot-maven/package.sh")).unwrap();
    fs::create_dir(dir.path().join("java-spring-boot-maven/global")).unwrap();
    fs::write(dir.path().join("java-spring-boot-maven/global/x.sh"), "").unwrap();
    fs::create_dir(dir.path().join("empty")).unwrap();
    fs::create_dir(dir.path().join("other-gradle")).unwrap();
    fs::write(dir.path().join("other-gradle/contract.yml"), b"\xff").unwrap();
    insta::assert_snapshot!(broken(&dir), @r#"
the stacks cannot be used:
DIR/java-spring-boot-maven/global: a job has the shared files under that name
DIR/java-spring-boot-maven/pipeline.yml: step SAST runs `global/lib.sh`, which is not there
DIR/java-spring-boot-maven/pipeline.yml: step PACKAGE runs `package.sh`, which is not there
DIR/other-gradle/contract.yml: it is not UTF-8
DIR/other-gradle/pipeline.yml: it is not there
"#);
}

#[test]
fn a_stack_lies_in_the_folder_of_its_name() {
    let dir = copy();
    fs::rename(dir.path().join("java-spring-boot-maven"), dir.path().join("sbm")).unwrap();
    insta::assert_snapshot!(broken(&dir), @r#"
the stacks cannot be used:
DIR/sbm/contract.yml: it is for java/spring-boot/maven, whose folder is `java-spring-boot-maven`
"#);
    // Folders that operators made for an earlier version go on.
    fs::rename(dir.path().join("sbm"), dir.path().join("spring-boot-maven")).unwrap();
    assert!(Stacks::load(Some(dir.path())).is_ok());
}

#[test]
fn a_folder_that_holds_no_stacks_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    insta::assert_snapshot!(broken(&dir), @r#"
the stacks cannot be used:
DIR: there is no stack; each is a folder with contract.yml and pipeline.yml
"#);
    fs::write(dir.path().join("dump"), vec![0; 1024 * 1024 + 1]).unwrap();
    insta::assert_snapshot!(broken(&dir), @r#"
the stacks cannot be used:
DIR/dump has more than 1048576 bytes: is this a folder of stacks?
"#);
    fs::write(dir.path().join("dump"), "").unwrap();
    symlink(".", dir.path().join("loop")).unwrap();
    assert!(broken(&dir).contains("is nested more than 8 deep: is this a folder of stacks?"));
    let missing = Stacks::load(Some(&dir.path().join("absent"))).unwrap_err();
    assert!(matches!(missing, StacksError::Io { .. }), "{missing}");
}

#[test]
fn a_folder_of_too_many_files_is_refused() {
    let dir = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
    for n in 0..=5_000 {
        fs::write(dir.path().join(n.to_string()), "").unwrap();
    }
    assert!(broken(&dir).contains("is one of more than 5000 files: is this a folder of stacks?"));
}

#[test]
fn a_required_stage_that_no_stack_has_stops_the_program() {
    let stacks = Stacks::load(None).unwrap();
    let required = |name: &str| {
        let policy = Policy { require: [Switch::of_stage(name)].into(), ..Policy::default() };
        stacks.check_required(&policy).map_err(|error| error.to_string())
    };
    assert_eq!(required("sast"), Ok(()));
    let slip = required("sats").unwrap_err();
    assert!(slip.contains("`sats`") && slip.contains("there are: secrets, build, test, sast"), "{slip}");
}
