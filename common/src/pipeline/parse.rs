//! The whole file out of the tree: stages, and each step with its templates, the defaults and the pipeline's variables
//! laid below it.

use std::{collections::HashMap, rc::Rc};

use super::{
    Trust,
    diagnostic::Code,
    extends::Expander,
    extension::{self, Extension},
    fields::{self, check_key, mapping},
    keys,
    problems::{At, Problems, nearest, quoted},
    rules::{self, RawRule},
    step::{self, Inherit, RawStep},
    vars::{self, Variables},
    yaml::{Entry, Node, Value},
};

/// The most steps of a pipeline.
const STEPS_MAX: usize = 500;
/// The longest name of a step, in characters: GitLab's limit.
const NAME_CHARS_MAX: usize = 255;

/// A file as it is written.
pub(crate) struct RawFile {
    /// `None`: GitLab's own three.
    pub stages: Option<Vec<At<String>>>,
    /// Variables at the top.
    pub variables: Variables,
    /// `workflow: rules`.
    pub workflow: Option<At<Vec<RawRule>>>,
    /// `workflow: name`.
    pub name: Option<At<String>>,
    /// In the order of the file.
    pub steps: Vec<RawStep>,
    /// Steps whose templates are at fault. They exist: a step that needs one is not to blame.
    pub broken: Vec<String>,
}

/// Reads the file; what does not fit is noted.
pub(crate) fn read(root: &Node, trust: Trust, problems: &mut Problems<'_>) -> Option<RawFile> {
    let Value::Map(entries) = &root.value else {
        let message = format!("a pipeline is a mapping of steps, here is {}", root.describe());
        problems.error(Code::WrongType, root.at, message);
        return None;
    };
    let stages = root.get("stages").and_then(|node| read_stages(node, problems));
    let variables = root.get("variables").map(|node| vars::read_top(node, problems)).unwrap_or_default();
    let workflow = root.get("workflow").filter(|workflow| mapping(workflow, &keys::WORKFLOW, problems));
    let rules = workflow.and_then(|workflow| workflow.get("rules"));
    let rules = rules.and_then(|node| Some(At { value: rules::read_workflow(node, problems)?, at: node.at }));
    let name = workflow.and_then(|workflow| workflow.get("name")).and_then(|n| fields::text(n, "`name`", problems));
    let is_superseded = workflow.is_none_or(|workflow| auto_cancel(workflow, problems));
    let default = default_of(root, problems);
    let written = steps(entries, problems);
    if written.is_empty() || written.len() > STEPS_MAX {
        let message = format!("a pipeline has 1 to {STEPS_MAX} steps, here are {}", written.len());
        problems.error(Code::StepCount, root.at, message);
        return None;
    }
    let mut ours = read_ours(root, &written, trust, problems);
    let mut expander = Expander::new(entries);
    let mut file = RawFile {
        stages,
        variables,
        workflow: rules,
        name,
        steps: Vec::with_capacity(written.len()),
        broken: Vec::new(),
    };
    for entry in written {
        let name = At { value: entry.key.clone(), at: entry.key_at };
        let ours = ours.remove(entry.key.as_str()).unwrap_or_else(|| Extension::of(trust));
        match below(entry, default.as_ref(), &mut expander, problems) {
            Some(node) => file.steps.push(step::read(name, &node, ours, problems)),
            None => file.broken.push(name.value),
        }
    }
    if !is_superseded {
        file.steps.iter_mut().for_each(RawStep::never_superseded);
    }
    Some(file)
}

/// Whether a newer job of the branch may end this one: GitLab's way to say so, `conservative`, or `none`.
fn auto_cancel(workflow: &Node, problems: &mut Problems<'_>) -> bool {
    let auto_cancel = workflow.get("auto_cancel").filter(|node| mapping(node, &keys::AUTO_CANCEL, problems));
    let Some(node) = auto_cancel.and_then(|node| node.get("on_new_commit")) else { return true };
    fields::one_of(node, "`on_new_commit`", &[("conservative", true), ("none", false)], problems).unwrap_or(true)
}

