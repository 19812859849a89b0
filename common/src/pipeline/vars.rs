//! Variables: how they are written, which of two counts, and what `$NAME` in them stands for.

use std::collections::BTreeMap;

use super::{
    context::SET_BY_THE_WORKER,
    diagnostic::Code,
    fields::{self, Keys, wrong_type},
    keys,
    problems::{At, Place, Problems, quoted},
    yaml::{Node, Value},
};

/// One variable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Variable {
    pub value: String,
    /// Whether `$NAME` in it stands for another.
    pub expand: bool,
    /// Where it is written; of a predefined one, nowhere.
    pub at: Place,
}

pub(crate) type Variables = BTreeMap<String, Variable>;

/// The most characters that variables grow to.
const GROWN_MAX: usize = 64 * 1024;

/// Reads `variables` of a step or a rule.
pub(crate) fn read(node: &Node, problems: &mut Problems<'_>) -> Variables {
    read_as(node, &keys::VARIABLE, problems)
}

/// Reads `variables` at the top of a file, whose long form has more.
pub(crate) fn read_top(node: &Node, problems: &mut Problems<'_>) -> Variables {
    read_as(node, &keys::TOP_VARIABLE, problems)
}

fn read_as(node: &Node, long: &Keys, problems: &mut Problems<'_>) -> Variables {
    let Value::Map(entries) = &node.value else {
        wrong_type(node, "`variables`", "a mapping", problems);
        return Variables::new();
    };
    let mut variables = Variables::new();
    for entry in entries {
        check_name(&entry.key, entry.key_at, problems);
        let at = entry.value.at;
        match &entry.value.value {
            Value::Scalar { text, .. } => {
                variables.insert(entry.key.clone(), Variable { value: text.clone(), expand: true, at });
            }
            Value::Map(_) => {
                variables.extend(long_form(&entry.value, long, problems).map(|long| (entry.key.clone(), long)));
            }
            Value::Null | Value::List(_) => {
                let what = format!("variable {}", quoted(&entry.key));
                wrong_type(&entry.value, &what, "a text (`\"\"` for an empty one)", problems);
            }
        }
    }
    variables
}

fn long_form(node: &Node, keys: &Keys, problems: &mut Problems<'_>) -> Option<Variable> {
    if !fields::mapping(node, keys, problems) {
        return None;
    }
    // A description without a value is one that people are asked for: empty.
    let value = match node.get("value").map(|value| (&value.value, value)) {
        None => String::new(),
        Some((Value::Scalar { text, .. }, _)) => text.clone(),
        Some((_, value)) => {
            wrong_type(value, "`value`", "a text", problems);
            return None;
        }
    };
    let expand = node.get("expand").and_then(|node| fields::boolean(node, "`expand`", problems));
    if let Some(options) = node.get("options") {
        let known = fields::texts(options, "`options`", problems)?;
        if !known.iter().any(|option| option.value == value) {
            let message = format!("the value {} is none of `options`", quoted(&value));
            problems.error(Code::InvalidValue, options.at, message).help("add it to `options`");
        }
    }
    Some(Variable { value, expand: expand.unwrap_or(true), at: node.at })
}

fn check_name(name: &str, at: Place, problems: &mut Problems<'_>) {
    if !is_name(name) {
        problems
            .error(Code::InvalidValue, at, format!("{} is no name of a variable", quoted(name)))
            .help("letters, digits and `_`, and no digit first");
    }
}

