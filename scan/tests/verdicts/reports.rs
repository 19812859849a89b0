//! Reports that exist, parse, show a scan and agree with the exit code are believed; all others are errors of the tool.

use std::fs;

use pipelinex_scan::Word;
use serde_json::{Value, json};

use crate::world::{World, gitleaks, key};

const REPORT: &str = r#"{"runs": [{"tool": {"driver": {"name": "t"}}, "results": [RESULTS]}]}"#;
const RESULT: &str = r#"{"ruleId": "r", "level": "error", "message": {"text": "m"}, "locations": [{"physicalLocation":
    {"artifactLocation": {"uri": "a.txt"}, "region": {"startLine": 1, "snippet": {"text": "hunter2"}}}}]}"#;

fn sarif(results: &str) -> String {
    REPORT.replace("RESULTS", results)
}

#[test]
fn gitleaks_is_believed_when_it_read_everything_and_found_what_was_planted() {
    let world = World::new("SECRETS");
    let (code, result) = world.tool("gitleaks", &gitleaks("")).run(Word::Secrets);
    assert_eq!((code, result["message"].as_str()), (0, Some("no secrets found")));
    assert_eq!(result["details"]["scanned"], json!({"files": 1, "bytes": 516}));
    let (code, result) = world.file("b.txt", format!("\n{}\n", key())).run(Word::Secrets);
    assert_eq!((code, result["message"].as_str()), (0, Some("passed with findings: 1 high")));
    let report = world.report("gitleaks.sarif");
    assert!(!report.contains("hunter2") && report.contains("\"uri\": \"b.txt\""), "{report}");
    assert!(report.contains("\"startLine\": 2"), "{report}");
}

#[test]
fn gitleaks_that_lies_or_breaks_is_an_error() {
    let world = World::new("SECRETS");
    let planted = r#"report=$(printf '%s' "$report" | sed 's/"results":.*/"results": [RESULTS]}]}/')"#;
    let cases = [
        (gitleaks("code=0"), "says it found nothing"),
        (gitleaks(&planted.replace("RESULTS", "")), "says it found something"),
        (gitleaks(&format!("code=0; {}", planted.replace("RESULTS", ""))), "did not find the key that was planted"),
        (gitleaks(&planted.replace("RESULTS", &RESULT.replace('\n', ""))), "reports a file that it was not given"),
        (gitleaks("report=${report//aws-access-token/other}"), "did not find the key that was planted"),
        (gitleaks("exit 1"), "exit code 1"),
        (gitleaks("bytes=0"), "read 0 of "),
        (gitleaks("bytes=$((bytes - 1))"), " bytes"),
        (gitleaks("echo '1:01PM ERR [git] fatal: no'"), "met errors"),
        (gitleaks("echo 'WRN skipping file: permission denied'"), "passed over 1"),
        (gitleaks("exit 10"), "wrote no report"),
        (gitleaks("report="), "empty report"),
        (gitleaks("report='{\"runs\": ['"), "no JSON"),
        (gitleaks("report='{\"runs\": []}'"), "its report is empty"),
        (gitleaks("report='{\"runs\": [1, {\"results\": [2]}]}'"), "not given"),
        (gitleaks("kill -KILL $$"), "signal 9"),
        ("echo out of luck >&2; exit 126".to_owned(), "exit code 126: out of luck"),
    ];
    for (script, expected) in cases {
        let message = world.tool("gitleaks", &script).tool_error(Word::Secrets);
        assert!(message.contains(expected), "{message} for {script}");
    }
    fs::remove_file(world.dir.path().join("bin/gitleaks")).unwrap();
    assert!(world.tool_error(Word::Secrets).contains("gitleaks cannot be run"));
    fs::remove_file(world.dir.path().join("app/a.txt")).unwrap();
    assert!(world.tool("gitleaks", &gitleaks("")).tool_error(Word::Secrets).contains("nothing to read"));
}

