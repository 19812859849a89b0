//! What the operator asks of every job: from which severity on a finding fails it, and which stages may not be missing.

use std::{collections::BTreeSet, fmt, str::FromStr};

use globset::{Glob, GlobBuilder, GlobSet, GlobSetBuilder};
use pipelinex_findings::{FindingCounts, Severity};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    pipeline::own::OwnRules,
    stage::{BUILT_IN, Switch},
};

/// The rules that no project can switch off. The backend goes by them so that people see early what will happen, the worker
/// because it does not believe the backend.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Policy {
    /// From which severity on a finding fails its stage.
    pub fail_on: FailOn,
    /// The same of those that the last run that passed had not.
    #[serde(default)]
    pub fail_on_new: FailOn,
    /// Whether findings that somebody accepted fail nothing.
    #[serde(default)]
    pub pass_accepted: bool,
    /// Stages that every job runs, and that fail it where they cannot.
    pub require: BTreeSet<Switch>,
    /// Files that a required scan may leave unread.
    #[serde(default)]
    pub allow_unread: AllowUnread,
    /// Whether a step may succeed although a test in its reports failed, because its own script lets it.
    #[serde(default)]
    pub allow_failing_tests: bool,
    /// What pipelines of projects' own may do.
    #[serde(default)]
    pub own: OwnRules,
    /// What of all this the job's project asks for, and not the operator.
    #[serde(default)]
    pub of_project: OfProject,
}

/// Which rules are a project's own, so that whoever meets one is told whom to ask.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OfProject {
    /// Of the required stages these.
    pub require: BTreeSet<Switch>,
    /// The threshold of findings.
    pub fail_on: bool,
    /// That of new ones.
    pub fail_on_new: bool,
    /// That there are no pipelines of its own.
    pub own_pipelines: bool,
}

impl Policy {
    /// Whose wish a required stage is: the operator's or the project's.
    pub fn who_requires(&self, switch: &Switch) -> &'static str {
        whose(self.of_project.require.contains(switch))
    }

    /// Whose limit the threshold is.
    pub fn who_limits(&self) -> &'static str {
        whose(self.of_project.fail_on)
    }

    /// Whose limit that of new findings is.
    pub fn who_limits_new(&self) -> &'static str {
        whose(self.of_project.fail_on_new)
    }
}

fn whose(of_project: bool) -> &'static str {
    if of_project { "project" } else { "operator" }
}

/// Patterns of the files that a required scan may leave unread: `legacy/**`, `**/*.kt`. `*` stays within a folder.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct AllowUnread(Vec<String>);

impl AllowUnread {
    /// Takes patterns that are checked.
    ///
    /// # Errors
    /// One of them is no pattern.
    pub fn new(patterns: impl IntoIterator<Item = String>) -> Result<Self, globset::Error> {
        let patterns: Vec<String> = patterns.into_iter().collect();
        patterns.iter().try_for_each(|pattern| unread_glob(pattern).map(|_| ()))?;
        Ok(Self(patterns))
    }

    /// The patterns, ready to be asked. One that is none, which only a file of another program's can hold, matches nothing.
    pub fn compiled(&self) -> GlobSet {
        let mut set = GlobSetBuilder::new();
        self.0.iter().filter_map(|pattern| unread_glob(pattern).ok()).for_each(|glob| _ = set.add(glob));
        set.build().unwrap_or_default()
    }
}

impl FromIterator<AllowUnread> for AllowUnread {
    fn from_iter<I: IntoIterator<Item = AllowUnread>>(rules: I) -> Self {
        Self(rules.into_iter().flat_map(|rule| rule.0).collect())
    }
}

fn unread_glob(pattern: &str) -> Result<Glob, globset::Error> {
    GlobBuilder::new(pattern).literal_separator(true).build()
}

/// From which severity on a finding fails its stage: `none`, `low`, `medium`, `high` or `critical`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct FailOn(Option<Severity>);

impl FailOn {
    /// Fails on findings of this severity and of higher ones.
    pub fn from_severity(severity: Severity) -> Self {
        Self(Some(severity))
    }

    /// Whether nothing is asked.
    pub fn is_none(self) -> bool {
        self.0.is_none()
    }

    /// Of two thresholds that on which more fails.
    #[must_use]
    pub fn stricter(self, other: Self) -> Self {
        match (self.0, other.0) {
            (Some(a), Some(b)) => Self(Some(a.min(b))),
            (a, b) => Self(a.or(b)),
        }
    }

    /// How many of these findings fail a stage, with the threshold; `None`: it passes.
    pub fn judge(self, counts: &FindingCounts) -> Option<(u64, Severity)> {
        let threshold = self.0?;
        let at = [
            (Severity::Critical, counts.critical),
            (Severity::High, counts.high),
            (Severity::Medium, counts.medium),
            (Severity::Low, counts.low),
            (Severity::Info, counts.info),
        ];
        let counted = at.into_iter().filter(|(severity, _)| *severity >= threshold).map(|(_, count)| count).sum();
        (counted > 0).then_some((counted, threshold))
    }
}

