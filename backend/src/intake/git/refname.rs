//! What may be asked for of a repository: a branch, a tag, or a commit.

use super::fault::GitRule;
use crate::error::Problem;

/// The longest name, in bytes. Git sets none; a name of 300 is honest, one of 64 KiB is not.
const REF_BYTES: usize = 1024;

/// Whether a text can be the name of a branch, a tag or a commit, by the rules of `git check-ref-format`.
///
/// # Errors
/// 422 with what can be asked for.
pub fn check_ref(text: &str) -> Result<(), Problem> {
    match is_ref_name(text) {
        true => Ok(()),
        false => {
            let message = "`ref` is no name of a branch, a tag or a commit";
            let hint = "send a branch or tag such as main or v1.2, or a commit id of 7 to 40 hexadecimal digits";
            Err(GitRule::RefMalformed.problem_at("ref", message, hint))
        }
    }
}

/// Whether a branch, tag or commit may have this name; also for what a server names. Git forbids some of ASCII and nothing
/// else. Here nothing may steer a terminal or turn the direction of what follows, as in names of files.
pub(super) fn is_ref_name(text: &str) -> bool {
    let steers = |c: char| {
        c.is_control() || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    let plain = |c: char| !c.is_ascii() && !steers(c) || c.is_ascii_graphic() && !"~^:?*[\\".contains(c);
    let component = |part: &str| !part.is_empty() && !part.starts_with('.') && !part.ends_with(".lock");
    (1..=REF_BYTES).contains(&text.len())
        && text.chars().all(plain)
        && text.split('/').all(component)
        && !text.starts_with('-')
        && !text.ends_with('.')
        && !text.contains("..")
        && !text.contains("@{")
        && text != "@"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_branches_tags_and_commits_pass_and_nothing_else() {
        for good in
            ["main", "v1.2.3", "feature/größe", "refs/heads/x", "release@2", "0123abc", "a#b", "HEAD", "a-", "a{b}"]
        {
            assert!(check_ref(good).is_ok(), "{good}");
        }
        for good in
            ["refactor-🍌", "gro\u{308}\u{df}e", "👩\u{200d}💻", "日本\u{3000}x", "a\u{2014}b", &"n".repeat(300)]
        {
            assert!(check_ref(good).is_ok(), "{good}");
        }
        let long = "x".repeat(64 * 1024);
        for bad in [
            "",
            "-x",
            "--upload-pack=touch",
            "@{-1}",
            "@",
            "refs/heads/../..",
            "a..b",
            "a b",
            "a\nb",
            "\x1b[2J",
            "a~1",
            "a^",
            "a:b",
            "a?",
            "*",
            "a[",
            "a\\b",
            "/a",
            "a/",
            "a//b",
            ".a",
            "a/.b",
            "a.lock",
            "a.",
            "r\u{202e}x",
            "r\u{9b}2J",
            &long,
        ] {
            assert!(check_ref(bad).is_err(), "{bad}");
        }
    }
}
