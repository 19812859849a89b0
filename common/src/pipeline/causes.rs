//! What is known to go wrong, as data: a pattern that a log shows, a sentence that says what it means here, and what to do. A file
//! `causes.yml` beside a stack's definition, and one for all stacks. Each row has an example that it must match, and a file has
//! lines of good logs that no row may match; both are tried whenever the file is read.

use regex::{Captures, Regex, RegexBuilder};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    diagnostic::{Code, Rejected},
    fields::{self, Keys, list, mapping, one_of, text},
    model::Network,
    problems::{Problems, quoted},
    yaml::{self, Node},
};
use crate::foreign::shown_up_to;

/// The name of the file.
pub const CAUSES_FILE: &str = "causes.yml";
/// The largest compiled pattern, in bytes.
const PATTERN_MAX: usize = 1024 * 1024;
/// The longest word of a log that a sentence repeats, in characters.
const WORD_MAX: usize = 120;

const FILE: Keys = Keys { of: "the file", known: &["causes", "never"], planned: &[] };
const ROW: Keys =
    Keys { of: "an item of `causes`", known: &["id", "log", "network", "says", "hint", "example"], planned: &[] };

/// Why something failed, as far as its log tells.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct KnownCause {
    /// The name of the row that was found.
    pub id: String,
    /// What it means.
    pub sentence: String,
    /// What to do.
    pub hint: String,
}

impl KnownCause {
    /// Both, as the end of a sentence.
    pub fn words(&self) -> String {
        format!("{}: {}", self.sentence, self.hint)
    }
}

/// The rows of a file, in their order: the first that a log shows counts.
#[derive(Clone, Debug, Default)]
pub struct Causes {
    rows: Vec<Row>,
    never: Vec<String>,
}

#[derive(Clone, Debug)]
struct Row {
    id: String,
    log: Regex,
    /// The network of the steps that it speaks of; `None`: all.
    network: Option<Network>,
    says: String,
    hint: String,
}

/// Reads the file; `file` is its name as messages show it.
///
/// # Errors
/// [`Rejected`]: also where an example is not matched by its row, or a line that must not be is matched by one.
pub fn read(file: &str, text: &str) -> Result<Causes, Rejected> {
    let mut problems = Problems::new(file, text);
    let causes = yaml::parse(text, &mut problems).and_then(|root| causes(&root, &mut problems));
    problems.finish(causes)
}

impl Causes {
    /// The first row that a log shows, told with the words of its last match.
    pub fn find(&self, log: &str, network: Network) -> Option<KnownCause> {
        let of_here = self.rows.iter().filter(|row| row.network.is_none_or(|own| own == network));
        of_here.filter_map(|row| Some((row, row.log.captures_iter(log).last()?))).next().map(|(row, found)| {
            KnownCause {
                id: row.id.clone(),
                sentence: filled(&row.says, &row.log, &found),
                hint: filled(&row.hint, &row.log, &found),
            }
        })
    }

    /// The lines of either that a row of the other matches, each with that row.
    pub fn clashes(&self, other: &Self) -> Vec<String> {
        let clash = |rows: &Self, lines: &Self| rows.clash(&lines.never);
        clash(self, other).into_iter().chain(clash(other, self)).collect()
    }

    fn clash(&self, lines: &[String]) -> Vec<String> {
        let matches = |line: &String| {
            let row = self.rows.iter().find(|row| row.log.is_match(line))?;
            Some(format!("the cause `{}` matches {}, which `never` says none may", row.id, quoted(line)))
        };
        lines.iter().filter_map(matches).collect()
    }
}

/// A text with `{name}` replaced by what the pattern found under that name.
fn filled(text: &str, pattern: &Regex, found: &Captures<'_>) -> String {
    pattern.capture_names().flatten().fold(text.to_owned(), |text, name| {
        let word = found.name(name).map_or("", |found| found.as_str());
        text.replace(&format!("{{{name}}}"), &shown_up_to(word, WORD_MAX))
    })
}

