//! What the YAML parser refuses, said so that a person finds it: the tab itself, the bracket that was left open.

use serde_saphyr::Error;

use super::{
    diagnostic::Code,
    problems::{Place, Problems},
    yaml::place,
};

/// Notes the error of the parser.
pub(super) fn note(error: &Error, text: &str, problems: &mut Problems<'_>) {
    let mut error = error.without_snippet();
    // Of a fault inside an alias, the place where the alias is used.
    let at =
        error.location().map_or(Place { file: 0, line: 1, column: 1, width: 1 }, |location| place(&location, None));
    while let Error::AliasError { error: inner, .. } = error {
        error = inner.without_snippet();
    }
    match error {
        Error::Budget { .. } | Error::AliasReplayLimitExceeded { .. } | Error::AliasExpansionLimitExceeded { .. } => {
            let message = "the file unfolds to more than a pipeline may be";
            problems.error(Code::TooLarge, at, message).help("use fewer, smaller or less nested aliases");
        }
        Error::MultipleDocuments { .. } => {
            problems
                .error(Code::InvalidYaml, at, "a second document begins here")
                .help("one file holds one pipeline; remove the line `---` and what follows it");
        }
        Error::RecursiveReferencesRequireWeakTypes { .. } => {
            problems.error(Code::InvalidYaml, at, "an alias inside of what its own anchor names");
        }
        // The scanner's own limits have no variant.
        _ if error.to_string().starts_with("recursion limit exceeded") => {
            problems.error(Code::TooLarge, at, "nested too deeply");
        }
        _ => note_message(&message(error), at, text, problems),
    }
}

fn note_message(message: &str, at: Place, text: &str, problems: &mut Problems<'_>) {
    if let Some(tab) = tab_to_blame(message, at, text) {
        problems
            .error(Code::InvalidYaml, tab, "a tab in the indentation; YAML accepts only spaces there")
            .help("replace the tab by spaces");
    } else {
        let noted = problems.error(Code::InvalidYaml, at, message);
        if let Some((bracket, place)) = open_bracket(text, at) {
            noted.also(place, format!("this `{bracket}` is not closed"));
        } else if message.contains("did not find expected key") {
            noted.help("compare the indentation of this line with the lines above");
        }
    }
}

/// The parser's sentence without the place, which is told in our own way.
fn message(error: &Error) -> String {
    let message = error.to_string();
    let end = message.rfind(" at line ").unwrap_or(message.len());
    message[..end].lines().next().unwrap_or_default().to_owned()
}

/// The parser notices some tabs at the end of the line before them. Elsewhere a tab is no fault, as in a script.
fn tab_to_blame(message: &str, at: Place, text: &str) -> Option<Place> {
    let next = || message.contains("tab").then(|| tab_in_indent(text, at.line + 1)).flatten();
    tab_in_indent(text, at.line).or_else(next)
}

fn tab_in_indent(text: &str, line: u32) -> Option<Place> {
    let content = text.lines().nth((line as usize).checked_sub(1)?)?;
    let indent = content.chars().take_while(|c| c.is_whitespace());
    let column = indent.enumerate().find(|(_, c)| *c == '\t')?.0;
    Some(Place { file: 0, line, column: u32::try_from(column).ok()? + 1, width: 1 })
}

/// The innermost bracket that stands open where the parser gave up. A hint only: it looks at brackets where YAML would
/// see one, and knows quotes and comments, but no block scalars.
fn open_bracket(text: &str, end: Place) -> Option<(char, Place)> {
    let mut open = Vec::new();
    for (row, line) in text.lines().enumerate().take(end.line as usize) {
        let mut quote = None;
        let (mut before, mut token) = (' ', None);
        for (column, c) in line.chars().enumerate() {
            if row + 1 == end.line as usize && column + 1 >= end.column as usize {
                break;
            }
            match (quote, c) {
                (Some(q), c) if q == c => quote = None,
                (Some(_), _) => {}
                (None, '"' | '\'') if !before.is_alphanumeric() => quote = Some(c),
                (None, '#') if before == ' ' => break,
                (None, '[' | '{') if matches!(token, None | Some(':' | '-' | '[' | '{' | ',')) => {
                    open.push((c, row, column));
                }
                (None, ']' | '}') => drop(open.pop()),
                _ => {}
            }
            before = c;
            token = if c == ' ' { token } else { Some(c) };
        }
    }
    let (bracket, row, column) = open.pop()?;
    let place =
        Place { file: 0, line: u32::try_from(row).ok()? + 1, column: u32::try_from(column).ok()? + 1, width: 1 };
    Some((bracket, place))
}
