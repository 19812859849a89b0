//! Slugs: the written name of a step, made safe for a path, a container name and a URL.

use std::{fmt, str::FromStr};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// The longest slug, in characters (all ASCII).
pub const SLUG_MAX: usize = 40;

/// A name for paths, containers and URLs: lower-case letters, digits and hyphens, 1 to 40 characters,
/// beginning and ending with a letter or digit.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, JsonSchema)]
#[serde(transparent)]
pub struct Slug(String);

/// A string that is not a slug.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a slug: 1 to 40 lower-case letters, digits and hyphens, beginning and ending with a letter or digit")]
pub struct InvalidSlug;

impl Slug {
    /// The slug of each written name, in their order. Where two names would meet (`a b`, `a-b`), or nothing of a name
    /// is left, a hash of the name is added to all but the first of them, so that the same names always give the same slugs.
    pub fn assign<'a>(names: impl IntoIterator<Item = &'a str>) -> Vec<Slug> {
        let mut given: Vec<Slug> = Vec::new();
        for name in names {
            let plain = Slug(squeeze(name, SLUG_MAX));
            let free = !plain.0.is_empty() && !given.contains(&plain);
            given.push(if free { plain } else { Slug::hashed(name) });
        }
        given
    }

    /// The slug of one name by itself.
    pub fn of(name: &str) -> Slug {
        let plain = squeeze(name, SLUG_MAX);
        if plain.is_empty() { Slug::hashed(name) } else { Slug(plain) }
    }

    fn hashed(name: &str) -> Slug {
        let digest = Sha256::digest(name.as_bytes());
        let hash: String = digest.iter().take(5).map(|b| format!("{b:02x}")).collect();
        let head = squeeze(name, SLUG_MAX - hash.len() - 1);
        Slug(if head.is_empty() { hash } else { format!("{head}-{hash}") })
    }

    /// The text of the slug.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn squeeze(name: &str, max: usize) -> String {
    let mut out = String::new();
    for c in name.chars().flat_map(char::to_lowercase) {
        let c = if c.is_ascii_alphanumeric() { c } else { '-' };
        if c != '-' || !(out.is_empty() || out.ends_with('-')) {
            out.push(c);
        }
        if out.len() == max {
            break;
        }
    }
    out.trim_end_matches('-').to_owned()
}

impl FromStr for Slug {
    type Err = InvalidSlug;

    fn from_str(text: &str) -> Result<Self, InvalidSlug> {
        let valid = !text.is_empty()
            && text.len() <= SLUG_MAX
            && text.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-'))
            && !text.starts_with('-')
            && !text.ends_with('-');
        if valid { Ok(Slug(text.to_owned())) } else { Err(InvalidSlug) }
    }
}

impl fmt::Display for Slug {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Slug {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_become_slugs_and_meeting_names_are_told_apart() {
        let slugs = Slug::assign(["BUILD", "SMOKE-TEST", "a b", "a-b", "../..", "日本", &"x".repeat(99)]);
        let text: Vec<_> = slugs.iter().map(Slug::as_str).collect();
        assert_eq!(&text[..3], ["build", "smoke-test", "a-b"]);
        assert!(text[3].starts_with("a-b-"), "{}", text[3]);
        assert_eq!(text[6].len(), SLUG_MAX);
        for slug in text {
            assert_eq!(slug.parse::<Slug>().map(|s| s.to_string()), Ok(slug.to_owned()));
        }
    }

    #[test]
    fn what_is_no_slug_is_refused() {
        for bad in ["", "-a", "a-", "A", "a/b", "..", "a.2", &"x".repeat(41)] {
            assert_eq!(bad.parse::<Slug>(), Err(InvalidSlug), "{bad}");
        }
    }
}
