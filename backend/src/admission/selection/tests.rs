use pipelinex_common::{database::DatabaseConfig, pipeline, policy};
use serde_json::json;

use super::*;

/// Six of the stages, as far as selecting looks at them.
const WHOLE: &str = r#"
stages: [SECRETS, BUILD, SAST, PACKAGE, SMOKE-TEST, DAST]
default: {image: i}
SECRETS: {stage: SECRETS, needs: [], script: [x]}
BUILD: {stage: BUILD, needs: [], script: [x]}
SAST: {stage: SAST, needs: [], script: [x]}
PACKAGE: {stage: PACKAGE, needs: [BUILD], script: [x], artifacts: {paths: [target/app.jar]}}
SMOKE-TEST: {stage: SMOKE-TEST, needs: [PACKAGE], script: [x]}
DAST: {stage: DAST, needs: [PACKAGE, {job: SMOKE-TEST, optional: true}], script: [x]}
.pipelinex:
  jobs:
    SECRETS: {kind: scan, switch: run_secret_scan}
    BUILD: {switch: run_build}
    SAST: {kind: scan, switch: run_sast}
    PACKAGE: {switch: run_package}
    SMOKE-TEST: {kind: scan, network: internal, switch: run_smoke, target: {artifact_of: PACKAGE, command: java -jar app.jar}}
    DAST: {kind: scan, network: internal, switch: run_dast, target: {artifact_of: PACKAGE, command: java -jar app.jar}}
"#;

/// A request for switches, of an operator who requires these stages.
fn selected(switches: &str, requires_db: bool, require: &[&str]) -> Selected {
    let mut config = Config::for_testing();
    config.policy.require = require.iter().map(|name| policy::stage(name).unwrap()).collect();
    config.database = DatabaseConfig { port: 6000, password: "s3cret".to_owned(), ..DatabaseConfig::default() };
    let stack = json!({"language": "a", "framework": "b", "build_tool": "c", "requires_db": requires_db});
    let mut request = json!({"stack": stack});
    if !switches.is_empty() {
        request["pipeline"] = serde_json::from_str(switches).unwrap();
    }
    let request = serde_json::from_value(request).unwrap();
    select(&request, SourceKind::Zip, &pipeline::read("pipeline.yml", WHOLE).unwrap(), &BTreeSet::new(), &config)
}

fn told(selected: &Selected) -> String {
    let line = |p: &Problem| format!("{} | {} | {} | {}", p.rule, p.path.as_deref().unwrap_or("-"), p.message, p.hint);
    selected.problems.iter().map(line).collect::<Vec<_>>().join("\n")
}

fn running(selected: &Selected) -> Vec<&str> {
    selected.stages.iter().filter(|stage| stage.selected).map(|stage| stage.name.as_str()).collect()
}

#[test]
fn a_custom_tool_is_taken_as_it_is_written() {
    let sast = selected(
        r#"{"run_sast": true, "sast_mode": "custom",
            "sast_custom": {"install_cmd": "", "tool_cmd": "cd app\n./pseudosudo.sh 'a b'", "log_ext": "sarif"}}"#,
        false,
        &[],
    );
    assert_eq!((told(&sast).as_str(), running(&sast).as_slice()), ("", &["SAST"][..]));
    assert_eq!(sast.switches.sast_custom.unwrap().log_ext, "sarif");
    let secrets = selected(
        r#"{"run_secret_scan": true, "secret_scan_mode": "custom",
            "secret_custom": {"install_cmd": "pip install x", "tool_cmd": "x"}}"#,
        false,
        &[],
    );
    assert_eq!((told(&secrets).as_str(), secrets.warnings.len()), ("", 0));
}

