//! YAML as a tree in which every key and value knows its place. Reading into this tree first, instead of straight into
//! structs, is what makes it possible to report all problems at once, both places of a duplicate key, and near misses.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::{Location, Options, Spanned, Tagged, options::DuplicateKeyPolicy};

use super::{
    diagnostic::Code,
    problems::{Place, Problems, quoted},
    syntax,
};

/// The largest file, in bytes: a hundred times what a pipeline of a hundred steps needs.
pub(crate) const FILE_BYTES_MAX: usize = 512 * 1024;
/// The most nodes, with all aliases unfolded.
const NODES_MAX: usize = 50_000;
/// The deepest nesting.
const DEPTH_MAX: usize = 32;

/// The tag of a reference; and the key of the mapping of one entry that such a node is in the tree.
pub(crate) const REFERENCE: &str = "!reference";

/// One node of the tree.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub at: Place,
    pub value: Value,
}

/// What a node is.
#[derive(Clone, Debug)]
pub(crate) enum Value {
    Null,
    /// A scalar as it is written: `1.10` stays `1.10`, and `010` does not become ten.
    Scalar {
        text: String,
        kind: Kind,
    },
    List(Vec<Node>),
    Map(Vec<Entry>),
}

/// What YAML takes an unquoted scalar for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Text,
    Bool(bool),
    Number,
}

/// One key with its value.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub key: String,
    pub key_at: Place,
    pub value: Node,
}

impl Node {
    pub fn entries(&self) -> &[Entry] {
        match &self.value {
            Value::Map(entries) => entries,
            _ => &[],
        }
    }

    pub fn get(&self, key: &str) -> Option<&Node> {
        self.entries().iter().find(|entry| entry.key == key).map(|entry| &entry.value)
    }

    /// The same as a piece of another file.
    pub fn of_file(mut self, file: u32) -> Self {
        self.at.file = file;
        self.value = match self.value {
            Value::List(items) => Value::List(items.into_iter().map(|item| item.of_file(file)).collect()),
            Value::Map(entries) => {
                let moved = |entry: Entry| Entry {
                    key: entry.key,
                    key_at: Place { file, ..entry.key_at },
                    value: entry.value.of_file(file),
                };
                Value::Map(entries.into_iter().map(moved).collect())
            }
            other => other,
        };
        self
    }

    /// What it is, in the words of a message.
    pub fn describe(&self) -> &'static str {
        match &self.value {
            Value::Null => "nothing",
            Value::Scalar { kind: Kind::Text, .. } => "text",
            Value::Scalar { kind: Kind::Bool(_), .. } => "a truth value",
            Value::Scalar { kind: Kind::Number, .. } => "a number",
            Value::List(_) => "a list",
            Value::Map(_) => "a mapping",
        }
    }
}

/// Reads the text; what is wrong with it as YAML is noted.
pub(crate) fn parse(text: &str, problems: &mut Problems<'_>) -> Option<Node> {
    let start = Place { file: 0, line: 1, column: 1, width: 1 };
    if text.len() > FILE_BYTES_MAX {
        let message = format!("the file has {} bytes, the limit is {FILE_BYTES_MAX}", text.len());
        problems.error(Code::TooLarge, start, message);
        return None;
    }
    match serde_saphyr::from_str_with_options::<Spanned<Tagged<Raw>>>(text, options()) {
        Ok(raw) => Some(Converter { text, problems }.node(raw)),
        Err(error) => {
            syntax::note(&error, text, problems);
            None
        }
    }
}

fn options() -> Options {
    serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_depth: DEPTH_MAX,
            max_nodes: NODES_MAX,
            max_events: 2 * NODES_MAX,
            max_total_scalar_bytes: 8 * FILE_BYTES_MAX,
            max_recorded_anchor_bytes: 8 * FILE_BYTES_MAX,
        },
        alias_limits: serde_saphyr::alias_limits! { max_total_replayed_events: 2 * NODES_MAX },
        // The only policy under which both entries reach us: the duplicates are found and reported below.
        duplicate_keys: DuplicateKeyPolicy::LastWins,
        strict_booleans: true,
        // They are refused below, but for the one that is GitLab's.
        reject_unsupported_tags: false,
        with_snippet: false,
    }
}

enum Raw {
    Null,
    Text(String),
    Bool(bool),
    Number(String),
    List(Vec<Spanned<Tagged<Raw>>>),
    Map(Vec<Pair>),
}

/// A key and its value, as they are read.
type Pair = (Spanned<Tagged<String>>, Spanned<Tagged<Raw>>);

