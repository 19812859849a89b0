//! Bad files of projects: each with the code, the line and the column that its author is told.

use crate::pipeline::{Context, Rejected, Severity, Trust, compile, context::Origin};

fn told(text: &str) -> String {
    let context = Context::of(&Origin { project: "p", file: "p.yml", branch: Some("main"), ..Origin::default() });
    let first = |rejected: Rejected| {
        let found = rejected.diagnostics.into_iter().find(|told| told.severity == Severity::Error);
        found.map(|told| format!("{} {}:{}", told.code.as_str(), told.line, told.column)).unwrap_or_default()
    };
    compile("p.yml", text, Trust::Project, &context).map_or_else(first, |_| "accepted".to_owned())
}

#[test]
fn every_mistake_is_told_at_its_place() {
    const A: &str = "a: {image: i, script: x}\n";
    let cases: &[(&str, &str)] = &[
        ("a:\n  image: i\n  scirpt: x\n", "PX009 1:1"),
        ("a:\n  image: i\n  script: x\n  only: [other]\n", "PX021 1:1"),
        ("a:\n  image: i\n  script: x\n  except: [main]\n", "PX021 1:1"),
        ("a:\n  image: i\n  script: x\n  only: {variables: [$X]}\n", "PX009 4:9"),
        ("a:\n  image: i\n  script: x\n  only: [/(/]\n", "PX019 4:10"),
        ("a:\n  image: i\n  script: x\n  rules: [{if: $CI}]\n  only: [main]\n", "PX006 5:3"),
        ("a: {image: i, script: !reference [.b, script]}\n", "PX023 1:35"),
        ("a: {image: i, script: !reference [.b, srcipt]}\n.b: {script: x}\n", "PX023 1:39"),
        ("a: {image: i, script: [!reference [a, script]]}\n", "PX023 1:35"),
        ("a: {image: i, script: !reference x}\n", "PX005 1:34"),
        ("a: {image: i, script: [!ref [a, script]]}\n", "PX001 1:29"),
        ("spec: {inputs: {}}\na: {image: i, script: x}\n", "PX004 1:1"),
        ("a:\n  image: i\n  script: x\n  services: redis\n", "PX005 4:13"),
        ("a:\n  image: i\n  script: x\n  services: [a b]\n", "PX006 4:14"),
        ("a:\n  image: i\n  script: x\n  services: [redis, redis:7]\n", "PX006 4:21"),
        ("a:\n  image: i\n  script: x\n  services: [{name: redis, alias: local_host!}]\n", "PX006 4:35"),
        ("a:\n  image: i\n  script: x\n  services: [{name: redis, alias: localhost}]\n", "PX006 4:35"),
        ("a:\n  image: i\n  script: x\n  services: [{alias: redis}]\n", "PX009 4:14"),
        ("a:\n  image: i\n  script: x\n  services: [{name: redis, ports: [1]}]\n", "PX003 4:28"),
        ("a:\n  image: i\n  script: x\n  services: [{name: redis, variables: [1]}]\n", "PX005 4:39"),
        ("a:\n  image: i\n  script: x\n  services: [{name: redis, command: {a: b}}]\n", "PX005 4:37"),
        ("a:\n  image: i\n  script: x\n  services: [a, b, c, d, e, f, g, h, i]\n", "PX006 4:13"),
        ("a:\n  image: i\n  script: x\n  services: [$NOWHERE]\n", "PX006 4:14"),
        ("a:\n  image: i\n  script: x\n  retry: 3\n", "PX006 4:10"),
        ("a:\n  image: i\n  script: x\n  retry: \"2\"\n", "PX005 4:10"),
        ("a:\n  image: i\n  script: x\n  retry: {max: 1, when: sometimes}\n", "PX006 4:25"),
        ("a:\n  image: i\n  script: x\n  retry: {max: 1, exit_code: 3}\n", "PX003 4:19"),
        ("a:\n  image: i\n  script: x\n  environment: production\n", "PX004 4:3"),
        ("a:\n  image: i\n  script: x\n  coverage: x\n", "PX006 4:13"),
        ("a:\n  image: i\n  script: x\n  environment: x\n", "PX004 4:3"),
        ("a:\n  image: i\n  script: x\n  when: never\n", "PX004 4:9"),
        ("a:\n  image: i\n  script: x\n  when: delayed\n", "PX009 4:9"),
        ("a:\n  image: i\n  script: x\n  start_in: 1 hour\n", "PX006 4:13"),
        ("a:\n  image: i\n  script: x\n  when: delayed\n  start_in: 8 days\n", "PX006 5:13"),
        ("a:\n  image: i\n  script: x\n  rules: [{when: delayed}]\n", "PX009 4:18"),
        ("a:\n  image: i\n  script: x\n  parallel: 0\n", "PX006 4:13"),
        ("a:\n  image: i\n  script: x\n  parallel: 201\n", "PX006 4:13"),
        ("a:\n  image: i\n  script: x\n  parallel: many\n", "PX005 4:13"),
        ("a:\n  image: i\n  script: x\n  parallel: {matrix: []}\n", "PX006 4:22"),
        ("a:\n  image: i\n  script: x\n  parallel: {matrix: [{1X: a}]}\n", "PX006 4:24"),
        ("a:\n  image: i\n  script: x\n  parallel: {matrix: [{X: {}}]}\n", "PX005 4:27"),
        ("a:\n  image: i\n  script: x\n  parallel: {matrx: []}\n", "PX009 4:13"),
        ("a:\n  image: {name: i, entrypoint: [/bin/x]}\n  script: x\n", "PX004 2:32"),
        ("a:\n  image: {name: i, pull_policy: always}\n  script: x\n", "PX004 2:33"),
        ("a:\n  image: $NOWHERE\n  script: x\n", "PX006 2:10"),
        ("a:\n  image: i\n  script: x\n  rules:\n    - if: $X = 'a'\n", "PX019 5:14"),
        ("a:\n  image: i\n  script: x\n  rules:\n    - if: \"$X == 1\"\n", "PX019 5:18"),
        ("a:\n  image: i\n  script: x\n  rules:\n    - if: $X =~ /(/\n", "PX019 5:17"),
        ("a:\n  image: i\n  script: x\n  rules:\n    - if: ($X\n", "PX019 5:11"),
        ("a:\n  image: i\n  script: x\n  rules:\n    - iff: $X\n", "PX003 5:7"),
        ("a:\n  image: i\n  script: x\n  rules:\n    - when: sometimes\n", "PX006 5:13"),
        ("a:\n  image: i\n  script: x\n  rules: $X\n", "PX005 4:10"),
        ("a:\n  image: i\n  script: x\n  rules:\n    - when: never\n", "PX021 1:1"),
        ("workflow: {rules: [{if: $NO}]}\na: {image: i, script: x}\n", "PX021 1:19"),
        ("workflow: {rules: [{if: $CI, allow_failure: true}]}\na: {image: i, script: x}\n", "PX003 1:30"),
        ("workflow: {rules: [{when: on_success}]}\na: {image: i, script: x}\n", "PX006 1:27"),
        (&format!("{A}b: {{image: i, script: x, needs: [c]}}\n"), "PX011 2:34"),
        (&format!("{A}b: {{image: i, script: x, needs: [a, a]}}\n"), "PX006 2:37"),
        ("a: {image: i, script: x, rules: [{if: $NO}]}\nb: {image: i, script: x, needs: [a]}\n", "PX020 2:34"),
        (&format!("{A}b: {{image: i, script: x, dependencies: [c]}}\n"), "PX011 2:41"),
        (&format!("{A}b: {{image: i, script: x, needs: [], dependencies: [a]}}\n"), "PX006 2:52"),
        ("variables: {A: $B, B: $A}\na: {image: i, script: x}\n", "PX006 1:16"),
        ("variables: {A: [1]}\na: {image: i, script: x}\n", "PX005 1:16"),
        ("variables: {A: {value: x, options: [y]}}\na: {image: i, script: x}\n", "PX006 1:36"),
        ("variables: {A-B: x}\na: {image: i, script: x}\n", "PX006 1:13"),
        ("a:\n  image: i\n  script: x\n  variables: {A: {value: x, description: y}}\n", "PX003 4:29"),
        ("a:\n  image: i\n  script: x\n  inherit: {defaults: false}\n", "PX003 4:13"),
        ("a:\n  image: i\n  script: x\n  inherit: {variables: maybe}\n", "PX005 4:24"),
        ("a:\n  image: i\n  script: x\n  artifacts: {reports: {metrics: x}}\n", "PX004 4:25"),
        ("a:\n  image: i\n  script: x\n  artifacts: {paths: x}\n", "PX005 4:22"),
        ("a:\n  image: i\n  script: x\n  artifacts: {paths: [/etc]}\n", "PX006 4:23"),
        ("a:\n  image: i\n  script: x\n  artifacts: {expire_in: soon}\n", "PX008 4:26"),
        ("a:\n  image: i\n  script: x\n  allow_failure: {exit_code: 1}\n", "PX009 4:18"),
        ("a:\n  image: i\n  script: x\n.pipelinex: {jobs: {a: {kind: scan}}}\n", "PX004 4:25"),
        ("a:\n  image: i\n  script: x\n.pipelinex: {jobs: {a: {switch: run_sast}}}\n", "PX004 4:25"),
        ("a:\n  image: i\n  script: x\n.pipelinex: {jobs: {a: {advisories: true}}}\n", "PX004 4:25"),
        ("a:\n  image: i\n  script: x\n.pipelinex: {jobs: {a: {tree: a}}}\n", "PX004 4:25"),
        ("a:\n  image: i\n  script: x\n.pipelinex: {jobs: {a: {network: internal}}}\n", "PX006 4:34"),
        ("a:\n  image: i\n  script: x\n.pipelinex: {jobs: {b: {}}}\n", "PX011 4:21"),
        ("include: {local: x.yml}\na: {image: i, script: x}\n", "PX022 1:18"),
        ("include: {remote: 'https://x.org/y.yml'}\na: {image: i, script: x}\n", "PX004 1:11"),
        ("include: https://x.org/y.yml\na: {image: i, script: x}\n", "PX022 1:10"),
        ("include: {file: x.yml}\na: {image: i, script: x}\n", "PX009 1:10"),
        ("include: x.txt\na: {image: i, script: x}\n", "PX022 1:10"),
        ("image: i\ndefault: {image: j}\na: {script: x}\n", "PX002 1:1"),
        ("a: {image: i, script: x, extends: [.b, .c]}\n.b: {}\n", "PX016 1:40"),
        ("a: {image: i, script: [[x, {y: z}]]}\n", "PX005 1:28"),
        ("a: {image: i, script: x, cache: [x]}\n", "PX005 1:34"),
        ("a: {image: i, script: x, cache: {path: [x]}}\n", "PX003 1:34"),
        ("a: {image: i, script: x, cache: {paths: x}}\n", "PX005 1:41"),
        ("a: {image: i, script: x, cache: {paths: [/root/.m2]}}\n", "PX006 1:42"),
        ("a: {image: i, script: x, cache: {paths: [$CACHE_DIR/../x]}}\n", "PX006 1:42"),
        ("a: {image: i, script: x, cache: {paths: ['[x']}}\n", "PX006 1:42"),
        ("a: {image: i, script: x, cache: {paths: [x], untracked: true}}\n", "PX004 1:46"),
        ("a: {image: i, script: x, cache: {paths: [x], unprotect: true}}\n", "PX004 1:46"),
        ("a: {image: i, script: x, cache: {paths: [x], key: a/b}}\n", "PX006 1:51"),
        ("a: {image: i, script: x, cache: {paths: [x], key: ..}}\n", "PX006 1:51"),
        ("a: {image: i, script: x, cache: {paths: [x], key: a%2Fb}}\n", "PX006 1:51"),
        ("a: {image: i, script: x, cache: {paths: [x], key: [a]}}\n", "PX005 1:51"),
        ("a: {image: i, script: x, cache: {paths: [x], key: {prefix: a}}}\n", "PX009 1:51"),
        ("a: {image: i, script: x, cache: {paths: [x], key: {files: [a, b, c]}}}\n", "PX006 1:59"),
        ("a: {image: i, script: x, cache: {paths: [x], key: {files: [a], files_commits: [a]}}}\n", "PX004 1:64"),
        ("a: {image: i, script: x, cache: {paths: [x], policy: pul}}\n", "PX006 1:54"),
        ("a: {image: i, script: x, cache: {paths: [x], policy: $P}, variables: {P: both}}\n", "PX006 1:54"),
        ("a: {image: i, script: x, cache: {paths: [x], when: never}}\n", "PX006 1:52"),
        ("a: {image: i, script: x, cache: {paths: [x], fallback_keys: [a, b, c, d, e, f]}}\n", "PX006 1:61"),
        (
            "a: {image: i, script: x, cache: [{paths: [x]}, {paths: [x]}, {paths: [x]}, {paths: [x]}, {paths: [x]}]}\n",
            "PX006 1:33",
        ),
    ];
    wrong_ones(cases);
}

/// Each file is told at its place, or the test says which are not.
pub(super) fn wrong_ones<T: AsRef<str>>(cases: &[(T, &str)]) {
    let told = cases.iter().map(|(text, expected)| (text.as_ref(), *expected, told(text.as_ref())));
    let wrong: Vec<String> = told
        .filter(|(_, expected, told)| expected != told)
        .map(|(text, expected, told)| {
            format!("{expected}, told {told}: {}", text.chars().take(300).collect::<String>())
        })
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn what_runs_all_the_same_is_a_warning() {
    let text = "image: i\ncache: {paths: [x]}\na:\n  script: x\n  tags: [linux]\n  interruptible: true\n  artifacts: {name: n, paths: [$NOWHERE]}\n  \
                rules: [{changes: [x]}]\n";
    let compiled = compile("p.yml", text, Trust::Project, &Context::default()).unwrap();
    let told: Vec<String> =
        compiled.warnings.iter().map(|told| format!("{}:{} {}", told.line, told.column, told.code.as_str())).collect();
    assert_eq!(told.join(", "), "1:1 PX024, 2:1 PX024, 3:1 PX018, 5:3 PX024, 7:15 PX024, 8:21 PX024");
}
