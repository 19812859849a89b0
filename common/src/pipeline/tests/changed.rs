//! `rules: changes`: what decides, and what is said where nothing can.

use std::collections::BTreeMap;

use crate::{
    disk::Versioned,
    pipeline::{
        Compiled, Context, Rejected, Trust, compile,
        context::{Changed, Origin, Repository},
    },
};

const MONOREPO: &str = "\
default: {image: i}
web:
  script: test
  rules: [{changes: {paths: [web/**/*, $EXTRA], compare_to: $CI_DEFAULT_BRANCH}}]
api:
  script: test
  rules: [{changes: {paths: ['api/**/*'], compare_to: refs/heads/trunk}}]
always: {script: test}
";

fn made(text: &str, is_clone: bool, changes: &[(&str, Changed)]) -> Result<Compiled, Rejected> {
    let (branch, default_branch) = (Some("topic"), Some("trunk"));
    let origin = Origin { project: "p", file: ".pipelinex.yml", branch, default_branch, ..Origin::default() };
    let changes: BTreeMap<_, _> = changes.iter().map(|(name, changed)| ((*name).to_owned(), changed.clone())).collect();
    let given = BTreeMap::from([("EXTRA".to_owned(), "shared.txt".to_owned())]);
    let context = Context { is_clone, changes, given, ..Context::of(&origin) };
    compile(".pipelinex.yml", text, Trust::Project, &context)
}

fn paths(paths: &[&str]) -> Changed {
    Changed::Paths(paths.iter().map(|path| (*path).to_owned()).collect())
}

fn names(compiled: &Compiled) -> String {
    compiled.pipeline.steps.iter().map(|step| step.name.as_str()).collect::<Vec<_>>().join(", ")
}

#[test]
fn what_changed_since_a_ref_decides_which_steps_are_there() {
    let steps = |changed: &[&str]| {
        let both = [("trunk", paths(changed)), ("refs/heads/trunk", paths(changed))];
        let compiled = made(MONOREPO, true, &both).unwrap_or_else(|rejected| panic!("{rejected}"));
        assert!(compiled.warnings.is_empty(), "{:?}", compiled.warnings);
        names(&compiled)
    };
    assert_eq!(steps(&["web/src/a.js"]), "web, always");
    assert_eq!(steps(&["api/main.go", "README.md"]), "api, always");
    assert_eq!(steps(&["shared.txt"]), "web, always", "a variable in a pattern is known");
    assert_eq!(steps(&[]), "always");
}

#[test]
fn what_nobody_knows_counts_as_changed_and_is_said() {
    let told = |is_clone, changes: &[(&str, Changed)]| {
        let compiled = made(MONOREPO, is_clone, changes).unwrap_or_else(|rejected| panic!("{rejected}"));
        assert_eq!(names(&compiled), "web, api, always");
        compiled.warnings.iter().map(|told| told.message.clone()).collect::<Vec<_>>()
    };
    let upload = "`changes` always holds here: nobody knows what an upload was changed from";
    assert_eq!(told(false, &[]), [upload, upload]);
    let unknown = Changed::Unknown("the two have no commit in common".to_owned());
    let both = [("trunk", unknown.clone()), ("refs/heads/trunk", unknown)];
    assert_eq!(told(true, &both)[0], "`changes` always holds here: the two have no commit in common");
}

#[test]
fn a_ref_that_is_not_there_is_an_error_at_its_place() {
    let missing = [("trunk", paths(&[])), ("refs/heads/trunk", Changed::NoSuchRef)];
    let rejected = made(MONOREPO, true, &missing).unwrap_err();
    let told = &rejected.diagnostics[0];
    assert_eq!((told.line, told.message.as_str()), (7, "the repository has no ref `refs/heads/trunk`"), "{rejected}");
    assert_eq!(Repository::SCHEMA, 1);
}
