//! What gitleaks reads: pieces of text under names of ours, so that it has nothing to guess.
//!
//! gitleaks passes over files by their path, by what their first bytes look like, and where a name looks like an archive,
//! and it tells so at debug level alone. It cuts long files at fixed places, a secret there in two. So each piece here is
//! small enough to be read in one go, begins with spaces, has a name of ours, and overlaps with the next.

use std::{
    fs, io,
    path::{Path, PathBuf},
    rc::Rc,
};

/// Bytes before the text: everything that gitleaks guesses a type from stands in the first 262 bytes, or at 32769.
const LEAD: usize = 512;
/// Largest text of a piece, in bytes; gitleaks reads 100,000 at once.
const MAX_TEXT: usize = 90_000;
/// Where it looks for the mark of a disc image, and what that is.
const DISC: (usize, &[u8]) = (32_769, b"CD001");
/// So much of a piece is in the next one too: more than the longest private key.
const OVERLAP: usize = 8 * 1024;
/// More in one run would take memory: the folder is a tmpfs.
const MAX_BYTES: usize = 32 << 20;
/// More files in one run would take memory, too.
const MAX_PIECES: usize = 20_000;

/// Where a text is from.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Origin {
    /// The path, with `!` before what is inside an archive.
    pub(super) path: String,
    /// The commit, in a history.
    pub(super) commit: Option<String>,
}

/// One piece, and where its lines are in its origin.
struct Piece {
    origin: Rc<Origin>,
    lines: Lines,
}

enum Lines {
    /// Its first line is this one, from this column on (both from 1).
    From(u64, u64),
    /// Each of its lines is one of these.
    Each(Vec<u64>),
}

/// A place in an origin.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) origin: Rc<Origin>,
    pub(super) line: u64,
    pub(super) column: u64,
}

/// Pieces that wait for one run.
pub(super) struct Batch {
    folder: PathBuf,
    pieces: Vec<Piece>,
    bytes: usize,
}

impl Batch {
    /// Pieces go into that folder, which is made.
    pub(super) fn new(folder: PathBuf) -> io::Result<Self> {
        fs::create_dir(&folder)?;
        Ok(Self { folder, pieces: Vec::new(), bytes: 0 })
    }

    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// The bytes of all its files.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn is_empty(&self) -> bool {
        self.pieces.is_empty()
    }

    /// Whether it should be run before more is added.
    pub(super) fn is_full(&self) -> bool {
        self.bytes >= MAX_BYTES || self.pieces.len() >= MAX_PIECES
    }

    /// Throws all pieces away.
    pub(super) fn clear(&mut self) -> io::Result<()> {
        fs::remove_dir_all(&self.folder)?;
        fs::create_dir(&self.folder)?;
        (self.pieces, self.bytes) = (Vec::new(), 0);
        Ok(())
    }

    /// Adds the next piece of a text, which begins `from` bytes into it; says where the one after that begins.
    pub(super) fn text(&mut self, origin: &Rc<Origin>, text: &[u8], from: Start) -> io::Result<Option<Start>> {
        let rest = &text[from.at..];
        let end = cut(rest);
        self.add(origin, &rest[..end], Lines::From(from.line, from.column))?;
        Ok((end < rest.len()).then(|| from.moved(rest, next(rest, end))))
    }

    /// Adds lines that stand somewhere in an origin.
    pub(super) fn lines(&mut self, origin: &Rc<Origin>, text: &[u8], lines: Vec<u64>) -> io::Result<()> {
        self.add(origin, text, Lines::Each(lines))
    }

    fn add(&mut self, origin: &Rc<Origin>, text: &[u8], lines: Lines) -> io::Result<()> {
        let mut content = vec![b' '; LEAD - 1];
        content.push(b'\n');
        content.extend_from_slice(text);
        let name = format!("{:06}{}", self.pieces.len(), suffix(&origin.path));
        self.put(&name, &content)?;
        self.pieces.push(Piece { origin: Rc::clone(origin), lines });
        Ok(())
    }

    /// Adds a file that is no piece.
    pub(super) fn put(&mut self, name: &str, content: &[u8]) -> io::Result<()> {
        fs::write(self.folder.join(name), content)?;
        self.bytes += content.len();
        Ok(())
    }

    /// The place that a line and a column of a file of this batch are.
    pub(super) fn place(&self, file: &str, line: u64, column: u64) -> Option<Place> {
        let name = file.rsplit('/').next()?;
        let digits = name.get(..6)?;
        let piece = self.pieces.get(digits.parse::<usize>().ok()?)?;
        // One line of ours comes first. gitleaks counts the line feed before a line as its first column.
        let (line, column) = (line.saturating_sub(1).max(1), column.saturating_sub(1).max(1));
        let (line, column) = match &piece.lines {
            Lines::From(first, shift) if line == 1 => (*first, column + shift - 1),
            Lines::From(first, _) => (first + line - 1, column),
            Lines::Each(lines) => {
                (lines.get(usize::try_from(line).ok()?.saturating_sub(1)).copied().unwrap_or(1), column)
            }
        };
        Some(Place { origin: Rc::clone(&piece.origin), line, column })
    }
}

