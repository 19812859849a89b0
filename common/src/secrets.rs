//! What a secret of a project is: its name, what it is for, and which values there may be. Where secrets are kept is in
//! `store/secrets.rs`, how they are sealed in `secrets/seal.rs`.

mod seal;

use std::{fmt, str::FromStr};

use schemars::JsonSchema;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};

pub use self::seal::{KeyError, Sealed, SecretKey, UnsealError};

/// The largest value, in bytes.
pub const VALUE_MAX: usize = 64 * 1024;
/// What is shorter would hide half of a log with it, and is guessed soon.
pub const MASKED_MIN: usize = 8;
/// The longest name.
const NAME_MAX: usize = 100;
/// The longest name of a host.
const HOST_MAX: usize = 253;
/// What a step is told by us, or what decides which programs run in it.
const OURS: [&str; 22] = [
    "ADVISORIES_DIR",
    "APP_DIR",
    "BASH_ENV",
    "CACHE_DIR",
    "CI",
    "ENV",
    "HOME",
    "IFS",
    "INPUTS_DIR",
    "LANG",
    "LD_LIBRARY_PATH",
    "LD_PRELOAD",
    "PATH",
    "PIPELINES_DIR",
    "PWD",
    "REPORTS_DIR",
    "SHELL",
    "STAGE",
    "STEP",
    "TERM",
    "TZ",
    "XDG_RUNTIME_DIR",
];

/// A secret, opened.
#[derive(Clone, Debug)]
pub struct Secret {
    /// Its name, and of the variable that a step gets.
    pub name: String,
    /// What it is for.
    pub purpose: Purpose,
    /// Whether it is taken out of logs and reports.
    pub masked: bool,
    /// Whether it is only for refs that the project trusts.
    pub protected: bool,
    /// What nobody else knows.
    pub value: SecretString,
}

/// What a secret is for. Written as people write it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Purpose {
    /// A variable of every step of the project's own pipelines.
    Variable,
    /// A file of every such step; the variable has its path.
    File,
    /// The token for private repositories of a host: `host`, or `host:port`.
    Git(String),
}

impl Purpose {
    /// Whether steps of own pipelines get it.
    pub fn is_of_steps(&self) -> bool {
        matches!(self, Self::Variable | Self::File)
    }
}

impl fmt::Display for Purpose {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Variable => f.write_str("variable"),
            Self::File => f.write_str("file"),
            Self::Git(host) => write!(f, "git:{host}"),
        }
    }
}

impl FromStr for Purpose {
    type Err = InvalidSecret;

    fn from_str(text: &str) -> Result<Self, InvalidSecret> {
        match text {
            "variable" => Ok(Self::Variable),
            "file" => Ok(Self::File),
            other => match other.strip_prefix("git:") {
                Some(host) if is_host(host) => Ok(Self::Git(host.to_owned())),
                _ => Err(InvalidSecret::Purpose(other.chars().take(80).collect())),
            },
        }
    }
}

impl Serialize for Purpose {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Purpose {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        String::deserialize(from)?.parse().map_err(serde::de::Error::custom)
    }
}

impl JsonSchema for Purpose {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Purpose".into()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        String::json_schema(generator)
    }
}

/// Why something is no secret: all are of whoever asked. No value is repeated.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidSecret {
    /// No variable is called so.
    #[error(
        "a secret has the name of a variable: letters, digits and underscores, no digit first, at most {NAME_MAX} of them"
    )]
    Name,
    /// That variable is ours.
    #[error("`{0}` is set by Pipelinex itself, or decides which programs run: give the secret another name")]
    Ours(String),
    /// It is for nothing that there is.
    #[error("`{0}` is nothing that a secret is for; there are variable, file and git:HOST")]
    Purpose(String),
    /// There is no value.
    #[error("the value is empty")]
    Empty,
    /// It is too large.
    #[error("a value has at most {} KiB", VALUE_MAX / 1024)]
    TooLarge,
    /// It is no text.
    #[error("a value is text in UTF-8 without NUL: encode it with base64, and decode it in the step")]
    NoText,
    /// It would not be masked.
    #[error(
        "a value of fewer than {MASKED_MIN} characters cannot be masked in logs: take a longer one, or say --unmasked, and whoever reads a log may read it there"
    )]
    Short,
    /// A token for Git of several lines.
    #[error("a token for Git is one line: the token, or USER:TOKEN")]
    GitToken,
}

