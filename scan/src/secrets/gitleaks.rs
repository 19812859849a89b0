//! Runs gitleaks over what was made ready for it, and brings its findings back to the files that they are in.
//!
//! Nothing is believed that is not shown: it must have read as many bytes as there are, met no error, and found the key
//! that is planted beside each batch of pieces, in a place that no project can name.

use std::{collections::BTreeSet, rc::Rc};

use serde_json::{Value, json};

use super::{
    batch::{Batch, Origin, Place, Start},
    canary::Canary,
    content::Part,
};
use crate::{
    report, sarif,
    stage::{Failure, Stage},
    tool::{Ended, Tool},
};

/// Exit code that gitleaks is told to use for findings: its own, 1, is also its code for errors.
const FOUND: i32 = 10;

/// What is said where the planted key does not come back.
const NOT_FOUND: &str = "did not find the key that was planted to try it";
/// Before the id of a blob that stands for the commit that brought it.
pub(super) const BLOB: &str = "blob:";

/// A file, or a part of one, that nobody looked at.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Unread {
    pub(super) path: String,
    pub(super) reason: String,
}

/// What gitleaks was given so far, and what it found there.
pub(super) struct Gitleaks<'a> {
    stage: &'a Stage,
    batch: Batch,
    canary: Canary,
    tool: Value,
    found: BTreeSet<Found>,
    /// Bytes that it read.
    pub(super) bytes: u64,
    /// What was left out.
    pub(super) unread: BTreeSet<Unread>,
}

/// One finding. The order is that of the report.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Found {
    path: String,
    commit: Option<String>,
    line: u64,
    column: u64,
    rule: String,
    lines: u64,
}

impl<'a> Gitleaks<'a> {
    pub(super) fn new(stage: &'a Stage) -> Result<Self, Failure> {
        let batch = Batch::new(stage.scratch("pieces")).map_err(|error| scratch(&error))?;
        let canary = Canary::new()?;
        Ok(Self { stage, batch, canary, tool: Value::Null, found: BTreeSet::new(), bytes: 0, unread: BTreeSet::new() })
    }

    /// Takes a part of a file.
    pub(super) fn take(&mut self, origin: &Rc<Origin>, part: Part<'_>) -> Result<(), Failure> {
        match part {
            Part::Text(text) => {
                let mut start = Some(Start::FIRST);
                while let Some(from) = start {
                    start = self.batch.text(origin, text, from).map_err(|error| scratch(&error))?;
                    self.run_if_full()?;
                }
            }
            Part::Strings(text, lines) => {
                self.batch.lines(origin, text, lines).map_err(|error| scratch(&error))?;
                self.run_if_full()?;
            }
            // Nobody asked for it here.
            Part::Whole(_) => {}
            Part::Unread(reason) => {
                self.unread.insert(Unread { path: origin.path.clone(), reason });
            }
        }
        Ok(())
    }

    fn run_if_full(&mut self) -> Result<(), Failure> {
        if self.batch.is_full() { self.run() } else { Ok(()) }
    }

    /// Takes the findings of a scan of a history, into which a key was planted.
    ///
    /// # Errors
    /// It did not find that key.
    pub(super) fn keep_history(&mut self, mut scan: Scan, planted: &Canary) -> Result<(), Failure> {
        let mut back = false;
        for run in report::items(&mut scan.report, "runs") {
            self.tool = run["tool"].clone();
            for result in report::items(run, "results") {
                let (path, region) = where_found(result);
                if path == planted.file() {
                    back |= result["ruleId"] == planted.rule();
                    continue;
                }
                let commit = result["partialFingerprints"]["commitSha"].as_str().map(str::to_owned);
                let origin = Rc::new(Origin { path, commit });
                let number = |key: &str| region[key].as_u64().unwrap_or(1);
                let place = Place { origin, line: number("startLine"), column: number("startColumn") };
                let rule = result["ruleId"].as_str().unwrap_or_default().to_owned();
                self.found.insert(Found::new(place, rule, number("endLine").saturating_sub(number("startLine"))));
            }
        }
        self.bytes += scan.bytes.unwrap_or_default();
        if back { Ok(()) } else { Err(scan.ended.failed(NOT_FOUND)) }
    }

    /// The report on everything. `commit_of` says which commit brought a blob.
    ///
    /// # Errors
    /// gitleaks broke, passed something over, or was given nothing at all.
    pub(super) fn finish(&mut self, commit_of: impl Fn(&str) -> Result<String, Failure>) -> Result<Value, Failure> {
        if !self.batch.is_empty() {
            self.run()?;
        }
        if self.bytes == 0 {
            return Err(Failure::tool("gitleaks scanned nothing: there is nothing to read"));
        }
        for mut found in std::mem::take(&mut self.found) {
            if let Some(blob) = found.commit.as_ref().and_then(|commit| commit.strip_prefix(BLOB)) {
                found.commit = Some(commit_of(blob)?);
            }
            self.found.insert(found);
        }
        let results: Vec<Value> = self.found.iter().map(Found::result).collect();
        Ok(json!({"version": "2.1.0", "runs": [{"tool": self.tool, "results": results}]}))
    }

