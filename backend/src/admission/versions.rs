//! Which versions a project asks for in its own files, and which of those that a stack has that comes to: values in, values
//! out. What a request asks for counts more, see [`super::selection`].

use std::collections::BTreeMap;

use pipelinex_common::{
    foreign::shown,
    pipeline::stack::{Contract, Lookup, Means, Versions},
};

use super::{
    problem::{Problem, Rule},
    values::accepts,
};

/// Words that ask for whatever there is.
const ANY: [&str; 9] = ["*", "stable", "latest", "current", "default", "node", "system", "lts", "lts/*"];

/// What a file of the project says of a tool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said {
    /// The file, as seen from the folder that is built.
    pub file: String,
    /// Its words.
    pub text: String,
}

/// The version that a job runs with by what the project says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// The version; `None`: the stack's default.
    pub version: Option<String>,
    /// Where the project says it.
    pub said: Said,
    /// What a person should know of how the two differ.
    pub warning: Option<String>,
    /// Why none of the versions will do.
    pub problem: Option<Problem>,
}

/// What a project asks for, by tool. `look` gives the value at a place, with the file that has it; the first place of a
/// tool's list that has one counts.
pub fn wanted(contract: &Contract, look: impl Fn(&Lookup) -> Option<Said>) -> BTreeMap<String, Wanted> {
    let of_tool = |(tool, known): (&String, &Versions)| {
        known.from.iter().find_map(|from| {
            let said = look(&from.lookup).filter(|said| is_said(&said.text))?;
            Some((tool.clone(), choose(tool, known, said, from.means, from.warn)))
        })
    };
    contract.versions.iter().filter_map(of_tool).collect()
}

/// Whether a text says anything: a reference to a property is told by whoever can resolve it.
fn is_said(text: &str) -> bool {
    !text.trim().is_empty() && !text.contains("${")
}

fn choose(tool: &str, known: &Versions, said: Said, means: Means, warn: bool) -> Wanted {
    let text = said.text.trim().to_owned();
    let (file, words) = (shown(&said.file), shown(&text));
    let default = &known.default;
    let wanted = |version, warning, problem| Wanted { version, said: said.clone(), warning, problem };
    if ANY.contains(&text.as_str()) {
        return wanted(None, None, None);
    }
    let range = range_of(&text);
    let Some(_) = accepts(&range, default) else {
        let told = format!(
            "{file} says `{words}` for {tool}, which is no version that is understood: the job runs with {default}"
        );
        return wanted(None, Some(told), None);
    };
    let exact = known.supported.iter().find(|version| accepts(&range, version) == Some(true));
    let at_least = format!(">={range}");
    match means {
        Means::Range if accepts(&range, default) == Some(true) => return wanted(Some(default.clone()), None, None),
        Means::AtLeast if exact.is_none() && accepts(&at_least, default) == Some(true) => {
            let told = newer(&file, &words, tool, default);
            return wanted(Some(default.clone()), Some(told), None);
        }
        Means::Minimum => {
            let mut usual_first = std::iter::once(default).chain(&known.supported);
            if let Some(version) = usual_first.find(|version| accepts(&at_least, version) == Some(true)) {
                return wanted(Some(version.clone()), None, None);
            }
        }
        Means::Range | Means::AtLeast | Means::Nearest => {}
    }
    if let Some(version) = exact {
        return wanted(Some(version.clone()), None, None);
    }
    let nearest = known.supported.iter().find(|version| accepts(&at_least, version) == Some(true));
    if let (Means::AtLeast | Means::Nearest, Some(version)) = (means, nearest) {
        return wanted(Some(version.clone()), Some(newer(&file, &words, tool, version)), None);
    }
    let all = known.supported.join(", ");
    let message = format!("{file} asks for {tool} `{words}`, and there is {all}");
    if warn {
        return wanted(None, Some(format!("{message}: the job runs with {default}")), None);
    }
    let hint = format!("ask for one of them with `versions` ({tool}={default}), or change {file}");
    wanted(None, None, Some(Problem::at(Rule::UNSUPPORTED_VERSION, &said.file, message, hint)))
}

fn newer(file: &str, words: &str, tool: &str, version: &str) -> String {
    format!("{file} asks for {tool} `{words}`: the job runs with {version}, the nearest there is")
}

