//! What a client asks for, in the words of the predecessors' clients.

use std::{collections::BTreeMap, fmt};

use schemars::JsonSchema;
use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{self, IgnoredAny, MapAccess, Visitor},
};

use crate::{database::Databases, pipeline::select::Wanted, stage::Switch};

/// The `metadata` part of an upload, and the body of a submission by URL.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct JobRequest {
    /// What kind of project it is; picks contract, scripts and runner image. One that is not named is recognised.
    #[serde(default, skip_serializing_if = "Stack::is_default")]
    pub stack: Stack,
    /// The folder of the project that is built, `.` for its top; absent: found by the files that are there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1))]
    pub folder: Option<String>,
    /// Versions asked for; absent ones are the stack's defaults.
    #[serde(default)]
    pub versions: Versions,
    /// What to run; absent: the stack's default set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pipeline: Option<Switches>,
    /// Which of several applications that are built is started: a name that the stack understands, such as a module's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 200))]
    pub application: Option<String>,
    /// What the job belongs to, for run numbers and history; `default` when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 200))]
    pub project: Option<String>,
    /// The branch it was taken from, as the client says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 200))]
    pub branch: Option<String>,
    /// The commit it was taken from, as the client says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 200))]
    pub commit: Option<String>,
}

/// Where a submission by URL comes from: what its body has beside the keys of a [`JobRequest`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct GitRequest {
    /// The repository, such as `https://github.com/owner/name`; on whichever host, the key is the predecessors'.
    #[schemars(length(min = 9), regex(pattern = "^https://"))]
    pub github_url: String,
    /// A branch, a tag or a commit; absent: the repository's default branch.
    #[serde(default, rename = "ref", skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1))]
    pub git_ref: Option<String>,
    /// The name of a secret that the operator keeps, never the secret itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<String>,
}

/// Language, framework and build tool; all three or none.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Stack {
    /// For example `python`.
    #[serde(default)]
    pub language: String,
    /// For example `fastapi`.
    #[serde(default)]
    pub framework: String,
    /// For example `uv`.
    #[serde(default)]
    pub build_tool: String,
    /// The databases that the application needs while it runs: `true` for a PostgreSQL, `postgresql`, `mysql` (served by a
    /// MariaDB), `mariadb`, `redis`, or a list of these.
    #[serde(default)]
    pub requires_db: Databases,
}

impl Stack {
    /// Whether a client named it.
    pub fn is_named(&self) -> bool {
        [&self.language, &self.framework, &self.build_tool].into_iter().any(|word| !word.is_empty())
    }

    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// Versions by what they are of: `node`, `python`, `build_tool`. What a stack has versions of says its contract.
#[derive(Clone, Debug, Default, PartialEq, Eq, JsonSchema)]
#[schemars(with = "BTreeMap<String, String>")]
pub struct Versions(BTreeMap<String, String>);

impl Versions {
    /// The version of that tool.
    pub fn get(&self, tool: &str) -> Option<&str> {
        self.0.get(tool).map(String::as_str)
    }

    /// All of them, in order of their names.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(tool, version)| (tool.as_str(), version.as_str()))
    }
}

impl FromIterator<(String, String)> for Versions {
    fn from_iter<I: IntoIterator<Item = (String, String)>>(versions: I) -> Self {
        Self(versions.into_iter().collect())
    }
}

impl Serialize for Versions {
    /// In order of their names, and the build tool last: so answers stay as they were, to the byte.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let (last, others): (Vec<_>, Vec<_>) = self.0.iter().partition(|(tool, _)| *tool == "build_tool");
        serializer.collect_map(others.into_iter().chain(last))
    }
}

impl<'de> Deserialize<'de> for Versions {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        /// Clients also send a number, or nothing for the default.
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Written {
            Text(String),
            Number(serde_json::Number),
            Nothing,
        }
        struct Tools;
        impl<'de> Visitor<'de> for Tools {
            type Value = Versions;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("versions by the name of a tool")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Versions, A::Error> {
                let mut versions = BTreeMap::new();
                while let Some(tool) = map.next_key::<String>()? {
                    let version = match map.next_value::<Written>()? {
                        Written::Text(text) => text,
                        Written::Number(number) => number.to_string(),
                        Written::Nothing => continue,
                    };
                    if versions.insert(tool.clone(), version).is_some() {
                        return Err(de::Error::custom(format!("duplicate field `{tool}`")));
                    }
                }
                Ok(Versions(versions))
            }
        }
        deserializer.deserialize_map(Tools)
    }
}

