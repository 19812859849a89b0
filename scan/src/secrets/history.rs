//! A clean repository over the project's objects, for a scan of its history.
//!
//! A repository brings configuration that runs programs (core.fsmonitor, textconv, gpg.program, ext:: remotes) and that
//! hides things (attributes, replaced objects), and git refuses one that belongs to somebody else. So none of it is used:
//! git sees an empty repository of ours which borrows the objects, with a reference of ours to each commit that the
//! project's references name.

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::{
    project, report, sarif,
    stage::{Failure, Stage},
    tool::Tool,
};

/// What gitleaks passes to `git log -p`. Every reference; files that attributes call binary are shown as text, without
/// the filters of attributes; of a merge what is in none of its parents, which is not shown otherwise.
pub(super) const LOG_OPTIONS: &str =
    "--log-opts=--all --full-history --text --no-textconv --no-ext-diff --diff-merges=remerge";

/// More references than any project has.
const MAX_REFERENCES: usize = 100_000;
/// Largest file of packed references, in bytes.
const MAX_PACKED: u64 = 32 << 20;

/// Makes the clean repository, and says where it is.
///
/// # Errors
/// There is no history, or none that can be read.
pub(super) fn clean_copy(stage: &mut Stage) -> Result<PathBuf, Failure> {
    let git = stage.app.join(".git");
    if !git.join("objects").is_dir() {
        return Err(Failure::tool("there is no .git folder, so there is no history to scan: choose the mode `dir`"));
    }
    let commits = references(&git);
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
pub(super) fn without_configuration(tool: Tool) -> Tool {
    tool.env("GIT_CONFIG_NOSYSTEM", "1").env("GIT_NO_REPLACE_OBJECTS", "1").env("GIT_TERMINAL_PROMPT", "0")
}

/// The object ids that HEAD, loose and packed references name, each once.
fn references(git: &Path) -> Vec<String> {
    let packed = report::bytes(&git.join("packed-refs"), MAX_PACKED).unwrap_or_default();
    let mut ids: Vec<String> =
        String::from_utf8_lossy(&packed).lines().filter_map(|line| object_id(line.split(' ').next()?)).collect();
    let loose = project::files(&git.join("refs")).into_iter().chain([git.join("HEAD")]);
    ids.extend(loose.filter_map(|path| object_id(String::from_utf8_lossy(&report::bytes(&path, 4096).ok()?).trim())));
    ids.sort();
    ids.dedup();
    ids.truncate(MAX_REFERENCES);
    ids
}

fn object_id(text: &str) -> Option<String> {
    let whole = matches!(text.len(), 40 | 64) && text.bytes().all(|b| b.is_ascii_hexdigit());
    whole.then(|| text.to_ascii_lowercase())
}

/// gitleaks leaves git's prefix `b/` before a file that a merge conflicted in. Where no such folder exists, it goes.
pub(super) fn repair_paths(stage: &Stage, repository: &Path, report: &mut Value) -> Result<(), Failure> {
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
        assert_eq!(references(dir.path()), [a, b]);
    }
}
