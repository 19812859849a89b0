//! `extends` and `default`: the templates of a file laid below its steps. Works on the tree, so that what comes from a
//! template keeps the place where it is written.

use std::{collections::HashMap, rc::Rc};

use super::{
    diagnostic::Code,
    fields,
    problems::{Place, Problems, quoted},
    yaml::{Entry, Node, Value},
};

/// The longest chain of templates: GitLab's limit.
const CHAIN_MAX: usize = 11;
/// What all steps together may weigh after templates and defaults are laid below them, in bytes.
const WEIGHT_MAX: usize = 8 * 1024 * 1024;

/// The steps and templates of a file, and what was expanded of them.
pub(crate) struct Expander<'n> {
    entries: HashMap<&'n str, &'n Entry>,
    done: HashMap<String, Option<Rc<Node>>>,
    weight: usize,
}

impl<'n> Expander<'n> {
    /// Of the entries at the top of a file.
    pub fn new(entries: &'n [Entry]) -> Self {
        let templates = entries.iter().filter(|entry| matches!(entry.value.value, Value::Map(_)));
        Self { entries: templates.map(|e| (e.key.as_str(), e)).collect(), done: HashMap::new(), weight: 0 }
    }

    /// The step with its templates below it. `None` where a template is missing: that is noted.
    pub fn step(&mut self, entry: &Entry, problems: &mut Problems<'_>) -> Option<Rc<Node>> {
        self.expand(&entry.key, &entry.value, &mut Vec::new(), problems)
    }

    /// A template or step of this name with its templates below it.
    pub fn whole(&mut self, name: &str, node: &Node, problems: &mut Problems<'_>) -> Option<Rc<Node>> {
        self.expand(name, node, &mut Vec::new(), problems)
    }

    /// `over` laid above `base`, as [`merge`] does. `None` when that grew beyond
    /// all measure: that is noted.
    pub fn lay(&mut self, over: &Node, base: &Node, problems: &mut Problems<'_>) -> Option<Node> {
        self.weight = self.weight.saturating_add(weight(over)).saturating_add(weight(base));
        if self.weight > WEIGHT_MAX {
            let message = "the steps grow too large once templates and defaults are laid below them";
            problems.error(Code::TooLarge, base.at, message);
            return None;
        }
        Some(merge(over, base))
    }

    fn expand(
        &mut self,
        name: &str,
        node: &Node,
        chain: &mut Vec<String>,
        problems: &mut Problems<'_>,
    ) -> Option<Rc<Node>> {
        if let Some(done) = self.done.get(name) {
            return done.clone();
        }
        chain.push(name.to_owned());
        let expanded = self.lay_templates(node, chain, problems);
        chain.pop();
        self.done.insert(name.to_owned(), expanded.clone());
        expanded
    }

    fn lay_templates(&mut self, node: &Node, chain: &mut Vec<String>, problems: &mut Problems<'_>) -> Option<Rc<Node>> {
        let Some(extends) = node.get("extends") else {
            return Some(Rc::new(node.clone()));
        };
        let mut base: Option<Node> = None;
        for template in fields::texts(extends, "extends", problems)? {
            let found = self.template(&template.value, template.at, chain, problems)?;
            base = Some(match base {
                None => (*found).clone(),
                Some(base) => self.lay(&found, &base, problems)?,
            });
        }
        let mut own = node.clone();
        if let Value::Map(entries) = &mut own.value {
            entries.retain(|entry| entry.key != "extends");
        }
        let laid = match base {
            Some(base) => self.lay(&own, &base, problems)?,
            None => own,
        };
        Some(Rc::new(laid))
    }

    fn template(
        &mut self,
        name: &str,
        at: Place,
        chain: &mut Vec<String>,
        problems: &mut Problems<'_>,
    ) -> Option<Rc<Node>> {
        if let Some(first) = chain.iter().position(|earlier| earlier == name) {
            let circle: Vec<_> = chain[first..].iter().map(String::as_str).chain([name]).map(quoted).collect();
            problems.error(Code::BadExtends, at, format!("extends in a circle: {}", circle.join(" -> ")));
            return None;
        }
        if chain.len() >= CHAIN_MAX {
            problems.error(Code::BadExtends, at, format!("more than {CHAIN_MAX} templates extend one another"));
            return None;
        }
        let Some(entry) = self.entries.get(name).copied() else {
            let names: Vec<&str> = self.entries.keys().copied().collect();
            let message = format!("extends {}, which does not exist", quoted(name));
            problems.error(Code::BadExtends, at, message).suggest(name, names, None);
            return None;
        };
        self.expand(name, &entry.value, chain, problems)
    }
}

/// `over` laid above `base`: mappings are merged key by key, anything else is replaced.
pub(crate) fn merge(over: &Node, base: &Node) -> Node {
    let (Value::Map(upper), Value::Map(lower)) = (&over.value, &base.value) else {
        return over.clone();
    };
    let mut entries: Vec<Entry> = Vec::with_capacity(upper.len() + lower.len());
    for entry in upper {
        let value = match base.get(&entry.key) {
            Some(below) => merge(&entry.value, below),
            None => entry.value.clone(),
        };
        entries.push(Entry { key: entry.key.clone(), key_at: entry.key_at, value });
    }
    entries.extend(lower.iter().filter(|entry| over.get(&entry.key).is_none()).cloned());
    Node { at: over.at, value: Value::Map(entries) }
}

fn weight(node: &Node) -> usize {
    32 + match &node.value {
        Value::Null => 0,
        Value::Scalar { text, .. } => text.len(),
        Value::List(items) => items.iter().map(weight).sum(),
        Value::Map(entries) => entries.iter().map(|entry| entry.key.len() + weight(&entry.value)).sum(),
    }
}
