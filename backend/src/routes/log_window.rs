//! Parts of a log by its lines: the last so many, a range, or those with a text in them. Read from front to back in pieces, so a
//! log of any length costs the same memory.

use std::{
    collections::VecDeque,
    fs::File,
    io::{self, BufRead, BufReader, Read, Seek, SeekFrom},
};

use pipelinex_common::findings::terminal;
use serde::Serialize;

/// The most matches of a search that are told; all are counted.
pub const MATCHES_MAX: usize = 200;
/// The most lines of a log that are asked for from its end.
pub const TAIL_MAX: usize = 100_000;
/// The longest part of a line that is looked at and shown, in bytes.
const LINE_MAX: u64 = 16 * 1024;

/// What a search found.
#[derive(Debug, Default, Serialize)]
pub struct Found {
    /// How many lines have the text in them.
    pub count: u64,
    /// The first of them.
    pub matches: Vec<Match>,
}

/// A line with the text in it.
#[derive(Debug, Serialize)]
pub struct Match {
    /// Its number, from 1.
    pub line: u64,
    /// Where it begins in the log, in bytes.
    pub offset: u64,
    /// What it says, without colours.
    pub text: String,
    /// The lines before it.
    pub before: Vec<String>,
    /// The lines after it.
    pub after: Vec<String>,
}

/// The files, one after the other, from their beginning.
fn joined(files: &[(File, u64)]) -> io::Result<BufReader<Box<dyn Read + '_>>> {
    let mut all: Box<dyn Read + '_> = Box::new(io::empty());
    for (file, bytes) in files {
        let mut file = file;
        file.seek(SeekFrom::Start(0))?;
        all = Box::new(all.chain(file.take(*bytes)));
    }
    Ok(BufReader::with_capacity(64 * 1024, all))
}

/// Tells where each line begins, and how long it is, until `on` says that it is enough. Returns all the bytes that were read.
fn each_line(files: &[(File, u64)], mut on: impl FnMut(u64, u64, &[u8]) -> bool) -> io::Result<u64> {
    let mut reader = joined(files)?;
    let (mut offset, mut number, mut line) = (0, 0, Vec::new());
    loop {
        line.clear();
        let mut bytes = (&mut reader).take(LINE_MAX).read_until(b'\n', &mut line)? as u64;
        if bytes == 0 {
            return Ok(offset);
        }
        if !line.ends_with(b"\n") {
            bytes += reader.skip_until(b'\n')? as u64;
        }
        number += 1;
        if !on(number, offset, &line) {
            return Ok(offset + bytes);
        }
        offset += bytes;
    }
}

/// How many line ends there are.
///
/// # Errors
/// Those of the system.
pub fn newlines(files: &[(File, u64)]) -> io::Result<u64> {
    let mut reader = joined(files)?;
    let mut count = 0;
    loop {
        let bytes = reader.fill_buf()?;
        let length = bytes.len();
        if length == 0 {
            return Ok(count);
        }
        count += bytes.iter().filter(|byte| **byte == b'\n').count() as u64;
        reader.consume(length);
    }
}

/// Where the last so many lines begin, and the number of the first of them.
///
/// # Errors
/// Those of the system.
pub fn tail(files: &[(File, u64)], lines: usize) -> io::Result<(u64, u64)> {
    let mut begins = VecDeque::new();
    let all = each_line(files, |number, offset, _| {
        if begins.len() == lines {
            begins.pop_front();
        }
        begins.push_back((offset, number));
        true
    })?;
    Ok(begins.front().copied().unwrap_or((all, 1)))
}

/// Where the lines from `first` to `last` begin and end, in bytes; from 1, both included.
///
/// # Errors
/// Those of the system.
pub fn range(files: &[(File, u64)], first: u64, last: u64) -> io::Result<(u64, u64)> {
    let mut begin = None;
    let end = each_line(files, |number, offset, _| {
        if number == first {
            begin = Some(offset);
        }
        number < last
    })?;
    Ok((begin.unwrap_or(end), end))
}

/// The lines with a text in them, in any letter case and whatever their colours.
///
/// # Errors
/// Those of the system.
pub fn search(files: &[(File, u64)], text: &str, context: usize) -> io::Result<Found> {
    let text = text.to_lowercase();
    let (mut found, mut before) = (Found::default(), VecDeque::new());
    each_line(files, |line, offset, bytes| {
        let shown = terminal::plain(String::from_utf8_lossy(bytes).trim_end_matches('\n'));
        for earlier in found.matches.iter_mut().rev().take(context) {
            if earlier.after.len() < context && line <= earlier.line + context as u64 {
                earlier.after.push(shown.clone());
            }
        }
        if shown.to_lowercase().contains(&text) {
            found.count += 1;
            if found.matches.len() < MATCHES_MAX {
                let before = before.iter().cloned().collect();
                found.matches.push(Match { line, offset, text: shown.clone(), before, after: Vec::new() });
            }
        }
        if before.len() == context {
            before.pop_front();
        }
        if context > 0 {
            before.push_back(shown);
        }
        true
    })?;
    Ok(found)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn files(parts: &[&str]) -> Vec<(File, u64)> {
        let file = |part: &&str| {
            let mut file = tempfile::tempfile().unwrap();
            file.write_all(part.as_bytes()).unwrap();
            (file, part.len() as u64)
        };
        parts.iter().map(file).collect()
    }

    #[test]
    fn lines_are_found_over_files_from_either_end() {
        let files = files(&["one\ntwo\n", "three\nfour"]);
        assert_eq!(tail(&files, 2).unwrap(), (8, 3));
        assert_eq!(tail(&files, 9).unwrap(), (0, 1));
        assert_eq!(range(&files, 2, 3).unwrap(), (4, 14));
        assert_eq!(range(&files, 4, 99).unwrap(), (14, 18));
        assert_eq!(range(&files, 7, 9).unwrap(), (18, 18));
    }

    #[test]
    fn a_search_counts_all_and_shows_what_stands_around() {
        let files = files(&["a\nb\n\u{1b}[31mER\u{1b}[0mROR one\nc\nd\nerror two\n"]);
        let found = search(&files, "error", 1).unwrap();
        let shown: Vec<_> =
            found.matches.iter().map(|m| (m.line, m.text.as_str(), m.before.join(","), m.after.join(","))).collect();
        let row = |line, text, before: &str, after: &str| (line, text, before.to_owned(), after.to_owned());
        assert_eq!(shown, [row(3, "ERROR one", "b", "c"), row(6, "error two", "d", "")]);
        assert_eq!((found.count, found.matches[0].offset), (2, 4));
        let long = format!("{}\nx\n", "y".repeat(100_000));
        assert_eq!(search(&self::files(&[&long]), "x", 0).unwrap().matches[0].line, 2, "a long line is one");
    }
}
