//! A look at the submitted project: what it brought along to silence scanners. None of it has an effect; people are told.

use std::{
    fs,
    path::{Path, PathBuf},
};

use crate::{report, stage::Stage};

/// More than any project that is admitted has; a walk ends there.
const MAX_ENTRIES: usize = 200_000;
/// Comments are looked for in files up to this size, in bytes.
const MAX_FILE: u64 = 5 << 20;
/// Places that are named one by one.
const MAX_NAMED: usize = 20;

/// Every regular file below a folder, links not followed, in a steady order.
pub(crate) fn files(root: &Path) -> Vec<PathBuf> {
    let (mut found, mut folders, mut seen) = (Vec::new(), vec![root.to_path_buf()], 0);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            seen += 1;
            if seen > MAX_ENTRIES {
                break;
            }
            match entry.file_type() {
                Ok(kind) if kind.is_dir() => folders.push(entry.path()),
                Ok(kind) if kind.is_file() => found.push(entry.path()),
                _ => {}
            }
        }
    }
    found.sort();
    found
}

/// Warns of each file that would configure a scanner and of each comment that would silence it.
pub(crate) fn tell_of_suppressions(stage: &mut Stage, names: &[&str], words: &[&str]) {
    let mut comments = Vec::new();
    for path in files(&stage.app) {
        let relative = path.strip_prefix(&stage.app).unwrap_or(&path).to_string_lossy().into_owned();
        if relative.starts_with(".git/") {
            continue;
        }
        if path.file_name().is_some_and(|name| names.iter().any(|own| name == *own)) {
            stage.warn(format!("{relative} found: ignored"));
        } else if !words.is_empty() {
            let text = report::bytes(&path, MAX_FILE).unwrap_or_default();
            comments.extend(
                lines_with(&text, words).map(|(line, word)| format!("{relative}:{line} says `{word}`: ignored")),
            );
        }
    }
    let more = comments.len().saturating_sub(MAX_NAMED);
    for comment in comments.iter().take(MAX_NAMED) {
        stage.warn(comment);
    }
    if more > 0 {
        stage.warn(format!("and {more} more such comments, ignored too"));
    }
}

fn lines_with<'a>(text: &'a [u8], words: &'a [&'a str]) -> impl Iterator<Item = (usize, &'a str)> {
    let holds =
        |line: &[u8], word: &str| line.windows(word.len()).any(|part| part.eq_ignore_ascii_case(word.as_bytes()));
    text.split(|byte| *byte == b'\n')
        .enumerate()
        .filter_map(move |(number, line)| Some((number + 1, *words.iter().find(|word| holds(line, word))?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_comment_is_found_in_any_letter_case_and_in_text_that_is_none() {
        let found: Vec<_> = lines_with(b"a\n\xff // NoSemgrep\nnosem", &["nosem"]).collect();
        assert_eq!(found, [(2, "nosem"), (3, "nosem")]);
    }
}
