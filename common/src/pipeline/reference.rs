//! `!reference [.template, key]`: a value of another place of the file, put in where it is named. Templates are looked at as `extends`
//! makes them. In a list the items of another list are put in, so that scripts, rules and needs can be made of several.

use super::{
    diagnostic::Code,
    extends::Expander,
    fields,
    problems::{At, Place, Problems, quoted},
    yaml::{Entry, Node, REFERENCE, Value},
};

/// How many references may lead to one another: GitLab's limit.
const DEPTH_MAX: usize = 10;
/// The most nodes that references put in.
const NODES_MAX: usize = 50_000;

/// The file with every reference replaced by what it stands for. `None`: one names what is not there, which is noted; what then lacks a
/// value is not to blame.
pub(crate) fn resolved(root: Node, problems: &mut Problems<'_>) -> Option<Node> {
    if !has_reference(&root) {
        return Some(root);
    }
    let was_good = problems.is_empty();
    let entries = {
        let mut resolver = Resolver { root: &root, expander: Expander::new(root.entries()), nodes: 0 };
        let one = |entry: &Entry| Entry { value: resolver.node(&entry.value, 0, problems), ..entry.clone() };
        root.entries().iter().map(one).collect()
    };
    let node = Node { at: root.at, value: Value::Map(entries) };
    (!was_good || problems.is_empty()).then_some(node)
}

fn has_reference(node: &Node) -> bool {
    match &node.value {
        Value::Null | Value::Scalar { .. } => false,
        Value::List(items) => items.iter().any(has_reference),
        Value::Map(entries) => entries.iter().any(|entry| entry.key == REFERENCE || has_reference(&entry.value)),
    }
}

struct Resolver<'n> {
    root: &'n Node,
    expander: Expander<'n>,
    nodes: usize,
}

impl Resolver<'_> {
    fn node(&mut self, node: &Node, depth: usize, problems: &mut Problems<'_>) -> Node {
        if let Some(path) = node.get(REFERENCE) {
            return self.found(path, node.at, depth, problems);
        }
        self.nodes += usize::from(depth > 0);
        let value = match &node.value {
            Value::List(items) => Value::List(self.items(items, depth, problems)),
            Value::Map(entries) => {
                let one = |entry: &Entry| Entry { value: self.node(&entry.value, depth, problems), ..entry.clone() };
                Value::Map(entries.iter().map(one).collect())
            }
            other => other.clone(),
        };
        Node { at: node.at, value }
    }

    fn items(&mut self, items: &[Node], depth: usize, problems: &mut Problems<'_>) -> Vec<Node> {
        let mut all = Vec::with_capacity(items.len());
        for item in items {
            let is_reference = item.get(REFERENCE).is_some();
            let node = self.node(item, depth, problems);
            match node.value {
                Value::List(more) if is_reference => all.extend(more),
                // What is not there has been told.
                Value::Null if is_reference => {}
                _ => all.push(node),
            }
        }
        all
    }

    /// What a reference stands for; nothing, where that has been noted.
    fn found(&mut self, path: &Node, at: Place, depth: usize, problems: &mut Problems<'_>) -> Node {
        let nothing = Node { at, value: Value::Null };
        if depth >= DEPTH_MAX || self.nodes > NODES_MAX {
            let message = format!("more than {DEPTH_MAX} references lead to one another, or they put too much in");
            problems.error(Code::BadReference, at, message).help("one that leads back to itself never ends");
            return nothing;
        }
        let written = fields::list(path, "`!reference`", problems).is_some();
        let Some(path) = written.then(|| fields::texts(path, "`!reference`", problems)).flatten() else {
            return nothing;
        };
        match self.look_up(&path, at, problems) {
            Some(target) => self.node(&target, depth + 1, problems),
            None => nothing,
        }
    }

    fn look_up(&mut self, path: &[At<String>], at: Place, problems: &mut Problems<'_>) -> Option<Node> {
        let Some((first, rest)) = path.split_first() else {
            problems.error(Code::BadReference, at, "a reference names a template and a key of it");
            return None;
        };
        let Some(top) = self.root.get(&first.value) else {
            return missing(first, self.root, "the file", problems);
        };
        let mut node = match top.get("extends") {
            Some(_) => (*self.expander.whole(&first.value, top, problems)?).clone(),
            None => top.clone(),
        };
        let mut shown = first.value.clone();
        for key in rest {
            node = match node.get(&key.value) {
                Some(inner) => inner.clone(),
                None => return missing(key, &node, &quoted(&shown), problems),
            };
            shown = format!("{shown}, {}", key.value);
        }
        if matches!(node.value, Value::Null) {
            let last = path.last().unwrap_or(first);
            problems.error(
                Code::BadReference,
                last.at,
                format!("{} is empty, and nothing to refer to", quoted(&shown)),
            );
            return None;
        }
        Some(node)
    }
}

fn missing(key: &At<String>, of: &Node, shown: &str, problems: &mut Problems<'_>) -> Option<Node> {
    let keys: Vec<&str> = of.entries().iter().map(|entry| entry.key.as_str()).collect();
    let message = format!("`!reference` names {}, which {shown} does not have", quoted(&key.value));
    problems.error(Code::BadReference, key.at, message).suggest(&key.value, keys, None);
    None
}
