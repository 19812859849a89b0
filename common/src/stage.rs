//! The stages that all built-in pipelines share, in one table: name, switch, what the stage does, and the order in which
//! people see them. Whatever else needs one of these reads it here.
//!
//! A pipeline may have other stages. Each stage has a switch, by which a request turns it on and off: that of the table, or
//! one that is made of the stage's name (`LINT`: `run_lint`).

use std::{borrow::Cow, cmp::Ordering, fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, de};

use crate::slug::Slug;

/// One row of the table.
#[derive(Debug)]
pub struct BuiltIn {
    /// The name of the stage.
    pub name: &'static str,
    /// The switch of requests that turns it on.
    pub switch: Switch,
    /// What the stage does, in a few words for people.
    pub help: &'static str,
}

/// The table. Its order is the one in which clients list the stages.
pub static BUILT_IN: [BuiltIn; 8] = [
    BuiltIn { name: "SECRETS", switch: Switch::SECRETS, help: "passwords and keys in the source" },
    BuiltIn { name: "BUILD", switch: Switch::BUILD, help: "compile" },
    BuiltIn { name: "TEST", switch: Switch::TEST, help: "unit tests" },
    BuiltIn { name: "SAST", switch: Switch::SAST, help: "mistakes in the source that an attacker can use" },
    BuiltIn { name: "SCA", switch: Switch::SCA, help: "known vulnerabilities of the dependencies" },
    BuiltIn { name: "PACKAGE", switch: Switch::PACKAGE, help: "make what ships" },
    BuiltIn { name: "SMOKE-TEST", switch: Switch::SMOKE, help: "start it, and ask whether it is healthy" },
    BuiltIn { name: "DAST", switch: Switch::DAST, help: "attack it while it runs" },
];

/// What every switch begins with.
const PREFIX: &str = "run_";

/// A switch of a request: it turns a stage on. Switches of the table come first, in its order.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(transparent)]
pub struct Switch(Cow<'static, str>);

impl Switch {
    /// Look for secrets in the source.
    pub const SECRETS: Switch = Switch(Cow::Borrowed("run_secret_scan"));
    /// Compile.
    pub const BUILD: Switch = Switch(Cow::Borrowed("run_build"));
    /// Unit tests.
    pub const TEST: Switch = Switch(Cow::Borrowed("run_unit_tests"));
    /// Static analysis of the source.
    pub const SAST: Switch = Switch(Cow::Borrowed("run_sast"));
    /// Known vulnerabilities of the dependencies.
    pub const SCA: Switch = Switch(Cow::Borrowed("run_sca"));
    /// Build the package.
    pub const PACKAGE: Switch = Switch(Cow::Borrowed("run_package"));
    /// Start the package and ask whether it lives.
    pub const SMOKE: Switch = Switch(Cow::Borrowed("run_smoke"));
    /// Attack the started package.
    pub const DAST: Switch = Switch(Cow::Borrowed("run_dast"));

    /// The switch of a stage: that of the table, in any letter case, or one made of the stage's name.
    pub fn of_stage(name: &str) -> Self {
        let name = name.trim();
        let row = BUILT_IN.iter().find(|row| row.name.eq_ignore_ascii_case(name));
        row.map_or_else(
            || Self(Cow::Owned(format!("{PREFIX}{}", Slug::of(name).as_str().replace('-', "_")))),
            |row| row.switch.clone(),
        )
    }

    /// The written form, for example `run_build`.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Its row of the table, if it is there.
    pub fn built_in(&self) -> Option<&'static BuiltIn> {
        BUILT_IN.iter().find(|row| row.switch == *self)
    }

    /// The stage it stands for, as messages name it.
    pub fn stage(&self) -> String {
        match self.built_in() {
            Some(row) => row.name.to_owned(),
            None => self.0.trim_start_matches(PREFIX).replace('_', "-").to_uppercase(),
        }
    }

    fn rank(&self) -> usize {
        BUILT_IN.iter().position(|row| row.switch == *self).unwrap_or(BUILT_IN.len())
    }
}

impl Ord for Switch {
    fn cmp(&self, other: &Self) -> Ordering {
        (self.rank(), &self.0).cmp(&(other.rank(), &other.0))
    }
}

impl PartialOrd for Switch {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Display for Switch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A text that is no switch.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a switch: {0}")]
pub struct UnknownSwitch(String);

impl FromStr for Switch {
    type Err = UnknownSwitch;

    fn from_str(text: &str) -> Result<Self, UnknownSwitch> {
        let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
        let shaped = text
            .strip_prefix(PREFIX)
            .is_some_and(|rest| (1..=crate::slug::SLUG_MAX).contains(&rest.len()) && rest.bytes().all(allowed));
        if shaped { Ok(Self(Cow::Owned(text.to_owned()))) } else { Err(UnknownSwitch(text.to_owned())) }
    }
}

impl<'de> Deserialize<'de> for Switch {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn the_table_is_the_one_on_the_wire() {
        let rows: Vec<_> = BUILT_IN.iter().map(|row| format!("{}={}", row.name, row.switch)).collect();
        insta::assert_snapshot!(rows.join(" "), @"SECRETS=run_secret_scan BUILD=run_build TEST=run_unit_tests SAST=run_sast SCA=run_sca PACKAGE=run_package SMOKE-TEST=run_smoke DAST=run_dast");
        let sorted: BTreeSet<Switch> = BUILT_IN.iter().rev().map(|row| row.switch.clone()).collect();
        assert!(sorted.iter().eq(BUILT_IN.iter().map(|row| &row.switch)), "switches sort as the table does");
    }

    #[test]
    fn every_stage_has_a_switch_and_every_switch_a_stage() {
        for (stage, switch, back) in [
            ("sast", "run_sast", "SAST"),
            (" Smoke-Test ", "run_smoke", "SMOKE-TEST"),
            ("LINT", "run_lint", "LINT"),
            ("unit tests", "run_unit_tests", "TEST"),
            ("Deploy to prod", "run_deploy_to_prod", "DEPLOY-TO-PROD"),
        ] {
            let found = Switch::of_stage(stage);
            assert_eq!((found.as_str(), found.stage().as_str()), (switch, back), "{stage}");
            assert_eq!(switch.parse(), Ok(found), "what is made of a name is a switch");
        }
        assert!(Switch::of_stage("日本").as_str().parse::<Switch>().is_ok());
        for bad in ["", "run_", "build", "run_Build", "run-build", "run_a b"] {
            assert!(bad.parse::<Switch>().is_err(), "{bad}");
        }
    }
}
