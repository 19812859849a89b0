//! The form: from its fields to a request, and back to a page that still holds what was typed.

use std::collections::BTreeMap;

use pipelinex_common::{
    pipeline::model::Switch,
    request::{BUILT_IN_STAGES, JobRequest},
};
use serde_json::{Map, Value, json};

use crate::{app::App, error::ApiError, request, stacks::StackData};

/// What was typed, by field.
pub type Texts = BTreeMap<String, String>;

/// The two custom tools: field prefix and mode field.
const TOOLS: [(&str, &str); 2] = [("secret_custom", "secret_scan_mode"), ("sast_custom", "sast_mode")];

/// The page of the form, whose fields have their names from there.
const PAGE: &str = include_str!("../../templates/home.html");

/// Whether the form has a field of that name.
pub fn is_field(name: &str) -> bool {
    let written = PAGE.split("name=\"").skip(1).filter_map(|rest| rest.split('"').next());
    BUILT_IN_STAGES.iter().map(|(_, field)| *field).chain(written).any(|field| field == name)
}

/// The form as a page shows it.
pub struct Form {
    texts: Texts,
    /// All stacks.
    pub stacks: Vec<Choice>,
    /// All versions of Java that any stack has.
    pub javas: Vec<Choice>,
    /// All versions of build tools.
    pub build_tools: Vec<Choice>,
    /// The stages.
    pub stages: Vec<StageChoice>,
    /// Where secrets are looked for.
    pub secret_modes: Vec<Choice>,
    /// How source is analysed.
    pub sast_modes: Vec<Choice>,
}

/// One entry of a list to choose from.
pub struct Choice {
    /// What is sent.
    pub value: String,
    /// What is shown.
    pub label: String,
    /// Whether it is chosen.
    pub chosen: bool,
}

/// One stage to turn on.
pub struct StageChoice {
    /// The field of the request.
    pub field: &'static str,
    /// Its name.
    pub name: &'static str,
    /// What it does.
    pub help: &'static str,
    /// Whether it is on.
    pub on: bool,
}

impl Form {
    /// The form with what was typed; an empty one has the first stack and its default set.
    pub fn new(app: &App, texts: Texts) -> Self {
        let typed = |name: &str| texts.get(name).map(String::as_str).unwrap_or_default();
        let stacks: Vec<&StackData> = app.stacks.iter().collect();
        let keys: Vec<String> = stacks.iter().map(|stack| stack.contract.stack.to_string()).collect();
        let asked = keys.iter().position(|key| key == typed("stack")).unwrap_or(0);
        let versions = |of: &str| {
            let mut all: Vec<String> = Vec::new();
            for known in stacks.iter().filter_map(|stack| stack.contract.versions.get(of)) {
                all.extend(
                    known.supported.iter().filter(|version| !all.contains(version)).cloned().collect::<Vec<_>>(),
                );
            }
            choices(all.into_iter().map(|version| (version.clone(), version)), typed(of))
        };
        let has = |switch: Switch| {
            stacks.get(asked).is_some_and(|s| s.pipeline.steps.iter().any(|step| step.switch == Some(switch)))
        };
        let untouched = !texts.contains_key("stack");
        let stage = |(index, (name, field)): (usize, &(&'static str, &'static str))| StageChoice {
            field,
            name,
            help: HELP[index],
            on: if untouched { has(Switch::ALL[index]) } else { texts.contains_key(*field) },
        };
        Self {
            stacks: choices(keys.into_iter().map(|key| (key.clone(), key.replace('/', ", "))), typed("stack")),
            javas: versions("java"),
            build_tools: versions("build_tool"),
            stages: BUILT_IN_STAGES.iter().enumerate().map(stage).collect(),
            secret_modes: choices(
                [
                    ("dir", "in the files"),
                    ("git", "in the whole history (Git only)"),
                    ("custom", "with a tool of your own"),
                ]
                .map(|(value, label)| (value.to_owned(), label.to_owned())),
                typed("secret_scan_mode"),
            ),
            sast_modes: choices(
                [("default", "with our rules"), ("custom", "with a tool of your own")]
                    .map(|(value, label)| (value.to_owned(), label.to_owned())),
                typed("sast_mode"),
            ),
            texts,
        }
    }

    /// What was typed into a field.
    pub fn text(&self, name: &str) -> &str {
        self.texts.get(name).map(String::as_str).unwrap_or_default()
    }

    /// Whether a box is ticked.
    pub fn ticked(&self, name: &str) -> bool {
        self.texts.contains_key(name)
    }
}

/// What each stage does, in the order of the stages.
const HELP: [&str; 8] = [
    "passwords and keys in the source",
    "compile",
    "unit tests",
    "mistakes in the source that an attacker can use",
    "known vulnerabilities of the dependencies",
    "make what ships",
    "start it, and ask whether it is healthy",
    "attack it while it runs",
];

