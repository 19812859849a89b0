//! A runner is a machine: what ordinary programs expect of one is there, also without a network.

mod support;

use pipelinex_common::{slug::Slug, state::JobState};
use support::{story, text};

/// What tests of Java projects do: ask for their own host's address, write to the home, keep preferences, listen on loopback.
const MACHINE: &str = r#"
import java.net.*;
import java.nio.file.*;

public class Machine {
    public static void main(String[] args) throws Exception {
        System.out.println("address " + InetAddress.getLocalHost().getHostAddress());
        Files.writeString(Path.of(System.getProperty("user.home"), "test.mv.db"), "x");
        java.util.prefs.Preferences.userRoot().put("a", "b");
        java.util.prefs.Preferences.userRoot().flush();
        try (ServerSocket server = new ServerSocket(0, 1, InetAddress.getByName("localhost"))) {
            new Socket(InetAddress.getLocalHost(), server.getLocalPort()).close();
        }
        System.out.println("encoding " + System.getProperty("native.encoding") + " zone " + java.time.ZoneId.systemDefault());
        System.out.println("done");
    }
}
"#;

const SHELL: &str = r##"
set -e
[ -z "$(find "$HOME" -mindepth 1 -maxdepth 1 ! -name app ! -name pipelines ! -name reports ! -name .cache)" ] && echo "home empty"
printf '#!/bin/sh\necho home runs programs\n' > ~/tool; chmod +x ~/tool; ~/tool
echo x > /var/tmp/x; echo x > "$XDG_RUNTIME_DIR/x"; echo "folders written"
[ "$(stat -c %a:%u "$XDG_RUNTIME_DIR")" = 700:10001 ]
echo "files $(ulimit -Sn) $(ulimit -Hn) terminal $TERM language $LANG score $(cat /proc/self/oom_score_adj)"
getent hosts "$(hostname)"
"##;

fn indented(script: &str) -> String {
    script.lines().map(|line| format!("        {line}\n")).collect()
}

#[test]
fn a_runner_has_what_programs_expect_of_a_machine() {
    story(async |world| {
        let definition = format!(
            "stages: [S]\ndefault: {{image: java17-maven}}\n\
             java: {{stage: S, script: [java Machine.java]}}\n\
             shell:\n  stage: S\n  script:\n    - |\n{}\
             again: {{stage: S, needs: [shell], script: ['[ ! -e ~/tool ] && echo \"home empty\"'], variables: {{LANG: C}}}}\n\
             scan: {{stage: S, needs: [shell], script: ['[ ! -e ~/tool ] && echo x > ~/x && echo \"home written\"']}}\n\
             .pipelinex: {{jobs: {{java: {{network: none}}, shell: {{network: none}}, again: {{network: none, tree: shell}}, scan: {{kind: scan}}}}}}\n",
            indented(SHELL)
        );
        let job = world.submit(&definition, &[("Machine.java", MACHINE)]);
        let end = world.run(&job).await;
        let log = |step: &str| text(job.paths().log(&Slug::of(step)));
        assert_eq!(end.state, JobState::Succeeded, "{end:#?}\n{}\n{}", log("java"), log("shell"));
        for said in ["address 127.0.0.1\n", "encoding UTF-8 zone UTC\n", "done\n"] {
            assert!(log("java").contains(said), "{said}: {}", log("java"));
        }
        for said in [
            "home empty\n",
            "home runs programs\n",
            "folders written\n",
            "terminal dumb language C.UTF-8 score 500\n",
            "127.0.0.1 ",
        ] {
            assert!(log("shell").contains(said), "{said}: {}", log("shell"));
        }
        // An engine that may not have that many itself, as in a container, gives fewer.
        assert!(log("shell").contains("files 16384 65536 ") || log("shell").contains("files 16384 16384 "));
        assert!(log("again").contains("\nhome empty\n") && log("scan").contains("\nhome written\n"));
    });
}

/// A project two folders below the top; what it needs of a sibling is there, and what it leaves is told as seen from the top.
const FOLDER: &str = r#"
stages: [BUILD, SCAN, SMOKE]
default: {image: scan}
BUILD:
  stage: BUILD
  script:
    - cat build.txt ../shared/lib.txt
    - mkdir out && echo run >out/app.txt
    - printf '%s' '<testsuite><testcase classname="T" name="a"/></testsuite>' >out/TEST-a.xml
  artifacts: {paths: ["out/*.txt"], reports: {junit: ["out/*.xml"]}}
SCAN: {stage: SCAN, needs: [BUILD], script: ['cat "$APP_DIR/services/api/build.txt" "$APP_DIR/services/shared/lib.txt"', 'cat "$INPUTS_DIR/build/services/api/out/app.txt"']}
SMOKE: {stage: SMOKE, needs: [BUILD], script: ['until getent hosts app; do sleep 0.1; done', 'sleep 1']}
.pipelinex:
  jobs:
    BUILD: {network: none}
    SCAN: {kind: scan, network: none}
    SMOKE:
      kind: scan
      network: internal
      target: {artifact_of: BUILD, command: "cat out/app.txt && sleep 60", port: 1, alias: app}
"#;

#[test]
fn a_folder_is_built_within_the_whole_that_was_submitted() {
    story(async |world| {
        let files = [("services/api/build.txt", "in api\n"), ("services/shared/lib.txt", "in shared\n")];
        for copy_trees in [false, true] {
            world.config.copy_trees = copy_trees;
            let folder = Some("services/api".parse().unwrap());
            let job = world.submit_with(FOLDER, &files, |metadata| metadata.folder = folder);
            let end = world.run(&job).await;
            let log = |step: &str| text(job.paths().log(&Slug::of(step)));
            assert_eq!(end.state, JobState::Succeeded, "{end:#?}\n{}\n{}", log("BUILD"), log("SMOKE"));
            assert!(log("BUILD").contains("in api\nin shared\n") && log("SCAN").contains("in api\nin shared\n"));
            let build = &end.stages["BUILD"].steps[0];
            assert_eq!(build.artifacts, ["services/api/out/app.txt"]);
            assert_eq!(build.tests.map(|tests| tests.tests), Some(1));
            assert!(job.paths().artifacts_of(&Slug::of("BUILD")).join("services/api/out/app.txt").exists());
            let printed = text(job.paths().reports().join("smoke/app.log"));
            assert!(printed.starts_with("run\n"), "the application runs in the folder: {printed}");
        }
    });
}
