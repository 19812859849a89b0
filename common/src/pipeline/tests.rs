//! The dialect from the outside: what is read, and what a person is told of a bad file, word for word.

use std::fmt::Write;

mod changed;
mod foreign_words;
mod included;
mod mutations;
mod places;

use super::{
    Code, Pipeline,
    model::{AllowFailure, ArtifactsWhen, FindingsFormat, Network, StepKind, When},
    read,
};
use crate::stage::Switch;

/// The shape of a built-in definition.
pub(super) const BUILT_IN: &str = r#"
stages: [SECRETS, BUILD, TEST, PACKAGE]
default:
  image: java17-maven
  timeout: 15m
SECRETS:
  stage: SECRETS
  image: scan
  needs: []
  script: [bash "$PIPELINES_DIR/global/secrets.sh"]
  timeout: 5m
BUILD:
  stage: BUILD
  needs: []
  script: [bash "$PIPELINES_DIR/build.sh"]
TEST:
  stage: TEST
  needs: [BUILD]
  script: [bash "$PIPELINES_DIR/test.sh"]
  artifacts: {when: always, reports: {junit: [target/surefire-reports/TEST-*.xml]}}
PACKAGE:
  stage: PACKAGE
  needs: [BUILD, {job: TEST, optional: true}]
  script: [bash "$PIPELINES_DIR/package.sh"]
  artifacts: {paths: [target/*.jar], exclude: ["target/*.jar.original"]}
.pipelinex:
  jobs:
    SECRETS: {kind: scan, network: none, switch: run_secret_scan, findings: [{format: sarif, path: gitleaks.sarif}]}
    BUILD: {network: egress, tree: BUILD, switch: run_build, memory: 2g}
    TEST: {network: none, tree: BUILD, switch: run_unit_tests}
    PACKAGE: {network: none, tree: BUILD, switch: run_package}
"#;

pub(super) fn pipeline(text: &str) -> Pipeline {
    read("p.yml", text).unwrap_or_else(|rejected| panic!("{rejected}"))
}

fn refused(text: &str) -> String {
    read("p.yml", text).map_or_else(|rejected| rejected.to_string(), |pipeline| panic!("accepted: {pipeline:?}"))
}

fn codes(text: &str) -> Vec<Code> {
    let rejected =
        read("p.yml", text).map_or_else(|rejected| rejected.diagnostics, |p| panic!("accepted {text}: {p:?}"));
    rejected.iter().map(|diagnostic| diagnostic.code).collect()
}

#[test]
fn the_built_in_definition_is_read() {
    let pipeline = pipeline(BUILT_IN);
    let [secrets, build, test, package] = pipeline.steps.as_slice() else { panic!("{pipeline:?}") };
    assert_eq!((secrets.kind, secrets.image.as_str(), secrets.timeout_seconds), (StepKind::Scan, "scan", Some(300)));
    assert_eq!(
        (secrets.findings[0].format, secrets.findings[0].path.as_str()),
        (FindingsFormat::Sarif, "gitleaks.sarif")
    );
    assert_eq!(
        (build.network, build.memory_bytes, build.needs.as_deref()),
        (Network::Egress, Some(2 << 30), Some(&[][..]))
    );
    assert_eq!((build.image.as_str(), build.timeout_seconds), ("java17-maven", Some(900)));
    assert_eq!(
        (test.tree_owner(), test.switch.as_ref(), test.artifacts.when),
        ("BUILD", Some(&Switch::TEST), ArtifactsWhen::Always)
    );
    assert_eq!(package.needs.as_ref().map(|needs| (needs[0].optional, needs[1].optional)), Some((false, true)));
    assert_eq!(package.artifacts.exclude, ["target/*.jar.original"]);
    let json = serde_json::to_string(&pipeline).unwrap();
    assert_eq!(serde_json::from_str::<Pipeline>(&json).unwrap(), pipeline);
}

#[test]
fn templates_anchors_defaults_and_variables_meet_in_a_step() {
    let pipeline = pipeline(
        "variables: {A: 1.10, B: yes, C: 010}
default: {image: base, before_script: [prepare]}
.lines: &lines [one, two]
.base: {variables: {B: template, D: d}, artifacts: {paths: [x]}}
.more: {extends: .base, artifacts: {when: always}, allow_failure: {exit_codes: [3, 4]}}
work:
  extends: [.more]
  script: [*lines, three]
  variables: {C: own}
by hand: {script: go, when: manual, before_script: []}
",
    );
    let work = &pipeline.steps[0];
    let variables: Vec<_> = work.variables.iter().map(|(name, value)| format!("{name}={value}")).collect();
    assert_eq!(variables, ["A=1.10", "B=template", "C=own", "D=d"]);
    assert_eq!(
        (work.script.join(" "), work.before_script.join(" ")),
        ("one two three".to_owned(), "prepare".to_owned())
    );
    assert_eq!((work.artifacts.when, work.artifacts.paths.len()), (ArtifactsWhen::Always, 1));
    assert_eq!(work.allow_failure, AllowFailure::ExitCodes(vec![3, 4]));
    assert_eq!((work.stage.as_str(), work.needs.as_ref()), ("test", None));
    let by_hand = &pipeline.steps[1];
    assert_eq!(
        (by_hand.when, &by_hand.allow_failure, by_hand.slug.as_str()),
        (When::Manual, &AllowFailure::Yes, "by-hand")
    );
    assert!(by_hand.before_script.is_empty());
}

#[test]
fn merge_keys_merge_and_own_keys_win() {
    let merged = pipeline(
        ".a: &a {image: a, stage: build}\n.b: &b {image: b, when: always}\nx: {<<: [*a, *b], stage: test, script: s}\n",
    );
    let step = &merged.steps[0];
    assert_eq!((step.image.as_str(), step.stage.as_str(), step.when), ("a", "test", When::Always));
}

#[test]
fn each_fault_has_its_code() {
    use Code::*;
    let cases: &[(&str, Code)] = &[
        ("", WrongType),
        ("- a\n", WrongType),
        ("stages: [a]\n", StepCount),
        ("a: {image: i, script: x, rules: []}\n", NothingToRun),
        ("include: x.yml\na: {image: i, script: x}\n", BadInclude),
        ("image: i\ndefault: {image: j}\na: {script: x}\n", DuplicateKey),
        ("a: {image: i, script: x, when: delayed}\n", MissingKey),
        ("a: {image: i, script: !reference [.x, script]}\n", BadReference),
        ("a: {image: i, script: x, variables: {N: {value: 1, options: [1]}}}\n", UnknownKey),
        ("stagse: [a]\na: {image: i, script: x}\n", UnknownKey),
        ("variabels: {A: b}\na: {image: i, script: x}\n", UnknownKey),
        ("a: {image: i, script: x, artifacts: {reports: {junti: x}}}\n", UnknownKey),
        ("a: {image: i, script: [echo: x]}\n", WrongType),
        ("a: {image: i, script: x, needs: b}\n", WrongType),
        ("a: {image: i, script: x, allow_failure: maybe}\n", WrongType),
        ("a: {image: i, script: x, when: allways}\n", InvalidValue),
        ("a: {image: i, script: x, variables: {1a: b}}\n", InvalidValue),
        ("a: {image: i, script: x, artifacts: {paths: [../x]}}\n", InvalidValue),
        ("a: {image: i, script: x, artifacts: {paths: ['[']}}\n", InvalidValue),
        ("a: {image: i, script: \"x\\0\"}\n", InvalidValue),
        ("a: {image: '-v', script: x}\n", InvalidValue),
        ("a: {script: x}\n", MissingKey),
        ("a: {image: i}\n", MissingKey),
        ("a: {image: i, script: []}\n", EmptyScript),
        ("a: {image: i, script: ' '}\n", EmptyScript),
        ("a: {image: i, script: x, stage: deplyo}\n", UnknownStage),
        ("a: {image: i, script: x, stage: build, needs: [b]}\nb: {image: i, script: x}\n", NeedsLaterStage),
        ("a: {image: i, script: x, extends: .b}\n", BadExtends),
        (".a: {extends: .b}\n.b: {extends: .a}\na: {image: i, script: x, extends: .a}\n", BadExtends),
        ("a: {image: i, script: x}\n.pipelinex: {jobs: {b: {}}}\n", UnknownStep),
        ("a: {image: i, script: x}\nb: {image: i, script: x}\n.pipelinex: {jobs: {b: {tree: a}}}\n", SharedTree),
        ("a: {image: i, script: x}\n.pipelinex: {jobs: {a: {kind: scan, tree: a}}}\n", SharedTree),
        (&target("{artifact_of: a}", "[a]", "internal"), MissingKey),
        (&target("{artifact_of: c, command: x}", "[a]", "internal"), UnknownStep),
        (&target("{artifact_of: a, command: x}", "[]", "internal"), InvalidValue),
        (&target("{artifact_of: a, command: x}", "[a]", "egress"), InvalidValue),
        (&target("{artifact_of: a, command: x, port: 0}", "[a]", "internal"), InvalidValue),
        (&target("{artifact_of: a, command: x, health: up}", "[a]", "internal"), InvalidValue),
        (&target("{artifact_of: a, command: x, alias: db}", "[a]", "internal"), InvalidValue),
        (&target("{artifact_of: a, command: x, alias: a b}", "[a]", "internal"), InvalidValue),
        ("a: 1\n---\nb: 2\n", InvalidYaml),
        ("a: &a [*a]\n", InvalidYaml),
        ("a: *b\n", InvalidYaml),
    ];
    for (text, code) in cases {
        assert_eq!(codes(text), [*code], "{text}\n{}", refused(text));
    }
}

/// Two steps, the second with a target.
fn target(target: &str, needs: &str, network: &str) -> String {
    format!(
        "default: {{image: i}}\na: {{script: x}}\nb: {{script: x, needs: {needs}}}\n\
         .pipelinex: {{jobs: {{b: {{kind: scan, network: {network}, target: {target}}}}}}}\n"
    )
}

#[test]
fn a_target_is_what_is_written_and_the_usual_for_the_rest() {
    let short = pipeline(&target("{artifact_of: a, command: run it}", "[a]", "internal"));
    let whole =
        "{artifact_of: a, command: run, image: j, port: 9, health: /up, alias: web, startup: 2m, exists: p/start}";
    let whole = pipeline(&target(whole, "[a]", "internal"));
    let line = |pipeline: &Pipeline| {
        let t = pipeline.steps[1].target.clone().unwrap();
        format!(
            "{} {:?} {:?} {} {} {} {} {:?}",
            t.artifact_of, t.image, t.command, t.port, t.health, t.alias, t.startup_seconds, t.exists
        )
    };
    assert_eq!(line(&short), "a None \"run it\" 8080 / app 60 None");
    assert_eq!(line(&whole), "a Some(\"j\") \"run\" 9 /up web 120 Some(\"p/start\")");
}

#[test]
fn an_optional_step_in_the_middle_orders_nothing() {
    let text = |optional: bool| {
        format!(
            "default: {{image: i}}\na: {{script: x}}\nb: {{script: x, needs: [a]}}\n\
             c: {{script: x, needs: [{{job: b, optional: {optional}}}]}}\n.pipelinex: {{jobs: {{c: {{tree: a}}}}}}\n"
        )
    };
    assert_eq!(codes(&text(true)), [Code::SharedTree]);
    assert!(read("p.yml", &text(false)).is_ok());
}

#[test]
fn hostile_files_are_refused_quickly() {
    let chain: String = (1..5000).map(|n| format!(".t{n}: {{extends: .t{}}}\n", n - 1)).collect();
    let wide: String = (0..400).map(|n| format!("s{n}: {{extends: .t, script: x}}\n")).collect();
    let needs: String = (0..20_000).map(|n| format!("n{n},")).collect();
    let big = "x".repeat(200_000);
    for (text, code) in [
        (format!("a: {{image: i, script: x, extends: .t4999}}\n.t0: {{}}\n{chain}"), Code::BadExtends),
        (format!(".t: {{image: i, variables: {{A: {big}}}}}\n{wide}"), Code::TooLarge),
        (format!("a: {{image: i, script: x, needs: [{needs}]}}\n"), Code::UnknownStep),
        (format!("a: &a {big}\nb: [{}]\n", "*a,".repeat(10_000)), Code::TooLarge),
        (format!("a: {}", "[".repeat(10_000)), Code::TooLarge),
        ("x".repeat(600_000), Code::TooLarge),
    ] {
        let begin = std::time::Instant::now();
        assert_eq!(codes(&text).first(), Some(&code), "{}", refused(&text).lines().next().unwrap());
        assert!(begin.elapsed().as_secs() < 30, "{code:?} took {:?}", begin.elapsed());
    }
}

#[test]
fn a_mark_at_the_beginning_and_foreign_line_ends_do_no_harm() {
    let pipeline =
        pipeline("\u{feff}a:\r\n  image: i\r\n  script:\r\n    - one\r\n    - |\r\n      two\r\n      three\r\n");
    assert_eq!(pipeline.steps[0].name, "a");
    assert_eq!(pipeline.steps[0].script, ["one", "two\nthree\n"]);
    assert!(refused("\u{feff}a:\r\n  imgae: i\r\n  script: x\r\n").contains("  imgae: i\n"));
}

#[test]
fn terminal_escapes_in_a_file_are_not_shown() {
    let shown = refused("a: {image: i, script: x, \"\\e[31mred\": 1}\nb: {image: i, script: x, needs: [\"\\e[1m\"]}\n");
    assert!(!shown.contains('\u{1b}'), "{shown:?}");
}

#[test]
fn what_a_person_is_told() {
    let cases = [
        ("unknown key", "default: {image: i}\nbuild:\n  script: make\n  enviroment: production\n  colour: red\n"),
        ("typo in the key of needs", "default: {image: i}\na:\n  script: x\nb:\n  script: x\n  need: [a]\n"),
        ("unknown name in needs", "default: {image: i}\nBUILD:\n  script: x\nTEST:\n  script: x\n  needs: [BULID]\n"),
        (
            "cycle",
            "default: {image: i}\na: {script: x, needs: [c]}\nb: {script: x, needs: [a]}\nc: {script: x, needs: [b]}\n",
        ),
        (
            "two steps of one name",
            "default: {image: i}\nbuild:\n  script: x\nother:\n  script: x\nbuild:\n  script: y\n",
        ),
        ("duplicate key", "a:\n  image: i\n  script: x\n  image: j\n"),
        ("tab", "a:\n  image: i\n\tscript: x\n"),
        ("open bracket", "stages: [build, test\na:\n  script: x\n"),
        ("bad indent", "a:\n  image: i\n script: x\n"),
        ("bad duration", "a:\n  image: i\n  script: x\n  timeout: 15 parsecs\n"),
        (
            "alias bomb",
            "a: &a [x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b]\nd: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c]\ne: &e [*d,*d,*d,*d,*d,*d,*d,*d,*d]\nf: [*e,*e,*e,*e,*e,*e,*e,*e,*e]\n",
        ),
        ("several at once", "stages: [one]\na:\n  stage: two\n  script: []\n  need: [b]\n"),
    ];
    let mut told = String::new();
    for (name, text) in cases {
        writeln!(told, "## {name}\n{}", refused(text)).unwrap();
    }
    insta::assert_snapshot!(told, @r#"
## unknown key
p.yml:4:3: error[PX003]: unknown key `enviroment` in a step
4 |   enviroment: production
  |   ^^^^^^^^^^
help: did you mean `environment`?

p.yml:5:3: error[PX003]: unknown key `colour` in a step
5 |   colour: red
  |   ^^^^^^
help: a step has: stage, image, services, script, before_script, after_script, variables, needs, when, allow_failure, timeout, artifacts, extends, rules, parallel, dependencies, inherit, tags, interruptible, cache, only, except, retry, manual_confirmation, start_in, resource_group, coverage

## typo in the key of needs
p.yml:6:3: error[PX003]: unknown key `need` in a step
6 |   need: [a]
  |   ^^^^
help: did you mean `needs`?

## unknown name in needs
p.yml:6:11: error[PX011]: step `TEST` needs `BULID`, which does not exist
6 |   needs: [BULID]
  |           ^^^^^
help: did you mean `BUILD`?

## cycle
p.yml:2:24: error[PX012]: steps need one another in a circle: `a` -> `c` -> `b` -> `a`
2 | a: {script: x, needs: [c]}
  |                        ^
p.yml:4:24: note: needed by `c` here
4 | c: {script: x, needs: [b]}
  |                        ^
p.yml:3:24: note: needed by `b` here
3 | b: {script: x, needs: [a]}
  |                        ^
help: remove one of these from `needs`

## two steps of one name
p.yml:6:1: error[PX002]: `build` is written twice
6 | build:
  | ^^^^^
p.yml:2:1: note: first written here
2 | build:
  | ^^^^^

## duplicate key
p.yml:4:3: error[PX002]: `image` is written twice
4 |   image: j
  |   ^^^^^
p.yml:2:3: note: first written here
2 |   image: i
  |   ^^^^^

## tab
p.yml:3:1: error[PX001]: a tab in the indentation; YAML accepts only spaces there
3 | →script: x
  | ^
help: replace the tab by spaces

## open bracket
p.yml:2:2: error[PX001]: illegal placement of ':' indicator
2 | a:
  |  ^
p.yml:1:9: note: this `[` is not closed
1 | stages: [build, test
  |         ^

## bad indent
p.yml:3:2: error[PX001]: while parsing a block mapping, did not find expected key
3 |  script: x
  |  ^
help: compare the indentation of this line with the lines above

## bad duration
p.yml:4:12: error[PX008]: `15 parsecs` is no time span
4 |   timeout: 15 parsecs
  |            ^^^^^^^^^^
help: a time span is written like `90s`, `15m`, `1h 30m` or `3600 seconds`

## alias bomb
p.yml:5:23: error[PX007]: the file unfolds to more than a pipeline may be
5 | e: &e [*d,*d,*d,*d,*d,*d,*d,*d,*d]
  |                       ^
help: use fewer, smaller or less nested aliases

## several at once
p.yml:2:1: error[PX009]: step `a` has no `image`, and `default` has none
2 | a:
  | ^

p.yml:3:10: error[PX010]: stage `two` of step `a` is not in `stages`
3 |   stage: two
  |          ^^^
help: the stages are: one

p.yml:4:11: error[PX014]: the script of step `a` has no command
4 |   script: []
  |           ^

p.yml:5:3: error[PX003]: unknown key `need` in a step
5 |   need: [b]
  |   ^^^^
help: did you mean `needs`?
"#);
}
