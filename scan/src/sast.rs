//! SAST: semgrep over the whole project, by our rules alone.
//!
//! Without its flags semgrep passes over tests/, node_modules/ and the like, over files of more than 1 MB, over what
//! .gitignore and .semgrepignore name, and over lines with a `nosemgrep` comment. A project that chooses what is scanned
//! is not scanned. A rule that cannot be used is only a remark to semgrep, too; here it is an error.
//!
//! Which sources there are is found out by a walk of our own. One that a compiler reads otherwise than semgrep does is scanned
//! twice, as it is and as the compiler reads it. What semgrep did not read as a whole is unread.

mod archives;
mod build_files;
mod canary;
mod language;
mod readings;
mod rules;
mod sources;

use std::{collections::BTreeSet, path::Path, thread};

use serde_json::{Value, json};

use self::{canary::Canary, rules::Rules, sources::Sources};
use crate::{
    project, report, sarif,
    stage::{Failure, Stage, say},
    tool::Tool,
};

/// Files that are named in one message.
const MAX_NAMED: usize = 10;
/// Longest time for one rule on one file, in seconds, unless SAST_RULE_SECONDS says otherwise; what takes longer is unread.
const RULE_SECONDS: u64 = 30;
/// After so many rules that took too long a file is given up: it is unread already, and others wait.
const TIMEOUTS: &str = "3";

pub(crate) fn run(stage: &mut Stage) -> Result<String, Failure> {
    project::tell_of_suppressions(stage, &[".semgrepignore"], &["nosem"]);
    // A project cannot name what lies here.
    let place = tempfile::Builder::new().prefix("s").rand_bytes(20).tempdir_in(stage.scratch.path());
    let place = place.map_err(|error| Failure::tool(format!("/tmp: {error}")))?;
    let rules = Rules::open(&stage.pipelines.join("global/semgrep"))?;
    let canary = Canary::plant(&rules, place.path())?;
    let sources = Sources::find(stage, place.path().join("read"), rules.languages.clone())?;
    let (code, told, mut report) = semgrep(stage, &canary, place.path())?;
    judge(stage, &told, &sources)?;
    let total: usize = report::items(&mut report, "runs").map(|run| report::items(run, "results").count()).sum();
    report::agree("semgrep", code == 1, total)?;
    if told["results"].as_array().map(Vec::len) != Some(total) {
        return Err(Failure::tool("semgrep wrote two reports that say different things"));
    }
    let planted = relocate(stage, &mut report, &sources, &place.path().join("canary"));
    canary.check(&planted)?;
    if !sources.build.moves_sources {
        leave_out_tests(&mut report, &rules, &format!("{}/", stage.app.display()));
    }
    sarif::clean(&mut report, &format!("{}/", stage.app.display()));
    sarif::messages_of_rules(&mut report);
    let findings = sarif::keep(stage, "semgrep", "semgrep.sarif", &report)?;
    findings.iter().for_each(|finding| say(&report::line(finding)));
    Ok(report::summary(&findings, "no findings"))
}

/// Runs semgrep: its exit code, its JSON and its SARIF.
fn semgrep(stage: &Stage, canary: &Canary, place: &Path) -> Result<(i32, Value, Value), Failure> {
    let (json, sarif_path) = (stage.scratch("semgrep.json"), stage.scratch("semgrep.sarif"));
    let jobs = thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let seconds = stage.number("SAST_RULE_SECONDS", RULE_SECONDS, 1..=3600)?.to_string();
    let tool = Tool::new(stage, "semgrep")
        .args(["scan", "--metrics=off", "--disable-version-check", "--error", "--verbose"])
        .arg("--config")
        .arg(stage.pipelines.join("global/semgrep"))
        .arg("--config")
        .arg(&canary.config)
        .args(["--no-rewrite-rule-ids", "--disable-nosem", "--no-git-ignore", "--x-ignore-semgrepignore-files"])
        .args(["--max-target-bytes", "0", "--no-exclude-binary-files"])
        .args(["--timeout", &seconds, "--timeout-threshold", TIMEOUTS, "--jobs", &jobs.to_string()])
        .arg(format!("--sarif-output={}", sarif_path.display()))
        .args(["--json", "--output"])
        .arg(&json)
        .arg(&stage.app)
        .arg(place.join("canary"))
        .arg(place.join("read"));
    // What it prints shows code, and with the code what a rule on credentials found.
    let ended = tool.run(|line| (line.contains("ERROR") || line.contains("Error:")).then(|| line.to_owned()))?;
    let code = ended.code()?;
    if code != 0 && code != 1 {
        let reason = report::json("semgrep", &json).ok().and_then(|told| error_in(&told));
        let reason = reason.map(|reason| format!(": {reason}")).unwrap_or_default();
        return Err(ended.failed(&format!("failed with exit code {code}{reason}")));
    }
    // A crash, for example on a home that cannot be written, ends with the code for findings and writes nothing.
    let told = report::json("semgrep", &json).map_err(|_| ended.failed("left no report that can be read"))?;
    Ok((code, told, report::json("semgrep", &sarif_path)?))
}

