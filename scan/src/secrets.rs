//! SECRETS: gitleaks over what was submitted or over its history, by our rules alone.
//!
//! gitleaks says "no leaks found", with exit code 0, also where git refused, where nothing could be read, and where
//! attributes of the project made git call every file binary. So what it says that it scanned must be more than nothing,
//! and any error it logs is one.

mod history;

use std::os::unix::fs::symlink;

use pipelinex_findings::Finding;
use serde_json::Value;

use crate::{
    project, report, sarif,
    stage::{Failure, Stage, say},
    tool::{Ended, Tool},
};

/// Exit code that gitleaks is told to use for findings: its own, 1, is also its code for errors.
const FOUND: i32 = 10;

/// Scans the folder as it is.
pub(crate) fn folder(stage: &mut Stage) -> Result<String, Failure> {
    tell_of_suppressions(stage);
    // gitleaks obeys a .gitleaksignore at the root of what it scans, and no flag stops it. Its entries name files as
    // gitleaks saw them, so it sees them below a link with a random name, which nobody can have written down before.
    let hidden = tempfile::Builder::new().prefix("").rand_bytes(20).tempdir_in(stage.scratch.path());
    let hidden = hidden.map_err(|error| Failure::tool(format!("/tmp: {error}")))?;
    let root = hidden.path().join("app");
    symlink(&stage.app, &root).map_err(|error| Failure::tool(format!("/tmp: {error}")))?;
    let prefix = format!("{}/", root.display());
    let scan = scan(stage, Tool::new(stage, "gitleaks").arg("dir").arg(root.join(".")), &prefix)?;
    if scan.unread > 0 {
        return Err(scan.ended.failed(&format!("could not read {} paths", scan.unread)));
    }
    finish(stage, scan, &prefix)
}

/// Scans every commit of the project's history.
pub(crate) fn history(stage: &mut Stage) -> Result<String, Failure> {
    tell_of_suppressions(stage);
    let repository = history::clean_copy(stage)?;
    let tool = Tool::new(stage, "gitleaks").arg("git").arg(&repository).arg(history::LOG_OPTIONS);
    let tool = history::without_configuration(tool);
    let scan = scan(stage, tool, "")?;
    let commits = scan.commits.filter(|commits| *commits > 0);
    let commits = commits.ok_or_else(|| scan.ended.failed("scanned no commit"))?;
    stage.detail("scanned_commits", commits);
    let mut scan = scan;
    history::repair_paths(stage, &repository, &mut scan.report)?;
    finish(stage, scan, "")
}

fn tell_of_suppressions(stage: &mut Stage) {
    project::tell_of_suppressions(stage, &[".gitleaks.toml", ".gitleaksignore"], &["gitleaks:allow"]);
}

struct Scan {
    ended: Ended,
    found: bool,
    report: Value,
    bytes: Option<u64>,
    commits: Option<u64>,
    unread: u64,
}

fn scan(stage: &Stage, tool: Tool, prefix: &str) -> Result<Scan, Failure> {
    let path = stage.scratch("gitleaks.sarif");
    let rules = stage.pipelines.join("global/gitleaks.toml");
    let tool = tool.arg("--config").arg(rules).args(["--gitleaks-ignore-path", "/nonexistent"]);
    let tool = tool.args(["--ignore-gitleaks-allow", "--redact", "--no-banner", "--no-color"]);
    let tool = tool.args(["--report-format", "sarif", "--report-path"]).arg(&path);
    let tool = tool.arg("--exit-code").arg(FOUND.to_string());
    let (mut bytes, mut commits, mut unread, mut errors) = (None, None, 0, 0);
    let ended = tool.run(|line| {
        bytes = bytes.or(report::number_after(line, "scanned ~"));
        if line.ends_with(" commits scanned.") {
            let words: Vec<&str> = line.split_whitespace().collect();
            commits = words.iter().rev().nth(2).and_then(|number| number.parse().ok());
        }
        unread += u64::from(line.contains("skipping"));
        errors += u64::from(line.contains(" ERR ") || line.contains(" FTL "));
        Some(if prefix.is_empty() { line.to_owned() } else { line.replace(prefix, "") })
    })?;
    let code = ended.code()?;
    if code != 0 && code != FOUND {
        return Err(ended.failed(&format!("failed with exit code {code}")));
    }
    if errors > 0 {
        return Err(ended.failed("met errors"));
    }
    Ok(Scan { found: code == FOUND, report: report::json("gitleaks", &path)?, ended, bytes, commits, unread })
}

fn finish(stage: &mut Stage, scan: Scan, prefix: &str) -> Result<String, Failure> {
    let bytes = scan.bytes.filter(|bytes| *bytes > 0).ok_or_else(|| scan.ended.failed("scanned nothing"))?;
    stage.detail("scanned_bytes", bytes);
    let mut report = scan.report;
    sarif::clean(&mut report, prefix);
    let findings = sarif::keep(stage, "gitleaks", "gitleaks.sarif", &report)?;
    report::agree("gitleaks", scan.found, findings.len())?;
    findings.iter().map(line).for_each(|line| say(&line));
    Ok(report::summary(&findings, "no secrets found"))
}

/// The message of a finding in history ends with its commit.
fn line(finding: &Finding) -> String {
    let commit = finding.message.split_once(" at commit ").map(|(_, commit)| commit.trim_end_matches('.'));
    commit.map_or_else(|| report::line(finding), |commit| format!("{} in commit {commit}", report::line(finding)))
}
