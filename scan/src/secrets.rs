//! SECRETS: gitleaks over what was submitted or over its history, by our rules alone.
//!
//! gitleaks passes over files by name, by a guess at their type and by size, and says "no leaks found", with exit code 0,
//! also where git refused and where nothing could be read. So it chooses nothing here: [`content`] takes each file apart,
//! [`batch`] lays out what is readable under names of ours, and [`gitleaks`] believes a run that read all of that and found
//! what was planted beside it. What nobody could read is named.

mod allow;
mod archive;
mod batch;
mod canary;
mod content;
mod gitleaks;
mod history;
mod structure;
mod text;
mod walk;

use pipelinex_findings::Finding;
use serde_json::Value;

use crate::{
    project, report, sarif,
    stage::{Failure, Stage, say},
};
use allow::Allow;
pub(crate) use content::Limits;
use content::{Part, Reader};
use gitleaks::{Gitleaks, Unread};

/// Scans the folder as it is.
pub(crate) fn folder(stage: &mut Stage) -> Result<String, Failure> {
    tell_of_suppressions(stage);
    let allow = Allow::open(&stage.pipelines.join("global/secrets-unread.json"))?;
    let (report, files, bytes, unread) = {
        let mut gitleaks = Gitleaks::new(stage)?;
        let mut sink = |origin: &_, part: Part<'_>| gitleaks.take(origin, part);
        let mut reader = Reader { sink: &mut sink, allow: &allow, left: Limits::default(), whole: false };
        let files = walk::read_all(&mut reader, &stage.app)?;
        (gitleaks.finish(|blob| Ok(blob.to_owned()))?, files, gitleaks.bytes, gitleaks.unread)
    };
    stage.coverage.scanned(files, Some(bytes));
    finish(stage, report, unread.into_iter().collect())
}

/// Scans every commit of the project's history.
pub(crate) fn history(stage: &mut Stage) -> Result<String, Failure> {
    tell_of_suppressions(stage);
    let allow = Allow::open(&stage.pipelines.join("global/secrets-unread.json"))?;
    let scanned = history::scan(stage, &allow)?;
    stage.detail("scanned_bytes", scanned.bytes);
    stage.detail("scanned_commits", scanned.commits);
    finish(stage, scanned.report, scanned.unread)
}

/// Takes the path of a file in an archive, and its content or why there is none.
pub(crate) type Each<'a> = dyn FnMut(&str, Result<&[u8], &str>) + 'a;

/// Whether these bytes are an archive, of a kind that is looked into or of one that is not.
pub(crate) fn is_archive(bytes: &[u8]) -> bool {
    archive::is_one(bytes) || archive::is_torn(bytes) || structure::packed(bytes).is_some()
}

/// Hands on each file in an archive, with its path there, or why it cannot be read; an archive in it comes as a file first.
/// Returns what is left of the limits.
pub(crate) fn look_inside(bytes: &[u8], left: Limits, each: &mut Each<'_>) -> Result<Limits, Failure> {
    let mut sink = |origin: &std::rc::Rc<batch::Origin>, part: Part<'_>| {
        let path = origin.path.trim_start_matches('!');
        match part {
            Part::Whole(bytes) => each(path, Ok(bytes)),
            Part::Unread(reason) => each(path, Err(&reason)),
            Part::Text(_) | Part::Strings(..) => {}
        }
        Ok(())
    };
    let allow = Allow::default();
    let mut reader = Reader { sink: &mut sink, allow: &allow, left, whole: true };
    let origin = std::rc::Rc::new(batch::Origin { path: String::new(), commit: None });
    reader.read(&origin, bytes, 0)?;
    Ok(reader.left)
}

fn tell_of_suppressions(stage: &mut Stage) {
    project::tell_of_suppressions(stage, &[".gitleaks.toml", ".gitleaksignore"], &["gitleaks:allow"]);
}

fn finish(stage: &mut Stage, mut report: Value, unread: Vec<Unread>) -> Result<String, Failure> {
    sarif::clean(&mut report, "");
    let findings = sarif::keep(stage, "gitleaks", "gitleaks.sarif", &report)?;
    for unread in &unread {
        stage.coverage.skip(&unread.path, &unread.reason);
    }
    findings.iter().map(line).for_each(|line| say(&line));
    Ok(report::summary(&findings, "no secrets found"))
}

/// The message of a finding in history ends with its commit.
fn line(finding: &Finding) -> String {
    let commit = finding.message.split_once(" at commit ").map(|(_, commit)| commit.trim_end_matches('.'));
    commit.map_or_else(|| report::line(finding), |commit| format!("{} in commit {commit}", report::line(finding)))
}