/// Whether everything was scanned that could be, by every rule; notes what was not.
fn judge(stage: &mut Stage, told: &Value, sources: &Sources) -> Result<(), Failure> {
    let errors = told["errors"].as_array().ok_or_else(|| Failure::tool("semgrep's report lists no errors"))?;
    if let Some(what) = error_in(told) {
        return Err(Failure::tool(format!("semgrep cannot use its rules or met an error: {what}")));
    }
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    if let [rule, ..] = list(&told["skipped_rules"]).as_slice() {
        let rule = rule["rule_id"].as_str().unwrap_or("without a name");
        return Err(Failure::tool(format!("semgrep left out the rule {rule}")));
    }
    let origin = |path: &Value| sources.origin(&stage.app, path.as_str()?);
    let scanned: BTreeSet<_> = list(&told["paths"]["scanned"]).iter().filter_map(origin).collect();
    let files = scanned.iter().map(|(path, _)| path).collect::<BTreeSet<_>>().len();
    if files == 0 {
        return Err(Failure::tool("semgrep scanned nothing: there is no file in a language that the rules know"));
    }
    let skipped = list(&told["paths"]["skipped"]);
    let refused = skipped.iter().filter(|skip| skip["reason"] == "insufficient_permissions");
    let refused: Vec<String> = refused.filter_map(|skip| origin(&skip["path"])).map(|(path, _)| path).collect();
    if !refused.is_empty() {
        return Err(Failure::tool(format!("semgrep could not read {}", listed(&refused))));
    }
    let mut unread: Vec<(String, String)> = Vec::new();
    for error in errors {
        match origin(&error["path"]) {
            Some((path, copy)) if sources.counts(&path, copy) => unread.push((path, reason(error, sources, copy))),
            // The form of it that counts has its own words.
            Some(_) => {}
            None => unread.push((String::new(), reason(error, sources, None))),
        }
    }
    let passed_over = skipped.iter().filter_map(|skip| Some((origin(&skip["path"])?.0, skip["reason"].as_str()?)));
    unread.extend(passed_over.map(|(path, why)| (path, format!("semgrep passed it over: {why}"))));
    unread.extend(sources.missing(&scanned).map(|path| (path.to_owned(), "semgrep passed it over".to_owned())));
    stage.coverage.scanned(files, None);
    unread.iter().for_each(|(path, why)| stage.coverage.skip(path, why));
    Ok(())
}

/// What kept semgrep from reading a file as a whole, without the code that it quotes.
fn reason(error: &Value, sources: &Sources, copy: Option<usize>) -> String {
    let kind = error["type"].as_str().or(error["type"][0].as_str()).unwrap_or("an error without a name");
    let rule = error["rule_id"].as_str().unwrap_or("a rule");
    match kind {
        "Timeout" => format!("{rule} took longer than it may (SAST_RULE_SECONDS)"),
        "PartialParsing" | "Syntax error" => {
            let line = error["spans"][0]["start"]["line"].as_u64().unwrap_or(1);
            let line = copy.map_or(line, |copy| sources.line(copy, line));
            format!("it cannot be parsed as a whole, line {line}")
        }
        kind => format!("semgrep: {kind}"),
    }
}

