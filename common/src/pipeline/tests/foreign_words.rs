//! More bad files, each with its code, line and column: keys that GitLab has and that are not here, wrong types, limits, and names
//! that lead nowhere.

use super::places::wrong_ones;

#[test]
fn keys_that_gitlab_has_are_told_by_name() {
    let step = |rest: &str| format!("a:\n  image: i\n  script: x\n  {rest}\n");
    let cases: Vec<(String, &str)> = [
        ("hooks: {pre_get_sources_script: x}", "PX004 4:3"),
        ("id_tokens: {T: {aud: x}}", "PX004 4:3"),
        ("identity: google_cloud", "PX004 4:3"),
        ("pages: true", "PX004 4:3"),
        ("publish: public", "PX004 4:3"),
        ("release: {tag_name: v1}", "PX004 4:3"),
        ("run: [{name: x}]", "PX004 4:3"),
        ("secrets: {S: {vault: x}}", "PX004 4:3"),
        ("trigger: {include: x.yml}", "PX004 4:3"),
        ("inputs: {a: b}", "PX003 4:3"),
        ("artifacts: {untracked: true}", "PX004 4:15"),
        ("artifacts: {paths: [x], access: all}", "PX004 4:27"),
        ("artifacts: {reports: {terraform: x}}", "PX004 4:25"),
        ("artifacts: {reports: {coverage_report: {coverage_format: lcov, path: x}}}", "PX006 4:60"),
        ("artifacts: {reports: {coverage_report: {path: x}}}", "PX009 4:42"),
        ("artifacts: {reports: {cyclonedx: x}}", "PX004 4:25"),
        ("artifacts: {reports: {sast: /etc/x}}", "PX006 4:31"),
        ("needs: [{pipeline: x}]", "PX009 4:11"),
        ("needs: [{project: p, job: b, ref: main}]", "PX004 4:12"),
        ("services: [{name: redis, docker: {user: x}}]", "PX004 4:28"),
        ("rules: [{exists: {paths: [x], project: p}}]", "PX004 4:33"),
        ("only: {changes: [x]}", "PX009 4:9"),
        ("except: {kubernetes: active}", "PX009 4:11"),
    ]
    .map(|(rest, expected)| (step(rest), expected))
    .into();
    wrong_ones(&cases);
}

#[test]
fn wrong_types_and_values_are_told_at_the_value() {
    let step = |rest: &str| format!("a:\n  image: i\n  script: x\n  {rest}\n");
    let cases: Vec<(String, &str)> = [
        ("stage: [x]", "PX005 4:10"),
        ("stage: deplyo", "PX010 4:10"),
        ("when: sometimes", "PX006 4:9"),
        ("allow_failure: \"true\"", "PX005 4:18"),
        ("allow_failure: {exit_codes: [x]}", "PX005 4:32"),
        ("timeout: forever", "PX008 4:12"),
        ("timeout: 0", "PX008 4:12"),
        ("timeout: [1]", "PX005 4:12"),
        ("retry: {when: always, max: many}", "PX005 4:30"),
        ("retry: [1]", "PX005 4:10"),
        ("needs: b", "PX005 4:10"),
        ("needs: [[b]]", "PX005 4:11"),
        ("needs: [{optional: true}]", "PX009 4:11"),
        ("needs: [a]", "PX012 4:11"),
        ("dependencies: b", "PX005 4:17"),
        ("variables: [A]", "PX005 4:14"),
        ("variables: {A: {value: [x]}}", "PX005 4:26"),
        ("before_script: {a: b}", "PX005 4:18"),
        ("after_script: [{a: b}]", "PX005 4:18"),
        ("artifacts: [x]", "PX005 4:14"),
        ("artifacts: {paths: [../x]}", "PX006 4:23"),
        ("artifacts: {paths: ['[x']}", "PX006 4:23"),
        ("artifacts: {paths: [x], when: never}", "PX006 4:33"),
        ("parallel: {matrix: {A: [b]}}", "PX005 4:22"),
        ("parallel: {matrix: [{A: [1], B: [{c: d}]}]}", "PX005 4:36"),
        ("rules: [if]", "PX005 4:11"),
        ("rules: [{if: '$A =~ /a/x'}]", "PX019 4:23"),
        ("rules: [{if: '$A &&'}]", "PX019 4:22"),
        ("rules: [{if: ''}]", "PX006 4:16"),
        ("rules: [{if: $CI, changes: {path: [x]}}]", "PX009 4:30"),
        ("rules: [{when: delayed, start_in: soon}]", "PX008 4:37"),
        ("resource_group: /a", "PX006 4:19"),
        ("resource_group: 'a?'", "PX006 4:19"),
        ("resource_group: [a]", "PX005 4:19"),
        ("extends: .nowhere", "PX016 4:12"),
        ("inherit: {default: sometimes}", "PX005 4:22"),
        ("manual_confirmation: [x]", "PX005 4:24"),
    ]
    .map(|(rest, expected)| (step(rest), expected))
    .into();
    wrong_ones(&cases);
}

