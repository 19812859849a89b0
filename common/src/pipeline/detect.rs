//! Which stack a project is of, by the files at its top: a pure function over their names, and over the content of those
//! that a stack asks for.

use super::stack::{Contract, StackKey};

/// The most of a file that is looked at, in bytes.
pub const HEAD_MAX: u64 = 1024 * 1024;

/// A stack that a project may be of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// The stack.
    pub stack: StackKey,
    /// How much speaks for it.
    pub weight: u32,
    /// The files that do.
    pub because: Vec<String>,
}

/// The stacks that something speaks for, the likeliest first. `files` are the names at the project's top, `head` gives the
/// beginning of one of them.
pub fn candidates<'c>(
    contracts: impl IntoIterator<Item = &'c Contract>,
    files: &[String],
    mut head: impl FnMut(&str) -> Option<Vec<u8>>,
) -> Vec<Candidate> {
    let mut found: Vec<Candidate> = Vec::new();
    for contract in contracts {
        let mut candidate = Candidate { stack: contract.stack.clone(), weight: 0, because: Vec::new() };
        for marker in &contract.markers {
            let Ok(glob) = globset::GlobBuilder::new(&marker.file).literal_separator(true).build() else { continue };
            let glob = glob.compile_matcher();
            let speaks = |file: &&String| {
                let holds = |text: &String| head(file).is_some_and(|bytes| contains(&bytes, text.as_bytes()));
                glob.is_match(file.as_str()) && marker.text.as_ref().is_none_or(holds)
            };
            if let Some(file) = files.iter().find(speaks) {
                candidate.weight = candidate.weight.saturating_add(marker.weight);
                if !candidate.because.contains(file) {
                    candidate.because.push(file.clone());
                }
            }
        }
        if candidate.weight > 0 {
            found.push(candidate);
        }
    }
    found.sort_by(|a, b| b.weight.cmp(&a.weight).then_with(|| a.stack.cmp(&b.stack)));
    found
}

fn contains(bytes: &[u8], text: &[u8]) -> bool {
    !text.is_empty() && bytes.windows(text.len()).any(|window| window == text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pipeline::stack;

    fn contract(key: &str, markers: &str) -> Contract {
        let text =
            format!("stack: {{language: {key}, framework: f, build_tool: t}}\ndetect: {{markers: [{markers}]}}\n");
        stack::read("c.yml", &text, &[]).unwrap()
    }

    #[test]
    fn what_says_more_comes_first_and_says_why() {
        let contracts = [
            contract("a", "{file: pom.xml, weight: 5}"),
            contract("b", "{file: package.json, weight: 5}, {file: package.json, text: '\"express\"', weight: 3}"),
            contract("c", "{file: package.json, weight: 6}"),
            contract("d", "{file: '*.cfg', weight: 1}"),
        ];
        let told = |files: &[&str], content: &str| {
            let files: Vec<String> = files.iter().map(|file| (*file).to_owned()).collect();
            let found = candidates(&contracts, &files, |_| Some(content.as_bytes().to_vec()));
            found
                .iter()
                .map(|c| format!("{}{}{:?}", c.stack.language, c.weight, c.because))
                .collect::<Vec<_>>()
                .join(" ")
        };
        assert_eq!(
            told(&["package.json", "x.cfg"], "\"express\": 5"),
            r#"b8["package.json"] c6["package.json"] d1["x.cfg"]"#
        );
        assert_eq!(told(&["package.json"], ""), r#"c6["package.json"] b5["package.json"]"#);
        assert_eq!(told(&["src/pom.xml", "README"], ""), "");
    }
}
