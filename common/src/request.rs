//! What a client asks for, in the words of the predecessors' clients.

use serde::{Deserialize, Serialize};

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

/// The switches of the built-in pipelines. One that is absent from a given object is off.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Switches {
    /// Stage SECRETS.
    pub run_secret_scan: bool,
    /// How secrets are looked for.
    pub secret_scan_mode: SecretScanMode,
    /// The tool to use when the mode is `custom`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret_custom: Option<CustomTool>,
    /// Stage BUILD.
    pub run_build: bool,
    /// Stage TEST.
    pub run_unit_tests: bool,
    /// Stage SAST.
    pub run_sast: bool,
    /// How source is analysed.
    pub sast_mode: SastMode,
    /// The tool to use when the mode is `custom`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sast_custom: Option<CustomTool>,
    /// Stage SCA.
    pub run_sca: bool,
    /// Stage PACKAGE.
    pub run_package: bool,
    /// Stage SMOKE-TEST.
    pub run_smoke: bool,
    /// Stage DAST.
    pub run_dast: bool,
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

/// The stage names of the built-in pipelines with their switches, in the order in which clients list them.
pub const BUILT_IN_STAGES: [(&str, &str); 8] = [
    ("SECRETS", "run_secret_scan"),
    ("BUILD", "run_build"),
    ("TEST", "run_unit_tests"),
    ("SAST", "run_sast"),
    ("SCA", "run_sca"),
    ("PACKAGE", "run_package"),
    ("SMOKE-TEST", "run_smoke"),
    ("DAST", "run_dast"),
];

impl Switches {
    /// The switch of that name, or `None` where there is none of that name.
    pub fn get(&self, switch: &str) -> Option<bool> {
        Some(match switch {
            "run_secret_scan" => self.run_secret_scan,
            "run_build" => self.run_build,
            "run_unit_tests" => self.run_unit_tests,
            "run_sast" => self.run_sast,
            "run_sca" => self.run_sca,
            "run_package" => self.run_package,
            "run_smoke" => self.run_smoke,
            "run_dast" => self.run_dast,
            _ => return None,
        })
    }

    /// The switch of that name, to turn it on.
    pub fn get_mut(&mut self, switch: &str) -> Option<&mut bool> {
        Some(match switch {
            "run_secret_scan" => &mut self.run_secret_scan,
            "run_build" => &mut self.run_build,
            "run_unit_tests" => &mut self.run_unit_tests,
            "run_sast" => &mut self.run_sast,
            "run_sca" => &mut self.run_sca,
            "run_package" => &mut self.run_package,
            "run_smoke" => &mut self.run_smoke,
            "run_dast" => &mut self.run_dast,
            _ => return None,
        })
    }

    /// The names of the switches that are on, in the order of the stages.
    pub fn wanted(&self) -> Vec<&'static str> {
        BUILT_IN_STAGES.iter().map(|(_, switch)| *switch).filter(|switch| self.get(switch) == Some(true)).collect()
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
