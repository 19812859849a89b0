//! The lines around a finding, read from what was submitted. What a secret is on is never read.

use std::collections::HashMap;

use pipelinex_common::{
    findings::{redact, terminal},
    foreign::Beneath,
    limits::MIB,
};

/// The largest file of which lines are read, in bytes.
const FILE_MAX: u64 = 2 * MIB;
/// So much is read of all files together, in bytes.
const READ_MAX: u64 = 32 * MIB;
/// Lines before and after the one of the finding.
const AROUND: u64 = 2;
/// So much of a line is shown, in characters.
const LINE_MAX: usize = 240;

/// A line of an excerpt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Its number, from 1.
    pub number: u64,
    /// What it says, harmless and without what has the form of a secret.
    pub text: String,
    /// Whether the finding is on it.
    pub hit: bool,
}

/// Reads excerpts, each file once.
#[derive(Debug)]
pub struct Excerpts {
    source: Option<Beneath>,
    files: HashMap<String, Option<String>>,
    left: u64,
}

impl Excerpts {
    /// From that folder. `None`: there is nothing to be read.
    pub fn new(source: Option<Beneath>) -> Self {
        Self { source, files: HashMap::new(), left: READ_MAX }
    }

    /// The lines around one of a file; nothing where they cannot be read.
    pub fn around(&mut self, path: &str, line: u64) -> Vec<Line> {
        let Some(source) = &self.source else { return Vec::new() };
        let left = &mut self.left;
        let text = self.files.entry(path.to_owned()).or_insert_with(|| {
            let content = source.read(path, FILE_MAX.min(*left)).ok()?;
            *left -= content.len() as u64;
            let whole = String::from_utf8_lossy(&content);
            // A secret may be of several lines, so it is taken out of the whole; the lines after such a one have other numbers then.
            let told = redact(&whole);
            (told.lines().count() == whole.lines().count()).then(|| told.into_owned())
        });
        let Some(text) = text else { return Vec::new() };
        cut(text, line)
    }
}

fn cut(text: &str, line: u64) -> Vec<Line> {
    let first = line.saturating_sub(AROUND).max(1);
    let wanted = (1..).zip(text.lines()).skip_while(|(number, _)| *number < first);
    let lines: Vec<Line> = wanted
        .take_while(|(number, _)| *number <= line + AROUND)
        .map(|(number, text)| {
            let plain = terminal::plain(text);
            let mut shown: String = plain.trim_end().chars().take(LINE_MAX).collect();
            if plain.trim_end().chars().count() > LINE_MAX {
                shown.push('…');
            }
            Line { number, text: shown, hit: number == line }
        })
        .collect();
    if lines.iter().any(|line| line.hit) { lines } else { Vec::new() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_excerpt_has_its_line_in_the_middle_and_gives_no_secret_away() {
        let dir = tempfile::tempdir().unwrap();
        let key = format!("AKIA{}", "A".repeat(16));
        std::fs::write(dir.path().join("a.js"), format!("1\n2\nkey = '{key}'\n\u{1b}[31m4\u{202e}\n5\n6\n")).unwrap();
        std::os::unix::fs::symlink("/etc/passwd", dir.path().join("b.js")).unwrap();
        let mut excerpts = Excerpts::new(Beneath::open(dir.path()).ok());
        let told = |lines: Vec<Line>| -> Vec<String> {
            lines.into_iter().map(|l| format!("{}{} {}", if l.hit { ">" } else { "" }, l.number, l.text)).collect()
        };
        assert_eq!(told(excerpts.around("a.js", 3)), ["1 1", "2 2", ">3 key = '[redacted]'", "4 4\u{fffd}", "5 5"]);
        assert_eq!(told(excerpts.around("a.js", 1)), [">1 1", "2 2", "3 key = '[redacted]'"]);
        std::fs::write(dir.path().join("key.pem"), "a\n-----BEGIN PRIVATE KEY-----\nx\n-----END PRIVATE KEY-----\nb\n")
            .unwrap();
        for (path, line) in
            [("key.pem", 3), ("key.pem", 5), ("a.js", 99), ("a.js", 0), ("b.js", 1), ("../a.js", 1), ("none.js", 1)]
        {
            assert_eq!(excerpts.around(path, line), [], "{path}:{line}");
        }
    }
}