#[test]
fn history_without_a_history_is_an_error() {
    let world = World::new("SECRETS").with("SCAN_MODE", "git");
    world.tool("gitleaks", &gitleaks(""));
    assert!(world.tool_error(Word::Secrets).contains("no .git folder"));
    fs::create_dir_all(world.dir.path().join("app/.git/objects")).unwrap();
    assert!(world.tool_error(Word::Secrets).contains("no commit"));
    fs::write(world.dir.path().join("app/.git/HEAD"), "a".repeat(40)).unwrap();
    assert!(world.tool_error(Word::Secrets).contains("scanned no commit"));
    assert!(World::new("SECRETS").with("SCAN_MODE", "all").tool_error(Word::Secrets).contains("`all` is unknown"));
}

/// A semgrep that finds what was planted, and these results beside it.
fn semgrep(results: &str, scanned: &str, errors: &str, code: u8) -> String {
    let planted = |language: &str, file: &str| {
        r#"{"ruleId": "$id-LANGUAGE", "level": "note", "message": {"text": "m"}, "locations": [{"physicalLocation":
        {"artifactLocation": {"uri": "$place/canary/FILE"}, "region": {"startLine": 5}}}]}"#
            .replace("LANGUAGE", language)
            .replace("FILE", file)
    };
    let planted =
        [planted("java", "Canary.java"), planted("javascript", "canary.js"), planted("typescript", "canary.ts")]
            .join(", ");
    let comma = if results.is_empty() { "" } else { ", " };
    let sarif = sarif(&format!("{planted}{comma}{results}"));
    let matches = vec!["{}"; sarif.matches("ruleId").count()].join(", ");
    let json = format!(
        r#"{{"results": [{matches}], "errors": [{errors}], "paths": {{"scanned": [{scanned}], "skipped": []}}}}"#
    );
    let find = "for arg in \"$@\"; do case \"$arg\" in */canary.yaml) place=${arg%/*}; id=$(sed -n 's/.*id: \\(.*\\)-java$/\\1/p' \"$arg\") ;; \
                */app) app=$arg ;; esac; done";
    format!("{find}\ncat >\"$sarif\" <<END\n{sarif}\nEND\ncat >\"$out\" <<END\n{json}\nEND\nexit {code}")
}

