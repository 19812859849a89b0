//! Who owns what is kept: jobs, the keys of submissions, and run numbers. Accounts come later; until then everything is anonymous's.

use serde::{Deserialize, Deserializer, Serialize};

/// The one owner that there is without accounts.
const ANONYMOUS: &str = "anonymous";

/// Who owns something.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
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
