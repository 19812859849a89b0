//! One step out of the tree, every value that is named in a later message with its place. Names are not looked up here.

use std::collections::BTreeMap;

use super::{
    diagnostic::Code,
    fields::{self, globs, list, mapping, one_of, text, wrong_type},
    keys,
    model::{AllowFailure, Artifacts, ArtifactsWhen, When},
    ours::Ours,
    problems::{At, Place, Problems, quoted},
    units,
    yaml::{Node, Value},
};

/// A step as it is written, templates and defaults laid below it.
pub(crate) struct RawStep {
    pub name: At<String>,
    pub stage: Option<At<String>>,
    pub image: Option<String>,
    pub script: Vec<String>,
    pub before_script: Vec<String>,
    pub after_script: Vec<String>,
    pub variables: BTreeMap<String, String>,
    pub needs: Option<Vec<RawNeed>>,
    pub when: When,
    pub allow_failure: AllowFailure,
    pub timeout_seconds: Option<u64>,
    pub artifacts: Artifacts,
    pub ours: Ours,
}

/// An item of `needs`.
pub(crate) struct RawNeed {
    pub step: At<String>,
    pub optional: bool,
    pub artifacts: bool,
}

/// Reads the step; what does not fit is noted and left out.
pub(crate) fn read(name: At<String>, node: &Node, ours: Ours, problems: &mut Problems<'_>) -> RawStep {
    mapping(node, &keys::STEP, problems);
    let when = node.get("when").and_then(|node| read_when(node, problems)).unwrap_or_default();
    let by_default = if when == When::Manual { AllowFailure::Yes } else { AllowFailure::No };
    let mut lines = |key| node.get(key).map(|node| script(node, key, problems)).unwrap_or_default();
    let (before_script, after_script) = (lines("before_script"), lines("after_script"));
    RawStep {
        script: read_script(node, &name, problems),
        before_script,
        after_script,
        stage: node.get("stage").and_then(|node| text(node, "`stage`", problems)),
        image: read_image(node, &name, problems),
        variables: node.get("variables").map(|node| variables(node, problems)).unwrap_or_default(),
        needs: node.get("needs").and_then(|node| read_needs(node, problems)),
        when,
        allow_failure: node.get("allow_failure").and_then(|n| read_allow_failure(n, problems)).unwrap_or(by_default),
        timeout_seconds: node.get("timeout").and_then(|node| read_timeout(node, problems)),
        artifacts: node.get("artifacts").map(|node| read_artifacts(node, problems)).unwrap_or_default(),
        name,
        ours,
    }
}

fn read_script(node: &Node, name: &At<String>, problems: &mut Problems<'_>) -> Vec<String> {
    let Some(node) = node.get("script") else {
        problems
            .error(Code::MissingKey, name.at, format!("step {} has no `script`", quoted(&name.value)))
            .help("a step runs at least one command; a template that is not to run has a name with a leading dot");
        return Vec::new();
    };
    let lines = script(node, "script", problems);
    let blank = match &node.value {
        Value::List(items) => items.iter().all(|item| matches!(&item.value, Value::Null)) || is_blank(&lines),
        Value::Scalar { .. } => is_blank(&lines),
        Value::Null | Value::Map(_) => false,
    };
    if blank {
        let message = format!("the script of step {} has no command", quoted(&name.value));
        problems.error(Code::EmptyScript, node.at, message);
    }
    lines
}

fn is_blank(lines: &[String]) -> bool {
    !lines.is_empty() && lines.iter().all(|line| line.trim().is_empty())
}

/// The lines of a script. Lists in the list (from anchors) are flattened, as GitLab does.
fn script(node: &Node, key: &str, problems: &mut Problems<'_>) -> Vec<String> {
    match &node.value {
        Value::Scalar { text, .. } => vec![text.clone()],
        Value::List(items) => items.iter().flat_map(|item| script(item, key, problems)).collect(),
        Value::Map(_) => {
            problems
                .error(Code::WrongType, node.at, format!("a command in `{key}` is a text, here is a mapping"))
                .help("a command with `: ` in it has to stand in quotes");
            Vec::new()
        }
        Value::Null => {
            wrong_type(node, &format!("a command in `{key}`"), "a text", problems);
            Vec::new()
        }
    }
}

fn read_image(node: &Node, name: &At<String>, problems: &mut Problems<'_>) -> Option<String> {
    let Some(image) = node.get("image") else {
        let message = format!("step {} has no `image`, and `default` has none", quoted(&name.value));
        problems.error(Code::MissingKey, name.at, message);
        return None;
    };
    let image = match &image.value {
        Value::Map(_) if mapping(image, &keys::IMAGE, problems) => {
            fields::required(image, "name", "`image`", problems)?
        }
        _ => image,
    };
    let written = text(image, "`image`", problems)?;
    if written.value.starts_with('-') || written.value.chars().any(|c| c.is_whitespace() || c.is_control()) {
        let message = format!("{} is no image reference", quoted(&written.value));
        problems.error(Code::InvalidValue, written.at, message);
        return None;
    }
    Some(written.value)
}

