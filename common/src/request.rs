//! What a client asks for, in the words of the predecessors' clients.

use std::{collections::BTreeMap, fmt};

use serde::{
    Deserialize, Deserializer, Serialize,
    de::{self, IgnoredAny, MapAccess, Visitor},
};

use crate::{pipeline::select::Wanted, stage::Switch};

/// The `metadata` part of an upload, and the body of a submission by URL.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct JobRequest {
    /// What kind of project it is; picks contract, scripts and runner image.
    pub stack: Stack,
    /// Versions asked for; absent ones are the stack's defaults.
    #[serde(default)]
    pub versions: Versions,
    /// What to run; absent: the stack's default set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pipeline: Option<Switches>,
    /// What the job belongs to, for run numbers and history; `default` when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub project: Option<String>,
    /// The branch it was taken from, as the client says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub branch: Option<String>,
    /// The commit it was taken from, as the client says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
}

/// Where a submission by URL comes from: what its body has beside the keys of a [`JobRequest`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GitRequest {
    /// The repository, such as `https://github.com/owner/name`; on whichever host, the key is the predecessors'.
    pub github_url: String,
    /// A branch, a tag or a commit; absent: the repository's default branch.
    #[serde(default, rename = "ref", skip_serializing_if = "Option::is_none")]
    pub git_ref: Option<String>,
    /// The name of a secret that the operator keeps, never the secret itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<String>,
}

/// Language, framework and build tool.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stack {
    /// For example `java`.
    pub language: String,
    /// For example `spring-boot`.
    pub framework: String,
    /// For example `maven`.
    pub build_tool: String,
    /// Whether the application needs a database while it runs.
    #[serde(default)]
    pub requires_db: bool,
}

/// Versions of the language and the build tool.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Versions {
    /// For example `17`. Clients also send a number.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "text_or_number")]
    pub java: Option<String>,
    /// For example `3.9`.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "text_or_number")]
    pub build_tool: Option<String>,
}

/// What of a pipeline runs, and how: the switches of its stages, and the modes of two of them.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
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
}

/// Where secrets are looked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
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
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SastMode {
    /// Our tool and rules.
    #[default]
    Default,
    /// A tool that the request names.
    Custom,
}

/// A scanner that the request brings along.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
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
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(transparent)]
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

fn text_or_number<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Written {
        Text(String),
        Number(serde_json::Number),
    }
    Ok(Option::<Written>::deserialize(deserializer)?.map(|written| match written {
        Written::Text(text) => text,
        Written::Number(number) => number.to_string(),
    }))
}
