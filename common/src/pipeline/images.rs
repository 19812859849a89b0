//! The images of a stack: `images.env` beside its definition, a line `NAME=REFERENCE` for each name that the definition uses.

use std::collections::BTreeMap;

/// The name of the file.
pub const IMAGES_FILE: &str = "images.env";

/// Reads the file; `file` is its name as messages show it.
///
/// # Errors
/// A sentence for each line that is none, and for each name that comes twice.
pub fn read(file: &str, text: &str) -> Result<BTreeMap<String, String>, Vec<String>> {
    let (mut images, mut problems) = (BTreeMap::new(), Vec::new());
    for (index, line) in text.lines().map(str::trim).enumerate() {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let bad = |text: &str| {
            text.is_empty() || text.starts_with('-') || text.chars().any(|c| c.is_whitespace() || c.is_control())
        };
        let number = index + 1;
        match line.split_once('=') {
            Some((name, image)) if !bad(name) && !bad(image) => {
                if images.insert(name.to_owned(), image.to_owned()).is_some() {
                    problems.push(format!("{file}:{number}: a second image is called `{name}`"));
                }
            }
            _ => problems.push(format!("{file}:{number}: an image is a line NAME=REFERENCE")),
        }
    }
    if problems.is_empty() { Ok(images) } else { Err(problems) }
}

/// Whether one of the operator's patterns lets an image in that is none of the table's.
pub fn is_allowed(patterns: &[String], image: &str) -> bool {
    patterns.iter().any(|pattern| globset::Glob::new(pattern).is_ok_and(|glob| glob.compile_matcher().is_match(image)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_of_images_is_read_whole_or_not_at_all() {
        let good =
            read("images.env", "# why\n\nnode24=pipelinex/node24:1\nscan=registry.example:5000/scan@sha256:ab\n")
                .unwrap();
        assert_eq!(
            good.into_values().collect::<Vec<_>>(),
            ["pipelinex/node24:1", "registry.example:5000/scan@sha256:ab"]
        );
        let bad = read("images.env", "a=b\na=c\nx\n=y\nz=\nu=a b\n").unwrap_err();
        assert_eq!(bad.len(), 5, "{bad:?}");
        assert_eq!(bad[0], "images.env:2: a second image is called `a`");
    }
}