#[test]
fn semgrep_is_believed_when_both_reports_and_the_code_agree() {
    let world = World::new("SAST");
    fs::write(world.dir.path().join("app/.semgrepignore"), "*").unwrap();
    fs::write(world.dir.path().join("app/A.java"), "\nx(); // NOSEMGREP\n").unwrap();
    let torn = r#"{"level": "warn", "path": "$app/B.java", "type": ["PartialParsing", []]}"#;
    let (code, result) = world.tool("semgrep", &semgrep(RESULT, "\"$app/A.java\"", torn, 1)).run(Word::Sast);
    assert_eq!((code, result["message"].as_str()), (0, Some("passed with findings: 1 high")));
    let warnings: Vec<&str> = result["warnings"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
    assert_eq!(warnings, [".semgrepignore found: ignored", "A.java:2 says `nosem`: ignored"]);
    assert_eq!(result["details"]["scanned"], json!({"files": 1}));
    assert_eq!(
        result["details"]["skipped"],
        json!([{"path": "B.java", "reason": "it cannot be parsed as a whole, line 1"}])
    );
    assert_eq!(result["details"]["skipped_total"], 1);
    assert!(!world.report("semgrep.sarif").contains("hunter2"));
}

#[test]
fn semgrep_that_lies_or_breaks_is_an_error() {
    let world = World::new("SAST");
    let (none, file) = ("", "\"$app/A.java\"");
    let cases = [
        // A home that cannot be written: semgrep crashes with the code for findings.
        (
            "echo 'PermissionError: [Errno 13] /home' >&2; exit 1".to_owned(),
            "no report that can be read: PermissionError",
        ),
        (semgrep(none, none, none, 1), "scanned nothing"),
        (
            semgrep(none, file, none, 1).replace("ruleId", "rule"),
            "did not find the hole that was planted for it in Canary.java",
        ),
        (
            semgrep(none, file, none, 1).replace("$id-typescript", "other"),
            "did not find the hole that was planted for it in canary.ts",
        ),
        (semgrep(none, file, none, 1).replace("canary/canary.js", "canary/Canary.java"), "planted for it in canary.js"),
        (
            semgrep(none, file, none, 1).replace("\"errors\"", "\"skipped_rules\": [{}], \"errors\""),
            "left out the rule",
        ),
        (semgrep(RESULT, file, none, 0), "says it found nothing"),
        (semgrep(none, file, r#"{"level": "error", "message": "Rule parse error"}"#, 0), "Rule parse error"),
        (semgrep(none, file, r#"{"level": "error", "message": "Invalid YAML"}"#, 7), "exit code 7: Invalid YAML"),
        (semgrep(RESULT, file, none, 1).replace("{}, {}, {}, {}", "{}"), "different things"),
        (semgrep(none, file, none, 0).replace("exit 0", "kill -KILL $$"), "signal 9"),
        (format!("echo '{{\"results\": [' >\"$out\"; {}", "exit 0"), "no report that can be read"),
    ];
    for (script, expected) in cases {
        let message = world.tool("semgrep", &script).tool_error(Word::Sast);
        assert!(message.contains(expected), "{message} for {script}");
    }
}

#[test]
fn the_exit_code_of_a_custom_tool_is_the_verdict() {
    let world = |tool: &str| World::new("SECRETS").with("SCAN_MODE", "custom").with("CUSTOM_TOOL_CMD", tool);
    let install =
        "mkdir -p ~/.local/bin && printf '#!/bin/sh\\necho \"[$*]\"' >~/.local/bin/mine && chmod +x ~/.local/bin/mine";
    let clean = world("mine 'a  b' && exit 0").with("CUSTOM_INSTALL_CMD", install).with("CUSTOM_LOG_EXT", "txt");
    assert_eq!(clean.run(Word::Secrets).0, 0);
    assert_eq!(clean.report("SECRETS.txt"), "[a  b]\n");
    let found = world("echo '{}'; exit 1").with("CUSTOM_LOG_EXT", "../x");
    let (code, result) = found.run(Word::Secrets);
    assert_eq!((code, result["message"].as_str()), (0, Some("passed with findings: 1 medium")));
    assert_eq!(found.report("SECRETS.json"), "{}\n");
    assert!(found.report("custom.sarif").contains("\"uri\": \"SECRETS.json\""));
    for (tool, expected) in [
        ("exit 2", "error of its own"),
        ("exit 3", "neither clean nor findings"),
        ("kill -TERM $$", "signal 15"),
        ("sudo true", "sudo is refused"),
        (" ", "no tool to run"),
    ] {
        let message = world(tool).tool_error(Word::Secrets);
        assert!(message.contains(expected), "{message} for {tool}");
    }
    let broken = world("exit 0").with("CUSTOM_INSTALL_CMD", "echo no such package; exit 1");
    assert!(broken.tool_error(Word::Secrets).contains("the install command failed with exit code 1: no such package"));
}

const BILL: &str = r#"{"bomFormat": "CycloneDX", "components": [{"type": "library", "group": "g", "name": "a", "version": "1",
    "purl": "pkg:maven/g/a@1", "properties": [{"name": "syft:location:0:path", "value": "/lib.lock"}]}]}"#;
const CLEAN: &str =
    r#"{"results": [{"source": {"path": "x"}, "packages": [{"package": {"name": "a", "version": "1"}}]}]}"#;

/// A syft that answers with a bill, and that sees what is planted.
fn syft(bill: &str) -> String {
    let planted = r#"{"name": "NAME", "version": "1.0.0", "purl": "pkg:TYPE/NAME@1.0.0"}"#;
    let [gem, dart] = ["gem", "pub"].map(|kind| planted.replace("TYPE", kind));
    format!(
        "name=$(sed -n 's/ (1.0.0)//p' \"${{2#dir:}}/Gemfile.lock\" 2>/dev/null | tr -d ' ')\n\
         if [ -n \"$name\" ]; then sed \"s/NAME/$name/g\" >\"$out\" <<'END'\n{{\"components\": [{gem}, {dart}]}}\nEND\nexit; fi\n\
         cat >\"$out\" <<'END'\n{bill}\nEND"
    )
}

/// An osv-scanner that answers with a report, and that finds what is planted.
fn osv(report: &str, code: u8) -> String {
    let planted = r#"{"package": {"name": "NAME", "version": "1.0.0"}, "groups": [{"ids": ["PIPELINEX-NAME"]}]}"#;
    let report = report.replace("\"packages\": [", &format!("\"packages\": [{planted}, "));
    format!(
        "name=$(sed -n 's|.*pkg:gem/\\([a-z]*\\)@.*|\\1|p' \"${{@: -1}}\")\n\
         sed \"s/NAME/$name/g\" >\"$out\" <<'END'\n{report}\nEND\nexit {code}"
    )
}

#[test]
fn what_was_looked_up_is_told_with_the_age_of_the_advisories() {
    let world = World::new("SCA");
    let (code, result) = world.tool("syft", &syft(BILL)).tool("osv-scanner", &osv(CLEAN, 1)).run(Word::Sca);
    let message = result["message"].as_str().unwrap();
    assert!(message.starts_with("no known vulnerabilities in 1 components; advisories of 2026-11-20"), "{message}");
    assert_eq!((code, &result["details"]["advisories"]["Maven"]["sha256"]), (0, &Value::from("5ha")));
    assert!(world.report("osv.json").contains("\"location\": \"lib.lock\""));
    world.database("2020-01-01T00:00:00Z");
    let warnings = world.run(Word::Sca).1["warnings"].to_string();
    assert!(warnings.contains("days old"), "{warnings}");
}

#[test]
fn what_was_not_looked_up_is_an_error() {
    let world = World::new("SCA");
    let found = CLEAN.replace("{\"package\"", "{\"groups\": [{\"ids\": [\"CVE-1\"]}], \"package\"");
    let good = osv(CLEAN, 1);
    let unversioned = BILL.replace("\"version\": \"1\"", "\"version\": \"UNKNOWN\"");
    let cases = [
        (syft(BILL), osv(CLEAN, 0), "did not find the advisory that was planted"),
        (syft(BILL), osv(CLEAN, 1).replace("PIPELINEX-", "OTHER-"), "did not find the advisory that was planted"),
        (syft(BILL).replace("$name/g", "other/g"), good.clone(), "did not find the components that were planted"),
        (syft(BILL), osv(CLEAN, 128), "found nothing to scan"),
        (syft(BILL), osv(CLEAN, 127), "exit code 127"),
        (syft(BILL), osv("{\"results\": [{\"packages\": []}]}", 1).replace("]}, ]", "]}]"), "looked nothing up"),
        (syft(BILL), "exit 1".to_owned(), "wrote no report"),
        (syft(BILL), "kill -KILL $$".to_owned(), "signal 9"),
        ("exit 1".to_owned(), good.clone(), "syft failed"),
        (syft("{\"bomFormat\": \"CycloneDX\"}"), good.clone(), "no component with a version"),
        (syft("{\"bomFormat\": \"Cyc"), good.clone(), "no JSON"),
        (syft(&unversioned), good.clone(), "have no version"),
        (syft(&BILL.replace("pkg:maven", "pkg:npm")), good.clone(), "nothing on npm: add it with `pipelinex db"),
    ];
    for (bill, answer, expected) in cases {
        let message = world.tool("syft", &bill).tool("osv-scanner", &answer).tool_error(Word::Sca);
        assert!(message.contains(expected), "{message} for {bill} {answer}");
    }
    let pom = "<project><dependencies><dependency></dependency></dependencies></project>";
    fs::write(world.dir.path().join("app/pom.xml"), pom).unwrap();
    let message = world.tool("syft", &syft(BILL)).tool("osv-scanner", &osv(&found, 1)).tool_error(Word::Sca);
    assert!(message.contains("Select run_package") && message.contains("1 medium"), "{message}");
    assert!(world.report("osv.json").contains("CVE-1"));
    fs::create_dir_all(world.dir.path().join("inputs/package")).unwrap();
    fs::write(world.dir.path().join("inputs/package/a.jar"), "no jar").unwrap();
    assert!(world.tool_error(Word::Sca).contains("recognised nothing in a.jar"));
    fs::remove_dir_all(world.dir.path().join("advisories/osv-scalibr")).unwrap();
    fs::remove_dir_all(world.dir.path().join("inputs")).unwrap();
    assert!(world.tool_error(Word::Sca).contains("nothing on Maven"));
}