fn causes(root: &Node, problems: &mut Problems<'_>) -> Option<Causes> {
    if !mapping(root, &FILE, problems) {
        return None;
    }
    let items = root.get("causes").and_then(|node| list(node, "`causes`", problems)).unwrap_or_default();
    let rows: Vec<Row> = items.iter().filter_map(|item| row(item, problems)).collect();
    let never = root.get("never").and_then(|node| fields::texts(node, "`never`", problems)).unwrap_or_default();
    for line in &never {
        let row = rows.iter().find(|row| row.log.is_match(&line.value));
        if let Some(row) = row {
            problems.error(Code::InvalidValue, line.at, format!("the cause `{}` matches this line", row.id));
        }
    }
    Some(Causes { rows, never: never.into_iter().map(|line| line.value).collect() })
}

fn row(node: &Node, problems: &mut Problems<'_>) -> Option<Row> {
    if !mapping(node, &ROW, problems) {
        return None;
    }
    let mut word = |key: &str| {
        let node = fields::required(node, key, ROW.of, problems)?;
        text(node, &quoted(key), problems)
    };
    let [id, log, says, hint, example] = ["id", "log", "says", "hint", "example"].map(&mut word);
    let networks = [("none", Network::None), ("egress", Network::Egress), ("internal", Network::Internal)];
    let network = node.get("network").map(|node| one_of(node, "`network`", &networks, problems));
    let log = log?;
    let pattern = match RegexBuilder::new(&log.value).multi_line(true).size_limit(PATTERN_MAX).build() {
        Ok(pattern) => pattern,
        Err(error) => {
            problems.error(Code::InvalidValue, log.at, format!("{} is no pattern: {error}", quoted(&log.value)));
            return None;
        }
    };
    let example = example?;
    if !pattern.is_match(&example.value) {
        problems.error(Code::InvalidValue, example.at, format!("{} does not match this example", quoted(&log.value)));
    }
    let network = match network {
        None => None,
        Some(given) => Some(given?),
    };
    Some(Row { id: id?.value, log: pattern, network, says: says?.value, hint: hint?.value })
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "\
causes:
- {id: port, log: 'port (?P<port>\\d+) is taken', says: 'port {port} is taken', hint: use another, example: port 80 is taken}
- {id: host, log: '^unknown host', network: none, says: no network, hint: none, example: unknown host a}
never: [a port is taken]
";

    #[test]
    fn the_first_row_that_a_log_shows_counts_with_the_words_of_its_last_match() {
        let causes = read("causes.yml", TEXT).unwrap();
        let found = |log: &str, network| causes.find(log, network).map(|cause| cause.words());
        assert_eq!(
            found("unknown host x\nport 80 is taken\nport 81 is taken\n", Network::None).as_deref(),
            Some("port 81 is taken: use another")
        );
        assert_eq!(found("x\nunknown host x\n", Network::None).as_deref(), Some("no network: none"));
        assert_eq!(found("x\nunknown host x\n", Network::Egress), None);
        assert_eq!(found("an unknown host", Network::None), None);
    }

    #[test]
    fn examples_and_lines_of_good_logs_are_tried_when_a_file_is_read() {
        let bad = TEXT.replace("example: port 80", "example: port x").replace("a port is taken", "port 1 is taken");
        let told = read("causes.yml", &bad).unwrap_err().to_string();
        for part in ["causes.yml:2:", "does not match this example", "causes.yml:4:", "`port` matches this line"] {
            assert!(told.contains(part), "{part}: {told}");
        }
        let told = read("causes.yml", &TEXT.replace("\\\\d+", "(").replace("\\d+", "(")).unwrap_err().to_string();
        assert!(told.contains("is no pattern"), "{told}");
        let other = read("causes.yml", "never: [unknown host]\n").unwrap();
        assert_eq!(other.clashes(&read("causes.yml", TEXT).unwrap()).len(), 1);
    }
}
