//! What the application and its database have printed: read from the engine once they have ended, and kept whole up to a
//! limit, with the end of what is longer.

use std::{
    collections::VecDeque,
    fs::{File, OpenOptions},
    io::Write,
    os::unix::fs::OpenOptionsExt,
    path::Path,
};

use super::io;
use crate::{
    causes,
    engine::{Engine, EngineError, Output},
    step::StepError,
};
use futures::StreamExt;

/// How much of the end of a log is kept when it is too long, in bytes.
const TAIL_BYTES: usize = 64 * 1024;
/// How many of the last lines are looked through for one that says something: a stack trace has hundreds.
const LAST_LINES: u32 = 1000;

/// The line that says most about its end, as the end of a sentence; nothing where there is none.
pub(super) async fn last_words(engine: &Engine, name: &str) -> String {
    let mut output = engine.past_logs(name, Some(LAST_LINES));
    let mut end = VecDeque::new();
    while let Some(Ok(bytes)) = output.next().await {
        push_tail(&mut end, &bytes);
    }
    let text = String::from_utf8_lossy(end.make_contiguous()).into_owned();
    causes::telling(&text).map(|line| format!(": {line}")).unwrap_or_default()
}

/// Writes a log to a file of its own, at most `limit` bytes of it and then the end.
///
/// # Errors
/// [`StepError`]. A container that is not there has no log, which is fine.
pub(super) async fn keep(mut output: Output, path: &Path, limit: u64) -> Result<(), StepError> {
    let mut kept: Option<Kept> = None;
    while let Some(piece) = output.next().await {
        match piece {
            Ok(bytes) => {
                let writer = match &mut kept {
                    Some(writer) => writer,
                    None => kept.insert(Kept::create(path, limit)?),
                };
                writer.append(&bytes).map_err(|error| io("write", path, error))?;
            }
            Err(error) if error.is_unreachable() => return Err(error.into()),
            Err(EngineError::Answered { status: 404, .. }) => break,
            Err(error) => {
                tracing::warn!(path = %path.display(), %error, "the rest of a log cannot be read");
                break;
            }
        }
    }
    kept.map_or(Ok(()), |kept| kept.finish().map_err(|error| io("write", path, error)))
}

struct Kept {
    file: File,
    room: u64,
    limit: u64,
    tail: VecDeque<u8>,
    passed_over: bool,
}

impl Kept {
    fn create(path: &Path, limit: u64) -> Result<Self, StepError> {
        let file = OpenOptions::new().write(true).create_new(true).mode(0o640).open(path);
        let file = file.map_err(|error| io("create", path, error))?;
        let room = limit.saturating_sub(TAIL_BYTES as u64);
        Ok(Self { file, room, limit, tail: VecDeque::new(), passed_over: false })
    }

    fn append(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        let now = self.room.min(bytes.len() as u64) as usize;
        self.file.write_all(&bytes[..now])?;
        self.room -= now as u64;
        self.passed_over |= push_tail(&mut self.tail, &bytes[now..]);
        Ok(())
    }

    fn finish(mut self) -> std::io::Result<()> {
        if self.passed_over {
            writeln!(self.file, "\n[pipelinex] this log is longer than {} bytes: its end follows", self.limit)?;
        }
        self.file.write_all(self.tail.make_contiguous())
    }
}

/// Adds to the end that is kept; says whether something fell out of it.
fn push_tail(tail: &mut VecDeque<u8>, bytes: &[u8]) -> bool {
    tail.extend(bytes);
    let surplus = tail.len().saturating_sub(TAIL_BYTES);
    tail.drain(..surplus);
    surplus > 0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(pieces: &[&[u8]], limit: u64) -> Vec<u8> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("app.log");
        let pieces: Vec<_> = pieces.iter().map(|piece| Ok(bytes::Bytes::copy_from_slice(piece))).collect();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(keep(futures::stream::iter(pieces).boxed(), &path, limit)).unwrap();
        std::fs::read(path).unwrap_or_default()
    }

    #[test]
    fn a_log_is_kept_whole_up_to_its_limit_and_then_its_end() {
        assert_eq!(kept(&[], 100), b"", "nothing printed, nothing kept");
        assert_eq!(kept(&[b"one\n", b"\x1b[31mtwo\n"], 1 << 20), b"one\n\x1b[31mtwo\n");
        let long = vec![b'x'; 300_000];
        let text = kept(&[b"first\n", &long, b"\nlast\n"], 100_000);
        assert!(text.len() < 100_200 && text.starts_with(b"first\n") && text.ends_with(b"\nlast\n"), "{}", text.len());
        assert!(String::from_utf8(text).unwrap().contains("longer than 100000 bytes"));
        assert_eq!(kept(&[&long], 1 << 20).len(), 300_000);
    }
}
