//! `check`, `plan` and `run --dry-run`: without any server or engine.

use std::{fs, path::Path};

use serde_json::Value;

use crate::{Said, run};

const GOOD: &str = "stages: [check, ship]\ndefault: {image: alpine}\nlint: {stage: check, script: x}\n\
    unit: {stage: check, script: x, allow_failure: true}\n\
    ship: {stage: ship, script: x, needs: [unit], rules: [{if: $SHIP}]}\n";

fn project(text: &str) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join(".pipelinex.yml"), text).unwrap();
    dir
}

fn told(command: &[&str], folder: &Path) -> Said {
    run(&[command, &[folder.to_str().unwrap()]].concat())
}

#[test]
fn mistakes_are_told_with_their_lines_and_what_was_probably_meant() {
    let dir =
        project("default: {image: alpine}\nunit:\n  scirpt: make test\n  needs: [biuld]\nbuild: {script: make}\n");
    let checked = told(&["check"], dir.path());
    assert_eq!(checked.code, 4, "{}", checked.err);
    for part in [
        ".pipelinex.yml:3:3: error[PX003]: unknown key `scirpt` in a step\n3 |   scirpt: make test\n  |   ^^^^^^\nhelp: did you mean `script`?",
        ".pipelinex.yml:4:11: error[PX011]: step `unit` needs `biuld`, which does not exist",
        "help: did you mean `build`?",
        "bad ",
    ] {
        assert!(checked.out.contains(part), "{part}: {}", checked.out);
    }
    let document: Value = serde_json::from_str(&told(&["check", "--format", "json"], dir.path()).out).unwrap();
    let first = &document["files"][0]["diagnostics"][0];
    assert_eq!((&first["code"], &first["line"], &first["column"]), (&"PX009".into(), &2.into(), &1.into()));
    let planned = told(&["plan"], dir.path());
    assert!(planned.code == 4 && planned.out.contains("error[PX003]"), "{}", planned.out);
}

#[test]
fn a_good_file_is_told_by_its_size_and_its_plan() {
    let dir = project(GOOD);
    let checked = told(&["check"], dir.path());
    assert_eq!((checked.code, checked.out.ends_with(": 2 steps, 2 stages\n")), (0, true), "{}", checked.out);
    let planned = told(&["plan", "-e", "SHIP=1"], dir.path());
    assert_eq!(
        planned.out,
        ".pipelinex.yml\n  1  check  lint  alpine\n     check  unit  alpine  (may fail)\n  2  ship   ship  alpine  (needs unit)\n"
    );
    assert_eq!(told(&["run", "--dry-run", "-e", "SHIP=1"], dir.path()).out, planned.out);
    let mermaid = told(&["plan", "-e", "SHIP=1", "--format", "mermaid"], dir.path()).out;
    assert!(
        mermaid.contains("subgraph s0[\"check\"]\n    lint[\"lint\"]") && mermaid.contains("unit --> ship"),
        "{mermaid}"
    );
    let document: Value = serde_json::from_str(&told(&["plan", "--format", "json"], dir.path()).out).unwrap();
    assert_eq!(document["waves"], serde_json::json!([["lint", "unit"]]));
    let one = told(&["plan", "--step", "unit"], dir.path());
    assert!(one.out.contains("unit") && !one.out.contains("lint"), "{}", one.out);
    let wrong = told(&["plan", "--step", "unti"], dir.path());
    assert!(wrong.code == 64 && wrong.err.contains("no step `unti`"), "{}", wrong.err);
}

#[test]
fn without_a_file_the_plan_is_that_of_the_stack() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("go.mod"), "module x\ngo 1.24\n").unwrap();
    let planned = told(&["plan"], dir.path());
    assert!(
        planned.out.starts_with("stack go/any/go\n") && planned.out.contains("BUILD"),
        "{}{}",
        planned.out,
        planned.err
    );
    let checked = told(&["check"], dir.path());
    assert!(checked.code == 64 && checked.err.contains("pipelinex plan"), "{}", checked.err);
}

#[test]
fn a_project_is_given_a_file_to_begin_with_and_keeps_the_one_it_has() {
    for (file, content, image, part) in [
        (
            "package.json",
            r#"{"name": "shop", "engines": {"node": "22"}}"#,
            "image: pipelinex/node22-npm:2",
            "- npm test",
        ),
        ("requirements.txt", "flask", "image: pipelinex/python3.13:1", "-m pytest"),
        ("go.mod", "module shop", "image: pipelinex/go1.24:1", "gotestsum"),
        ("Cargo.toml", "[package]\nname = \"shop\"", "image: pipelinex/rust1.96:1", "- cargo test"),
        ("composer.json", r#"{"require": {"php": "~8.1"}}"#, "image: pipelinex/php8.4:1", "--log-junit"),
        ("Gemfile", "ruby \"3.1.4\"\ngem 'rails'", "image: pipelinex/ruby3.1:1", "- bundle install"),
        ("pom.xml", "<project/>", "image: pipelinex/java17-maven:2", "verify"),
    ] {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join(file), content).unwrap();
        let printed = told(&["init", "--print"], dir.path());
        assert!(printed.code == 0 && printed.out.contains(part) && !dir.path().join(".pipelinex.yml").exists());
        let written = told(&["init"], dir.path());
        assert_eq!(written.code, 0, "{file}: {}{}", written.out, written.err);
        let text = fs::read_to_string(dir.path().join(".pipelinex.yml")).unwrap();
        assert!(text == printed.out && text.contains(image) && !text.contains("_VERSION"), "{file}: {text}");
        let checked = told(&["check"], dir.path());
        assert_eq!(checked.code, 0, "{file}: {}", checked.out);
        let again = told(&["init"], dir.path());
        assert!(again.code == 64 && again.err.contains("is there already"), "{}", again.err);
    }
    let nothing = tempfile::tempdir().unwrap();
    assert_eq!(told(&["init"], nothing.path()).code, 4);
}