/// The range that a text means. Names of distributions stand before versions: `temurin-21.0.2`, `go1.24`, `python-3.11.4`.
fn range_of(text: &str) -> String {
    let name = |c: char| c.is_ascii_alphabetic() || matches!(c, '-' | '_');
    let digits = text.trim_start_matches(name);
    let is_named =
        text.starts_with(|c: char| c.is_ascii_alphabetic()) && digits.starts_with(|c: char| c.is_ascii_digit());
    if is_named { digits.to_owned() } else { text.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known(supported: &[&str], default: &str) -> Versions {
        Versions {
            default: default.to_owned(),
            supported: supported.iter().map(|version| (*version).to_owned()).collect(),
            from: Vec::new(),
        }
    }

    fn told(supported: &[&str], default: &str, text: &str, means: Means) -> String {
        let said = Said { file: "f".to_owned(), text: text.to_owned() };
        let wanted = choose("t", &known(supported, default), said, means, false);
        let problem = wanted.problem.map(|problem| problem.message);
        let version = wanted.version.unwrap_or_else(|| "-".to_owned());
        [Some(version), wanted.warning, problem].into_iter().flatten().collect::<Vec<_>>().join(" | ")
    }

    #[test]
    fn the_nearest_version_that_satisfies_what_is_asked_for_is_taken() {
        let (node, java, python) = (&["20", "22", "24"][..], &["11", "17", "21"][..], &["3.11", "3.13"][..]);
        for (supported, default, text, means, expected) in [
            (node, "24", ">=18", Means::Range, "24"),
            (node, "24", "^20 || ^22", Means::Range, "20"),
            (node, "24", "v22.3.0", Means::Range, "22"),
            (node, "24", "22", Means::Range, "22"),
            (node, "24", "stable", Means::Range, "-"),
            (node, "24", "lts/*", Means::Range, "-"),
            (
                node,
                "24",
                "lts/iron",
                Means::Range,
                "- | f says `lts/iron` for t, which is no version that is understood: the job runs with 24",
            ),
            (node, "24", "18", Means::Range, "- | f asks for t `18`, and there is 20, 22, 24"),
            (java, "17", "temurin-21.0.2+13", Means::AtLeast, "21"),
            (java, "17", "17", Means::AtLeast, "17"),
            (java, "17", "1.8", Means::AtLeast, "17 | f asks for t `1.8`: the job runs with 17, the nearest there is"),
            (java, "17", "19", Means::AtLeast, "21 | f asks for t `19`: the job runs with 21, the nearest there is"),
            (java, "17", "25", Means::AtLeast, "- | f asks for t `25`, and there is 11, 17, 21"),
            (
                python,
                "3.13",
                "3.9",
                Means::Nearest,
                "3.11 | f asks for t `3.9`: the job runs with 3.11, the nearest there is",
            ),
            (
                python,
                "3.13",
                "3.12.2",
                Means::Nearest,
                "3.13 | f asks for t `3.12.2`: the job runs with 3.13, the nearest there is",
            ),
            (python, "3.13", "3.13.1", Means::Nearest, "3.13"),
            (python, "3.13", "3.14", Means::Nearest, "- | f asks for t `3.14`, and there is 3.11, 3.13"),
            (python, "3.13", ">=3.10", Means::Range, "3.13"),
            (python, "3.13", ">=3.9,<3.12", Means::Range, "3.11"),
            (python, "3.13", "~=3.11", Means::Range, "3.13"),
            (python, "3.13", "==3.11.*", Means::Range, "3.11"),
            (python, "3.13", "python-3.11.4", Means::Range, "3.11"),
            (python, "3.13", "3.12.1", Means::Range, "- | f asks for t `3.12.1`, and there is 3.11, 3.13"),
            (
                &["1.24"],
                "1.24",
                "1.22.0",
                Means::AtLeast,
                "1.24 | f asks for t `1.22.0`: the job runs with 1.24, the nearest there is",
            ),
            (node, "22", "1.71", Means::Minimum, "22"),
            (node, "22", "23.1", Means::Minimum, "24"),
            (node, "22", "25", Means::Minimum, "- | f asks for t `25`, and there is 20, 22, 24"),
            (&["1.24"], "1.24", "go1.24.1", Means::AtLeast, "1.24"),
            (&["1.24"], "1.24", "1.27", Means::AtLeast, "- | f asks for t `1.27`, and there is 1.24"),
        ] {
            assert_eq!(told(supported, default, text, means), expected, "{text}");
        }
    }

    #[test]
    fn the_first_file_that_says_anything_counts() {
        let text = "stack: {language: a, framework: b, build_tool: c}\nversions:\n  t: {default: '2', supported: ['1', '2'], from: [{file: a}, {file: b, row: t}, {file: c, level: warning}]}\n";
        let contract = pipelinex_common::pipeline::stack::read("c.yml", text, &[]).unwrap();
        let version = |says: &[(&str, &str)]| {
            let look = |lookup: &Lookup| {
                let (file, text) = says.iter().find(|(file, _)| *file == lookup.file)?;
                Some(Said { file: (*file).to_owned(), text: (*text).to_owned() })
            };
            let wanted = wanted(&contract, look).remove("t")?;
            Some((wanted.said.file, wanted.version, wanted.warning.is_some(), wanted.problem.is_some()))
        };
        let one = || Some("1".to_owned());
        assert_eq!(version(&[("b", "1"), ("c", "2")]), Some(("b".to_owned(), one(), false, false)));
        assert_eq!(version(&[("a", "${x}"), ("b", "1")]), Some(("b".to_owned(), one(), false, false)));
        assert_eq!(version(&[("a", "9")]), Some(("a".to_owned(), None, false, true)));
        assert_eq!(
            version(&[("c", "9")]),
            Some(("c".to_owned(), None, true, false)),
            "a warning where the stack says so"
        );
        assert_eq!(version(&[]), None);
    }
}
