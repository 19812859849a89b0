//! Why a clone did not succeed, told apart by whose fault it is.

use pipelinex_common::limits::{IntakeLimits, MIB};
use serde::{Deserialize, Serialize};

use crate::{
    error::Problem,
    intake::{Refusal, Rule},
};

/// Defines [`GitRule`] from one table: variant, wire spelling, what it means.
macro_rules! rules {
    ($($variant:ident = $wire:literal, $means:literal;)*) => {
        /// What a request must not name, and a repository not be. The spellings are part of the API: a test pins them.
        ///
        /// For names, depth and number of files there are the rules of the ZIP intake, spelled with `git-` before them.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum GitRule { $(#[doc = concat!("`", $wire, "`: ", $means, ".")] $variant,)* }

        impl GitRule {
            /// Every rule.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// The spelling in answers.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $wire,)* }
            }
        }
    };
}

rules! {
    UrlMalformed = "git-url-malformed", "the URL is not that of a repository";
    UrlScheme = "git-url-scheme", "the URL is not https";
    UrlCredentials = "git-url-credentials", "the URL holds a user name or a password";
    HostNotAllowed = "git-host-not-allowed", "the host is not on the operator's list";
    RefMalformed = "git-ref-malformed", "what is asked for is no name of a branch, tag or commit";
    TokenUnknown = "git-token-unknown", "the operator keeps no secret of that name for that host";
    NotFound = "git-not-found", "there is no such repository, or it is private";
    Redirect = "git-redirect", "the host sends on to where is not cloned from";
    NotARepository = "git-not-a-repository", "there is something, and it is no repository";
    Empty = "git-empty", "the repository has no commit";
    RefNotFound = "git-ref-not-found", "there is no such branch, tag or commit";
    RefAmbiguous = "git-ref-ambiguous", "more than one commit begins like that";
    CommitNotServed = "git-commit-not-served", "the host gives out branches and tags only";
    HostRefuses = "git-host-refuses", "the host says no, in its own words";
    Damaged = "git-damaged", "the repository is damaged, or made to look so";
    SpecialEntry = "git-special-entry", "the tree has something that is no file, folder, link or submodule";
    DotGit = "git-dot-git", "the tree has an entry that would be Git's own folder";
}

impl GitRule {
    /// A problem of the repository as a whole.
    pub fn problem(self, message: impl Into<String>, hint: impl Into<String>) -> Problem {
        Problem { rule: self.as_str().to_owned(), path: None, message: message.into(), hint: hint.into(), place: None }
    }

    /// A problem of one field or entry, whose name is safe to show.
    pub fn problem_at(self, path: &str, message: impl Into<String>, hint: impl Into<String>) -> Problem {
        Problem { path: Some(path.to_owned()), ..self.problem(message, hint) }
    }
}

/// Why a clone did not succeed. Travels from the process that clones to the server.
#[derive(Clone, Debug, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "snake_case")]
pub enum CloneError {
    /// The repository, or what was asked of it, is at fault.
    #[error("{}: {}", .0.rule, .0.message)]
    Refused(Problem),
    /// The repository is larger than what is taken.
    #[error("{0}")]
    TooLarge(String),
    /// The clone did not end in time.
    #[error("the clone was not done after {seconds} seconds and was ended")]
    TooSlow {
        /// How long it had, in seconds.
        seconds: u64,
    },
    /// The host cannot be reached, or broke off; nothing of it is known to be the submitter's fault.
    #[error("{0}")]
    Unreachable(String),
    /// Our disk is full.
    #[error("no space left on the disk of the workspaces")]
    Full,
    /// Who submitted it went away.
    #[error("the client went away")]
    Gone,
    /// Anything else of ours.
    #[error("{0}")]
    Ours(String),
}

impl CloneError {
    /// Something of ours that failed, with its cause.
    pub fn internal(doing: &str, error: impl std::fmt::Display) -> Self {
        Self::Ours(format!("{doing}: {error}"))
    }

    /// A file of ours that could not be written or read.
    pub fn io(doing: &str, error: &std::io::Error) -> Self {
        use std::io::ErrorKind::{QuotaExceeded, StorageFull};
        match error.kind() {
            StorageFull | QuotaExceeded => Self::Full,
            _ => Self::internal(doing, error),
        }
    }

    /// More was sent than a clone may have.
    pub fn too_many_bytes(limits: &IntakeLimits) -> Self {
        let most = limits.clone_bytes / MIB;
        Self::TooLarge(format!("the clone has more than {most} MiB; a smaller branch may fit, or a ZIP of the project"))
    }

    /// More files come of it than a project may have bytes.
    pub fn too_many_unpacked_bytes(limits: &IntakeLimits) -> Self {
        let most = limits.unpacked_bytes / MIB;
        Self::TooLarge(format!(
            "the project has more than {most} MiB unpacked; leave out what a build makes or downloads"
        ))
    }

    /// The process needed more memory than one may have.
    pub fn too_much_memory() -> Self {
        Self::TooLarge("the repository holds objects that are larger than what a clone may hold in memory".to_owned())
    }
}

impl From<Problem> for CloneError {
    fn from(problem: Problem) -> Self {
        Self::Refused(problem)
    }
}

/// The rules of the ZIP intake, in the words of a repository.
impl From<Refusal> for CloneError {
    fn from(refusal: Refusal) -> Self {
        let hint = match refusal.rule {
            Rule::PathEscape | Rule::AbsolutePath | Rule::Backslash | Rule::NameDotOrEmpty | Rule::DrivePath => {
                "Git itself does not make such a name: find out who made this commit, and remove the entry".to_owned()
            }
            Rule::NameNotUtf8 => "rename it in the repository to a name in UTF-8".to_owned(),
            _ => refusal.hint,
        };
        let message = match refusal.rule {
            Rule::TooManyEntries => "the repository holds too many files and folders",
            rule => rule.says(),
        };
        let rule = refusal.rule.as_str().replacen("zip-", "git-", 1);
        Self::Refused(Problem { rule, path: refusal.entry, message: message.to_owned(), hint, place: None })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wire_spellings_are_pinned() {
        let spelled: Vec<_> = GitRule::ALL.iter().map(|rule| rule.as_str()).collect();
        insta::assert_snapshot!(spelled.join("\n"), @r"
        git-url-malformed
        git-url-scheme
        git-url-credentials
        git-host-not-allowed
        git-ref-malformed
        git-token-unknown
        git-not-found
        git-redirect
        git-not-a-repository
        git-empty
        git-ref-not-found
        git-ref-ambiguous
        git-commit-not-served
        git-host-refuses
        git-damaged
        git-special-entry
        git-dot-git
        ");
        assert!(Rule::ALL.iter().all(|rule| rule.as_str().starts_with("zip-")), "the prefix that is replaced");
    }
}
