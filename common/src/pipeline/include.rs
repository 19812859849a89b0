//! `include: local`: other files of the project laid below the one that includes them, nested ones first, the including file on top.

use std::collections::BTreeMap;

use globset::GlobBuilder;

use super::{
    Context,
    diagnostic::Code,
    extends,
    fields::{self, mapping},
    inputs, keys,
    problems::{At, Problems, quoted},
    rules::{self, RuleWhen},
    yaml::{self, Node, Value},
};

/// The most files that are included: GitLab's limit.
const FILES_MAX: usize = 150;
/// How deep one file may include the next.
const DEPTH_MAX: usize = 20;
/// The most bytes of all of them.
const BYTES_MAX: usize = 4 * 1024 * 1024;

/// The file with what it includes laid below it; what cannot be included is noted.
pub(crate) fn laid_below<'a>(root: Node, file: &str, context: &'a Context, problems: &mut Problems<'a>) -> Node {
    if root.get("include").is_none() {
        return root;
    }
    let mut known = context.predefined.clone();
    known.extend(of_the_file(&root));
    known.extend(context.given.clone());
    let mut loader = Loader { context, known, read: 0, bytes: 0, seen: Vec::new() };
    loader.file(root, &mut vec![plain(file).to_owned()], problems)
}

/// Variables at the top of the file, which rules of `include` may ask about.
fn of_the_file(root: &Node) -> BTreeMap<String, String> {
    let entries = root.get("variables").map(Node::entries).unwrap_or_default();
    let plain = entries.iter().filter_map(|entry| match &entry.value.value {
        Value::Scalar { text, .. } => Some((entry.key.clone(), text.clone())),
        _ => None,
    });
    plain.collect()
}

struct Loader<'a> {
    context: &'a Context,
    known: BTreeMap<String, String>,
    read: usize,
    bytes: usize,
    /// What was included; a pattern does not name it again.
    seen: Vec<String>,
}

/// One item of `include`.
struct Item<'n> {
    path: At<String>,
    inputs: Option<&'n Node>,
}

impl<'a> Loader<'a> {
    /// A file with what it includes below it. `chain`: the files that led here, the last of them this one.
    fn file(&mut self, root: Node, chain: &mut Vec<String>, problems: &mut Problems<'a>) -> Node {
        let Some(include) = root.get("include") else { return root };
        let mut base: Option<Node> = None;
        for item in self.items(include, problems) {
            for name in self.names(&item.path, problems) {
                if let Some(read) = self.one(&name, &item, chain, problems) {
                    base = Some(match base {
                        None => read,
                        Some(below) => stacked(&read, &below),
                    });
                }
            }
        }
        let mut own = root;
        if let Value::Map(entries) = &mut own.value {
            entries.retain(|entry| entry.key != "include");
        }
        match base {
            None => own,
            Some(base) => stacked(&own, &base),
        }
    }

    fn one(
        &mut self,
        name: &str,
        item: &Item<'_>,
        chain: &mut Vec<String>,
        problems: &mut Problems<'a>,
    ) -> Option<Node> {
        let at = item.path.at;
        if let Some(first) = chain.iter().position(|earlier| earlier == name) {
            let circle: Vec<String> = chain[first..].iter().map(String::as_str).chain([name]).map(quoted).collect();
            problems.error(
                Code::BadInclude,
                at,
                format!("files include one another in a circle: {}", circle.join(" -> ")),
            );
            return None;
        }
        let Some((name, text)) = self.context.texts.get_key_value(name) else {
            let message = format!("{} is not in the project, or is no text that could be read", quoted(name));
            let all = self.context.texts.keys().map(String::as_str);
            problems.error(Code::BadInclude, at, message).suggest(name, all, None);
            return None;
        };
        self.read += 1;
        self.bytes += text.len();
        if self.read > FILES_MAX || self.bytes > BYTES_MAX || chain.len() > DEPTH_MAX {
            let message = format!("more than {FILES_MAX} files, {BYTES_MAX} bytes or {DEPTH_MAX} levels are included");
            problems.error(Code::TooLarge, at, message);
            return None;
        }
        self.seen.push(name.clone());
        let (spec, body) = inputs::parted(text);
        let given = item.inputs;
        let root = problems.within(name, text, |file, problems| {
            let spec = match spec {
                Some(spec) => Some(yaml::parse(&spec, problems)?.of_file(file)),
                None => None,
            };
            Some((spec, yaml::parse(&body, problems)?.of_file(file)))
        });
        let (spec, root) = root?;
        let values = inputs::values(spec.as_ref(), given, at, problems)?;
        let root = inputs::put_in(root, &values, spec.is_some(), problems);
        if !matches!(root.value, Value::Map(_)) {
            let message = format!("an included file is a mapping, here is {}", root.describe());
            problems.error(Code::WrongType, root.at, message);
            return None;
        }
        chain.push(name.clone());
        let whole = self.file(root, chain, problems);
        chain.pop();
        Some(whole)
    }

