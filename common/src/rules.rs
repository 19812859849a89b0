//! What a project asks of its own jobs, beside what the operator asks of all: of the two the stricter counts.

use std::{collections::BTreeSet, fmt};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    policy::{self, FailOn, OfProject, Policy},
    stage::Switch,
};

/// The settings of a project. One that nobody set asks for nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ProjectRules {
    /// From which severity on a finding fails its stage.
    #[serde(default, skip_serializing_if = "asks_nothing")]
    pub fail_on: FailOn,
    /// The same of those that the last run that passed had not.
    #[serde(default, skip_serializing_if = "asks_nothing")]
    pub fail_on_new: FailOn,
    /// Stages that every job of the project runs, by their switches.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    #[schemars(with = "BTreeSet<String>")]
    pub require: BTreeSet<Switch>,
    /// Whether a pipeline of its own may run, where the operator lets any.
    #[serde(default = "yes", skip_serializing_if = "is_yes")]
    pub own_pipelines: bool,
}

fn asks_nothing(limit: &FailOn) -> bool {
    limit.is_none()
}

fn yes() -> bool {
    true
}

fn is_yes(yes: &bool) -> bool {
    *yes
}

impl Default for ProjectRules {
    fn default() -> Self {
        Self {
            fail_on: FailOn::default(),
            fail_on_new: FailOn::default(),
            require: BTreeSet::new(),
            own_pipelines: true,
        }
    }
}

/// A setting that will not do, as a sentence.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidSetting(String);

/// The settings that there are, as people write them.
const SETTINGS: &str = "fail-on, fail-on-new, require and own-pipelines";

impl ProjectRules {
    /// Whether nothing is asked.
    pub fn are_none(&self) -> bool {
        *self == Self::default()
    }

    /// Changes one setting, as a person writes it.
    ///
    /// # Errors
    /// [`InvalidSetting`]; nothing is changed then.
    pub fn set(&mut self, name: &str, value: &str) -> Result<(), InvalidSetting> {
        let wrong = |why: String| InvalidSetting(format!("the setting {name}: {why}"));
        match name {
            "fail-on" => self.fail_on = value.parse().map_err(|e: policy::UnknownWord| wrong(e.to_string()))?,
            "fail-on-new" => self.fail_on_new = value.parse().map_err(|e: policy::UnknownWord| wrong(e.to_string()))?,
            "require" => {
                let named = value.split(',').filter(|name| !name.trim().is_empty() && *name != "none");
                let stages: Result<_, _> = named.map(policy::stage).collect();
                self.require = stages.map_err(|error| wrong(error.to_string()))?;
            }
            "own-pipelines" => {
                self.own_pipelines = match value {
                    "yes" => true,
                    "no" => false,
                    other => return Err(wrong(format!("`{other}` is none of yes, no"))),
                }
            }
            other => return Err(InvalidSetting(format!("`{other}` is no setting of a project; there are {SETTINGS}"))),
        }
        Ok(())
    }
}

impl fmt::Display for ProjectRules {
    /// In the words by which it is set.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut words = Vec::new();
        let limits = [("fail-on", self.fail_on), ("fail-on-new", self.fail_on_new)];
        words.extend(limits.iter().filter(|(_, at)| !at.is_none()).map(|(name, at)| format!("{name}={at}")));
        if !self.require.is_empty() {
            let stages: Vec<_> = self.require.iter().map(|switch| switch.stage().to_lowercase()).collect();
            words.push(format!("require={}", stages.join(",")));
        }
        words.extend((!self.own_pipelines).then(|| "own-pipelines=no".to_owned()));
        f.write_str(&words.join(" "))
    }
}

impl Policy {
    /// The rules for a job of a project: nothing that it asks for makes those of the operator milder.
    #[must_use]
    pub fn with_project(&self, rules: Option<&ProjectRules>) -> Self {
        let Some(rules) = rules else { return self.clone() };
        let mut both = self.clone();
        both.fail_on = self.fail_on.stricter(rules.fail_on);
        both.fail_on_new = self.fail_on_new.stricter(rules.fail_on_new);
        both.require.extend(rules.require.iter().cloned());
        both.own.pipelines &= rules.own_pipelines;
        both.of_project = OfProject {
            require: rules.require.difference(&self.require).cloned().collect(),
            fail_on: both.fail_on != self.fail_on,
            fail_on_new: both.fail_on_new != self.fail_on_new,
            own_pipelines: self.own.pipelines && !rules.own_pipelines,
        };
        both
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(settings: &[(&str, &str)]) -> ProjectRules {
        let mut rules = ProjectRules::default();
        settings.iter().for_each(|(name, value)| rules.set(name, value).unwrap());
        rules
    }

    #[test]
    fn of_the_operator_and_the_project_the_stricter_counts() {
        let words = ["none", "low", "medium", "high", "critical"];
        for operator in words {
            for project in words {
                let policy = Policy { fail_on: operator.parse().unwrap(), ..Policy::default() };
                let both = policy.with_project(Some(&rules(&[("fail-on", project)])));
                let rank = |word| words[1..].iter().position(|known| *known == word).unwrap_or(9);
                let expected = if rank(operator) <= rank(project) { operator } else { project };
                assert_eq!(both.fail_on.to_string(), expected, "{operator} {project}");
                assert_eq!(both.of_project.fail_on, expected != operator);
            }
        }
        let mut policy = Policy { require: [Switch::SAST].into(), ..Policy::default() };
        policy.own.pipelines = true;
        let both = policy.with_project(Some(&rules(&[("require", "sast,sca"), ("own-pipelines", "no")])));
        assert_eq!(both.require, [Switch::SAST, Switch::SCA].into());
        assert_eq!((both.who_requires(&Switch::SAST), both.who_requires(&Switch::SCA)), ("operator", "project"));
        assert!(!both.own.pipelines);
        policy.own.pipelines = false;
        assert!(!policy.with_project(Some(&rules(&[]))).own.pipelines, "what the operator refuses no project allows");
        assert_eq!(policy.with_project(None), policy);
    }

    #[test]
    fn settings_are_said_in_the_words_that_set_them() {
        let settings = [("fail-on", "high"), ("fail-on-new", "low"), ("require", "sca,sast"), ("own-pipelines", "no")];
        let told = rules(&settings).to_string();
        assert_eq!(told, "fail-on=high fail-on-new=low require=sast,sca own-pipelines=no");
        let again: Vec<_> = told.split(' ').map(|word| word.split_once('=').unwrap()).collect();
        assert_eq!(rules(&again), rules(&settings));
        let json = serde_json::to_value(rules(&settings)).unwrap();
        assert_eq!(serde_json::from_value::<ProjectRules>(json).unwrap(), rules(&settings));
        assert_eq!(serde_json::to_value(ProjectRules::default()).unwrap(), serde_json::json!({}));
        assert!(rules(&[("fail-on", "none"), ("require", "none"), ("own-pipelines", "yes")]).are_none());
        for (name, value) in [("fail-on", "hi"), ("require", "a stage"), ("own-pipelines", "maybe"), ("gate", "high")] {
            let error = ProjectRules::default().set(name, value).unwrap_err();
            assert!(error.to_string().contains(name), "{error}");
        }
    }
}