/// Where a piece begins in its text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Start {
    at: usize,
    line: u64,
    column: u64,
}

impl Start {
    /// The beginning of a text.
    pub(super) const FIRST: Self = Self { at: 0, line: 1, column: 1 };

    fn moved(self, rest: &[u8], by: usize) -> Self {
        let passed = &rest[..by];
        let lines = passed.iter().filter(|byte| **byte == b'\n').count() as u64;
        let column = match passed.iter().rposition(|byte| *byte == b'\n') {
            Some(last) => (passed.len() - last) as u64,
            None => self.column + passed.len() as u64,
        };
        Self { at: self.at + by, line: self.line + lines, column }
    }
}

/// Where a piece ends: behind a line, if one ends in its last part.
fn cut(rest: &[u8]) -> usize {
    let (at, mark) = (DISC.0 - LEAD, DISC.1);
    let most = if rest.len() > at && rest[at..].starts_with(mark) { at } else { MAX_TEXT };
    if rest.len() <= most {
        return rest.len();
    }
    let window = most - OVERLAP;
    rest[window..most].iter().rposition(|byte| *byte == b'\n').map_or(most, |line| window + line + 1)
}

/// Where the next piece begins, if one ends there: at the begin of a line, if there is one.
fn next(rest: &[u8], end: usize) -> usize {
    let from = end - OVERLAP;
    rest[from..end - 1].iter().position(|byte| *byte == b'\n').map_or(from, |line| from + line + 1)
}

/// The end of a name that rules ask for. No rule and no list of gitleaks sees more of a project's name than that.
fn suffix(path: &str) -> &'static str {
    const KNOWN: [&str; 8] = [".php", ".tf", ".hcl", ".yml", ".yaml", "nuget.config", ".p12", ".pfx"];
    let path = path.to_ascii_lowercase();
    KNOWN.into_iter().find(|known| path.ends_with(known)).unwrap_or(".txt")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batch_of(text: &[u8]) -> (tempfile::TempDir, Batch) {
        let dir = tempfile::tempdir().unwrap();
        let mut batch = Batch::new(dir.path().join("tree")).unwrap();
        let origin = Rc::new(Origin { path: "node_modules/a.JSON".to_owned(), commit: None });
        let mut start = Some(Start::FIRST);
        while let Some(from) = start {
            start = batch.text(&origin, text, from).unwrap();
        }
        (dir, batch)
    }

    /// The places of a word, as gitleaks would report them.
    fn places(batch: &Batch, word: &str) -> Vec<(u64, u64)> {
        let mut found = Vec::new();
        let mut files: Vec<_> = fs::read_dir(batch.folder()).unwrap().map(|entry| entry.unwrap().path()).collect();
        files.sort();
        for file in files {
            let text = fs::read_to_string(&file).unwrap();
            assert!(text.len() <= 100_000 && text.as_bytes()[..262].iter().all(|byte| *byte == b' '));
            assert!(!text.as_bytes().get(DISC.0..).is_some_and(|rest| rest.starts_with(DISC.1)), "a disc image");
            for (number, line) in text.split('\n').enumerate() {
                for (column, _) in line.match_indices(word) {
                    let place = batch.place(file.to_str().unwrap(), number as u64 + 1, column as u64 + 2).unwrap();
                    found.push((place.line, place.column));
                }
            }
        }
        found.sort_unstable();
        found.dedup();
        found
    }

    #[test]
    fn one_long_line_is_read_whole_wherever_the_secret_is() {
        for at in [0, 32_768 - 512, 89_990, 90_000, 99_995, 125_000, 171_800, 199_980] {
            let mut text = vec![b'x'; 200_000];
            text[at..at + 20].copy_from_slice(b"SECRETSECRETSECRETSE");
            let (_dir, batch) = batch_of(&text);
            assert_eq!(places(&batch, "SECRETSECRETSECRETSE"), [(1, at as u64 + 1)]);
        }
    }

    #[test]
    fn lines_keep_their_numbers_in_every_piece() {
        let text: String = (1..=30_000).map(|number| format!("line-{number:05}-end\n")).collect();
        let (_dir, batch) = batch_of(text.as_bytes());
        for line in [1, 2, 5_500, 5_625, 29_999, 30_000] {
            assert_eq!(places(&batch, &format!("line-{line:05}-end")), [(line, 1)]);
        }
    }

    #[test]
    fn a_text_that_would_look_like_a_disc_image_is_cut_before() {
        let mut text = vec![b'y'; 50_000];
        text[DISC.0 - LEAD..DISC.0 - LEAD + 5].copy_from_slice(DISC.1);
        let (_dir, batch) = batch_of(&text);
        assert_eq!(places(&batch, "CD001"), [(1, (DISC.0 - LEAD) as u64 + 1)]);
    }

    #[test]
    fn a_name_says_only_what_rules_ask_for() {
        assert_eq!(suffix("a/B.YAML"), ".yaml");
        assert_eq!(suffix("node_modules/@octokit/auth-token/README.md"), ".txt");
        assert_eq!(suffix("a.zip!b/c.tar.gz"), ".txt");
    }
}
