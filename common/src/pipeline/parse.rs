//! The whole file out of the tree: stages, and each step with its templates, the defaults and the pipeline's variables
//! laid below it.

use std::{collections::HashMap, rc::Rc};

use super::{
    diagnostic::Code,
    extends::Expander,
    fields::{self, check_key, mapping},
    keys,
    ours::{self, Ours},
    problems::{At, Problems, nearest, quoted},
    step::{self, RawStep},
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
    /// In the order of the file.
    pub steps: Vec<RawStep>,
    /// Steps whose templates are at fault. They exist: a step that needs one is not to blame.
    pub broken: Vec<String>,
}

/// Reads the file; what does not fit is noted.
pub(crate) fn read(root: &Node, problems: &mut Problems<'_>) -> Option<RawFile> {
    let Value::Map(entries) = &root.value else {
        let message = format!("a pipeline is a mapping of steps, here is {}", root.describe());
        problems.error(Code::WrongType, root.at, message);
        return None;
    };
    let stages = root.get("stages").and_then(|node| read_stages(node, problems));
    let variables = root.get("variables");
    if let Some(variables) = variables {
        step::variables(variables, problems);
    }
    let default = root.get("default").filter(|default| mapping(default, &keys::DEFAULT, problems));
    let written = steps(entries, problems);
    if written.is_empty() || written.len() > STEPS_MAX {
        let message = format!("a pipeline has 1 to {STEPS_MAX} steps, here are {}", written.len());
        problems.error(Code::StepCount, root.at, message);
        return None;
    }
    let mut ours = read_ours(root, &written, problems);
    let mut expander = Expander::new(entries);
    let base = Base { default, variables };
    let mut file = RawFile { stages, steps: Vec::with_capacity(written.len()), broken: Vec::new() };
    for entry in written {
        let name = At { value: entry.key.clone(), at: entry.key_at };
        let ours = ours.remove(entry.key.as_str()).unwrap_or_default();
        match base.below(entry, &mut expander, problems) {
            Some(node) => file.steps.push(step::read(name, &node, ours, problems)),
            None => file.broken.push(name.value),
        }
    }
    Some(file)
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
        let message = format!("{} at the top of the file is not supported", quoted(key));
        problems.error(Code::NotSupported, entry.key_at, message).help("write it below `default:`");
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

fn read_ours<'n>(root: &'n Node, steps: &[&Entry], problems: &mut Problems<'_>) -> HashMap<&'n str, Ours> {
    let jobs = root.get(".pipelinex").map(|node| ours::jobs(node, problems)).unwrap_or_default();
    let names: std::collections::HashSet<&str> = steps.iter().map(|entry| entry.key.as_str()).collect();
    let mut read = HashMap::new();
    for entry in jobs {
        if names.contains(entry.key.as_str()) {
            read.insert(entry.key.as_str(), ours::read(&entry.value, problems));
        } else {
            let message = format!("`.pipelinex: jobs` names {}, which is no step", quoted(&entry.key));
            let names = steps.iter().map(|entry| entry.key.as_str());
            problems.error(Code::UnknownStep, entry.key_at, message).suggest(&entry.key, names, None);
        }
    }
    read
}

/// What lies below every step.
struct Base<'n> {
    default: Option<&'n Node>,
    variables: Option<&'n Node>,
}

impl Base<'_> {
    /// The step as it counts. `default` gives whole keys that the step does not have; variables are merged by name.
    fn below(&self, entry: &Entry, expander: &mut Expander<'_>, problems: &mut Problems<'_>) -> Option<Rc<Node>> {
        let node = expander.step(entry, problems)?;
        let Value::Map(own) = &node.value else {
            return Some(node);
        };
        let mut base: Vec<Entry> = Vec::new();
        for entry in self.default.map(Node::entries).unwrap_or_default() {
            if !own.iter().any(|own| own.key == entry.key) {
                base.push(entry.clone());
            }
        }
        if let Some(variables) = self.variables {
            base.push(Entry { key: "variables".to_owned(), key_at: variables.at, value: variables.clone() });
        }
        let base = Node { at: entry.key_at, value: Value::Map(base) };
        expander.lay(&node, &base, problems).map(Rc::new)
    }
}
