//! The branches and tags that a server names, and which of them is meant (gitprotocol-pack, reference discovery).

use std::collections::HashMap;

use pipelinex_common::foreign::shown;

use super::packet::{Packet, Packets, broken};
use crate::{
    error::Problem,
    intake::git::{
        fault::{CloneError, GitRule},
        refname::is_ref_name,
    },
};

/// Digits of a whole id.
const ID_DIGITS: usize = 40;
/// The fewest digits of a shortened id: what Git itself accepts.
const ID_DIGITS_MIN: usize = 4;
/// Branches that a refusal names.
const NAMED_MAX: usize = 8;
const BRANCHES: &str = "refs/heads/";
const TAGS: &str = "refs/tags/";

/// What a server names.
#[derive(Debug, Default)]
pub(super) struct Advertisement {
    /// By name, such as `refs/heads/main`: the id.
    refs: HashMap<String, String>,
    capabilities: Vec<String>,
}

/// What is meant.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Target {
    /// An object that the server gives out: a commit, or a tag of one.
    Id {
        /// 40 hexadecimal digits.
        id: String,
        /// The branch, where it was found as one.
        branch: Option<String>,
    },
    /// The beginning of the id of a commit.
    Prefix(String),
}

impl Advertisement {
    /// Reads the answer to the first call.
    pub fn read(body: &[u8]) -> Result<Self, CloneError> {
        let (mut packets, mut advert, mut sections) = (Packets::default(), Self::default(), 0);
        packets.feed(body);
        while let Some(packet) = packets.next()? {
            match packet {
                Packet::Flush => sections += 1,
                Packet::Line(line) if sections == 0 && line.starts_with(b"# service=git-upload-pack") => {}
                Packet::Line(line) if sections == 1 => advert.add(&line)?,
                Packet::Line(_) => return Err(broken()),
            }
        }
        if sections == 2 && packets.is_empty() { Ok(advert) } else { Err(broken()) }
    }

    fn add(&mut self, line: &[u8]) -> Result<(), CloneError> {
        if let Some(words) = line.strip_prefix(b"ERR ") {
            return Err(refuses(words));
        }
        let (named, capabilities) = match line.iter().position(|byte| *byte == 0) {
            Some(at) => (&line[..at], Some(&line[at + 1..])),
            None => (line, None),
        };
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim_end_matches('\n').to_owned();
        if let Some(capabilities) = capabilities {
            self.capabilities = text(capabilities).split(' ').map(str::to_owned).collect();
            if self.can("object-format=sha256") {
                let message = "the repository names its objects by SHA-256, which is not cloned";
                return Err(GitRule::NotARepository.problem(message, "submit the project as a ZIP").into());
            }
        }
        let named = text(named);
        let (id, name) = named.split_once(' ').filter(|(id, _)| is_id(id)).ok_or_else(broken)?;
        // An empty repository names this alone, and tags are followed by what they lead to.
        if name != "capabilities^{}" && !name.ends_with("^{}") {
            self.refs.insert(name.to_owned(), id.to_owned());
        }
        Ok(())
    }

    /// Whether the server can do something.
    pub fn can(&self, capability: &str) -> bool {
        self.capabilities.iter().any(|known| known == capability)
    }

    /// The ids of all branches and tags, each once.
    pub fn tips(&self) -> Vec<&str> {
        let named = |name: &&String| name.starts_with(BRANCHES) || name.starts_with(TAGS);
        let mut tips: Vec<_> = self.refs.iter().filter(|(name, _)| named(name)).map(|(_, id)| id.as_str()).collect();
        tips.sort_unstable();
        tips.dedup();
        tips
    }

    /// Finds what was asked for: a whole id before every name, a branch before a tag, and names before parts of an id.
    pub fn choose(&self, asked: Option<&str>) -> Result<Target, Problem> {
        if self.refs.is_empty() {
            let hint = "push a commit to it, or submit another one";
            return Err(GitRule::Empty.problem("the repository is empty: it has no commit", hint));
        }
        let Some(asked) = asked.filter(|asked| *asked != "HEAD") else { return self.default_branch() };
        let lower = asked.to_ascii_lowercase();
        if is_id(&lower) {
            return self.commit(lower);
        }
        for (prefix, is_branch) in [(BRANCHES, true), (TAGS, false), ("", false)] {
            let name = format!("{prefix}{asked}");
            if let Some(id) = self.refs.get(&name) {
                let branch = if is_branch { Some(asked) } else { name.strip_prefix(BRANCHES) };
                return Ok(Target::Id { id: id.clone(), branch: branch.map(str::to_owned) });
            }
        }
        match lower.len() {
            ID_DIGITS_MIN..=ID_DIGITS if lower.bytes().all(|byte| byte.is_ascii_hexdigit()) => self.commit(lower),
            _ => Err(self.not_found(asked)),
        }
    }

