//! `artifacts: reports: dotenv`: variables that a step leaves for those that get its artifacts. Read as GitLab reads them: a line
//! is `NAME=value`, and one that is nothing else makes the whole file unusable.

use std::collections::BTreeMap;

/// Largest file, in bytes; GitLab's own limit.
pub const MAX_BYTES: usize = 5 * 1024;
/// Most variables of one step; GitLab's own limit.
pub const MAX_VARIABLES: usize = 20;

/// The variables of a file; of two lines of a name the later counts.
///
/// # Errors
/// What is wrong with it, with the line.
pub fn parse(bytes: &[u8]) -> Result<BTreeMap<String, String>, String> {
    if bytes.len() > MAX_BYTES {
        return Err(format!("it has {} bytes, and may have {MAX_BYTES}", bytes.len()));
    }
    let text = std::str::from_utf8(bytes).map_err(|_| "it is not UTF-8".to_owned())?;
    let mut found = BTreeMap::new();
    for (index, line) in text.trim_end_matches('\n').lines().enumerate() {
        let (name, value) = variable(line).map_err(|why| format!("line {}: {why}", index + 1))?;
        found.insert(name, value);
        if found.len() > MAX_VARIABLES {
            return Err(format!("it has more than {MAX_VARIABLES} variables"));
        }
    }
    Ok(found)
}

fn variable(line: &str) -> Result<(String, String), &'static str> {
    let (name, value) = line.split_once('=').ok_or(match line.trim() {
        "" => "an empty line, and each must be NAME=value",
        comment if comment.starts_with('#') => "a comment, and each line must be NAME=value",
        _ => "no `=`, and each line must be NAME=value; a value has one line",
    })?;
    let (name, value) = (name.trim(), value.trim());
    if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
        return Err("a name has letters, digits and `_` alone");
    }
    if value.contains('\0') {
        return Err("a value cannot hold a NUL");
    }
    Ok((name.to_owned(), value.to_owned()))
}

/// The same as a file, a line for each variable.
pub fn text(variables: &BTreeMap<String, String>) -> String {
    variables.iter().map(|(name, value)| format!("{name}={value}\n")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_names_and_values_as_they_stand() {
        let found = parse(b"A=1\n B = two words \nC=\"quoted\"\nURL=http://x/?a=b\nEMPTY=\nA=2").unwrap();
        assert_eq!(text(&found), "A=2\nB=two words\nC=\"quoted\"\nEMPTY=\nURL=http://x/?a=b\n");
        assert_eq!(parse(b"A=1\r\n").unwrap()["A"], "1");
        assert!(parse(b"").unwrap().is_empty());
    }

    #[test]
    fn what_is_no_variable_makes_the_file_unusable() {
        for (bad, why) in [
            ("A=1\n\nB=2", "line 2: an empty line"),
            ("# of the build\nA=1", "line 1: a comment"),
            ("A=1\nand more", "line 2: no `=`"),
            ("A-B=1", "line 1: a name has letters"),
            ("=1", "line 1: a name has letters"),
            ("A=\0", "line 1: a value cannot hold a NUL"),
        ] {
            let told = parse(bad.as_bytes()).unwrap_err();
            assert!(told.starts_with(why), "{bad:?}: {told}");
        }
        assert!(parse(b"A=\xff").is_err());
        assert!(parse("A=1\n".repeat(MAX_BYTES).as_bytes()).is_err());
        let many = |count: usize| (0..count).map(|at| format!("V{at}=x\n")).collect::<String>();
        assert!(parse(many(MAX_VARIABLES).as_bytes()).is_ok() && parse(many(MAX_VARIABLES + 1).as_bytes()).is_err());
    }
}