/// What of a pipeline runs, and how: the switches of its stages, and the modes of two of them.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Switches {
    /// The switches that were given, `run_build` and the like; any stage has one.
    #[serde(flatten)]
    pub given: Given,
    /// How secrets are looked for.
    pub secret_scan_mode: SecretScanMode,
    /// The tool to use when the mode is `custom`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret_custom: Option<CustomTool>,
    /// How source is analysed.
    pub sast_mode: SastMode,
    /// The tool to use when the mode is `custom`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sast_custom: Option<CustomTool>,
    /// Run these stages, by name, and what they need.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub only: Vec<String>,
    /// Run all stages but these, by name.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub skip: Vec<String>,
    /// Whether the pipeline that the project brings itself is run, where it brings one; `false`: its stack's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub own: Option<bool>,
    /// The file of the project's own pipeline, in place of `.pipelinex.yml`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// The text of a pipeline that is run in place of one that the project brings.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub inline: Option<String>,
    /// Variables for the project's own pipeline, which count more than those of its file.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub variables: BTreeMap<String, String>,
    /// Run these steps of the project's own pipeline alone, by name.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub steps: Vec<String>,
    /// With `steps`: also what these need.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub with_needs: bool,
}

/// Where secrets are looked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum SecretScanMode {
    /// The folder as it was submitted.
    #[default]
    Dir,
    /// The history of a clone.
    Git,
    /// A tool that the request names.
    Custom,
}

/// How source is analysed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum SastMode {
    /// Our tool and rules.
    #[default]
    Default,
    /// A tool that the request names.
    Custom,
}

/// A scanner that the request brings along.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CustomTool {
    /// Runs first.
    pub install_cmd: String,
    /// The scan itself: exit 0 clean, 1 findings, anything else a tool error.
    pub tool_cmd: String,
    /// Ending of its log's name.
    #[serde(default = "json_ending")]
    pub log_ext: String,
}

fn json_ending() -> String {
    "json".to_owned()
}

impl Switches {
    /// Switches of which these are on.
    pub fn of(on: impl IntoIterator<Item = Switch>) -> Self {
        let mut switches = Self::default();
        on.into_iter().for_each(|switch| switches.set(switch, true));
        switches
    }

    /// Whether that switch is on; `None`: the request does not say.
    pub fn get(&self, switch: &Switch) -> Option<bool> {
        self.given.0.get(switch).copied()
    }

    /// Whether that switch is on.
    pub fn is_on(&self, switch: &Switch) -> bool {
        self.get(switch) == Some(true)
    }

    /// Turns a switch on or off.
    pub fn set(&mut self, switch: Switch, on: bool) {
        self.given.0.insert(switch, on);
    }

    /// Forgets a switch.
    pub fn forget(&mut self, switch: &Switch) {
        self.given.0.remove(switch);
    }

    /// All switches that were given, in their order.
    pub fn given(&self) -> impl Iterator<Item = (&Switch, bool)> {
        self.given.0.iter().map(|(switch, on)| (switch, *on))
    }

    /// What of a pipeline these ask for.
    pub fn wanted(&self) -> Wanted {
        let all = |which: bool| self.given().filter(|(_, on)| *on == which).map(|(switch, _)| switch.clone()).collect();
        Wanted { on: all(true), off: all(false) }
    }
}

/// Switches by name. Keys that are no switches are left to others; those that nobody knows are a warning elsewhere.
#[derive(Clone, Debug, Default, PartialEq, Serialize, JsonSchema)]
#[serde(transparent)]
#[schemars(with = "BTreeMap<String, bool>")]
pub struct Given(BTreeMap<Switch, bool>);

impl<'de> Deserialize<'de> for Given {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Keys;
        impl<'de> Visitor<'de> for Keys {
            type Value = Given;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("switches")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Given, A::Error> {
                let mut given = BTreeMap::new();
                while let Some(key) = map.next_key::<String>()? {
                    let Ok(switch) = key.parse::<Switch>() else {
                        map.next_value::<IgnoredAny>()?;
                        continue;
                    };
                    if given.insert(switch, map.next_value::<bool>()?).is_some() {
                        return Err(de::Error::custom(format!("duplicate field `{key}`")));
                    }
                }
                Ok(Given(given))
            }
        }
        deserializer.deserialize_map(Keys)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_a_map_and_the_two_that_old_clients_know_stay_where_they_were() {
        let read = |text: &str| serde_json::from_str::<Versions>(text);
        let versions = read(r#"{"java": 17, "build_tool": "3.9", "node": null}"#).unwrap();
        assert_eq!(serde_json::to_string(&versions).unwrap(), r#"{"java":"17","build_tool":"3.9"}"#);
        assert_eq!((versions.get("java"), versions.get("node")), (Some("17"), None));
        for bad in [r#"{"java": "17", "java": "21"}"#, r#"{"java": {}}"#, "[]"] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }
}