    /// What to say of a name that stands for two things.
    pub fn twice(&self, asked: &str) -> Option<String> {
        let [branch, tag] = [BRANCHES, TAGS].map(|prefix| self.refs.contains_key(&format!("{prefix}{asked}")));
        let name = shown(asked);
        if is_id(&asked.to_ascii_lowercase()) {
            let what = if branch { BRANCHES } else { TAGS };
            return (branch || tag).then(|| {
                format!("the commit {name} was taken, though a branch or tag is called so: `{what}{name}` names that")
            });
        }
        (branch && tag).then(|| {
            format!(
                "`{name}` is a branch and a tag: the branch was taken; `{BRANCHES}{name}` names the branch, \
                 `{TAGS}{name}` the tag"
            )
        })
    }

    /// The branch that the host names as the default.
    pub fn head_branch(&self) -> Option<&str> {
        let named = self.capabilities.iter().find_map(|known| known.strip_prefix("symref=HEAD:"));
        named.and_then(|name| name.strip_prefix(BRANCHES)).filter(|name| is_ref_name(name))
    }

    /// The tag of this name, whichever way it was written.
    pub fn tag(&self, asked: &str) -> Option<String> {
        let name = asked.strip_prefix(TAGS).unwrap_or(asked);
        self.refs.contains_key(&format!("{TAGS}{name}")).then(|| name.to_owned())
    }

    /// The id that a branch, a tag or a commit stands for, where the server names or serves it.
    pub fn id_of(&self, named: &str) -> Option<&str> {
        let by_name = |prefix: &str| self.refs.get(&format!("{prefix}{named}")).map(String::as_str);
        by_name("").or_else(|| by_name(BRANCHES)).or_else(|| by_name(TAGS))
    }

    /// Whether commits are given out that no branch and no tag names.
    pub fn serves_any_commit(&self) -> bool {
        ["allow-reachable-sha1-in-want", "allow-any-sha1-in-want"].iter().any(|can| self.can(can))
    }

    fn default_branch(&self) -> Result<Target, Problem> {
        let branch = self.head_branch();
        match self.refs.get("HEAD") {
            Some(id) => Ok(Target::Id { id: id.clone(), branch: branch.map(str::to_owned) }),
            None => {
                let message = "the repository has no default branch";
                Err(GitRule::RefNotFound.problem(message, format!("name a branch with `ref`: {}", self.branches())))
            }
        }
    }

    /// A commit by its id, whole or shortened. Servers give out what they name; others only where they say so.
    fn commit(&self, id: String) -> Result<Target, Problem> {
        let serves_any = self.serves_any_commit();
        let tips = self.tips();
        let mut found = tips.iter().filter(|tip| tip.starts_with(&id));
        match (found.next(), found.next()) {
            (Some(tip), None) => Ok(Target::Id { id: (*tip).to_owned(), branch: None }),
            (Some(_), Some(_)) => Err(ambiguous(&id)),
            (None, _) if id.len() == ID_DIGITS && serves_any => Ok(Target::Id { id, branch: None }),
            (None, _) if serves_any && self.can("filter") => Ok(Target::Prefix(id)),
            (None, _) if serves_any => {
                let hint = "send all 40 digits of the commit's id";
                Err(GitRule::CommitNotServed.problem("the host cannot look for a shortened commit id", hint))
            }
            (None, _) => {
                let message = "the host gives out branches and tags only, and none of them is at this commit";
                Err(GitRule::CommitNotServed.problem(message, format!("name one of them: {}", self.branches())))
            }
        }
    }

    fn not_found(&self, asked: &str) -> Problem {
        let message = format!("the repository has no branch or tag `{}`", shown(asked));
        GitRule::RefNotFound.problem(message, format!("it has: {}", self.branches()))
    }

    fn branches(&self) -> String {
        let mut names: Vec<_> = self.refs.keys().filter_map(|name| name.strip_prefix(BRANCHES)).map(shown).collect();
        names.sort_unstable();
        let more = if names.len() > NAMED_MAX { ", ..." } else { "" };
        names.truncate(NAMED_MAX);
        if names.is_empty() { "no branch".to_owned() } else { format!("{}{more}", names.join(", ")) }
    }
}