#[test]
fn everything_that_is_wrong_with_a_custom_tool_is_told_at_once() {
    let long = "x".repeat(4097);
    let wrong = format!(
        r#"{{"run_secret_scan": true, "secret_scan_mode": "custom",
             "secret_custom": {{"install_cmd": "apt; /usr/bin/sudo -n true", "tool_cmd": " ", "log_ext": "../x"}},
             "run_sast": true, "sast_mode": "custom",
             "sast_custom": {{"install_cmd": "{long}", "tool_cmd": "a\u0000b", "log_ext": "JSON"}}}}"#
    );
    insta::assert_snapshot!(told(&selected(&wrong, false, &[])), @r"
custom-tool-sudo | pipeline.secret_custom.install_cmd | install_cmd uses sudo, and the tool runs as an unprivileged user | install into a folder below $HOME or /tmp without it
custom-tool-command | pipeline.secret_custom.tool_cmd | tool_cmd is empty | name the command that scans, or use secret_scan_mode `dir`
custom-tool-log-ext | pipeline.secret_custom.log_ext | log_ext is not the ending of a file name | use 1 to 8 lower-case letters and digits, such as json
custom-tool-command | pipeline.sast_custom.install_cmd | install_cmd has 4097 bytes, at most 4096 are taken | put longer work into a script of the project, and call that
custom-tool-command | pipeline.sast_custom.tool_cmd | tool_cmd has a zero byte, which no shell takes | remove it
custom-tool-log-ext | pipeline.sast_custom.log_ext | log_ext is not the ending of a file name | use 1 to 8 lower-case letters and digits, such as json
");
    for log_ext in ["", "a.b", "ninechars", "ä"] {
        let tool = format!(r#"{{"install_cmd": "", "tool_cmd": "x", "log_ext": "{log_ext}"}}"#);
        let switches = format!(r#"{{"run_sast": true, "sast_mode": "custom", "sast_custom": {tool}}}"#);
        assert!(told(&selected(&switches, false, &[])).starts_with("custom-tool-log-ext"), "{log_ext}");
    }
}

#[test]
fn a_tool_of_a_mode_that_does_not_run_is_kept_and_not_looked_at() {
    let tool = r#"{"install_cmd": "sudo", "tool_cmd": "", "log_ext": "../x"}"#;
    for switches in [
        format!(r#"{{"run_sast": true, "sast_custom": {tool}}}"#),
        format!(r#"{{"run_build": true, "sast_mode": "custom", "sast_custom": {tool}}}"#),
    ] {
        let selected = selected(&switches, false, &[]);
        assert_eq!((told(&selected).as_str(), selected.warnings.len()), ("", 0));
        assert_eq!(selected.switches.sast_custom.unwrap().install_cmd, "sudo");
    }
}

#[test]
fn what_the_operator_requires_runs_whatever_a_request_says() {
    let off = selected(r#"{"run_build": true, "run_sast": false}"#, false, &["sast", "secrets"]);
    assert_eq!(running(&off), ["SECRETS", "BUILD", "SAST"]);
    assert!(off.switches.is_on(&Switch::SAST) && off.switches.is_on(&Switch::SECRETS), "{:?}", off.switches);
    let expected = ["SECRETS is required by the operator: turned on", "SAST is required by the operator: turned on"];
    assert_eq!(off.warnings, expected);
    let on = selected(r#"{"run_sast": true}"#, false, &["sast"]);
    assert_eq!((running(&on).as_slice(), on.warnings.len()), (&["SAST"][..], 0));
    let nothing = selected("{}", false, &["sast"]);
    assert_eq!((told(&nothing).as_str(), running(&nothing).as_slice()), ("", &["SAST"][..]));
    let needs = selected(r#"{"run_sast": true}"#, false, &["smoke-test"]);
    assert_eq!(running(&needs), ["BUILD", "SAST", "PACKAGE", "SMOKE-TEST"]);
    assert_eq!(needs.warnings.len(), 3, "{:?}", needs.warnings);
    assert!(selected("", false, &["dast"]).warnings.is_empty(), "the default set has it");
}

#[test]
fn a_requirement_cannot_be_met_by_a_tool_of_the_request_nor_by_a_stack_without_the_stage() {
    let tool = r#"{"install_cmd": "", "tool_cmd": "true"}"#;
    let custom = format!(
        r#"{{"run_build": true, "run_sast": false, "sast_mode": "custom", "sast_custom": {tool},
             "run_secret_scan": true, "secret_scan_mode": "custom"}}"#
    );
    insta::assert_snapshot!(told(&selected(&custom, false, &["sast", "secrets", "sca"])), @r"
required-stage-missing | - | the operator requires SCA, and this stack has no such stage | submit a stack that has it, or ask the operator, who named it with PIPELINEX_REQUIRE
custom-tool-required | pipeline.secret_scan_mode | the operator requires SECRETS, with our tool and not with one of the request | use secret_scan_mode `dir`
custom-tool-missing | pipeline.secret_custom | secret_scan_mode is `custom`, and there is no secret_custom | add secret_custom with install_cmd and tool_cmd, or use secret_scan_mode `dir`
custom-tool-required | pipeline.sast_mode | the operator requires SAST, with our tool and not with one of the request | use sast_mode `default`
");
    let dir = r#"{"run_secret_scan": true, "secret_scan_mode": "dir", "secret_custom": {"install_cmd": "", "tool_cmd": "x"}}"#;
    assert_eq!(told(&selected(dir, false, &["secrets"])), "");
}

#[test]
fn a_database_is_announced_where_the_application_is_started() {
    let smoke = selected(r#"{"run_smoke": true}"#, true, &[]);
    let database = json!({"image": "postgres", "name": "app_db", "user": "postgres", "port": 6000, "host": "db"});
    assert_eq!(smoke.database, Some(database), "and its password stays here");
    assert_eq!(selected(r#"{"run_smoke": true}"#, false, &[]).database, None);
    let build = selected(r#"{"run_build": true}"#, true, &[]);
    assert_eq!(build.database, None);
    assert_eq!(build.warnings.len(), 1);
    assert!(build.warnings[0].contains("SMOKE-TEST and DAST"), "{}", build.warnings[0]);
    assert!(selected(r#"{"run_build": true}"#, true, &["dast"]).database.is_some(), "what is required counts");
}

/// A definition that has nothing in common with the built-in ones: one stage with a switch of its own, two without.
const OTHER: &str = r#"
stages: [Lint, unit, ship]
default: {image: i}
lint: {stage: Lint, script: [x]}
fast: {stage: unit, needs: [], script: [x]}
slow: {stage: unit, needs: [], script: [x]}
ship: {stage: ship, needs: [fast], script: [x]}
.pipelinex: {jobs: {ship: {switch: run_ship}}}
"#;

fn of_other(switches: &str, require: &[&str]) -> Selected {
    let mut config = Config::for_testing();
    config.policy.require = require.iter().map(|name| policy::stage(name).unwrap()).collect();
    let text = format!(r#"{{"stack": {{"language": "a", "framework": "b", "build_tool": "c"}}{switches}}}"#);
    let request = serde_json::from_str(&text).unwrap();
    select(&request, SourceKind::Zip, &pipeline::read("pipeline.yml", OTHER).unwrap(), &BTreeSet::new(), &config)
}

#[test]
fn other_stages_are_shown_selected_and_required_as_the_built_in_ones_are() {
    let whole = of_other("", &[]);
    let shown: Vec<_> = whole.stages.iter().map(|stage| stage.name.as_str()).collect();
    assert_eq!((shown, running(&whole)), (vec!["Lint", "unit", "ship"], vec!["Lint", "unit", "ship"]));
    for (asked, runs) in [
        (r#"{"only": ["lint"]}"#, vec!["Lint"]),
        (r#"{"only": ["SHIP"]}"#, vec!["unit", "ship"]),
        (r#"{"skip": ["Lint", "dast"]}"#, vec!["unit", "ship"]),
        (r#"{"run_ship": true, "run_unit": false}"#, vec!["Lint", "unit", "ship"]),
        (r#"{"run_lint": false}"#, vec!["unit"]),
    ] {
        let selected = of_other(&format!(r#", "pipeline": {asked}"#), &[]);
        assert_eq!((running(&selected), told(&selected).as_str()), (runs, ""), "{asked}");
        let again = serde_json::to_string(&selected.switches).unwrap();
        assert!(again.contains("\"run_dast\":false"), "clients of the seed find all of their switches: {again}");
        let again = of_other(&format!(r#", "pipeline": {again}"#), &[]);
        assert_eq!((running(&again), again.warnings.len()), (running(&selected), 0), "what is recorded means the same");
    }
    let required = of_other(r#", "pipeline": {"only": ["unit"]}"#, &["lint"]);
    assert_eq!(running(&required), ["Lint", "unit"]);
    assert_eq!(required.warnings, ["LINT is required by the operator: turned on"]);
}

#[test]
fn a_stage_that_is_not_there_is_refused_by_name_and_a_misspelled_switch_is_named() {
    insta::assert_snapshot!(told(&of_other(r#", "pipeline": {"only": ["lnit", "deploy"]}"#, &[])), @r"
    unknown-stage | pipeline.only | there is no stage `lnit` in this stack | did you mean Lint?
    unknown-stage | pipeline.only | there is no stage `deploy` in this stack | it has Lint, unit, ship
    ");
    insta::assert_snapshot!(told(&of_other(r#", "pipeline": {"only": ["unit"], "skip": ["lint"]}"#, &[])), @"unknown-stage | pipeline.skip | `only` and `skip` exclude each other | name the stages that run, or those that do not");
    let slip = of_other(r#", "pipeline": {"run_lnit": false}"#, &[]);
    let expected =
        "the key `pipeline.run_lnit` of the request is not known and was ignored; did you mean `pipeline.run_lint`?";
    assert_eq!((slip.warnings[0].as_str(), running(&slip)), (expected, vec!["Lint", "unit"]));
}

#[test]
fn a_stage_of_its_own_stands_where_the_definition_has_it() {
    let mixed = WHOLE.replace("BUILD, SAST", "BUILD, LINT, SAST");
    let request = serde_json::from_str(r#"{"stack": {"language": "a", "framework": "b", "build_tool": "c"}}"#).unwrap();
    let selected = select(
        &request,
        SourceKind::Zip,
        &pipeline::read("p.yml", &mixed).unwrap(),
        &BTreeSet::new(),
        &Config::for_testing(),
    );
    let shown: Vec<_> = selected.stages.iter().map(|stage| stage.name.as_str()).collect();
    assert_eq!(shown, ["SECRETS", "BUILD", "LINT", "TEST", "SAST", "SCA", "PACKAGE", "SMOKE-TEST", "DAST"]);
}

#[test]
fn a_stage_with_nothing_to_look_at_is_left_out_unless_it_is_required() {
    let of = |require: &[&str]| {
        let mut config = Config::for_testing();
        config.policy.require = require.iter().map(|stage| policy::stage(stage).unwrap()).collect();
        let request = serde_json::from_str("{}").unwrap();
        let idle = BTreeSet::from(["SAST".to_owned()]);
        let selected =
            select(&request, SourceKind::Zip, &pipeline::read("pipeline.yml", WHOLE).unwrap(), &idle, &config);
        (running(&selected).contains(&"SAST"), selected.warnings.join("; "))
    };
    assert_eq!(of(&[]), (false, "SAST is left out: the project has no file that it looks at".to_owned()));
    // Where nothing else was asked for, that is why nothing runs.
    let alone: JobRequest = serde_json::from_str(r#"{"pipeline": {"only": ["sast"]}}"#).unwrap();
    let (whole, idle) = (pipeline::read("pipeline.yml", WHOLE).unwrap(), BTreeSet::from(["SAST".to_owned()]));
    let told = select(&alone, SourceKind::Zip, &whole, &idle, &Config::for_testing()).problems.remove(0).message;
    assert!(told.starts_with("SAST has nothing to look at"), "{told}");
    let (runs, told) = of(&["sast"]);
    assert!(runs && told.contains("SAST is required by the operator"), "{told}");
}
