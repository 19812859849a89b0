//! A clean repository over the project's objects, for a scan of its history.
//!
//! A repository brings configuration that runs programs (core.fsmonitor, textconv, gpg.program, ext:: remotes) and that
//! hides things (attributes, replaced objects), and git refuses one that belongs to somebody else. So none of it is used:
//! git sees an empty repository of ours which borrows the objects, with a reference of ours to each commit that the
//! project's references name.

mod blobs;

use std::{
    fs,
    path::{Path, PathBuf},
};

use serde_json::Value;

use super::{
    Limits, Reader,
    allow::Allow,
    canary::Canary,
    gitleaks::{self, Gitleaks, Unread},
};
use crate::{
    project, report, sarif,
    stage::{Failure, Stage},
    tool::Tool,
};

/// What gitleaks passes to `git log -p`. Every reference; files that attributes call binary are shown as text, without
/// the filters of attributes; of a merge what is in none of its parents, which is not shown otherwise.
const LOG_OPTIONS: &str = "--log-opts=--all --full-history --text --no-textconv --no-ext-diff --diff-merges=remerge";

/// More references than any project has.
const MAX_REFERENCES: usize = 100_000;
/// Largest file of packed references, in bytes.
const MAX_PACKED: u64 = 32 << 20;

/// What a scan of a history gave.
pub(super) struct Scanned {
    pub(super) report: Value,
    pub(super) bytes: u64,
    pub(super) commits: u64,
    pub(super) unread: Vec<Unread>,
}

/// Scans every commit: text as git's log shows it, everything else as files are scanned.
///
/// # Errors
/// There is no history that can be read, or gitleaks did not read it.
pub(super) fn scan(stage: &mut Stage, allow: &Allow) -> Result<Scanned, Failure> {
    let repository = clean_copy(stage)?;
    let canary = Canary::new()?;
    plant(stage, &repository, &canary)?;
    let tool = Tool::new(stage, "gitleaks").arg("git").arg(&repository).arg(LOG_OPTIONS);
    let mut scan = gitleaks::scan(stage, without_configuration(tool))?;
    // The planted commit is one of them.
    let commits = scan.commits.unwrap_or_default().saturating_sub(1);
    if commits == 0 {
        return Err(scan.ended.failed("scanned no commit"));
    }
    repair_paths(stage, &repository, &mut scan.report)?;
    let mut gitleaks = Gitleaks::new(stage)?;
    gitleaks.keep_history(scan, &canary)?;
    let mut sink = |origin: &_, part: super::content::Part<'_>| gitleaks.take(origin, part);
    let mut reader = Reader { sink: &mut sink, allow, left: Limits::default(), whole: false };
    blobs::read_all(stage, &repository, &mut reader)?;
    let report = gitleaks.finish(|blob| blobs::commit_of(stage, &repository, blob))?;
    Ok(Scanned { report, bytes: gitleaks.bytes, commits, unread: gitleaks.unread.into_iter().collect() })
}

/// Commits the planted key, on a branch of its own.
fn plant(stage: &Stage, repository: &Path, canary: &Canary) -> Result<(), Failure> {
    let folder = stage.scratch("planted");
    fs::create_dir(&folder).map_err(|error| Failure::tool(format!("/tmp: {error}")))?;
    sarif::write(&folder.join(canary.file()), canary.text().as_bytes())?;
    let git = || {
        let tool =
            without_configuration(Tool::new(stage, "git")).args(["-c", "gc.auto=0", "-c", "commit.gpgSign=false"]);
        let tool = tool.env("GIT_DIR", repository).env("GIT_WORK_TREE", &folder);
        ["GIT_AUTHOR_NAME", "GIT_AUTHOR_EMAIL", "GIT_COMMITTER_NAME", "GIT_COMMITTER_EMAIL"]
            .into_iter()
            .fold(tool, |tool, name| tool.env(name, "pipelinex"))
    };
    for command in [git().arg("add").arg(canary.file()), git().args(["commit", "--quiet", "--message", "planted"])] {
        let ended = command.run(|line| Some(line.to_owned()))?;
        if ended.code()? != 0 {
            return Err(ended.failed("could not plant a key to try the scan"));
        }
    }
    Ok(())
}