fn is_id(text: &str) -> bool {
    text.len() == ID_DIGITS && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

pub(super) fn ambiguous(id: &str) -> Problem {
    let hint = "send more of its digits";
    GitRule::RefAmbiguous.problem(format!("several commits begin with {id}"), hint)
}

/// What a server says instead of serving.
pub(super) fn refuses(words: &[u8]) -> CloneError {
    let words = shown(String::from_utf8_lossy(words).trim());
    let hint = "those are the host's own words; without `ref` the default branch is cloned";
    GitRule::HostRefuses.problem(format!("the host refuses: {words}"), hint).into()
}

#[cfg(test)]
mod tests {
    use super::{super::packet::*, *};

    const A: &str = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
    const B: &str = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb";
    const BA: &str = "baaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";

    fn advert(capabilities: &str, refs: &[(&str, &str)]) -> Result<Advertisement, CloneError> {
        let mut body = line("# service=git-upload-pack\n") + FLUSH;
        for (at, (id, name)) in refs.iter().enumerate() {
            let more = if at == 0 { format!("\0{capabilities}") } else { String::new() };
            body += &line(&format!("{id} {name}{more}\n"));
        }
        Advertisement::read((body + FLUSH).as_bytes())
    }

    fn choose(capabilities: &str, asked: &str) -> String {
        let refs = [
            (A, "HEAD"),
            (A, "refs/heads/main"),
            (B, "refs/heads/dev"),
            (BA, "refs/tags/v1"),
            (A, "refs/tags/v1^{}"),
            (B, "refs/tags/main"),
        ];
        match advert(capabilities, &refs).unwrap().choose(Some(asked).filter(|text| !text.is_empty())) {
            Ok(Target::Id { id, branch }) => format!("{} {}", &id[..2], branch.unwrap_or_default()),
            Ok(Target::Prefix(prefix)) => format!("look for {prefix}"),
            Err(problem) => problem.rule,
        }
    }

    #[test]
    fn what_is_asked_for_is_found() {
        let head = "symref=HEAD:refs/heads/main agent=x";
        let any = "allow-reachable-sha1-in-want filter";
        for (capabilities, asked, expected) in [
            (head, "", "aa main"),
            ("", "", "aa "),
            ("symref=HEAD:refs/heads/../x", "", "aa "),
            ("", "main", "aa main"),
            ("", "refs/heads/dev", "bb dev"),
            ("", "v1", "ba "),
            ("", "refs/tags/main", "bb "),
            ("", A, "aa "),
            ("", "AAAA", "aa "),
            ("", "bb", "git-ref-not-found"),
            ("", "none", "git-ref-not-found"),
            ("", "cccccc", "git-commit-not-served"),
            (any, "cccccc", "look for cccccc"),
            ("allow-reachable-sha1-in-want", "cccccc", "git-commit-not-served"),
            (any, "cccccccccccccccccccccccccccccccccccccccc", "cc "),
        ] {
            assert_eq!(choose(capabilities, asked), expected, "{asked} ({capabilities})");
        }
        let twins = advert("", &[(B, "refs/heads/a"), (&format!("bbbb{}", &A[4..]), "refs/heads/b")]).unwrap();
        assert_eq!(twins.choose(Some("bbbb")).unwrap_err().rule, "git-ref-ambiguous");
    }

    #[test]
    fn a_whole_id_is_that_object_and_a_name_of_two_things_is_told() {
        let refs = [
            (A, "HEAD"),
            (A, "refs/heads/main"),
            (A, "refs/heads/x"),
            (B, "refs/tags/x"),
            (A, &format!("refs/heads/{B}")),
        ];
        let advert = advert("", &refs).unwrap();
        let choose = |asked: &str| match advert.choose(Some(asked)).unwrap() {
            Target::Id { id, branch } => format!("{} {}", &id[..2], branch.unwrap_or_default()),
            Target::Prefix(prefix) => prefix,
        };
        assert_eq!([B, &B.to_uppercase(), "x"].map(choose), ["bb ", "bb ", "aa x"]);
        assert_eq!(["refs/heads/x", "refs/tags/x", &format!("refs/heads/{B}")].map(choose)[..2], ["aa x", "bb "]);
        assert_eq!(["main", A, "refs/tags/x"].map(|asked| advert.twice(asked)), [None, None, None]);
        assert!(advert.twice("x").unwrap().contains("`refs/tags/x` the tag"));
        assert!(advert.twice(B).unwrap().ends_with(&format!("`refs/heads/{B}` names that")));
    }

    #[test]
    fn an_empty_repository_and_one_without_a_default_branch_are_told_apart() {
        let zero = "0000000000000000000000000000000000000000";
        let empty = advert("agent=x", &[(zero, "capabilities^{}")]).unwrap();
        assert_eq!(empty.choose(None).unwrap_err().rule, "git-empty");
        let headless = advert("agent=x", &[(A, "refs/heads/a\x1b[2J")]).unwrap().choose(None).unwrap_err();
        assert!(headless.rule == "git-ref-not-found" && headless.hint.ends_with(r"a\u{1b}[2J"), "{headless:?}");
    }

    #[test]
    fn what_is_no_list_is_refused() {
        let rule = |body: String| match Advertisement::read(body.as_bytes()) {
            Err(CloneError::Refused(problem)) => problem.rule,
            other => format!("{other:?}"),
        };
        let begin = line("# service=git-upload-pack\n") + FLUSH;
        assert_eq!(rule(String::new()), "git-not-a-repository");
        assert_eq!(rule("<html>".to_owned()), "git-not-a-repository");
        assert_eq!(rule(begin.clone()), "git-not-a-repository");
        assert_eq!(rule(begin.clone() + &line("no id") + FLUSH), "git-not-a-repository");
        assert_eq!(rule(begin.clone() + &line("ERR go away") + FLUSH), "git-host-refuses");
        assert_eq!(rule(begin + &line(&format!("{A} HEAD\0object-format=sha256")) + FLUSH), "git-not-a-repository");
    }
}