/// Takes the planted findings out, and puts those in copies where they belong: at the line of the source, each once. Returns the
/// rules that found what was planted, and in which file.
fn relocate(stage: &Stage, report: &mut Value, sources: &Sources, planted: &Path) -> Vec<(String, String)> {
    let (mut rules, mut seen) = (Vec::new(), BTreeSet::new());
    for run in report::items(report, "runs") {
        if let Some(Value::Array(all)) = run.pointer_mut("/tool/driver/rules") {
            all.retain(|rule| !rule["id"].as_str().is_some_and(|id| id.starts_with("canary-s")));
        }
        let Some(Value::Array(results)) = run.get_mut("results") else { continue };
        let (mut plain, mut copied) = (Vec::new(), Vec::new());
        for mut result in results.drain(..) {
            let rule = result["ruleId"].as_str().unwrap_or_default().to_owned();
            // The list of rules has become shorter.
            result.as_object_mut().map(|result| result.remove("ruleIndex"));
            let place = result.pointer("/locations/0/physicalLocation").cloned().unwrap_or_default();
            let uri = place["artifactLocation"]["uri"].as_str().unwrap_or_default();
            let line = place["region"]["startLine"].as_u64().unwrap_or(1);
            match sources.origin(&stage.app, uri) {
                _ if Path::new(uri).starts_with(planted) => {
                    let name = Path::new(uri).file_name().map(|name| name.to_string_lossy().into_owned());
                    rules.push((rule, name.unwrap_or_default()));
                }
                Some((path, Some(copy))) => {
                    let line = sources.line(copy, line);
                    let location = json!({"physicalLocation": {
                        "artifactLocation": {"uri": path}, "region": {"startLine": line, "endLine": line}}});
                    result["locations"] = json!([location]);
                    copied.push(((rule, path, line), result));
                }
                Some((path, None)) => {
                    seen.insert((rule, path, line));
                    plain.push(result);
                }
                None => plain.push(result),
            }
        }
        plain.extend(copied.into_iter().filter(|(key, _)| !seen.contains(key)).map(|(_, result)| result));
        *results = plain;
    }
    rules
}

/// Takes out what rules that say so find in the sources of tests.
fn leave_out_tests(report: &mut Value, rules: &Rules, root: &str) {
    for run in report::items(report, "runs") {
        let Some(Value::Array(results)) = run.get_mut("results") else { continue };
        results.retain(|result| {
            let rule = result["ruleId"].as_str().unwrap_or_default();
            let path = result.pointer("/locations/0/physicalLocation/artifactLocation/uri").and_then(Value::as_str);
            !(rules.without_tests.contains(rule)
                && path.is_some_and(|path| is_of_tests(path.strip_prefix(root).unwrap_or(path))))
        });
    }
}

/// Whether a path is where the sources of tests are by convention. With a second `src` in it it could also be those of a project
/// or of a package that is called so.
fn is_of_tests(path: &str) -> bool {
    let parts: Vec<&str> = path.split('/').collect();
    let at = parts.iter().position(|part| *part == "src");
    at.is_some_and(|at| parts.get(at + 1) == Some(&"test") && !parts[at + 1..].contains(&"src"))
}

/// The first error that is more than a remark on a file.
fn error_in(told: &Value) -> Option<String> {
    let error = told["errors"].as_array()?.iter().find(|error| error["level"] == "error")?;
    let what = error["message"].as_str().or(error["long_msg"].as_str()).unwrap_or("no reason given");
    let file = error["spans"][0]["file"].as_str().map(|file| format!(" ({file})")).unwrap_or_default();
    Some(format!("{what}{file}"))
}

fn listed(names: &[String]) -> String {
    let more = names.len().saturating_sub(MAX_NAMED);
    let rest = if more > 0 { format!(" and {more} more") } else { String::new() };
    format!("{}{rest}", names.iter().take(MAX_NAMED).cloned().collect::<Vec<_>>().join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_of_tests_are_where_the_first_src_leads() {
        for (path, expected) in [
            ("src/test/java/a/ATest.java", true),
            ("module/src/test/resources/a.yml", true),
            ("src/main/java/src/test/A.java", false),
            ("src/test/src/main/java/A.java", false),
            ("src/main/java/a/A.java", false),
            ("test/A.java", false),
        ] {
            assert_eq!(is_of_tests(path), expected, "{path}");
        }
    }
}
