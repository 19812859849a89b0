//! SAST: semgrep over the whole project, by our rules alone.
//!
//! Without its flags semgrep passes over tests/, node_modules/ and the like, over files of more than 1 MB, over what
//! .gitignore and .semgrepignore name, and over lines with a `nosemgrep` comment. A project that chooses what is scanned
//! is not scanned. A rule that cannot be used is only a remark to semgrep, too; here it is an error.

use std::{collections::BTreeSet, path::Path, thread};

use serde_json::Value;

use crate::{
    project, report, sarif,
    stage::{Failure, Stage, say},
    tool::Tool,
};

/// Files that are named in one warning.
const MAX_NAMED: usize = 10;
/// Longest time for one rule on one file, in seconds; what takes longer is told as not scanned.
const RULE_TIMEOUT: &str = "30";

pub(crate) fn run(stage: &mut Stage) -> Result<String, Failure> {
    project::tell_of_suppressions(stage, &[".semgrepignore"], &["nosem"]);
    let (json, sarif_path) = (stage.scratch("semgrep.json"), stage.scratch("semgrep.sarif"));
    let jobs = thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let tool = Tool::new(stage, "semgrep")
        .args(["scan", "--metrics=off", "--disable-version-check", "--error", "--verbose"])
        .arg("--config")
        .arg(stage.pipelines.join("global/semgrep"))
        .args(["--no-rewrite-rule-ids", "--disable-nosem", "--no-git-ignore", "--x-ignore-semgrepignore-files"])
        .args(["--max-target-bytes", "0", "--no-exclude-binary-files"])
        .args(["--timeout", RULE_TIMEOUT, "--timeout-threshold", "0", "--jobs", &jobs.to_string()])
        .arg(format!("--sarif-output={}", sarif_path.display()))
        .args(["--json", "--output"])
        .arg(&json)
        .arg(&stage.app);
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
    let mut report = report::json("semgrep", &sarif_path)?;
    judge(stage, &told)?;
    let root = format!("{}/", stage.app.display());
    sarif::clean(&mut report, &root);
    sarif::messages_of_rules(&mut report);
    let findings = sarif::keep(stage, "semgrep", "semgrep.sarif", &report)?;
    report::agree("semgrep", code == 1, findings.len())?;
    let results = |report: &Value| report["results"].as_array().map(Vec::len);
    if results(&told) != results(&report["runs"][0]) {
        return Err(Failure::tool("semgrep wrote two reports that say different things"));
    }
    findings.iter().for_each(|finding| say(&report::line(finding)));
    Ok(report::summary(&findings, "no findings"))
}

/// Whether everything was scanned that could be, by every rule; says what was not.
fn judge(stage: &mut Stage, told: &Value) -> Result<(), Failure> {
    let errors = told["errors"].as_array().ok_or_else(|| Failure::tool("semgrep's report lists no errors"))?;
    if let Some(what) = error_in(told) {
        return Err(Failure::tool(format!("semgrep cannot use its rules or met an error: {what}")));
    }
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let scanned = list(&told["paths"]["scanned"]).len();
    if scanned == 0 {
        return Err(Failure::tool("semgrep scanned nothing: there is no file in a language that the rules know"));
    }
    stage.coverage.scanned(scanned, None);
    let skipped = list(&told["paths"]["skipped"]);
    let refused = skipped.iter().filter(|skip| skip["reason"] == "insufficient_permissions");
    let refused = names(&stage.app, refused.map(|skip| &skip["path"]));
    if !refused.is_empty() {
        return Err(Failure::tool(format!("semgrep could not read {}", listed(&refused))));
    }
    let reasons = errors.iter().map(|error| (&error["path"], kind(error)));
    let skipped = skipped.iter().map(|skip| (&skip["path"], skip["reason"].as_str().unwrap_or_default().to_owned()));
    let unread: Vec<_> = reasons.chain(skipped).map(|(path, reason)| (name(&stage.app, path), reason)).collect();
    unread.iter().for_each(|(path, reason)| stage.coverage.skip(path.as_deref().unwrap_or_default(), reason));
    Ok(())
}

/// The first error that is more than a remark on a file.
fn error_in(told: &Value) -> Option<String> {
    let error = told["errors"].as_array()?.iter().find(|error| error["level"] == "error")?;
    let what = error["message"].as_str().or(error["long_msg"].as_str()).unwrap_or("no reason given");
    let file = error["spans"][0]["file"].as_str().map(|file| format!(" ({file})")).unwrap_or_default();
    Some(format!("{what}{file}"))
}

/// What kept semgrep from reading a file as a whole: the kind of error without the code that it quotes.
fn kind(error: &Value) -> String {
    let kind = error["type"].as_str().or(error["type"][0].as_str()).unwrap_or("an error of semgrep");
    format!("semgrep: {kind}")
}

fn name(app: &Path, path: &Value) -> Option<String> {
    let path = Path::new(path.as_str()?);
    Some(path.strip_prefix(app).unwrap_or(path).display().to_string())
}

fn names<'a>(app: &Path, paths: impl Iterator<Item = &'a Value>) -> BTreeSet<String> {
    paths.filter_map(|path| name(app, path)).collect()
}

fn listed(names: &BTreeSet<String>) -> String {
    let shown: Vec<&str> = names.iter().take(MAX_NAMED).map(String::as_str).collect();
    let more = names.len().saturating_sub(MAX_NAMED);
    let rest = if more > 0 { format!(" and {more} more") } else { String::new() };
    format!("{}{rest}", shown.join(", "))
}
