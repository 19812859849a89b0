//! Who owns what is kept (jobs, the keys of submissions, run numbers), and who may do what with it: pure rules.

use std::{fmt, str::FromStr};

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};

/// The one owner that there is without accounts.
const ANONYMOUS: &str = "anonymous";
/// The project of what was submitted without an account, and of a token that names none.
pub const DEFAULT_PROJECT: &str = "default";
/// The longest name of an account, in characters.
const NAME_MAX: usize = 40;

/// Who owns something.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Owner(String);

impl Owner {
    /// The owner of what is submitted without an account, and of what older programs kept.
    pub fn anonymous() -> Self {
        Self(ANONYMOUS.to_owned())
    }

    /// An account of this name.
    pub fn named(name: &str) -> Self {
        Self(name.to_owned())
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it is nobody's in particular.
    pub fn is_anonymous(&self) -> bool {
        self.0 == ANONYMOUS
    }
}

impl Default for Owner {
    fn default() -> Self {
        Self::anonymous()
    }
}

/// Reads the owner in a record; those of older programs say `null`.
///
/// # Errors
/// What is neither a text nor `null`.
pub fn read_owner<'de, D: Deserializer<'de>>(record: D) -> Result<Owner, D::Error> {
    Ok(Option::deserialize(record)?.unwrap_or_default())
}

/// What no account is called.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "a name is 1 to {NAME_MAX} lower-case letters, digits, dots, hyphens and underscores, begins with a letter, and is not `{ANONYMOUS}`"
)]
pub struct InvalidName;

/// Checks the name of an account.
///
/// # Errors
/// [`InvalidName`].
pub fn check_name(name: &str) -> Result<(), InvalidName> {
    let known = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "._-".contains(c);
    let begins = name.starts_with(|c: char| c.is_ascii_lowercase());
    let fits = begins && name.len() <= NAME_MAX && name.chars().all(known) && name != ANONYMOUS;
    if fits { Ok(()) } else { Err(InvalidName) }
}

/// The longest name of a project, in bytes.
const PROJECT_MAX: usize = 200;

/// What no project is called.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a project has a name of 1 to {PROJECT_MAX} visible characters, and no space around it")]
pub struct InvalidProject;

/// Checks the name of a project.
///
/// # Errors
/// [`InvalidProject`].
pub fn check_project(name: &str) -> Result<(), InvalidProject> {
    let hides = |c: char| {
        c.is_control()
            || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
    };
    let plain = !name.is_empty() && name.len() <= PROJECT_MAX && name.trim() == name && !name.chars().any(hides);
    if plain { Ok(()) } else { Err(InvalidProject) }
}

/// What somebody wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Right {
    /// To read a job, and all that belongs to it.
    See,
    /// To end one.
    Cancel,
    /// To make a new one of it.
    Retry,
    /// To make one at all, which is then theirs.
    Submit,
    /// To decide about a finding.
    Triage,
    /// To read what is about the server and no job: its numbers.
    Operate,
    /// To read and do everything, in every project.
    Administer,
}

impl Right {
    /// All of them.
    pub const ALL: [Self; 7] =
        [Self::See, Self::Cancel, Self::Retry, Self::Submit, Self::Triage, Self::Operate, Self::Administer];

    /// Whether it is about what belongs to a project, and not about the server.
    pub fn is_of_projects(self) -> bool {
        !matches!(self, Self::Operate | Self::Administer)
    }
}

/// What an account is for. Each may do what those before it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Looks.
    Viewer,
    /// Submits, cancels and runs again.
    Submitter,
    /// Looks after the server as well.
    Operator,
    /// Has every project.
    Admin,
}

impl Role {
    /// All of them, the least first.
    pub const ALL: [Self; 4] = [Self::Viewer, Self::Submitter, Self::Operator, Self::Admin];

    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Submitter => "submitter",
            Self::Operator => "operator",
            Self::Admin => "admin",
        }
    }

    /// Whether the role has that right, in the projects that it is for.
    pub fn has(self, right: Right) -> bool {
        let least = match right {
            Right::See => Self::Viewer,
            Right::Submit | Right::Cancel | Right::Retry => Self::Submitter,
            // Whoever submits does not judge what is found in it.
            Right::Triage | Right::Operate => Self::Operator,
            Right::Administer => Self::Admin,
        };
        self >= least
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What no role is called.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a role is viewer, submitter, operator or admin")]
pub struct InvalidRole;

impl FromStr for Role {
    type Err = InvalidRole;

    fn from_str(text: &str) -> Result<Self, InvalidRole> {
        Self::ALL.into_iter().find(|role| role.as_str() == text).ok_or(InvalidRole)
    }
}

/// A role, and the projects that it is for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grant {
    /// What for.
    pub role: Role,
    /// Where. The first is that of a submission which names none. An admin has all the others, too.
    pub projects: Vec<String>,
}

impl Grant {
    /// Whether it has that right on what belongs to a project.
    pub fn may(&self, right: Right, project: &str) -> bool {
        self.role.has(right) && (self.role == Role::Admin || self.projects.iter().any(|known| known == project))
    }
}

/// The project whose members may see a job. What was submitted without an account belongs to `default`, whatever project it
/// names: anybody could have named it.
pub fn home_project<'a>(owner: &Owner, project: &'a str) -> &'a str {
    if owner.is_anonymous() { DEFAULT_PROJECT } else { project }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_role_may_do_what_those_before_it_may() {
        let rights = |role: Role| Right::ALL.into_iter().filter(|right| role.has(*right)).count();
        assert_eq!(Role::ALL.map(rights), [1, 4, 6, 7]);
        for role in Role::ALL {
            assert_eq!(role.as_str().parse(), Ok(role));
        }
        assert_eq!("root".parse::<Role>(), Err(InvalidRole));
    }

    #[test]
    fn a_grant_is_for_its_projects_and_that_of_an_admin_for_all() {
        let grant = |role| Grant { role, projects: vec!["shop".to_owned(), "site".to_owned()] };
        for role in Role::ALL {
            assert!(grant(role).may(Right::See, "shop") && grant(role).may(Right::See, "site"));
            assert_eq!(grant(role).may(Right::See, "other"), role == Role::Admin, "{role}");
            assert_eq!(grant(role).may(Right::Submit, "other"), role == Role::Admin, "{role}");
        }
        assert_eq!(home_project(&Owner::anonymous(), "shop"), "default");
        assert_eq!(home_project(&Owner::named("ada"), "shop"), "shop");
    }

    #[test]
    fn names_of_accounts_are_plain() {
        for name in ["ci", "a", "build-bot_2.x", &"a".repeat(40)] {
            assert_eq!(check_name(name), Ok(()), "{name}");
        }
        for name in ["", "anonymous", "Ada", "1st", "-a", "a b", "ä", "a/b", "a\n", &"a".repeat(41)] {
            assert_eq!(check_name(name), Err(InvalidName), "{name}");
        }
    }
}