    fn items<'n>(&self, node: &'n Node, problems: &mut Problems<'_>) -> Vec<Item<'n>> {
        let nodes = if let Value::List(items) = &node.value { items.as_slice() } else { std::slice::from_ref(node) };
        nodes.iter().filter_map(|node| self.item(node, problems)).collect()
    }

    /// One item, if its rules let it in.
    fn item<'n>(&self, node: &'n Node, problems: &mut Problems<'_>) -> Option<Item<'n>> {
        let Value::Map(_) = &node.value else {
            return Some(Item { path: fields::text(node, "`include`", problems)?, inputs: None });
        };
        let elsewhere = ["remote", "project", "template", "component"].iter().find(|key| node.get(key).is_some());
        mapping(node, &keys::INCLUDE, problems);
        if elsewhere.is_some() {
            return None;
        }
        let local = fields::required(node, "local", "an item of `include`", problems)?;
        let path = fields::text(local, "`local`", problems)?;
        if let Some(rules) = node.get("rules") {
            let rules = rules::read_workflow(rules, problems)?;
            rules::check_changes(&rules, &self.known, self.context, problems);
            let fits = rules::fitting(&rules, &self.known, self.context);
            fits.filter(|rule| rule.when != Some(RuleWhen::Never))?;
        }
        Some(Item { path, inputs: node.get("inputs") })
    }

    /// The files that a path or a pattern names.
    fn names(&self, written: &At<String>, problems: &mut Problems<'_>) -> Vec<String> {
        let path = rules::known_variables(&written.value, &self.known);
        let path = plain(&path);
        let wrong = |message: String, problems: &mut Problems<'_>| {
            let help = "name a file of the project from its top, such as `ci/build.yml`";
            problems.error(Code::BadInclude, written.at, message).help(help);
            Vec::new()
        };
        if path.contains("://") {
            return wrong(
                format!("{} is on another machine: only files of the project are included", quoted(path)),
                problems,
            );
        }
        if !path.ends_with(".yml") && !path.ends_with(".yaml") {
            return wrong(format!("{} is no YAML file: its name ends with `.yml` or `.yaml`", quoted(path)), problems);
        }
        if !path.contains('*') {
            return vec![path.to_owned()];
        }
        // `c/**.yml` is any file below `c`.
        let crossing = path.replace("**.y", "**/*.y");
        match GlobBuilder::new(&crossing).literal_separator(true).build() {
            Ok(glob) => {
                let glob = glob.compile_matcher();
                let names = self.context.texts.keys().filter(|name| glob.is_match(name) && !self.seen.contains(name));
                names.cloned().collect()
            }
            Err(error) => wrong(format!("{} is no pattern: {}", quoted(path), error.kind()), problems),
        }
    }
}

/// One file above another; steps keep the order in which they came.
fn stacked(over: &Node, below: &Node) -> Node {
    let mut merged = extends::merge(over, below);
    if let Value::Map(entries) = &mut merged.value {
        let place = |key: &str| below.entries().iter().position(|entry| entry.key == key).unwrap_or(usize::MAX);
        entries.sort_by_cached_key(|entry| place(&entry.key));
    }
    merged
}

/// A path as seen from the top of the project.
fn plain(path: &str) -> &str {
    let path = path.strip_prefix("./").unwrap_or(path);
    path.strip_prefix('/').unwrap_or(path)
}
