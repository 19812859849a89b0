//! The form: from its fields to a request, and back to a page that still holds what was typed.

use std::collections::{BTreeMap, BTreeSet};

use pipelinex_common::{
    database::{DatabaseKind, Databases},
    request::JobRequest,
    stage::{BUILT_IN, Switch},
};
use serde_json::{Map, Value, json};

use crate::{app::App, error::ApiError, request, stacks::StackData};

/// What was typed, by field.
pub type Texts = BTreeMap<String, String>;

/// The two custom tools: field prefix and mode field.
const TOOLS: [(&str, &str); 2] = [("secret_custom", "secret_scan_mode"), ("sast_custom", "sast_mode")];

/// The page of the form, and what is put into it: fields have their names from there.
const PAGES: [&str; 2] = [include_str!("../../templates/new.html"), include_str!("../../templates/verdict.html")];

/// Whether the form has a field of that name. Each database has one, and each stage; which stages there are the stacks say.
pub fn is_field(name: &str) -> bool {
    let fields = |page: &'static str| page.split("name=\"").skip(1).filter_map(|rest| rest.split('"').next());
    let mut written = PAGES.into_iter().flat_map(fields);
    let of_database = DatabaseKind::ALL.into_iter().any(|kind| database_field(kind) == name);
    of_database || name.parse::<Switch>().is_ok() || written.any(|field| field == name)
}

