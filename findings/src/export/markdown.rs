//! Markdown for a comment on a merge request: a sentence, then a table of what is new, then of the rest.

use super::{Row, Sheet};
use crate::diff::Standing;

/// So many rows of a table; a comment has a limit of its own.
const ROWS_MAX: usize = 100;

pub(super) fn write(sheet: &Sheet<'_>) -> String {
    let is = |row: &&Row<'_>, standing: Standing| row.state == standing && row.accepted.is_none();
    let of = |standing| sheet.rows.iter().filter(|row| is(row, standing)).collect::<Vec<_>>();
    let accepted: Vec<&Row<'_>> = sheet.rows.iter().filter(|row| row.accepted.is_some()).collect();
    let mut text = format!("### Findings of {}\n\n", plain(sheet.title));
    let groups = [
        ("New", of(Standing::New)),
        ("Reopened", of(Standing::Reopened)),
        ("As before", of(Standing::Unchanged)),
        ("Fixed", of(Standing::Fixed)),
        ("Accepted", accepted),
    ];
    let told = groups.iter().filter(|(_, rows)| !rows.is_empty());
    let told: Vec<String> = told.map(|(word, rows)| format!("{} {}", rows.len(), word.to_lowercase())).collect();
    let told = if told.is_empty() { "Nothing was found".to_owned() } else { told.join(", ") };
    match &sheet.beside {
        Some(run) => text.push_str(&format!("{told}, compared with {}.\n", plain(run))),
        None => text.push_str(&format!("{told}; there is no earlier run to compare with.\n")),
    }
    for (title, rows) in groups.iter().filter(|(_, rows)| !rows.is_empty()) {
        text.push_str(&format!(
            "\n#### {title}\n\n| severity | rule | where | tool | message |\n| --- | --- | --- | --- | --- |\n"
        ));
        rows.iter().take(ROWS_MAX).for_each(|row| text.push_str(&line(row)));
        if let Some(more) = rows.len().checked_sub(ROWS_MAX).filter(|more| *more > 0) {
            text.push_str(&format!("\n{more} more.\n"));
        }
    }
    text
}

fn line(row: &Row<'_>) -> String {
    let finding = row.finding;
    let place = finding.place().unwrap_or_default();
    let why = row.accepted.map(|reason| format!(" (accepted: {})", plain(reason))).unwrap_or_default();
    let cells = [finding.severity.as_str().to_owned(), plain(&finding.rule), plain(&place), plain(&finding.tool)];
    format!("| {} | {}{why} |\n", cells.join(" | "), plain(&finding.message))
}

/// A text in which nothing is a mark of Markdown or HTML, a link or a mention: the project wrote it, and others read it.
fn plain(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => plain.push_str("&amp;"),
            '<' => plain.push_str("&lt;"),
            '>' => plain.push_str("&gt;"),
            '@' => plain.push_str("&#64;"),
            '\\' | '`' | '*' | '_' | '[' | ']' | '!' | '#' | '|' | '~' | '$' => {
                plain.push('\\');
                plain.push(c);
            }
            c if c.is_control() => plain.push(' '),
            c => plain.push(c),
        }
    }
    // A bare address would be a link.
    plain.replace("://", ":&#47;/")
}
