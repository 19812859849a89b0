//! What git's log cannot show as text: binaries, archives and wide characters of every commit, each looked at once.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{BufRead, BufReader, Read},
    path::Path,
    process::{Child, Stdio},
    rc::Rc,
};

use super::without_configuration;
use crate::{
    sarif,
    secrets::{
        archive,
        batch::Origin,
        content::Reader,
        gitleaks::BLOB,
        text::{self, Shape},
    },
    stage::{Failure, Stage},
    tool::Tool,
};

/// Largest blob that is looked at, in bytes: it is held in memory.
const MAX_BLOB: u64 = 256 << 20;

/// Looks at each blob that is no plain text.
pub(super) fn read_all(stage: &Stage, repository: &Path, reader: &mut Reader<'_>) -> Result<(), Failure> {
    let paths = paths(stage, repository)?;
    let asked: String = paths.keys().map(|id| format!("{id}\n")).collect();
    let list = stage.scratch("blobs");
    sarif::write(&list, asked.as_bytes())?;
    let failed = |error: std::io::Error| Failure::tool(format!("git cat-file: {error}"));
    let mut command = git(stage, repository).args(["cat-file", "--batch"]).into_command();
    command.stdin(File::open(&list).map_err(failed)?).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.spawn().map_err(failed)?;
    let ended = read_objects(&mut child, &paths, reader);
    let status = child.kill().and_then(|()| child.wait());
    status.map_err(failed)?;
    ended
}

fn read_objects(child: &mut Child, paths: &BTreeMap<String, String>, reader: &mut Reader<'_>) -> Result<(), Failure> {
    let failed = |what: &str| Failure::tool(format!("git cat-file {what}"));
    let mut output = BufReader::new(child.stdout.take().ok_or_else(|| failed("has no output"))?);
    for _ in paths {
        let mut head = String::new();
        output.read_line(&mut head).map_err(|error| failed(&error.to_string()))?;
        let words: Vec<&str> = head.split_whitespace().collect();
        let [id, kind, size] = words[..] else {
            return Err(failed(&format!("could not read an object: {}", head.trim())));
        };
        let size: u64 = size.parse().map_err(|_| failed("names no size"))?;
        let path = paths.get(id).map_or("", String::as_str);
        let origin = Rc::new(Origin { path: path.to_owned(), commit: Some(format!("{BLOB}{id}")) });
        let mut content = output.by_ref().take(size + 1);
        if kind != "blob" || size > MAX_BLOB {
            std::io::copy(&mut content, &mut std::io::sink()).map_err(|error| failed(&error.to_string()))?;
            if kind == "blob" {
                reader.unread(&origin, &format!("it has more than {MAX_BLOB} bytes"))?;
            }
            continue;
        }
        let mut bytes = Vec::new();
        content.read_to_end(&mut bytes).map_err(|error| failed(&error.to_string()))?;
        if bytes.len() as u64 != size + 1 {
            return Err(failed("ended early"));
        }
        bytes.pop();
        if !is_shown(&bytes) {
            reader.read(&origin, &bytes, 0)?;
        }
    }
    Ok(())
}

/// Whether git's log shows all of it, line by line.
fn is_shown(bytes: &[u8]) -> bool {
    !bytes.contains(&0) && text::shape(bytes) == Shape::Text && !archive::is_one(bytes)
}

/// Every object that a commit reaches, with a path that it has there.
fn paths(stage: &Stage, repository: &Path) -> Result<BTreeMap<String, String>, Failure> {
    let mut paths = BTreeMap::new();
    let tool = git(stage, repository).args(["rev-list", "--objects", "--all"]);
    let ended = tool.run(|line| {
        if let Some((id, path)) = line.split_once(' ').filter(|(_, path)| !path.is_empty()) {
            paths.insert(id.to_owned(), path.to_owned());
        }
        None
    })?;
    if ended.code()? == 0 { Ok(paths) } else { Err(ended.failed("could not list the objects of the history")) }
}

/// The commit that brought a blob: the oldest that shows it.
pub(super) fn commit_of(stage: &Stage, repository: &Path, blob: &str) -> Result<String, Failure> {
    let mut oldest = String::new();
    let tool = git(stage, repository).args(["log", "--all", "--full-history", "-m", "--no-patch", "--format=%H"]);
    let ended = tool.arg(format!("--find-object={blob}")).run(|line| {
        oldest = line.trim().to_owned();
        None
    })?;
    if ended.code()? == 0 { Ok(oldest) } else { Err(ended.failed("could not say which commit brought a file")) }
}

fn git(stage: &Stage, repository: &Path) -> Tool {
    without_configuration(Tool::new(stage, "git").arg("-C").arg(repository))
}
