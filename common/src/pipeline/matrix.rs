//! `parallel`: one step as several, by number or by a matrix of variables.

use super::{
    diagnostic::Code,
    fields::{self, list},
    problems::{Place, Problems, quoted},
    vars::{self, Variable, Variables},
    yaml::{Kind, Node, Value},
};

/// The most instances of one step: GitLab's limit.
const INSTANCES_MAX: usize = 200;

/// What `parallel` says.
#[derive(Clone, Debug)]
pub(crate) enum Parallel {
    Count(usize),
    Matrix(Vec<Row>),
}

/// One of the instances of a matrix: variables in the order in which they are written.
pub(crate) type Row = Vec<(String, Variable)>;

/// Reads `parallel` of a step.
pub(crate) fn read(node: &Node, problems: &mut Problems<'_>) -> Option<Parallel> {
    if let Value::Map(_) = &node.value {
        return Some(Parallel::Matrix(read_matrix(node, problems)?));
    }
    let count: usize = match &node.value {
        Value::Scalar { kind: Kind::Number, .. } => fields::integer(node, "`parallel`", problems)?,
        _ => {
            fields::wrong_type(node, "`parallel`", "a number, or has a `matrix`", problems);
            return None;
        }
    };
    if !(1..=INSTANCES_MAX).contains(&count) {
        problems.error(Code::InvalidValue, node.at, format!("`parallel` is a number from 1 to {INSTANCES_MAX}"));
        return None;
    }
    Some(Parallel::Count(count))
}

/// Reads the `matrix` in a mapping: of a step, or of a need.
pub(crate) fn read_matrix(node: &Node, problems: &mut Problems<'_>) -> Option<Vec<Row>> {
    const KEYS: fields::Keys = fields::Keys { of: "`parallel`", known: &["matrix"], planned: &[] };
    if !fields::mapping(node, &KEYS, problems) {
        return None;
    }
    let matrix = fields::required(node, "matrix", KEYS.of, problems)?;
    let items = list(matrix, "`matrix`", problems)?;
    let mut rows = Vec::new();
    for item in items {
        rows.extend(product(item, problems)?);
        if rows.len() > INSTANCES_MAX {
            let message = format!("the matrix makes more than {INSTANCES_MAX} steps of one");
            problems.error(Code::InvalidValue, matrix.at, message).help("split the step, or leave combinations out");
            return None;
        }
    }
    if rows.is_empty() {
        problems.error(Code::InvalidValue, matrix.at, "the matrix is empty");
        return None;
    }
    Some(rows)
}

/// Every combination of one item's values, the first variable slowest.
fn product(item: &Node, problems: &mut Problems<'_>) -> Option<Vec<Row>> {
    let Value::Map(entries) = &item.value else {
        fields::wrong_type(item, "an item of `matrix`", "a mapping of variables", problems);
        return None;
    };
    let mut rows: Vec<Row> = vec![Vec::new()];
    for entry in entries {
        if !vars::is_name(&entry.key) {
            let message = format!("{} is no name of a variable", quoted(&entry.key));
            problems.error(Code::InvalidValue, entry.key_at, message);
            return None;
        }
        let values = values(&entry.value, &entry.key, problems)?;
        if values.is_empty() || rows.len().saturating_mul(values.len()) > INSTANCES_MAX {
            let message =
                format!("variable {} of the matrix makes none, or more than {INSTANCES_MAX} steps", quoted(&entry.key));
            problems.error(Code::InvalidValue, entry.value.at, message);
            return None;
        }
        let with =
            |row: &Row, value: &Variable| row.iter().cloned().chain([(entry.key.clone(), value.clone())]).collect();
        rows = rows
            .iter()
            .flat_map(|row| values.iter().map(move |value| (row, value)))
            .map(|(row, value)| with(row, value))
            .collect();
    }
    Some(rows)
}

fn values(node: &Node, name: &str, problems: &mut Problems<'_>) -> Option<Vec<Variable>> {
    let one = |node: &Node, problems: &mut Problems<'_>| match &node.value {
        Value::Scalar { text, .. } => Some(Variable { value: text.clone(), expand: true, at: node.at }),
        _ => {
            fields::wrong_type(node, &format!("a value of {}", quoted(name)), "a text", problems);
            None
        }
    };
    match &node.value {
        Value::List(items) => items.iter().map(|item| one(item, problems)).collect(),
        _ => one(node, problems).map(|value| vec![value]),
    }
}

/// One step of several.
pub(crate) struct Instance {
    /// `job 1/3`, or `job: [a, b]`.
    pub name: String,
    /// Its variables of the matrix.
    pub variables: Variables,
    /// Which of how many, from 1.
    pub index: Option<usize>,
    /// How many there are.
    pub total: usize,
}

/// The instances of a step. Of two with the same name, the later one counts.
pub(crate) fn instances(name: &str, parallel: Option<&Parallel>) -> Vec<Instance> {
    match parallel {
        None => vec![Instance { name: name.to_owned(), variables: Variables::new(), index: None, total: 1 }],
        Some(Parallel::Count(total)) => (1..=*total)
            .map(|index| Instance {
                name: format!("{name} {index}/{total}"),
                variables: Variables::new(),
                index: Some(index),
                total: *total,
            })
            .collect(),
        Some(Parallel::Matrix(rows)) => {
            let mut made: Vec<Instance> = Vec::with_capacity(rows.len());
            for (index, row) in rows.iter().enumerate() {
                let instance = Instance {
                    name: name_of(name, row),
                    variables: row.iter().cloned().collect(),
                    index: Some(index + 1),
                    total: rows.len(),
                };
                match made.iter_mut().find(|earlier| earlier.name == instance.name) {
                    Some(earlier) => *earlier = instance,
                    None => made.push(instance),
                }
            }
            made
        }
    }
}

/// The name of the instance that has these values.
pub(crate) fn name_of(name: &str, row: &Row) -> String {
    let values: Vec<&str> = row.iter().map(|(_, variable)| variable.value.as_str()).collect();
    format!("{name}: [{}]", values.join(", "))
}

/// Where a matrix is written, for a problem of it.
pub(crate) fn place_of(row: &Row, otherwise: Place) -> Place {
    row.first().map_or(otherwise, |(_, variable)| variable.at)
}