/// `default`, with what GitLab once had at the top of a file.
fn default_of(root: &Node, problems: &mut Problems<'_>) -> Option<Node> {
    let default = root.get("default").filter(|default| mapping(default, &keys::DEFAULT, problems));
    let mut entries = default.map(|default| default.entries().to_vec()).unwrap_or_default();
    for entry in root.entries().iter().filter(|entry| keys::MOVED_TO_DEFAULT.contains(&entry.key.as_str())) {
        let key = quoted(&entry.key);
        if let Some(both) = entries.iter().find(|other| other.key == entry.key) {
            let message = format!("{key} is written at the top and in `default`");
            problems.error(Code::DuplicateKey, entry.key_at, message).also(both.key_at, "in `default`, here");
            continue;
        }
        let message = format!("{key} at the top of the file is an old way to write it");
        problems.warning(Code::Notice, entry.key_at, message).help("write it below `default:`");
        entries.push(entry.clone());
    }
    let at = default.map_or(root.at, |default| default.at);
    (!entries.is_empty()).then_some(Node { at, value: Value::Map(entries) })
}

fn read_stages(node: &Node, problems: &mut Problems<'_>) -> Option<Vec<At<String>>> {
    fields::list(node, "`stages`", problems)?;
    let stages = fields::texts(node, "`stages`", problems)?;
    for (index, stage) in stages.iter().enumerate() {
        if let Some(first) = stages[..index].iter().find(|earlier| earlier.value == stage.value) {
            let message = format!("stage {} is listed twice", quoted(&stage.value));
            problems.error(Code::InvalidValue, stage.at, message).also(first.at, "first listed here");
        }
    }
    Some(stages)
}

/// The entries that are steps. Names with a leading dot are templates; they are read where they are used.
fn steps<'n>(entries: &'n [Entry], problems: &mut Problems<'_>) -> Vec<&'n Entry> {
    entries.iter().filter(|entry| is_step(entry, problems)).collect()
}

fn is_step(entry: &Entry, problems: &mut Problems<'_>) -> bool {
    let key = entry.key.as_str();
    if keys::FILE.known.contains(&key) || key.starts_with('.') {
        return false;
    }
    if keys::MOVED_TO_DEFAULT.contains(&key) {
        return false;
    }
    let has_script = ["script", "extends", "trigger"].iter().any(|key| entry.value.get(key).is_some());
    let is_map = matches!(entry.value.value, Value::Map(_));
    let meant = nearest(key, keys::FILE.known.iter().copied());
    if keys::FILE.planned.contains(&key) || !is_map || (!has_script && meant.is_some()) {
        check_key(key, entry.key_at, &keys::FILE, problems);
        return false;
    }
    if key.chars().count() > NAME_CHARS_MAX || key.chars().any(char::is_control) || key.trim().is_empty() {
        let message = format!("the name of a step has 1 to {NAME_CHARS_MAX} printable characters");
        problems.error(Code::InvalidValue, entry.key_at, message);
        return false;
    }
    true
}

fn read_ours<'n>(
    root: &'n Node,
    steps: &[&Entry],
    trust: Trust,
    problems: &mut Problems<'_>,
) -> HashMap<&'n str, Extension> {
    let jobs = root.get(".pipelinex").map(|node| extension::jobs(node, trust, problems)).unwrap_or_default();
    let of_step = match trust {
        Trust::Operator => extension::read,
        Trust::Project => extension::read_project,
    };
    let names: std::collections::HashSet<&str> = steps.iter().map(|entry| entry.key.as_str()).collect();
    let mut read = HashMap::new();
    for entry in jobs {
        if names.contains(entry.key.as_str()) {
            read.insert(entry.key.as_str(), of_step(&entry.value, problems));
        } else {
            let message = format!("`.pipelinex: jobs` names {}, which is no step", quoted(&entry.key));
            let names = steps.iter().map(|entry| entry.key.as_str());
            problems.error(Code::UnknownStep, entry.key_at, message).suggest(&entry.key, names, None);
        }
    }
    read
}

/// The step as it counts: templates below it, then whole keys of `default` that it does not have, as far as it inherits them.
fn below(
    entry: &Entry,
    default: Option<&Node>,
    expander: &mut Expander<'_>,
    problems: &mut Problems<'_>,
) -> Option<Rc<Node>> {
    let node = expander.step(entry, problems)?;
    let Value::Map(own) = &node.value else {
        return Some(node);
    };
    let inherit = Inherit::read(&node, "default", problems);
    let missing = |base: &&Entry| inherit.takes(&base.key) && !own.iter().any(|own| own.key == base.key);
    let base = default.map(Node::entries).unwrap_or_default().iter().filter(missing).cloned().collect();
    let base = Node { at: entry.key_at, value: Value::Map(base) };
    expander.lay(&node, &base, problems).map(Rc::new)
}