/// The form as a page shows it.
pub struct Form {
    texts: Texts,
    /// All stacks.
    pub stacks: Vec<Choice>,
    /// Which versions each stack has, a line for each.
    pub versions: Vec<String>,
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

/// One box to tick: a stage, or a database.
pub struct StageChoice {
    /// The field of the request.
    pub field: String,
    /// Its name.
    pub name: String,
    /// What it does, or is.
    pub help: String,
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
        Self {
            stacks: choices(
                std::iter::once((String::new(), "recognise it".to_owned()))
                    .chain(keys.into_iter().map(|key| (key.clone(), key.replace('/', ", ")))),
                typed("stack"),
            ),
            versions: stacks.iter().map(|stack| versions(stack)).collect(),
            stages: stages(&stacks, asked, &texts),
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

    /// The fields of all stages that the page shows.
    pub fn shown(&self) -> String {
        self.stages.iter().map(|stage| stage.field.as_str()).collect::<Vec<_>>().join(" ")
    }

    /// The boxes for databases.
    pub fn databases(&self) -> Vec<StageChoice> {
        let row = |kind: DatabaseKind| StageChoice {
            field: database_field(kind).to_owned(),
            name: kind.name().to_owned(),
            help: if kind == DatabaseKind::Mysql { "a MariaDB in its place" } else { "beside it, empty" }.to_owned(),
            on: self.ticked(database_field(kind)),
        };
        DatabaseKind::ALL.map(row).into()
    }

    /// Whether a box is ticked.
    pub fn ticked(&self, name: &str) -> bool {
        self.texts.contains_key(name)
    }
}

/// What a stack has versions of; the first of each is its default.
fn versions(stack: &StackData) -> String {
    let of_tool = |(tool, known): (&String, &pipelinex_common::pipeline::stack::Versions)| {
        let others = known.supported.iter().filter(|version| **version != known.default);
        format!("{tool} {}", std::iter::once(&known.default).chain(others).cloned().collect::<Vec<_>>().join(" or "))
    };
    let tools: Vec<String> = stack.contract.versions.iter().map(of_tool).collect();
    format!("{}: {}", stack.contract.stack, tools.join(", "))
}

/// The versions that were typed, as `node=24, npm=11`. What has no `=` is sent as it is, so that it is refused by name.
fn versions_json(typed: &str) -> Map<String, Value> {
    let parts = typed.split(',').map(str::trim).filter(|part| !part.is_empty());
    parts
        .map(|part| part.split_once('=').unwrap_or((part, "")))
        .map(|(tool, version)| (tool.trim().to_owned(), version.trim().into()))
        .collect()
}

/// The stages of all stacks: those of the table, and then what else a stack has. Before anything was typed, the stages of
/// the stack that is asked for are on.
fn stages(stacks: &[&StackData], asked: usize, texts: &Texts) -> Vec<StageChoice> {
    let of = |stack: &StackData| stack.pipeline.steps.iter().map(|step| step.selector()).collect::<BTreeSet<_>>();
    let here = stacks.get(asked).map(|stack| of(stack)).unwrap_or_default();
    let mut all: BTreeSet<Switch> = BUILT_IN.iter().map(|stage| stage.switch.clone()).collect();
    all.extend(stacks.iter().flat_map(|stack| of(stack)));
    let untouched = !texts.contains_key("stack");
    let own = |switch: &Switch| {
        let with = stacks.iter().filter(|stack| of(stack).contains(switch));
        format!("of {}", with.map(|stack| stack.contract.stack.to_string()).collect::<Vec<_>>().join(", "))
    };
    let choice = |switch: Switch| StageChoice {
        name: switch.stage(),
        help: switch.built_in().map_or_else(|| own(&switch), |stage| stage.help.to_owned()),
        on: if untouched { here.contains(&switch) } else { texts.contains_key(switch.as_str()) },
        field: switch.to_string(),
    };
    all.into_iter().map(choice).collect()
}

fn choices(all: impl IntoIterator<Item = (String, String)>, typed: &str) -> Vec<Choice> {
    let mut choices: Vec<Choice> =
        all.into_iter().map(|(value, label)| Choice { chosen: value == typed, value, label }).collect();
    if let Some(first) = choices.first_mut().filter(|_| typed.is_empty()) {
        first.chosen = true;
    }
    choices
}

/// The box that stands for a database; the first has the name that the predecessor's form gave it.
fn database_field(kind: DatabaseKind) -> &'static str {
    match kind {
        DatabaseKind::Postgresql => "requires_db",
        DatabaseKind::Mysql => "requires_db.mysql",
        DatabaseKind::Mariadb => "requires_db.mariadb",
        DatabaseKind::Redis => "requires_db.redis",
    }
}

/// The request that a form makes, as JSON in the words of the API.
pub fn request_json(texts: &Texts) -> Value {
    let typed = |name: &str| texts.get(name).map(String::as_str).filter(|text| !text.is_empty());
    let mut words = typed("stack").unwrap_or_default().split('/');
    let mut word = || words.next().unwrap_or_default().to_owned();
    let (language, framework, build_tool) = (word(), word(), word());
    let mut request = Map::new();
    let kinds = DatabaseKind::ALL.into_iter().filter(|kind| texts.contains_key(database_field(*kind)));
    let requires_db: Databases = kinds.collect();
    request.insert(
        "stack".into(),
        json!({"language": language, "framework": framework, "build_tool": build_tool, "requires_db": requires_db}),
    );
    if let Some(folder) = typed("folder").or(typed("picked")) {
        request.insert("folder".into(), folder.into());
    }
    request.insert("versions".into(), versions_json(typed("versions").unwrap_or_default()).into());
    request.insert("pipeline".into(), pipeline_json(texts));
    for name in ["application", "project", "branch", "commit"] {
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
    // A browser does not send a box that is not ticked; the page says which boxes it had.
    let shown = texts.get("stages").map(String::as_str).unwrap_or_default().split_whitespace();
    let shown = shown.filter_map(|field| field.parse::<Switch>().ok());
    let ticked = texts.keys().filter_map(|field| field.parse::<Switch>().ok());
    let all: BTreeSet<Switch> = BUILT_IN.iter().map(|stage| stage.switch.clone()).chain(shown).chain(ticked).collect();
    let mut pipeline: Map<String, Value> =
        all.iter().map(|switch| (switch.to_string(), texts.contains_key(switch.as_str()).into())).collect();
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
            ("requires_db.redis", "on"),
            ("application", "shop-web"),
            ("versions", "java=17, build_tool = 3.9"),
            ("run_secret_scan", "on"),
            ("secret_scan_mode", "custom"),
            ("secret_custom.install_cmd", "pip install x"),
            ("secret_custom.tool_cmd", "x ."),
            ("secret_custom.log_ext", ""),
            ("run_sast", "on"),
            ("sast_mode", "default"),
            ("project", "shop"),
            ("folder", ""),
            ("picked", "complete"),
        ]);
        assert!(form.keys().all(|field| is_field(field)), "the server takes all of them: {form:?}");
        assert!(!is_field("requires_db.oracle"));
        let (request, warnings) = request_of(&form).unwrap();
        assert_eq!(warnings, [""; 0]);
        assert_eq!(
            (request.stack.requires_db.words().as_str(), request.application.as_deref()),
            ("postgresql,redis", Some("shop-web"))
        );
        assert_eq!((request.versions.get("java"), request.versions.get("build_tool")), (Some("17"), Some("3.9")));
        assert_eq!((request.project.as_deref(), request.folder.as_deref()), (Some("shop"), Some("complete")));
        let pipeline = request.pipeline.unwrap();
        assert_eq!(pipeline.wanted().on, BTreeSet::from([Switch::SECRETS, Switch::SAST]));
        let tool = pipeline.secret_custom.unwrap();
        assert_eq!(
            (tool.install_cmd.as_str(), tool.tool_cmd.as_str(), tool.log_ext.as_str()),
            ("pip install x", "x .", "json")
        );
        assert!(pipeline.sast_custom.is_none());
    }

    #[test]
    fn a_box_that_the_page_had_and_that_is_not_ticked_is_off() {
        let form = texts(&[("stack", "a/b/c"), ("stages", "run_build run_lint run_ship"), ("run_ship", "on")]);
        let pipeline = request_of(&form).unwrap().0.pipeline.unwrap();
        let said = ["lint", "ship", "build", "other"].map(|stage| pipeline.get(&Switch::of_stage(stage)));
        assert_eq!(said, [Some(false), Some(true), Some(false), None]);
    }

    #[test]
    fn a_form_without_a_stack_leaves_it_to_be_recognised_and_half_a_version_is_refused() {
        assert!(!request_of(&Texts::new()).unwrap().0.stack.is_named());
        assert!(matches!(request_of(&texts(&[("versions", "node24")])), Err(ApiError::Refused { .. })));
    }
}
