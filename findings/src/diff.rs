//! What is new in a run, what is as before, and what is gone: two lists of findings laid side by side. Pure.

use std::{
    collections::{HashMap, HashSet},
    hash::Hash,
};

use serde::{Deserialize, Serialize};

use crate::{Finding, fingerprint::without_line};

/// How a finding stands beside an earlier run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Standing {
    /// No run that was looked at had it.
    New,
    /// An earlier run had it, and the last one had not.
    Reopened,
    /// The last run had it, too.
    Unchanged,
    /// The last run had it, and this one has not.
    Fixed,
}

impl Standing {
    /// All of them, what is to be looked at first.
    pub const ALL: [Self; 4] = [Self::New, Self::Reopened, Self::Unchanged, Self::Fixed];

    /// The word on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Reopened => "reopened",
            Self::Unchanged => "unchanged",
            Self::Fixed => "fixed",
        }
    }

    /// Whether it was not there in the last run.
    pub fn is_new(self) -> bool {
        matches!(self, Self::New | Self::Reopened)
    }
}

/// Two runs side by side.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Compared {
    /// How each of the later findings stands, in their order; never [`Standing::Fixed`].
    pub standings: Vec<Standing>,
    /// Which of the earlier ones are gone, by their place.
    pub fixed: Vec<usize>,
}

/// Lays the findings of a run beside those of the one before. `earlier` are fingerprints that runs before that had.
///
/// The same fingerprint is the same finding. What is left over is matched once more by the same line in a file of the same
/// name, so that a folder may be renamed; and, where one of both was written by a program that knew no fingerprints or could
/// not read the line, by what it says.
pub fn compare(now: &[Finding], before: &[Finding], earlier: &HashSet<String>) -> Compared {
    let mut pairs = Pairs { now: vec![false; now.len()], before: vec![false; before.len()] };
    let fingerprint = |finding: &Finding| Some(finding.fingerprint.clone()).filter(|mark| !mark.is_empty());
    pairs.match_by((now, before), fingerprint);
    pairs.match_by((now, before), |finding| {
        let name = finding.path.as_deref()?.rsplit('/').next()?.to_owned();
        Some((finding.tool.clone(), finding.rule.clone(), name, finding.context.clone()?))
    });
    let unread =
        |findings: &[Finding]| findings.iter().any(|finding| finding.line.is_some() && finding.context.is_none());
    if unread(now) || unread(before) {
        pairs.match_by((now, before), |finding| {
            Some((finding.tool.clone(), finding.rule.clone(), finding.path.clone(), without_line(finding)))
        });
    }
    let standing = |(finding, matched): (&Finding, &bool)| match (matched, earlier.contains(&finding.fingerprint)) {
        (true, _) => Standing::Unchanged,
        (false, true) => Standing::Reopened,
        (false, false) => Standing::New,
    };
    Compared {
        standings: now.iter().zip(&pairs.now).map(standing).collect(),
        fixed: (0..before.len()).filter(|at| !pairs.before[*at]).collect(),
    }
}

/// Which findings of both runs have found their like.
struct Pairs {
    now: Vec<bool>,
    before: Vec<bool>,
}

impl Pairs {
    /// Matches what is left by a key, one to one, in their order.
    fn match_by<K: Hash + Eq>(&mut self, (now, before): (&[Finding], &[Finding]), key: impl Fn(&Finding) -> Option<K>) {
        let mut left: HashMap<K, Vec<usize>> = HashMap::new();
        for at in (0..before.len()).rev().filter(|at| !self.before[*at]) {
            if let Some(key) = key(&before[at]) {
                left.entry(key).or_default().push(at);
            }
        }
        for (finding, matched) in now.iter().zip(&mut self.now).filter(|(_, matched)| !**matched) {
            if let Some(found) = key(finding).and_then(|key| left.get_mut(&key)?.pop()) {
                (*matched, self.before[found]) = (true, true);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{mark, testing::finding};

    /// Findings of one rule in a file, on each line that has `eval`.
    fn scanned(path: &str, text: &str) -> Vec<Finding> {
        let lines = text.lines().enumerate().filter(|(_, line)| line.contains("eval"));
        let mut found: Vec<_> = lines.map(|(at, _)| finding("r", path, Some(at as u64 + 1))).collect();
        mark(&mut found, |_, line| text.lines().nth(line as usize - 1).map(str::to_owned));
        found
    }

    fn told(now: &[Finding], before: &[Finding]) -> (String, usize) {
        let Compared { standings, fixed } = compare(now, before, &HashSet::new());
        (standings.iter().map(|standing| standing.as_str()).collect::<Vec<_>>().join(" "), fixed.len())
    }

    #[test]
    fn a_moved_finding_is_unchanged_a_second_of_its_kind_is_new_and_a_cured_one_is_fixed() {
        let before = scanned("src/a.js", "eval(a);\neval(b);\n");
        let now = scanned("src/a.js", &format!("{}eval(a);\neval(a);\n", "// more\n".repeat(40)));
        assert_eq!(told(&now, &before), ("unchanged new".to_owned(), 1));
        assert_eq!(told(&before, &before), ("unchanged unchanged".to_owned(), 0));
        assert_eq!(told(&[], &before), (String::new(), 2));
        assert_eq!(told(&before, &[]), ("new new".to_owned(), 0));
    }

    #[test]
    fn a_renamed_folder_changes_nothing_and_another_file_does() {
        let before = scanned("src/a.js", "eval(a);\n");
        assert_eq!(told(&scanned("lib/old/a.js", "eval(a);\n"), &before), ("unchanged".to_owned(), 0));
        assert_eq!(told(&scanned("src/b.js", "eval(a);\n"), &before), ("new".to_owned(), 1));
    }

    #[test]
    fn what_comes_back_is_reopened() {
        let gone = scanned("src/a.js", "eval(a);\n");
        let earlier = gone.iter().map(|finding| finding.fingerprint.clone()).collect();
        assert_eq!(compare(&gone, &[], &earlier).standings, [Standing::Reopened]);
    }

    #[test]
    fn a_list_of_an_older_program_is_matched_by_what_it_says() {
        let old = vec![finding("r", "src/a.js", Some(1)), finding("s", "src/a.js", Some(2))];
        let now = scanned("src/a.js", "\n\neval(a);\neval(b);\n");
        assert_eq!(told(&now, &old), ("unchanged new".to_owned(), 1));
    }
}