impl fmt::Display for FailOn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            None => "none",
            Some(Severity::Info) => "info",
            Some(Severity::Low) => "low",
            Some(Severity::Medium) => "medium",
            Some(Severity::High) => "high",
            Some(Severity::Critical) => "critical",
        })
    }
}

impl fmt::Display for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.fail_on.0, self.fail_on_new.0) {
            (None, None) => f.write_str("findings fail nothing")?,
            (Some(_), None) => write!(f, "fail on {}", self.fail_on)?,
            (None, Some(_)) => write!(f, "fail on new {}", self.fail_on_new)?,
            (Some(_), Some(_)) => write!(f, "fail on {} and on new {}", self.fail_on, self.fail_on_new)?,
        }
        if self.pass_accepted {
            f.write_str("; accepted ones pass")?;
        }
        let stages: Vec<_> = self.require.iter().map(Switch::stage).collect();
        if stages.is_empty() {
            f.write_str("; requires no stage")?;
        } else {
            write!(f, "; requires {}", stages.join(", "))?;
        }
        if !self.allow_unread.0.is_empty() {
            write!(f, "; may leave unread {}", self.allow_unread.0.join(", "))?;
        }
        if self.allow_failing_tests { f.write_str("; failing tests are allowed") } else { Ok(()) }
    }
}

/// A text that is neither a threshold nor a stage.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is none of {1}")]
pub struct UnknownWord(String, String);

impl FromStr for FailOn {
    type Err = UnknownWord;

    fn from_str(text: &str) -> Result<Self, UnknownWord> {
        match text {
            "none" => Ok(Self(None)),
            "low" => Ok(Self(Some(Severity::Low))),
            "medium" => Ok(Self(Some(Severity::Medium))),
            "high" => Ok(Self(Some(Severity::High))),
            "critical" => Ok(Self(Some(Severity::Critical))),
            other => Err(UnknownWord(other.to_owned(), "none, low, medium, high, critical".to_owned())),
        }
    }
}

/// The stage of this name, in any letter case, as `PIPELINEX_REQUIRE` names it: `sast`, `smoke-test`, or a stage of the
/// operator's own stacks. Whether a stack has it is known where the stacks are.
///
/// # Errors
/// [`UnknownWord`].
pub fn stage(name: &str) -> Result<Switch, UnknownWord> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    if name.trim().is_empty() || !name.trim().chars().all(allowed) {
        let all: Vec<String> = BUILT_IN.iter().map(|row| row.name.to_lowercase()).collect();
        return Err(UnknownWord(name.to_owned(), format!("{}, and no name of another stage", all.join(", "))));
    }
    Ok(Switch::of_stage(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_threshold_counts_what_is_as_bad_or_worse() {
        let counts = FindingCounts { critical: 1, high: 2, medium: 4, low: 8, info: 16, ..FindingCounts::default() };
        let judged = |text: &str| text.parse::<FailOn>().unwrap().judge(&counts).map(|(count, _)| count);
        assert_eq!(
            ["none", "low", "medium", "high", "critical"].map(judged),
            [None, Some(15), Some(7), Some(3), Some(1)]
        );
        assert_eq!(FailOn::default().judge(&counts), None);
        assert!("hi".parse::<FailOn>().unwrap_err().to_string().contains("none, low"));
    }

    #[test]
    fn a_policy_is_said_in_a_line() {
        let require = [Switch::SCA, Switch::SAST].into();
        let policy = Policy { fail_on: "high".parse().unwrap(), require, ..Policy::default() };
        assert_eq!(policy.to_string(), "fail on high; requires SAST, SCA");
        let allow_unread = AllowUnread::new(["legacy/**".to_owned()]).unwrap();
        let told = Policy { allow_unread, ..policy }.to_string();
        assert_eq!(told, "fail on high; requires SAST, SCA; may leave unread legacy/**");
        assert!(AllowUnread::new(["a[".to_owned()]).is_err());
        let (fail_on_new, pass_accepted) = ("low".parse().unwrap(), true);
        let new = Policy { fail_on_new, pass_accepted, ..Policy::default() };
        assert_eq!(new.to_string(), "fail on new low; accepted ones pass; requires no stage");
        let lenient = Policy { allow_failing_tests: true, ..Policy::default() };
        assert_eq!(lenient.to_string(), "findings fail nothing; requires no stage; failing tests are allowed");
        assert_eq!(Policy::default().to_string(), "findings fail nothing; requires no stage");
        for word in ["none", "low", "medium", "high", "critical"] {
            assert_eq!(word.parse::<FailOn>().unwrap().to_string(), word);
        }
    }

    #[test]
    fn a_stage_is_named_in_any_letter_case() {
        assert_eq!(stage("sast"), Ok(Switch::SAST));
        assert_eq!(stage(" Smoke-Test "), Ok(Switch::SMOKE));
        assert_eq!(stage("Lint").map(|switch| switch.to_string()), Ok("run_lint".to_owned()));
        assert!(stage("a stage").unwrap_err().to_string().contains("secrets, build"));
    }
}
