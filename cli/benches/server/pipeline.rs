//! What the scans cost: a whole pipeline beside one without them, both warm, by turns.

use std::{path::Path, process::Command};

use pipelinex_common::testing::bench::Row;

use super::{Place, Process, timed};

/// The name of the row.
pub const SCANS: &str = "pipeline: all eight stages of the example";
/// Runs of each that count; one more of each comes before them.
const RUNS: usize = 3;

/// Times both.
pub fn scans(place: &Place) -> Vec<Row> {
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples");
    let workspaces = place.disk.path().join("workspaces-of-the-pipeline");
    let program = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_pipelinex"));
        command.args(arguments).env_clear().env("HOME", "/nonexistent").env("PIPELINEX_WORKSPACES", &workspaces);
        let output = command.output().expect("the binary starts");
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    };
    program(&["db", "import", examples.join("advisories").to_str().expect("a path")]);
    let mut process = Process::start(&["serve", "--listen", "127.0.0.1:0"], &workspaces, &place.redis_url());
    let server = format!("http://{}", process.says("http://").split_whitespace().next().expect("an address"));
    let project = examples.join("spring-boot-maven");
    let run = |stages: &str| {
        let project = project.to_str().expect("a path");
        timed(|| program(&["submit", project, "--wait", "--server", &server, "--only", stages]))
    };
    let all = "secrets,build,test,sast,sca,package,smoke-test,dast";
    let without = "build,test,package,smoke-test,dast";
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for number in 0..=RUNS {
        let (with, bare) = (run(all), run(without));
        if number > 0 {
            ours.push(with);
            theirs.push(bare);
        }
    }
    vec![Row::compare(SCANS, "ms", ours, "BUILD, TEST, PACKAGE, SMOKE-TEST and DAST alone", &theirs).goal(1.3)]
}
