//! The part of a log that a page carries: its end, or what stands around the first error of a step that failed.

use std::io::{Read, Seek, SeekFrom};

use pipelinex_common::{execution::StageRecord, foreign::Beneath, store::Job};

use crate::pages::log_text::{Drawing, tells_of_an_error};

/// How much of a log's end is looked at, in bytes.
const LOOKED_AT: u64 = 256 * 1024;
/// Lines of a log that are on a page where its panel is open, and where it is closed.
const OPEN_LINES: usize = 400;
const CLOSED_LINES: usize = 60;
/// Lines before the first error that are shown.
const BEFORE: usize = 20;

/// The part of a log that a page carries.
#[derive(Default)]
pub struct LogPart {
    /// The lines, as HTML.
    pub html: String,
    /// Where the next read begins, in bytes.
    pub offset: u64,
    /// How many lines there are before the shown ones.
    pub before: u64,
    /// How many lines there are after the shown ones.
    pub after: u64,
    /// Address of the first line that tells of an error.
    pub failure: Option<String>,
}

/// The shown part of the log of a stage's first step.
pub fn part(job: &Job, stage: &StageRecord, slug: &str, open: bool, failed: bool) -> Option<LogPart> {
    let (step, record) = stage.steps.first()?;
    // Until the log of the try before has made way, this one has none.
    job.is_put_aside(step, record.number.map_or(0, |number| number - 1)).then_some(())?;
    let mut file = Beneath::open(&job.paths().logs()).ok()?.file(&format!("{step}.log")).ok()?;
    let bytes = file.metadata().ok()?.len();
    let start = bytes.saturating_sub(LOOKED_AT);
    let earlier = newlines(&mut (&mut file).take(start))?;
    file.seek(SeekFrom::Start(start)).ok()?;
    let mut raw = Vec::new();
    file.take(bytes - start).read_to_end(&mut raw).ok()?;
    // What stands behind the last line end comes whole, and later; a step that has ended prints no more.
    let last = if stage.status.is_final() {
        raw.len()
    } else {
        raw.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1)
    };
    let (first, skipped) = match raw.iter().position(|byte| *byte == b'\n') {
        Some(at) if start > 0 => (at + 1, 1),
        _ => (0, 0),
    };
    let text = String::from_utf8_lossy(&raw[first.min(last)..last]);
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    let numbered = earlier + skipped + 1;
    let most = if open { OPEN_LINES } else { CLOSED_LINES };
    let error = failed.then(|| lines.iter().position(|line| tells_of_an_error(line.trim_end()))).flatten();
    let end_first = lines.len().saturating_sub(most);
    let begin = error.map_or(end_first, |at| at.saturating_sub(BEFORE).min(end_first));
    let end = lines.len().min(begin + most);
    let number = numbered + begin as u64;
    let html =
        if end > begin { Drawing::default().lines(&lines[begin..end].concat(), number, slug) } else { String::new() };
    let after = (lines.len() - end) as u64;
    Some(LogPart {
        html,
        offset: start + last as u64,
        before: number - 1,
        after,
        failure: error.map(|at| format!("{slug}-L{}", numbered + at as u64)),
    })
}

/// How many line ends there are in what is read.
pub fn newlines(from: &mut impl Read) -> Option<u64> {
    let (mut count, mut buffer) = (0, vec![0; 128 * 1024]);
    loop {
        match from.read(&mut buffer).ok()? {
            0 => return Some(count),
            read => count += buffer[..read].iter().filter(|byte| **byte == b'\n').count() as u64,
        }
    }
}
