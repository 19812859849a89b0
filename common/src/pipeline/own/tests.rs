use std::collections::BTreeSet;

use super::*;
use crate::pipeline::{Context, Trust, compile, read};

const OWN: &str = "stages: [check, ship]\ndefault: {image: alpine}\nlint: {stage: check, script: x, allow_failure: true}\n\
    unit: {stage: check, script: x}\nship: {stage: ship, script: x, needs: [unit]}\n";
const BUILT_IN: &str = "stages: [SECRETS, BUILD, TEST, SCA]\ndefault: {image: i}\n\
    SECRETS: {stage: SECRETS, script: x, needs: [], allow_failure: true, when: manual}\n\
    BUILD: {stage: BUILD, script: x, needs: []}\nTEST: {stage: TEST, script: x, needs: [BUILD]}\n\
    SCA: {stage: SCA, script: x, needs: [{job: BUILD, optional: true}]}\n\
    .pipelinex: {jobs: {SECRETS: {kind: scan}, BUILD: {tree: BUILD}, TEST: {tree: BUILD}, SCA: {kind: scan, advisories: true}}}\n";

fn own(text: &str) -> Pipeline {
    compile("own.yml", text, Trust::Project, &Context::default())
        .unwrap_or_else(|rejected| panic!("{rejected}"))
        .pipeline
}

fn required(words: &str) -> BTreeSet<Switch> {
    words.split_whitespace().map(Switch::of_stage).collect()
}

fn told(pipeline: &Pipeline) -> String {
    let needs = |step: &Step| step.needs.iter().flatten().map(|need| need.step.clone()).collect::<Vec<_>>().join("+");
    let steps: Vec<String> = pipeline.steps.iter().map(|step| format!("{}({})", step.name, needs(step))).collect();
    format!("{}: {}", pipeline.stages.join(" "), steps.join(" "))
}

#[test]
fn required_stages_come_with_what_they_need_and_wait_for_nothing_of_the_projects() {
    let built_in = read("built-in.yml", BUILT_IN).unwrap();
    let laid = |words: &str| told(&lay_in(own(OWN), &built_in, &required(words)).unwrap());
    assert_eq!(laid(""), "check ship: lint() unit() ship(unit)");
    assert_eq!(laid("secrets"), "check ship SECRETS: lint() unit() ship(unit) SECRETS()");
    assert_eq!(laid("test"), "check ship BUILD TEST: lint() unit() ship(unit) BUILD() TEST(BUILD)");
    assert_eq!(laid("sca"), "check ship SCA: lint() unit() ship(unit) SCA()");
    let secrets = lay_in(own(OWN), &built_in, &required("secrets")).unwrap().steps.remove(3);
    assert_eq!(
        (secrets.when, secrets.allow_failure, secrets.kind),
        (When::OnSuccess, AllowFailure::No, StepKind::Scan)
    );
}

#[test]
fn a_name_that_the_operator_needs_is_refused() {
    let built_in = read("built-in.yml", BUILT_IN).unwrap();
    let clash = |text: &str| lay_in(own(text), &built_in, &required("secrets")).map(|p| told(&p)).unwrap_err();
    for (text, name) in [
        ("default: {image: i}\nsecrets: {script: x}\n", "secrets"),
        ("default: {image: i}\nstages: [Secrets]\na: {script: x, stage: Secrets}\n", "Secrets"),
    ] {
        assert_eq!(clash(text), Clash { own: name.to_owned(), required: "SECRETS".to_owned() });
    }
}

#[test]
fn a_plan_that_wants_trust_is_not_believed() {
    assert_eq!(check(&own(OWN)), Ok(()));
    let changed = |change: &dyn Fn(&mut Step)| {
        let mut pipeline = own(OWN);
        change(&mut pipeline.steps[0]);
        check(&pipeline)
    };
    let changes: [&dyn Fn(&mut Step); 9] = [
        &|step| step.kind = StepKind::Scan,
        &|step| step.tree = Some("unit".into()),
        &|step| step.switch = Some(Switch::SAST),
        &|step| step.advisories = true,
        &|step| step.database = Some(Default::default()),
        &|step| step.network = Network::Internal,
        &|step| step.slug = Slug::of("unit"),
        &|step| step.name = "unit".into(),
        &|step| step.stage = "nowhere".into(),
    ];
    for change in changes {
        assert!(changed(change).is_err());
    }
}

#[test]
fn one_step_is_tried_alone_or_with_what_it_needs() {
    let only = |names: &[&str], needs| {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        only(own(OWN), &names, needs).map(|pipeline| told(&pipeline))
    };
    assert_eq!(only(&["ship"], false).unwrap(), "ship: ship()");
    assert_eq!(only(&["ship"], true).unwrap(), "check ship: unit() ship(unit)");
    assert_eq!(only(&["lint", "unit"], false).unwrap(), "check: lint() unit()");
    assert_eq!(only(&["shop"], false), Err("shop".to_owned()));
}