#[test]
fn whole_files_and_limits_are_told_too() {
    let aliases = format!("x: &a [{}]\n{}a: {{image: i, script: x}}\n", "y,".repeat(1000), {
        let line = |n: usize| {
            format!(".b{n}: &b{n} [{}]\n", vec![if n == 0 { "*a".into() } else { format!("*b{}", n - 1) }; 9].join(","))
        };
        (0..8).map(line).collect::<String>()
    });
    let deep = format!("a: {{image: i, script: {}x{}}}\n", "[".repeat(200), "]".repeat(200));
    let values: String = (0..15).map(|n| format!("v{n},")).collect();
    let matrix = format!("a: {{image: i, script: x, parallel: {{matrix: [{{A: [{values}], B: [{values}]}}]}}}}\n");
    let cases: Vec<(String, &str)> = [
        ("", "PX005 1:1"),
        ("- a\n", "PX005 1:1"),
        ("a: [\n", "PX001 1:4"),
        ("a: {image: i, script: x}\na: {image: i, script: y}\n", "PX002 2:1"),
        ("stages: [a, a]\nb: {image: i, stage: a, script: x}\n", "PX006 1:13"),
        ("stages: a\nb: {image: i, script: x}\n", "PX005 1:9"),
        ("stages: [build]\na: {image: i, script: x}\n", "PX010 2:1"),
        ("default: [x]\na: {image: i, script: x}\n", "PX005 1:10"),
        ("default: {script: x}\na: {image: i, script: x}\n", "PX003 1:11"),
        ("default: {hooks: {}}\na: {image: i, script: x}\n", "PX004 1:11"),
        ("workflow: {auto_cancel: {on_new_commit: interruptible}}\na: {image: i, script: x}\n", "PX006 1:41"),
        ("workflow: {auto_cancel: {on_job_failure: all}}\na: {image: i, script: x}\n", "PX004 1:26"),
        ("workflow: [x]\na: {image: i, script: x}\n", "PX005 1:11"),
        ("variables: x\na: {image: i, script: x}\n", "PX005 1:12"),
        ("include: {component: 'x/y@1'}\na: {image: i, script: x}\n", "PX004 1:11"),
        ("include: {template: Auto-DevOps.gitlab-ci.yml}\na: {image: i, script: x}\n", "PX004 1:11"),
        ("include: {local: ../x.yml}\na: {image: i, script: x}\n", "PX022 1:18"),
        ("a: {script: x}\n", "PX009 1:1"),
        ("a: {image: i, script: []}\n", "PX014 1:23"),
        ("a: {image: i, script: '  '}\n", "PX014 1:23"),
        ("a: x\n", "PX003 1:1"),
        (".a: {script: x}\n", "PX017 1:1"),
        (".a: {extends: .b}\n.b: {extends: .a}\nc: {image: i, script: x, extends: .a}\n", "PX016 2:15"),
        ("a: {image: i, script: x, stage: build, needs: [b]}\nb: {image: i, script: x}\n", "PX013 1:48"),
        ("a: {image: i, script: x, needs: [b]}\nb: {image: i, script: x, needs: [a]}\n", "PX012 1:34"),
        ("a: {image: i, script: x, parallel: 2}\nb: {image: i, script: x, needs: [{job: a, parallel: {matrix: [{A: b}]}}]}\n", "PX011 2:67"),
        (".pipelinex: {stack: java, gate: high}\na: {image: i, script: x}\n", "PX004 1:27"),
        (".pipelinex: {jobs: {a: {memory: lots}}}\na: {image: i, script: x}\n", "PX006 1:33"),
        (".pipelinex: {jobs: {a: {uses: SAST}}}\na: {image: i, script: x}\n", "PX004 1:25"),
    ]
    .map(|(text, expected)| (text.to_owned(), expected))
    .into_iter()
    .chain([(aliases, "PX007 3:27"), (deep, "PX007 1:53"), (matrix, "PX006 1:107")])
    .collect();
    wrong_ones(&cases);
}
