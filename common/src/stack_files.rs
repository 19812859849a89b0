//! Files of the operator that the tools of a build read: which there are, what tells the tools, and that none of them has a secret.
//! The table is data, in `pipelines/global/stack-files.yml`.

use std::{collections::BTreeMap, sync::LazyLock};

use regex::Regex;
use serde::Deserialize;

/// The largest of them, in bytes.
pub const STACK_FILE_MAX: u64 = 256 * 1024;
/// An address with a user or a password in it is a secret in a file of any tool.
const IN_ADDRESS: &str = r"://[^/\s<>@]+@";
/// The table itself.
const TABLE: &str = include_str!("../../pipelines/global/stack-files.yml");

/// All that there may be. Empty where the table in the program cannot be read, which a test keeps from happening.
static ROWS: LazyLock<Vec<StackFile>> = LazyLock::new(|| read(TABLE).unwrap_or_default());

/// A file that there may be.
#[derive(Debug)]
pub struct StackFile {
    /// The tool, and how its file is called: `maven/settings.xml`.
    pub name: String,
    /// What reads it, and what it is for.
    pub what: String,
    variables: BTreeMap<String, String>,
    lines: Vec<String>,
    secrets: Vec<Regex>,
}

/// Why a file of the operator is not used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StackFileError {
    /// No tool reads a file of that name.
    #[error("no tool reads `{name}`; there are: {}", known.join(", "))]
    Unknown {
        /// The name.
        name: String,
        /// Those there are.
        known: Vec<String>,
    },
    /// It holds what nobody but its owner may read.
    #[error(
        "line {line} may hold a user's name, a password or a key, and every build can read this file: put a mirror that asks for none in front"
    )]
    Secret {
        /// The line, from 1. Its text is not repeated.
        line: usize,
    },
    /// A line is not one of those there may be.
    #[error("line {line} is none of {}", allowed.iter().map(|name| format!("{name}=VALUE")).collect::<Vec<_>>().join(", "))]
    Line {
        /// The line, from 1.
        line: usize,
        /// The names there may be.
        allowed: Vec<String>,
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    files: Vec<WrittenFile>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenFile {
    name: String,
    what: String,
    #[serde(default)]
    variables: BTreeMap<String, String>,
    #[serde(default)]
    lines: Vec<String>,
    #[serde(default)]
    secrets: Vec<String>,
}

fn read(text: &str) -> Result<Vec<StackFile>, String> {
    let written: Written = serde_saphyr::from_str(text).map_err(|error| error.to_string())?;
    let row = |WrittenFile { name, what, variables, lines, secrets }| {
        let secrets = secrets.iter().map(String::as_str).chain([IN_ADDRESS]).map(Regex::new);
        let secrets = secrets.collect::<Result<_, _>>().map_err(|error| error.to_string())?;
        Ok(StackFile { name, what, variables, lines, secrets })
    };
    written.files.into_iter().map(row).collect()
}

/// All files that there may be.
pub fn all() -> &'static [StackFile] {
    &ROWS
}

/// The file of that name.
///
/// # Errors
/// [`StackFileError::Unknown`].
pub fn named(name: &str) -> Result<&'static StackFile, StackFileError> {
    let known = || all().iter().map(|row| row.name.clone()).collect();
    all()
        .iter()
        .find(|row| row.name == name)
        .ok_or_else(|| StackFileError::Unknown { name: name.to_owned(), known: known() })
}

impl StackFile {
    /// Looks for what may not be in it.
    ///
    /// # Errors
    /// [`StackFileError`] with the line, and nothing of what stands there.
    pub fn check(&self, content: &str) -> Result<(), StackFileError> {
        for (number, line) in content.lines().enumerate() {
            let line_number = number + 1;
            if self.secrets.iter().any(|secret| secret.is_match(line)) {
                return Err(StackFileError::Secret { line: line_number });
            }
            if !self.lines.is_empty() && !is_passed_over(line) && self.value_of(line).is_none() {
                return Err(StackFileError::Line { line: line_number, allowed: self.lines.clone() });
            }
        }
        // An element may stand on two lines.
        match self.secrets.iter().find_map(|secret| secret.find(content)) {
            Some(found) => Err(StackFileError::Secret { line: content[..found.start()].lines().count().max(1) }),
            None => Ok(()),
        }
    }

