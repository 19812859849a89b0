//! `include`, its inputs, and `!reference`: what they come to, and what a person is told with the place in the right file.

use std::collections::BTreeMap;

use crate::pipeline::{Context, Pipeline, Rejected, Trust, compile, context::Origin};

const BUILD: &str = "\
spec:
  inputs:
    image: {default: alpine}
    flags: {type: array, default: [-v]}
    mode: {options: [fast, slow]}
---
# a comment
\"build $[[ inputs.mode ]]\":
  image: $[[ inputs.image ]]
  variables: {MODE: '$[[ inputs.mode ]]', LEVEL: '1'}
  script: [\"make $[[ inputs.mode ]]\", [make check]]
";

fn made(text: &str, more: &[(&str, &str)]) -> Result<Pipeline, Rejected> {
    let texts: BTreeMap<String, String> =
        more.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect();
    let origin = Origin { project: "p", file: ".pipelinex.yml", branch: Some("main"), ..Origin::default() };
    let context = Context { files: texts.keys().cloned().collect(), texts, ..Context::of(&origin) };
    compile(".pipelinex.yml", text, Trust::Project, &context).map(|compiled| compiled.pipeline)
}

fn told(text: &str, more: &[(&str, &str)]) -> String {
    made(text, more).map_or_else(|rejected| rejected.to_string(), |pipeline| panic!("accepted: {pipeline:?}"))
}

fn names(pipeline: &Pipeline) -> String {
    pipeline.steps.iter().map(|step| step.name.as_str()).collect::<Vec<_>>().join(", ")
}

#[test]
fn what_is_included_lies_below_what_includes_it_and_gets_its_inputs() {
    let text = "\
include:
  - local: /ci/build.yml
    inputs: {mode: fast}
  - ci/**.yml
  - {local: ci/never.yml, rules: [{if: $CI_COMMIT_TAG}]}
build fast: {variables: {LEVEL: '2'}}
";
    let other = "include: deep.yaml\ntry: {image: i, script: two, extends: .deep}\n";
    let files = [("ci/build.yml", BUILD), ("ci/x/other.yml", other), ("deep.yaml", ".deep: {before_script: [one]}\n")];
    let pipeline = made(text, &files).unwrap_or_else(|rejected| panic!("{rejected}"));
    assert_eq!(names(&pipeline), "build fast, try");
    let build = &pipeline.steps[0];
    assert_eq!((build.image.as_str(), build.script.join("; ").as_str()), ("alpine", "make fast; make check"));
    assert_eq!((build.variables["MODE"].as_str(), build.variables["LEVEL"].as_str()), ("fast", "2"));
    assert_eq!(pipeline.steps[1].before_script, ["one"]);
}

#[test]
fn a_mistake_is_told_in_the_file_where_it_is() {
    let include = |inputs: &str| format!("include: {{local: b.yml, inputs: {{{inputs}}}}}\n");
    let wrong = |inputs: &str| told(&include(inputs), &[("b.yml", BUILD)]);
    assert!(wrong("mode: fst").contains(".pipelinex.yml:1:40: error[PX006]: `fst` is no value of the input `mode`"));
    assert!(wrong("mode: fst").contains("did you mean `fast`?"));
    assert!(wrong("").contains(".pipelinex.yml:1:18: error[PX009]: the included file wants the input `mode`"));
    assert!(wrong("mode: fast, flags: x").contains("the input `flags` is of type array, here is text"));
    assert!(wrong("mode: fast, imgae: x").contains("did you mean `image`?"));

    let bad = "a:\n  image: i\n  script: x\n  nedes: []\n";
    let told_of = told("include: [b.yml]\n", &[("b.yml", bad)]);
    assert!(
        told_of.contains("b.yml:4:3: error[PX003]: unknown key `nedes`") && told_of.contains("4 |   nedes: []"),
        "{told_of}"
    );
    let unread = told("include: [b.yml]\n", &[("b.yml", "a: [\n")]);
    assert!(unread.contains("b.yml:") && unread.contains("PX001"), "{unread}");

    let circle = [("b.yml", "include: c.yml\n"), ("c.yml", "x: {script: y}\ninclude: [b.yml]\n")];
    let circle = told("include: b.yml\n", &circle);
    assert!(
        circle
            .contains("c.yml:2:11: error[PX022]: files include one another in a circle: `b.yml` -> `c.yml` -> `b.yml`"),
        "{circle}"
    );
    let absent = told("include: ci/biuld.yml\n", &[("ci/build.yml", "")]);
    assert!(absent.contains("did you mean `ci/build.yml`?"), "{absent}");
}

#[test]
fn so_many_files_are_an_error() {
    let many: Vec<(String, String)> =
        (0..151).map(|n| (format!("c/{n}.yml"), format!("s{n}: {{image: i, script: x}}\n"))).collect();
    let files: Vec<(&str, &str)> = many.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
    assert!(told("include: 'c/*.yml'\n", &files).contains("PX007"));
    assert_eq!(made("include: 'c/*.yml'\n", &files[..150]).unwrap().steps.len(), 150);
}

#[test]
fn a_reference_is_what_it_names_with_its_templates() {
    let text = "\
.base: {script: [one, two], variables: {A: 1, B: 2}, rules: [{if: $CI_COMMIT_BRANCH}]}
.more: {extends: .base, variables: {B: 3}}
.nested: {script: [zero, !reference [.base, script]]}
a:
  image: i
  variables: !reference [.more, variables]
  script:
    - !reference [.nested, script]
    - three
  rules: [!reference [.base, rules], {when: never}]
";
    let step = &made(text, &[]).unwrap_or_else(|rejected| panic!("{rejected}")).steps[0];
    assert_eq!(step.script, ["zero", "one", "two", "three"]);
    assert_eq!((step.variables["A"].as_str(), step.variables["B"].as_str()), ("1", "3"));
}

#[test]
fn only_and_except_speak_of_branches_and_tags() {
    let there = |refs: &str| {
        let text = format!("a: {{image: i, script: x}}\nb: {{image: i, script: x, {refs}}}\n");
        names(&made(&text, &[]).unwrap_or_else(|rejected| panic!("{rejected}"))).contains('b')
    };
    for refs in [
        "only: [main]",
        "only: [branches]",
        "only: [/^MA/i]",
        "only: {refs: [main]}",
        "except: [tags]",
        "only: [main@p]",
    ] {
        assert!(there(refs), "{refs}");
    }
    for refs in
        ["only: [tags]", "only: [/^x/]", "except: [branches]", "only: [main], except: [/in$/]", "only: [main@q]"]
    {
        assert!(!there(refs), "{refs}");
    }
}
