//! Which stages a request selects, and requests that cannot be met.

use super::*;

#[test]
fn switches_select_and_what_they_need_is_turned_on() {
    let mut world = World::good();
    world.ask(r#"{"run_package": true}"#);
    assert_eq!(world.selected(), ["BUILD", "PACKAGE"]);
    let accepted = world.accepted();
    assert_eq!(on(&accepted), ["run_build", "run_package"]);
    assert_eq!(accepted.warnings, ["run_package needs run_build: turned on"]);
    world.ask(r#"{"run_secret_scan": true, "run_dast": true}"#);
    assert_eq!(world.selected(), ["SECRETS"]);
    assert_eq!(world.accepted().warnings, ["this stack has no DAST stage yet: skipped"]);
}

#[test]
fn requests_that_cannot_be_met_are_refused() {
    let mut world = World::good();
    let mut told = String::new();
    for switches in [
        "{}".to_owned(),
        r#"{"run_sast": true, "run_dast": true}"#.to_owned(),
        r#"{"run_secret_scan": true, "secret_scan_mode": "git"}"#.to_owned(),
        r#"{"run_secret_scan": true, "secret_scan_mode": "custom"}"#.to_owned(),
        r#"{"run_build": true, "run_sast": true, "sast_mode": "custom"}"#.to_owned(),
    ] {
        world.ask(&switches);
        told += &(world.refused() + "\n");
    }
    world.ask(r#"{"run_build": true}"#);
    world.request.versions = [("java".to_owned(), "21\u{1b}".to_owned())].into_iter().collect();
    told += &world.refused();
    insta::assert_snapshot!(told, @r#"
nothing-selected | - | no stage is selected | turn on at least one of run_secret_scan, run_build, run_unit_tests, run_package, or leave out `pipeline` for all of them
nothing-selected | - | this stack has none of the selected stages yet: SAST, DAST | turn on at least one of run_secret_scan, run_build, run_unit_tests, run_package, or leave out `pipeline` for all of them
history-needs-git | - | secret_scan_mode `git` looks through the history, and a ZIP has none | use secret_scan_mode `dir`, or submit the project by its Git URL
custom-tool-missing | pipeline.secret_custom | secret_scan_mode is `custom`, and there is no secret_custom | add secret_custom with install_cmd and tool_cmd, or use secret_scan_mode `dir`
custom-tool-missing | pipeline.sast_custom | sast_mode is `custom`, and there is no sast_custom | add sast_custom with install_cmd and tool_cmd, or use sast_mode `default`
unsupported-version | - | versions.java is `21\u{1b}`, which this stack does not have | supported: 17, 21, 25; without versions.java the stack's default is taken
"#);

    world.request.versions = [("java".to_owned(), "17".to_owned())].into_iter().collect();
    world.ask(r#"{"run_build": true, "secret_scan_mode": "git", "sast_mode": "custom"}"#);
    assert_eq!(world.selected(), ["BUILD"], "a mode counts only where its stage is asked for");
    world.ask(r#"{"run_secret_scan": true, "secret_scan_mode": "git"}"#);
    world.kind = SourceKind::Git;
    assert_eq!(world.selected(), ["SECRETS"], "a clone has a history");
}