    /// The variables that tell tools of it, where it lies in that folder.
    pub fn variables(&self, folder: &str) -> BTreeMap<String, String> {
        let file = format!("{folder}/{}", self.name);
        let filled = |text: &String| text.replace("$file", &file).replace("$folder", folder);
        self.variables.iter().map(|(name, text)| (name.clone(), filled(text))).collect()
    }

    /// The variables that its lines are, spelled in both ways that tools read.
    pub fn lines(&self, content: &str) -> BTreeMap<String, String> {
        let found = content.lines().filter_map(|line| self.value_of(line));
        found.flat_map(|(name, value)| [(name.clone(), value.clone()), (name.to_lowercase(), value)]).collect()
    }

    fn value_of(&self, line: &str) -> Option<(String, String)> {
        let (name, value) = line.trim().split_once('=')?;
        let name = name.trim().to_uppercase();
        self.lines.contains(&name).then(|| (name, value.trim().to_owned()))
    }
}

fn is_passed_over(line: &str) -> bool {
    line.trim().is_empty() || line.trim_start().starts_with('#')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_file_has_a_tool_that_is_told_of_it() {
        let rows = read(TABLE).unwrap();
        assert!(rows.len() > 5 && all().len() == rows.len());
        for row in rows {
            assert!(row.name.contains('/') && !row.name.contains(".."), "{}", row.name);
            assert_ne!(row.variables.is_empty(), row.lines.is_empty(), "{}", row.name);
        }
        assert!(named("maven/setings.xml").unwrap_err().to_string().contains("maven/settings.xml"));
    }

    #[test]
    fn a_mirror_is_told_to_its_tool() {
        let maven = named("maven/settings.xml").unwrap();
        assert_eq!(
            maven
                .check("<settings><mirrors><mirror><url>https://mirror.example/m2</url></mirror></mirrors></settings>"),
            Ok(())
        );
        assert_eq!(maven.variables("/etc/x")["MAVEN_ARGS"], "--global-settings /etc/x/maven/settings.xml");
        assert_eq!(named("uv/uv.toml").unwrap().variables("/etc/x")["XDG_CONFIG_DIRS"], "/etc/x");
    }

    #[test]
    fn what_every_build_could_read_is_no_secret() {
        for (name, content, line) in [
            ("maven/settings.xml", "<server>\n<password>hunter2</password>", 2),
            ("maven/settings.xml", "<server><password>\nhunter2</password>", 1),
            ("maven/settings.xml", "<url>https://me:pw@mirror.example/</url>", 1),
            ("npm/npmrc", "registry=https://r.example/\n//r.example/:_authToken=abc", 2),
            ("pip/pip.conf", "[global]\nindex-url = https://me:pw@pypi.example/simple", 2),
            ("uv/uv.toml", "[[index]]\npassword = \"x\"", 2),
            ("go/env", "GOPROXY=https://me:pw@proxy.example", 1),
            ("cargo/config.toml", "[registries.x]\ntoken = \"abc\"", 2),
            ("proxy/env", "HTTPS_PROXY=http://me:pw@proxy.example:3128", 1),
        ] {
            assert_eq!(named(name).unwrap().check(content), Err(StackFileError::Secret { line }), "{name}: {content}");
        }
        for (name, content) in [
            ("npm/npmrc", "registry=https://r.example/\n; no key\n"),
            ("pip/pip.conf", "[global]\nindex-url = https://pypi.example/simple"),
            (
                "cargo/config.toml",
                "[source.crates-io]\nreplace-with = \"mirror\"\n[source.mirror]\nregistry = \"sparse+https://c.example/\"",
            ),
        ] {
            assert_eq!(named(name).unwrap().check(content), Ok(()), "{name}");
        }
    }

    #[test]
    fn a_proxy_is_variables_in_both_spellings_and_nothing_else_is() {
        let proxy = named("proxy/env").unwrap();
        let content = "# the one way out\nHTTPS_PROXY=http://proxy.example:3128\nno_proxy = localhost,.example\n";
        assert_eq!(proxy.check(content), Ok(()));
        let variables = proxy.lines(content);
        assert_eq!(variables["https_proxy"], "http://proxy.example:3128");
        assert_eq!(variables["NO_PROXY"], "localhost,.example");
        assert_eq!(variables.len(), 4);
        let told = proxy.check("LD_PRELOAD=/x.so").unwrap_err().to_string();
        assert_eq!(told, "line 1 is none of HTTP_PROXY=VALUE, HTTPS_PROXY=VALUE, NO_PROXY=VALUE");
    }
}