/// Whether this is the name of a variable.
pub fn is_name(name: &str) -> bool {
    let mut bytes = name.bytes();
    let first = bytes.next().is_some_and(|b| b.is_ascii_alphabetic() || b == b'_');
    first && bytes.all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

/// Values as they are, for example predefined ones.
pub(crate) fn plain(values: &BTreeMap<String, String>) -> Variables {
    let variable = |value: &String| Variable { value: value.clone(), expand: false, at: Place::default() };
    values.iter().map(|(name, value)| (name.clone(), variable(value))).collect()
}

/// What each variable comes to, once those that it refers to are put in. One that refers to itself is noted.
pub(crate) fn expanded(variables: &Variables, problems: &mut Problems<'_>) -> BTreeMap<String, String> {
    let mut done = BTreeMap::new();
    for name in variables.keys() {
        let mut chain = Vec::new();
        value_of(name, variables, &mut done, &mut chain, problems);
    }
    done
}

fn value_of(
    name: &str,
    variables: &Variables,
    done: &mut BTreeMap<String, String>,
    chain: &mut Vec<String>,
    problems: &mut Problems<'_>,
) -> Option<String> {
    if let Some(value) = done.get(name) {
        return Some(value.clone());
    }
    let variable = variables.get(name)?;
    if !variable.expand {
        done.insert(name.to_owned(), variable.value.clone());
        return Some(variable.value.clone());
    }
    if chain.iter().any(|earlier| earlier == name) || chain.len() > 100 {
        let circle: Vec<String> = chain.iter().map(String::as_str).chain([name]).map(quoted).collect();
        let message = format!("variables refer to one another in a circle: {}", circle.join(" -> "));
        problems.error(Code::InvalidValue, variable.at, message);
        return None;
    }
    chain.push(name.to_owned());
    let mut value = replaced(&variable.value, Percent::Known, |other| {
        value_of(other, variables, done, chain, problems).or_else(|| kept(other))
    });
    chain.pop();
    if value.len() > GROWN_MAX {
        problems.error(
            Code::TooLarge,
            variable.at,
            format!("variable {} grows beyond {GROWN_MAX} bytes", quoted(name)),
        );
        value.clear();
    }
    done.insert(name.to_owned(), value.clone());
    Some(value)
}

/// A text in which the runner puts the values of variables in; of one that is nowhere set, nothing, with a warning.
pub(crate) fn expand(
    text: &At<String>,
    what: &str,
    values: &BTreeMap<String, String>,
    problems: &mut Problems<'_>,
) -> String {
    replaced(&text.value, Percent::Literal, |name| {
        let found = values.get(name).cloned().or_else(|| kept(name));
        if found.is_none() {
            let message = format!("{} in {what} is nowhere set, and stands for nothing", quoted(&format!("${name}")));
            problems.warning(Code::UnsetVariable, text.at, message).suggest(
                name,
                values.keys().map(String::as_str),
                None,
            );
        }
        found
    })
}

/// What only the worker can put in is left for it.
fn kept(name: &str) -> Option<String> {
    SET_BY_THE_WORKER.contains(&name).then(|| format!("${{{name}}}"))
}

/// Whether something in the text is left for the worker to put in.
pub fn is_left_to_the_worker(text: &str) -> bool {
    SET_BY_THE_WORKER.iter().any(|name| text.contains(&format!("${{{name}}}")))
}

/// Puts the worker's own values in, where the plan has left `${NAME}` for it.
pub fn complete(text: &str, values: &BTreeMap<String, String>) -> String {
    values.iter().fold(text.to_owned(), |text, (name, value)| text.replace(&format!("${{{name}}}"), value))
}

#[derive(Clone, Copy, PartialEq)]
enum Percent {
    /// `%NAME%` stands for a variable that is known.
    Known,
    Literal,
}

/// The text with `$NAME` and `${NAME}` replaced, and `$$` as one dollar. What is not known stands for nothing.
fn replaced(text: &str, percent: Percent, mut value: impl FnMut(&str) -> Option<String>) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(['$', '%']) {
        out.push_str(&rest[..at]);
        let tail = &rest[at + 1..];
        if rest[at..].starts_with('%') {
            let known = tail.find('%').filter(|end| percent == Percent::Known && is_name(&tail[..*end]));
            match known.and_then(|end| Some((end, value(&tail[..end])?))) {
                Some((end, known)) => {
                    out.push_str(&known);
                    rest = &tail[end + 1..];
                }
                None => {
                    out.push('%');
                    rest = tail;
                }
            }
            continue;
        }
        if let Some(after) = tail.strip_prefix('$') {
            out.push('$');
            rest = after;
            continue;
        }
        let braced = tail.strip_prefix('{').and_then(|tail| tail.split_once('}')).filter(|(name, _)| is_name(name));
        let end = tail.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).unwrap_or(tail.len());
        match braced.or_else(|| Some(tail.split_at(end)).filter(|(name, _)| is_name(name))) {
            Some((name, after)) => {
                out.push_str(&value(name).unwrap_or_default());
                rest = after;
            }
            None => {
                out.push('$');
                rest = tail;
            }
        }
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(pairs: &[(&str, &str)]) -> String {
        let mut problems = Problems::new("p.yml", "");
        let variable = |value: &str| Variable { value: value.to_owned(), expand: true, at: Place::default() };
        let variables: Variables = pairs.iter().map(|(name, value)| ((*name).to_owned(), variable(value))).collect();
        let values = expanded(&variables, &mut problems);
        match problems.finish(Some(())) {
            Ok(()) => values.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(" "),
            Err(rejected) => rejected.diagnostics[0].message.clone(),
        }
    }

    #[test]
    fn variables_refer_to_one_another_in_three_ways() {
        assert_eq!(told(&[("A", "1"), ("B", "$A-${A}-%A%"), ("C", "${B}x")]), "A=1 B=1-1-1 C=1-1-1x");
        assert_eq!(told(&[("A", "1"), ("B", "$$A ${A $ a%b %NO%")]), "A=1 B=$A ${A $ a%b %NO%");
        assert_eq!(told(&[("A", "[$NO_SUCH]"), ("B", "$CI_JOB_ID")]), "A=[] B=${CI_JOB_ID}");
        assert!(told(&[("A", "$B"), ("B", "$A")]).contains("in a circle: `A` -> `B` -> `A`"));
    }

    #[test]
    fn doubling_variables_stop_early() {
        let mut pairs = vec![("A0".to_owned(), "xxxxxxxxxxxxxxxx".to_owned())];
        pairs.extend((1..40).map(|n| {
            (format!("A{n:02}"), if n == 1 { "$A0$A0".into() } else { format!("$A{:02}$A{:02}", n - 1, n - 1) })
        }));
        let pairs: Vec<(&str, &str)> = pairs.iter().map(|(a, b)| (a.as_str(), b.as_str())).collect();
        assert!(told(&pairs).contains("grows beyond"));
    }

    #[test]
    fn the_worker_puts_in_what_it_knows() {
        let values = BTreeMap::from([("CI_JOB_ID".to_owned(), "7".to_owned())]);
        assert_eq!(complete("a-${CI_JOB_ID}-$CI_JOB_ID", &values), "a-7-$CI_JOB_ID");
    }
}
