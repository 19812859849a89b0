//! README.md and the book as the tests read them: their blocks of commands, and what is shown below each command.

use std::{fs, path::Path};

/// A line that somebody types, with what the page shows of the answer.
#[derive(Debug)]
pub struct Line {
    /// With its continuations.
    pub command: String,
    /// As the page has it, without empty lines.
    pub shown: Vec<String>,
}

/// The root of the repository.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

fn file(name: &str) -> String {
    fs::read_to_string(root().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// README.md, and the pages of the book in the order of its contents.
fn pages() -> Vec<String> {
    let contents = file("docs/README.md");
    let names = contents.split("](").skip(1).filter_map(|rest| rest.split(')').next());
    std::iter::once("README.md".to_owned()).chain(names.map(|name| format!("docs/{name}"))).collect()
}

/// All that people read.
pub fn book() -> String {
    pages().iter().map(|name| file(name)).collect()
}

/// The lines of each section that are to be run, and those that need what a test must not count on.
pub struct Section {
    pub title: String,
    pub run: Vec<Line>,
    pub elsewhere: Vec<String>,
}

/// How a block begins that shows a pipeline file.
const PIPELINE_FILE: &str = "```yaml";

/// The pipeline files that they show.
pub fn pipeline_files() -> Vec<String> {
    let book = book();
    let shown = book.split(PIPELINE_FILE).skip(1).map(|rest| rest.split("```").next().unwrap_or_default().to_owned());
    shown.collect()
}

/// What has commands, in the order of the book: each section of README.md, and each page by its title.
pub fn sections() -> Vec<Section> {
    pages().iter().flat_map(|name| sections_of(name, if name == "README.md" { "## " } else { "# " })).collect()
}

fn sections_of(name: &str, heading: &str) -> Vec<Section> {
    let mut sections: Vec<Section> = Vec::new();
    // Within a block: whether it is one of commands.
    let (mut title, mut inside) = (String::new(), None);
    for line in file(name).lines() {
        if let Some(name) = line.strip_prefix(heading).filter(|_| inside.is_none()) {
            name.clone_into(&mut title);
        } else if line.starts_with("```") {
            let known = inside.is_some() || ["```console", "```yml", PIPELINE_FILE].contains(&line);
            assert!(known, "{name}: commands stand in blocks of `console`: {line}");
            inside = inside.is_none().then_some(line == "```console");
        } else if inside == Some(true) {
            if sections.last().is_none_or(|section| section.title != title) {
                sections.push(Section { title: title.clone(), run: Vec::new(), elsewhere: Vec::new() });
            }
            take(sections.last_mut().unwrap(), line);
        }
    }
    assert!(inside.is_none(), "{name}: a block is not closed");
    sections
}

fn take(section: &mut Section, line: &str) {
    if let Some(command) = line.strip_prefix("$ ") {
        section.run.push(Line { command: command.to_owned(), shown: Vec::new() });
    } else if let Some(command) = line.strip_prefix("% ") {
        section.elsewhere.push(command.to_owned());
    } else if let Some(last) = section.elsewhere.last_mut().filter(|command| goes_on(command)) {
        last.push_str(line);
    } else {
        let last = section.run.last_mut().unwrap_or_else(|| panic!("a line without a prompt: {line}"));
        match goes_on(&last.command) {
            true => last.command.push_str(&format!("\n{line}")),
            false => last.shown.push(line.trim().to_owned()),
        }
    }
}

/// Whether a shell would read another line.
fn goes_on(command: &str) -> bool {
    command.ends_with('\\') || command.matches('\'').count() % 2 == 1
}
