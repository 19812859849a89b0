//! Where problems are gathered. A reader notes what it finds and goes on, so that one look at a file tells everything.

use super::diagnostic::{Code, Diagnostic, Note, Rejected, Severity};

/// More than this nobody reads; a hostile file must not make a report of megabytes.
const PROBLEMS_MAX: usize = 100;
/// The widest piece of a source line that an excerpt shows, in characters.
const EXCERPT_CHARS: usize = 120;
/// The longest name repeated in a message, in characters.
const QUOTED_CHARS: usize = 80;

/// A place in a file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    /// Which file: 0 is the one that was asked about, the others are included.
    pub file: u32,
    pub line: u32,
    pub column: u32,
    /// Characters to mark, at least one.
    pub width: u32,
}

/// A value and where it is written.
#[derive(Clone, Debug)]
pub(crate) struct At<T> {
    pub value: T,
    pub at: Place,
}

/// A file that is read.
struct Source<'a> {
    name: &'a str,
    lines: Vec<&'a str>,
}

/// The problems of one file, and of those that it includes.
pub(crate) struct Problems<'a> {
    files: Vec<Source<'a>>,
    /// The file that is being parsed: places of its syntax do not know it.
    current: u32,
    found: Vec<(Place, Diagnostic)>,
}

/// A problem that was just noted, to which more can be said.
pub(crate) struct Noted<'p, 'a> {
    problems: &'p mut Problems<'a>,
    /// Absent if the same problem was noted before (an anchor that is used twice) or there are too many.
    index: Option<usize>,
}

impl<'a> Problems<'a> {
    pub fn new(file: &'a str, text: &'a str) -> Self {
        let files = vec![Source { name: file, lines: text.lines().collect() }];
        Self { files, current: 0, found: Vec::new() }
    }

    /// Parses a further file: what is noted meanwhile is of that. `work` gets its number.
    pub fn within<T>(&mut self, name: &'a str, text: &'a str, work: impl FnOnce(u32, &mut Self) -> T) -> T {
        self.files.push(Source { name, lines: text.lines().collect() });
        let file = u32::try_from(self.files.len() - 1).unwrap_or(u32::MAX);
        let before = std::mem::replace(&mut self.current, file);
        let done = work(file, self);
        self.current = before;
        done
    }

    fn source(&self, at: Place) -> &Source<'a> {
        self.files.get(at.file as usize).unwrap_or(&self.files[0])
    }

    fn line(&self, at: Place) -> Option<&'a str> {
        (at.line as usize).checked_sub(1).and_then(|index| self.source(at).lines.get(index)).copied()
    }

    /// Notes a problem that refuses the file.
    pub fn error(&mut self, code: Code, at: Place, message: impl Into<String>) -> Noted<'_, 'a> {
        self.note(Severity::Error, code, at, message.into())
    }

    /// Notes something that a person should know of a file that runs all the same.
    pub fn warning(&mut self, code: Code, at: Place, message: impl Into<String>) -> Noted<'_, 'a> {
        self.note(Severity::Warning, code, at, message.into())
    }

    fn note(&mut self, severity: Severity, code: Code, at: Place, message: String) -> Noted<'_, 'a> {
        let at = Place { file: at.file.max(self.current), ..at };
        let known = self.found.iter().any(|(p, d)| *p == at && d.code == code && d.message == message);
        if known || self.found.len() >= PROBLEMS_MAX {
            return Noted { problems: self, index: None };
        }
        let diagnostic = Diagnostic {
            code,
            severity,
            file: self.source(at).name.to_owned(),
            line: at.line,
            column: at.column,
            excerpt: self.excerpt(at),
            message,
            help: None,
            notes: Vec::new(),
        };
        self.found.push((at, diagnostic));
        let index = self.found.len() - 1;
        Noted { problems: self, index: Some(index) }
    }

    /// Whether nothing was noted that refuses the file.
    pub fn is_empty(&self) -> bool {
        self.found.iter().all(|(_, diagnostic)| diagnostic.severity == Severity::Warning)
    }

    /// The value, if nothing was noted that refuses the file; else all that was, in the order of the file.
    pub fn finish<T>(self, value: Option<T>) -> Result<T, Rejected> {
        self.finish_with_warnings(value).map(|(value, _)| value)
    }

    /// The same, with the warnings of a file that runs.
    pub fn finish_with_warnings<T>(mut self, value: Option<T>) -> Result<(T, Vec<Diagnostic>), Rejected> {
        self.found.sort_by_key(|(place, _)| *place);
        let accepted = self.is_empty();
        let diagnostics = self.found.into_iter().map(|(_, diagnostic)| diagnostic).collect();
        match value {
            Some(value) if accepted => Ok((value, diagnostics)),
            _ => Err(Rejected { diagnostics }),
        }
    }

    /// The place of a character inside of a scalar that is written in one line, with or without quotes; else that of the scalar.
    pub fn inside(&self, at: Place, text: &str, character: usize) -> Place {
        let line = self.line(at).unwrap_or_default();
        let written: String = line.chars().skip((at.column as usize).saturating_sub(1)).collect();
        let begins = if written.starts_with(text) {
            0
        } else if written.get(1..).is_some_and(|inner| written.starts_with(['"', '\'']) && inner.starts_with(text)) {
            1
        } else {
            return at;
        };
        let column = at.column.saturating_add(u32::try_from(begins + character).unwrap_or(0));
        Place { column, width: 1, ..at }
    }

    fn excerpt(&self, at: Place) -> String {
        let Some(line) = self.line(at) else {
            return String::new();
        };
        let column = (at.column as usize).saturating_sub(1);
        let from = column.saturating_sub(EXCERPT_CHARS / 2);
        let shown: String = line.chars().skip(from).take(EXCERPT_CHARS).map(visible).collect();
        let shown = shown.trim_end();
        let room = shown.chars().count().saturating_sub(column - from).max(1);
        let marks = "^".repeat((at.width.max(1) as usize).min(room));
        let number = at.line.to_string();
        let (gutter, indent) = (" ".repeat(number.len()), " ".repeat(column - from));
        format!("{number} | {shown}\n{gutter} | {indent}{marks}\n")
    }
}