fn read_when(node: &Node, problems: &mut Problems<'_>) -> Option<When> {
    if let Value::Scalar { text, .. } = &node.value
        && matches!(text.as_str(), "delayed" | "never")
    {
        problems.error(Code::NotSupported, node.at, format!("`when: {text}` is not supported yet"));
        return None;
    }
    let choices = [
        ("on_success", When::OnSuccess),
        ("on_failure", When::OnFailure),
        ("always", When::Always),
        ("manual", When::Manual),
    ];
    one_of(node, "`when`", &choices, problems)
}

fn read_allow_failure(node: &Node, problems: &mut Problems<'_>) -> Option<AllowFailure> {
    if let Value::Map(_) = &node.value {
        mapping(node, &keys::ALLOW_FAILURE, problems);
        let codes = fields::required(node, "exit_codes", "`allow_failure`", problems)?;
        let one = std::slice::from_ref(codes);
        let items = if let Value::List(items) = &codes.value { items.as_slice() } else { one };
        let codes = items.iter().map(|code| fields::integer(code, "an exit code", problems)).collect::<Option<_>>();
        return codes.map(AllowFailure::ExitCodes);
    }
    let allowed = fields::boolean(node, "`allow_failure`", problems)?;
    Some(if allowed { AllowFailure::Yes } else { AllowFailure::No })
}

fn read_timeout(node: &Node, problems: &mut Problems<'_>) -> Option<u64> {
    let written = text(node, "`timeout`", problems)?;
    match units::duration_seconds(&written.value) {
        Ok(seconds) => Some(seconds),
        Err(help) => {
            let message = format!("{} is no time span", quoted(&written.value));
            problems.error(Code::InvalidDuration, written.at, message).help(help);
            None
        }
    }
}

/// Environment variables: a mapping of names to scalars.
pub(crate) fn variables(node: &Node, problems: &mut Problems<'_>) -> BTreeMap<String, String> {
    let Value::Map(entries) = &node.value else {
        wrong_type(node, "`variables`", "a mapping", problems);
        return BTreeMap::new();
    };
    let mut variables = BTreeMap::new();
    for entry in entries {
        check_variable_name(&entry.key, entry.key_at, problems);
        match &entry.value.value {
            Value::Scalar { text, .. } => drop(variables.insert(entry.key.clone(), text.clone())),
            Value::Map(_) => {
                let message = format!("the long form of variable {} is not supported yet", quoted(&entry.key));
                problems.error(Code::NotSupported, entry.value.at, message).help("write `NAME: value`");
            }
            Value::Null | Value::List(_) => {
                let what = format!("variable {}", quoted(&entry.key));
                wrong_type(&entry.value, &what, "a text (`\"\"` for an empty one)", problems);
            }
        }
    }
    variables
}

fn check_variable_name(name: &str, at: Place, problems: &mut Problems<'_>) {
    let mut bytes = name.bytes();
    let first = bytes.next().is_some_and(|b| b.is_ascii_alphabetic() || b == b'_');
    if !first || !bytes.all(|b| b.is_ascii_alphanumeric() || b == b'_') {
        problems
            .error(Code::InvalidValue, at, format!("{} is no name of a variable", quoted(name)))
            .help("letters, digits and `_`, and no digit first");
    }
}

fn read_needs(node: &Node, problems: &mut Problems<'_>) -> Option<Vec<RawNeed>> {
    let items = list(node, "`needs`", problems)?;
    Some(items.iter().filter_map(|item| read_need(item, problems)).collect())
}

fn read_need(node: &Node, problems: &mut Problems<'_>) -> Option<RawNeed> {
    let Value::Map(_) = &node.value else {
        let step = text(node, "an item of `needs`", problems)?;
        return Some(RawNeed { step, optional: false, artifacts: true });
    };
    mapping(node, &keys::NEED, problems);
    let job = fields::required(node, "job", "an item of `needs`", problems)?;
    let step = text(job, "`job`", problems)?;
    let mut flag = |key| node.get(key).and_then(|node| fields::boolean(node, &format!("`{key}`"), problems));
    Some(RawNeed { step, optional: flag("optional").unwrap_or(false), artifacts: flag("artifacts").unwrap_or(true) })
}

fn read_artifacts(node: &Node, problems: &mut Problems<'_>) -> Artifacts {
    mapping(node, &keys::ARTIFACTS, problems);
    let paths = node.get("paths").and_then(|node| glob_list(node, "`paths`", problems)).unwrap_or_default();
    let exclude = node.get("exclude").and_then(|node| glob_list(node, "`exclude`", problems)).unwrap_or_default();
    let reports = node.get("reports").filter(|reports| mapping(reports, &keys::REPORTS, problems));
    let junit = reports.and_then(|reports| reports.get("junit")).and_then(|node| globs(node, "`junit`", problems));
    let choices = [
        ("on_success", ArtifactsWhen::OnSuccess),
        ("on_failure", ArtifactsWhen::OnFailure),
        ("always", ArtifactsWhen::Always),
    ];
    let when = node.get("when").and_then(|node| one_of(node, "`artifacts: when`", &choices, problems));
    Artifacts { paths, exclude, when: when.unwrap_or_default(), junit: junit.unwrap_or_default() }
}

/// Only `junit` may be one text instead of a list, as in GitLab.
fn glob_list(node: &Node, what: &str, problems: &mut Problems<'_>) -> Option<Vec<String>> {
    list(node, what, problems)?;
    globs(node, what, problems)
}