fn choices(all: impl IntoIterator<Item = (String, String)>, typed: &str) -> Vec<Choice> {
    let mut choices: Vec<Choice> =
        all.into_iter().map(|(value, label)| Choice { chosen: value == typed, value, label }).collect();
    if let Some(first) = choices.first_mut().filter(|_| typed.is_empty()) {
        first.chosen = true;
    }
    choices
}

/// The request that a form makes, as JSON in the words of the API.
pub fn request_json(texts: &Texts) -> Value {
    let typed = |name: &str| texts.get(name).map(String::as_str).filter(|text| !text.is_empty());
    let mut words = typed("stack").unwrap_or_default().split('/');
    let mut word = || words.next().unwrap_or_default().to_owned();
    let (language, framework, build_tool) = (word(), word(), word());
    let mut request = Map::new();
    let requires_db = texts.contains_key("requires_db");
    request.insert(
        "stack".into(),
        json!({"language": language, "framework": framework, "build_tool": build_tool, "requires_db": requires_db}),
    );
    let versions = [("java", typed("java")), ("build_tool", typed("build_tool"))];
    let versions: Map<String, Value> = versions.into_iter().filter_map(|(k, v)| Some((k.into(), v?.into()))).collect();
    request.insert("versions".into(), versions.into());
    request.insert("pipeline".into(), pipeline_json(texts));
    for name in ["project", "branch", "commit"] {
        if let Some(text) = typed(name) {
            request.insert(name.into(), text.into());
        }
    }
    request.into()
}

/// The request for a clone; `None` where no address was typed. What the clone itself says is not in it.
pub fn git_json(texts: &Texts) -> Option<Value> {
    let typed = |name: &str| texts.get(name).filter(|text| !text.is_empty());
    let mut request = request_json(texts);
    let object = request.as_object_mut()?;
    for name in ["project", "branch", "commit"] {
        object.remove(name);
    }
    object.insert("github_url".to_owned(), typed("github_url")?.as_str().into());
    for name in ["ref", "token"] {
        if let Some(text) = typed(name) {
            object.insert(name.to_owned(), text.as_str().into());
        }
    }
    Some(request)
}

fn pipeline_json(texts: &Texts) -> Value {
    let mut pipeline: Map<String, Value> =
        BUILT_IN_STAGES.iter().map(|(_, field)| ((*field).to_owned(), texts.contains_key(*field).into())).collect();
    for (tool, mode) in TOOLS {
        let Some(chosen) = texts.get(mode).filter(|mode| !mode.is_empty()) else { continue };
        pipeline.insert(mode.into(), chosen.as_str().into());
        if chosen == "custom" {
            let part = |name: &str| texts.get(&format!("{tool}.{name}")).cloned().unwrap_or_default();
            let ending = Some(part("log_ext")).filter(|ending| !ending.is_empty()).unwrap_or_else(|| "json".to_owned());
            let object = json!({"install_cmd": part("install_cmd"), "tool_cmd": part("tool_cmd"), "log_ext": ending});
            pipeline.insert(tool.into(), object);
        }
    }
    pipeline.into()
}

/// The request that a form makes, checked as one that a program sends.
///
/// # Errors
/// As those of [`request::parse`].
pub fn request_of(texts: &Texts) -> Result<(JobRequest, Vec<String>), ApiError> {
    request::parse(request_json(texts).to_string().as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(pairs: &[(&str, &str)]) -> Texts {
        pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()
    }

    #[test]
    fn every_field_of_the_predecessors_form_becomes_its_key() {
        let form = texts(&[
            ("stack", "java/spring-boot/maven"),
            ("requires_db", "on"),
            ("java", "17"),
            ("build_tool", "3.9"),
            ("run_secret_scan", "on"),
            ("secret_scan_mode", "custom"),
            ("secret_custom.install_cmd", "pip install x"),
            ("secret_custom.tool_cmd", "x ."),
            ("secret_custom.log_ext", ""),
            ("run_sast", "on"),
            ("sast_mode", "default"),
            ("project", "shop"),
        ]);
        let (request, warnings) = request_of(&form).unwrap();
        assert_eq!(warnings, [""; 0]);
        assert!(request.stack.requires_db);
        assert_eq!(request.versions.java.as_deref(), Some("17"));
        assert_eq!(request.project.as_deref(), Some("shop"));
        let pipeline = request.pipeline.unwrap();
        assert_eq!(pipeline.wanted(), ["run_secret_scan", "run_sast"]);
        let tool = pipeline.secret_custom.unwrap();
        assert_eq!(
            (tool.install_cmd.as_str(), tool.tool_cmd.as_str(), tool.log_ext.as_str()),
            ("pip install x", "x .", "json")
        );
        assert!(pipeline.sast_custom.is_none());
    }

    #[test]
    fn a_form_without_a_stack_is_refused_and_not_guessed() {
        assert!(matches!(request_of(&Texts::new()), Err(ApiError::Refused { .. })));
    }
}