    fn run(&mut self) -> Result<(), Failure> {
        let text = self.canary.text();
        self.batch.put(self.canary.file(), text.as_bytes()).map_err(|error| scratch(&error))?;
        let tool = Tool::new(self.stage, "gitleaks").arg("dir").arg(self.batch.folder());
        let scan = scan(self.stage, tool)?;
        let given = self.batch.bytes() as u64;
        if scan.bytes != Some(given) {
            let read = scan.bytes.unwrap_or_default();
            return Err(scan.ended.failed(&format!("read {read} of {given} bytes")));
        }
        self.bytes += given - text.len() as u64;
        self.keep(scan)?;
        self.batch.clear().map_err(|error| scratch(&error))
    }

    fn keep(&mut self, mut scan: Scan) -> Result<(), Failure> {
        let mut planted = false;
        for run in report::items(&mut scan.report, "runs") {
            self.tool = run["tool"].clone();
            for result in report::items(run, "results") {
                let (file, region) = where_found(result);
                if file.ends_with(self.canary.file()) {
                    planted |= result["ruleId"] == self.canary.rule();
                    continue;
                }
                let number = |key: &str| region[key].as_u64().unwrap_or(1);
                let place = self.batch.place(&file, number("startLine"), number("startColumn"));
                let place = place.ok_or_else(|| scan.ended.failed("reports a file that it was not given"))?;
                let rule = result["ruleId"].as_str().unwrap_or_default().to_owned();
                let lines = number("endLine").saturating_sub(number("startLine"));
                self.found.insert(Found::new(place, rule, lines));
            }
        }
        if planted { Ok(()) } else { Err(scan.ended.failed(NOT_FOUND)) }
    }
}

fn where_found(result: &Value) -> (String, Value) {
    let place = result.pointer("/locations/0/physicalLocation").cloned().unwrap_or_default();
    (place["artifactLocation"]["uri"].as_str().unwrap_or_default().to_owned(), place["region"].clone())
}

impl Found {
    fn new(place: Place, rule: String, lines: u64) -> Self {
        let (path, commit) = (place.origin.path.clone(), place.origin.commit.clone());
        Self { path, commit, line: place.line, column: place.column, rule, lines }
    }

    fn result(&self) -> Value {
        let at = self.commit.as_ref().map(|commit| format!(" at commit {commit}")).unwrap_or_default();
        json!({
            "ruleId": self.rule,
            "message": {"text": format!("{} has detected secret for file {}{at}.", self.rule, self.path)},
            "locations": [{"physicalLocation": {
                "artifactLocation": {"uri": self.path},
                "region": {"startLine": self.line, "startColumn": self.column, "endLine": self.line + self.lines},
            }}],
            "partialFingerprints": {"commitSha": self.commit},
        })
    }
}

fn scratch(error: &std::io::Error) -> Failure {
    Failure::tool(format!("/tmp: {error}"))
}

/// One run of gitleaks.
pub(super) struct Scan {
    pub(super) ended: Ended,
    pub(super) report: Value,
    pub(super) bytes: Option<u64>,
    pub(super) commits: Option<u64>,
}

/// Runs gitleaks by our rules alone. Something is always planted, so it must have found something.
pub(super) fn scan(stage: &Stage, tool: Tool) -> Result<Scan, Failure> {
    let path = stage.scratch("gitleaks.sarif");
    let rules = stage.pipelines.join("global/gitleaks.toml");
    let tool = tool.arg("--config").arg(rules).args(["--gitleaks-ignore-path", "/nonexistent"]);
    let tool = tool.args(["--ignore-gitleaks-allow", "--redact", "--no-banner", "--no-color"]);
    let tool = tool.args(["--report-format", "sarif", "--report-path"]).arg(&path);
    let tool = tool.arg("--exit-code").arg(FOUND.to_string());
    let (mut bytes, mut commits, mut skipped, mut errors) = (None, None, 0, 0);
    let ended = tool.run(|line| {
        bytes = bytes.or(report::number_after(line, "scanned ~"));
        if line.ends_with(" commits scanned.") {
            let words: Vec<&str> = line.split_whitespace().collect();
            commits = words.iter().rev().nth(2).and_then(|number| number.parse().ok());
        }
        skipped += u64::from(line.contains("skipping"));
        errors += u64::from(line.contains(" ERR ") || line.contains(" FTL "));
        // It counts what is planted as well.
        (!line.contains("leaks found")).then(|| line.to_owned())
    })?;
    let code = ended.code()?;
    if code != 0 && code != FOUND {
        return Err(ended.failed(&format!("failed with exit code {code}")));
    }
    if errors > 0 {
        return Err(ended.failed("met errors"));
    }
    if skipped > 0 {
        return Err(ended.failed(&format!("passed over {skipped} files")));
    }
    let mut report = report::json("gitleaks", &path)?;
    let count = sarif::results(&mut report).count();
    report::agree("gitleaks", code == FOUND, count)?;
    if code == 0 {
        return Err(ended.failed(NOT_FOUND));
    }
    Ok(Scan { ended, report, bytes, commits })
}