/// Checks the name of a secret.
///
/// # Errors
/// [`InvalidSecret`].
pub fn check_name(name: &str) -> Result<(), InvalidSecret> {
    let begins = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    if !begins || name.len() > NAME_MAX || !name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') {
        return Err(InvalidSecret::Name);
    }
    let ours = OURS.contains(&name) || name.starts_with("PIPELINEX_") || name.starts_with("TINI_");
    if ours { Err(InvalidSecret::Ours(name.to_owned())) } else { Ok(()) }
}

impl Secret {
    /// A secret of what was read, checked. One line end at the end of a variable or token is nobody's.
    ///
    /// # Errors
    /// [`InvalidSecret`].
    pub fn new(
        name: &str,
        purpose: Purpose,
        masked: bool,
        protected: bool,
        bytes: Vec<u8>,
    ) -> Result<Self, InvalidSecret> {
        check_name(name)?;
        if bytes.len() > VALUE_MAX {
            return Err(InvalidSecret::TooLarge);
        }
        let mut text = String::from_utf8(bytes).map_err(|_| InvalidSecret::NoText)?;
        if matches!(purpose, Purpose::Variable | Purpose::Git(_)) {
            text.truncate(text.strip_suffix('\n').map_or(text.len(), |rest| rest.trim_end_matches('\r').len()));
        }
        if text.contains('\0') {
            return Err(InvalidSecret::NoText);
        }
        if text.is_empty() {
            return Err(InvalidSecret::Empty);
        }
        if matches!(purpose, Purpose::Git(_)) && !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(InvalidSecret::GitToken);
        }
        let long = |line: &str| line.trim().chars().count() >= MASKED_MIN;
        if masked && !text.lines().any(long) {
            return Err(InvalidSecret::Short);
        }
        Ok(Self { name: name.to_owned(), purpose, masked, protected, value: text.into() })
    }

    /// Its value, for whoever hands it on.
    pub fn expose(&self) -> &str {
        self.value.expose_secret()
    }
}

fn is_host(text: &str) -> bool {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || ".-:".contains(c);
    (1..=HOST_MAX).contains(&text.len()) && text.chars().all(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made(name: &str, purpose: &str, value: &str) -> Result<String, InvalidSecret> {
        Secret::new(name, purpose.parse()?, true, false, value.into()).map(|secret| secret.expose().to_owned())
    }

    #[test]
    fn a_secret_has_the_name_of_a_variable_that_is_nobodys_and_a_value_that_can_be_masked() {
        assert_eq!(made("DEPLOY_KEY", "variable", "hunter2hunter2\r\n").unwrap(), "hunter2hunter2");
        assert_eq!(made("DEPLOY_KEY", "file", "line of text\n").unwrap(), "line of text\n");
        assert_eq!(made("TOKEN", "git:git.example:8443", "me:s3cret-value\n").unwrap(), "me:s3cret-value");
        for purpose in ["variable", "file", "git:github.com"] {
            assert_eq!(purpose.parse::<Purpose>().unwrap().to_string(), purpose);
        }
        assert_eq!("git:".parse::<Purpose>(), Err(InvalidSecret::Purpose("git:".to_owned())));
        assert!("cpan".parse::<Purpose>().unwrap_err().to_string().contains("git:HOST"));
        for name in ["", "1A", "A-B", "A B", "É", &"A".repeat(101)] {
            assert_eq!(made(name, "variable", "long enough"), Err(InvalidSecret::Name), "{name}");
        }
        for name in ["PATH", "HOME", "PIPELINEX_TRY", "LD_PRELOAD"] {
            assert_eq!(made(name, "variable", "long enough"), Err(InvalidSecret::Ours(name.to_owned())));
        }
        assert_eq!(made("A", "variable", "seven 7"), Err(InvalidSecret::Short));
        assert_eq!(made("A", "variable", "\n"), Err(InvalidSecret::Empty));
        assert_eq!(made("A", "variable", "long\0enough"), Err(InvalidSecret::NoText));
        assert_eq!(made("A", "git:github.com", "two\nlines of it"), Err(InvalidSecret::GitToken));
        assert_eq!(made("A", "file", &"x".repeat(VALUE_MAX + 1)), Err(InvalidSecret::TooLarge));
        let unmasked = Secret::new("A", Purpose::Variable, false, false, b"short".to_vec()).unwrap();
        assert!(!format!("{unmasked:?}").contains("short"), "no value in what a program writes down");
    }
}
