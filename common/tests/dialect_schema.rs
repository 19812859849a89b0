//! The schema for editors: it takes every good example and refuses the shape of bad files; and every good example is a file that GitLab's
//! own schema takes, but for what is ours.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says so")]

use std::{
    fs,
    path::{Path, PathBuf},
};

use jsonschema::Validator;
use pipelinex_common::pipeline::schema::schema;
use serde_json::Value;

fn examples() -> Vec<(PathBuf, Value)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/pipelines");
    let folders = fs::read_dir(root).unwrap().map(|entry| entry.unwrap().path().join(".pipelinex.yml"));
    let files: Vec<PathBuf> = folders.filter(|path| path.is_file()).collect();
    assert!(files.len() > 10, "{files:?}");
    let read = |path: PathBuf| {
        let text = fs::read_to_string(&path).unwrap();
        let value: Value = serde_saphyr::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        (path, value)
    };
    files.into_iter().map(read).collect()
}

fn wrong(schema: &Validator, file: &Value) -> Vec<String> {
    schema.iter_errors(file).map(|error| format!("{}: {error}", error.instance_path())).collect()
}

#[test]
fn every_good_example_is_taken_by_our_schema_and_by_gitlabs() {
    let ours = jsonschema::draft7::new(&schema()).unwrap();
    let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/schemas/gitlab-ci.json")).unwrap();
    let gitlabs = jsonschema::draft7::new(&serde_json::from_str(&text).unwrap()).unwrap();
    for (path, mut file) in examples() {
        assert_eq!(wrong(&ours, &file), [] as [&str; 0], "{}", path.display());
        file.as_object_mut().unwrap().remove(".pipelinex");
        assert_eq!(wrong(&gitlabs, &file), [] as [&str; 0], "{} at GitLab", path.display());
    }
}

#[test]
fn the_shape_of_a_bad_file_is_refused() {
    let ours = jsonschema::draft7::new(&schema()).unwrap();
    let bad = [
        "a: {scrpt: x}",
        "a: {script: {}}",
        "a: {script: x, when: sometimes}",
        "a: {script: x, retry: 3}",
        "a: {script: x, retry: {tries: 2}}",
        "a: {script: x, needs: {job: b}}",
        "a: {script: x, needs: [{name: b}]}",
        "a: {script: x, cache: {path: [y]}}",
        "a: {script: x, artifacts: [y]}",
        "a: {script: x, artifacts: {reports: {junitt: y}}}",
        "a: {script: x, parallel: 0}",
        "a: {script: x, parallel: {matrices: []}}",
        "a: {script: x, rules: {if: y}}",
        "a: {script: x, rules: [{when: often}]}",
        "a: {script: x, services: postgres}",
        "a: {script: x, interruptible: maybe}",
        "a: {script: x, allow_failure: {codes: 1}}",
        "a: {script: x, image: {nam: y}}",
        "a: [x]",
        "stages: build",
        "default: {script: x}",
        "variables: [A]",
        "include: [{remote: y}]",
        ".pipelinex: {jobs: {a: {tree: BUILD}}}",
    ];
    for text in bad {
        let file: Value = serde_saphyr::from_str(text).unwrap();
        assert!(!ours.is_valid(&file), "{text}");
    }
    let all = "a: {script: [one, [two, three]], extends: .t, rules: [{if: $A == 1, when: never}]}\n.t: {anything: 1}\nimage: i\n";
    assert_eq!(wrong(&ours, &serde_saphyr::from_str(all).unwrap()), [] as [&str; 0]);
}