impl Noted<'_, '_> {
    /// Says what to do.
    pub fn help(self, help: impl Into<String>) -> Self {
        if let Some(index) = self.index {
            self.problems.found[index].1.help = Some(help.into());
        }
        self
    }

    /// Says which of the candidates was probably meant; where none is near, the other help, if there is one. Looked up
    /// only for a problem that is shown: a hostile file can hold very many.
    pub fn suggest<'c>(
        self,
        written: &str,
        candidates: impl IntoIterator<Item = &'c str>,
        otherwise: Option<String>,
    ) -> Self {
        if self.index.is_none() {
            return self;
        }
        let near = nearest(written, candidates).map(|near| format!("did you mean {}?", quoted(near)));
        match near.or(otherwise) {
            Some(help) => self.help(help),
            None => self,
        }
    }

    /// Points to a further place.
    pub fn also(self, at: Place, message: impl Into<String>) -> Self {
        if let Some(index) = self.index {
            let at = Place { file: at.file.max(self.problems.current), ..at };
            let excerpt = self.problems.excerpt(at);
            let mut message = message.into();
            if self.problems.found[index].0.file != at.file {
                message = format!("in {}: {message}", self.problems.source(at).name);
            }
            let note = Note { line: at.line, column: at.column, excerpt, message };
            self.problems.found[index].1.notes.push(note);
        }
        self
    }
}

/// A file may hold terminal escapes; what is shown of it may not.
fn visible(c: char) -> char {
    match c {
        '\t' => '→',
        c if c.is_control() => '\u{fffd}',
        c => c,
    }
}

/// A name out of the file, as a message repeats it.
pub(crate) fn quoted(name: &str) -> String {
    let mut shown: String = name.chars().take(QUOTED_CHARS).map(visible).collect();
    if shown.len() < name.len() && name.chars().count() > QUOTED_CHARS {
        shown.push('…');
    }
    format!("`{shown}`")
}

/// The candidate that was probably meant.
pub(crate) fn nearest<'c>(written: &str, candidates: impl IntoIterator<Item = &'c str>) -> Option<&'c str> {
    let plain = |name: &str| -> String { name.to_lowercase().replace(['_', '-', ' '], "") };
    let written = plain(&written.chars().take(QUOTED_CHARS).collect::<String>());
    let far = (written.chars().count() / 3).max(1);
    let near = |name: &&str| {
        let distance = strsim::damerau_levenshtein(&written, &plain(name));
        (distance <= far).then_some(distance)
    };
    candidates.into_iter().filter_map(|name| near(&name).map(|d| (d, name))).min_by_key(|(d, _)| *d).map(|(_, n)| n)
}