struct Converter<'t, 'p, 'a> {
    text: &'t str,
    problems: &'p mut Problems<'a>,
}

impl Converter<'_, '_, '_> {
    fn node(&mut self, raw: Spanned<Tagged<Raw>>) -> Node {
        let written = written(self.text, &raw.defined);
        let mut at = place(&raw.defined, written);
        let Tagged(raw, tag) = raw.value;
        let value = match raw {
            Raw::Null => Value::Null,
            Raw::Text(text) => self.scalar(text, Kind::Text, at),
            Raw::Bool(value) => {
                let text = written.map_or_else(|| value.to_string(), str::to_owned);
                self.scalar(text, Kind::Bool(value), at)
            }
            Raw::Number(value) => self.scalar(written.map_or(value, str::to_owned), Kind::Number, at),
            Raw::List(items) => Value::List(items.into_iter().map(|item| self.node(item)).collect()),
            Raw::Map(pairs) => Value::Map(self.entries(pairs)),
        };
        if matches!(value, Value::List(_) | Value::Map(_)) {
            at.width = 1;
        }
        let node = Node { at, value };
        if tag.as_deref() == Some(REFERENCE) {
            let entry = Entry { key: REFERENCE.to_owned(), key_at: at, value: node };
            return Node { at, value: Value::Map(vec![entry]) };
        }
        self.check_tag(tag.as_deref(), at);
        node
    }

    /// YAML's own tags say what is so anyway; a local one means nothing here.
    fn check_tag(&mut self, tag: Option<&str>, at: Place) {
        if let Some(tag) = tag.filter(|tag| *tag != "!" && !tag.starts_with("tag:yaml.org,2002:")) {
            self.problems.error(Code::InvalidYaml, at, format!("unsupported tag {}", quoted(tag)));
        }
    }

    fn scalar(&mut self, text: String, kind: Kind, at: Place) -> Value {
        if text.contains('\0') {
            self.problems.error(Code::InvalidValue, at, "a NUL character can be in no file name, variable or command");
        }
        Value::Scalar { text, kind }
    }

    fn entries(&mut self, pairs: Vec<Pair>) -> Vec<Entry> {
        let mut entries: Vec<Entry> = Vec::with_capacity(pairs.len());
        let mut places = std::collections::HashMap::new();
        for (key, value) in pairs {
            let key_at = place(&key.defined, written(self.text, &key.defined));
            let Tagged(key, tag) = key.value;
            self.check_tag(tag.as_deref(), key_at);
            let entry = Entry { key, key_at, value: self.node(value) };
            match places.get(&entry.key) {
                None => {
                    places.insert(entry.key.clone(), key_at);
                    entries.push(entry);
                }
                Some(first) => {
                    let message = format!("{} is written twice", quoted(&entry.key));
                    self.problems.error(Code::DuplicateKey, key_at, message).also(*first, "first written here");
                }
            }
        }
        entries
    }
}

/// The piece of the file a scalar stands for.
fn written<'t>(text: &'t str, location: &Location) -> Option<&'t str> {
    let span = location.span();
    let from = usize::try_from(span.byte_offset()?).ok()?;
    let to = from.checked_add(usize::try_from(span.byte_len()?).ok()?)?;
    text.get(from..to).map(str::trim_end)
}

/// The place of a location, marking no more than the first line of what is written there.
pub(super) fn place(location: &Location, written: Option<&str>) -> Place {
    let width = written.and_then(|w| w.lines().next()).map_or(1, |line| line.chars().count().max(1));
    let small = |number: u64| u32::try_from(number).unwrap_or(u32::MAX).max(1);
    Place { file: 0, line: small(location.line()), column: small(location.column()), width: small(width as u64) }
}

impl<'de> Deserialize<'de> for Raw {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(RawVisitor)
    }
}

struct RawVisitor;

impl<'de> Visitor<'de> for RawVisitor {
    type Value = Raw;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any YAML")
    }

    fn visit_unit<E>(self) -> Result<Raw, E> {
        Ok(Raw::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Raw, E> {
        Ok(Raw::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Raw, E> {
        Ok(Raw::Number(value.to_string()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Raw, E> {
        Ok(Raw::Number(value.to_string()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Raw, E> {
        Ok(Raw::Number(value.to_string()))
    }

    fn visit_str<E>(self, value: &str) -> Result<Raw, E> {
        Ok(Raw::Text(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Raw, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Raw::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Raw, A::Error> {
        let mut map = Vec::new();
        while let Some(entry) = entries.next_entry()? {
            map.push(entry);
        }
        Ok(Raw::Map(map))
    }
}