/// Makes the clean repository, and says where it is.
///
/// # Errors
/// There is no history, or none that can be read.
fn clean_copy(stage: &mut Stage) -> Result<PathBuf, Failure> {
    let git = stage.app.join(".git");
    if !git.join("objects").is_dir() {
        return Err(Failure::tool("there is no .git folder, so there is no history to scan: choose the mode `dir`"));
    }
    let commits = references(&git)?;
    if commits.len() > MAX_REFERENCES {
        return Err(Failure::tool(format!("the history has more than {MAX_REFERENCES} branches and tags")));
    }
    let Some(first) = commits.first() else {
        return Err(Failure::tool("the history has no commit, so nothing can be scanned"));
    };
    let format = if first.len() == 64 { "sha256" } else { "sha1" };
    let repository = stage.scratch("history");
    let init = Tool::new(stage, "git").args(["init", "--quiet", "--bare", "--object-format", format]).arg(&repository);
    let ended = without_configuration(init).run(|line| Some(line.to_owned()))?;
    if ended.code()? != 0 {
        return Err(ended.failed("could not make a repository"));
    }
    sarif::write(
        &repository.join("objects/info/alternates"),
        format!("{}\n", git.join("objects").display()).as_bytes(),
    )?;
    let named: String =
        commits.iter().enumerate().map(|(number, id)| format!("{id} refs/heads/{number:06}\n")).collect();
    sarif::write(&repository.join("packed-refs"), named.as_bytes())?;
    if git.join("shallow").exists() {
        let shallow = report::bytes(&git.join("shallow"), MAX_PACKED).unwrap_or_default();
        sarif::write(&repository.join("shallow"), &shallow)?;
        stage.warn("the history is cut off (a shallow clone): commits before that were not scanned");
    }
    Ok(repository)
}

/// Git reads no configuration but that of the clean repository, and believes no replaced object.
fn without_configuration(tool: Tool) -> Tool {
    tool.env("GIT_CONFIG_NOSYSTEM", "1").env("GIT_NO_REPLACE_OBJECTS", "1").env("GIT_TERMINAL_PROMPT", "0")
}

/// The object ids that HEAD, loose and packed references name, each once.
///
/// # Errors
/// The packed ones cannot be read.
fn references(git: &Path) -> Result<Vec<String>, Failure> {
    let packed = match report::bytes(&git.join("packed-refs"), MAX_PACKED) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            return Err(Failure::tool(format!("packed-refs cannot be read: {error}")));
        }
        read => read.unwrap_or_default(),
    };
    let mut ids: Vec<String> =
        String::from_utf8_lossy(&packed).lines().filter_map(|line| object_id(line.split(' ').next()?)).collect();
    let loose = project::files(&git.join("refs")).into_iter().chain([git.join("HEAD")]);
    ids.extend(loose.filter_map(|path| object_id(String::from_utf8_lossy(&report::bytes(&path, 4096).ok()?).trim())));
    ids.sort();
    ids.dedup();
    Ok(ids)
}

fn object_id(text: &str) -> Option<String> {
    let whole = matches!(text.len(), 40 | 64) && text.bytes().all(|b| b.is_ascii_hexdigit());
    whole.then(|| text.to_ascii_lowercase())
}

/// gitleaks leaves git's prefix `b/` before a file that a merge conflicted in. Where no such folder exists, it goes.
fn repair_paths(stage: &Stage, repository: &Path, report: &mut Value) -> Result<(), Failure> {
    for result in report::items(report, "runs").flat_map(|run| report::items(run, "results")) {
        let commit = result["partialFingerprints"]["commitSha"].as_str().and_then(object_id);
        let Some(uri) = result.pointer_mut("/locations/0/physicalLocation/artifactLocation/uri") else { continue };
        let (Some(commit), Some(rest)) = (commit, uri.as_str().and_then(|uri| uri.strip_prefix("b/"))) else {
            continue;
        };
        let tool = Tool::new(stage, "git").arg("-C").arg(repository).args(["cat-file", "-e"]);
        let tool = without_configuration(tool.arg(format!("{commit}:b/{rest}")));
        if tool.run(|_| None)?.code()? != 0 {
            *uri = Value::from(rest);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn every_reference_counts_once_and_nothing_else_does() {
        let dir = tempfile::tempdir().unwrap();
        let [a, b] = ["a".repeat(40), "b".repeat(40)];
        fs::create_dir_all(dir.path().join("refs/heads/x")).unwrap();
        fs::write(dir.path().join("refs/heads/x/y"), format!("{a}\n")).unwrap();
        fs::write(dir.path().join("HEAD"), "ref: refs/heads/x/y\n").unwrap();
        let packed = format!("# pack-refs with: peeled\n{b} refs/tags/v1\n^{a}\nxyz refs/heads/odd\n");
        fs::write(dir.path().join("packed-refs"), packed).unwrap();
        assert_eq!(references(dir.path()).unwrap(), [a, b]);
        fs::remove_file(dir.path().join("packed-refs")).unwrap();
        fs::create_dir(dir.path().join("packed-refs")).unwrap();
        assert!(references(dir.path()).is_err(), "what cannot be read is no empty list");
    }
}
